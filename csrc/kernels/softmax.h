// SPDX-License-Identifier: BSD-3-Clause
//
// softmax, log_softmax, their gradients and the cross entropy, along rows of elements.
//
// Everything is computed in double and rounded once, by one written sequence of IEEE operations. A product and a sum are
// fused only where the product is exact, which changes no bit: the bits are the same on every instruction set. Sums have
// the order of sum.h, whichever way a row lies in memory: one row is read 16 elements at a time, which are the 16 partial
// sums (AlongRow); rows that lie side by side are read 16 rows at a time (AcrossRows). So all passes run over steps of 16
// numbers, float or double. Elements that memory holds otherwise come and go through a buffer, a piece of a row at a time.
//
// Exponentials are kept 2^128 times as large, so that those below double's normal numbers keep their bits until they are
// divided by the sum, which has the same factor. Rows of floats within 300 need no largest element subtracted.
#pragma once

#include <limits>

#include "../contract/float8.h"
#include "../contract/isa.h"
#include "coefficients.h"
#include "doubles.h"
#include "float8_loop.h"
#include "predicates.h"
#include "sum.h"

namespace fastrelu::FASTRELU_ISA::softmaxes {

constexpr int lanes = partial_sums;

// A vector of doubles, or one.
using V = std::conditional_t<sums_vectors<double>, Vec<double>, double>;
template <class X> auto raw(X x) {
  if constexpr (std::is_arithmetic_v<X>) {
    return x;
  } else {
    return x.v;
  }
}
template <class X> struct WidthOf {
  static constexpr int value = X::width;
};
template <> struct WidthOf<double> {
  static constexpr int value = 1;
};
constexpr int width = WidthOf<V>::value, vectors = lanes / width;

// A step of numbers in registers.
struct Step {
  decltype(raw(V(0.0))) v[vectors];
  V operator[](int i) const { return V(v[i]); }
  void set(int i, V x) { v[i] = raw(x); }
};
template <class Make> Step make_step(Make make) {
  Step result;
  for (int i = 0; i < vectors; ++i) result.set(i, make(i));
  return result;
}
template <class X> Step load_step(const X* p) {
  return make_step([&](int i) { return load_double(p + i * width, V(0.0)); });
}
inline void store_step(double* p, const Step& x) {
  for (int i = 0; i < vectors; ++i) store_double(p + i * width, x[i]);
}

// A number for each lane: the same for all of one row, or one for each of 16 rows.
struct Each {
  alignas(64) double number[lanes];
  V operator[](int i) const { return load_double(number + i * width, V(0.0)); }
};
template <class Rows, class Of> Each make_each(Of of) {
  Each result;
  for (int i = 0; i < Rows::numbers; ++i) result.number[i] = of(i);
  for (int i = Rows::numbers; i < lanes; ++i) result.number[i] = result.number[0];
  return result;
}
template <class Of> Each make_each_in_vectors(Of of) {
  Each result;
  for (int i = 0; i < vectors; ++i) store_double(result.number + i * width, of(i));
  return result;
}

// The formulas

template <class X, int n> X in_order(const double (&c)[n], X x) {
  X sum(c[n - 1]);
  for (int i = n - 2; i >= 0; --i) sum = sum * x + X(c[i]);
  return sum;
}

// c[0] + c[1] x + ... in pairs, and these in pairs: a chain of all operations would keep a processor waiting.
template <class X> X in_pairs(const double (&c)[10], X x, X x2) {
  const X low = (X(c[0]) + X(c[1]) * x) + (X(c[2]) + X(c[3]) * x) * x2;
  const X high = (X(c[4]) + X(c[5]) * x) + (X(c[6]) + X(c[7]) * x) * x2, x4 = x2 * x2;
  return low + (high + (X(c[8]) + X(c[9]) * x) * x4) * x4;
}

constexpr double scale = 0x1p128, unscale = 0x1p-128;
constexpr int scale_exponent = 128;
// Added to a number below 2^51, it leaves the nearest integer in the lowest bits, and there as the exponent of a
// double.
constexpr double rounding(int exponent) { return 0x1.8p52 + 1023 + exponent; }
// Where exponentials are 0 in double, however much they are rounded up.
constexpr double least_exponent = -760;
// e^x 2^128 for x up to here is far from the ends of double's range.
constexpr double moderate = 300;
// Its exponential, computed as that of a moderate number, is exactly 0: the exponent 2^-1151 2^128 has the code 0.
constexpr double vanishing = -797.8125;

// How results of at most 24 bits are computed, from numbers in float, and others.
struct Single {
  using Number = float;
  // x / log(2) and an integer. As x is a float, the product is exact.
  static V quotient_of_moderate(V x, V magic) { return multiply_add(x, V(inverse_log2_short), magic); }
  static V quotient_of(V t, V magic) { return t * V(inverse_log2_short) + magic; }
  // n has at most 11 bits.
  static V remainder(V t, V n) { return multiply_add(n, V(-log2_short), t); }
  static V polynomial(V r) { return r + r * r * in_order(exponential_terms_few, r); }
  static V error(V, V, V) { return V(0.0); }
  template <class X> static X quotient(X a, X, X inverse) { return a * inverse; }
};
struct Double {
  using Number = double;
  static V quotient_of_moderate(V x, V magic) { return quotient_of(x, magic); }
  static V quotient_of(V t, V magic) { return t * V(inverse_log2) + magic; }
  static V remainder(V t, V n) { return multiply_add(n, V(-log2_high), t) - n * V(log2_low); }
  static V polynomial(V r) {
    const V r2 = r * r;
    return r + r2 * in_pairs(exponential_terms, r, r2);
  }
  // What a - b has lost in its rounding to t; 0 where t is a bound.
  static V error(V a, V b, V t) {
    using B = BitsOf<V>;
    const auto is_difference = bits(t) != B(bits(least_exponent));
    const V x = select(is_difference, a, b + t), back = t - x;
    return select_or_zero(is_difference, (x - (t - back)) - (b + back));
  }
  template <class X> static X quotient(X a, X b, X) { return a / b; }
};
template <class W> using Precision = std::conditional_t<std::is_same_v<W, float>, Single, Double>;

// e^r times the power of two that z has in its lowest bits.
template <class P> V power(V z, V r) {
  const V s = exponent_from_low_bits(z);
  return multiply_add(s, P::polynomial(r), s);  // exact, times a power of two
}

// What may be exponentiated: numbers up to `moderate`; what is not above a number that is subtracted, except for NaN;
// anything.
enum class Range { moderate, shifted, any };

template <class P> V moderate_exponential(V x, V magic) {
  const V z = P::quotient_of_moderate(x, magic);
  return power<P>(z, P::remainder(x, z - magic));
}
template <class P> V power(V t, V error, V magic) {
  const V z = P::quotient_of(t, magic);
  V r = P::remainder(t, z - magic);
  if constexpr (std::is_same_v<P, Double>) r = r + error;
  return power<P>(z, r);
}

template <class P> V shifted_exponential(V x, V shift, V magic) {
  using B = BitsOf<V>;
  const V t = at_least(x - shift, V(least_exponent));
  const V e = power<P>(t, P::error(x, shift, t), magic);
  return select_or_zero(bits(x) != B(FloatBits<double>::minus_infinity), e);
}

// Logarithms of shares are not above 0, so those of others may overflow from 620 on.
template <class P> V any_exponential(V y) {
  using B = BitsOf<V>;
  constexpr double largest = 620;
  const auto nan = is_nan(y);
  const V number = select_or_zero(inverted(nan), y);
  const V t = negated(at_least(negated(at_least(number, V(least_exponent))), V(-largest)));
  const V e = power<P>(t, V(0.0), V(rounding(scale_exponent))) * V(unscale);
  const V finite = select_or_zero(bits(y) != B(FloatBits<double>::minus_infinity), e);
  return select(nan, y, select(bits(y) != B(FloatBits<double>::infinity), finite, y));
}

// log(1 + rest), given sum = 1 + rest too. Near 1 the sum has lost what the rest tells.
[[gnu::noinline]] inline double log_of_sum(double sum, double rest) {
  const double u = sum < 2 ? 1 + rest : sum, lost = sum < 2 ? rest - (u - 1) : 0;
  const auto b = static_cast<std::uint64_t>(bits(u));
  const auto k = static_cast<double>(static_cast<std::int64_t>(b >> 52) - 1023);
  const double f = double_of((b & 0xfffffffffffff) | 0x3ff0000000000000) - 1;
  const double s = f / (2 + f), s2 = s * s;
  const double correction = lost / u + k * log2_low;
  return k * log2_high + (f - (s * (f - s2 * in_order(atanh_terms_many, s2)) - correction));
}

// Elements as they lie in memory, and as numbers to compute with: floats, or doubles.

// `rows` rows of n elements: elements are `stride` apart, rows `row_step`.
struct Block {
  ptrdiff_t rows, n, row_step, stride;
};

template <class W> struct Storage {
  using Read = void(const void* from, const Block& block, W* to, const void* data);
  using Write = void(const W* from, const Block& block, void* to, const void* data);
  ptrdiff_t size;  // bytes of an element
  bool is_plain;   // elements are numbers already
  bool is_narrow;  // their numbers are to be rounded to odd
  Read* read;      // rows of `to` and `from` are `lanes` apart
  Write* write;
};

template <class T> constexpr bool is_single = is_narrow<T> || std::is_same_v<T, float>;
template <class T> using Number = std::conditional_t<is_single<T>, float, double>;

template <class T> void widen(const T* p, ptrdiff_t n, Number<T>* to, [[maybe_unused]] const void* data) {
  if constexpr (is_narrow<T>) {
    widen_block(p, n, to, data);
  } else {
    std::memcpy(to, p, static_cast<std::size_t>(n) * sizeof(T));
  }
}

template <class T, class F = Vec<float>>
void narrow(const Number<T>* from, ptrdiff_t n, T* to, [[maybe_unused]] const void* data) {
  if constexpr (std::is_same_v<T, Coded8>) {
    for (ptrdiff_t i = 0; i < n; ++i) to[i].code = rounded(*static_cast<const Float8*>(data), from[i]);
  } else if constexpr (is_narrow<T>) {
    ptrdiff_t i = 0;
    if constexpr (F::width > 1) {
      for (; i + F::width <= n; i += F::width) store_narrowed(to + i, F::load(from + i));
    }
    for (; i < n; ++i) to[i] = T(from[i]);
  } else {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  }
}

template <class T> void read_block(const void* from, const Block& block, Number<T>* to, const void* data) {
  const T* p = static_cast<const T*>(from);
  for (ptrdiff_t row = 0; row < block.rows; ++row, p += block.row_step, to += lanes) {
    if (block.stride == 1) {
      widen(p, block.n, to, data);
    } else {
      for (ptrdiff_t i = 0; i < block.n; ++i) widen(p + i * block.stride, 1, to + i, data);
    }
  }
}

template <class T> void write_block(const Number<T>* from, const Block& block, void* to, const void* data) {
  T* p = static_cast<T*>(to);
  for (ptrdiff_t row = 0; row < block.rows; ++row, p += block.row_step, from += lanes) {
    if (block.stride == 1) {
      narrow(from, block.n, p, data);
    } else {
      for (ptrdiff_t i = 0; i < block.n; ++i) narrow(from + i, 1, p + i * block.stride, data);
    }
  }
}

template <class T>
constexpr Storage<Number<T>> storage_of{sizeof(T), !is_narrow<T>, is_narrow<T>, read_block<T>, write_block<T>};

// Sums

// A sum and, if it `corrects` itself, what its additions have lost: a sum of doubles has to be better than the numbers
// in it.
template <bool corrects, class X> struct Total {
  X sum, lost;

  void add(X x) {
    const X next = sum + x;
    if constexpr (corrects) {
      const X back = next - sum;
      lost = lost + ((sum - (next - back)) + (x - back));
    }
    sum = next;
  }
  void add(Total other) {
    add(other.sum);
    if constexpr (corrects) lost = lost + other.lost;
  }
  X value() const {
    if constexpr (corrects) {
      return sum + lost;
    } else {
      return sum;
    }
  }
};

struct Nothing {};
template <bool corrects> struct Totals {
  Step sums = {};
  std::conditional_t<corrects, Step, Nothing> lost = {};
  Total<corrects, V> get(int i) const {
    if constexpr (corrects) {
      return {sums[i], lost[i]};
    } else {
      return {sums[i], V(0.0)};
    }
  }
  template <class X> void add(int i, X x) {
    auto total = get(i);
    total.add(x);
    sums.set(i, total.sum);
    if constexpr (corrects) lost.set(i, total.lost);
  }
  void add(const Step& values) {
    for (int i = 0; i < vectors; ++i) add(i, values[i]);
  }
};

// A part of the steps of some rows, as it is read at once.
struct Piece {
  ptrdiff_t begin, steps;
  ptrdiff_t elements;  // of a row
  bool is_direct;      // in memory, steps lie as passes take them
};
// The first step of a piece; the next ones follow each `step` numbers.
template <class W> struct Tile {
  W* first;
  ptrdiff_t step;
  W* at(ptrdiff_t i) const { return first + i * step; }
};

constexpr ptrdiff_t steps_in_piece = sum_block / lanes;
constexpr ptrdiff_t piece_elements = steps_in_piece * lanes;

// What stands for elements beyond the end of a row: numbers that change no sum, or an element that is there, which
// raises nothing new.
enum class Rest { zero, vanishing, minus_infinity, repeated };
template <class W> void fill(W* p, ptrdiff_t n, Rest rest, W repeated) {
  const double number = rest == Rest::zero ? 0 : rest == Rest::vanishing ? vanishing : double_of(0xfff0000000000000);
  for (ptrdiff_t i = 0; i < n; ++i) p[i] = rest == Rest::repeated ? repeated : static_cast<W>(number);
}

// One row in steps of 16 elements, which are `stride` apart.
struct AlongRow {
  static constexpr int numbers = 1;  // that differ among lanes
  ptrdiff_t size, stride;

