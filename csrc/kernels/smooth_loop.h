// SPDX-License-Identifier: BSD-3-Clause
//
// The loop over smooth functions (smooth.h). A curve runs over dense arrays, in vectors of doubles; for anything else,
// elements are first brought into a buffer, a chunk at a time, and what follows the curve is done by the loop of loop.h.
//
// What the steps of a curve raise is not reported, except for underflow of a result that is subnormal or 0 although the
// function is not.
#pragma once

#include <limits>

#include "../contract/float8.h"
#include "../contract/made_once.h"
#include "doubles.h"
#include "float8_loop.h"
#include "float_flags.h"
#include "loop.h"
#include "smooth.h"

namespace fastrelu::FASTRELU_ISA {

template <class Curve> struct ForFloat {
  template <class V> static V apply(V x) { return select(unordered(x), x, Curve::for_float(x)); }
};
template <class Curve> struct ForDouble {
  template <class V> static V apply(V x) { return select(unordered(x), x, Curve::for_double(x)); }
};

template <class Formula, class X> Doubles result_at(const X* x) { return Formula::apply(load_double(x, Doubles(0.0))); }

// Formula of n dense numbers. y may be x, exactly, or lie before it. Not in blocks: the processor overlaps the steps of
// consecutive vectors by itself. Not inlined: a formula is long, and many dtypes come here.
template <class Formula, class X, class Y> [[gnu::noinline]] void run_formula(const X* x, Y* y, ptrdiff_t n) {
  constexpr ptrdiff_t width = doubles_width;
  ptrdiff_t i = 0;
  for (; i + width <= n; i += width) store_double(y + i, result_at<Formula>(x + i));
  if (i == n) return;
  X rest[width] = {};
  Y results[width];
  std::memcpy(rest, x + i, static_cast<std::size_t>(n - i) * sizeof(X));
  store_double(results, result_at<Formula>(rest));
  std::memcpy(y + i, results, static_cast<std::size_t>(n - i) * sizeof(Y));
}

// A float that any narrower format rounds as it would round x. What is below all floats must not become 0: not every float
// of one byte has a zero.
inline float odd_float(double x) {
  constexpr float smallest = std::numeric_limits<float>::denorm_min();
  const auto nearest = static_cast<float>(rounded_to_odd(x));
  if (nearest != 0 || x == 0) return nearest;
  return x < 0 ? -smallest : smallest;
}

template <class T> constexpr ptrdiff_t chunk = 2048 / sizeof(T);

// A curve of n dense floats, whose results are not rounded yet.
using CurveInDouble = void(const float* x, double* y, ptrdiff_t n);

template <class T> [[gnu::noinline]] void compute_halves(CurveInDouble* curve, const T* x, T* y, ptrdiff_t n) {
  float numbers[chunk<double>];
  double results[chunk<double>];
  for (ptrdiff_t begin = 0; begin < n; begin += chunk<double>) {
    const ptrdiff_t count = n - begin < chunk<double> ? n - begin : chunk<double>;
    for (ptrdiff_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(x[begin + i]);
    curve(numbers, results, count);
    for (ptrdiff_t i = 0; i < count; ++i) y[begin + i] = T(odd_float(results[i]));
  }
}

constexpr ptrdiff_t table_size = 1 << 16;

// The curve of each 16-bit float.
template <class T> void fill_table(void* memory, const void* curve) {
  auto* const entries = static_cast<T*>(memory);
  for (ptrdiff_t i = 0; i < table_size; ++i) entries[i].bits = static_cast<std::uint16_t>(i);
  compute_halves(*static_cast<CurveInDouble* const*>(curve), entries, entries, table_size);
}

// A curve of n dense elements.

template <class Curve> void run_curve(const float* x, float* y, ptrdiff_t n) { run_formula<ForFloat<Curve>>(x, y, n); }
template <class Curve> void run_curve(const double* x, double* y, ptrdiff_t n) {
  run_formula<ForDouble<Curve>>(x, y, n);
}
template <class Curve> void run_curve(const long double* x, long double* y, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; ++i) y[i] = is_nan(x[i]) ? x[i] : Curve::for_long_double(x[i]);
}
// By a table, made when it is first asked for: looking a result up takes a third of the time of computing it.
template <class Curve, class T, std::enable_if_t<is_half<T>, int> = 0> void run_curve(const T* x, T* y, ptrdiff_t n) {
  static MadeOnce made;
  static constexpr CurveInDouble* curve = run_formula<ForFloat<Curve>, float, double>;
  const auto* const table = static_cast<const T*>(made.get(table_size * sizeof(T), fill_table<T>, &curve));
  if (!table) return compute_halves(curve, x, y, n);
  for (ptrdiff_t i = 0; i < n; ++i) y[i] = table[x[i].bits];
}

// Whether a result is tiny, and not because x is 0 or infinite.
template <class T> bool any_underflows(const T* x, const T* y, ptrdiff_t n) {
  constexpr T smallest = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
  for (ptrdiff_t i = 0; i < n; ++i) {
    const bool is_finite = -largest <= x[i] && x[i] <= largest;
    if (is_finite && x[i] != 0 && -smallest < y[i] && y[i] < smallest) return true;
  }
  return false;
}

// In a chunk, elements of arrays of T have type Work: double for integers; float for floats of one byte, each of which is then
// a number of their format.
template <class T> struct WorkOf {
  using type = std::conditional_t<std::is_integral_v<T>, double, T>;
};
template <> struct WorkOf<Coded8> {
  using type = float;
};

// A curve of n dense elements. Of floats of one byte the results are not rounded yet.
template <class T>
using CurveRun = void(const typename WorkOf<T>::type* x,
                      std::conditional_t<std::is_same_v<T, Coded8>, double, typename WorkOf<T>::type>* y, ptrdiff_t n);

// How arrays of T are read, written and rounded to.
template <class T> struct Elements {
  using Work = typename WorkOf<T>::type;

  Work read(const char* p) const { return static_cast<Work>(One<Work>().stored(reinterpret_cast<const T*>(p))); }
  void write(char* p, Work value) const { One<Work>().store(reinterpret_cast<Work*>(p), value); }
  void round(Work*, ptrdiff_t) const {}
  void run(CurveRun<T>* curve, const Work* x, Work* y, ptrdiff_t n) const { curve(x, y, n); }
};

template <> struct Elements<Coded8> {
  using Work = float;
  const Float8& format;

  Work read(const char* p) const { return format.value[static_cast<std::uint8_t>(*p)]; }
  void write(char* p, Work value) const { *p = static_cast<char>(rounded(format, value)); }
  void round(Work* y, ptrdiff_t n) const {
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = format.value[rounded(format, y[i])];
  }
  void run(CurveRun<Coded8>* curve, const Work* x, Work* y, ptrdiff_t n) const {
    double results[chunk<Work>];
    curve(x, results, n);
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = odd_float(results[i]);
    round(y, n);
  }
};

struct Operand {
  char* data;
  ptrdiff_t step;
};
template <class T> Operand dense(const T* data) { return {reinterpret_cast<char*>(const_cast<T*>(data)), sizeof(T)}; }

template <class... Of> void run_step(Loop* step, ptrdiff_t n, Of... operand) {
  char* args[] = {operand.data...};
  const ptrdiff_t steps[] = {operand.step...};
  step(args, &n, steps, nullptr);
}

// What a function does to a chunk, one after the other. A gradient is a product with these values of its derivative.
template <class T> struct SmoothFunction {
  int arrays, inputs;
  bool is_gradient;
  Loop* argument;  // of x and the parameter; null: the curve is that of x
  CurveRun<T>* curve;
  Loop* finish;  // of x, the curve's results and the parameter; null: these are the values
};

// One loop for all functions: their code is a curve and short steps.
template <class T> class SmoothLoop {
 public:
  SmoothLoop(const SmoothFunction<T>& function, char** args, const ptrdiff_t* steps, Elements<T> elements)
      : function_(function), elements_(elements) {
    for (int i = 0; i <= function_.inputs; ++i) operands_[i] = {args[i], steps[i]};
    if (has_parameter() && steps[function_.arrays] == 0) {  // a copy: the output may overlap the memory of the number
      std::memcpy(&number_, args[function_.arrays], sizeof number_);
      operands_[function_.arrays].data = reinterpret_cast<char*>(&number_);
    }
  }

  void run(ptrdiff_t n) {
    const ptrdiff_t most = most_at_once(n);
    while (n > 0) {
      const ptrdiff_t count = n < most ? n : most;
      run_chunk(count);
      for (int i = 0; i <= function_.inputs; ++i) operands_[i].data += count * operands_[i].step;
      n -= count;
    }
  }

 private:
  using Work = typename WorkOf<T>::type;
  static constexpr bool is_of_work = std::is_same_v<T, Work>;

  bool has_parameter() const { return function_.inputs > function_.arrays; }
  Operand x() const { return operands_[function_.arrays - 1]; }
  Operand parameter() const { return operands_[has_parameter() ? function_.arrays : 0]; }
  Operand out() const { return operands_[function_.inputs]; }

  // Without buffers there are no chunks. Where a result is read as an input of a later element, elements go one by one:
  // inputs are gathered before results are written.
  ptrdiff_t most_at_once(ptrdiff_t n) const {
    for (int i = 0; i < function_.inputs; ++i) {
      if (is_overwritten(operands_[i], n)) return 1;
    }
    return is_dense(x()) && writes_directly(n) ? n : chunk<Work>;
  }

  // NumPy leaves overlaps to the loop where the output lies at an input or before it, and in folds (contract/kernel.h).
  bool is_overwritten(Operand input, ptrdiff_t n) const {
    const ptrdiff_t reach = (n - 1) * input.step, out_reach = (n - 1) * out().step;
    const char *const first = input.data + (reach < 0 ? reach : 0), *const last = input.data + (reach > 0 ? reach : 0);
    const char* const first_out = out().data + (out_reach < 0 ? out_reach : 0);
    const char* const last_out = out().data + (out_reach > 0 ? out_reach : 0);
    constexpr ptrdiff_t widest = sizeof(long double);
    if (last + widest <= first_out || last_out + widest <= first) return false;
    const ptrdiff_t behind = input.data - out().data;
    const bool is_alike = input.step == out().step && input.step != 0;
    return !is_alike || (input.step > 0 ? behind < 0 : behind > 0);
  }

  static bool is_dense(Operand operand) {
    return is_of_work && operand.step == sizeof(Work) &&
           reinterpret_cast<std::uintptr_t>(operand.data) % alignof(Work) == 0;
  }
  // Results may take their place at once unless x, or an array of parameters, is still needed there.
  bool writes_directly(ptrdiff_t n) const {
    if (function_.is_gradient || (has_parameter() && parameter().step != 0) || !is_dense(out())) return false;
    const auto bytes = static_cast<std::uintptr_t>(n) * sizeof(Work);
    const auto distance = reinterpret_cast<std::uintptr_t>(out().data) - reinterpret_cast<std::uintptr_t>(x().data);
    return distance + bytes >= 2 * bytes;  // modulo 2^64: apart in either direction
  }

  const Work* gathered(Operand operand, Work* buffer, ptrdiff_t n) const {
    if (is_dense(operand)) return reinterpret_cast<const Work*>(operand.data);
    for (ptrdiff_t i = 0; i < n; ++i) buffer[i] = elements_.read(operand.data + i * operand.step);
    return buffer;
  }
  void scatter(const Work* y, ptrdiff_t n) const {
    for (ptrdiff_t i = 0; i < n; ++i) {
      char* const result = out().data + i * out().step;
      if constexpr (std::is_same_v<T, Coded8>) {  // as a float, a NaN has lost its payload
        const char code = x().data[i * x().step];
        const Work value = elements_.read(&code);
        if (!function_.is_gradient && value != value) {
          *result = code;
          continue;
        }
      }
      elements_.write(result, y[i]);
    }
  }

  void run_chunk(ptrdiff_t n) const {
    alignas(64) Work x_buffer[chunk<Work>], y_buffer[chunk<Work>];
    const Work* const values_of = gathered(x(), x_buffer, n);
    if (writes_directly(n)) return compute_values(values_of, reinterpret_cast<Work*>(out().data), n);
    compute_values(values_of, y_buffer, n);
    if (function_.is_gradient && is_of_work) return multiply(n, operands_[0], y_buffer, out());
    if (function_.is_gradient) multiply(n, dense(gathered(operands_[0], x_buffer, n)), y_buffer, dense(y_buffer));
    scatter(y_buffer, n);
  }

  void multiply(ptrdiff_t n, Operand grad, const Work* slopes, Operand to) const {
    run_step(loop<GradientBySlope, Work>, n, grad, dense(slopes), to);
  }

  void compute_values(const Work* x, Work* y, ptrdiff_t n) const {
    run_curve_of(x, y, n);
    if (!function_.finish) return;
    run_step(function_.finish, n, dense(x), dense(y), parameter(), dense(y));
    elements_.round(y, n);
  }

  void run_curve_of(const Work* x, Work* y, ptrdiff_t n) const {
    std::conditional_t<std::is_same_v<Work, long double>, QuietLongSteps, QuietSteps> quiet;
    if (function_.argument) {
      run_step(function_.argument, n, dense(x), parameter(), dense(y));
      elements_.round(y, n);
    }
    elements_.run(function_.curve, function_.argument ? y : x, y, n);
    if constexpr (std::is_same_v<Work, double> || std::is_same_v<T, float>) {
      // What is multiplied yet reports what its product does.
      const bool is_result = !function_.is_gradient && !function_.finish;
      if (is_result && (quiet.newly_raised() & underflow_flag) && any_underflows(x, y, n)) quiet.keep(underflow_flag);
    }
  }

  const SmoothFunction<T>& function_;
  Elements<T> elements_;
  Operand operands_[max_operands];
  Computed<GradientBySlope, Work> number_;
};

template <class T> Elements<T> elements_of(void* data) {
  if constexpr (std::is_same_v<T, Coded8>) {
    return {*static_cast<const Float8*>(data)};
  } else {
    return {};
  }
}

template <class T> [[gnu::noinline]] void run_smooth(const SmoothFunction<T>& function, char** args, ptrdiff_t n,
                                                     const ptrdiff_t* steps, void* data) {
  if (n > 0) SmoothLoop<T>(function, args, steps, elements_of<T>(data)).run(n);
}

// What the structs of smooth.h say of a function.

template <class Op, class = void> struct ValuesOf {
  static constexpr bool is_gradient = false;
  using type = Op;
};
template <class Op> struct ValuesOf<Op, std::void_t<typename Op::Derivative>> {
  static constexpr bool is_gradient = true;
  using type = typename Op::Derivative;
};

template <class Op, class = void> struct CurveOf {
  using type = Op;
};
template <class Op> struct CurveOf<Op, std::void_t<typename Op::Curve>> {
  using type = typename Op::Curve;
};

template <class Op, class Work, class = void> constexpr Loop* argument_of = nullptr;
template <class Op, class Work> constexpr Loop* argument_of<Op, Work, std::void_t<typename Op::Argument>> =
    loop<typename Op::Argument, Work>;
template <class Op, class Work, class = void> constexpr Loop* finish_of = nullptr;
template <class Op, class Work> constexpr Loop* finish_of<Op, Work, std::void_t<typename Op::Finish>> =
    loop<typename Op::Finish, Work>;

template <class Curve, class T> constexpr CurveRun<T>* curve_run() {
  if constexpr (std::is_same_v<T, Coded8>) {
    return run_formula<ForFloat<Curve>, float, double>;
  } else {
    return run_curve<Curve>;
  }
}

template <class Op, class T>
void smooth_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
  using Values = typename ValuesOf<Op>::type;
  using Work = typename WorkOf<T>::type;
  static constexpr SmoothFunction<T> function = {
      Op::arrays,
      Op::inputs,
      ValuesOf<Op>::is_gradient,
      argument_of<Values, Work>,
      curve_run<typename CurveOf<Values>::type, T>(),
      finish_of<Values, Work>,
  };
  run_smooth<T>(function, args, *dimensions, steps, data);
}

}  // namespace fastrelu::FASTRELU_ISA
