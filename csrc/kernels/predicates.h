// SPDX-License-Identifier: BSD-3-Clause
//
// The two questions that rectifiers ask of an element: keep(x) = !(x <= 0) and positive(x) = x > 0. They differ on NaN.
//
// Floats are compared as integers: floating-point compares raise "invalid" on signalling NaNs (SSE2 and NEON compares
// on quiet ones too), and NumPy would report it. Read as a signed integer, a float's bits order like this:
//
//     -0.0 < negative numbers < -inf < NaNs with the sign set < +0.0 < positive numbers < inf < NaNs without
#pragma once

#include <cstdint>
#include <type_traits>

#include "simd/scalar.h"

namespace fastrelu::FASTRELU_ISA {

template <class T> struct FloatBits;  // the encodings of the infinities

template <> struct FloatBits<Half> {
  static constexpr std::int16_t infinity = 0x7c00;
  static constexpr std::int16_t minus_infinity = -0x3ff - 1;
};

template <> struct FloatBits<BFloat16> {
  static constexpr std::int16_t infinity = 0x7f80;
  static constexpr std::int16_t minus_infinity = -0x7f - 1;
};

template <> struct FloatBits<float> {
  static constexpr std::int32_t infinity = 0x7f800000;
  static constexpr std::int32_t minus_infinity = -0x7fffff - 1;
};

template <> struct FloatBits<double> {
  static constexpr std::int64_t infinity = 0x7ff0000000000000;
  static constexpr std::int64_t minus_infinity = -0xfffffffffffff - 1;
};

// A half's bits where a float has its upper half: they order in the same way.
template <class T> struct InUpperHalf {
  T value;
  explicit InUpperHalf(float x) : value(x) {}
  friend std::int32_t bits(InUpperHalf x) { return static_cast<std::int32_t>(std::uint32_t(x.value.bits) << 16); }
};

template <class T> struct FloatBits<InUpperHalf<T>> {
  static constexpr std::int32_t infinity = FloatBits<T>::infinity * 0x10000;
  static constexpr std::int32_t minus_infinity = FloatBits<T>::minus_infinity * 0x10000;
};

// A number's type, or the type of a vector's lanes.
template <class V, class = void> struct LaneOf {
  using type = V;
};
template <class V> struct LaneOf<V, std::void_t<typename V::Lane>> {
  using type = typename V::Lane;
};
template <class V> using Lane = typename LaneOf<V>::type;

template <class V> auto keep(V x) {
  if constexpr (std::is_unsigned_v<Lane<V>>) {
    return x != V(0);
  } else if constexpr (std::is_integral_v<Lane<V>>) {
    return x > V(0);
  } else {
    const auto b = bits(x);
    using B = std::remove_const_t<decltype(b)>;
    return (b > B(FloatBits<Lane<V>>::minus_infinity)) & (b != B(0));
  }
}

template <class V> auto positive(V x) {
  if constexpr (std::is_integral_v<Lane<V>>) {
    return x > V(0);
  } else {
    const auto b = bits(x);
    using B = std::remove_const_t<decltype(b)>;
    return (b > B(0)) & (B(FloatBits<Lane<V>>::infinity + 1) > b);
  }
}

// A number in the type of another.
template <class V> V constant(V, float number) { return V(Lane<V>(number)); }
template <class V> V one(V x) { return constant(x, 1); }

}  // namespace fastrelu::FASTRELU_ISA
