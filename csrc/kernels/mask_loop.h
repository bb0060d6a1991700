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

// What is asked of an element, and what becomes of it then.

struct KeptOnly {
  static constexpr bool is_stored = false, has_slope = false;
  template <class T> using Computed = T;
  template <class X> static auto ask(X x) { return keep(x); }
};

struct PositiveOnly : KeptOnly {
  template <class X> static auto ask(X x) { return positive(x); }
};

struct MaskedRelu {
  static constexpr bool is_stored = true, has_slope = false;
  template <class T> using Computed = T;
  template <class X> static auto ask(X x) { return keep(x); }
  template <class M, class V> static V apply(M mask, V x, V) { return select_or_zero(mask, x); }
};

struct MaskedLeakyRelu {
  static constexpr bool is_stored = true, has_slope = true;
  template <class T> using Computed = std::conditional_t<is_half<T>, float, T>;
  template <class X> static auto ask(X x) { return positive(x); }
  template <class M, class V> static V apply(M mask, V x, V slope) { return x * select(mask, one(slope), slope); }
};

template <class T> constexpr bool has_nan = is_half<T> || std::is_floating_point_v<T>;

// A float without its sign orders as an integer; above infinity are NaNs. Of numbers and of vectors.
template <class V> auto magnitude(V x) {
  using Form = FloatBits<Lane<V>>;
  const auto b = bits(x);
  using B = std::remove_const_t<decltype(b)>;
  return static_cast<B>(b & B(static_cast<Lane<B>>(~(Form::infinity ^ Form::minus_infinity))));
}

template <class T> bool holds_nan(T x) { return magnitude(x) > FloatBits<T>::infinity; }
inline bool holds_nan(long double x) { return classify(x).nan; }

// Whether there was a NaN among vectors.
template <class V, class = void> struct NanTrace {
  void add(V) {}
  bool found() const { return false; }
};

template <class V> struct NanTrace<V, std::enable_if_t<has_nan<Lane<V>>>> {
  using B = decltype(magnitude(std::declval<V>()));
  B largest{Lane<B>(0)};

  void add(V x) { largest = larger(largest, magnitude(x)); }

  bool found() const {
    Lane<B> lanes[B::width];
    largest.store(lanes);
    bool nan = false;
    for (const auto lane : lanes) nan |= lane > FloatBits<Lane<V>>::infinity;
    return nan;
  }
};

// One by one. visit(i) computes an element and returns its bit.
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

// What both directions need to know of their operands.
template <class Op, class T> struct Masked {
  using C = typename Op::template Computed<T>;

  const T* in;
  T* out;
  ptrdiff_t n;
  C slope = C();

  explicit Masked(const MaskCall& call)
      : in(reinterpret_cast<const T*>(call.in)), out(reinterpret_cast<T*>(call.out)), n(call.n) {
    if constexpr (Op::has_slope) slope = *static_cast<const C*>(call.slope);
  }

  C apply_to_one(bool bit, ptrdiff_t i) const { return Op::apply(bit, static_cast<C>(in[i]), slope); }
};

// Blocks begin where `out` is aligned: from this many vectors on it pays.
constexpr ptrdiff_t aligned_from_vectors = 8;

template <class Op, class T, Stores stores> struct MaskedVectors : Masked<Op, T> {
  using C = typename Masked<Op, T>::C;
  using V = Vec<C>;
  static constexpr ptrdiff_t width = V::width;
  static constexpr bool streams = stores == Stores::streaming;
  using Masked<Op, T>::Masked;
  using Masked<Op, T>::out;

  V slopes() const { return V(this->slope); }

  static V load(const T* p) {
    if constexpr (std::is_same_v<C, T>) {
      return V::load(p);
    } else {
      return load_widened(p);
    }
  }

  static V load_part(const T* p, ptrdiff_t n) {
    if constexpr (std::is_same_v<C, T>) {
      return V::load_partial(p, n);
    } else {
      return load_widened(p, n);
    }
  }

  void store(ptrdiff_t i, V x) const {
    if constexpr (std::is_same_v<C, T>) {
      x.store(out + i);
    } else {
      store_narrowed(out + i, x);
    }
  }

  void store_aligned(ptrdiff_t i, V x) const {
    if constexpr (!streams) {
      store(i, x);
    } else if constexpr (std::is_same_v<C, T>) {
      stream(out + i, x);
    } else {
      stream_narrowed(out + i, x);
    }
  }

  void store_part(V x, ptrdiff_t n) const {
    if constexpr (std::is_same_v<C, T>) {
      x.store_partial(out, n);
    } else {
      store_narrowed(out, x, n);
    }
  }

  ptrdiff_t first_aligned() const {
    constexpr std::uintptr_t bytes = width * sizeof(T);
    if (!streams && this->n < aligned_from_vectors * width) return 0;
    const auto beyond = reinterpret_cast<std::uintptr_t>(out) % bytes;
    return beyond ? static_cast<ptrdiff_t>((bytes - beyond) / sizeof(T)) : 0;
  }
};