  ptrdiff_t steps() const { return (size + lanes - 1) / lanes; }
  ptrdiff_t element(ptrdiff_t step) const { return step * lanes * stride; }
  ptrdiff_t step_of_direct() const { return lanes; }
  Rest in_sums(Rest rest) const { return rest; }

  // `most`: steps of a direct piece.
  Piece piece_from(ptrdiff_t step, bool is_plain, ptrdiff_t most) const {
    const ptrdiff_t left = size - step * lanes;
    const ptrdiff_t whole = is_plain && stride == 1 ? (left < most * lanes ? left : most * lanes) / lanes : 0;
    if (whole > 0) return {step, whole, whole * lanes, true};
    const ptrdiff_t elements = left < piece_elements ? left : piece_elements;
    return {step, (elements + lanes - 1) / lanes, elements, false};
  }
  ptrdiff_t at(ptrdiff_t, ptrdiff_t i) const { return i * stride; }
  // Whether 16 elements end where the last piece does.
  bool ends_with(const Piece& piece) const { return stride == 1 && piece.begin > 0; }
  Block block(const Piece& piece) const { return {1, piece.elements, 0, stride}; }
  template <class W> void complete(const Piece& piece, Rest rest, W* numbers) const {
    fill(numbers + piece.elements, piece.steps * lanes - piece.elements, rest, numbers[0]);
  }

