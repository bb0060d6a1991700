// SPDX-License-Identifier: BSD-3-Clause
//
// Smooth functions: sigmoid, tanh, and the rectifiers without a kink. Each has its formula in three precisions:
//
//   for_float        in double, of a float: the result rounded to float, float16 or bfloat16 is the correctly rounded one.
//                    A double has 29 bits more than a float, so that an error of one unit in its last place rounds to the
//                    wrong float for about one of all 2^32 inputs. Which these are has been tried (tests/smooth): the few
//                    that were found have the comments "a tie" and "by chance". A product and a sum may be fused or not.
//   for_double       one sequence of operations, never fused, so that all processors agree (smooth64.h)
//   for_long_double  by the C library
//
// Forms without cancellation, and e^x as scale * (1 + p), keep the error small near 0 without a second formula. Bounds keep
// intermediate results finite; beyond them a float does not change any more. What the steps raise is not reported
// (smooth_loop.h), and NaN is returned as it came, so that a formula need not care.
#pragma once

#include <math.h>  // C's functions: inline ones of C++ could be shared with code of other instruction sets

#include "coefficients.h"
#include "ops.h"
#include "smooth64.h"

namespace fastrelu::FASTRELU_ISA {

// c[0] + c[1] x + ...
template <class V, int n> V horner(const double (&c)[n], V x) {
  V sum(c[n - 1]);
  for (int i = n - 2; i >= 0; --i) sum = multiply_add(sum, x, V(c[i]));
  return sum;
}

template <class V> V relu_of(V x) { return at_least(x, V(0.0)); }

// e^x = scale * (1 + p), |x| < 700. scale is a power of two, and p is e^r - 1 to the last bit or nearly, so that sums with
// e^x are rounded once.
template <class V> struct Exponential {
  V scale, p;
  V value() const { return multiply_add(scale, p, scale); }
  V plus(double number) const { return multiply_add(scale, p, scale + V(number)); }
};

// Adding it rounds to an integer, which then stands in the low bits, with a double's bias of exponents.
constexpr double to_biased_integer = 0x1.8p52 + 1023;

template <class V> V biased_exponent(V x) { return multiply_add(x, V(inverse_log2), V(to_biased_integer)); }
template <class V> Exponential<V> exponential_of_rest(V biased, V r) {
  return {exponent_from_low_bits(biased), multiply_add(r * r, horner(exponential_terms, r), r)};
}

template <class V> Exponential<V> exponential(V x) {
  const V biased = biased_exponent(x), minus_n = V(to_biased_integer) - biased;
  const V exact = multiply_add(minus_n, V(log2_high), x);
  return exponential_of_rest(biased, multiply_add(minus_n, V(log2_low), exact));
}

// The same of x in two numbers, the second far smaller.
template <class V> Exponential<V> exponential(V x, V rest) {
  const V biased = biased_exponent(x), minus_n = V(to_biased_integer) - biased;
  const V exact = multiply_add(minus_n, V(log2_high), x);
  return exponential_of_rest(biased, exact + multiply_add(minus_n, V(log2_low), rest));
}

// f(x) of a function with f(-x) = 1 - f(x), given f(-|x|).
template <class V> V mirrored(V x, V of_minus_magnitude) {
  const V side = with_sign_of(V(1.0), x);
  return multiply_add(negated(side), of_minus_magnitude, multiply_add(side, V(0.5), V(0.5)));
}

// `value` where x is that number.
template <class V> V except(V x, double number, double value, V otherwise) {
  return select(equal(x, V(number)), V(value), otherwise);
}

// Half a subnormal lies between two floats, and what decides is a term that double cannot hold beside it. In factors that
// differ from 1/2 by that term, |x| is not below this bound, which puts the sum on the right side: a tie.
template <class V> V not_tiny(V t) { return at_least(t, V(0x1p-40)); }

inline long double at_most(long double x, long double bound) { return bound < x ? bound : x; }
// From where on e^-t is 0 in long double. x is not below, so that x times e^x is not NaN at minus infinity.
constexpr long double vanishes_from = 12000;
inline long double bounded(long double x) { return -at_most(-x, vanishes_from); }

struct Sigmoid : FunctionOf<Op::sigmoid> {  // e^x / (1 + e^x)
  // Near 0 it is 1/2 + x/4 - x^3/48 + ...: for an x of few bits the first two lie between two floats, and double cannot
  // hold the third beside them: a tie. A factor below 1/4 stands for it.
  template <class V> static V for_float(V x) {
    const auto e = exponential(at_least(at_most(x, V(20.0)), V(-105.0)));
    return select(smaller(absolute(x), V(0x1.08p-16)), multiply_add(x, V(0x1.fffffep-3), V(0.5)),
                  e.value() / e.plus(1));
  }
  template <class V> static V for_double(V x) { return wide::Sigmoid::apply(x); }
  static long double for_long_double(long double x) {
    const long double e = ::expl(-::fabsl(x));
    return (x < 0 ? e : 1) / (1 + e);
  }
};

struct SigmoidDerivative : FunctionOf<Op::sigmoid_derivative> {  // e / (1 + e)^2, e = e^-|x|
  template <class V> static V for_float(V x) {
    const auto e = exponential(at_least(negated(absolute(x)), V(-105.0)));
    const V u = e.plus(1);
    return e.value() / (u * u);
  }
  template <class V> static V for_double(V x) { return wide::SigmoidDerivative::apply(x); }
  static long double for_long_double(long double x) {
    const long double e = ::expl(-::fabsl(x));
    return e / ((1 + e) * (1 + e));
  }
};

struct Tanh : FunctionOf<Op::tanh> {  // m / (m + 2), m = e^2t - 1, t = |x|
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(10.0)), m = exponential(t + t).plus(-1);
    return with_sign_of(m / (m + V(2.0)), x);
  }
  template <class V> static V for_double(V x) { return wide::Tanh::apply(x); }
  static long double for_long_double(long double x) { return ::tanhl(x); }
};

