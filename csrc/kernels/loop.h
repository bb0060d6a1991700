// SPDX-License-Identifier: BSD-3-Clause
//
// The loop, once. It runs any Op over any T: in unrolled vectors where the operands are dense, element by element
// where they are not.
//
// Three rules keep it right in place and under NumPy's forward overlap (kernels.h):
//   walk forward; load a whole block before storing its first vector;
//   never run the last full vector again to cover the tail: in place it would apply the function twice.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "ops.h"

namespace fastrelu::FASTRELU_ISA {

using std::ptrdiff_t;

// How many elements one step of the loop takes, and how it reads and writes them.

template <class T> struct One {
  static T splat(T x) { return x; }
  T load(const T* p) const { return *p; }
  void store(T* p, T value) const { *p = value; }
};

template <class T> struct Whole {
  static Vec<T> splat(T x) { return Vec<T>(x); }
  Vec<T> load(const T* p) const { return Vec<T>::load(p); }
  void store(T* p, Vec<T> value) const { value.store(p); }
};

// The first n < width elements. The lanes beyond them compute with 1, which overflows and invalidates nothing.
template <class T> struct Part {
  ptrdiff_t n;
  static Vec<T> splat(T x) { return Vec<T>(x); }
  Vec<T> load(const T* p) const { return Vec<T>::load_partial(p, n); }
  void store(T* p, Vec<T> value) const { value.store_partial(p, n); }
};

template <class V, class = void> constexpr bool has_partial = false;
template <class V> constexpr bool has_partial<V, std::enable_if_t<V::has_partial>> = true;

// One slope for all elements is held by value: out may alias whatever it was read from.
template <class T> struct SharedSlope {
  T value;
  template <class Step> auto at(Step, ptrdiff_t) const { return Step::splat(value); }
};

template <class T> struct SlopeArray {
  const T* data;
  template <class Step> auto at(Step step, ptrdiff_t i) const { return step.load(data + i); }
};

// A call whose arrays are dense. Slope is SharedSlope<T>, SlopeArray<T> or, for functions without a slope, nothing.
template <class Op, class T, class... Slope> struct DenseCall {
  static constexpr ptrdiff_t width = Vec<T>::width;
  static constexpr ptrdiff_t block = 4 * width;
  // Aligning the stores costs one short step and pays from about this many elements on.
  static constexpr ptrdiff_t aligned_from = 2 * block;

  const T* first;
  const T* last;  // the same as first for functions of one array
  T* out;
  ptrdiff_t n;

  template <class Step> auto result(Step step, ptrdiff_t i, Slope... slope) const {
    if constexpr (Op::arrays == 1) {
      return Op::apply(step.load(first + i), slope.at(step, i)...);
    } else {
      return Op::apply(step.load(first + i), step.load(last + i), slope.at(step, i)...);
    }
  }

  template <class Step> void run(Step step, ptrdiff_t i, Slope... slope) const {
    step.store(out + i, result(step, i, slope...));
  }

  void run_block(ptrdiff_t i, Slope... slope) const {
    const Whole<T> step;
    const Vec<T> r0 = result(step, i, slope...);
    const Vec<T> r1 = result(step, i + width, slope...);
    const Vec<T> r2 = result(step, i + 2 * width, slope...);
    const Vec<T> r3 = result(step, i + 3 * width, slope...);
    step.store(out + i, r0);
    step.store(out + i + width, r1);
    step.store(out + i + 2 * width, r2);
    step.store(out + i + 3 * width, r3);
  }

  // Fewer elements than a vector holds: from begin to end.
  void run_rest(ptrdiff_t begin, ptrdiff_t end, Slope... slope) const {
    if constexpr (has_partial<Vec<T>>) {
      if (begin < end) run(Part<T>{end - begin}, begin, slope...);
    } else {
      for (; begin < end; ++begin) run(One<T>(), begin, slope...);
    }
  }

  ptrdiff_t elements_before_alignment() const {
    constexpr std::uintptr_t bytes = width * sizeof(T);
    return static_cast<ptrdiff_t>((bytes - reinterpret_cast<std::uintptr_t>(out) % bytes) % bytes / sizeof(T));
  }

  void run_all(Slope... slope) const {
    ptrdiff_t i = 0;
    if (n >= aligned_from) {
      i = elements_before_alignment();
      run_rest(0, i, slope...);
    }
    for (; i + block <= n; i += block) run_block(i, slope...);
    for (; i + width <= n; i += width) run(Whole<T>(), i, slope...);
    run_rest(i, n, slope...);
  }

  void operator()(Slope... slope) const {
    if constexpr (width > 1) {
      run_all(slope...);
    } else {
      for (ptrdiff_t i = 0; i < n; ++i) run(One<T>(), i, slope...);
    }
  }
};

template <class T> T& at(char* base, ptrdiff_t bytes) { return *reinterpret_cast<T*>(base + bytes); }

template <class Op, class T> void strided(char** args, ptrdiff_t n, const ptrdiff_t* steps) {
  constexpr int inputs = Op::arrays + Op::has_slope;
  for (ptrdiff_t i = 0; i < n; ++i) {
    const auto input = [=](int k) { return at<T>(args[k], i * steps[k]); };
    T& out = at<T>(args[inputs], i * steps[inputs]);
    if constexpr (inputs == 1) {
      out = Op::apply(input(0));
    } else if constexpr (inputs == 2) {
      out = Op::apply(input(0), input(1));
    } else {
      out = Op::apply(input(0), input(1), input(2));
    }
  }
}

template <class Op, class T> void loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void*) {
  constexpr int slope = Op::arrays, out = Op::arrays + Op::has_slope;
  constexpr ptrdiff_t dense = sizeof(T);
  const ptrdiff_t n = *dimensions;
  const T* const first = reinterpret_cast<T*>(args[0]);
  const T* const last = reinterpret_cast<T*>(args[Op::arrays - 1]);
  T* const result = reinterpret_cast<T*>(args[out]);

  const bool arrays_dense = steps[0] == dense && steps[Op::arrays - 1] == dense && steps[out] == dense;
  if (!arrays_dense) return strided<Op, T>(args, n, steps);
  if constexpr (!Op::has_slope) {
    DenseCall<Op, T>{first, last, result, n}();
  } else if (steps[slope] == 0) {
    DenseCall<Op, T, SharedSlope<T>>{first, last, result, n}({at<T>(args[slope], 0)});
  } else if (steps[slope] == dense) {
    DenseCall<Op, T, SlopeArray<T>>{first, last, result, n}({reinterpret_cast<T*>(args[slope])});
  } else {
    strided<Op, T>(args, n, steps);
  }
}

}  // namespace fastrelu::FASTRELU_ISA
