// SPDX-License-Identifier: BSD-3-Clause
//
// 256-bit vectors. Tails stay scalar: masked stores are microcoded on AMD processors before AVX-512.
#pragma once

#include <immintrin.h>

#include "scalar.h"
#include "streaming.h"

namespace fastrelu::FASTRELU_ISA {

struct Mask {
  __m256i v;
  friend Mask operator&(Mask a, Mask b) { return {_mm256_and_si256(a.v, b.v)}; }
  friend Mask operator|(Mask a, Mask b) { return {_mm256_or_si256(a.v, b.v)}; }
};

inline __m256i splat(std::int8_t x) { return _mm256_set1_epi8(x); }
inline __m256i splat(std::int16_t x) { return _mm256_set1_epi16(x); }
inline __m256i splat(std::int32_t x) { return _mm256_set1_epi32(x); }
inline __m256i splat(std::int64_t x) { return _mm256_set1_epi64x(x); }

// The first argument only names the lane type.
inline __m256i greater(std::int8_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi8(a, b); }
inline __m256i greater(std::int16_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi16(a, b); }
inline __m256i greater(std::int32_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi32(a, b); }
inline __m256i greater(std::int64_t, __m256i a, __m256i b) { return _mm256_cmpgt_epi64(a, b); }

inline __m256i equal(std::int8_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi8(a, b); }
inline __m256i equal(std::int16_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi16(a, b); }
inline __m256i equal(std::int32_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi32(a, b); }
inline __m256i equal(std::int64_t, __m256i a, __m256i b) { return _mm256_cmpeq_epi64(a, b); }

inline __m256i sum(std::int8_t, __m256i a, __m256i b) { return _mm256_add_epi8(a, b); }
inline __m256i sum(std::int16_t, __m256i a, __m256i b) { return _mm256_add_epi16(a, b); }
inline __m256i sum(std::int32_t, __m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
inline __m256i sum(std::int64_t, __m256i a, __m256i b) { return _mm256_add_epi64(a, b); }

inline __m256i difference(std::int8_t, __m256i a, __m256i b) { return _mm256_sub_epi8(a, b); }
inline __m256i difference(std::int16_t, __m256i a, __m256i b) { return _mm256_sub_epi16(a, b); }
inline __m256i difference(std::int32_t, __m256i a, __m256i b) { return _mm256_sub_epi32(a, b); }
inline __m256i difference(std::int64_t, __m256i a, __m256i b) { return _mm256_sub_epi64(a, b); }

// All ones where a is negative. AVX2 has no such shift of 64 bits.
inline __m256i signs(std::int16_t, __m256i a) { return _mm256_srai_epi16(a, 15); }
inline __m256i signs(std::int32_t, __m256i a) { return _mm256_srai_epi32(a, 31); }
inline __m256i signs(std::int64_t, __m256i a) { return _mm256_cmpgt_epi64(_mm256_setzero_si256(), a); }

template <class T> struct Vec<T, std::enable_if_t<std::is_integral_v<T>>> {
  using Lane = T;
  using Signed = std::make_signed_t<T>;
  static constexpr int width = 32 / sizeof(T);
  __m256i v;
  Vec(__m256i r) : v(r) {}
  explicit Vec(T x) : v(splat(static_cast<Signed>(x))) {}
  static Vec load(const T* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  void store(T* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  friend Mask operator>(Vec a, Vec b) { return {greater(Signed(), a.v, b.v)}; }
  friend Mask operator!=(Vec a, Vec b) { return {_mm256_xor_si256(equal(Signed(), a.v, b.v), _mm256_set1_epi32(-1))}; }
  friend Vec operator&(Vec a, Vec b) { return _mm256_and_si256(a.v, b.v); }
  friend Vec operator|(Vec a, Vec b) { return _mm256_or_si256(a.v, b.v); }
  friend Vec operator^(Vec a, Vec b) { return _mm256_xor_si256(a.v, b.v); }
  friend Vec operator+(Vec a, Vec b) { return sum(Signed(), a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return difference(Signed(), a.v, b.v); }
  friend Vec signs(Vec a) { return signs(Signed(), a.v); }
  friend Vec negated(Vec a) { return Vec(T(0)) - a; }
  friend Vec select_or_zero(Mask m, Vec a) { return _mm256_and_si256(m.v, a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return _mm256_andnot_si256(m.v, a.v); }
  friend Vec select(Mask m, Vec a, Vec b) { return _mm256_blendv_epi8(b.v, a.v, m.v); }
};

template <> struct Vec<float> {
  using Lane = float;
  static constexpr int width = 8;
  __m256 v;
  Vec(__m256 r) : v(r) {}
  explicit Vec(float x) : v(_mm256_set1_ps(x)) {}
  static Vec load(const float* p) { return _mm256_loadu_ps(p); }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  friend Vec<std::int32_t> bits(Vec a) { return _mm256_castps_si256(a.v); }
  friend Vec operator+(Vec a, Vec b) { return _mm256_add_ps(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return _mm256_sub_ps(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return _mm256_mul_ps(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return _mm256_div_ps(a.v, b.v); }
  friend Vec negated(Vec a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }
  friend Vec select_or_zero(Mask m, Vec a) { return _mm256_and_ps(_mm256_castsi256_ps(m.v), a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return _mm256_andnot_ps(_mm256_castsi256_ps(m.v), a.v); }
  friend Vec select(Mask m, Vec a, Vec b) { return _mm256_blendv_ps(b.v, a.v, _mm256_castsi256_ps(m.v)); }
};

template <> struct Vec<double> {
  using Lane = double;
  static constexpr int width = 4;
  __m256d v;
  Vec(__m256d r) : v(r) {}
  explicit Vec(double x) : v(_mm256_set1_pd(x)) {}
  static Vec load(const double* p) { return _mm256_loadu_pd(p); }
  void store(double* p) const { _mm256_storeu_pd(p, v); }
  friend Vec<std::int64_t> bits(Vec a) { return _mm256_castpd_si256(a.v); }
  friend Vec operator+(Vec a, Vec b) { return _mm256_add_pd(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return _mm256_sub_pd(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return _mm256_mul_pd(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return _mm256_div_pd(a.v, b.v); }
  friend Vec negated(Vec a) { return _mm256_xor_pd(a.v, _mm256_set1_pd(-0.0)); }
  friend Vec select_or_zero(Mask m, Vec a) { return _mm256_and_pd(_mm256_castsi256_pd(m.v), a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return _mm256_andnot_pd(_mm256_castsi256_pd(m.v), a.v); }
  friend Vec select(Mask m, Vec a, Vec b) { return _mm256_blendv_pd(b.v, a.v, _mm256_castsi256_pd(m.v)); }
};

// What smooth functions need of doubles (smooth.h); a NaN passes the bounds.
inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a.v, b.v, c.v); }
inline Vec<double> product_error(Vec<double> a, Vec<double> b, Vec<double> product) {
  return _mm256_fmsub_pd(a.v, b.v, product.v);
}
inline Vec<double> at_least(Vec<double> x, Vec<double> bound) { return _mm256_max_pd(bound.v, x.v); }
inline Vec<double> at_most(Vec<double> x, Vec<double> bound) { return _mm256_min_pd(bound.v, x.v); }
inline Vec<double> absolute(Vec<double> x) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x.v); }
inline Vec<double> with_sign_of(Vec<double> a, Vec<double> sign) {
  const __m256d of_sign = _mm256_set1_pd(-0.0);
  return _mm256_or_pd(_mm256_andnot_pd(of_sign, a.v), _mm256_and_pd(of_sign, sign.v));
}
inline Mask smaller(Vec<double> a, Vec<double> b) { return {_mm256_castpd_si256(_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ))}; }
inline Mask equal(Vec<double> a, Vec<double> b) { return {_mm256_castpd_si256(_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ))}; }
inline Mask unordered(Vec<double> x) { return {_mm256_castpd_si256(_mm256_cmp_pd(x.v, x.v, _CMP_UNORD_Q))}; }
inline Vec<double> exponent_from_low_bits(Vec<double> x) {
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(x.v), 52));
}
inline Vec<double> load_widened(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
inline void store_narrowed(float* p, Vec<double> x) { _mm_storeu_ps(p, _mm256_cvtpd_ps(x.v)); }

inline Vec<std::int32_t> upper_half(Vec<std::int32_t> a) { return _mm256_srli_epi32(a.v, 16); }
inline Vec<float> as_float(Vec<std::int32_t> a) { return _mm256_castsi256_ps(a.v); }

// As many 16-bit lanes as a vector of floats has lanes.
struct Shorts {
  __m128i v;
  static Shorts load(const void* p) { return {_mm_loadu_si128(static_cast<const __m128i*>(p))}; }
  void store(void* p) const { _mm_storeu_si128(static_cast<__m128i*>(p), v); }
  void stream(void* p) const { FASTRELU_ISA::stream(p, v); }
  friend Shorts select_or_zero(Mask m, Shorts s) {
    const __m128i low = _mm256_castsi256_si128(m.v), high = _mm256_extracti128_si256(m.v, 1);
    return {_mm_and_si128(_mm_packs_epi32(low, high), s.v)};
  }
};

inline Vec<std::int32_t> to_upper_halves(Shorts s) { return _mm256_slli_epi32(_mm256_cvtepu16_epi32(s.v), 16); }
inline Shorts from_upper_halves(Vec<std::int32_t> a) {
  const __m256i words = upper_half(a).v;
  const __m256i packed = _mm256_packus_epi32(words, words);  // within each half of the register
  return {_mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0)))};
}
inline Vec<float> half_to_float(Shorts s) { return _mm256_cvtph_ps(s.v); }
inline Shorts float_to_half(Vec<float> x) { return {_mm256_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT)}; }

}  // namespace fastrelu::FASTRELU_ISA

#include "halves.h"
#include "lanes.h"
