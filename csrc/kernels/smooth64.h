// SPDX-License-Identifier: BSD-3-Clause
//
// Smooth functions of float64. Each formula is one sequence of IEEE operations, so that its bits are the same on every
// instruction set: multiply_add appears only where the product is exact, so that it does not matter whether it is
// fused, and product_error is exact with and without hardware for it. No table, no branch.
//
// Bounds in units in the last place (tests/proof/test_wide.py holds them): 1.3 for sigmoid, tanh, silu, softplus,
// softsign, exp, expm1, selu and the derivatives of sigmoid, tanh and selu; 2 for all others. Where a result is
// subnormal, the unit is the spacing of subnormal numbers.
//
// Nothing overflows unless the result does (selu alone), and nothing is divided by 0. What becomes of NaN, and which of
// the exceptions are reported, is the caller's business.
//
// A result that one number cannot hold well enough is a Pair, the sum of two. What depends on e^x keeps the power of
// two apart from the rest: a subnormal result is rounded when it meets that power, and once.
#pragma once

#include <type_traits>

#include "coefficients64.h"

namespace fastrelu::FASTRELU_ISA::wide {

// hi + lo, where lo is about a rounding error of hi.
template <class V> struct Pair {
  V hi, lo;
  [[gnu::always_inline]] V rounded() const { return hi + lo; }

  // Exact, if nothing underflows.
  [[gnu::always_inline]] static Pair sum(V a, V b) {
    const V sum = a + b, b_part = sum - a;
    return {sum, (a - (sum - b_part)) + (b - b_part)};
  }
  // The same where |a| >= |b|, or where a's power of two is not below that of b.
  [[gnu::always_inline]] static Pair ordered_sum(V a, V b) {
    const V sum = a + b;
    return {sum, b - (sum - a)};
  }
  [[gnu::always_inline]] static Pair product(V a, V b) {
    const V product = a * b;
    return {product, product_error(a, b, product)};
  }

  [[gnu::always_inline]] friend Pair negated(Pair a) { return {negated(a.hi), negated(a.lo)}; }
  [[gnu::always_inline]] friend Pair operator+(Pair a, V b) {
    const Pair hi = sum(a.hi, b);
    return {hi.hi, hi.lo + a.lo};
  }
  [[gnu::always_inline]] friend Pair operator+(Pair a, Pair b) {
    const Pair hi = sum(a.hi, b.hi);
    return {hi.hi, hi.lo + (a.lo + b.lo)};
  }
  [[gnu::always_inline]] friend Pair operator*(Pair a, V b) {
    const Pair hi = product(a.hi, b);
    return {hi.hi, hi.lo + a.lo * b};
  }
  [[gnu::always_inline]] friend Pair operator*(Pair a, Pair b) {
    const Pair hi = product(a.hi, b.hi);
    return {hi.hi, hi.lo + (a.hi * b.lo + a.lo * b.hi)};
  }
  // The quotient comes from a reciprocal, as one division serves it and its correction. The remainder is exact.
  [[gnu::always_inline]] friend Pair operator/(Pair a, Pair b) {
    const V reciprocal = V(1.0) / b.hi, quotient = a.hi * reciprocal, product = quotient * b.hi;
    const V remainder = (a.hi - product) - product_error(quotient, b.hi, product);
    return {quotient, (remainder + (a.lo - quotient * b.lo)) * reciprocal};
  }
  [[gnu::always_inline]] friend Pair operator/(V a, Pair b) {
    const V reciprocal = V(1.0) / b.hi, quotient = a * reciprocal, product = quotient * b.hi;
    const V remainder = (a - product) - product_error(quotient, b.hi, product);
    return {quotient, (remainder - quotient * b.lo) * reciprocal};
  }
};

template <class V> [[gnu::always_inline]] inline Pair<V> pair(double hi, double lo) { return {V(hi), V(lo)}; }
template <class M, class V> [[gnu::always_inline]] inline Pair<V> either(M mask, Pair<V> a, Pair<V> b) {
  return {select(mask, a.hi, b.hi), select(mask, a.lo, b.lo)};
}
template <class M, class V> [[gnu::always_inline]] inline Pair<V> either(M mask, Pair<V> a, double b) {
  return {select(mask, a.hi, V(b)), select_or_zero(mask, a.lo)};
}

// c[first] + c[first + 1] x + ... of `count` terms, in halves of halves: a long chain of operations that wait for each
// other takes twice the time.
template <int first, int count, int n, class V>
[[gnu::always_inline]] inline V sum_of_terms(const double (&c)[n], V x, V x2, V x4, V x8) {
  if constexpr (count == 1) {
    return V(c[first]);
  } else if constexpr (count > 16) {
    return sum_of_terms<first, 16>(c, x, x2, x4, x8) + x8 * x8 * sum_of_terms<first + 16, count - 16>(c, x, x2, x4, x8);
  } else {
    constexpr int half = count > 8 ? 8 : count > 4 ? 4 : count > 2 ? 2 : 1;
    const V power = half == 8 ? x8 : half == 4 ? x4 : half == 2 ? x2 : x;
    return sum_of_terms<first, half>(c, x, x2, x4, x8) +
           power * sum_of_terms<first + half, count - half>(c, x, x2, x4, x8);
  }
}
template <int n, class V> [[gnu::always_inline]] inline V unfused_polynomial(const double (&c)[n], V x) {
  const V x2 = x * x, x4 = x2 * x2;
  return sum_of_terms<0, n>(c, x, x2, x4, x4 * x4);
}

// e^-t = scale rest (1 + p + p_low), the first two powers of two. rest is 1 down to 2^-700, and scale at least 2^-810:
// products and error terms made with scale do not underflow. Products with it are exact.
template <class V> struct Exponential {
  V scale, rest, p, p_low;

  // without p_low: an error of 0.3 units
  [[gnu::always_inline]] V rounded() const { return multiply_add(scale, p, scale) * rest; }
  [[gnu::always_inline]] Pair<V> significand() const {
    const Pair<V> sum = Pair<V>::ordered_sum(V(1.0), p);
    return {sum.hi, sum.lo + p_low};
  }
  // Without the factor `rest`: e^-t, its sum with a power of two c where e^-t <= 2 c, and a product with it, from that
  // with significand.
  [[gnu::always_inline]] Pair<V> in_range() const { return in_range(significand()); }
  [[gnu::always_inline]] Pair<V> plus(V c) const {
    const Pair<V> s = significand();
    const V sum = multiply_add(scale, s.hi, c);
    return {sum, multiply_add(scale, s.lo, multiply_add(scale, s.hi, c - sum))};
  }
  [[gnu::always_inline]] Pair<V> in_range(Pair<V> a) const { return {a.hi * scale, a.lo * scale}; }
  [[gnu::always_inline]] V rounded(Pair<V> a) const { return multiply_add(a.hi, scale, a.lo * scale) * rest; }

  // 1 - e^-t, as exact near 0 as elsewhere
  [[gnu::always_inline]] Pair<V> complement() const {
    const V without_p = V(1.0) - scale, lost = (V(1.0) - without_p) - scale, minus_scale = negated(scale);
    const V sum = multiply_add(minus_scale, p, without_p);
    const V error = multiply_add(minus_scale, p, without_p - sum);
    return {sum, multiply_add(minus_scale, p_low, error) + lost};
  }
};

// Beyond them results do not change any more: they are 0 or 1, or x where it is positive. e^-t alone comes to 0 first,
// then its product with t.
constexpr double last_exponential = 746, last_product = 755, last_gelu = 38.75, last_gelu_tanh = 21.6875;

// 0 <= t < 770, given in one number or two. `carried` holds -t / ln 2, rounded to an integer, in its low bits, beside
// the bias of exponents.
template <class V, class Low> [[gnu::always_inline]] inline Exponential<V> decay(V t, Low plus_low) {
  constexpr double magic = 0x1.8p52 + 1023;
  const V carried = V(magic) - t * V(0x1.71547652b82fep0), n = carried - V(magic);
  const V high = multiply_add(n, V(ln2_high), t);  // exact
  const V low = plus_low(n * V(ln2_low)), r = high + low;
  const V curve = r * r * unfused_polynomial(decay_terms, r) - low, p = curve - high;
  const auto deep = smaller(carried, V(magic - 700));
  const V scale = exponent_from_low_bits(carried + select_or_zero(deep, V(300.0)));
  return {scale, select(deep, V(0x1p-300), V(1.0)), p, curve - (p + high)};
}
template <class V> [[gnu::always_inline]] inline Exponential<V> decay(V t) {
  return decay(t, [](V low) { return low; });
}
template <class V> [[gnu::always_inline]] inline Exponential<V> decay(Pair<V> t) {
  return decay(t.hi, [t](V low) { return low + t.lo; });
}

// y, but the slope at 0 times x where the square of x does not matter: error terms could underflow
template <class V> [[gnu::always_inline]] inline V straight_near_zero(V x, double slope, V y) {
  return select(smaller(absolute(x), V(0x1p-55)), x * V(slope), y);
}
template <class V> [[gnu::always_inline]] inline V itself_from(V x, double bound, V y) {
  return select(smaller(x, V(bound)), y, x);
}

// f(x) from f(-|x|) = `left` e, where f(|x|) = t + f(-|x|), t = |x|
template <class V> [[gnu::always_inline]] inline V shifted(V x, V t, Exponential<V> e, Pair<V> left) {
  return select(smaller(x, V(0.0)), e.rounded(left), (e.in_range(left) + t).rounded());
}
// f(x) from f(-|x|) = `left` e, where f(|x|) = 1 - f(-|x|), and f(-|x|) <= 1
template <class V> [[gnu::always_inline]] inline V mirrored(V x, Exponential<V> e, Pair<V> left) {
  const V minus_scale = negated(e.scale), sum = multiply_add(minus_scale, left.hi, V(1.0));
  const V error = multiply_add(minus_scale, left.lo, multiply_add(minus_scale, left.hi, V(1.0) - sum));
  return select(smaller(x, V(0.0)), e.rounded(left), sum + error);
}

// A derivative near its root, where formulas cancel: d (slope + d terms(d)) for |d| = |x - root| < width. |x| < 1000.
template <int n> struct Root {
  double root, root_low, width, slope, slope_low;
  const double (&terms)[n];

  template <class V> [[gnu::always_inline]] V near_or(V x, V otherwise) const {
    const V high = x - V(root), d = high - V(root_low), d_low = (high - d) - V(root_low);
    const Pair<V> straight = Pair<V>::product(d, V(slope));
    const V error = straight.lo + (d * V(slope_low) + d_low * V(slope)), curve = d * d * unfused_polynomial(terms, d);
    return select(smaller(absolute(d), V(width)), straight.hi + (curve + error), otherwise);
  }
};
template <int n> Root(double, double, double, double, double, const double (&)[n]) -> Root<n>;

// sigmoid(x), except for the factor `rest` where x is negative; e = e^-|x|. The remainder n - q (1 + e) does without
// the sum.
template <class V> [[gnu::always_inline]] inline Pair<V> sigmoid_in_range(V x, Exponential<V> of) {
  const auto negative = smaller(x, V(0.0));
  const Pair<V> e = of.in_range(), n = either(negative, e, 1.0);
  const V reciprocal = V(1.0) / (V(1.0) + e.hi);
  const V q = n.hi * reciprocal, product = q * e.hi;
  const V remainder = ((n.hi - q) - product) - product_error(q, e.hi, product);
  return {q, (remainder + (n.lo - q * e.lo)) * reciprocal};
}
template <class V> [[gnu::always_inline]] inline V sigmoid_rest(V x, Exponential<V> of) {
  return select(smaller(x, V(0.0)), of.rest, V(1.0));
}

// The derivative of sigmoid, over e = e^-t: 1 / (1 + e)^2
template <class V> [[gnu::always_inline]] inline Pair<V> sigmoid_slope(Exponential<V> e) {
  const Pair<V> d = e.plus(V(1.0));
  return e.significand() / (d * d);
}

// The derivative of x sigmoid(z(x)) at -t, over e = e^-z(t): (1 + e - w) / (1 + e)^2, w = t z'(t)
template <class V, class W> [[gnu::always_inline]] inline Pair<V> swish_slope(Exponential<V> e, W w) {
  const Pair<V> d = e.plus(V(1.0));
  return e.significand() * (d + negated(w)) / (d * d);
}

// gelu_tanh is x sigmoid(z(x)), z(x) = linear x + cubic x^3.
template <class V> struct Cubic {
  Pair<V> z, w;  // z(t), t z'(t)
  [[gnu::always_inline]] static Cubic of(V t) {
    const Pair<V> c = pair<V>(cubic, cubic_low) * Pair<V>::product(t, t);
    const Pair<V> z_over_t = pair<V>(linear, linear_low) + c;
    return {z_over_t * t, (z_over_t + Pair<V>{c.hi + c.hi, c.lo + c.lo}) * t};
  }
};

// The normal distribution's upper tail is e^(-t^2 / 2) n / d, with d = 2 + sqrt(2 pi) t and 1 <= n < 1.18.
template <class V> struct UpperTail {
  Pair<V> n, d;
  [[gnu::always_inline]] static UpperTail of(V t) {
    const V v = t / (t + V(mills_centre));
    const V above_1 = v * unfused_polynomial(mills_terms, multiply_add(v, V(2.0), V(-1.0)));
    return {Pair<V>::ordered_sum(V(1.0), above_1), pair<V>(sqrt_2_pi, sqrt_2_pi_low) * t + V(2.0)};
  }
};
template <class V> [[gnu::always_inline]] inline Exponential<V> gaussian(Pair<V> t_squared) {
  return decay(Pair<V>{t_squared.hi * V(0.5), t_squared.lo * V(0.5)});
}

// mish is x n / (n + 2), n = e^x (e^x + 2). With e = e^-|x|, and both sides multiplied by e^2 / 2 where x is not
// negative, there is no sum of different signs: it is x sum / denominator of positive x, x product e / denominator of
// others.
template <class V, class M> struct MishParts {
  M positive;
  Exponential<V> e;
  Pair<V> sum, product, denominator;  // `product` is e times another, without e's power of two

  [[gnu::always_inline]] V value(Pair<V> y) const { return select(positive, y.rounded(), e.rounded(y)); }
};
template <class V> [[gnu::always_inline]] inline auto mish_of(V t, V x) {
  const auto positive = smaller(V(0.0), x);
  const Exponential<V> e = decay(t);
  const Pair<V> sum = e.plus(select(positive, V(0.5), V(2.0)));
  const Pair<V> product = e.significand() * either(positive, e.in_range(), sum);
  const Pair<V> first = either(positive, sum, 2.0), second = e.in_range(product);
  const Pair<V> denominator = Pair<V>::ordered_sum(first.hi, second.hi);
  return MishParts<V, std::decay_t<decltype(positive)>>{
      positive, e, sum, product, {denominator.hi, denominator.lo + (first.lo + second.lo)}};
}

struct Exp {  // e^x; 1 if x > 0
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    return decay(at_least(at_most(negated(x), V(last_exponential)), V(0.0))).rounded();
  }
};

