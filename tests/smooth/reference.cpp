// SPDX-License-Identifier: BSD-3-Clause
//
// The correctly rounded float32 results of the smooth functions, fast enough for all 2^32 inputs. run.py compiles this file
// and calls it; GCC on x86-64 is needed, for __float128.
//
// Each formula is computed in double first, with an error below 2^-42 of its largest term. Where both ends of that interval
// round to the same float, the result is certain. Elsewhere, for about one input of 2^17, the same is done with 113 bits and
// an error below 2^-96. What is still uncertain is left to the caller, who has mpmath.
//
// Bounds of arguments here are far beyond the point where the rounded result becomes constant: at -700, e^x times the largest
// float is below 2^-880. run.py looks at the tails of the results as well.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace {

using Quad = __float128;

// A computed number, and the size of its terms, which is larger than its own where they cancel. Its error is a small part
// of `error_scale`.
template <class T> struct Number {
  T value, terms, error_scale;
};

template <class T> T size(T x) { return x < 0 ? -x : x; }
template <class T> Number<T> plain(T value) { return {value, size(value), size(value)}; }

template <class T> T magnitude(float x, double most = 700) { return size(double(x)) > most ? most : size(double(x)); }
template <class T> T not_positive(float x) { return x > 0 ? 0 : -magnitude<T>(x); }

template <class T> constexpr T ln2_high = 0x1.62e42feep-1;  // few bits, so that products with integers are exact
template <class T> constexpr T ln2_low =
    T(0.69314718055994530941723212145817656807550013436025525412068q - ln2_high<Quad>);
template <class T> constexpr T density_at_0 = T(0.398942280401432677939946059934381868475858631164934657665925q);
template <class T> constexpr T sqrt_8_over_pi = T(1.59576912160573071175978423973752747390343452465973863066370q);
template <class T> constexpr T cubic = T(0.044715q);
template <class T> constexpr T selu_scale = T(1.0507009873554804934193349852946q);
template <class T> constexpr T selu_scale_alpha =
    T(1.0507009873554804934193349852946q * 1.6732632423543772848170429916717q);

constexpr int exponential_terms(double) { return 9; }
constexpr int exponential_terms(Quad) { return 17; }
constexpr int logarithm_terms(double) { return 20; }
constexpr int logarithm_terms(Quad) { return 42; }

template <class T> constexpr T inverse_factorial(int n) { return n == 0 ? T(1) : inverse_factorial<T>(n - 1) / n; }

double power_of_two(double n) {
  const double biased = n + (0x1.8p52 + 1023);
  std::uint64_t bits;
  std::memcpy(&bits, &biased, sizeof bits);
  bits <<= 52;
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return power;
}

// e^x = scale (1 + p): Taylor's series of e^(r / 16), squared four times.
template <class T> struct Exponential {
  T scale, p;

  explicit Exponential(T x) {
    const double n = std::rint(double(x) * 1.4426950408889634);
    const T r = ((x - n * ln2_high<T>)-n * ln2_low<T>)*T(0.0625);
    constexpr int terms = exponential_terms(T());
    T sum = inverse_factorial<T>(terms);
    for (int k = terms - 1; k > 0; --k) sum = sum * r + inverse_factorial<T>(k);
    p = sum * r;
    for (int k = 0; k < 4; ++k) p = p * (p + 2);
    scale = power_of_two(n);
  }
};

template <class T> T exponential(T x) {
  const Exponential<T> e(x < -700 ? T(-700) : x);
  return e.scale * e.p + e.scale;
}

template <class T> T exponential_minus_1(T x) {
  const Exponential<T> e(x);
  return e.scale * e.p + (e.scale - 1);
}

// log(1 + x) for 0 <= x <= 1: 2 atanh(x / (x + 2)).
template <class T> T logarithm_of_1_plus(T x) {
  const T w = x / (x + 2), square = w * w;
  T sum = 0;
#pragma GCC unroll 50  // a loop in the loop over elements would keep that from becoming vectors
  for (int k = logarithm_terms(T()) - 1; k >= 0; --k) sum = sum * square + T(2) / (2 * k + 1);
  return sum * w;
}

template <class T> T density(T t) { return density_at_0<T> * exponential(t * t * T(-0.5)); }