  template <bool corrects_> class Sum {
   public:
    static constexpr bool corrects = corrects_;
    class Adding {
     public:
      Adding(Sum& to, ptrdiff_t) : to_(to), partial_(to.partial_) {}
      void add(ptrdiff_t, const Step& values) { partial_.add(values); }
      void end() { to_.partial_ = partial_; }

     private:
      Sum& to_;
      Totals<corrects> partial_;
    };
    static constexpr ptrdiff_t steps_in_block = sum_block / lanes;
    Each total() {
      end_block();
      return make_each<AlongRow>([&](int) { return total_.value(); });
    }
    [[gnu::noinline]] void end_block() {
      alignas(64) double sums[lanes], lost[lanes] = {};
      store_step(sums, partial_.sums);
      if constexpr (corrects) store_step(lost, partial_.lost);
      Total<corrects, double> totals[lanes];
      for (int i = 0; i < lanes; ++i) totals[i] = {sums[i], lost[i]};
      for (int half = lanes / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) totals[i].add(totals[i + half]);
      }
      total_.add(totals[0]);
      partial_ = {};
    }

   private:
    Totals<corrects> partial_;
    Total<corrects, double> total_ = {};
  };

  // Of the numbers of all lanes the largest, first.
  template <class B> static void reduce(B (&keys)[lanes]) {
    for (int half = lanes / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) keys[i] = keys[i] > keys[i + half] ? keys[i] : keys[i + half];
    }
  }
  static constexpr int rows = 1;
};

// `rows` rows that lie side by side, up to 16, in steps of one element of each. Memory holds `columns` of them: 16, or as
// many as there are.
struct AcrossRows {
  static constexpr int numbers = lanes;
  ptrdiff_t size, inner, rows, columns;

  ptrdiff_t steps() const { return size; }
  ptrdiff_t element(ptrdiff_t step) const { return step * inner; }
  ptrdiff_t step_of_direct() const { return inner; }
  Rest in_sums(Rest) const { return Rest::repeated; }

  Piece piece_from(ptrdiff_t step, bool is_plain, ptrdiff_t most) const {
    const bool is_direct = is_plain && columns == lanes;
    const ptrdiff_t left = size - step, limit = is_direct ? most : steps_in_piece, n = left < limit ? left : limit;
    return {step, n, n, is_direct};
  }
  ptrdiff_t at(ptrdiff_t row, ptrdiff_t i) const { return i * inner + row; }
  bool ends_with(const Piece&) const { return false; }
  Block block(const Piece& piece) const { return {piece.steps, columns, inner, 1}; }
  template <class W> void complete(const Piece& piece, Rest rest, W* numbers) const {
    for (ptrdiff_t i = 0; i < piece.steps; ++i, numbers += lanes) {
      fill(numbers + columns, lanes - columns, rest, numbers[0]);
    }
  }