struct Expm1 {  // e^x - 1; x if x > 0
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_least(at_most(negated(x), V(40.0)), V(0.0));
    return select(smaller(x, V(-0x1p-55)), negated(decay(t).complement().rounded()), x);
  }
};

struct Selu {  // scale x if x > 0 else scale alpha (e^x - 1)
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_least(at_most(negated(x), V(40.0)), V(0.0));
    const V y = (decay(t).complement() * V(-selu_scale_alpha)).rounded();
    const V factor = select(smaller(V(0.0), x), V(selu_scale), V(selu_scale_alpha));
    const V straight = at_least(x, V(-1.0)) * factor;  // bounded: a product that is not selected must not overflow
    return select(smaller(x, V(-0x1p-55)), y, straight);
  }
};

struct SeluDerivative {  // scale if x > 0 else scale alpha e^x
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const Exponential<V> e = decay(at_least(at_most(negated(x), V(last_exponential)), V(0.0)));
    const V y = e.rounded(e.significand() * V(selu_scale_alpha));
    return select(smaller(V(0.0), x), V(selu_scale), y);
  }
};

struct Sigmoid {  // 1 / (1 + e^-x)
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const Exponential<V> e = decay(at_most(absolute(x), V(last_exponential)));
    return sigmoid_in_range(x, e).rounded() * sigmoid_rest(x, e);
  }
};

