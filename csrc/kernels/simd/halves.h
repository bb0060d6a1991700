// SPDX-License-Identifier: BSD-3-Clause
//
// Vectors of 16-bit floats, for every instruction set that has vectors of 16-bit integers. relu needs no more: it looks
// at bits and selects. Leaky functions compute in float, so the instruction sets also say how to widen and narrow.
#pragma once

#include <utility>

#include "scalar.h"

namespace fastrelu::FASTRELU_ISA {

template <class V> using MaskOf = decltype(std::declval<V>() > std::declval<V>());

template <class T> struct Vec<T, std::enable_if_t<is_half<T>>> {
  using Lane = T;
  using Bits = Vec<typename T::Bits>;
  static constexpr int width = Bits::width;
  static constexpr bool has_partial = FASTRELU_ISA::has_partial<Bits>;
  Bits v;
  Vec(Bits b) : v(b) {}
  explicit Vec(T x) : v(bits(x)) {}
  static Vec load(const T* p) { return Bits::load(reinterpret_cast<const std::int16_t*>(p)); }
  void store(T* p) const { v.store(reinterpret_cast<std::int16_t*>(p)); }
  static Vec load_partial(const T* p, std::ptrdiff_t n) {
    return Bits::load_partial(reinterpret_cast<const std::int16_t*>(p), n);
  }
  void store_partial(T* p, std::ptrdiff_t n) const { v.store_partial(reinterpret_cast<std::int16_t*>(p), n); }
  friend Bits bits(Vec a) { return a.v; }
  friend Vec select_or_zero(MaskOf<Bits> m, Vec a) { return select_or_zero(m, a.v); }
  friend Vec zero_or_select(MaskOf<Bits> m, Vec a) { return zero_or_select(m, a.v); }
  friend Vec select(MaskOf<Bits> m, Vec a, Vec b) { return select(m, a.v, b.v); }
  friend Vec negated(Vec a) { return a.v ^ Bits(INT16_MIN); }
  friend Vec first_or_one(std::ptrdiff_t n, Vec a) { return first_or_one(n, a.v); }
};

inline Vec<float> widen(Half, Shorts s) { return half_to_float(s); }
inline Shorts narrow(Half, Vec<float> x) { return float_to_half(x); }

inline Vec<float> widen(BFloat16, Shorts s) { return as_float(to_upper_halves(s)); }
inline Shorts narrow(BFloat16, Vec<float> x) {
  using B = Vec<std::int32_t>;
  const B b = bits(x);
  const auto nan = (b & B(0x7fffffff)) > B(0x7f800000);
  const B to_nearest_even = b + (B(0x7fff) + (upper_half(b) & B(1)));
  return from_upper_halves(select(nan, b | B(0x400000), to_nearest_even));
}

// A half's bits where a float has its upper half: they order in the same way.
template <class T> struct InUpperHalf {
  T value;
  explicit InUpperHalf(float x) : value(x) {}
  friend std::int32_t bits(InUpperHalf x) { return static_cast<std::int32_t>(std::uint32_t(x.value.bits) << 16); }
};

// Halves as they are stored, as many as a vector of floats has lanes: to be looked at and selected without a conversion,
// so that not even a signalling NaN raises anything. Converted, they are floats.
template <class T> struct Stored {
  using Lane = InUpperHalf<T>;
  Shorts v;
  explicit operator Vec<float>() const { return widen(T(), v); }
  friend Vec<std::int32_t> bits(Stored x) { return to_upper_halves(x.v); }
  friend Stored select_or_zero(MaskOf<Vec<std::int32_t>> m, Stored x) { return {select_or_zero(m, x.v)}; }
};

// Loads and stores of a vector of floats that memory holds as halves; with n, of its first n lanes.

template <class T, class = std::enable_if_t<is_half<T>>> Vec<float> load_widened(const T* p) {
  return widen(T(), Shorts::load(p));
}
template <class T, class = std::enable_if_t<is_half<T>>> Stored<T> load_stored(const T* p) { return {Shorts::load(p)}; }
template <class T, class = std::enable_if_t<is_half<T>>> void store_narrowed(T* p, Vec<float> x) {
  narrow(T(), x).store(p);
}
template <class T, class = std::enable_if_t<is_half<T>>> void stream_narrowed(T* p, Vec<float> x) {
  narrow(T(), x).stream(p);
}

template <class T, class S = Shorts> Vec<float> load_widened(const T* p, std::ptrdiff_t n) {
  return widen(T(), S::load_partial(p, n, bits(T(1))));
}
template <class T, class S = Shorts> Stored<T> load_stored(const T* p, std::ptrdiff_t n) {
  return {S::load_partial(p, n, bits(T(1)))};
}
template <class T, class S = Shorts> void store_narrowed(T* p, Vec<float> x, std::ptrdiff_t n) {
  const S narrowed = narrow(T(), x);
  narrowed.store_partial(p, n);
}

}  // namespace fastrelu::FASTRELU_ISA
