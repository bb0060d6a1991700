// SPDX-License-Identifier: BSD-3-Clause
//
// The mathematics, once. V is what a function computes with: a plain number, or the Vec<T> of the instruction set being
// compiled. X is V too, unless the function takes its arrays as they are stored: then it may look at an x and select,
// and V(x) is the number.
#pragma once

#include "../contract/function.h"
#include "predicates.h"

namespace fastrelu::FASTRELU_ISA {

// Which mix of arrays and broadcast numbers the vector loop accepts for the inputs after the dense ones.
enum class Broadcast {
  shared,  // numbers
  alike,   // numbers alone, or arrays alone
  any,
};

// The traits of a function that loops need: its row of functions.inc, and defaults that a formula overrides.
template <Op op> struct FunctionOf {
  static constexpr Arithmetic arithmetic = traits_of(op).arithmetic;
  static constexpr ArrayTypes dtypes = traits_of(op).dtypes;
  static constexpr int arrays = traits_of(op).arrays, inputs = traits_of(op).inputs();
  static constexpr int dense_inputs = traits_of(op).dense_inputs;
  static constexpr Broadcast vectors = arithmetic == Arithmetic::selects ? Broadcast::shared : Broadcast::any;
  static constexpr bool as_stored = false;
  static constexpr bool scales = false;  // multiplies the first array's elements by a factor, and does no more
  static constexpr bool rounds = false;  // takes steps that are rounded to the arrays' type: apply's first argument
  static constexpr bool plain_for_integers = false;  // has no vectors of them
};

// A rectifier has two halves: `ask` is its question about x, `pass` what becomes of a value, given the answer. The value
// is x, or the gradient. Masks (mask_loop.h) hold the answers.

struct Relu : FunctionOf<Op::relu> {  // +0 if x <= 0 else x
  template <class X> static auto ask(X x) { return keep(x); }
  template <class M, class V> static V pass(M kept, V value) { return select_or_zero(kept, value); }
  template <class V> static V apply(V x) { return pass(ask(x), x); }
};

struct ReluDerivative : FunctionOf<Op::relu_derivative> {  // 0 if x <= 0 else 1
  template <class V> static V apply(V x) { return Relu::pass(Relu::ask(x), one(x)); }
};

// +0 if x <= 0 else grad: a selection, so that a NaN under a dead unit stays there
struct ReluBackward : FunctionOf<Op::relu_backward> {
  template <class V> static V apply(V grad, V x) { return Relu::pass(Relu::ask(x), grad); }
};

// Leaky functions select the factor, then multiply: a product that is computed and then thrown away could overflow,
// and NumPy would report it.

struct LeakyRelu : FunctionOf<Op::leaky_relu> {  // x if x > 0 else x * slope
  static constexpr bool scales = true;
  template <class X> static auto ask(X x) { return positive(x); }
  template <class M, class V> static V factor(M is_positive, V slope) { return select(is_positive, one(slope), slope); }
  template <class M, class V> static V pass(M is_positive, V value, V slope) {
    return value * factor(is_positive, slope);
  }
  template <class V> static V apply(V x, V slope) { return pass(ask(x), x, slope); }
};

struct LeakyReluDerivative : FunctionOf<Op::leaky_relu_derivative> {  // 1 if x > 0 else slope
  static constexpr bool as_stored = true;
  template <class V, class X> static V apply(X x, V slope) { return LeakyRelu::factor(LeakyRelu::ask(x), slope); }
};

struct LeakyReluBackward : FunctionOf<Op::leaky_relu_backward> {  // grad if x > 0 else grad * slope
  static constexpr bool as_stored = true, scales = true;
  template <class V, class X> static V apply(X grad, X x, V slope) {
    return LeakyRelu::pass(LeakyRelu::ask(x), V(grad), slope);
  }
};

// Functions that rectify a computed number instead of a loaded one. `round` returns it as the arrays store it.

struct AddRelu : FunctionOf<Op::add_relu> {  // relu(x + y)
  static constexpr bool rounds = true;
  template <class V, class Round> static auto apply(Round round, V x, V y) { return Relu::apply(round(plus(x, y))); }
};

struct ScaleShiftRelu : FunctionOf<Op::scale_shift_relu> {  // relu(x * scale + shift), rounded twice
  static constexpr Broadcast vectors = Broadcast::alike;
  static constexpr bool rounds = true, plain_for_integers = true;
  template <class V, class Round> static auto apply(Round round, V x, V scale, V shift) {
    return Relu::apply(round(plus(V(round(times(x, scale))), shift)));
  }
};

struct AddLeakyRelu : FunctionOf<Op::add_leaky_relu> {  // leaky_relu(x + y)
  static constexpr bool rounds = true, plain_for_integers = true;
  template <class V, class Round, class X> static V apply(Round round, X x, X y, V slope) {
    return LeakyRelu::apply(V(round(plus(x, y))), slope);
  }
};

struct NegatedRelu : FunctionOf<Op::negated_relu> {  // relu(-x)
  template <class V> static V apply(V x) { return Relu::apply(negated(x)); }
};

// relu_backward(grad_positive, x) - relu_backward(grad_negative, -x)
struct CreluGradient : FunctionOf<Op::crelu_gradient> {
  static constexpr bool as_stored = true;
  template <class V, class X> static V apply(X grad_positive, X grad_negative, X x) {
    return minus(V(select_or_zero(keep(x), grad_positive)), V(select_or_zero(keep_negated(x), grad_negative)));
  }
};

// Functions with bounds. A bound that is NaN bounds nothing.

struct Relu6 : FunctionOf<Op::relu6> {  // +0 if x <= 0 else 6 if x >= 6 else x
  template <class V> static V apply(V x) {
    return select_or_zero(keep(x), select(below_positive(x, 6), x, constant(x, 6)));
  }
};

struct Relu6Backward : FunctionOf<Op::relu6_backward> {  // +0 if x <= 0 or x >= 6 else grad
  template <class V> static V apply(V grad, V x) {
    return select_or_zero(below_positive(x, 6), select_or_zero(keep(x), grad));
  }
};

struct ClippedRelu : FunctionOf<Op::clipped_relu> {  // +0 if x <= 0 else max_val if x >= max_val else x
  template <class V> static V apply(V x, V max_val) {
    return select_or_zero(keep(x), select(below(x, max_val), x, max_val));
  }
};

struct ClippedReluBackward : FunctionOf<Op::clipped_relu_backward> {  // +0 if x <= 0 or x >= max_val else grad
  template <class V> static V apply(V grad, V x, V max_val) {
    return select_or_zero(below(x, max_val), select_or_zero(keep(x), grad));
  }
};

struct Hardtanh : FunctionOf<Op::hardtanh> {  // min_val if x <= min_val else max_val if x >= max_val else x
  template <class V> static V apply(V x, V min_val, V max_val) {
    return select(above(x, min_val), select(below(x, max_val), x, max_val), min_val);
  }
};

struct HardtanhBackward : FunctionOf<Op::hardtanh_backward> {  // +0 if x <= min_val or x >= max_val else grad
  template <class V> static V apply(V grad, V x, V min_val, V max_val) {
    return select_or_zero(above(x, min_val), select_or_zero(below(x, max_val), grad));
  }
};

struct ThresholdedRelu : FunctionOf<Op::thresholded_relu> {  // +0 if x <= alpha else x
  template <class V> static V apply(V x, V alpha) { return select_or_zero(above(x, alpha), x); }
};

struct ThresholdedReluBackward : FunctionOf<Op::thresholded_relu_backward> {  // +0 if x <= alpha else grad
  template <class V> static V apply(V grad, V x, V alpha) { return select_or_zero(above(x, alpha), grad); }
};

struct Threshold : FunctionOf<Op::threshold> {  // value if x <= threshold else x
  template <class V> static V apply(V x, V threshold, V value) { return select(above(x, threshold), x, value); }
};

struct ReluQuantized : FunctionOf<Op::relu_quantized> {  // zero_point if x <= zero_point else x
  template <class V> static V apply(V x, V zero_point) { return Threshold::apply(x, zero_point, zero_point); }
};

// Curves. As with leaky functions, operands are selected before anything is computed with them.

struct SquaredRelu : FunctionOf<Op::squared_relu> {  // r * r, r = relu(x)
  template <class V> static V apply(V x) {
    const V r = Relu::apply(x);
    return r * r;
  }
};

struct SquaredReluBackward : FunctionOf<Op::squared_relu_backward> {  // +0 if x <= 0 else grad * (x + x)
  static constexpr bool as_stored = true;
  template <class V, class X> static V apply(X grad, X x) {
    const auto kept = keep(x);
    const V r(select_or_zero(kept, x));
    return V(select_or_zero(kept, grad)) * (r + r);
  }
};

struct Hardsigmoid : FunctionOf<Op::hardsigmoid> {  // relu6(x + 3) / 6
  template <class V> static V apply(V x) { return Relu6::apply(x + constant(x, 3)) / constant(x, 6); }
};

struct HardsigmoidBackward : FunctionOf<Op::hardsigmoid_backward> {  // grad * (1 / 6) if -3 < x < 3 else +0
  static constexpr bool as_stored = true;
  template <class V, class X> static V apply(X grad, X x) {
    const V inside(select_or_zero(within(x, 3), grad));
    return inside * V(Lane<V>(1) / 6);
  }
};

// x if x >= 3 else x * relu6(x + 3) / 6. From 3 on, the product could overflow.
struct Hardswish : FunctionOf<Op::hardswish> {
  template <class V> static V apply(V x) {
    const auto bent = below_positive(x, 3);
    const V operand = select(bent, x, one(x));
    return select(bent, operand * Relu6::apply(operand + constant(x, 3)) / constant(x, 6), x);
  }
};

// +0 if x <= -3 else grad * (x / 3 + 0.5) if x < 3 else grad
struct HardswishBackward : FunctionOf<Op::hardswish_backward> {
  static constexpr bool as_stored = true;
  template <class V, class X> static V apply(X grad, X x) {
    const auto bent = within(x, 3);
    const V operand(select_or_zero(bent, x));
    const V slope = operand / constant(operand, 3) + constant(operand, 0.5f);
    return V(select_or_zero(bent | keep(x), grad)) * select(bent, slope, one(slope));
  }
};

// +0 if -lambd <= x <= lambd, else x - lambd if x > 0 else x + lambd
struct Softshrink : FunctionOf<Op::softshrink> {
  static constexpr Broadcast vectors = Broadcast::shared;
  template <class V> static V apply(V x, V lambd) {
    const auto kept = beyond(x, lambd);
    const V distance = select(positive(x), lambd, negated(lambd));
    return select_or_zero(kept, x) - select_or_zero(kept, distance);
  }
};

struct SoftshrinkBackward : FunctionOf<Op::softshrink_backward> {  // +0 if -lambd <= x <= lambd else grad
  static constexpr Broadcast vectors = Broadcast::shared;
  static constexpr bool as_stored = true;
  template <class V, class X> static X apply(X grad, X x, V lambd) {
    return select_or_zero(stored_beyond(x, lambd), grad);
  }
};

}  // namespace fastrelu::FASTRELU_ISA
