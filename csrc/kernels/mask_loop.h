// SPDX-License-Identifier: BSD-3-Clause
//
// The loops that make and take masks (mask.h). 64 elements at a time fill one word of the mask. As in loop.h, the first
// and the last vector are computed before anything is stored and stored after everything else, so that the blocks
// between them may begin where stores are aligned; the bits are shifted into place.
#pragma once

#include "../contract/float8.h"
#include "../contract/isa.h"
#include "../contract/words.h"
#include "loop.h"

namespace fastrelu::FASTRELU_ISA {

// Appends bits to a mask, and counts them.
struct MaskWriter {
  std::uint8_t* next;
  std::uint64_t pending = 0;
  ptrdiff_t filled = 0;  // bits that are pending, fewer than a word has
  ptrdiff_t active = 0;

  void append_word(std::uint64_t word) {
    const std::uint64_t complete = pending | word << filled;
    store_word(next, complete);
    next += 8;
    active += population(complete);
    pending = word >> 1 >> (word_bits - 1 - filled);
  }

  // n > 0; the bits beyond the first n are 0.
  void append(std::uint64_t bits, ptrdiff_t n) {
    if (filled + n < word_bits) {
      pending |= bits << filled;
      filled += n;
    } else {
      append_word(bits);
      filled += n - word_bits;
    }
  }

  void finish() {
    active += population(pending);
    for (; filled > 0; filled -= 8, pending >>= 8) *next++ = static_cast<std::uint8_t>(pending);
  }
};

struct MaskReader {
  const std::uint8_t* mask;

  std::uint64_t word(ptrdiff_t i) const {
    const std::uint8_t* const p = mask + i / 8;
    const ptrdiff_t shift = i % 8;
    const std::uint64_t low = load_word(p);
    return shift == 0 ? low : low >> shift | std::uint64_t(p[8]) << (word_bits - shift);
  }