struct TanhDerivative : FunctionOf<Op::tanh_derivative> {  // 4 e / (1 + e)^2, e = e^-2|x|
  template <class V> static V for_float(V x) {
    const auto e = exponential(at_most(absolute(x), V(55.0)) * V(-2.0));
    const V u = e.plus(1) * V(0.5);
    return e.value() / (u * u);
  }
  template <class V> static V for_double(V x) { return wide::TanhDerivative::apply(x); }
  static long double for_long_double(long double x) {
    const long double e = ::expl(-2 * ::fabsl(x));
    return 4 * e / ((1 + e) * (1 + e));
  }
};

struct Silu : FunctionOf<Op::silu> {  // x sigmoid(x) = relu(x) - t / (1 + e^t), t = |x|
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(110.0));
    return with_sign_of(relu_of(x) - t / exponential(not_tiny(t)).plus(1), x);
  }
  template <class V> static V for_double(V x) { return wide::Silu::apply(x); }
  static long double for_long_double(long double x) { return bounded(x) * Sigmoid::for_long_double(x); }
};

// e (1 + e - t) / (1 + e)^2, e = e^-t, t = |x|, of x <= 0; of others 1 - that. Near 0 as for Sigmoid.
struct SiluDerivative : FunctionOf<Op::silu_derivative> {
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(115.0));
    const auto e = exponential(negated(t));
    const V u = e.plus(1), y = mirrored(x, e.value() * (u - t) / (u * u));
    const V near_0 = multiply_add(x, V(0x1.fffffep-2), V(0.5));
    const V tried = select(smaller(absolute(x), V(0x1.8p-17)), near_0, y);
    return except(x, 0x1.250c04p-10, 0x1.004942p-1,                    // by chance
                  except(x, -0x1.4749c4p+0, -0x1.178e94p-20, tried));  // near the root
  }
  template <class V> static V for_double(V x) { return wide::SiluDerivative::apply(x); }
  static long double for_long_double(long double x) {
    const long double t = at_most(::fabsl(x), vanishes_from), e = ::expl(-t), u = 1 + e, y = e * (u - t) / (u * u);
    return x > 0 ? 1 - y : y;
  }
};

// The normal distribution's upper tail at t >= 0, in two factors: numerator / denominator. t^2 is exact in double.
template <class V> struct NormalTail {
  V exponential_part, denominator;  // e^(-t^2 / 2), and what its product with the numerator is divided by
  V numerator;
};
template <class V> NormalTail<V> normal_tail(V t) {
  return {exponential(t * t * V(-0.5)).value(), horner(mills_denominator, t), horner(mills_numerator, t)};
}