struct SigmoidDerivative {  // sigmoid(x) sigmoid(-x)
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const Exponential<V> e = decay(at_most(absolute(x), V(last_exponential)));
    return e.rounded(sigmoid_slope(e));
  }
};

struct Tanh {  // m / (2 - m), m = 1 - e^-2t, t = |x|
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(20.0));
    const Pair<V> m = decay(t + t).complement();
    const V reciprocal = V(1.0) / (V(2.0) - m.hi), q = m.hi * reciprocal, product = q * m.hi;
    const V remainder = (multiply_add(q, V(-2.0), m.hi) + product) + product_error(q, m.hi, product);
    const V y = q + (remainder + (m.lo + q * m.lo)) * reciprocal;
    return with_sign_of(y, x);
  }
};

struct TanhDerivative {  // 4 e^-2t / (1 + e^-2t)^2, t = |x|
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(last_exponential / 2 + 1));
    const Exponential<V> e = decay(t + t);
    const Pair<V> y = sigmoid_slope(e);
    return e.rounded({y.hi * V(4.0), y.lo * V(4.0)});
  }
};

struct Softsign {  // x / (1 + |x|)
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(0x1p60));
    return with_sign_of((t / Pair<V>::sum(V(1.0), t)).rounded(), x);
  }
};

struct SoftsignDerivative {  // 1 / (1 + |x|)^2
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(0x1p540));
    const Pair<V> root = V(0x1p300) / Pair<V>::sum(V(1.0), t);  // its square has error terms in range
    return (root * root).rounded() * V(0x1p-600);
  }
};