template <class Op, class T, Stores stores> struct MaskMaker : MaskedVectors<Op, T, stores> {
  using Base = MaskedVectors<Op, T, stores>;
  using Base::Base;
  using Base::in;
  using Base::n;
  using Base::width;
  using typename Base::C;
  using typename Base::V;
  using M = LaneMask<V>;
  static constexpr ptrdiff_t group = masks_at_once<V>;

  static auto look_part(const T* p, ptrdiff_t n) {
    if constexpr (std::is_same_v<C, T>) {
      return V::load_partial(p, n);
    } else {
      return look_widened(p, n);
    }
  }

  // One vector's mask and result.
  struct Made {
    M mask;
    V value;
  };

  template <class X> Made make(V x, X looked, NanTrace<V>& nan) const {
    const M mask = static_cast<M>(Op::ask(looked));
    V value = x;
    if constexpr (Op::is_stored) value = Op::apply(mask, x, this->slopes());
    nan.add(value);
    return {mask, value};
  }

  Made make(ptrdiff_t i, NanTrace<V>& nan) const {
    if constexpr (std::is_same_v<C, T>) {
      const V x = loaded_once(Base::load(in + i));
      return make(x, x, nan);
    } else {
      return make(Base::load(in + i), look_widened(in + i), nan);
    }
  }

  static std::uint64_t bits_of_one(M mask) {
    M masks[group] = {mask};
    return bits_of<V>(masks) & first_bits(width);
  }

  std::uint64_t make_block(ptrdiff_t i, NanTrace<V>& nan) const {
    std::uint64_t word = 0;
    for (ptrdiff_t k = 0; k < word_bits; k += group * width) {
      M masks[group];
      for (ptrdiff_t g = 0; g < group; ++g) {
        const ptrdiff_t at = i + k + g * width;
        const Made made = make(at, nan);
        masks[g] = made.mask;
        if constexpr (Op::is_stored) this->store_aligned(at, made.value);
      }
      word |= bits_of<V>(masks) << k;
    }
    return word;
  }

  Found make_all(std::uint8_t* mask) const {
    NanTrace<V> nan;
    const Made head = make(0, nan), tail = make(n - width, nan);
    MaskWriter writer{mask};
    ptrdiff_t i = Op::is_stored ? this->first_aligned() : 0;
    if (i > 0) writer.append(bits_of_one(head.mask) & first_bits(i), i);
    for (; i + word_bits <= n; i += word_bits) writer.append_word(make_block(i, nan));
    if constexpr (Base::streams) finish_streaming(C());
    for (; i + width <= n; i += width) {
      const Made made = make(i, nan);
      writer.append(bits_of_one(made.mask), width);
      if constexpr (Op::is_stored) this->store(i, made.value);
    }
    if (i < n) writer.append(bits_of_one(tail.mask) >> (width - (n - i)), n - i);
    writer.finish();
    if constexpr (Op::is_stored) {
      this->store(0, head.value);
      this->store(n - width, tail.value);
    }
    return {writer.active, nan.found()};
  }

  // Fewer elements than a vector holds, and at least one.
  Found make_part(std::uint8_t* mask) const {
    NanTrace<V> nan;
    const Made made = make(Base::load_part(in, n), look_part(in, n), nan);
    MaskWriter writer{mask};
    writer.append(bits_of_one(made.mask) & first_bits(n), n);
    writer.finish();
    if constexpr (Op::is_stored) this->store_part(made.value, n);
    return {writer.active, nan.found()};
  }
};

template <class Op, class T> Found make_each(const MaskCall& call) {
  const Masked<Op, T> operands(call);
  bool nan = false;
  const auto visit = [&](ptrdiff_t i) {
    const bool bit = Op::ask(operands.in[i]);
    if constexpr (Op::is_stored) {
      const auto value = operands.apply_to_one(bit, i);
      if constexpr (has_nan<T>) nan |= holds_nan(value);
      operands.out[i] = static_cast<T>(value);
    } else if constexpr (has_nan<T>) {
      nan |= holds_nan(operands.in[i]);
    }
    return bit;
  };
  const ptrdiff_t active = mask_each(call.mask, call.n, visit);
  return {active, nan};
}

template <class Op, class T> constexpr bool has_mask_vectors = Vec<typename Op::template Computed<T>>::width > 1;

template <class Op, class T, Stores stores = Stores::cached> Found make_mask(const MaskCall& call) {
  if constexpr (has_mask_vectors<Op, T>) {
    using Maker = MaskMaker<Op, T, stores>;
    if (call.n >= Maker::width) return Maker(call).make_all(call.mask);
    if constexpr (has_partial<typename Maker::V>) {
      if (call.n > 0) return Maker(call).make_part(call.mask);
    }
  }
  return make_each<Op, T>(call);
}