  // Reads no byte beyond that of bit i + n - 1.
  std::uint64_t bits(ptrdiff_t i, ptrdiff_t n) const {
    std::uint64_t bits = mask[i / 8] >> i % 8;
    for (ptrdiff_t k = 8 - i % 8; k < n; k += 8) bits |= std::uint64_t(mask[(i + k) / 8]) << k;
    return bits;
  }
};

// A rectifier's mask without its result.
template <class Rectifier> struct MaskOnly : FunctionOf<Op::relu> {
  template <class X> static auto ask(X x) { return Rectifier::ask(x); }
  template <class M, class V> static V pass(M, V value) { return value; }
};
template <class Op> constexpr bool has_output = true;
template <class Rectifier> constexpr bool has_output<MaskOnly<Rectifier>> = false;

template <class T> constexpr bool has_nan = is_half<T> || std::is_floating_point_v<T>;

// A rectifier of a sum, which is rounded to the arrays' type first.
template <class Rectifier, Op op> struct OfSum : FunctionOf<op> {
  template <class X> static auto ask(X sum) { return Rectifier::ask(sum); }
  template <class... Value> static auto pass(Value... value) { return Rectifier::pass(value...); }
};
template <class Op> constexpr bool is_of_sum = false;
template <class Rectifier, Op op> constexpr bool is_of_sum<OfSum<Rectifier, op>> = true;

// Whether there was a NaN among numbers, or among vectors of them.
template <class V, class = void> struct NanTrace {
  void add(V) {}
  bool found() const { return false; }
};

template <class T> struct NanTrace<T, std::enable_if_t<has_nan<T>>> {
  bool nan = false;

  void add(T x) { nan |= is_nan(x); }
  bool found() const { return nan; }
};

template <class T> struct NanTrace<Vec<T>, std::enable_if_t<has_nan<T>>> {
  using B = BitsOf<Vec<T>>;
  B largest{Lane<B>(0)};

  void add(Vec<T> x) { largest = larger(largest, magnitude(x)); }

  bool found() const {
    Lane<B> lanes[B::width];
    largest.store(lanes);
    bool nan = false;
    for (const auto lane : lanes) nan |= lane > FloatBits<T>::infinity;
    return nan;
  }
};

// Makes a mask element by element. visit(i) computes an element and returns its bit.
template <class Visit> ptrdiff_t mask_each(std::uint8_t* mask, ptrdiff_t n, const Visit& visit) {
  MaskWriter writer{mask};
  for (ptrdiff_t i = 0; i < n; i += word_bits) {
    const ptrdiff_t count = n - i < word_bits ? n - i : word_bits;
    std::uint64_t word = 0;
    for (ptrdiff_t k = 0; k < count; ++k) word |= std::uint64_t(visit(i + k)) << k;
    writer.append(word, count);
  }
  writer.finish();
  return writer.active;
}

// A call that makes the mask of a rectifier's input, or takes it to make the gradient. Op is the rectifier (ops.h).
template <class Op, class T> struct MaskedCall {
  using C = Computed<Op, T>;
  using V = Vec<C>;
  using M = LaneMask<V>;
  static constexpr ptrdiff_t width = V::width, group = masks_at_once<V>;

  const T *in, *addend;
  T* out;
  std::uint8_t* mask;
  ptrdiff_t n;
  C slope = C();

  explicit MaskedCall(const MaskCall& call)
      : in(reinterpret_cast<const T*>(call.in)),
        addend(reinterpret_cast<const T*>(call.addend)),
        out(reinterpret_cast<T*>(call.out)),
        mask(call.mask),
        n(call.n) {
    if constexpr (Op::inputs > Op::arrays) slope = *static_cast<const C*>(call.slope);
  }

  template <class Step, class Answer, class Value> Value pass(Step step, Answer answer, Value value) const {
    if constexpr (Op::inputs > Op::arrays) {
      return Op::pass(answer, value, step.splat(slope));
    } else {
      return Op::pass(answer, value);
    }
  }

  template <class Step, class Value> void store(Step step, ptrdiff_t i, Value value) const {
    if constexpr (has_output<Op>) step.store(out + i, value);
  }

  // Where the blocks of 64 elements begin: from 0 to width - 1.
  template <Stores stores> ptrdiff_t first_word() const {
    return has_output<Op> ? first_block<width, stores>(out, n) % width : 0;
  }

  // What the rectifier looks at, as it is stored.
  template <class Step> auto operand(Step step, ptrdiff_t i) const {
    if constexpr (is_of_sum<Op>) {
      return Round<T>()(plus(step.load(in + i), step.load(addend + i)));
    } else {
      return step.stored(in + i);
    }
  }

  // An answer and its result: of one number, or of a vector.
  template <class Value> struct Made {
    std::conditional_t<std::is_same_v<Value, C>, bool, M> answer;
    Value value;
  };

  template <class Step, class Value> Made<Value> make(Step step, ptrdiff_t i, NanTrace<Value>& nan) const {
    const auto x = operand(step, i);
    const auto answer = static_cast<decltype(Made<Value>::answer)>(Op::ask(x));
    const Made<Value> made{answer, pass(step, answer, Value(x))};
    nan.add(made.value);
    return made;
  }

  static std::uint64_t bits_of_one(M answer) {
    M answers[group] = {answer};
    return bits_of<V>(answers) & first_bits(width);
  }

  template <Stores stores> std::uint64_t make_word(ptrdiff_t i, NanTrace<V>& nan) const {
    const BlockStep<C, stores> step;
    std::uint64_t word = 0;
    for (ptrdiff_t k = 0; k < word_bits; k += group * width) {
      M answers[group];
      for (ptrdiff_t g = 0; g < group; ++g) {
        const ptrdiff_t at = i + k + g * width;
        const Made<V> made = make(step, at, nan);
        answers[g] = made.answer;
        store(step, at, made.value);
      }
      word |= bits_of<V>(answers) << k;
    }
    return word;
  }

  template <Stores stores> [[gnu::always_inline]] Found make_vectors() const {
    const Whole<C> step;
    NanTrace<V> nan;
    const Made<V> head = make(step, 0, nan), tail = make(step, n - width, nan);
    MaskWriter writer{mask};
    ptrdiff_t i = first_word<stores>();
    if (i > 0) writer.append(bits_of_one(head.answer) & first_bits(i), i);
    for (; i + word_bits <= n; i += word_bits) writer.append_word(make_word<stores>(i, nan));
    if constexpr (stores == Stores::streaming) finish_streaming(C());
    for (; i + width <= n; i += width) {
      const Made<V> made = make(step, i, nan);
      writer.append(bits_of_one(made.answer), width);
      store(step, i, made.value);
    }
    if (i < n) writer.append(bits_of_one(tail.answer) >> (width - (n - i)), n - i);
    writer.finish();
    store(step, 0, head.value);
    store(step, n - width, tail.value);
    return {writer.active, nan.found()};
  }

  // Fewer elements than a vector holds, and at least one.
  Found make_part() const {
    const Part<C> step{n};
    NanTrace<V> nan;
    const Made<V> made = make(step, 0, nan);
    MaskWriter writer{mask};
    writer.append(bits_of_one(made.answer) & first_bits(n), n);
    writer.finish();
    store(step, 0, made.value);
    return {writer.active, nan.found()};
  }

  Found make_each() const {
    const One<C> step;
    NanTrace<C> nan;
    const auto visit = [&](ptrdiff_t i) {
      const Made<C> made = make(step, i, nan);
      store(step, i, made.value);
      return made.answer;
    };
    const ptrdiff_t active = mask_each(mask, n, visit);
    return {active, nan.found()};
  }

  template <class Step> V take(Step step, ptrdiff_t i, std::uint64_t bits) const {
    return pass(step, mask_of<V>(bits), step.load(in + i));
  }

  template <Stores stores> [[gnu::always_inline]] void take_vectors() const {
    const MaskReader reader{mask};
    const Whole<C> step;
    const V head = take(step, 0, reader.bits(0, width)), tail = take(step, n - width, reader.bits(n - width, width));
    ptrdiff_t i = first_word<stores>();
    for (; i + word_bits <= n; i += word_bits) {
      const BlockStep<C, stores> block_step;
      const std::uint64_t word = reader.word(i);
      for (ptrdiff_t k = 0; k < word_bits; k += width) store(block_step, i + k, take(block_step, i + k, word >> k));
    }
    if constexpr (stores == Stores::streaming) finish_streaming(C());
    for (; i + width <= n; i += width) store(step, i, take(step, i, reader.bits(i, width)));
    store(step, 0, head);
    store(step, n - width, tail);
  }

  void take_part() const {
    const Part<C> step{n};
    store(step, 0, take(step, 0, MaskReader{mask}.bits(0, n)));
  }

  void take_each() const {
    const One<C> step;
    for (ptrdiff_t i = 0; i < n; ++i) store(step, i, pass(step, bool(mask[i / 8] >> i % 8 & 1), step.load(in + i)));
  }
};

template <class Op, class T, Stores stores = Stores::cached> Found make_mask(const MaskCall& call) {
  using C = Computed<Op, T>;
  using Masked = MaskedCall<Op, T>;
  if constexpr (has_vectors<C, T>) {
    if (call.n >= Vec<C>::width) return Masked(call).template make_vectors<stores>();
  }
  if constexpr (has_parts<C, T>) {
    return call.n > 0 ? Masked(call).make_part() : Found{};
  } else {
    return Masked(call).make_each();
  }
}

template <class Op, class T, Stores stores = Stores::cached> Found take_mask(const MaskCall& call) {
  using C = Computed<Op, T>;
  using Masked = MaskedCall<Op, T>;
  if constexpr (has_vectors<C, T>) {
    if (call.n >= Vec<C>::width) return Masked(call).template take_vectors<stores>(), Found{};
  }
  if constexpr (has_parts<C, T>) {
    if (call.n > 0) Masked(call).take_part();
  } else {
    Masked(call).take_each();
  }
  return {};
}

// Floats of one byte: no instruction set has vectors of them.
template <class Op> Found make_float8_mask(const MaskCall& call) {
  const auto& format = *static_cast<const Float8*>(call.data);
  const auto* const in = reinterpret_cast<const std::uint8_t*>(call.in);
  auto* const out = reinterpret_cast<std::uint8_t*>(call.out);
  NanTrace<float> nan;
  const auto visit = [&](ptrdiff_t i) {
    const std::uint8_t code = in[i];
    const float value = format.value[code];
    const bool answer = Op::ask(value);
    nan.add(value);
    // Code 0 is +0 in every encoding that has a zero; in the one that has none, nothing is dropped.
    if constexpr (has_output<Op>) out[i] = Op::pass(answer, code);
    return answer;
  };
  const ptrdiff_t active = mask_each(call.mask, call.n, visit);
  return {active, nan.found()};
}

template <class Op, class T> constexpr MaskKernel making() {
  using C = Computed<Op, T>;
  if constexpr (has_output<Op> && has_vectors<C, T> && can_stream<Vec<C>>) {
    return {make_mask<Op, T>, make_mask<Op, T, Stores::streaming>};
  } else {
    return {make_mask<Op, T>, nullptr};
  }
}

template <class Op, class T> constexpr MaskKernel taking() {
  using C = Computed<Op, T>;
  if constexpr (has_vectors<C, T> && can_stream<Vec<C>>) {
    return {take_mask<Op, T>, take_mask<Op, T, Stores::streaming>};
  } else {
    return {take_mask<Op, T>, nullptr};
  }
}

template <class Op> struct MaskMaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (std::is_same_v<T, Coded8>) {
      return {make_float8_mask<Op>, nullptr};
    } else {
      return making<Op, T>();
    }
  }
};

