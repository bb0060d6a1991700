// SPDX-License-Identifier: BSD-3-Clause
//
// 128-bit vectors of the x86-64 baseline. SSE2 has neither 64-bit compares nor a blend: both are composed here.
#pragma once

#include <emmintrin.h>

#include "scalar.h"
#include "streaming.h"

namespace fastrelu::FASTRELU_ISA {

struct Mask {
  __m128i v;
  friend Mask operator&(Mask a, Mask b) { return {_mm_and_si128(a.v, b.v)}; }
  friend Mask operator|(Mask a, Mask b) { return {_mm_or_si128(a.v, b.v)}; }
};

inline __m128i splat(std::int8_t x) { return _mm_set1_epi8(x); }
inline __m128i splat(std::int16_t x) { return _mm_set1_epi16(x); }
inline __m128i splat(std::int32_t x) { return _mm_set1_epi32(x); }
inline __m128i splat(std::int64_t x) { return _mm_set1_epi64x(x); }

// The first argument only names the lane type.
inline __m128i greater(std::int8_t, __m128i a, __m128i b) { return _mm_cmpgt_epi8(a, b); }
inline __m128i greater(std::int16_t, __m128i a, __m128i b) { return _mm_cmpgt_epi16(a, b); }
inline __m128i greater(std::int32_t, __m128i a, __m128i b) { return _mm_cmpgt_epi32(a, b); }
inline __m128i greater(std::int64_t, __m128i a, __m128i b) {
  // Decided by the high halves, or, where these are equal, by the borrow of b - a.
  const __m128i borrow = _mm_and_si128(_mm_cmpeq_epi32(a, b), _mm_sub_epi64(b, a));
  return _mm_shuffle_epi32(_mm_or_si128(_mm_cmpgt_epi32(a, b), borrow), _MM_SHUFFLE(3, 3, 1, 1));
}

inline __m128i equal(std::int8_t, __m128i a, __m128i b) { return _mm_cmpeq_epi8(a, b); }
inline __m128i equal(std::int16_t, __m128i a, __m128i b) { return _mm_cmpeq_epi16(a, b); }
inline __m128i equal(std::int32_t, __m128i a, __m128i b) { return _mm_cmpeq_epi32(a, b); }
inline __m128i equal(std::int64_t, __m128i a, __m128i b) {
  const __m128i halves = _mm_cmpeq_epi32(a, b);
  return _mm_and_si128(halves, _mm_shuffle_epi32(halves, _MM_SHUFFLE(2, 3, 0, 1)));
}

inline __m128i sum(std::int8_t, __m128i a, __m128i b) { return _mm_add_epi8(a, b); }
inline __m128i sum(std::int16_t, __m128i a, __m128i b) { return _mm_add_epi16(a, b); }
inline __m128i sum(std::int32_t, __m128i a, __m128i b) { return _mm_add_epi32(a, b); }
inline __m128i sum(std::int64_t, __m128i a, __m128i b) { return _mm_add_epi64(a, b); }

inline __m128i difference(std::int8_t, __m128i a, __m128i b) { return _mm_sub_epi8(a, b); }
inline __m128i difference(std::int16_t, __m128i a, __m128i b) { return _mm_sub_epi16(a, b); }
inline __m128i difference(std::int32_t, __m128i a, __m128i b) { return _mm_sub_epi32(a, b); }
inline __m128i difference(std::int64_t, __m128i a, __m128i b) { return _mm_sub_epi64(a, b); }

// All ones where a is negative.
inline __m128i signs(std::int16_t, __m128i a) { return _mm_srai_epi16(a, 15); }
inline __m128i signs(std::int32_t, __m128i a) { return _mm_srai_epi32(a, 31); }
inline __m128i signs(std::int64_t, __m128i a) {
  return _mm_shuffle_epi32(_mm_srai_epi32(a, 31), _MM_SHUFFLE(3, 3, 1, 1));
}

template <class T> struct Vec<T, std::enable_if_t<std::is_integral_v<T>>> {
  using Lane = T;
  using Signed = std::make_signed_t<T>;
  static constexpr int width = 16 / sizeof(T);
  __m128i v;
  Vec(__m128i r) : v(r) {}
  explicit Vec(T x) : v(splat(static_cast<Signed>(x))) {}
  static Vec load(const T* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  void store(T* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
  friend Mask operator>(Vec a, Vec b) { return {greater(Signed(), a.v, b.v)}; }
  friend Mask operator!=(Vec a, Vec b) { return {_mm_xor_si128(equal(Signed(), a.v, b.v), _mm_set1_epi32(-1))}; }
  friend Vec operator&(Vec a, Vec b) { return _mm_and_si128(a.v, b.v); }
  friend Vec operator|(Vec a, Vec b) { return _mm_or_si128(a.v, b.v); }
  friend Vec operator^(Vec a, Vec b) { return _mm_xor_si128(a.v, b.v); }
  friend Vec operator+(Vec a, Vec b) { return sum(Signed(), a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return difference(Signed(), a.v, b.v); }
  friend Vec signs(Vec a) { return signs(Signed(), a.v); }
  friend Vec negated(Vec a) { return Vec(T(0)) - a; }
  friend Vec select_or_zero(Mask m, Vec a) { return _mm_and_si128(m.v, a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return _mm_andnot_si128(m.v, a.v); }
  friend Vec select(Mask m, Vec a, Vec b) { return _mm_or_si128(_mm_and_si128(m.v, a.v), _mm_andnot_si128(m.v, b.v)); }
};

template <> struct Vec<float> {
  using Lane = float;
  static constexpr int width = 4;
  __m128 v;
  Vec(__m128 r) : v(r) {}
  explicit Vec(float x) : v(_mm_set1_ps(x)) {}
  static Vec load(const float* p) { return _mm_loadu_ps(p); }
  void store(float* p) const { _mm_storeu_ps(p, v); }
  friend Vec<std::int32_t> bits(Vec a) { return _mm_castps_si128(a.v); }
  friend Vec operator+(Vec a, Vec b) { return _mm_add_ps(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return _mm_sub_ps(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return _mm_mul_ps(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return _mm_div_ps(a.v, b.v); }
  friend Vec negated(Vec a) { return _mm_xor_ps(a.v, _mm_set1_ps(-0.0f)); }
  friend Vec select_or_zero(Mask m, Vec a) { return _mm_and_ps(_mm_castsi128_ps(m.v), a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return _mm_andnot_ps(_mm_castsi128_ps(m.v), a.v); }
  friend Vec select(Mask m, Vec a, Vec b) {
    const __m128 mask = _mm_castsi128_ps(m.v);
    return _mm_or_ps(_mm_and_ps(mask, a.v), _mm_andnot_ps(mask, b.v));
  }
};

template <> struct Vec<double> {
  using Lane = double;
  static constexpr int width = 2;
  __m128d v;
  Vec(__m128d r) : v(r) {}
  explicit Vec(double x) : v(_mm_set1_pd(x)) {}
  static Vec load(const double* p) { return _mm_loadu_pd(p); }
  void store(double* p) const { _mm_storeu_pd(p, v); }
  friend Vec<std::int64_t> bits(Vec a) { return _mm_castpd_si128(a.v); }
  friend Vec operator+(Vec a, Vec b) { return _mm_add_pd(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return _mm_sub_pd(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return _mm_mul_pd(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return _mm_div_pd(a.v, b.v); }
  friend Vec negated(Vec a) { return _mm_xor_pd(a.v, _mm_set1_pd(-0.0)); }
  friend Vec select_or_zero(Mask m, Vec a) { return _mm_and_pd(_mm_castsi128_pd(m.v), a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return _mm_andnot_pd(_mm_castsi128_pd(m.v), a.v); }
  friend Vec select(Mask m, Vec a, Vec b) {
    const __m128d mask = _mm_castsi128_pd(m.v);
    return _mm_or_pd(_mm_and_pd(mask, a.v), _mm_andnot_pd(mask, b.v));
  }
};

// What smooth functions need of doubles (smooth.h); a NaN passes the bounds.
inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return a * b + c; }
inline Vec<double> product_error(Vec<double> a, Vec<double> b, Vec<double> product) {
  return dekker_error(a, b, product);
}
inline Vec<double> at_least(Vec<double> x, Vec<double> bound) { return _mm_max_pd(bound.v, x.v); }
inline Vec<double> at_most(Vec<double> x, Vec<double> bound) { return _mm_min_pd(bound.v, x.v); }
inline Vec<double> absolute(Vec<double> x) { return _mm_andnot_pd(_mm_set1_pd(-0.0), x.v); }
inline Vec<double> with_sign_of(Vec<double> a, Vec<double> sign) {
  const __m128d of_sign = _mm_set1_pd(-0.0);
  return _mm_or_pd(_mm_andnot_pd(of_sign, a.v), _mm_and_pd(of_sign, sign.v));
}
inline Mask smaller(Vec<double> a, Vec<double> b) { return {_mm_castpd_si128(_mm_cmplt_pd(a.v, b.v))}; }
inline Mask equal(Vec<double> a, Vec<double> b) { return {_mm_castpd_si128(_mm_cmpeq_pd(a.v, b.v))}; }
inline Mask unordered(Vec<double> x) { return {_mm_castpd_si128(_mm_cmpunord_pd(x.v, x.v))}; }
inline Vec<double> exponent_from_low_bits(Vec<double> x) {
  return _mm_castsi128_pd(_mm_slli_epi64(_mm_castpd_si128(x.v), 52));
}
inline Vec<double> load_widened(const float* p) {
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void store_narrowed(float* p, Vec<double> x) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(_mm_cvtpd_ps(x.v)));
}

inline Vec<std::int32_t> upper_half(Vec<std::int32_t> a) { return _mm_srli_epi32(a.v, 16); }
inline Vec<float> as_float(Vec<std::int32_t> a) { return _mm_castsi128_ps(a.v); }
inline bool any(Mask m) { return _mm_movemask_epi8(m.v) != 0; }

// As many 16-bit lanes as a vector of floats has lanes.
struct Shorts {
  __m128i v;  // in the lower half
  static Shorts load(const void* p) { return {_mm_loadl_epi64(static_cast<const __m128i*>(p))}; }
  void store(void* p) const { _mm_storel_epi64(static_cast<__m128i*>(p), v); }
  void stream(void* p) const { _mm_stream_si64(static_cast<long long*>(p), _mm_cvtsi128_si64(v)); }
  friend Shorts select_or_zero(Mask m, Shorts s) { return {_mm_and_si128(_mm_packs_epi32(m.v, m.v), s.v)}; }
};

inline Vec<std::int32_t> to_upper_halves(Shorts s) { return _mm_unpacklo_epi16(_mm_setzero_si128(), s.v); }
inline Shorts from_upper_halves(Vec<std::int32_t> a) {
  const __m128i words = _mm_srai_epi32(a.v, 16);
  return {_mm_packs_epi32(words, words)};
}

// The conversions of float16.h in vectors: SSE2 has none.

inline Vec<float> half_to_float(Shorts s) {
  using B = Vec<std::int32_t>;
  const B rebias(112 << 23);
  const B upper = to_upper_halves(s);
  const B magnitude = upper_half(upper & B(0x7fff0000));
  const B normal = B(_mm_slli_epi32(magnitude.v, 13)) + rebias;
  const B subnormal = bits(Vec<float>(_mm_cvtepi32_ps(magnitude.v)) * Vec<float>(0x1p-24f));
  const B finite = select(B(0x0400) > magnitude, subnormal, normal);
  const B all = select(magnitude > B(0x7bff), normal + rebias, finite);
  return as_float(all | (upper & B(INT32_MIN)));
}

inline Shorts float_to_half(Vec<float> x) {
  using B = Vec<std::int32_t>;
  const B infinity(0x7f800000);
  const B word = bits(x), magnitude = word & B(0x7fffffff);
  const Mask nan = magnitude > infinity, overflows = magnitude > B(0x477fefff), tiny = B(0x38800000) > magnitude;

  const B odd = B(_mm_srli_epi32(magnitude.v, 13)) & B(1);
  const B normal(_mm_srli_epi32((magnitude + (B(0xfff - (112 << 23)) + odd)).v, 13));
  const B small = select_or_zero(tiny, magnitude);  // other lanes might be signalling NaNs
  const __m128 aligned = _mm_add_ps(as_float(small).v, _mm_set1_ps(0.5f));
  const B subnormal = bits(Vec<float>(aligned)) - B(0x3f000000);
  const B quiet_nan = B(0x7e00) | (B(_mm_srli_epi32(magnitude.v, 13)) & B(0x1ff));

  if (any(nan & (B(0x7fc00000) > magnitude))) raise_invalid();
  if (any(overflows & (infinity > magnitude))) raise_overflow();
  const B exact = bits(Vec<float>(_mm_sub_ps(aligned, _mm_set1_ps(0.5f))));
  if (any((exact != small) & (B(0x0400) > subnormal))) raise_underflow();

  const B finite = select(tiny, subnormal, normal);
  const B rounded = select(nan, quiet_nan, select(overflows, B(0x7c00), finite));
  const B sign = upper_half(word & B(INT32_MIN));
  return from_upper_halves(_mm_slli_epi32((rounded | sign).v, 16));
}

}  // namespace fastrelu::FASTRELU_ISA

#include "halves.h"
#include "lanes.h"
