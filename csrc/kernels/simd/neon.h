// SPDX-License-Identifier: BSD-3-Clause
//
// 128-bit vectors of AArch64. Masks and integers of every lane width share one register type, so that one template
// serves them all; the compares say which lanes they mean.
#pragma once

#include <arm_neon.h>

#include "scalar.h"

namespace fastrelu::FASTRELU_ISA {

struct Mask {
  uint8x16_t v;
  friend Mask operator&(Mask a, Mask b) { return {vandq_u8(a.v, b.v)}; }
  friend Mask operator|(Mask a, Mask b) { return {vorrq_u8(a.v, b.v)}; }
};

inline uint8x16_t splat(std::int8_t x) { return vreinterpretq_u8_s8(vdupq_n_s8(x)); }
inline uint8x16_t splat(std::int16_t x) { return vreinterpretq_u8_s16(vdupq_n_s16(x)); }
inline uint8x16_t splat(std::int32_t x) { return vreinterpretq_u8_s32(vdupq_n_s32(x)); }
inline uint8x16_t splat(std::int64_t x) { return vreinterpretq_u8_s64(vdupq_n_s64(x)); }

// The first argument only names the lane type.
inline uint8x16_t greater(std::int8_t, uint8x16_t a, uint8x16_t b) {
  return vcgtq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
}
inline uint8x16_t greater(std::int16_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vcgtq_s16(vreinterpretq_s16_u8(a), vreinterpretq_s16_u8(b)));
}
inline uint8x16_t greater(std::int32_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u32(vcgtq_s32(vreinterpretq_s32_u8(a), vreinterpretq_s32_u8(b)));
}
inline uint8x16_t greater(std::int64_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u64(vcgtq_s64(vreinterpretq_s64_u8(a), vreinterpretq_s64_u8(b)));
}