struct Gelu : FunctionOf<Op::gelu> {  // relu(x) - t Q(t), t = |x|, Q the normal distribution's upper tail
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(14.4));
    const auto q = normal_tail(not_tiny(t));
    return with_sign_of(relu_of(x) - t * q.exponential_part * q.numerator / q.denominator, x);
  }
  template <class V> static V for_double(V x) { return wide::Gelu::apply(x); }
  static long double for_long_double(long double x) {
    x = bounded(x);
    return x / 2 * ::erfcl(-x * sqrt_half);
  }
  static constexpr long double sqrt_half = 0.70710678118654752440084436210484904L;
};

struct GeluDerivative : FunctionOf<Op::gelu_derivative> {  // Q(t) - t phi(t) of x <= 0; of others 1 - that
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(14.6));
    const auto q = normal_tail(t);
    const V numerator = multiply_add(negated(t * V(normal_density_at_0)), q.denominator, q.numerator);
    V y = mirrored(x, q.exponential_part * numerator / q.denominator);
    y = except(x, 0x1.40d932p-25, 0x1.000002p-1, y);    // by chance
    y = except(x, -0x1.80ead2p-1, -0x1.6737d8p-28, y);  // two near the root
    return except(x, -0x1.80eb02p-1, -0x1.4e317ep-21, y);
  }
  template <class V> static V for_double(V x) { return wide::GeluDerivative::apply(x); }
  static long double for_long_double(long double x) {
    x = at_most(bounded(x), vanishes_from);
    constexpr long double density_at_0 = 0.39894228040143267793994605993438187L;
    const long double y = ::erfcl(-x * Gelu::sqrt_half) / 2 + x * density_at_0 * ::expl(-x * x / 2);
    return y == 0 ? -0.0L : y;
  }
};

// A number, and what its rounding has lost.
template <class V> struct Sum {
  V value, rest;
};

// z(t) = 2 sqrt(2 / pi) (t + 0.044715 t^3) of gelu_tanh, in two numbers: an error in z is one of the result.
template <class V> Sum<V> gelu_argument(V t) {
  const V square = t * t, cubic = V(gelu_cubic_high) * square;
  const V cubic_rest = product_error(V(gelu_cubic_high), square, cubic) + V(gelu_cubic_low) * square;
  const V factor = V(gelu_linear_high) + cubic, added = factor - cubic;
  const V factor_rest = (V(gelu_linear_high) - added) + (cubic - (factor - added)) + (cubic_rest + V(gelu_linear_low));
  const V z = t * factor;
  return {z, multiply_add(t, factor_rest, product_error(t, factor, z))};
}

struct GeluTanh : FunctionOf<Op::gelu_tanh> {  // relu(x) - t / (1 + e^z(t)), t = |x|
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(11.0));
    const Sum<V> z = gelu_argument(not_tiny(t));
    return with_sign_of(relu_of(x) - t / exponential(z.value, z.rest).plus(1), x);
  }
  template <class V> static V for_double(V x) { return wide::GeluTanh::apply(x); }
  static long double for_long_double(long double x) {
    x = bounded(x);
    return x * Sigmoid::for_long_double(argument(x));
  }
  static constexpr long double linear = 1.59576912160573071175978423973752747L;  // 2 sqrt(2 / pi)
  static long double argument(long double x) { return linear * (x + 0.044715L * x * x * x); }
};

// e (1 + e - t z'(t)) / (1 + e)^2, e = e^-z(t), t = |x|, of x <= 0; of others 1 - that
struct GeluTanhDerivative : FunctionOf<Op::gelu_tanh_derivative> {
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(11.0));
    const Sum<V> z = gelu_argument(t);
    const auto e = exponential(negated(z.value), negated(z.rest));
    const V u = e.plus(1);
    const V slope = t * multiply_add(V(3 * gelu_cubic_high), t * t, V(gelu_linear_high));
    V y = mirrored(x, e.value() * (u - slope) / (u * u));
    y = except(x, 0x1.40d932p-25, 0x1.000002p-1, y);  // two by chance
    y = except(x, -0x1.40d932p-26, 0x1.fffffep-2, y);
    return except(x, -0x1.8280e4p-1, -0x1.115d88p-10, y);  // near the root
  }
  template <class V> static V for_double(V x) { return wide::GeluTanhDerivative::apply(x); }
  static long double for_long_double(long double x) {
    const long double t = at_most(::fabsl(x), 200), e = ::expl(-GeluTanh::argument(t)), u = 1 + e;
    const long double y = e * (u - t * GeluTanh::linear * (1 + 3 * 0.044715L * t * t)) / (u * u);
    return x > 0 ? 1 - y : y;
  }
};

