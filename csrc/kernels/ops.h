// SPDX-License-Identifier: BSD-3-Clause
//
// The mathematics, once. V is a plain number, or the Vec<T> of the instruction set being compiled. X is V too, unless x
// is only looked at, never computed with: then it may come in the type it is stored in (loop.h).
#pragma once

#include "predicates.h"

namespace fastrelu::FASTRELU_ISA {

struct Relu {  // +0 if x <= 0 else x
  static constexpr int arrays = 1;
  static constexpr bool has_slope = false, only_looks_at_x = false;
  template <class V> static V apply(V x) { return select_or_zero(keep(x), x); }
};

struct ReluDerivative {  // 0 if x <= 0 else 1
  static constexpr int arrays = 1;
  static constexpr bool has_slope = false, only_looks_at_x = true;
  template <class V> static V apply(V x) { return select_or_zero(keep(x), one<V>()); }
};

struct ReluBackward {  // +0 if x <= 0 else grad: a selection, so that a NaN under a dead unit stays there
  static constexpr int arrays = 2;
  static constexpr bool has_slope = false, only_looks_at_x = true;
  template <class V, class X> static V apply(V grad, X x) { return select_or_zero(keep(x), grad); }
};

// Leaky functions select the factor, then multiply: a product that is computed and then thrown away could overflow,
// and NumPy would report it.

struct LeakyRelu {  // x if x > 0 else x * slope
  static constexpr int arrays = 1;
  static constexpr bool has_slope = true, only_looks_at_x = false;
  template <class V> static V apply(V x, V slope) { return x * select(positive(x), one<V>(), slope); }
};

struct LeakyReluDerivative {  // 1 if x > 0 else slope
  static constexpr int arrays = 1;
  static constexpr bool has_slope = true, only_looks_at_x = true;
  template <class V, class X> static V apply(X x, V slope) { return select(positive(x), one<V>(), slope); }
};

struct LeakyReluBackward {  // grad if x > 0 else grad * slope
  static constexpr int arrays = 2;
  static constexpr bool has_slope = true, only_looks_at_x = true;
  template <class V, class X> static V apply(V grad, X x, V slope) {
    return grad * select(positive(x), one<V>(), slope);
  }
};

}  // namespace fastrelu::FASTRELU_ISA
