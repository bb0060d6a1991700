// SPDX-License-Identifier: BSD-3-Clause
//
// Doubles, as many at a time as the instruction set has in a vector, from and to memory that holds floats or doubles.
#pragma once

#include "predicates.h"
#include "simd/lanes.h"

namespace fastrelu::FASTRELU_ISA {

// What is computed with: an instruction set's vectors, or one number at a time.
using Doubles = std::conditional_t<(Vec<double>::width > 1), Vec<double>, double>;
constexpr ptrdiff_t doubles_width = Vec<double>::width;

inline double load_double(const float* p, double) { return *p; }
inline double load_double(const double* p, double) { return *p; }
template <class X, class V> V load_double(const X* p, V) {
  if constexpr (std::is_same_v<X, double>) {
    return V::load(p);
  } else {
    return load_widened(p);
  }
}
inline void store_double(float* p, double x) { *p = static_cast<float>(x); }
inline void store_double(double* p, double x) { *p = x; }
template <class Y, class V> void store_double(Y* p, V x) {
  if constexpr (std::is_same_v<Y, double>) {
    x.store(p);
  } else {
    store_narrowed(p, x);
  }
}

inline double with_bits(double, std::int64_t b) { return double_of(static_cast<std::uint64_t>(b)); }
template <class V, class B> V with_bits(V like, B b) {
  std::memcpy(&like.v, &b.v, sizeof like.v);
  return like;
}

// The 15 highest bits of a double, the last of which tells whether there were more: any narrower format rounds that in
// the same way. So results are rounded once, although they become floats first.
template <class V> V rounded_to_odd(V x) {
  using B = BitsOf<V>;
  constexpr std::int64_t dropped = (std::int64_t(1) << 38) - 1;
  const B b = bits(x);
  return with_bits(x, B((b | (B(b & B(dropped)) + B(dropped))) & B(~dropped)));
}

}  // namespace fastrelu::FASTRELU_ISA