struct Mish : FunctionOf<Op::mish> {  // x tanh(log(1 + e)) = x n / (n + 2), n = e (e + 2), e = e^x
  template <class V> static V for_float(V x) {
    const V a = at_least(x, V(-110.0)), e = exponential(at_most(a, V(25.0))).value(), n = e * (e + V(2.0));
    return a * n / (n + V(2.0));
  }
  template <class V> static V for_double(V x) { return wide::Mish::apply(x); }
  static long double for_long_double(long double x) {
    x = bounded(x);
    const long double e = ::expl(at_most(x, 60)), n = e * (e + 2);
    return x * (n / (n + 2));
  }
};

struct MishDerivative
    : FunctionOf<Op::mish_derivative> {  // e ((e + 2) d + 4 x (e + 1)) / d^2, d = e (e + 2) + 2, e = e^x
  template <class V> static V for_float(V x) {
    const V a = at_least(at_most(x, V(25.0)), V(-115.0)), e = exponential(a).value();
    const V d = multiply_add(e, e + V(2.0), V(2.0));
    const V y = e * multiply_add(e + V(2.0), d, a * V(4.0) * (e + V(1.0))) / (d * d);
    return except(x, -0x1.4p-27, 0x1.333332p-1,
                  except(x, -0x1.31432cp+0, 0x1.beb774p-31, y));  // by chance; by the root
  }
  template <class V> static V for_double(V x) { return wide::MishDerivative::apply(x); }
  static long double for_long_double(long double x) {
    x = at_most(bounded(x), 60);
    const long double e = ::expl(x), d = e * (e + 2) + 2;
    return e * ((e + 2) / d + 4 * x * (e + 1) / (d * d));
  }
};

// log(1 + e^-t) = 2 atanh(w), w = e / (2 + e), e = e^-t, t = |x|
template <class V> V log_of_1_plus(V minus_t) {
  const auto e = exponential(at_least(minus_t, V(-105.0)));
  const V w = e.value() / e.plus(2), z = w * w;
  return multiply_add(w * z, horner(atanh_terms, z), w + w);
}

struct Softplus : FunctionOf<Op::softplus> {  // relu(x) + log(1 + e^-|x|)
  template <class V> static V for_float(V x) { return relu_of(x) + log_of_1_plus(negated(absolute(x))); }
  template <class V> static V for_double(V x) { return wide::Softplus::apply(x); }
  static long double for_long_double(long double x) { return (x > 0 ? x : 0) + ::log1pl(::expl(-::fabsl(x))); }
};

struct SoftplusDerivative : FunctionOf<Op::softplus_derivative> {  // sigmoid(x)
  template <class V> static V for_float(V x) { return Sigmoid::for_float(x); }
  template <class V> static V for_double(V x) { return wide::Sigmoid::apply(x); }
  static long double for_long_double(long double x) { return Sigmoid::for_long_double(x); }
};

struct LogSigmoid : FunctionOf<Op::log_sigmoid> {  // -softplus(-x)
  template <class V> static V for_float(V x) { return negated(Softplus::for_float(negated(x))); }
  template <class V> static V for_double(V x) { return negated(wide::Softplus::apply(negated(x))); }
  static long double for_long_double(long double x) { return -Softplus::for_long_double(-x); }
};

struct LogSigmoidDerivative : FunctionOf<Op::log_sigmoid_derivative> {  // sigmoid(-x)
  template <class V> static V for_float(V x) { return Sigmoid::for_float(negated(x)); }
  template <class V> static V for_double(V x) { return wide::Sigmoid::apply(negated(x)); }
  static long double for_long_double(long double x) { return Sigmoid::for_long_double(-x); }
};

