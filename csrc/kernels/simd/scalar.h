// SPDX-License-Identifier: BSD-3-Clause
//
// The operations of ops.h on plain numbers: for the tails of loops, for strided loops, and for the scalar instruction set.
#pragma once

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../float16.h"

namespace fastrelu::FASTRELU_ISA {

// A vector of T. Each instruction set specialises it; where it does not, loops run over plain numbers.
template <class T, class = void> struct Vec {
  static constexpr int width = 1;
};

// halves.h
template <class T> struct Stored;
template <class T> struct InUpperHalf;

// Whether a vector can load and store its first n lanes alone.
template <class V, class = void> constexpr bool has_partial = false;
template <class V> constexpr bool has_partial<V, std::enable_if_t<V::has_partial>> = true;

// Without a branch, which random signs would mispredict every other time: six to twelve times slower.

template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> T select_or_zero(bool mask, T a) {
  return static_cast<T>(a & -std::int64_t(mask));
}
template <class T, std::enable_if_t<is_half<T>, int> = 0> T select_or_zero(bool mask, T a) {
  a.bits = static_cast<std::uint16_t>(a.bits & -std::int32_t(mask));
  return a;
}
inline float select_or_zero(bool mask, float a) {
  return float_of(static_cast<std::uint32_t>(bits(a) & -std::int32_t(mask)));
}
inline double select_or_zero(bool mask, double a) {
  return double_of(static_cast<std::uint64_t>(bits(a) & -std::int64_t(mask)));
}
inline double zero_or_select(bool mask, double a) { return select_or_zero(!mask, a); }
inline long double select_or_zero(bool mask, long double a) { return mask ? a : 0; }

inline float select(bool mask, float a, float b) {
  const std::int32_t m = -std::int32_t(mask);
  return float_of(static_cast<std::uint32_t>((bits(a) & m) | (bits(b) & ~m)));
}
inline double select(bool mask, double a, double b) {
  const std::int64_t m = -std::int64_t(mask);
  return double_of(static_cast<std::uint64_t>((bits(a) & m) | (bits(b) & ~m)));
}
inline long double select(bool mask, long double a, long double b) { return mask ? a : b; }
template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> T select(bool mask, T a, T b) {
  const std::int64_t m = -std::int64_t(mask);
  return static_cast<T>((a & m) | (b & ~m));
}
template <class T, std::enable_if_t<is_half<T>, int> = 0> T select(bool mask, T a, T b) {
  a.bits = select(mask, a.bits, b.bits);
  return a;
}

// Integers wrap around.

template <class V> V plus(V a, V b) {
  if constexpr (std::is_integral_v<V>) {
    return static_cast<V>(std::uint64_t(a) + std::uint64_t(b));
  } else {
    return a + b;
  }
}
template <class V> V minus(V a, V b) {
  if constexpr (std::is_integral_v<V>) {
    return static_cast<V>(std::uint64_t(a) - std::uint64_t(b));
  } else {
    return a - b;
  }
}
template <class V> V times(V a, V b) {
  if constexpr (std::is_integral_v<V>) {
    return static_cast<V>(std::uint64_t(a) * std::uint64_t(b));
  } else {
    return a * b;
  }
}

// Floats change their sign, NaNs too.

template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> T negated(T x) { return minus(T(0), x); }
template <class T, std::enable_if_t<is_half<T>, int> = 0> T negated(T x) {
  x.bits ^= 0x8000;
  return x;
}
template <class T, std::enable_if_t<std::is_floating_point_v<T>, int> = 0> T negated(T x) { return -x; }

// All ones where b is negative.
template <class B, std::enable_if_t<std::is_integral_v<B>, int> = 0> B signs(B b) {
  return static_cast<B>(-std::int64_t(b < 0));
}

inline std::int16_t bits(Half x) { return static_cast<std::int16_t>(x.bits); }
inline std::int16_t bits(BFloat16 x) { return static_cast<std::int16_t>(x.bits); }

// What smooth functions need of doubles (smooth.h); a NaN passes the bounds. Nothing is fused: the scalar instruction set may
// have no such instruction.

// a * b - product, exactly, by Veltkamp's splitting into halves of 26 bits and Dekker's sum of their products. |a| and |b|
// are below 2^995, and their product is 0 or above 2^-969.
template <class V> V dekker_error(V a, V b, V product) {
  const V split(0x1p27 + 1);
  const V a_split = a * split, b_split = b * split;
  const V a_high = a_split - (a_split - a), b_high = b_split - (b_split - b);
  const V a_low = a - a_high, b_low = b - b_high;
  return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
}

inline double multiply_add(double a, double b, double c) { return a * b + c; }
inline double product_error(double a, double b, double product) { return dekker_error(a, b, product); }
inline bool smaller(double a, double b) { return a < b; }
inline bool equal(double a, double b) { return a == b; }
inline bool unordered(double x) { return x != x; }
inline double at_least(double x, double bound) { return x < bound ? bound : x; }
inline double at_most(double x, double bound) { return bound < x ? bound : x; }
inline double absolute(double x) { return double_of(static_cast<std::uint64_t>(bits(x)) & INT64_MAX); }
inline double with_sign_of(double a, double sign) {
  return double_of((static_cast<std::uint64_t>(bits(a)) & INT64_MAX) |
                   (static_cast<std::uint64_t>(bits(sign)) & ~std::uint64_t(INT64_MAX)));
}
inline double exponent_from_low_bits(double x) { return double_of(static_cast<std::uint64_t>(bits(x)) << 52); }

// long double is x87's 80 bits, IEEE's 128 or plain double, depending on the platform. No integer type holds its bits
// everywhere, so its predicates are overloads of those in predicates.h.
struct LongDoubleClass {
  bool negative, zero, nan;
};

inline LongDoubleClass classify(long double x) {
  std::uint64_t word[2] = {0, 0};
  std::memcpy(word, &x, sizeof x < sizeof word ? sizeof x : sizeof word);
#if LDBL_MANT_DIG == 64  // x87: 64 bits of significand with an explicit leading one, then 15 of exponent and the sign
  const bool negative = (word[1] >> 15) & 1;
  const std::uint64_t exponent = word[1] & 0x7fff, fraction = word[0] << 1, leading = word[0] >> 63;
  return {negative, exponent == 0 && word[0] == 0, exponent == 0x7fff && (fraction != 0 || leading == 0)};
#elif LDBL_MANT_DIG == 113  // IEEE binary128, little-endian words
  const std::uint64_t infinity = 0x7fff000000000000, magnitude = word[1] & 0x7fffffffffffffff;
  return {(word[1] >> 63) != 0, magnitude == 0 && word[0] == 0,
          magnitude > infinity || (magnitude == infinity && word[0] != 0)};
#elif LDBL_MANT_DIG == 53
  const std::uint64_t magnitude = word[0] & 0x7fffffffffffffff;
  return {(word[0] >> 63) != 0, magnitude == 0, magnitude > 0x7ff0000000000000};
#else
#error "this platform's long double is not supported"
#endif
}

inline bool keep(long double x) {
  const LongDoubleClass c = classify(x);
  return c.nan || !(c.negative || c.zero);
}

inline bool keep_negated(long double x) { return keep(-x); }

inline bool positive(long double x) {
  const LongDoubleClass c = classify(x);
  return !(c.nan || c.negative || c.zero);
}

// Numbers compare in silence.
inline bool above(long double x, long double t) { return classify(x).nan || classify(t).nan || !(x <= t); }
inline bool below(long double x, long double t) { return classify(x).nan || classify(t).nan || !(x >= t); }
inline bool below_positive(long double x, float t) { return below(x, static_cast<long double>(t)); }
inline bool within(long double x, float t) { return !classify(x).nan && -t < x && x < t; }

}  // namespace fastrelu::FASTRELU_ISA