template <class Op, class T, Stores stores> struct MaskTaker : MaskedVectors<Op, T, stores> {
  using Base = MaskedVectors<Op, T, stores>;
  using Base::Base;
  using Base::in;
  using Base::n;
  using Base::width;
  using typename Base::C;
  using typename Base::V;

  V result(ptrdiff_t i, std::uint64_t bits) const {
    return Op::apply(mask_of<V>(bits), Base::load(in + i), this->slopes());
  }

  void take_all(MaskReader reader) const {
    const V head = result(0, reader.bits(0, width)), tail = result(n - width, reader.bits(n - width, width));
    ptrdiff_t i = this->first_aligned();
    for (; i + word_bits <= n; i += word_bits) {
      const std::uint64_t word = reader.word(i);
      for (ptrdiff_t k = 0; k < word_bits; k += width) this->store_aligned(i + k, result(i + k, word >> k));
    }
    if constexpr (Base::streams) finish_streaming(C());
    for (; i + width <= n; i += width) this->store(i, result(i, reader.bits(i, width)));
    this->store(0, head);
    this->store(n - width, tail);
  }

  void take_part(MaskReader reader) const {
    const V gradient = Base::load_part(in, n);
    this->store_part(Op::apply(mask_of<V>(reader.bits(0, n)), gradient, this->slopes()), n);
  }
};

template <class Op, class T, Stores stores = Stores::cached> Found take_mask(const MaskCall& call) {
  const MaskReader reader{call.mask};
  if constexpr (has_mask_vectors<Op, T>) {
    using Taker = MaskTaker<Op, T, stores>;
    if (call.n >= Taker::width) return Taker(call).take_all(reader), Found{};
    if constexpr (has_partial<typename Taker::V>) {
      if (call.n > 0) return Taker(call).take_part(reader), Found{};
    }
  }
  const Masked<Op, T> operands(call);
  for (ptrdiff_t i = 0; i < call.n; ++i) {
    operands.out[i] = static_cast<T>(operands.apply_to_one(reader.mask[i / 8] >> i % 8 & 1, i));
  }
  return {};
}

// Floats of one byte: no instruction set has vectors of them.
template <class Op> Found make_float8_mask(const MaskCall& call) {
  const auto& format = *static_cast<const Float8*>(call.data);
  const auto* const in = reinterpret_cast<const std::uint8_t*>(call.in);
  auto* const out = reinterpret_cast<std::uint8_t*>(call.out);
  bool nan = false;
  const auto visit = [&](ptrdiff_t i) {
    const std::uint8_t code = in[i];
    const float value = format.value[code];
    const bool bit = Op::ask(value);
    nan |= holds_nan(value);
    // Code 0 is +0 in every encoding that has a zero; in the one that has none, nothing is dropped.
    if constexpr (Op::is_stored) out[i] = select_or_zero(bit, code);
    return bit;
  };
  const ptrdiff_t active = mask_each(call.mask, call.n, visit);
  return {active, nan};
}

template <class Op, class T> constexpr MaskKernel making() {
  using V = Vec<typename Op::template Computed<T>>;
  if constexpr (Op::is_stored && has_mask_vectors<Op, T> && can_stream<V>) {
    return {make_mask<Op, T>, make_mask<Op, T, Stores::streaming>};
  } else {
    return {make_mask<Op, T>, nullptr};
  }
}

template <class Op, class T> constexpr MaskKernel taking() {
  using V = Vec<typename Op::template Computed<T>>;
  if constexpr (has_mask_vectors<Op, T> && can_stream<V>) {
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
    return MaskMaking<std::conditional_t<std::is_integral_v<T>, KeptOnly, PositiveOnly>>::template make<T>();
  }
};

// +0 is all zeros in every type, so types of one size share a kernel.
template <std::size_t bytes> struct UnsignedOf {};
template <> struct UnsignedOf<1> {
  using type = std::uint8_t;
};
template <> struct UnsignedOf<2> {
  using type = std::uint16_t;
};
template <> struct UnsignedOf<4> {
  using type = std::uint32_t;
};
template <> struct UnsignedOf<8> {
  using type = std::uint64_t;
};

struct ReluTaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (std::is_same_v<T, long double>) {
      return taking<MaskedRelu, T>();
    } else {
      return taking<MaskedRelu, typename UnsignedOf<sizeof(T)>::type>();
    }
  }
};

template <class T> constexpr bool has_leaky_masks = is_half<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

struct LeakyMaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (has_leaky_masks<T>) return making<MaskedLeakyRelu, T>();
    return {};
  }
};

struct LeakyTaking {
  template <class T> static constexpr MaskKernel make() {
    if constexpr (has_leaky_masks<T>) return taking<MaskedLeakyRelu, T>();
    return {};
  }
};

}  // namespace fastrelu::FASTRELU_ISA