// Mills' ratio, (1 - Phi(t)) / phi(t), for t >= 0: a series of positive terms, and Laplace's continued fraction.
Quad mills_ratio(Quad t) {
  if (t < 3) {
    Quad term = t, sum = 0;
    for (int k = 3; k < 160; k += 2) {
      sum += term;
      term *= t * t / k;
    }
    return 1 / (2 * density(t)) - sum;
  }
  Quad rest = 0;
  for (int k = 500; k > 0; --k) rest = k / (t + rest);
  return 1 / (t + rest);
}

// Taylor's series of Mills' ratio M about multiples of 1/16, from M' = t M - 1.
constexpr int mills_terms = 12, mills_per_1 = 16, mills_most = 30;
struct MillsTable {
  double terms[mills_most * mills_per_1 + 1][mills_terms];

  MillsTable() {
    for (int i = 0; i <= mills_most * mills_per_1; ++i) {
      const Quad t = Quad(i) / mills_per_1;
      Quad before = mills_ratio(t), last = t * before - 1;
      terms[i][0] = double(before);
      terms[i][1] = double(last);
      for (int k = 2; k < mills_terms; ++k) {
        const Quad next = (t * last + before) / k;
        terms[i][k] = double(next);
        before = last;
        last = next;
      }
    }
  }
};
const MillsTable mills_table;

double mills_ratio(double t) {
  const double centre = std::rint(t * mills_per_1), h = t - centre / mills_per_1;
  const double* terms = mills_table.terms[int(centre)];
  double sum = terms[mills_terms - 1];
  for (int k = mills_terms - 2; k >= 0; --k) sum = sum * h + terms[k];
  return sum;
}

template <class T> T logistic(bool negative, T z) {
  const T e = exponential(-z);
  return (negative ? e : T(1)) / (1 + e);
}

// `below` for negative x, else 1 minus that.
template <class T> Number<T> mirrored(bool negative, T below, T terms, T sensitivity) {
  return {negative ? below : 1 - below, negative ? terms : T(1), (negative ? terms : 1 + terms) * sensitivity};
}

// s + w s (1 - s) for s = sigmoid(-z), and 1 minus that where x is positive.
template <class T> Number<T> logistic_derivative(bool negative, T z, T w, T sensitivity) {
  const T e = exponential(-z), u = 1 + e, square = u * u;
  return mirrored(negative, e * (u - w) / square, e * (u + w) / square, sensitivity);
}

// x s for an s near 1/2 + c x with c > 0. For a tiny x that is not x / 2, which may be a tie, but next to it on the side of
// +infinity. Which number there does not matter: between two ties all are rounded to the same.
// `sensitivity`: by how much more than s itself its argument may be in error.
template <class T> Number<T> product(float x, T s, T sensitivity) {
  const T half = T(x) / 2;
  const T value = size(double(x)) < 0x1p-60 ? half + half * (x < 0 ? T(-0x1p-30) : T(0x1p-30)) : x * s;
  return {value, size(value), size(value) * sensitivity};
}

template <class T> T gelu_tanh_argument(T t) {
  const T z = sqrt_8_over_pi<T> * (t + cubic<T> * t * t * t);
  return z < 700 ? z : T(700);
}