struct Softplus {  // log(1 + e^x), as 2 atanh(e / (2 + e)) of e = e^-|x|
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(last_exponential));
    const Exponential<V> e = decay(t);
    const Pair<V> w = e.significand() / e.plus(V(2.0));
    const V w_in_range = w.hi * e.scale, z = w_in_range * w_in_range;
    const V curve = w.hi * z * unfused_polynomial(atanh_terms, z);
    return itself_from(x, 700, shifted(x, t, e, {w.hi + w.hi, w.lo + w.lo + curve}));
  }
};

struct Silu {  // x sigmoid(x)
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(last_product));
    const Exponential<V> e = decay(t);
    const V y = (sigmoid_in_range(x, e) * with_sign_of(t, x)).rounded() * sigmoid_rest(x, e);
    return itself_from(x, 700, straight_near_zero(x, 0.5, y));
  }
};

struct SiluDerivative {
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    constexpr Root root{silu_root, silu_root_low, silu_width, silu_slope, silu_slope_low, silu_terms};
    const V t = at_most(absolute(x), V(last_product));
    const Exponential<V> e = decay(t);
    return root.near_or(with_sign_of(t, x), mirrored(x, e, swish_slope(e, t)));
  }
};

struct GeluTanh {  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(last_gelu_tanh));
    const Exponential<V> e = decay(Cubic<V>::of(t).z);
    const V y = (sigmoid_in_range(x, e) * with_sign_of(t, x)).rounded() * sigmoid_rest(x, e);
    return itself_from(x, 21, straight_near_zero(x, 0.5, y));
  }
};