  template <bool corrects_> class Sum {
   public:
    static constexpr bool corrects = corrects_;
    class Adding {
     public:
      Adding(Sum& to, ptrdiff_t begin) : to_(to), begin_(begin) {}
      void add(ptrdiff_t step, const Step& values) { to_.partial_[(begin_ + step) % partial_sums].add(values); }
      void end() {}

     private:
      Sum& to_;
      ptrdiff_t begin_;
    };
    static constexpr ptrdiff_t steps_in_block = sum_block;
    Each total() {
      end_block();
      return make_each_in_vectors([&](int i) { return total_.get(i).value(); });
    }
    [[gnu::noinline]] void end_block() {
      for (int half = partial_sums / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; ++j) add_to(partial_[j], partial_[j + half]);
      }
      add_to(total_, partial_[0]);
      for (Totals<corrects>& each : partial_) each = {};
    }

   private:
    static void add_to(Totals<corrects>& totals, const Totals<corrects>& more) {
      for (int i = 0; i < vectors; ++i) totals.add(i, more.get(i));
    }
    Totals<corrects> partial_[partial_sums];
    Totals<corrects> total_;
  };

  template <class B> static void reduce(B (&)[lanes]) {}
};

struct NoSum {
  static constexpr bool corrects = false;
  struct Adding {
    Adding(NoSum&, ptrdiff_t) {}
    void add(ptrdiff_t, const Step&) {}
    void end() {}
  };
  static constexpr ptrdiff_t steps_in_block = std::numeric_limits<ptrdiff_t>::max();
  void end_block() {}
};

// Calls add(step) for all steps of a piece, block by block of a sum.
template <class Sum, class Add> void for_each_step(const Piece& piece, Sum& sum, Add add) {
  for (ptrdiff_t step = 0, n = piece.steps; step < n;) {
    const ptrdiff_t block = Sum::steps_in_block, left = block - (piece.begin + step) % block;
    const ptrdiff_t end = n - step < left ? n : step + left;
    typename Sum::Adding adding(sum, piece.begin);
    for (; step < end; ++step) adding.add(step, add(step));
    adding.end();
    if ((piece.begin + end) % block == 0) sum.end_block();
  }
}

// The largest of each lane

// Keys for the largest element: integers that order as floats do, silently (predicates.h), with all NaNs at the top.
struct Ordered {
  template <class B> static B key(B b) {
    using W = std::conditional_t<sizeof(Lane<B>) == sizeof(float), float, double>;
    return minus(ordered(b), B(nans_of_one_sign<W>));
  }
};
// Numbers that are not negative order like their bits, above all others.
struct AsTheyAre {
  template <class B> static B key(B b) { return b; }
};
struct Magnitude {
  template <class B> static B key(B b) { return b & B(greatest<B>); }
};

template <class W> double number_of(BitsOf<W> bits) {
  W value;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}
template <class W> double value_of_key(BitsOf<W> key) {
  using B = BitsOf<W>;
  const B o = plus(key, static_cast<B>(nans_of_one_sign<W>)), b = ordered(o);
  if (key > Ordered::key(FloatBits<W>::infinity)) return double_of(0x7ff8000000000000);
  return number_of<W>(b);
}

template <class Key, class W>
[[gnu::noinline, gnu::flatten]] void largest_keys(Tile<const W> x, ptrdiff_t steps, BitsOf<W> (&keys)[lanes]) {
  using X = std::conditional_t<(Vec<W>::width > 1), Vec<W>, W>;
  using K = BitsOf<X>;
  constexpr int count = lanes / Vec<W>::width;
  const auto load = [](const W* p) {
    if constexpr (std::is_same_v<X, W>) {
      return *p;
    } else {
      return X::load(p);
    }
  };
  decltype(raw(K(0))) largest[count];
  std::memcpy(largest, keys, sizeof largest);
  for (ptrdiff_t step = 0; step < steps; ++step) {
    for (int i = 0; i < count; ++i) {
      const K key = Key::key(bits(load(x.at(step) + i * Vec<W>::width))), so_far(largest[i]);
      if constexpr (std::is_same_v<X, W>) {
        largest[i] = key > so_far ? key : so_far;
      } else {
        largest[i] = larger(key, so_far).v;
      }
    }
  }
  std::memcpy(keys, largest, sizeof keys);
}

// The passes over a piece, each compiled once

template <class P, Range range, class Sum>
[[gnu::noinline, gnu::flatten]] void exponentials(Tile<const typename P::Number> x, const Piece& piece,
                                                  const Each& shift, double magic, double* e, Sum& sum) {
  for_each_step(piece, sum, [&](ptrdiff_t step) {
    const Step numbers = load_step(x.at(step));
    const Step results = make_step([&](int i) {
      if constexpr (range == Range::moderate) {
        return moderate_exponential<P>(numbers[i], V(magic));
      } else if constexpr (range == Range::shifted) {
        return shifted_exponential<P>(numbers[i], shift[i], V(magic));
      } else {
        return any_exponential<P>(numbers[i]);
      }
    });
    store_step(e + step * lanes, results);
    return results;
  });
}

// All exponentials except those of the largest elements.
template <class Sum>
[[gnu::noinline, gnu::flatten]] void add_rest(const double* e, const Piece& piece, const Each& top, Sum& sum) {
  for_each_step(piece, sum, [&](ptrdiff_t step) {
    const Step numbers = load_step(e + step * lanes);
    return make_step([&](int i) { return select_or_zero(bits(numbers[i]) != bits(top[i]), numbers[i]); });
  });
}

template <class W, class Sum>
[[gnu::noinline, gnu::flatten]] void add_numbers(Tile<const W> x, const Piece& piece, Sum& sum) {
  for_each_step(piece, sum, [&](ptrdiff_t step) { return load_step(x.at(step)); });
}