struct Sigmoid {
  template <class T> static Number<T> of(float x) { return plain(logistic(x < 0, magnitude<T>(x))); }
};
struct SigmoidDerivative {
  template <class T> static Number<T> of(float x) {
    const T e = exponential(-magnitude<T>(x));
    return plain(e / ((1 + e) * (1 + e)));
  }
};
struct Tanh {
  template <class T> static Number<T> of(float x) {
    const T m = exponential_minus_1(magnitude<T>(x, 300) * -2), y = m / (m + 2);
    return plain(std::signbit(x) ? y : -y);
  }
};
struct TanhDerivative {
  template <class T> static Number<T> of(float x) {
    const T e = exponential(magnitude<T>(x) * -2);
    return plain(4 * e / ((1 + e) * (1 + e)));
  }
};
struct Silu {
  template <class T> static Number<T> of(float x) { return product(x, logistic(x < 0, magnitude<T>(x)), T(1)); }
};
struct SiluDerivative {
  template <class T> static Number<T> of(float x) {
    const T t = magnitude<T>(x);
    return logistic_derivative(x < 0, t, t, T(1));
  }
};
struct Gelu {
  template <class T> static Number<T> of(float x) {
    const T t = magnitude<T>(x, mills_most), tail = density(t) * mills_ratio(t);
    return product(x, x < 0 ? tail : 1 - tail, T(1));
  }
};
struct GeluDerivative {
  template <class T> static Number<T> of(float x) {
    const T t = magnitude<T>(x, mills_most), phi = density(t), ratio = mills_ratio(t);
    return mirrored(x < 0, phi * (ratio - t), phi * (ratio + t), T(1));
  }
};
struct GeluTanh {
  template <class T> static Number<T> of(float x) {
    const T z = gelu_tanh_argument(magnitude<T>(x));
    return product(x, logistic(x < 0, z), 1 + z);
  }
};
struct GeluTanhDerivative {
  template <class T> static Number<T> of(float x) {
    const T t = magnitude<T>(x), z = gelu_tanh_argument(t);
    const T w = sqrt_8_over_pi<T> * (t + 3 * cubic<T> * t * t * t);
    return logistic_derivative(x < 0, z, w, 1 + z);
  }
};
// With e = e^-|x|: n = e^2x + 2 e^x, and tanh(log(1 + e^x)) = n / (n + 2).
struct Mish {
  template <class T> static Number<T> of(float x) {
    const T e = exponential(-magnitude<T>(x)), n = e * e + 2 * e, m = 1 + 2 * e;
    return plain(x * (x < 0 ? n : m) / (x < 0 ? n + 2 : m + 2 * e * e));
  }
};
struct MishDerivative {
  template <class T> static Number<T> of(float x) {
    const T t = magnitude<T>(x), e = exponential(-t), n = e * e + 2 * e, d = n + 2, m = 1 + 2 * e, c = m + 2 * e * e;
    const T plus = n * d / (d * d), minus = 4 * t * e * (e + 1) / (d * d);
    const T above = (m * c + 4 * t * (1 + e) * e * e) / (c * c), terms = x < 0 ? plus + minus : above;
    return {x < 0 ? plus - minus : above, terms, terms};
  }
};
struct Softplus {
  template <class T> static Number<T> of(float x) {
    return plain((x > 0 ? T(x) : T(0)) + logarithm_of_1_plus(exponential(-magnitude<T>(x))));
  }
};
struct SoftplusDerivative : Sigmoid {};
struct LogSigmoid {
  template <class T> static Number<T> of(float x) { return plain(-Softplus::of<T>(-x).value); }
};
struct LogSigmoidDerivative {
  template <class T> static Number<T> of(float x) { return Sigmoid::of<T>(-x); }
};
struct Selu {
  template <class T> static Number<T> of(float x) {
    const T below = selu_scale_alpha<T> * exponential_minus_1(not_positive<T>(x));
    return plain(x > 0 ? selu_scale<T> * T(x) : below);
  }
};
struct SeluDerivative {
  template <class T> static Number<T> of(float x) {
    return plain(x > 0 ? selu_scale<T> : selu_scale_alpha<T> * exponential(not_positive<T>(x)));
  }
};
struct Softsign {
  template <class T> static Number<T> of(float x) { return plain(T(x) / (1 + size(T(x)))); }
};
struct SoftsignDerivative {
  template <class T> static Number<T> of(float x) {
    const T u = 1 + size(T(x));
    return plain(1 / (u * u));
  }
};
// Of alpha = 1: the rounded e^x - 1 and e^x, of which ELU and CELU are made.
struct Elu {
  template <class T> static Number<T> of(float x) {
    const T below = exponential_minus_1(not_positive<T>(x));
    return plain(x > 0 ? T(x) : below);
  }
};
struct EluDerivative {
  template <class T> static Number<T> of(float x) { return plain(exponential(not_positive<T>(x))); }
};

// Round both ends of the interval that contains the number.
template <class T> struct Ends {
  float lower, upper;

  Ends(T value, T error) : lower(float(value - error)), upper(float(value + error)) {}
  bool agree() const { return lower == upper; }
};

constexpr std::size_t block = 1024;
using Floats = std::array<float, block>;

// Compiled to vectors: no calls, no branches.
template <class F> void quick(const Floats& x, Floats& results, std::array<int, block>& uncertain) {
  for (std::size_t i = 0; i < block; ++i) {
    const Number<double> y = F::template of<double>(x[i]);
    const Ends<double> ends(y.value, y.error_scale * 0x1p-42);
    results[i] = ends.lower;
    uncertain[i] = !ends.agree();
  }
}

template <class F> Number<Quad> slow(float x) { return F::template of<Quad>(x); }