struct GeluTanhDerivative {
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    constexpr Root root{gelu_tanh_root,  gelu_tanh_root_low,  gelu_tanh_width,
                        gelu_tanh_slope, gelu_tanh_slope_low, gelu_tanh_terms};
    const V t = at_most(absolute(x), V(last_gelu_tanh));
    const Cubic<V> of_t = Cubic<V>::of(t);
    const Exponential<V> e = decay(of_t.z);
    return root.near_or(with_sign_of(t, x), mirrored(x, e, swish_slope(e, of_t.w)));
  }
};

struct Gelu {  // x times the normal distribution's lower tail
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(last_gelu));
    const Exponential<V> e = gaussian(Pair<V>::product(t, t));
    const UpperTail<V> tail = UpperTail<V>::of(t);
    const V y = shifted(x, t, e, negated(e.significand() * tail.n / tail.d * t));
    return itself_from(x, 38, straight_near_zero(x, 0.5, y));
  }
};

struct GeluDerivative {  // at -t: upper tail - t density = e^(-t^2 / 2) (n - sqrt(2 / pi) t - t^2) / d
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    constexpr Root root{gelu_root, gelu_root_low, gelu_width, gelu_slope, gelu_slope_low, gelu_terms};
    const V t = at_most(absolute(x), V(last_gelu));
    const Pair<V> t_squared = Pair<V>::product(t, t);
    const Exponential<V> e = gaussian(t_squared);
    const UpperTail<V> tail = UpperTail<V>::of(t);
    const Pair<V> n = tail.n + pair<V>(-sqrt_2_over_pi, -sqrt_2_over_pi_low) * t + negated(t_squared);
    return root.near_or(with_sign_of(t, x), mirrored(x, e, e.significand() * n / tail.d));
  }
};

