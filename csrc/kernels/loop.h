// SPDX-License-Identifier: BSD-3-Clause
//
// The loop, once. It runs any Op over any T: in unrolled vectors where the operands are dense, element by element
// where they are not.
//
// Two rules keep it right in place and where the output lies before an input (contract/kernel.h): walk forward, and load a whole block
// before storing its first vector. What is computed twice, at both ends, is loaded before anything is stored: in place
// the function would be applied twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "../contract/kernel.h"
#include "ops.h"
#include "simd/lanes.h"

namespace fastrelu::FASTRELU_ISA {

using std::ptrdiff_t;

// The type that a function computes with. Functions that select compute with the bits as they are; others convert 16-bit
// floats to float, and functions that multiply convert integers to double.
template <Arithmetic arithmetic, class T> struct ComputedWith {
  using type = std::conditional_t<is_half<T>, float, T>;
};
template <class T> struct ComputedWith<Arithmetic::selects, T> {
  using type = T;
};
template <class T> struct ComputedWith<Arithmetic::multiplies, T> {
  using type = std::conditional_t<is_half<T>, float, std::conditional_t<std::is_integral_v<T>, double, T>>;
};

// Parameters have type `Computed`. The result has the arrays' type, except that integers give `Computed`.
template <class Op, class T> using Computed = typename ComputedWith<Op::arithmetic, T>::type;
template <class Op, class T> using Result = std::conditional_t<std::is_integral_v<T>, Computed<Op, T>, T>;
template <class Op, class T, int input> using Element = std::conditional_t<(input < Op::arrays), T, Computed<Op, T>>;

// How many elements one step of the loop takes, and how it reads and writes them. C is the type to compute with.

template <class C> struct One {
  static C splat(C x) { return x; }
  template <class T> C load(const T* p) const { return static_cast<C>(stored(p)); }
  // Elements are copied, because the method `at` of NumPy's ufuncs passes arrays that are not aligned.
  template <class T> T stored(const T* p) const {
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  template <class T, class V> void store(T* p, V value) const {
    const T x = static_cast<T>(value);
    std::memcpy(p, &x, sizeof x);
  }
};

template <class C> struct Whole {
  static Vec<C> splat(C x) { return Vec<C>(x); }
  Vec<C> load(const C* p) const { return Vec<C>::load(p); }
  Vec<C> stored(const C* p) const { return load(p); }
  void store(C* p, Vec<C> value) const { value.store(p); }
  template <class T> auto load(const T* p) const { return load_widened(p); }
  template <class T> auto stored(const T* p) const { return load_stored(p); }
  template <class T> void store(T* p, Vec<C> value) const { store_narrowed(p, value); }
  template <class T> void store(T* p, Stored<T> value) const { value.v.store(p); }
};

template <class C> struct Streamed : Whole<C> {
  void store(C* p, Vec<C> value) const { stream(p, value); }
  template <class T> void store(T* p, Vec<C> value) const { stream_narrowed(p, value); }
  template <class T> void store(T* p, Stored<T> value) const { value.v.stream(p); }
};

// The first n < width elements. The lanes beyond them compute with 1, which overflows and invalidates nothing.
template <class C> struct Part {
  ptrdiff_t n;
  Vec<C> splat(C x) const { return first_or_one(n, Vec<C>(x)); }
  Vec<C> load(const C* p) const { return Vec<C>::load_partial(p, n); }
  Vec<C> stored(const C* p) const { return load(p); }
  void store(C* p, Vec<C> value) const { value.store_partial(p, n); }
  template <class T> auto load(const T* p) const { return load_widened(p, n); }
  template <class T> auto stored(const T* p) const { return load_stored(p, n); }
  template <class T> void store(T* p, Vec<C> value) const { store_narrowed(p, value, n); }
  template <class T> void store(T* p, Stored<T> value) const { value.v.store_partial(p, n); }
};

template <class C, class T> constexpr bool has_vectors = Vec<C>::width > 1 &&
                                                         (std::is_same_v<C, T> || is_half<T> || has_lanes);
template <class V, class = void> constexpr bool can_stream = false;
template <class V> constexpr bool can_stream<V, decltype(stream(nullptr, std::declval<V>()))> = true;

template <class C, class T> constexpr bool has_parts = has_partial<Vec<C>> && (std::is_same_v<C, T> || is_half<T>);

// The inputs of a dense call: an array, as numbers to compute with or as it is stored, or one number for all elements.

template <class E> struct Numbers {
  const E* data;
  template <class Step> auto at(Step step, ptrdiff_t i) const { return step.load(data + i); }
};

template <class E> struct AsStored {
  const E* data;
  template <class Step> auto at(Step step, ptrdiff_t i) const { return step.stored(data + i); }
};

// A copy: the output may overlap the memory that the number was read from.
template <class C> struct Shared {
  C value;
  template <class Step> auto at(Step step, ptrdiff_t) const { return step.splat(value); }
};

// Integers wrap around before they are widened.
template <class Op, class T> constexpr bool as_stored = Op::as_stored || (Op::rounds && std::is_integral_v<T>);
template <class Op, class T, int input> using Array =
    std::conditional_t<as_stored<Op, T> && (input < Op::arrays), AsStored<T>, Numbers<Element<Op, T, input>>>;

// Rounds one step of a computation to T.
template <class T> struct Round {
  template <class V> auto operator()(V x) const {
    if constexpr (!is_half<T>) {
      return x;
    } else if constexpr (std::is_same_v<V, float>) {
      return T(x);
    } else {
      return Stored<T>{narrow(T(), x)};
    }
  }
};

enum class Stores { cached, streaming };
template <class C, Stores stores> using BlockStep =
    std::conditional_t<stores == Stores::streaming, Streamed<C>, Whole<C>>;

// Where blocks of vectors of T begin, after the first vector: where their stores are aligned, from 1 to width elements
// behind `out`. Aligning costs up to one vector more and pays from about 8 vectors on.
template <ptrdiff_t width, Stores stores, class T> ptrdiff_t first_block(const T* out, ptrdiff_t n) {
  constexpr std::uintptr_t bytes = width * sizeof(T);
  if (stores == Stores::cached && n < 8 * width) return width;
  return static_cast<ptrdiff_t>((bytes - reinterpret_cast<std::uintptr_t>(out) % bytes) / sizeof(T));
}

// A call whose arrays are dense.
template <class Op, class T, Stores stores> struct DenseCall {
  using C = Computed<Op, T>;
  static constexpr ptrdiff_t width = has_vectors<C, T> ? Vec<C>::width : 1;
  static constexpr ptrdiff_t block = 4 * width;

  Result<Op, T>* out;
  ptrdiff_t n;

  template <class Step, class... Input> auto result(Step step, ptrdiff_t i, Input... input) const {
    using V = decltype(step.splat(C()));
    if constexpr (Op::rounds) {
      return Op::template apply<V>(Round<T>(), input.at(step, i)...);
    } else {
      return Op::template apply<V>(input.at(step, i)...);
    }
  }

  template <class Step, class... Input> void compute(Step step, ptrdiff_t i, Input... input) const {
    step.store(out + i, result(step, i, input...));
  }

  template <class... Input> void run_block(ptrdiff_t i, Input... input) const {
    const BlockStep<C, stores> step;
    const auto r0 = result(step, i, input...);
    const auto r1 = result(step, i + width, input...);
    const auto r2 = result(step, i + 2 * width, input...);
    const auto r3 = result(step, i + 3 * width, input...);
    step.store(out + i, r0);
    step.store(out + i + width, r1);
    step.store(out + i + 2 * width, r2);
    step.store(out + i + 3 * width, r3);
  }

  // The first and the last vector overlap with those between them. So their results are computed before anything is
  // stored, and stored after everything else.
  template <class... Input> void run_vectors(Input... input) const {
    const Whole<C> step;
    const auto head = result(step, 0, input...);
    const auto tail = result(step, n - width, input...);
    ptrdiff_t i = first_block<width, stores>(out, n);
    for (; i + block <= n; i += block) run_block(i, input...);
    for (; i + width < n; i += width) compute(step, i, input...);
    step.store(out, head);
    step.store(out + n - width, tail);
  }

  // Fewer elements than a vector holds.
  template <class... Input> void run_part(Input... input) const {
    if constexpr (has_parts<C, T>) {
      if (n > 0) compute(Part<C>{n}, 0, input...);
    } else {
      for (ptrdiff_t i = 0; i < n; ++i) compute(One<C>(), i, input...);
    }
  }

  // Streaming takes whole blocks, and leaves the ends of an array to the other loop.
  template <class... Input> [[gnu::always_inline]] void operator()(Input... input) const {
    if constexpr (stores == Stores::streaming) {
      for (ptrdiff_t i = 0; i < n; i += block) run_block(i, input...);
      finish_streaming(C());
    } else if constexpr (width > 1) {
      n < width ? run_part(input...) : run_vectors(input...);
    } else {
      for (ptrdiff_t i = 0; i < n; ++i) compute(One<C>(), i, input...);
    }
  }
};

template <class T> T* at(char* base, ptrdiff_t bytes) { return reinterpret_cast<T*>(base + bytes); }

// Elements one by one, at any distance. Pointers and steps are local copies, because for the compiler a store may change the
// memory behind `args` and `steps`.
template <class Op, class T, std::size_t... input>
void strided(char** args, ptrdiff_t n, const ptrdiff_t* steps, std::index_sequence<input...>) {
  using C = Computed<Op, T>;
  using R = Result<Op, T>;
  char *inputs[] = {args[input]...}, *out = args[Op::inputs];
  const ptrdiff_t input_steps[] = {steps[input]...}, out_step = steps[Op::inputs];
  for (; n > 0; --n) {
    DenseCall<Op, T, Stores::cached>{at<R>(out, 0), 1}.compute(
        One<C>(), 0, Array<Op, T, input>{at<Element<Op, T, input>>(inputs[input], 0)}...);
    ((inputs[input] += input_steps[input]), ...);
    out += out_step;
  }
}

template <class Op, class T> void strided(char** args, ptrdiff_t n, const ptrdiff_t* steps) {
  strided<Op, T>(args, n, steps, std::make_index_sequence<Op::inputs>());
}

template <class I> constexpr bool is_shared = false;
template <class C> constexpr bool is_shared<Shared<C>> = true;

// Whether a function has vectors for one more input that is the same for all elements, or an array.
template <class Op, class... Input> constexpr bool takes_shared =
    sizeof...(Input) >= Op::dense_inputs &&
    (Op::vectors != Broadcast::alike || sizeof...(Input) == Op::dense_inputs || (is_shared<Input> || ...));
template <class Op, class... Input> constexpr bool takes_array =
    sizeof...(Input) < Op::dense_inputs || Op::vectors == Broadcast::any ||
    (Op::vectors == Broadcast::alike && !(is_shared<Input> || ...));

// Classifies a call's inputs one after the other (array or broadcast number) and runs the dense loop for them, or the strided
// one. Inlined, because small calls would notice every jump.
template <class Op, class T, Stores stores, class... Input>
[[gnu::always_inline]] inline void run_classified(char** args, ptrdiff_t n, const ptrdiff_t* steps, Input... input) {
  constexpr int next = sizeof...(Input);
  if constexpr (next == Op::inputs) {
    return DenseCall<Op, T, stores>{at<Result<Op, T>>(args[next], 0), n}(input...);
  } else {
    using C = Computed<Op, T>;
    using E = Element<Op, T, next>;
    E* const data = at<E>(args[next], 0);
    if constexpr (takes_shared<Op, Input...>) {
      if (steps[next] == 0)
        return run_classified<Op, T, stores>(args, n, steps, input..., Shared<C>{static_cast<C>(*data)});
    }
    if constexpr (takes_array<Op, Input...>) {
      if (steps[next] == sizeof(E))
        return run_classified<Op, T, stores>(args, n, steps, input..., Array<Op, T, next>{data});
    }
    return strided<Op, T>(args, n, steps);
  }
}

// Whether results are inputs of later elements, as in ufunc.accumulate (contract/kernel.h): vectors would load them before they
// exist. NumPy offers it for functions of two inputs alone.
template <class Op> bool reads_results(char* const* args, ptrdiff_t n, const ptrdiff_t* steps) {
  if constexpr (Op::inputs != 2) return false;
  const auto ahead = reinterpret_cast<std::uintptr_t>(args[2]) - reinterpret_cast<std::uintptr_t>(args[0]);
  return ahead - 1 < static_cast<std::uintptr_t>(n * steps[0]) - 1;  // 0 < ahead < n * steps[0]
}

template <class Op, class T> void loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void*) {
  const ptrdiff_t n = *dimensions;
  const bool is_dense = steps[Op::inputs] == sizeof(Result<Op, T>);
  if (is_dense && !reads_results<Op>(args, n, steps)) return run_classified<Op, T, Stores::cached>(args, n, steps);
  strided<Op, T>(args, n, steps);
}

// The whole blocks of dense operands with aligned, non-temporal stores; the ends, and all else, by the other loop.
template <class Op, class T>
void streaming_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
  using Call = DenseCall<Op, T, Stores::streaming>;
  constexpr int operands = Op::inputs + 1;
  const ptrdiff_t n = *dimensions, size = sizeof(Result<Op, T>);
  const ptrdiff_t begin = first_block<Call::width, Stores::streaming>(at<Result<Op, T>>(args[Op::inputs], 0), n);
  const ptrdiff_t end = begin + (n - begin) / Call::block * Call::block;
  if (end <= begin || steps[Op::inputs] != size) return loop<Op, T>(args, dimensions, steps, data);
  char* first[operands];
  const auto from = [&](ptrdiff_t i) {
    for (int k = 0; k < operands; ++k) first[k] = args[k] + i * steps[k];
    return first;
  };
  const ptrdiff_t rest = n - end;
  run_classified<Op, T, Stores::streaming>(from(begin), end - begin, steps);
  loop<Op, T>(from(0), &begin, steps, data);
  loop<Op, T>(from(end), &rest, steps, data);
}

template <class Op, class T> void plain_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void*) {
  strided<Op, T>(args, *dimensions, steps);
}

template <class Op, class T> constexpr Kernel plain_kernel() { return {plain_loop<Op, T>, nullptr}; }

template <class Op, class T> constexpr Kernel kernel() {
  using C = Computed<Op, T>;
  if constexpr (has_vectors<C, T> && can_stream<Vec<C>>) {
    return {loop<Op, T>, streaming_loop<Op, T>};
  } else {
    return {loop<Op, T>, nullptr};
  }
}

}  // namespace fastrelu::FASTRELU_ISA