// e^x - 1 and e^x of x <= 0; what becomes of other x is said elsewhere.
struct Expm1 {
  template <class V> static V for_float(V x) {
    return with_sign_of(exponential(at_least(at_most(x, V(0.0)), V(-20.0))).plus(-1), x);
  }
  template <class V> static V for_double(V x) { return wide::Expm1::apply(x); }
  static long double for_long_double(long double x) { return ::expm1l(at_most(x, 0)); }
};
struct Exp {
  template <class V> static V for_float(V x) { return exponential(at_least(at_most(x, V(0.0)), V(-105.0))).value(); }
  template <class V> static V for_double(V x) { return wide::Exp::apply(x); }
  static long double for_long_double(long double x) { return ::expl(at_most(x, 0)); }
};

constexpr double selu_scale = 1.0507009873554804934193349852946, selu_scale_alpha = 1.7580993408473768599402175208123;
constexpr long double selu_scale_long = 1.0507009873554804934193349852946L;
constexpr long double selu_scale_alpha_long = 1.7580993408473768599402175208123L;

struct Selu : FunctionOf<Op::selu> {  // scale x if x > 0 else scale alpha (e^x - 1)
  template <class V> static V for_float(V x) {
    const V below = exponential(at_least(at_most(x, V(0.0)), V(-20.0))).plus(-1) * V(selu_scale_alpha);
    return with_sign_of(multiply_add(relu_of(x), V(selu_scale), below), x);
  }
  template <class V> static V for_double(V x) { return wide::Selu::apply(x); }
  static long double for_long_double(long double x) {
    return x > 0 ? selu_scale_long * x : selu_scale_alpha_long * ::expm1l(x);
  }
};

struct SeluDerivative : FunctionOf<Op::selu_derivative> {  // scale if x > 0 else scale alpha e^x
  template <class V> static V for_float(V x) {
    return select(smaller(V(0.0), x), V(selu_scale), Exp::for_float(x) * V(selu_scale_alpha));
  }
  template <class V> static V for_double(V x) { return wide::SeluDerivative::apply(x); }
  static long double for_long_double(long double x) {
    return x > 0 ? selu_scale_long : selu_scale_alpha_long * ::expl(x);
  }
};

struct Softsign : FunctionOf<Op::softsign> {  // t / (1 + t), t = |x|. From 2^60 on it is 1.
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(0x1p60));
    return with_sign_of(except(t, 0x1.17022cp-7, 0x1.14a722p-7, t / (t + V(1.0))), x);  // by chance
  }
  template <class V> static V for_double(V x) { return wide::Softsign::apply(x); }
  static long double for_long_double(long double x) {
    const long double t = ::fabsl(x);
    return ::copysignl(t < 0x1p100L ? t / (1 + t) : 1, x);
  }
};

struct SoftsignDerivative : FunctionOf<Op::softsign_derivative> {  // 1 / (1 + t)^2, t = |x|
  template <class V> static V for_float(V x) {
    const V t = at_most(absolute(x), V(0x1p130)), u = t + V(1.0);
    const V y = except(t, 0x1.6325c6p-15, 0x1.fff4e6p-1, V(1.0) / (u * u));  // both by chance
    return except(t, 0x1.2d5dc4p-9, 0x1.fda756p-1, y);
  }
  template <class V> static V for_double(V x) { return wide::SoftsignDerivative::apply(x); }
  static long double for_long_double(long double x) {
    const long double u = 1 + ::fabsl(x);
    return 1 / u / u;
  }
};

// Functions that are a curve and a step or two of plain arithmetic, each rounded: Curve is computed of x, or of what
// Argument makes of x and the parameters; Finish takes x, the curve's result and the parameters.

struct Steps {
  static constexpr Arithmetic arithmetic = Arithmetic::multiplies;
  static constexpr Broadcast vectors = Broadcast::any;
  static constexpr bool as_stored = false, scales = false, rounds = false, plain_for_integers = false;
};