template <class W, class Sum>
[[gnu::noinline, gnu::flatten]] void add_products(Tile<const W> x, Tile<const W> y, const Piece& piece, Sum& sum) {
  for_each_step(piece, sum, [&](ptrdiff_t step) {
    const Step a = load_step(x.at(step)), b = load_step(y.at(step));
    return make_step([&](int i) { return a[i] * b[i]; });
  });
}

// Results, which are rounded to W, or to odd for a narrower format.
template <class W> struct Results {
  Tile<W> tile;
  bool is_odd;

  void store(ptrdiff_t step, const Step& numbers) const {
    W* const p = tile.at(step);
    if constexpr (std::is_same_v<W, float>) {
      if (is_odd) {
        for (int i = 0; i < vectors; ++i) store_double(p + i * width, rounded_to_odd(numbers[i]));
        return;
      }
    }
    for (int i = 0; i < vectors; ++i) store_double(p + i * width, numbers[i]);
  }
};

template <class P> [[gnu::noinline, gnu::flatten]] void quotients(const double* e, const Each& sum, const Each& inverse,
                                                                  ptrdiff_t steps, Results<typename P::Number> to) {
  for (ptrdiff_t step = 0; step < steps; ++step) {
    const Step numbers = load_step(e + step * lanes);
    to.store(step, make_step([&](int i) { return P::quotient(numbers[i], sum[i], inverse[i]); }));
  }
}

template <class W> [[gnu::noinline, gnu::flatten]] void logarithms(Tile<const W> x, const Each& largest,
                                                                   const Each& log, ptrdiff_t steps, Results<W> to) {
  for (ptrdiff_t step = 0; step < steps; ++step) {
    const Step numbers = load_step(x.at(step));
    to.store(step, make_step([&](int i) { return (numbers[i] - largest[i]) - log[i]; }));
  }
}

template <class W> [[gnu::noinline, gnu::flatten]] void softmax_gradients(Tile<const W> grad, Tile<const W> y,
                                                                          const Each& total, ptrdiff_t steps,
                                                                          Results<W> to) {
  for (ptrdiff_t step = 0; step < steps; ++step) {
    const Step g = load_step(grad.at(step)), shares = load_step(y.at(step));
    to.store(step, make_step([&](int i) { return shares[i] * (g[i] - total[i]); }));
  }
}

template <class W> [[gnu::noinline, gnu::flatten]] void log_softmax_gradients(Tile<const W> grad, const double* e,
                                                                              const Each& total, ptrdiff_t steps,
                                                                              Results<W> to) {
  for (ptrdiff_t step = 0; step < steps; ++step) {
    const Step g = load_step(grad.at(step)), shares = load_step(e + step * lanes);
    to.store(step, make_step([&](int i) { return g[i] - shares[i] * total[i]; }));
  }
}

// A call's operands, from the first element and the first number of some rows on.
template <class W> struct Operands {
  const char* x;
  const char* grad;
  const std::int64_t* labels;
  char* loss;
  char* out;
  const Storage<W>* storage;
  bool is_odd;
  const void* data;
  double* buffer;

  Operands advanced(ptrdiff_t elements, ptrdiff_t rows) const {
    Operands of = *this;
    of.x += elements * storage->size;
    of.out += elements * storage->size;
    if (grad) of.grad += elements * storage->size;
    if (labels) of.labels += rows;
    if (loss) of.loss += rows * storage->size;
    return of;
  }
};

// The buffer of a call: exponentials of a row that is not too long, or of a piece; then a piece of each operand.
constexpr ptrdiff_t buffered_exponentials = 32 * 1024, buffered_steps = buffered_exponentials / lanes;
// As many exponentials as stay in the first cache.
constexpr ptrdiff_t unbuffered_steps = 128;
constexpr ptrdiff_t buffered_pieces = 3, piece_space = piece_elements + 2 * lanes;
static_assert((buffered_exponentials + buffered_pieces * piece_space) * ptrdiff_t(sizeof(double)) <=
              softmax_buffer_bytes);

// Some rows of a call, and how the passes get their operands.
template <class P, class Rows> class Pass {
 public:
  using W = typename P::Number;

  // `most`: steps of a direct piece.
  Pass(const Rows& rows, const Operands<W>& of, ptrdiff_t most) : rows_(rows), of_(of), most_(most) {}

 protected:
  template <class Visit> void for_each_piece(Visit visit) const {
    const ptrdiff_t steps = rows_.steps();
    Piece piece;
    for (ptrdiff_t step = 0; step < steps; step += piece.steps) {
      piece = rows_.piece_from(step, of_.storage->is_plain, most_);
      visit(piece);
    }
  }

  const char* element(const char* p, ptrdiff_t i) const { return p + i * of_.storage->size; }
  char* element(char* p, ptrdiff_t i) const { return p + i * of_.storage->size; }

  [[gnu::noinline]] Tile<const W> read(const char* p, const Piece& piece, Rest rest, int place) const {
    const char* const first = element(p, rows_.element(piece.begin));
    if (piece.is_direct) return {reinterpret_cast<const W*>(first), rows_.step_of_direct()};
    W* const numbers = buffered_piece(place) + lanes;
    if (of_.storage->is_plain && rows_.ends_with(piece)) {  // so many are copied in one step
      const W* const end = reinterpret_cast<const W*>(first) + piece.elements;
      std::memcpy(numbers + piece.elements - lanes, end - lanes, lanes * sizeof(W));
    } else {
      of_.storage->read(first, rows_.block(piece), numbers, of_.data);
    }
    rows_.complete(piece, rest, numbers);
    return {numbers, lanes};
  }
  Tile<const W> read_x(const Piece& piece, Rest rest) const { return read(of_.x, piece, rest, 0); }
  Tile<const W> read_grad(const Piece& piece, Rest rest) const { return read(of_.grad, piece, rest, 1); }

  template <class Run> void write(const Piece& piece, Run run) const {
    const Tile<W> tile = results(piece);
    run(Results<W>{tile, of_.is_odd});
    finish(piece, tile);
  }

  W number_at(ptrdiff_t i) const {
    W number;
    if (of_.storage->is_plain) {
      number = *reinterpret_cast<const W*>(element(of_.x, i));
    } else {
      of_.storage->read(element(of_.x, i), {1, 1, 0, 1}, &number, of_.data);
    }
    return number;
  }
  void put(char* p, double x) const {
    auto number = static_cast<W>(x);
    if constexpr (std::is_same_v<W, float>) {
      if (of_.is_odd) number = static_cast<float>(rounded_to_odd(x));
    }
    if (of_.storage->is_plain) {
      *reinterpret_cast<W*>(p) = number;
    } else {
      of_.storage->write(&number, {1, 1, 0, 1}, p, of_.data);
    }
  }

  template <class Key> [[gnu::noinline]] void largest_of_x(BitsOf<W> (&keys)[lanes]) const {
    for_each_piece([&](const Piece& piece) { largest_keys<Key, W>(read_x(piece, Rest::repeated), piece.steps, keys); });
    Rows::reduce(keys);
  }

  const Rows rows_;
  const Operands<W> of_;

 private:
  [[gnu::noinline]] Tile<W> results(const Piece& piece) const {
    if (!piece.is_direct) return {buffered_piece(2), lanes};
    return {reinterpret_cast<W*>(element(of_.out, rows_.element(piece.begin))), rows_.step_of_direct()};
  }
  [[gnu::noinline]] void finish(const Piece& piece, Tile<W> results) const {
    if (piece.is_direct) return;
    char* const first = element(of_.out, rows_.element(piece.begin));
    of_.storage->write(results.first, rows_.block(piece), first, of_.data);
  }

  W* buffered_piece(int place) const {
    return reinterpret_cast<W*>(of_.buffer + buffered_exponentials + place * piece_space);
  }

  const ptrdiff_t most_;
};