struct Mish {  // x tanh(log(1 + e^x))
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    const V t = at_most(absolute(x), V(last_product));
    const auto m = mish_of(t, x);
    const Pair<V> y = either(m.positive, m.sum, m.product) / m.denominator * with_sign_of(t, x);
    return itself_from(x, 700, straight_near_zero(x, 0.6, m.value(y)));
  }
};

// With e = e^-t: e ((2 + e) d - 4 t (1 + e)) / d^2, d = 2 + e (2 + e), or with s = 1/2 + e, d = s + e^2:
// (s d + t e^2 (1 + e)) / d^2
struct MishDerivative {
  template <class V> [[gnu::always_inline]] static V apply(V x) {
    constexpr Root root{mish_root, mish_root_low, mish_width, mish_slope, mish_slope_low, mish_terms};
    const V bounded = at_least(at_most(x, V(60.0)), V(-last_product)), t = absolute(bounded);  // e^4 is in range
    const auto m = mish_of(t, x);
    const Pair<V> weight = either(m.positive, m.e.in_range(m.product), -4.0) * t;
    const Pair<V> n = m.sum * m.denominator + weight * m.e.plus(V(1.0));
    const Pair<V> y = n / (m.denominator * m.denominator);
    const Pair<V> factor = either(m.positive, Pair<V>{V(1.0), V(0.0)}, m.e.significand());
    return root.near_or(bounded, m.value(y * factor));
  }
};

}  // namespace fastrelu::FASTRELU_ISA::wide