// Integers have no NaN, on which positive and keep differ.
struct PositiveMaking {
  template <class T> static constexpr MaskKernel make() {
    return MaskMaking<MaskOnly<std::conditional_t<std::is_integral_v<T>, Relu, LeakyRelu>>>::template make<T>();
  }
};

// +0 is all zeros in every type, so types of one size share a kernel.
struct ReluTaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (std::is_same_v<T, long double>) {
      return taking<Relu, T>();
    } else {
      return taking<Relu, Unsigned<sizeof(T)>>();
    }
  }
};

template <class T> constexpr bool has_leaky_masks = is_half<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

struct LeakyMaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (has_leaky_masks<T>) return making<LeakyRelu, T>();
    return {};
  }
};

// long double reports by other flags, and Python adds floats of one byte.
struct ReluOfSumMaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (has_leaky_masks<T> || std::is_integral_v<T>) return making<OfSum<Relu, Op::add_relu>, T>();
    return {};
  }
};

struct LeakyOfSumMaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (has_leaky_masks<T>) return making<OfSum<LeakyRelu, Op::add_leaky_relu>, T>();
    return {};
  }
};

struct LeakyTaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (has_leaky_masks<T>) return taking<LeakyRelu, T>();
    return {};
  }
};

}  // namespace fastrelu::FASTRELU_ISA