template <class W> bool is_moderate(BitsOf<W> magnitude) { return magnitude <= bits(static_cast<W>(moderate)); }
template <class W, class Rows> bool are_moderate(const BitsOf<W> (&magnitudes)[lanes]) {
  bool result = true;
  for (int i = 0; i < Rows::numbers; ++i) result &= is_moderate<W>(magnitudes[i]);
  return result;
}
inline bool is_finite(double x) { return magnitude(x) < FloatBits<double>::infinity; }

// The forward functions
template <class P, class Rows> class Forward : Pass<P, Rows> {
  using Base = Pass<P, Rows>;
  using Base::of_, Base::rows_, Base::read_x, Base::for_each_piece, Base::element, Base::number_at, Base::put;
  using typename Base::W;
  using Sum = typename Rows::template Sum<std::is_same_v<P, Double>>;
  // In double, the exponential of the largest would have an error that all results share.
  static constexpr bool spares_shift = std::is_same_v<P, Single>;

 public:
  Forward(Softmax which, const Rows& rows, const Operands<W>& of)
      : Base(rows, of, rows.steps() <= buffered_steps ? buffered_steps : unbuffered_steps), which_(which) {}

  void run() {
    BitsOf<W> magnitudes[lanes] = {};
    if constexpr (spares_shift) this->template largest_of_x<Magnitude>(magnitudes);
    is_moderate_ = spares_shift && are_moderate<W, Rows>(magnitudes);
    if (takes_logarithm() || !is_moderate_) {
      find_largest();
      for (int i = 0; i < Rows::numbers; ++i) {
        if (!is_finite(largest_.number[i])) return run_one_by_one();
      }
    }
    shift_ =
        make_each<Rows>([&](int i) { return spares_shift && is_moderate<W>(magnitudes[i]) ? 0 : largest_.number[i]; });
    sum();
    if (takes_logarithm()) take_logarithm();
    inverse_ = make_each_in_vectors([&](int i) { return V(1.0) / sum_[i]; });
    which_ == Softmax::log_softmax ? write_logarithms() : write_quotients();
    if (which_ == Softmax::cross_entropy) finish_losses();
  }

 private:
  bool takes_logarithm() const { return which_ != Softmax::softmax; }
  bool is_buffered() const { return rows_.steps() <= buffered_steps; }

  [[gnu::noinline]] void find_largest() {
    BitsOf<W> keys[lanes];
    if (is_moderate_) {
      for (auto& key : keys) key = least<BitsOf<W>>;
      this->template largest_of_x<AsTheyAre>(keys);
      bool are_positive = true;
      for (int i = 0; i < Rows::numbers; ++i) are_positive &= keys[i] >= 0;
      if (are_positive) {
        largest_ = make_each<Rows>([&](int i) { return number_of<W>(keys[i]); });
        return;
      }
    }
    for (auto& key : keys) key = least<BitsOf<W>>;
    this->template largest_of_x<Ordered>(keys);
    largest_ = make_each<Rows>([&](int i) { return value_of_key<W>(keys[i]); });
  }

  template <class To> [[gnu::noinline]] void exponentiate(const Piece& piece, double* e, To& to) const {
    const double magic = rounding(scale_exponent);
    if constexpr (spares_shift) {
      if (is_moderate_) {
        const Tile<const W> x = read_x(piece, rows_.in_sums(Rest::vanishing));
        return exponentials<P, Range::moderate>(x, piece, shift_, magic, e, to);
      }
    }
    const Tile<const W> x = read_x(piece, rows_.in_sums(Rest::minus_infinity));
    exponentials<P, Range::shifted>(x, piece, shift_, magic, e, to);
  }
  // Of one step, whose numbers are not above the largest.
  Each exponentials_of(const W (&x)[lanes]) const {
    Each e;
    NoSum none;
    exponentials<P, Range::shifted>({x, lanes}, {0, 1, lanes, true}, shift_, rounding(scale_exponent), e.number, none);
    return e;
  }

  void sum() {
    Sum sum;
    for_each_piece([&](const Piece& piece) {
      exponentiate(piece, is_buffered() ? of_.buffer + piece.begin * lanes : of_.buffer, sum);
    });
    sum_ = sum.total();
  }
  [[gnu::noinline]] const double* exponentials_again(const Piece& piece) const {
    if (is_buffered()) return of_.buffer + piece.begin * lanes;
    NoSum none;
    exponentiate(piece, of_.buffer, none);
    return of_.buffer;
  }

  // Given the sum of all exponentials, and of all except the largest, where these make less than half of it.
  [[gnu::noinline]] void take_logarithm() {
    W largest[lanes];
    for (int i = 0; i < lanes; ++i) largest[i] = static_cast<W>(largest_.number[i]);
    top_ = exponentials_of(largest);
    bool needs_rest = false;
    for (int i = 0; i < Rows::numbers; ++i) needs_rest |= sum_.number[i] < 2 * top_.number[i];
    if (needs_rest) {
      Sum rest;
      for_each_piece([&](const Piece& piece) { add_rest(exponentials_again(piece), piece, top_, rest); });
      rest_ = rest.total();
    }
    const Each sum = make_each_in_vectors([&](int i) { return sum_[i] / top_[i]; });
    const Each rest = make_each_in_vectors([&](int i) { return rest_[i] / top_[i]; });
    log_ = make_each<Rows>([&](int i) { return log_of_sum(sum.number[i], rest.number[i]); });
  }

  void write_quotients() const {
    for_each_piece([&](const Piece& piece) {
      const double* const e = exponentials_again(piece);
      this->write(piece, [&](Results<W> to) { quotients<P>(e, sum_, inverse_, piece.steps, to); });
    });
  }
  void write_logarithms() const {
    for_each_piece([&](const Piece& piece) {
      const Tile<const W> x = read_x(piece, Rest::repeated);
      this->write(piece, [&](Results<W> to) { logarithms(x, largest_, log_, piece.steps, to); });
    });
  }

  // At the label the gradient is e / sum - 1. Where e is the largest and only the rest makes the sum larger, the rest
  // is what the difference would lose.
  [[gnu::noinline]] void finish_losses() const {
    W x[lanes];
    for (int row = 0; row < lanes; ++row) {
      x[row] = row < rows_.rows ? number_at(rows_.at(row, of_.labels[row])) : x[0];
    }
    const Each e = exponentials_of(x);
    for (int row = 0; row < rows_.rows; ++row) {
      const double number = static_cast<double>(x[row]), largest = largest_.number[row], sum = sum_.number[row];
      const bool is_alone = number == largest && sum < 2 * top_.number[row];
      const double others = is_alone ? rest_.number[row] : sum - e.number[row];
      const double share = P::quotient(others, sum, inverse_.number[row]);
      put(element(of_.out, rows_.at(row, of_.labels[row])), -share);
      put(element(of_.loss, row), log_.number[row] - (number - largest));
    }
  }

  // Rows of which a largest element is not a number or not finite.
  [[gnu::noinline]] void run_one_by_one() const {
    if constexpr (std::is_same_v<Rows, AlongRow>) {
      without_numbers();
    } else {
      for (ptrdiff_t row = 0; row < rows_.rows; ++row) {
        Forward<P, AlongRow>(which_, {rows_.size, rows_.inner}, of_.advanced(row, row)).run();
      }
    }
  }

  // Exponentials are not numbers; in logarithms, everything is infinitely far below an infinity.
  [[gnu::noinline]] void without_numbers() const {
    const double infinity = double_of(0x7ff0000000000000), nan = double_of(0x7ff8000000000000);
    const double largest = largest_.number[0];
    const bool is_infinite = !is_nan(largest), has_infinity = is_infinite && largest > 0;
    if (is_infinite) raise_invalid();
    const auto logarithm = [&](ptrdiff_t i) {
      return has_infinity && static_cast<double>(number_at(i)) != infinity ? -infinity : nan;
    };
    if (which_ == Softmax::cross_entropy) {
      const double y = logarithm(rows_.at(0, *of_.labels));
      put(of_.loss, is_nan(y) ? y : -y);
    }
    for (ptrdiff_t i = 0; i < rows_.size; ++i) {
      const ptrdiff_t at = rows_.at(0, i);
      put(element(of_.out, at), which_ == Softmax::log_softmax ? logarithm(at) : nan);
    }
  }

  const Softmax which_;
  bool is_moderate_;
  Each largest_, shift_, sum_, inverse_, top_ = {}, rest_ = {}, log_;
};

