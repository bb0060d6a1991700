// SPDX-License-Identifier: BSD-3-Clause
//
// 512-bit vectors (F, BW, DQ, VL). A mask is a plain integer, one bit a lane, and so are partial loads and stores.
#pragma once

#include <immintrin.h>

#include "scalar.h"
#include "streaming.h"

namespace fastrelu::FASTRELU_ISA {

// A vector that was loaded once. GCC 12 would rather fold the load into each instruction that takes the vector, and read
// it up to three times, which costs from L1 to L2.
#ifdef __GNUC__
template <class V> V loaded(V v) {
  __asm__("" : "+v"(v));
  return v;
}
#else
template <class V> V loaded(V v) { return v; }
#endif

// The first argument only names the lane type.
inline __m512i splat(std::int8_t x) { return _mm512_set1_epi8(x); }
inline __m512i splat(std::int16_t x) { return _mm512_set1_epi16(x); }
inline __m512i splat(std::int32_t x) { return _mm512_set1_epi32(x); }
inline __m512i splat(std::int64_t x) { return _mm512_set1_epi64(x); }

inline __mmask64 greater(std::int8_t, __m512i a, __m512i b) { return _mm512_cmpgt_epi8_mask(a, b); }
inline __mmask32 greater(std::int16_t, __m512i a, __m512i b) { return _mm512_cmpgt_epi16_mask(a, b); }
inline __mmask16 greater(std::int32_t, __m512i a, __m512i b) { return _mm512_cmpgt_epi32_mask(a, b); }
inline __mmask8 greater(std::int64_t, __m512i a, __m512i b) { return _mm512_cmpgt_epi64_mask(a, b); }

inline __mmask64 not_equal(std::int8_t, __m512i a, __m512i b) { return _mm512_cmpneq_epi8_mask(a, b); }
inline __mmask32 not_equal(std::int16_t, __m512i a, __m512i b) { return _mm512_cmpneq_epi16_mask(a, b); }
inline __mmask16 not_equal(std::int32_t, __m512i a, __m512i b) { return _mm512_cmpneq_epi32_mask(a, b); }
inline __mmask8 not_equal(std::int64_t, __m512i a, __m512i b) { return _mm512_cmpneq_epi64_mask(a, b); }

inline __m512i sum(std::int8_t, __m512i a, __m512i b) { return _mm512_add_epi8(a, b); }
inline __m512i sum(std::int16_t, __m512i a, __m512i b) { return _mm512_add_epi16(a, b); }
inline __m512i sum(std::int32_t, __m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
inline __m512i sum(std::int64_t, __m512i a, __m512i b) { return _mm512_add_epi64(a, b); }

inline __m512i difference(std::int8_t, __m512i a, __m512i b) { return _mm512_sub_epi8(a, b); }
inline __m512i difference(std::int16_t, __m512i a, __m512i b) { return _mm512_sub_epi16(a, b); }
inline __m512i difference(std::int32_t, __m512i a, __m512i b) { return _mm512_sub_epi32(a, b); }
inline __m512i difference(std::int64_t, __m512i a, __m512i b) { return _mm512_sub_epi64(a, b); }

// All ones where a is negative.
inline __m512i signs(std::int16_t, __m512i a) { return _mm512_srai_epi16(a, 15); }
inline __m512i signs(std::int32_t, __m512i a) { return _mm512_srai_epi32(a, 31); }
inline __m512i signs(std::int64_t, __m512i a) { return _mm512_srai_epi64(a, 63); }

inline __m512i blend(std::int8_t, __m512i a, __mmask64 m, __m512i b) { return _mm512_mask_mov_epi8(a, m, b); }
inline __m512i blend(std::int16_t, __m512i a, __mmask32 m, __m512i b) { return _mm512_mask_mov_epi16(a, m, b); }
inline __m512i blend(std::int32_t, __m512i a, __mmask16 m, __m512i b) { return _mm512_mask_mov_epi32(a, m, b); }
inline __m512i blend(std::int64_t, __m512i a, __mmask8 m, __m512i b) { return _mm512_mask_mov_epi64(a, m, b); }

inline __m512i load(std::int8_t, __m512i rest, __mmask64 m, const void* p) {
  return _mm512_mask_loadu_epi8(rest, m, p);
}
inline __m512i load(std::int16_t, __m512i rest, __mmask32 m, const void* p) {
  return _mm512_mask_loadu_epi16(rest, m, p);
}
inline __m512i load(std::int32_t, __m512i rest, __mmask16 m, const void* p) {
  return _mm512_mask_loadu_epi32(rest, m, p);
}
inline __m512i load(std::int64_t, __m512i rest, __mmask8 m, const void* p) {
  return _mm512_mask_loadu_epi64(rest, m, p);
}

inline void store(std::int8_t, void* p, __mmask64 m, __m512i a) { _mm512_mask_storeu_epi8(p, m, a); }
inline void store(std::int16_t, void* p, __mmask32 m, __m512i a) { _mm512_mask_storeu_epi16(p, m, a); }
inline void store(std::int32_t, void* p, __mmask16 m, __m512i a) { _mm512_mask_storeu_epi32(p, m, a); }
inline void store(std::int64_t, void* p, __mmask8 m, __m512i a) { _mm512_mask_storeu_epi64(p, m, a); }

// The lanes below n; 0 < n < the number of lanes.
inline std::uint64_t first_lanes(std::ptrdiff_t n) { return (std::uint64_t(1) << n) - 1; }

template <class T> struct Vec<T, std::enable_if_t<std::is_integral_v<T>>> {
  using Lane = T;
  using Signed = std::make_signed_t<T>;
  using Mask = decltype(greater(Signed(), __m512i(), __m512i()));
  static constexpr int width = 64 / sizeof(T);
  static constexpr bool has_partial = true;
  __m512i v;
  Vec(__m512i r) : v(r) {}
  explicit Vec(T x) : v(splat(static_cast<Signed>(x))) {}
  static Vec load(const T* p) { return loaded(_mm512_loadu_si512(p)); }
  void store(T* p) const { _mm512_storeu_si512(p, v); }
  static Vec load_partial(const T* p, std::ptrdiff_t n) {
    return FASTRELU_ISA::load(Signed(), Vec(1).v, static_cast<Mask>(first_lanes(n)), p);
  }
  void store_partial(T* p, std::ptrdiff_t n) const {
    FASTRELU_ISA::store(Signed(), p, static_cast<Mask>(first_lanes(n)), v);
  }
  friend Mask operator>(Vec a, Vec b) { return greater(Signed(), a.v, b.v); }
  friend Mask operator!=(Vec a, Vec b) { return not_equal(Signed(), a.v, b.v); }
  friend Vec operator&(Vec a, Vec b) { return _mm512_and_si512(a.v, b.v); }
  friend Vec operator|(Vec a, Vec b) { return _mm512_or_si512(a.v, b.v); }
  friend Vec operator^(Vec a, Vec b) { return _mm512_xor_si512(a.v, b.v); }
  friend Vec operator+(Vec a, Vec b) { return sum(Signed(), a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return difference(Signed(), a.v, b.v); }
  friend Vec signs(Vec a) { return signs(Signed(), a.v); }
  friend Vec negated(Vec a) { return Vec(T(0)) - a; }
  friend Vec select_or_zero(Mask m, Vec a) { return blend(Signed(), _mm512_setzero_si512(), m, a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return blend(Signed(), a.v, m, _mm512_setzero_si512()); }
  friend Vec first_or_one(std::ptrdiff_t n, Vec a) {
    return blend(Signed(), Vec(1).v, static_cast<Mask>(first_lanes(n)), a.v);
  }
  friend Vec select(Mask m, Vec a, Vec b) { return blend(Signed(), b.v, m, a.v); }
};

template <> struct Vec<float> {
  using Lane = float;
  static constexpr int width = 16;
  static constexpr bool has_partial = true;
  __m512 v;
  Vec(__m512 r) : v(r) {}
  explicit Vec(float x) : v(_mm512_set1_ps(x)) {}
  static Vec load(const float* p) { return loaded(_mm512_loadu_ps(p)); }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  static Vec load_partial(const float* p, std::ptrdiff_t n) {
    return _mm512_mask_loadu_ps(_mm512_set1_ps(1), static_cast<__mmask16>(first_lanes(n)), p);
  }
  void store_partial(float* p, std::ptrdiff_t n) const {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first_lanes(n)), v);
  }
  friend Vec<std::int32_t> bits(Vec a) { return _mm512_castps_si512(a.v); }
  friend Vec operator+(Vec a, Vec b) { return _mm512_add_ps(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return _mm512_sub_ps(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return _mm512_mul_ps(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return _mm512_div_ps(a.v, b.v); }
  friend Vec negated(Vec a) { return _mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f)); }
  friend Vec select_or_zero(__mmask16 m, Vec a) { return _mm512_maskz_mov_ps(m, a.v); }
  friend Vec zero_or_select(__mmask16 m, Vec a) { return _mm512_mask_mov_ps(a.v, m, _mm512_setzero_ps()); }
  friend Vec first_or_one(std::ptrdiff_t n, Vec a) {
    return _mm512_mask_mov_ps(_mm512_set1_ps(1), static_cast<__mmask16>(first_lanes(n)), a.v);
  }
  friend Vec select(__mmask16 m, Vec a, Vec b) { return _mm512_mask_blend_ps(m, b.v, a.v); }
};

template <> struct Vec<double> {
  using Lane = double;
  static constexpr int width = 8;
  static constexpr bool has_partial = true;
  __m512d v;
  Vec(__m512d r) : v(r) {}
  explicit Vec(double x) : v(_mm512_set1_pd(x)) {}
  static Vec load(const double* p) { return loaded(_mm512_loadu_pd(p)); }
  void store(double* p) const { _mm512_storeu_pd(p, v); }
  static Vec load_partial(const double* p, std::ptrdiff_t n) {
    return _mm512_mask_loadu_pd(_mm512_set1_pd(1), static_cast<__mmask8>(first_lanes(n)), p);
  }
  void store_partial(double* p, std::ptrdiff_t n) const {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first_lanes(n)), v);
  }
  friend Vec<std::int64_t> bits(Vec a) { return _mm512_castpd_si512(a.v); }
  friend Vec operator+(Vec a, Vec b) { return _mm512_add_pd(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return _mm512_sub_pd(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return _mm512_mul_pd(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return _mm512_div_pd(a.v, b.v); }
  friend Vec negated(Vec a) { return _mm512_xor_pd(a.v, _mm512_set1_pd(-0.0)); }
  friend Vec select_or_zero(__mmask8 m, Vec a) { return _mm512_maskz_mov_pd(m, a.v); }
  friend Vec zero_or_select(__mmask8 m, Vec a) { return _mm512_mask_mov_pd(a.v, m, _mm512_setzero_pd()); }
  friend Vec first_or_one(std::ptrdiff_t n, Vec a) {
    return _mm512_mask_mov_pd(_mm512_set1_pd(1), static_cast<__mmask8>(first_lanes(n)), a.v);
  }
  friend Vec select(__mmask8 m, Vec a, Vec b) { return _mm512_mask_blend_pd(m, b.v, a.v); }
};

// What smooth functions need of doubles (smooth.h); a NaN passes the bounds.
inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a.v, b.v, c.v); }
inline Vec<double> product_error(Vec<double> a, Vec<double> b, Vec<double> product) {
  return _mm512_fmsub_pd(a.v, b.v, product.v);
}
inline Vec<double> at_least(Vec<double> x, Vec<double> bound) { return _mm512_max_pd(bound.v, x.v); }
inline Vec<double> at_most(Vec<double> x, Vec<double> bound) { return _mm512_min_pd(bound.v, x.v); }
inline Vec<double> absolute(Vec<double> x) { return _mm512_abs_pd(x.v); }
inline Vec<double> with_sign_of(Vec<double> a, Vec<double> sign) {
  const __m512i bits = _mm512_castpd_si512(a.v), all_but_sign = _mm512_set1_epi64(INT64_MAX);
  constexpr int choose_by_third = 0xe4;  // the first where the third is 1, else the second
  return _mm512_castsi512_pd(
      _mm512_ternarylogic_epi64(bits, _mm512_castpd_si512(sign.v), all_but_sign, choose_by_third));
}
inline __mmask8 smaller(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
inline __mmask8 equal(Vec<double> a, Vec<double> b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ); }
inline __mmask8 unordered(Vec<double> x) { return _mm512_cmp_pd_mask(x.v, x.v, _CMP_UNORD_Q); }
inline Vec<double> exponent_from_low_bits(Vec<double> x) {
  return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(x.v), 52));
}
inline Vec<double> load_widened(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
inline void store_narrowed(float* p, Vec<double> x) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(x.v)); }