inline uint8x16_t equal(std::int8_t, uint8x16_t a, uint8x16_t b) { return vceqq_u8(a, b); }
inline uint8x16_t equal(std::int16_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vceqq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
inline uint8x16_t equal(std::int32_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u32(vceqq_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline uint8x16_t equal(std::int64_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u64(vceqq_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

inline uint8x16_t sum(std::int8_t, uint8x16_t a, uint8x16_t b) { return vaddq_u8(a, b); }
inline uint8x16_t sum(std::int16_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vaddq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
inline uint8x16_t sum(std::int32_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u32(vaddq_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline uint8x16_t sum(std::int64_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u64(vaddq_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

inline uint8x16_t difference(std::int8_t, uint8x16_t a, uint8x16_t b) { return vsubq_u8(a, b); }
inline uint8x16_t difference(std::int16_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vsubq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
inline uint8x16_t difference(std::int32_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u32(vsubq_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline uint8x16_t difference(std::int64_t, uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u64(vsubq_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

// All ones where a is negative.
inline uint8x16_t signs(std::int16_t, uint8x16_t a) {
  return vreinterpretq_u8_s16(vshrq_n_s16(vreinterpretq_s16_u8(a), 15));
}
inline uint8x16_t signs(std::int32_t, uint8x16_t a) {
  return vreinterpretq_u8_s32(vshrq_n_s32(vreinterpretq_s32_u8(a), 31));
}
inline uint8x16_t signs(std::int64_t, uint8x16_t a) {
  return vreinterpretq_u8_s64(vshrq_n_s64(vreinterpretq_s64_u8(a), 63));
}

template <class T> struct Vec<T, std::enable_if_t<std::is_integral_v<T>>> {
  using Lane = T;
  using Signed = std::make_signed_t<T>;
  static constexpr int width = 16 / sizeof(T);
  uint8x16_t v;
  Vec(uint8x16_t r) : v(r) {}
  explicit Vec(T x) : v(splat(static_cast<Signed>(x))) {}
  static Vec load(const T* p) { return vld1q_u8(reinterpret_cast<const std::uint8_t*>(p)); }
  void store(T* p) const { vst1q_u8(reinterpret_cast<std::uint8_t*>(p), v); }
  friend Mask operator>(Vec a, Vec b) { return {greater(Signed(), a.v, b.v)}; }
  friend Mask operator!=(Vec a, Vec b) { return {vmvnq_u8(equal(Signed(), a.v, b.v))}; }
  friend Vec operator&(Vec a, Vec b) { return vandq_u8(a.v, b.v); }
  friend Vec operator|(Vec a, Vec b) { return vorrq_u8(a.v, b.v); }
  friend Vec operator^(Vec a, Vec b) { return veorq_u8(a.v, b.v); }
  friend Vec operator+(Vec a, Vec b) { return sum(Signed(), a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return difference(Signed(), a.v, b.v); }
  friend Vec signs(Vec a) { return signs(Signed(), a.v); }
  friend Vec negated(Vec a) { return Vec(T(0)) - a; }
  friend Vec select_or_zero(Mask m, Vec a) { return vandq_u8(m.v, a.v); }
  friend Vec zero_or_select(Mask m, Vec a) { return vbicq_u8(a.v, m.v); }
  friend Vec select(Mask m, Vec a, Vec b) { return vbslq_u8(m.v, a.v, b.v); }
};

template <> struct Vec<float> {
  using Lane = float;
  static constexpr int width = 4;
  float32x4_t v;
  Vec(float32x4_t r) : v(r) {}
  explicit Vec(float x) : v(vdupq_n_f32(x)) {}
  static Vec load(const float* p) { return vld1q_f32(p); }
  void store(float* p) const { vst1q_f32(p, v); }
  friend Vec<std::int32_t> bits(Vec a) { return vreinterpretq_u8_f32(a.v); }
  friend Vec operator+(Vec a, Vec b) { return vaddq_f32(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return vsubq_f32(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return vmulq_f32(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return vdivq_f32(a.v, b.v); }
  friend Vec negated(Vec a) { return vnegq_f32(a.v); }
  friend Vec select_or_zero(Mask m, Vec a) { return vreinterpretq_f32_u8(vandq_u8(m.v, vreinterpretq_u8_f32(a.v))); }
  friend Vec zero_or_select(Mask m, Vec a) { return vreinterpretq_f32_u8(vbicq_u8(vreinterpretq_u8_f32(a.v), m.v)); }
  friend Vec select(Mask m, Vec a, Vec b) { return vbslq_f32(vreinterpretq_u32_u8(m.v), a.v, b.v); }
};

template <> struct Vec<double> {
  using Lane = double;
  static constexpr int width = 2;
  float64x2_t v;
  Vec(float64x2_t r) : v(r) {}
  explicit Vec(double x) : v(vdupq_n_f64(x)) {}
  static Vec load(const double* p) { return vld1q_f64(p); }
  void store(double* p) const { vst1q_f64(p, v); }
  friend Vec<std::int64_t> bits(Vec a) { return vreinterpretq_u8_f64(a.v); }
  friend Vec operator+(Vec a, Vec b) { return vaddq_f64(a.v, b.v); }
  friend Vec operator-(Vec a, Vec b) { return vsubq_f64(a.v, b.v); }
  friend Vec operator*(Vec a, Vec b) { return vmulq_f64(a.v, b.v); }
  friend Vec operator/(Vec a, Vec b) { return vdivq_f64(a.v, b.v); }
  friend Vec negated(Vec a) { return vnegq_f64(a.v); }
  friend Vec select_or_zero(Mask m, Vec a) { return vreinterpretq_f64_u8(vandq_u8(m.v, vreinterpretq_u8_f64(a.v))); }
  friend Vec zero_or_select(Mask m, Vec a) { return vreinterpretq_f64_u8(vbicq_u8(vreinterpretq_u8_f64(a.v), m.v)); }
  friend Vec select(Mask m, Vec a, Vec b) { return vbslq_f64(vreinterpretq_u64_u8(m.v), a.v, b.v); }
};

// What smooth functions need of doubles (smooth.h); a NaN passes the bounds.
inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return vfmaq_f64(c.v, a.v, b.v); }
inline Vec<double> product_error(Vec<double> a, Vec<double> b, Vec<double> product) {
  return vfmaq_f64(vnegq_f64(product.v), a.v, b.v);
}
inline Vec<double> at_least(Vec<double> x, Vec<double> bound) { return vmaxq_f64(x.v, bound.v); }
inline Vec<double> at_most(Vec<double> x, Vec<double> bound) { return vminq_f64(x.v, bound.v); }
inline Vec<double> absolute(Vec<double> x) { return vabsq_f64(x.v); }
inline Vec<double> with_sign_of(Vec<double> a, Vec<double> sign) {
  return vbslq_f64(vdupq_n_u64(std::uint64_t(1) << 63), sign.v, a.v);
}
inline Mask smaller(Vec<double> a, Vec<double> b) { return {vreinterpretq_u8_u64(vcltq_f64(a.v, b.v))}; }
inline Mask equal(Vec<double> a, Vec<double> b) { return {vreinterpretq_u8_u64(vceqq_f64(a.v, b.v))}; }
inline Mask unordered(Vec<double> x) { return {vmvnq_u8(vreinterpretq_u8_u64(vceqq_f64(x.v, x.v)))}; }
inline Vec<double> exponent_from_low_bits(Vec<double> x) {
  return vreinterpretq_f64_u64(vshlq_n_u64(vreinterpretq_u64_f64(x.v), 52));
}
inline Vec<double> load_widened(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
inline void store_narrowed(float* p, Vec<double> x) { vst1_f32(p, vcvt_f32_f64(x.v)); }

inline Vec<std::int32_t> upper_half(Vec<std::int32_t> a) {
  return vreinterpretq_u8_u32(vshrq_n_u32(vreinterpretq_u32_u8(a.v), 16));
}
inline Vec<float> as_float(Vec<std::int32_t> a) { return vreinterpretq_f32_u8(a.v); }

// As many 16-bit lanes as a vector of floats has lanes.
struct Shorts {
  uint16x4_t v;
  static Shorts load(const void* p) { return {vld1_u16(static_cast<const std::uint16_t*>(p))}; }
  void store(void* p) const { vst1_u16(static_cast<std::uint16_t*>(p), v); }
  friend Shorts select_or_zero(Mask m, Shorts s) { return {vand_u16(vmovn_u32(vreinterpretq_u32_u8(m.v)), s.v)}; }
};

inline Vec<std::int32_t> to_upper_halves(Shorts s) { return vreinterpretq_u8_u32(vshlq_n_u32(vmovl_u16(s.v), 16)); }
inline Shorts from_upper_halves(Vec<std::int32_t> a) { return {vshrn_n_u32(vreinterpretq_u32_u8(a.v), 16)}; }
inline Vec<float> half_to_float(Shorts s) { return vcvt_f32_f16(vreinterpret_f16_u16(s.v)); }
inline Shorts float_to_half(Vec<float> x) { return {vreinterpret_u16_f16(vcvt_f16_f32(x.v))}; }

}  // namespace fastrelu::FASTRELU_ISA

#include "halves.h"
#include "lanes.h"
