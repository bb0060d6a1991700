// SPDX-License-Identifier: BSD-3-Clause
//
// The mathematics, once. V is what a function computes with: a plain number, or the Vec<T> of the instruction set being
// compiled. X is V too, unless the function takes its arrays as they are stored: then it may look at an x and select,
// and V(x) is the number.
#pragma once

#include "kernels.h"
#include "predicates.h"

namespace fastrelu::FASTRELU_ISA {

// What inputs that may be one number for all elements have to be for vectors to take them.
enum class Broadcast {
  shared,  // one number
  alike,   // all of them one number, or all of them arrays
  any,
};

// What the loops need to know of a function. Its inputs are arrays, then parameters.
template <Arithmetic kind, int array_count, int parameter_count = 0> struct Function {
  static constexpr Arithmetic arithmetic = kind;
  static constexpr int arrays = array_count, inputs = array_count + parameter_count;
  static constexpr int dense = arrays;  // inputs after so many may be one number for all elements
  static constexpr Broadcast vectors = kind == Arithmetic::selects ? Broadcast::shared : Broadcast::any;
  static constexpr bool as_stored = false;
  static constexpr bool scales = false;  // multiplies the first array's elements by a factor, and does no more
  static constexpr bool rounds = false;  // takes steps that are rounded to the arrays' type: apply's first argument
  static constexpr bool plain_for_integers = false;  // has no vectors of them
};

struct Relu : Function<Arithmetic::selects, 1> {  // +0 if x <= 0 else x
  template <class V> static V apply(V x) { return select_or_zero(keep(x), x); }
};

struct ReluDerivative : Function<Arithmetic::selects, 1> {  // 0 if x <= 0 else 1
  template <class V> static V apply(V x) { return select_or_zero(keep(x), one(x)); }
};

// +0 if x <= 0 else grad: a selection, so that a NaN under a dead unit stays there
struct ReluBackward : Function<Arithmetic::selects, 2> {
  template <class V> static V apply(V grad, V x) { return select_or_zero(keep(x), grad); }
};

// Leaky functions select the factor, then multiply: a product that is computed and then thrown away could overflow,
// and NumPy would report it.

struct LeakyRelu : Function<Arithmetic::multiplies, 1, 1> {  // x if x > 0 else x * slope
  static constexpr bool scales = true;
  template <class V> static V apply(V x, V slope) { return x * select(positive(x), one(x), slope); }
};

struct LeakyReluDerivative : Function<Arithmetic::multiplies, 1, 1> {  // 1 if x > 0 else slope
  static constexpr bool as_stored = true;
  template <class V, class X> static V apply(X x, V slope) { return select(positive(x), one(slope), slope); }
};

struct LeakyReluBackward : Function<Arithmetic::multiplies, 2, 1> {  // grad if x > 0 else grad * slope
  static constexpr bool as_stored = true, scales = true;
  template <class V, class X> static V apply(X grad, X x, V slope) {
    return V(grad) * select(positive(x), one(slope), slope);
  }
};

// Functions of something else than a loaded x. What round returns is as the arrays store it.

struct AddRelu : Function<Arithmetic::adds, 2> {  // relu(x + y)
  static constexpr int dense = 1;
  static constexpr bool rounds = true;
  template <class V, class Round> static auto apply(Round round, V x, V y) { return Relu::apply(round(plus(x, y))); }
};

struct ScaleShiftRelu : Function<Arithmetic::adds, 3> {  // relu(x * scale + shift), rounded twice
  static constexpr int dense = 1;
  static constexpr Broadcast vectors = Broadcast::alike;
  static constexpr bool rounds = true, plain_for_integers = true;
  template <class V, class Round> static auto apply(Round round, V x, V scale, V shift) {
    return Relu::apply(round(plus(V(round(times(x, scale))), shift)));
  }
};

struct Hardtanh : Function<Arithmetic::selects, 1, 2> {  // min_val if x <= min_val else max_val if x >= max_val else x
  template <class V> static V apply(V x, V min_val, V max_val) {
    return select(above(x, min_val), select(below(x, max_val), x, max_val), min_val);
  }
};

struct HardtanhBackward : Function<Arithmetic::selects, 2, 2> {  // +0 if x <= min_val or x >= max_val else grad
  template <class V> static V apply(V grad, V x, V min_val, V max_val) {
    return select_or_zero(above(x, min_val), select_or_zero(below(x, max_val), grad));
  }
};

}  // namespace fastrelu::FASTRELU_ISA