// y (g - sum(g y)) and g - e^y sum(g). x is y.
template <class P, class Rows> class Backward : Pass<P, Rows> {
  using Base = Pass<P, Rows>;
  using Base::of_, Base::rows_, Base::read_x, Base::read_grad, Base::for_each_piece;
  using typename Base::W;

 public:
  Backward(Softmax which, const Rows& rows, const Operands<W>& of) : Base(rows, of, unbuffered_steps), which_(which) {}

  void run() const {
    typename Rows::template Sum<false> sum;
    for_each_piece([&](const Piece& piece) {
      const Tile<const W> g = read_grad(piece, rows_.in_sums(Rest::zero));
      if (which_ == Softmax::softmax_backward) {
        add_products(g, read_x(piece, rows_.in_sums(Rest::zero)), piece, sum);
      } else {
        add_numbers(g, piece, sum);
      }
    });
    const Each total = sum.total();
    which_ == Softmax::softmax_backward ? write_gradients(total) : write_gradients_of_logarithms(total);
  }

 private:
  void write_gradients(const Each& total) const {
    for_each_piece([&](const Piece& piece) {
      const Tile<const W> g = read_grad(piece, Rest::repeated), y = read_x(piece, Rest::repeated);
      this->write(piece, [&](Results<W> to) { softmax_gradients(g, y, total, piece.steps, to); });
    });
  }

  void write_gradients_of_logarithms(const Each& total) const {
    BitsOf<W> magnitudes[lanes] = {};
    this->template largest_of_x<Magnitude>(magnitudes);
    const auto exponentiate = are_moderate<W, Rows>(magnitudes) ? exponentials<P, Range::moderate, NoSum>
                                                                : exponentials<P, Range::any, NoSum>;
    for_each_piece([&](const Piece& piece) {
      NoSum none;
      exponentiate(read_x(piece, Rest::repeated), piece, total, rounding(0), of_.buffer, none);
      const Tile<const W> g = read_grad(piece, Rest::repeated);
      this->write(piece, [&](Results<W> to) { log_softmax_gradients(g, of_.buffer, total, piece.steps, to); });
    });
  }

  const Softmax which_;
};

