// SPDX-License-Identifier: BSD-3-Clause
//
// The loop over smooth functions (smooth.h). A curve runs over dense arrays, in vectors of doubles; for anything else,
// elements are first brought into a buffer, a chunk at a time, and what follows the curve is done by the loop of loop.h.
//
// What the steps of a curve raise is not reported, except for underflow of a result that is subnormal or 0 although the
// function is not.
#pragma once

#include <atomic>
#include <cstdlib>
#include <limits>

#include "../contract/float8.h"
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

// Rounds to 13 bits, and the last of them is 1 where any was lost: rounded again, to a float of 16 bits or fewer, the number
// is what rounding once gives. A float holds it, except for one below all of those, which must not become 0: not every
// float of one byte has a zero.
inline float rounded_to_odd(double x) {
  constexpr std::uint64_t lost = (std::uint64_t(1) << 40) - 1;
  const auto word = static_cast<std::uint64_t>(bits(x));
  const auto nearest = static_cast<float>(double_of((word | ((word & lost) + lost)) & ~lost));
  return nearest == 0 && x != 0 ? std::copysign(std::numeric_limits<float>::denorm_min(), nearest) : nearest;
}

template <class T> constexpr ptrdiff_t chunk = 2048 / sizeof(T);

// The curve of each 16-bit float, made when it is first asked for: looking a result up takes a third of the time of computing
// it. Threads may make the table at the same time; one of them keeps it. It is never freed.
template <class Curve, class T> class HalfTable {
 public:
  static constexpr ptrdiff_t size = 1 << 16;

  // Null for lack of memory.
  static const T* get() {
    T* entries = made_.load(std::memory_order_acquire);
    return entries ? entries : make();
  }

  [[gnu::noinline]] static void compute(const T* x, T* y, ptrdiff_t n) {
    float numbers[chunk<double>];
    double results[chunk<double>];
    for (ptrdiff_t begin = 0; begin < n; begin += chunk<double>) {
      const ptrdiff_t count = n - begin < chunk<double> ? n - begin : chunk<double>;
      for (ptrdiff_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(x[begin + i]);
      run_formula<ForFloat<Curve>>(numbers, results, count);
      for (ptrdiff_t i = 0; i < count; ++i) y[begin + i] = T(rounded_to_odd(results[i]));
    }
  }

 private:
  [[gnu::noinline]] static T* make() {
    auto* const entries = static_cast<T*>(std::malloc(size * sizeof(T)));
    if (!entries) return nullptr;
    for (ptrdiff_t i = 0; i < size; ++i) entries[i].bits = static_cast<std::uint16_t>(i);
    compute(entries, entries, size);
    T* others = nullptr;
    if (made_.compare_exchange_strong(others, entries, std::memory_order_acq_rel)) return entries;
    std::free(entries);
    return others;
  }

  static inline std::atomic<T*> made_{nullptr};
};

// A curve of n dense elements.

template <class Curve> void run_curve(const float* x, float* y, ptrdiff_t n) { run_formula<ForFloat<Curve>>(x, y, n); }
template <class Curve> void run_curve(const double* x, double* y, ptrdiff_t n) {
  run_formula<ForDouble<Curve>>(x, y, n);
}
template <class Curve> void run_curve(const long double* x, long double* y, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; ++i) y[i] = std::isnan(x[i]) ? x[i] : Curve::for_long_double(x[i]);
}
template <class Curve, class T, std::enable_if_t<is_half<T>, int> = 0> void run_curve(const T* x, T* y, ptrdiff_t n) {
  const T* const table = HalfTable<Curve, T>::get();
  if (!table) return HalfTable<Curve, T>::compute(x, y, n);
  for (ptrdiff_t i = 0; i < n; ++i) y[i] = table[x[i].bits];
}

// Whether a result is tiny, and not because x is 0 or infinite.
template <class T> bool any_underflows(const T* x, const T* y, ptrdiff_t n) {
  constexpr T smallest = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
  for (ptrdiff_t i = 0; i < n; ++i) {
    const T size = std::fabs(x[i]);
    if (0 < size && size <= largest && std::fabs(y[i]) < smallest) return true;
  }
  return false;
}

template <class Op, class = void> constexpr bool has_argument = false;
template <class Op> constexpr bool has_argument<Op, std::void_t<typename Op::Argument>> = true;
template <class Op, class = void> constexpr bool has_finish = false;
template <class Op> constexpr bool has_finish<Op, std::void_t<typename Op::Finish>> = true;

template <class Op, class = void> struct CurveOf {
  using type = Op;
};
template <class Op> struct CurveOf<Op, std::void_t<typename Op::Curve>> {
  using type = typename Op::Curve;
};

// A gradient is a product with the values of its derivative; other functions are values themselves.
template <class Op, class = void> struct ValuesOf {
  static constexpr bool is_gradient = false;
  using type = Op;
};
template <class Op> struct ValuesOf<Op, std::void_t<typename Op::Derivative>> {
  static constexpr bool is_gradient = true;
  using type = typename Op::Derivative;
};

// How arrays of T are read, written and rounded to. In a chunk they have type Work: double for integers; float for floats of
// one byte, each of which is then a number of their format.
template <class T> struct Elements {
  using Work = std::conditional_t<std::is_integral_v<T>, double, T>;

  Work read(const char* p) const { return static_cast<Work>(One<Work>().stored(reinterpret_cast<const T*>(p))); }
  void write(char* p, Work value) const { One<Work>().store(reinterpret_cast<Work*>(p), value); }
  void round(Work*, ptrdiff_t) const {}
  template <class Curve> void run(const Work* x, Work* y, ptrdiff_t n) const { run_curve<Curve>(x, y, n); }
};

