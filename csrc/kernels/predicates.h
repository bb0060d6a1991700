// SPDX-License-Identifier: BSD-3-Clause
//
// The questions that rectifiers ask of an element: keep(x) = !(x <= 0) and positive(x) = x > 0, which differ on NaN;
// above(x, t) = !(x <= t) and below(x, t) = !(x >= t), where a NaN on either side is above and below everything;
// within(x, t) = |x| < t; beyond(x, t) = !(|x| <= t) for floats and a t that is not negative, NaN as for above.
//
// Floats are compared as integers: floating-point compares raise "invalid" on signalling NaNs (SSE2 and NEON compares
// on quiet ones too), and NumPy would report it. Read as a signed integer, a float's bits order like this:
//
//     -0.0 < negative numbers < -inf < NaNs with the sign set < +0.0 < positive numbers < inf < NaNs without
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

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

// The unsigned integer of so many bytes, or the widest where none has as many.
template <std::size_t bytes> using Unsigned = std::conditional_t<
    bytes == 1, std::uint8_t,
    std::conditional_t<bytes == 2, std::uint16_t, std::conditional_t<bytes == 4, std::uint32_t, std::uint64_t>>>;

template <class V> using BitsOf = decltype(bits(std::declval<V>()));
template <class B> constexpr Lane<B> greatest = static_cast<Lane<B>>(std::make_unsigned_t<Lane<B>>(-1) >> 1);
template <class B> constexpr Lane<B> least = -greatest<B> - 1;  // also the bit of the sign

template <class V> auto keep(V x) {
  if constexpr (std::is_unsigned_v<Lane<V>>) {
    return x != V(0);
  } else if constexpr (std::is_integral_v<Lane<V>>) {
    return x > V(0);
  } else {
    using B = BitsOf<V>;
    const B b = bits(x);
    return (b > B(FloatBits<Lane<V>>::minus_infinity)) & (b != B(0));
  }
}

// keep(-x)
template <class V> auto keep_negated(V x) {
  if constexpr (std::is_integral_v<Lane<V>>) {
    return keep(negated(x));
  } else {
    using B = BitsOf<V>;
    const B b = bits(x) ^ B(least<B>);
    return (b > B(FloatBits<Lane<V>>::minus_infinity)) & (b != B(0));
  }
}

template <class V> auto positive(V x) {
  if constexpr (std::is_integral_v<Lane<V>>) {
    return x > V(0);
  } else {
    using B = BitsOf<V>;
    const B b = bits(x);
    return (b > B(0)) & (B(FloatBits<Lane<V>>::infinity + 1) > b);
  }
}

// The opposite of a mask, at no cost: a selection swaps its sides.
template <class M> struct Inverted {
  M mask;
  template <class V> friend V select_or_zero(Inverted m, V a) { return zero_or_select(m.mask, a); }
  template <class V> friend V select(Inverted m, V a, V b) { return select(m.mask, b, a); }
};
template <class M> Inverted<M> inverted(M mask) { return {mask}; }
inline bool inverted(bool mask) { return !mask; }

// With every bit but the sign inverted where the sign is set, floats order as numbers do, NaNs at both ends:
//
//     NaNs with the sign set < -inf < negative numbers < -0.0 < +0.0 < positive numbers < inf < NaNs without
//
// The bits wrap around, so that adding or subtracting the number of NaNs of one sign brings all of them to one end. There
// one compare tells them and the numbers beyond t from the others.

template <class B> B ordered(B b) { return b ^ (signs(b) & B(greatest<B>)); }
template <class L> constexpr auto nans_of_one_sign = -(FloatBits<L>::minus_infinity + 1);

// Without its sign, too, a float orders as an integer; above infinity are NaNs.
template <class V> auto magnitude(V x) {
  using B = BitsOf<V>;
  return static_cast<B>(bits(x) & B(greatest<B>));
}

template <class V> auto is_nan(V x) { return magnitude(x) > BitsOf<V>(FloatBits<Lane<V>>::infinity); }
inline bool is_nan(long double x) { return classify(x).nan; }

// Vectors compare all integers as signed ones.
template <class V> auto greater(V a, V b) {
  if constexpr (std::is_unsigned_v<Lane<V>> && !std::is_same_v<Lane<V>, V>) {
    using Signed = Vec<std::make_signed_t<Lane<V>>>;
    const V top(Lane<V>(Lane<V>(1) << (8 * sizeof(Lane<V>) - 1)));
    return Signed((a ^ top).v) > Signed((b ^ top).v);
  } else {
    return a > b;
  }
}

template <class V> auto above(V x, V t) {
  if constexpr (std::is_integral_v<Lane<V>>) {
    return greater(x, t);
  } else {
    using B = BitsOf<V>;
    const B nans(nans_of_one_sign<Lane<V>>);
    const B minus_zero(-1), o = ordered(bits(t));
    const B next = select(o != minus_zero, plus(o, B(1)), B(1));
    const B limit = select(is_nan(t), B(least<B>), minus(next, nans));
    return inverted(limit > minus(ordered(bits(x)), nans));
  }
}

template <class V> auto below(V x, V t) {
  if constexpr (std::is_integral_v<Lane<V>>) {
    return greater(t, x);
  } else {
    using B = BitsOf<V>;
    const B nans(nans_of_one_sign<Lane<V>>);
    const B plus_zero(0), o = ordered(bits(t));
    const B previous = select(o != plus_zero, minus(o, B(1)), B(-2));
    const B limit = select(is_nan(t), B(greatest<B>), plus(previous, nans));
    return inverted(plus(ordered(bits(x)), nans) > limit);
  }
}

// The same for a positive number, where bits do as they are.
template <class V> auto below_positive(V x, float t) {
  if constexpr (std::is_integral_v<Lane<V>>) {
    return greater(V(Lane<V>(t)), x);
  } else {
    using B = BitsOf<V>;
    constexpr auto nans = nans_of_one_sign<Lane<V>>;
    const B limit(static_cast<Lane<B>>(bits(Lane<V>(t)) + nans - 1));
    return inverted(plus(bits(x), B(nans)) > limit);
  }
}

template <class V> auto within(V x, float t) {
  if constexpr (std::is_unsigned_v<Lane<V>>) {
    return V(Lane<V>(t)) > x;
  } else if constexpr (std::is_integral_v<Lane<V>>) {
    return (V(Lane<V>(t)) > x) & (x > V(Lane<V>(-t)));
  } else {
    return BitsOf<V>(bits(Lane<V>(t))) > magnitude(x);
  }
}

template <class V> auto beyond(V x, V t) {
  if constexpr (std::is_same_v<V, long double>) {
    return above(x, t) || below(x, -t);
  } else {
    using B = BitsOf<V>;
    return magnitude(x) > select(is_nan(t), B(-1), magnitude(t));
  }
}

// The same of an x as it is stored. NaNs are not converted: only some processors report a signalling one then.
template <class X, class V> auto stored_beyond(X x, V t) {
  if constexpr (std::is_integral_v<Lane<X>> || std::is_same_v<X, V>) {
    return beyond(V(x), t);
  } else {
    using B = BitsOf<X>;
    const V number(select_or_zero(B(FloatBits<Lane<X>>::infinity + 1) > magnitude(x), x));
    const auto nan = is_nan(x);
    return beyond(number, t) | nan;
  }
}

// A number in the type of another.
template <class V> V constant(V, float number) { return V(Lane<V>(number)); }
template <class V> V one(V x) { return constant(x, 1); }

}  // namespace fastrelu::FASTRELU_ISA