// Rows of so few elements are turned, 16 at a time, so that they lie side by side; unless they are very short, only if there
// are enough of them.
constexpr ptrdiff_t short_row = 96, very_short_row = 32, enough_rows = 8;

template <template <class, class> class Function, class P> class ShortRows {
  using W = typename P::Number;
  static constexpr ptrdiff_t most = short_row * lanes;
  static_assert(5 * most <= buffered_exponentials);

 public:
  ShortRows(Softmax which, ptrdiff_t size, const Operands<W>& of) : which_(which), size_(size), of_(of) {}

  void run(ptrdiff_t rows) const {
    const Block block{1, rows * size_, 0, 1};
    W losses[lanes];
    const Operands<W> turned{turned_from(of_.x, block, piece(1)),
                             of_.grad ? turned_from(of_.grad, block, piece(2)) : nullptr,
                             of_.labels,
                             of_.loss ? reinterpret_cast<char*>(losses) : nullptr,
                             reinterpret_cast<char*>(piece(3)),
                             &storage_of<W>,
                             of_.is_odd,
                             of_.data,
                             of_.buffer};
    Function<P, AcrossRows>(which_, AcrossRows{size_, lanes, rows, lanes}, turned).run();
    turn_back(piece(3), block);
    if (of_.loss) of_.storage->write(losses, {1, rows, 0, 1}, of_.loss, of_.data);
  }

 private:
  // Behind the exponentials.
  W* piece(int place) const { return reinterpret_cast<W*>(of_.buffer + place * most); }

  // The first row stands for those that are not there.
  const char* turned_from(const char* p, const Block& block, W* to) const {
    const W* from = reinterpret_cast<const W*>(p);
    if (!of_.storage->is_plain) {
      of_.storage->read(p, block, piece(4), of_.data);
      from = piece(4);
    }
    for (ptrdiff_t row = 0; row < lanes; ++row) {
      const W* const first = row * size_ < block.n ? from + row * size_ : from;
      for (ptrdiff_t i = 0; i < size_; ++i) to[i * lanes + row] = first[i];
    }
    return reinterpret_cast<const char*>(to);
  }

  void turn_back(const W* from, const Block& block) const {
    W* const to = of_.storage->is_plain ? reinterpret_cast<W*>(of_.out) : piece(4);
    for (ptrdiff_t row = 0; row * size_ < block.n; ++row) {
      for (ptrdiff_t i = 0; i < size_; ++i) to[row * size_ + i] = from[i * lanes + row];
    }
    if (!of_.storage->is_plain) of_.storage->write(to, block, of_.out, of_.data);
  }

  const Softmax which_;
  const ptrdiff_t size_;
  const Operands<W>& of_;
};

template <template <class, class> class Function, class P>
void run_separate(Softmax which, Operands<typename P::Number> of, ptrdiff_t size, ptrdiff_t rows) {
  const ptrdiff_t least = size < very_short_row ? 2 : enough_rows;
  while (rows > 0) {
    ptrdiff_t n = rows < lanes ? rows : lanes;
    if (size < short_row && n >= least) {
      ShortRows<Function, P>(which, size, of).run(n);
    } else {
      n = 1;
      Function<P, AlongRow>(which, AlongRow{size, 1}, of).run();
    }
    of = of.advanced(n * size, n);
    rows -= n;
  }
}

// Rows side by side, of which some are left before those of the next piece of memory begin.
template <template <class, class> class Function, class P>
void run_interleaved(Softmax which, Operands<typename P::Number> of, Pools rows, ptrdiff_t begin, ptrdiff_t end) {
  ptrdiff_t before = begin % rows.inner;
  while (begin < end) {
    const ptrdiff_t left = rows.inner - before, most = left < end - begin ? left : end - begin;
    const ptrdiff_t n = most < lanes ? most : lanes;
    Function<P, AcrossRows>(which, AcrossRows{rows.size, rows.inner, n, n}, of).run();
    begin += n;
    before += n;
    const bool ends = before == rows.inner;
    of = of.advanced(n + (ends ? (rows.size - 1) * rows.inner : 0), n);
    if (ends) before = 0;
  }
}

template <template <class, class> class Function, class P>
[[gnu::noinline]] void run(Softmax which, const Storage<typename P::Number>& storage, const SoftmaxCall& call,
                           ptrdiff_t begin, ptrdiff_t end, void* buffer) {
  const Pools rows = call.rows;
  const Operands<typename P::Number> first{static_cast<const char*>(call.x),
                                           static_cast<const char*>(call.grad),
                                           call.labels,
                                           static_cast<char*>(call.loss),
                                           static_cast<char*>(call.out),
                                           &storage,
                                           storage.is_narrow,
                                           call.data,
                                           static_cast<double*>(buffer)};
  const ptrdiff_t element = begin / rows.inner * rows.size * rows.inner + begin % rows.inner;
  const auto of = first.advanced(element, begin);
  if (rows.inner == 1) {
    run_separate<Function, P>(which, of, rows.size, end - begin);
  } else {
    run_interleaved<Function, P>(which, of, rows, begin, end);
  }
}

template <template <class, class> class Function, Softmax which, class T>
void kernel(const SoftmaxCall& call, ptrdiff_t begin, ptrdiff_t end, void* buffer) {
  run<Function, Precision<Number<T>>>(which, storage_of<T>, call, begin, end, buffer);
}

template <Softmax which> struct KernelOf {
  template <class T> static constexpr SoftmaxKernel* make() {
    [[maybe_unused]] constexpr bool is_gradient =
        which == Softmax::softmax_backward || which == Softmax::log_softmax_backward;
    if constexpr (std::is_same_v<T, long double> || std::is_integral_v<T>) {
      return nullptr;
    } else if constexpr (is_gradient) {
      return kernel<Backward, which, T>;
    } else {
      return kernel<Forward, which, T>;
    }
  }
};

}  // namespace fastrelu::FASTRELU_ISA::softmaxes
