// SPDX-License-Identifier: BSD-3-Clause
//
// Doubles, as many at a time as the instruction set has in a vector, from and to memory that holds floats or doubles.
#pragma once

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

}  // namespace fastrelu::FASTRELU_ISA