template <> struct Elements<Coded8> {
  using Work = float;
  const Float8& format;

  Work read(const char* p) const { return format.value[static_cast<std::uint8_t>(*p)]; }
  void write(char* p, Work value) const { *p = static_cast<char>(rounded(format, value)); }
  void round(Work* y, ptrdiff_t n) const {
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = format.value[rounded(format, y[i])];
  }
  template <class Curve> void run(const Work* x, Work* y, ptrdiff_t n) const {
    double results[chunk<Work>];
    run_formula<ForFloat<Curve>>(x, results, n);
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = rounded_to_odd(results[i]);
    round(y, n);
  }
};

struct Operand {
  char* data;
  ptrdiff_t step;
};
template <class T> Operand dense(const T* data) { return {reinterpret_cast<char*>(const_cast<T*>(data)), sizeof(T)}; }

template <class Step, class Work, class... Of> void run_step(ptrdiff_t n, Of... operand) {
  char* args[] = {operand.data...};
  const ptrdiff_t steps[] = {operand.step...};
  loop<Step, Work>(args, &n, steps, nullptr);
}

template <class Op, class T> class SmoothLoop {
 public:
  SmoothLoop(char** args, const ptrdiff_t* steps, Elements<T> elements) : elements_(elements) {
    for (int i = 0; i <= Op::inputs; ++i) operands_[i] = {args[i], steps[i]};
    if (has_parameter && steps[Op::arrays] == 0) {  // a copy: the output may overlap the memory of the number
      std::memcpy(&number_, args[Op::arrays], sizeof number_);
      operands_[Op::arrays].data = reinterpret_cast<char*>(&number_);
    }
  }

  // Whether a result is read as an input of a later element: inputs are gathered before results are written.
  bool reads_results(ptrdiff_t n) const {
    for (int i = 0; i < Op::inputs; ++i) {
      if (is_overwritten(operands_[i], n)) return true;
    }
    return false;
  }

  // At most so many elements at a time.
  void run(ptrdiff_t n, ptrdiff_t most) {
    while (n > 0) {
      const ptrdiff_t count = n < most ? n : most;
      run_chunk(count);
      for (Operand& each : operands_) each.data += count * each.step;
      n -= count;
    }
  }

  // Without buffers there are no chunks.
  void run(ptrdiff_t n) { run(n, is_dense(x()) && writes_directly(n) ? n : chunk<Work>); }

 private:
  using Work = typename Elements<T>::Work;
  using Values = typename ValuesOf<Op>::type;
  static constexpr bool is_gradient = ValuesOf<Op>::is_gradient, has_parameter = Op::inputs > Op::arrays;
  static constexpr bool is_of_work = std::is_same_v<T, Work>;
  // Those with a finish only pass results of their own on.
  static constexpr bool reports_underflow =
      !is_gradient && !has_finish<Values> && (std::is_same_v<Work, double> || std::is_same_v<T, float>);

  Operand x() const { return operands_[Op::arrays - 1]; }
  Operand parameter() const { return operands_[has_parameter ? Op::arrays : 0]; }
  Operand out() const { return operands_[Op::inputs]; }

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
    if (is_gradient || (has_parameter && parameter().step != 0) || !is_dense(out())) return false;
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
      if constexpr (std::is_same_v<T, Coded8> && !is_gradient) {  // as a float, a NaN has lost its payload
        const char code = x().data[i * x().step];
        if (std::isnan(elements_.read(&code))) {
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
    if constexpr (is_gradient && is_of_work) {
      run_step<GradientBySlope, Work>(n, operands_[0], dense(y_buffer), out());
    } else {
      if constexpr (is_gradient) {
        const Work* const grad = gathered(operands_[0], x_buffer, n);
        run_step<GradientBySlope, Work>(n, dense(grad), dense(y_buffer), dense(y_buffer));
      }
      scatter(y_buffer, n);
    }
  }

  void compute_values(const Work* x, Work* y, ptrdiff_t n) const {
    run_curve_of(x, y, n);
    if constexpr (has_finish<Values>) {
      run_step<typename Values::Finish, Work>(n, dense(x), dense(y), parameter(), dense(y));
      elements_.round(y, n);
    }
  }

  void run_curve_of(const Work* x, Work* y, ptrdiff_t n) const {
    using Curve = typename CurveOf<Values>::type;
    std::conditional_t<std::is_same_v<Work, long double>, QuietLongSteps, QuietSteps> quiet;
    if constexpr (has_argument<Values>) {
      run_step<typename Values::Argument, Work>(n, dense(x), parameter(), dense(y));
      elements_.round(y, n);
      elements_.template run<Curve>(y, y, n);
    } else {
      elements_.template run<Curve>(x, y, n);
    }
    if constexpr (reports_underflow) {
      if ((quiet.newly_raised() & underflow_flag) && any_underflows(x, y, n)) quiet.keep(underflow_flag);
    }
  }

  Elements<T> elements_;
  Operand operands_[Op::inputs + 1];
  Computed<GradientBySlope, Work> number_;
};

template <class T> Elements<T> elements_of(void* data) {
  if constexpr (std::is_same_v<T, Coded8>) {
    return {*static_cast<const Float8*>(data)};
  } else {
    return {};
  }
}

template <class Op, class T>
void smooth_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
  if (*dimensions == 0) return;
  SmoothLoop<Op, T> smooth(args, steps, elements_of<T>(data));
  smooth.reads_results(*dimensions) ? smooth.run(*dimensions, 1) : smooth.run(*dimensions);
}

}  // namespace fastrelu::FASTRELU_ISA