// As for leaky functions, operands are selected before anything is computed with them.
struct EluOfExpm1 : Steps {  // x if x > 0 else alpha * e
  static constexpr int arrays = 2, dense_inputs = 2, inputs = 3;
  template <class V> static V apply(V x, V e, V alpha) {
    const auto is_positive = positive(x);
    return select(is_positive, x, e) * select(is_positive, one(alpha), alpha);
  }
};
struct EluSlopeOfExp : Steps {  // 1 if x > 0 else alpha * e
  static constexpr int arrays = 2, dense_inputs = 2, inputs = 3;
  template <class V> static V apply(V x, V e, V alpha) {
    const auto is_positive = positive(x);
    return select(is_positive, one(x), e) * select(is_positive, one(alpha), alpha);
  }
};
struct CeluSlopeOfExp : Steps {  // 1 if x > 0 else e
  static constexpr int arrays = 2, dense_inputs = 2, inputs = 3;
  template <class V> static V apply(V x, V e, V) { return select(positive(x), one(x), e); }
};
struct CeluArgument : Steps {  // x / alpha of x < 0; an alpha may have become 0 by rounding
  static constexpr int arrays = 1, dense_inputs = 1, inputs = 2;
  template <class V> static V apply(V x, V alpha) {
    const auto is_negative = positive(negated(x));
    return select(is_negative, x / select(is_negative, alpha, one(alpha)), x);
  }
};
struct GradientBySlope : Steps {  // grad * slope
  static constexpr int arrays = 2, dense_inputs = 2, inputs = 2;
  template <class V> static V apply(V grad, V slope) { return grad * slope; }
};

struct Elu : FunctionOf<Op::elu> {  // x if x > 0 else alpha (e^x - 1)
  using Curve = Expm1;
  using Finish = EluOfExpm1;
};
struct EluDerivative : FunctionOf<Op::elu_derivative> {  // 1 if x > 0 else alpha e^x
  using Curve = Exp;
  using Finish = EluSlopeOfExp;
};
struct Celu : FunctionOf<Op::celu> {  // x if x > 0 else alpha (e^(x / alpha) - 1)
  using Argument = CeluArgument;
  using Curve = Expm1;
  using Finish = EluOfExpm1;
};
struct CeluDerivative : FunctionOf<Op::celu_derivative> {  // 1 if x > 0 else e^(x / alpha)
  using Argument = CeluArgument;
  using Curve = Exp;
  using Finish = CeluSlopeOfExp;
};

// grad times the derivative, which is rounded first.

struct SigmoidBackward : FunctionOf<Op::sigmoid_backward> {
  using Derivative = SigmoidDerivative;
};
struct TanhBackward : FunctionOf<Op::tanh_backward> {
  using Derivative = TanhDerivative;
};
struct SiluBackward : FunctionOf<Op::silu_backward> {
  using Derivative = SiluDerivative;
};
struct GeluBackward : FunctionOf<Op::gelu_backward> {
  using Derivative = GeluDerivative;
};
struct GeluTanhBackward : FunctionOf<Op::gelu_tanh_backward> {
  using Derivative = GeluTanhDerivative;
};
struct MishBackward : FunctionOf<Op::mish_backward> {
  using Derivative = MishDerivative;
};
struct SoftplusBackward : FunctionOf<Op::softplus_backward> {
  using Derivative = SoftplusDerivative;
};
struct LogSigmoidBackward : FunctionOf<Op::log_sigmoid_backward> {
  using Derivative = LogSigmoidDerivative;
};
struct SeluBackward : FunctionOf<Op::selu_backward> {
  using Derivative = SeluDerivative;
};
struct SoftsignBackward : FunctionOf<Op::softsign_backward> {
  using Derivative = SoftsignDerivative;
};
struct EluBackward : FunctionOf<Op::elu_backward> {
  using Derivative = EluDerivative;
};
struct CeluBackward : FunctionOf<Op::celu_backward> {
  using Derivative = CeluDerivative;
};

// From the output y: the derivative is y (1 - y), or (1 - y) (1 + y), step by step in double, then rounded.

struct SlopeOfSigmoidOutput {
  template <class V> static V for_float(V y) { return y * (V(1) - y); }
  template <class V> static V for_double(V y) { return for_float(y); }
  static long double for_long_double(long double y) { return for_float(y); }
};
struct SlopeOfTanhOutput {
  template <class V> static V for_float(V y) { return (V(1) - y) * (V(1) + y); }
  template <class V> static V for_double(V y) { return for_float(y); }
  static long double for_long_double(long double y) { return for_float(y); }
};
struct SigmoidBackwardFromOutput : FunctionOf<Op::sigmoid_backward_from_output> {
  using Derivative = SlopeOfSigmoidOutput;
};
struct TanhBackwardFromOutput : FunctionOf<Op::tanh_backward_from_output> {
  using Derivative = SlopeOfTanhOutput;
};

}  // namespace fastrelu::FASTRELU_ISA