inline Vec<std::int32_t> upper_half(Vec<std::int32_t> a) { return _mm512_srli_epi32(a.v, 16); }
inline Vec<float> as_float(Vec<std::int32_t> a) { return _mm512_castsi512_ps(a.v); }

// As many 16-bit lanes as a vector of floats has lanes.
struct Shorts {
  __m256i v;
  static Shorts load(const void* p) { return {_mm256_loadu_si256(static_cast<const __m256i*>(p))}; }
  void store(void* p) const { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  void stream(void* p) const { FASTRELU_ISA::stream(p, v); }
  friend Shorts select_or_zero(__mmask16 m, Shorts s) { return {_mm256_maskz_mov_epi16(m, s.v)}; }
  static Shorts load_partial(const void* p, std::ptrdiff_t n, std::int16_t rest) {
    return {_mm256_mask_loadu_epi16(_mm256_set1_epi16(rest), static_cast<__mmask16>(first_lanes(n)), p)};
  }
  void store_partial(void* p, std::ptrdiff_t n) const {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(first_lanes(n)), v);
  }
};

inline Vec<std::int32_t> to_upper_halves(Shorts s) { return _mm512_slli_epi32(_mm512_cvtepu16_epi32(s.v), 16); }
inline Shorts from_upper_halves(Vec<std::int32_t> a) { return {_mm512_cvtepi32_epi16(upper_half(a).v)}; }
inline Vec<float> half_to_float(Shorts s) { return _mm512_cvtph_ps(s.v); }
inline Shorts float_to_half(Vec<float> x) { return {_mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT)}; }

}  // namespace fastrelu::FASTRELU_ISA

#include "halves.h"
#include "lanes.h"
