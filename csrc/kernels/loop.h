// SPDX-License-Identifier: BSD-3-Clause
//
// The loop, once. It runs any Op over any T: in unrolled vectors where the operands are dense, element by element
// where they are not.
//
// Two rules keep it right in place and under NumPy's forward overlap (kernels.h): walk forward, and load a whole block
// before storing its first vector. What is computed twice, at both ends, is loaded before anything is stored: in place
// the function would be applied twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels.h"
#include "ops.h"

namespace fastrelu::FASTRELU_ISA {

using std::ptrdiff_t;

// What the arrays hold is not always what a function computes with: leaky functions take 16-bit floats to float and
// integers to double. Their slope is of the latter type; their result is as the array was, but for integers.
template <class Op, class T> using Computed =
    std::conditional_t<!Op::has_slope || std::is_floating_point_v<T>, T, std::conditional_t<is_half<T>, float, double>>;
template <class Op, class T> using Result = std::conditional_t<std::is_integral_v<T>, Computed<Op, T>, T>;

// How many elements one step of the loop takes, and how it reads and writes them. C is the type to compute with.

template <class C> struct One {
  static C splat(C x) { return x; }
  template <class T> C load(const T* p) const { return static_cast<C>(*p); }
  template <class T> T look(const T* p) const { return *p; }
  template <class T> void store(T* p, C value) const { *p = static_cast<T>(value); }
};

template <class C> struct Whole {
  static Vec<C> splat(C x) { return Vec<C>(x); }
  Vec<C> load(const C* p) const { return Vec<C>::load(p); }
  Vec<C> look(const C* p) const { return load(p); }
  void store(C* p, Vec<C> value) const { value.store(p); }
  template <class T> auto load(const T* p) const { return load_widened(p); }
  template <class T> auto look(const T* p) const { return look_widened(p); }
  template <class T> void store(T* p, Vec<C> value) const { store_narrowed(p, value); }
};

template <class C> struct Streamed : Whole<C> {
  void store(C* p, Vec<C> value) const { stream(p, value); }
  template <class T> void store(T* p, Vec<C> value) const { stream_narrowed(p, value); }
};

// The first n < width elements. The lanes beyond them compute with 1, which overflows and invalidates nothing.
template <class C> struct Part {
  ptrdiff_t n;
  static Vec<C> splat(C x) { return Vec<C>(x); }
  Vec<C> load(const C* p) const { return Vec<C>::load_partial(p, n); }
  Vec<C> look(const C* p) const { return load(p); }
  void store(C* p, Vec<C> value) const { value.store_partial(p, n); }
  template <class T> auto load(const T* p) const { return load_widened(p, n); }
  template <class T> auto look(const T* p) const { return look_widened(p, n); }
  template <class T> void store(T* p, Vec<C> value) const { store_narrowed(p, value, n); }
};

#ifdef __GNUC__
constexpr bool widens_integers = true;  // simd/integers.h
#else
constexpr bool widens_integers = false;
#endif

template <class C, class T> constexpr bool has_vectors = Vec<C>::width > 1 &&
                                                         (std::is_same_v<C, T> || is_half<T> || widens_integers);
template <class V, class = void> constexpr bool can_stream = false;
template <class V> constexpr bool can_stream<V, decltype(stream(nullptr, std::declval<V>()))> = true;

template <class C, class T> constexpr bool has_parts = has_partial<Vec<C>> && (std::is_same_v<C, T> || is_half<T>);

// One slope for all elements is held by value: out may alias whatever it was read from.
template <class C> struct SharedSlope {
  C value;
  template <class Step> auto at(Step, ptrdiff_t) const { return Step::splat(value); }
};

template <class C> struct SlopeArray {
  const C* data;
  template <class Step> auto at(Step step, ptrdiff_t i) const { return step.load(data + i); }
};

enum class Stores { cached, streaming };

// A call whose arrays are dense. Slope is a SharedSlope, a SlopeArray or, for functions without a slope, nothing.
template <class Op, class T, Stores stores, class... Slope> struct DenseCall {
  using C = Computed<Op, T>;
  static constexpr ptrdiff_t width = has_vectors<C, T> ? Vec<C>::width : 1;
  static constexpr ptrdiff_t block = 4 * width;
  // Aligning the stores costs up to one vector more and pays from about this many elements on.
  static constexpr ptrdiff_t aligned_from = 2 * block;

  const T* first;
  const T* last;  // the same as first for functions of one array
  Result<Op, T>* out;
  ptrdiff_t n;

  template <class Step> auto result(Step step, ptrdiff_t i, Slope... slope) const {
    if constexpr (Op::arrays == 2) {
      return Op::apply(step.load(first + i), step.look(last + i), slope.at(step, i)...);
    } else if constexpr (Op::only_looks_at_x) {
      return Op::apply(step.look(first + i), slope.at(step, i)...);
    } else {
      return Op::apply(step.load(first + i), slope.at(step, i)...);
    }
  }

  template <class Step> void run(Step step, ptrdiff_t i, Slope... slope) const {
    step.store(out + i, result(step, i, slope...));
  }

  void run_block(ptrdiff_t i, Slope... slope) const {
    const std::conditional_t<stores == Stores::streaming, Streamed<C>, Whole<C>> step;
    const Vec<C> r0 = result(step, i, slope...);
    const Vec<C> r1 = result(step, i + width, slope...);
    const Vec<C> r2 = result(step, i + 2 * width, slope...);
    const Vec<C> r3 = result(step, i + 3 * width, slope...);
    step.store(out + i, r0);
    step.store(out + i + width, r1);
    step.store(out + i + 2 * width, r2);
    step.store(out + i + 3 * width, r3);
  }

  // To the next place after `out` where a vector is aligned: from 1 to width.
  ptrdiff_t elements_to_alignment() const {
    constexpr std::uintptr_t bytes = width * sizeof *out;
    return static_cast<ptrdiff_t>((bytes - reinterpret_cast<std::uintptr_t>(out) % bytes) / sizeof *out);
  }

  // The first and the last vector overlap with those between them. So their results are computed before anything is
  // stored, and stored after everything else.
  void run_vectors(Slope... slope) const {
    const Whole<C> step;
    const Vec<C> head = result(step, 0, slope...);
    const Vec<C> tail = result(step, n - width, slope...);
    ptrdiff_t i = stores == Stores::streaming || n >= aligned_from ? elements_to_alignment() : width;
    for (; i + block <= n; i += block) run_block(i, slope...);
    if constexpr (stores == Stores::streaming) finish_streaming(C());
    for (; i + width < n; i += width) run(step, i, slope...);
    step.store(out, head);
    step.store(out + n - width, tail);
  }

  // Fewer elements than a vector holds.
  void run_part(Slope... slope) const {
    if constexpr (has_parts<C, T>) {
      if (n > 0) run(Part<C>{n}, 0, slope...);
    } else {
      for (ptrdiff_t i = 0; i < n; ++i) run(One<C>(), i, slope...);
    }
  }

  void operator()(Slope... slope) const {
    if constexpr (width > 1) {
      n < width ? run_part(slope...) : run_vectors(slope...);
    } else {
      for (ptrdiff_t i = 0; i < n; ++i) run(One<C>(), i, slope...);
    }
  }
};

template <class T> T* at(char* base, ptrdiff_t bytes) { return reinterpret_cast<T*>(base + bytes); }

// Elements one by one, at any distance. Pointers and steps are variables of its own: for all the compiler knows, a store
// may change what `args` and `steps` point to.
template <class Op, class T> void strided(char** args, ptrdiff_t n, const ptrdiff_t* steps) {
  using C = Computed<Op, T>;
  using R = Result<Op, T>;
  constexpr int slope_at = Op::arrays, out_at = Op::arrays + Op::has_slope;
  char *first = args[0], *last = args[Op::arrays - 1], *slope = args[slope_at], *out = args[out_at];
  const ptrdiff_t first_step = steps[0], last_step = steps[Op::arrays - 1], slope_step = steps[slope_at],
                  out_step = steps[out_at];
  for (; n > 0; --n) {
    if constexpr (Op::has_slope) {
      const SlopeArray<C> slopes{at<C>(slope, 0)};
      DenseCall<Op, T, Stores::cached, SlopeArray<C>>{at<T>(first, 0), at<T>(last, 0), at<R>(out, 0), 1}.run(One<C>(),
                                                                                                             0, slopes);
    } else {
      DenseCall<Op, T, Stores::cached>{at<T>(first, 0), at<T>(last, 0), at<R>(out, 0), 1}.run(One<C>(), 0);
    }
    first += first_step;
    last += last_step;
    slope += slope_step;
    out += out_step;
  }
}

template <class Op, class T, Stores stores = Stores::cached>
void loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void*) {
  using C = Computed<Op, T>;
  using R = Result<Op, T>;
  constexpr int slope = Op::arrays, out = Op::arrays + Op::has_slope;
  const auto dense = [=](int operand, ptrdiff_t size) { return steps[operand] == size; };
  const ptrdiff_t n = *dimensions;
  const T* const first = at<T>(args[0], 0);
  const T* const last = at<T>(args[Op::arrays - 1], 0);
  R* const result = at<R>(args[out], 0);

  if (!dense(0, sizeof(T)) || !dense(Op::arrays - 1, sizeof(T)) || !dense(out, sizeof(R))) {
    strided<Op, T>(args, n, steps);
  } else if constexpr (!Op::has_slope) {
    DenseCall<Op, T, stores>{first, last, result, n}();
  } else if (dense(slope, 0)) {
    DenseCall<Op, T, stores, SharedSlope<C>>{first, last, result, n}({*at<C>(args[slope], 0)});
  } else if (dense(slope, sizeof(C))) {
    DenseCall<Op, T, stores, SlopeArray<C>>{first, last, result, n}({at<C>(args[slope], 0)});
  } else {
    strided<Op, T>(args, n, steps);
  }
}

template <class Op, class T> constexpr Kernel kernel() {
  using C = Computed<Op, T>;
  if constexpr (has_vectors<C, T> && can_stream<Vec<C>>) {
    return {loop<Op, T>, loop<Op, T, Stores::streaming>};
  } else {
    return {loop<Op, T>, nullptr};
  }
}

}  // namespace fastrelu::FASTRELU_ISA