struct Function {
  std::string_view name;
  void (*quick)(const Floats&, Floats&, std::array<int, block>&);
  Number<Quad> (*slow)(float);
  float at_minus_infinity, at_infinity;
};

template <class F> constexpr Function function(std::string_view name, float at_minus_infinity, float at_infinity) {
  return {name, quick<F>, slow<F>, at_minus_infinity, at_infinity};
}

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr Function functions[] = {
    function<Sigmoid>("sigmoid", 0, 1),
    function<SigmoidDerivative>("sigmoid_derivative", 0, 0),
    function<Tanh>("tanh", -1, 1),
    function<TanhDerivative>("tanh_derivative", 0, 0),
    function<Silu>("silu", -0.0F, infinity),
    function<SiluDerivative>("silu_derivative", -0.0F, 1),
    function<Gelu>("gelu", -0.0F, infinity),
    function<GeluDerivative>("gelu_derivative", -0.0F, 1),
    function<GeluTanh>("gelu_tanh", -0.0F, infinity),
    function<GeluTanhDerivative>("gelu_tanh_derivative", -0.0F, 1),
    function<Mish>("mish", -0.0F, infinity),
    function<MishDerivative>("mish_derivative", -0.0F, 1),
    function<Softplus>("softplus", 0, infinity),
    function<SoftplusDerivative>("softplus_derivative", 0, 1),
    function<LogSigmoid>("log_sigmoid", -infinity, -0.0F),
    function<LogSigmoidDerivative>("log_sigmoid_derivative", 1, 0),
    function<Selu>("selu", float(-selu_scale_alpha<Quad>), infinity),
    function<SeluDerivative>("selu_derivative", 0, float(selu_scale<Quad>)),
    function<Softsign>("softsign", -1, 1),
    function<SoftsignDerivative>("softsign_derivative", 0, 0),
    function<Elu>("elu", -1, infinity),
    function<EluDerivative>("elu_derivative", 0, 1),
};

template <class To, class From> To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// Of an infinity or a NaN, which is quiet afterwards.
float of_no_number(const Function& function, std::uint32_t bits) {
  if (bits << 9 != 0) return same_bits<float>(bits | 0x400000);
  return bits >> 31 ? function.at_minus_infinity : function.at_infinity;
}

}  // namespace

// The results for `count` bit patterns from `first` on, both multiples of 1024. `listed` gets the patterns whose real values
// lie within 2^-44 of their terms from a number at which rounding changes; `undecided`, the first of them, those that are not
// certain. Returns how many were listed, or -1 if there is no such function or they are more than `room`.
extern "C" long smooth_results(const char* name, std::uint32_t first, std::uint32_t count, float* results,
                               std::uint32_t* listed, std::uint8_t* undecided, long room) {
  const Function* found = nullptr;
  for (const Function& each : functions) {
    if (each.name == name) found = &each;
  }
  if (!found) return -1;
  long number = 0;
  Floats x, y;
  std::array<int, block> uncertain;
  for (std::uint32_t offset = 0; offset < count; offset += block) {
    for (std::uint32_t i = 0; i < block; ++i) x[i] = same_bits<float>(first + offset + i);
    const bool numbers = std::isfinite(x[0]);
    if (numbers) found->quick(x, y, uncertain);
    for (std::uint32_t i = 0; i < block; ++i) {
      if (!numbers) y[i] = of_no_number(*found, first + offset + i);
      if (x[i] == 0 && y[i] == 0) y[i] = x[i];  // with its sign
      if (!numbers || !uncertain[i]) continue;
      const Number<Quad> number_of_x = found->slow(x[i]);
      const Quad value = number_of_x.value;
      const Ends<Quad> ends(value, number_of_x.error_scale * Quad(0x1p-96));
      y[i] = ends.lower;
      if (Ends<Quad>(value, number_of_x.terms * Quad(0x1p-44)).agree()) continue;
      if (number == room) return -1;
      listed[number] = first + offset + i;
      undecided[number++] = !ends.agree();
    }
    std::memcpy(results + offset, y.data(), sizeof y);
  }
  return number;
}

// The real value of a function at x as three doubles, largest first: what the errors above are checked with.
extern "C" int smooth_value(const char* name, float x, double* pieces) {
  for (const Function& each : functions) {
    if (each.name != name) continue;
    Quad rest = each.slow(x).value;
    for (int k = 0; k < 3; ++k) {
      pieces[k] = double(rest);
      rest -= pieces[k];
    }
    return 0;
  }
  return -1;
}
