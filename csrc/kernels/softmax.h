// SPDX-License-Identifier: BSD-3-Clause
//
// softmax, log_softmax, their gradients and the cross entropy, along rows of elements.
//
// Everything is computed in double, by one written sequence of IEEE operations without fma, and rounded once: the bits
// are the same on every instruction set. Sums have the order of sum.h, whichever way a row lies in memory: a row that
// is one piece of memory is read 16 elements at a time, which are the 16 partial sums (AlongRow); rows that lie side by
// side are read 16 rows at a time (AcrossRows).
//
// Exponentials of x - max are kept as e^(x - max) 2^128, so that those below double's normal numbers keep their bits
// until they are divided by the sum, which has the same factor.
#pragma once

#include "../contract/float8.h"
#include "../contract/isa.h"
#include "coefficients.h"
#include "doubles.h"
#include "float8_loop.h"
#include "predicates.h"
#include "sum.h"

namespace fastrelu::FASTRELU_ISA::softmaxes {

constexpr int at_once = partial_sums;

// A vector of doubles, or one.
using Best = std::conditional_t<sums_vectors<double>, Vec<double>, double>;
template <class V> struct Shape {
  static constexpr int width = V::width;
  using Raw = decltype(V::v);
};
template <> struct Shape<double> {
  static constexpr int width = 1;
  using Raw = double;
};
inline double raw(double x) { return x; }
template <class T> auto raw(Vec<T> x) { return x.v; }

// `count` doubles in registers.
template <class V, int count> struct Group {
  static constexpr int width = Shape<V>::width, vectors = count / width;
  typename Shape<V>::Raw v[vectors];
  V operator[](int i) const { return V(v[i]); }
  void set(int i, V x) { v[i] = raw(x); }
};

template <class V, int count, class Make> Group<V, count> make_group(Make make) {
  Group<V, count> result;
  for (int i = 0; i < result.vectors; ++i) result.set(i, make(i));
  return result;
}

// What the formulas need of V beside arithmetic.

template <class V, int n> V in_order(const double (&c)[n], V x) {
  V sum(c[n - 1]);
  for (int i = n - 2; i >= 0; --i) sum = sum * x + V(c[i]);
  return sum;
}

// c[0] + c[1] x + ... in pairs, and these in pairs: a chain of all operations would keep a processor waiting.
template <class V> V in_pairs(const double (&c)[6], V x, V x2) {
  const V low = (V(c[0]) + V(c[1]) * x) + (V(c[2]) + V(c[3]) * x) * x2;
  return low + (V(c[4]) + V(c[5]) * x) * (x2 * x2);
}
template <class V> V in_pairs(const double (&c)[10], V x, V x2) {
  const V low = (V(c[0]) + V(c[1]) * x) + (V(c[2]) + V(c[3]) * x) * x2;
  const V high = (V(c[4]) + V(c[5]) * x) + (V(c[6]) + V(c[7]) * x) * x2, x4 = x2 * x2;
  return low + (high + (V(c[8]) + V(c[9]) * x) * x4) * x4;
}

constexpr double scale = 0x1p128, unscale = 0x1p-128;
constexpr int scale_exponent = 128;
// Added to a number below 2^51, it leaves the nearest integer in the lowest bits, and there as the exponent of a
// double.
constexpr double rounding(int exponent) { return 0x1.8p52 + 1023 + exponent; }
// Where exponentials are 0 in double, however much they are rounded up.
constexpr double least_exponent = -760;

// How results of at most 24 bits are computed, and others.
struct Single {
  static constexpr auto& terms = exponential_terms_few;
  template <class V> static V remainder(V t, V n) { return t - n * V(log2_rounded); }
  template <class V> static V error(V, V, V) { return V(0.0); }
  template <class V> static V quotient(V a, V, V inverse) { return a * inverse; }
};
struct Double {
  static constexpr auto& terms = exponential_terms;
  template <class V> static V remainder(V t, V n) { return (t - n * V(log2_high)) - n * V(log2_low); }
  // What a - b has lost in its rounding to t; 0 where t is a bound.
  template <class V> static V error(V a, V b, V t) {
    using B = BitsOf<V>;
    const auto is_difference = bits(t) != B(bits(least_exponent));
    const V x = select(is_difference, a, b + t), back = t - x;
    return select_or_zero(is_difference, (x - (t - back)) - (b + back));
  }
  template <class V> static V quotient(V a, V b, V) { return a / b; }
};

template <class P, class V> V power(V t, V error, V magic) {
  const V z = t * V(inverse_log2) + magic;
  V r = P::remainder(t, z - magic);
  if constexpr (std::is_same_v<P, Double>) r = r + error;
  const V r2 = r * r, p = r + r2 * in_pairs(P::terms, r, r2);
  const V s = exponent_from_low_bits(z);
  return s + s * p;
}

// e^(x - shift) 2^128, where x <= shift, and x is not NaN.
template <class P, class V> V exponential(V x, V shift) {
  using B = BitsOf<V>;
  const V t = at_least(x - shift, V(least_exponent));
  const V e = power<P>(t, P::error(x, shift, t), V(rounding(scale_exponent)));
  return select_or_zero(bits(x) != B(FloatBits<double>::minus_infinity), e);
}

// e^y. Logarithms of shares are not above 0, so those of others may overflow from 620 on.
template <class P, class V> V exponential(V y) {
  using B = BitsOf<V>;
  constexpr double largest = 620;
  const auto nan = is_nan(y);
  const V number = select_or_zero(inverted(nan), y);
  const V t = negated(at_least(negated(at_least(number, V(least_exponent))), V(-largest)));
  const V e = power<P>(t, V(0.0), V(rounding(scale_exponent))) * V(unscale);
  const V finite = select_or_zero(bits(y) != B(FloatBits<double>::minus_infinity), e);
  return select(nan, y, select(bits(y) != B(FloatBits<double>::infinity), finite, y));
}

// log(sum), given the scaled sum of all exponentials and of all except the largest, which is 1. Near 1 the sum has lost
// what the rest tells.
inline double log_of_sum(double scaled_sum, double scaled_rest) {
  const double sum = scaled_sum * unscale, rest = scaled_rest * unscale;
  const double u = sum < 2 ? 1 + rest : sum, lost = sum < 2 ? rest - (u - 1) : 0;
  const auto b = static_cast<std::uint64_t>(bits(u));
  const auto k = static_cast<double>(static_cast<std::int64_t>(b >> 52) - 1023);
  const double f = double_of((b & 0xfffffffffffff) | 0x3ff0000000000000) - 1;
  const double s = f / (2 + f), s2 = s * s;
  const double correction = lost / u + k * log2_low;
  return k * log2_high + (f - (s * (f - s2 * in_order(atanh_terms_many, s2)) - correction));
}

// Elements as they lie in memory: T, and W to begin to compute with.
template <class T> constexpr bool is_single = is_narrow<T> || std::is_same_v<T, float>;
template <class T> using Widened = std::conditional_t<is_single<T>, float, double>;
template <class T> using Precision = std::conditional_t<is_single<T>, Single, Double>;

template <int count, class T> void widen(const T* p, ptrdiff_t n, Widened<T>* to, [[maybe_unused]] const void* data) {
  if constexpr (std::is_same_v<T, Coded8> || (is_narrow<T> && count > 1)) {
    widen_block(p, n, to, data);
  } else {
    for (ptrdiff_t i = 0; i < n; ++i) to[i] = static_cast<Widened<T>>(p[i]);
  }
}

// What stands for elements beyond the end of a row: numbers that change no sum, or an element that is there, which
// raises nothing new.
enum class Rest { zero, minus_infinity, repeated };

template <int count, class T>
const Widened<T>* read(const T* p, ptrdiff_t n, Rest rest, Widened<T>* memory, const void* data) {
  if constexpr (std::is_same_v<T, Widened<T>>) {
    if (n == count) return p;
  }
  widen<count>(p, n, memory, data);
  const double infinity = double_of(0x7ff0000000000000);
  for (ptrdiff_t i = n; i < count; ++i) {
    memory[i] = rest == Rest::repeated ? memory[0] : static_cast<Widened<T>>(rest == Rest::zero ? 0 : -infinity);
  }
  return memory;
}

template <class V, int count, class T>
Group<V, count> read_group(const T* p, ptrdiff_t n, Rest rest, const void* data) {
  alignas(64) Widened<T> memory[count];
  const Widened<T>* const first = read<count>(p, n, rest, memory, data);
  return make_group<V, count>([&](int i) { return load_double(first + i * Shape<V>::width, V(0.0)); });
}

template <int count, class T, class V = Vec<float>>
void narrow_block(const float* from, ptrdiff_t n, T* to, [[maybe_unused]] const void* data) {
  if constexpr (std::is_same_v<T, Coded8>) {
    for (ptrdiff_t i = 0; i < n; ++i) to[i].code = rounded(*static_cast<const Float8*>(data), from[i]);
  } else {
    ptrdiff_t i = 0;
    if constexpr (V::width > 1 && count > 1) {
      for (; i + V::width <= n; i += V::width) store_narrowed(to + i, V::load(from + i));
    }
    for (; i < n; ++i) to[i] = T(from[i]);
  }
}

template <class V, int count, class R> void write_group(R* p, Group<V, count> group, ptrdiff_t n, const void* data) {
  constexpr int width = Shape<V>::width;
  if constexpr (is_narrow<R>) {
    alignas(64) float memory[count];
    for (int i = 0; i < group.vectors; ++i) store_double(memory + i * width, rounded_to_odd(group[i]));
    narrow_block<count>(memory, n, p, data);
  } else {
    if (n == count) {
      for (int i = 0; i < group.vectors; ++i) store_double(p + i * width, group[i]);
    } else {
      alignas(64) R memory[count];
      for (int i = 0; i < group.vectors; ++i) store_double(memory + i * width, group[i]);
      std::memcpy(p, memory, static_cast<std::size_t>(n) * sizeof(R));
    }
  }
}

template <class T> double value_at(const T* p, const void* data) {
  Widened<T> value;
  widen<1>(p, 1, &value, data);
  return static_cast<double>(value);
}
template <class R> void put(R* p, double x, const void* data) { write_group<double, 1>(p, {{x}}, 1, data); }

// A sum and, if it `corrects` itself, what its additions have lost: a sum of doubles has to be better than the numbers
// in it.
template <bool corrects, class V> struct Total {
  V sum, lost;

  void add(V x) {
    const V next = sum + x;
    if constexpr (corrects) {
      const V back = next - sum;
      lost = lost + ((sum - (next - back)) + (x - back));
    }
    sum = next;
  }
  void add(Total other) {
    add(other.sum);
    if constexpr (corrects) lost = lost + other.lost;
  }
  V value() const {
    if constexpr (corrects) {
      return sum + lost;
    } else {
      return sum;
    }
  }
};

template <bool corrects, class Values> struct Totals {
  Values sums = {}, lost = {};
  auto get(int i) const { return Total<corrects, decltype(sums[i])>{sums[i], lost[i]}; }
  template <class X> void add(int i, X x) {
    auto total = get(i);
    total.add(x);
    sums.set(i, total.sum);
    if constexpr (corrects) lost.set(i, total.lost);
  }
};

// Keys for the largest element: integers that order as floats do, silently (predicates.h), with all NaNs at the top.
template <class B> B key_of(B b) {
  using W = std::conditional_t<sizeof(Lane<B>) == sizeof(float), float, double>;
  return minus(ordered(b), B(nans_of_one_sign<W>));
}
template <class W> double value_of_key(decltype(bits(W())) key) {
  using B = decltype(bits(W()));
  const B o = plus(key, static_cast<B>(nans_of_one_sign<W>)), b = ordered(o);
  if (key > key_of(FloatBits<W>::infinity)) return double_of(0x7ff8000000000000);
  W value;
  std::memcpy(&value, &b, sizeof value);
  return static_cast<double>(value);
}

// The keys of the largest elements so far, in each of `count` lanes.
template <class W, int count> class Largest {
  using B = decltype(bits(W()));
  static constexpr bool has_vectors = Vec<W>::width > 1 && Vec<W>::width <= count;
  using V = std::conditional_t<has_vectors, Vec<W>, W>;
  using K = std::conditional_t<has_vectors, Vec<B>, B>;
  static constexpr int width = Shape<std::conditional_t<has_vectors, Vec<double>, double>>::width *
                               (has_vectors ? int(sizeof(double) / sizeof(W)) : 1);
  static constexpr int vectors = count / width;

 public:
  Largest() {
    for (int i = 0; i < vectors; ++i) keys_[i] = raw_key(K(least<K>));
  }
  void add(const W* p) {
    for (int i = 0; i < vectors; ++i) {
      const K key = key_of(bits(load_key(p + i * width))), largest(keys_[i]);
      keys_[i] = raw_key(select(key > largest, key, largest));
    }
  }
  void get(B (&keys)[count]) const { std::memcpy(keys, keys_, sizeof keys); }

 private:
  static V load_key(const W* p) {
    if constexpr (has_vectors) {
      return V::load(p);
    } else {
      return *p;
    }
  }
  static auto raw_key(K key) {
    if constexpr (has_vectors) {
      return key.v;
    } else {
      return key;
    }
  }
  decltype(raw_key(std::declval<K>())) keys_[vectors];
};

inline bool is_finite(double x) { return magnitude(x) < FloatBits<double>::infinity; }

constexpr ptrdiff_t steps_in_block = sum_block / at_once;

// One row, which is one piece of memory, in steps of 16 elements.
template <class V> struct AlongRow {
  static constexpr int lanes = at_once;
  static constexpr Rest in_largest = Rest::minus_infinity;
  using Values = Group<V, at_once>;
  ptrdiff_t size;

  ptrdiff_t steps() const { return (size + at_once - 1) / at_once; }
  ptrdiff_t element(ptrdiff_t step) const { return step * at_once; }
  ptrdiff_t count(ptrdiff_t step) const {
    const ptrdiff_t left = size - step * at_once;
    return left < at_once ? left : at_once;
  }
  static constexpr Rest in_sums(Rest rest) { return rest; }

  // A number of the row.
  struct Each {
    static constexpr int numbers = 1;
    double number[1];
    V operator[](int) const { return V(number[0]); }
  };

  template <bool corrects> class Sum {
   public:
    void add(ptrdiff_t step, const Values& values) {
      for (int i = 0; i < Values::vectors; ++i) partial_.add(i, values[i]);
      if ((step + 1) % steps_in_block == 0) end_block();
    }
    Each total() {
      end_block();
      return {{total_.value()}};
    }

   private:
    void end_block() {
      alignas(64) double sums[at_once], lost[at_once] = {};
      for (int i = 0; i < Values::vectors; ++i) store_double(sums + i * Values::width, partial_.sums[i]);
      if constexpr (corrects) {
        for (int i = 0; i < Values::vectors; ++i) store_double(lost + i * Values::width, partial_.lost[i]);
      }
      Total<corrects, double> totals[at_once];
      for (int i = 0; i < at_once; ++i) totals[i] = {sums[i], lost[i]};
      for (int half = at_once / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) totals[i].add(totals[i + half]);
      }
      total_.add(totals[0]);
      partial_ = {};
    }
    Totals<corrects, Values> partial_;
    Total<corrects, double> total_ = {};
  };

  template <class W> static Each largest(const Largest<W, lanes>& keys) {
    decltype(bits(W())) key[lanes];
    keys.get(key);
    for (const auto each : key) key[0] = each > key[0] ? each : key[0];
    return {{value_of_key<W>(key[0])}};
  }
};

// `columns` rows that lie side by side, or the first of them, in steps of one element of each.
template <class V, int columns> struct AcrossRows {
  static constexpr int lanes = columns;
  static constexpr Rest in_largest = Rest::repeated;
  using Values = Group<V, columns>;
  ptrdiff_t size, inner, rows;

  ptrdiff_t steps() const { return size; }
  ptrdiff_t element(ptrdiff_t step) const { return step * inner; }
  ptrdiff_t count(ptrdiff_t) const { return rows; }
  static constexpr Rest in_sums(Rest) { return Rest::repeated; }

  struct Each {
    static constexpr int numbers = columns;
    alignas(64) double number[columns];
    V operator[](int i) const { return load_double(number + i * Values::width, V(0.0)); }
  };

  template <bool corrects> class Sum {
   public:
    void add(ptrdiff_t step, const Values& values) {
      for (int i = 0; i < Values::vectors; ++i) partial_[step % partial_sums].add(i, values[i]);
      if ((step + 1) % sum_block == 0) end_block();
    }
    Each total() {
      end_block();
      Each result;
      for (int i = 0; i < Values::vectors; ++i) store_double(result.number + i * Values::width, total_.get(i).value());
      return result;
    }

   private:
    void end_block() {
      for (int half = partial_sums / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; ++j) add_to(partial_[j], partial_[j + half]);
      }
      add_to(total_, partial_[0]);
      for (Totals<corrects, Values>& each : partial_) each = {};
    }
    static void add_to(Totals<corrects, Values>& totals, const Totals<corrects, Values>& more) {
      for (int i = 0; i < Values::vectors; ++i) totals.add(i, more.get(i));
    }
    Totals<corrects, Values> partial_[partial_sums];
    Totals<corrects, Values> total_;
  };

  template <class W> static Each largest(const Largest<W, lanes>& keys) {
    decltype(bits(W())) key[lanes];
    keys.get(key);
    Each result;
    for (int i = 0; i < lanes; ++i) result.number[i] = value_of_key<W>(key[i]);
    return result;
  }
};

// The parts of a call that one pass over some rows needs: where their elements begin. Elements and sums of rows are
// where the element and the number of the first are.
template <class T> struct Operands {
  const T* x;
  const T* grad;
  const std::int64_t* labels;
  T* loss;
  T* out;
  double* buffer;  // for softmax_buffer_bytes / sizeof(double) exponentials
  const void* data;
};

template <class T> Operands<T> advanced(Operands<T> of, ptrdiff_t elements, ptrdiff_t rows) {
  of.x += elements;
  of.out += elements;
  if (of.grad) of.grad += elements;
  if (of.labels) of.labels += rows;
  if (of.loss) of.loss += rows;
  return of;
}

template <class T, class Rows>
auto read_step(const Rows& rows, const T* p, ptrdiff_t step, Rest rest, const void* data) {
  using V = decltype(std::declval<typename Rows::Values>()[0]);
  return read_group<V, Rows::lanes>(p + rows.element(step), rows.count(step), rest, data);
}

template <class Rows, class Of> auto values_of(Of of) {
  using V = decltype(std::declval<typename Rows::Values>()[0]);
  return make_group<V, Rows::lanes>(of);
}

template <class T, class Rows> [[gnu::flatten]] auto largest_of(const Rows& rows, const T* x, const void* data) {
  Largest<Widened<T>, Rows::lanes> largest;
  alignas(64) Widened<T> memory[Rows::lanes];
  for (ptrdiff_t step = 0; step < rows.steps(); ++step) {
    largest.add(read<Rows::lanes>(x + rows.element(step), rows.count(step), Rows::in_largest, memory, data));
  }
  return Rows::largest(largest);
}

// The forward functions on rows whose largest elements are finite.
template <Softmax which, class T, class Rows> class Forward {
  using P = Precision<T>;
  using Each = typename Rows::Each;
  using Values = typename Rows::Values;
  static constexpr bool takes_logarithm = which != Softmax::softmax;
  static constexpr bool divides = which != Softmax::log_softmax;

 public:
  Forward(const Rows& rows, const Operands<T>& of, const Each& shift) : rows_(rows), of_(of), shift_(shift) {}

  void run() {
    sum();
    if constexpr (takes_logarithm) {
      for (int i = 0; i < Each::numbers; ++i) log_.number[i] = log_of_sum(sum_.number[i], rest_.number[i]);
    }
    for (int i = 0; i < Each::numbers; ++i) inverse_.number[i] = 1 / sum_.number[i];
    write();
    if constexpr (which == Softmax::cross_entropy) {
      for (ptrdiff_t row = 0; row < row_count(); ++row) finish_loss(row);
    }
  }

 private:
  ptrdiff_t row_count() const {
    if constexpr (Each::numbers == 1) {
      return 1;
    } else {
      return rows_.rows;
    }
  }
  bool is_buffered() const {
    return divides && rows_.steps() * Rows::lanes * ptrdiff_t(sizeof(double)) <= softmax_buffer_bytes;
  }
  double* buffered(ptrdiff_t step) const { return of_.buffer + step * Rows::lanes; }

  [[gnu::flatten]] void sum() {
    typename Rows::template Sum<std::is_same_v<P, Double>> sum, rest;
    const bool buffers = is_buffered();
    for (ptrdiff_t step = 0; step < rows_.steps(); ++step) {
      const Values x = read_step(rows_, of_.x, step, Rows::in_sums(Rest::minus_infinity), of_.data);
      const Values e = exponentials(x);
      if (buffers) {
        for (int i = 0; i < Values::vectors; ++i) store_double(buffered(step) + i * Values::width, e[i]);
      }
      sum.add(step, e);
      if constexpr (takes_logarithm) {
        rest.add(step, values_of<Rows>([&](int i) {
                   using V = decltype(e[i]);
                   return select_or_zero(bits(x[i] - shift_[i]) != BitsOf<V>(0), e[i]);
                 }));
      }
    }
    sum_ = sum.total();
    if constexpr (takes_logarithm) rest_ = rest.total();
  }

  Values exponentials(const Values& x) const {
    return values_of<Rows>([&](int i) { return exponential<P>(x[i], shift_[i]); });
  }

  [[gnu::flatten]] void write() const {
    const bool buffers = is_buffered();
    for (ptrdiff_t step = 0; step < rows_.steps(); ++step) {
      write_group(of_.out + rows_.element(step), values_of_step(step, buffers), rows_.count(step), of_.data);
    }
  }

  Values values_of_step(ptrdiff_t step, [[maybe_unused]] bool buffers) const {
    if constexpr (divides) {
      const Values e = buffers ? from_buffer(step) : exponentials(elements(step));
      return values_of<Rows>([&](int i) { return P::quotient(e[i], sum_[i], inverse_[i]); });
    } else {
      const Values x = elements(step);
      return values_of<Rows>([&](int i) { return (x[i] - shift_[i]) - log_[i]; });
    }
  }

  Values elements(ptrdiff_t step) const { return read_step(rows_, of_.x, step, Rest::repeated, of_.data); }
  Values from_buffer(ptrdiff_t step) const {
    using V = decltype(std::declval<Values>()[0]);
    return values_of<Rows>([&](int i) { return load_double(buffered(step) + i * Values::width, V(0.0)); });
  }

  // At the label the gradient is e / sum - 1. Where e is the largest and only the rest makes the sum larger, the rest
  // is what the difference would lose.
  void finish_loss(ptrdiff_t row) const {
    const double shift = shift_.number[row], sum = sum_.number[row], inverse = inverse_.number[row];
    const ptrdiff_t at = at_label(rows_, row, of_.labels[row]);
    const double x = value_at(of_.x + at, of_.data), e = exponential<P>(x, shift);
    const double others = x == shift && sum < 2 * scale ? rest_.number[row] : sum - e;
    put(of_.out + at, -P::quotient(others, sum, inverse), of_.data);
    put(of_.loss + row, log_.number[row] - (x - shift), of_.data);
  }

  const Rows& rows_;
  const Operands<T>& of_;
  const Each& shift_;
  Each sum_, rest_, inverse_, log_;
};

template <class V> ptrdiff_t at_label(const AlongRow<V>&, ptrdiff_t, std::int64_t label) {
  return static_cast<ptrdiff_t>(label);
}
template <class V, int columns>
ptrdiff_t at_label(const AcrossRows<V, columns>& rows, ptrdiff_t row, std::int64_t label) {
  return static_cast<ptrdiff_t>(label) * rows.inner + row;
}

// A row whose largest element is not a number or not finite. Its exponentials are not numbers; in logarithms,
// everything is infinitely far below an infinity.
template <Softmax which, class T>
void without_numbers(ptrdiff_t size, ptrdiff_t inner, const Operands<T>& of, double largest) {
  const double infinity = double_of(0x7ff0000000000000), nan = double_of(0x7ff8000000000000);
  const bool is_infinite = !is_nan(largest), has_infinity = is_infinite && largest > 0;
  if (is_infinite) raise_invalid();
  const auto logarithm = [&](const T* x) { return has_infinity && value_at(x, of.data) != infinity ? -infinity : nan; };
  if constexpr (which == Softmax::cross_entropy) {
    const double y = logarithm(of.x + static_cast<ptrdiff_t>(*of.labels) * inner);
    put(of.loss, is_nan(y) ? y : -y, of.data);
  }
  for (ptrdiff_t i = 0; i < size; ++i) {
    put(of.out + i * inner, which == Softmax::log_softmax ? logarithm(of.x + i * inner) : nan, of.data);
  }
}

template <Softmax which, class T> struct ForwardOf {
  template <class V> static void row(const AlongRow<V>& rows, const Operands<T>& of) {
    const auto shift = largest_of(rows, of.x, of.data);
    if (!is_finite(shift.number[0])) return without_numbers<which>(rows.size, 1, of, shift.number[0]);
    Forward<which, T, AlongRow<V>>(rows, of, shift).run();
  }

  template <class V, int columns> static void strip(const AcrossRows<V, columns>& rows, const Operands<T>& of) {
    const auto shift = largest_of(rows, of.x, of.data);
    bool all_finite = true;
    for (const double each : shift.number) all_finite &= is_finite(each);
    if (all_finite) {
      Forward<which, T, AcrossRows<V, columns>>(rows, of, shift).run();
    } else if constexpr (columns == 1) {
      without_numbers<which>(rows.size, rows.inner, of, shift.number[0]);
    } else {
      for (ptrdiff_t row = 0; row < rows.rows; ++row) {
        strip(AcrossRows<double, 1>{rows.size, rows.inner, 1}, advanced(of, row, row));
      }
    }
  }
};

// y (g - sum(g y)) and g - e^y sum(g). x is y.
template <Softmax which, class T> struct BackwardOf {
  using P = Precision<T>;

  template <class Rows> [[gnu::flatten]] static void run(const Rows& rows, const Operands<T>& of) {
    using Values = typename Rows::Values;
    const auto read = [&](const T* p, ptrdiff_t step, Rest rest) { return read_step(rows, p, step, rest, of.data); };
    typename Rows::template Sum<false> sum;
    for (ptrdiff_t step = 0; step < rows.steps(); ++step) {
      const Values g = read(of.grad, step, Rows::in_sums(Rest::zero));
      if constexpr (which == Softmax::softmax_backward) {
        const Values y = read(of.x, step, Rows::in_sums(Rest::zero));
        sum.add(step, values_of<Rows>([&](int i) { return g[i] * y[i]; }));
      } else {
        sum.add(step, g);
      }
    }
    const auto total = sum.total();
    for (ptrdiff_t step = 0; step < rows.steps(); ++step) {
      const Values g = read(of.grad, step, Rest::repeated), y = read(of.x, step, Rest::repeated);
      const Values result = values_of<Rows>([&](int i) {
        if constexpr (which == Softmax::softmax_backward) {
          return y[i] * (g[i] - total[i]);
        } else {
          return g[i] - exponential<P>(y[i]) * total[i];
        }
      });
      write_group(of.out + rows.element(step), result, rows.count(step), of.data);
    }
  }

  template <class V> static void row(const AlongRow<V>& rows, const Operands<T>& of) { run(rows, of); }
  template <class V, int columns> static void strip(const AcrossRows<V, columns>& rows, const Operands<T>& of) {
    run(rows, of);
  }
};

// Rows of so few elements are turned, 16 at a time, so that they lie side by side.
constexpr ptrdiff_t short_row = 32;

template <class Function, class T> class ShortRows {
  static constexpr ptrdiff_t most = short_row * at_once;
  static constexpr ptrdiff_t bytes = 3 * most * ptrdiff_t(sizeof(double)) + most * ptrdiff_t(sizeof(double));
  static_assert(bytes <= softmax_buffer_bytes);

 public:
  ShortRows(ptrdiff_t size, const Operands<T>& of) : size_(size), of_(of) {}

  void run(ptrdiff_t rows) const {
    const double* const memory = of_.buffer + most;
    auto* const x = reinterpret_cast<T*>(const_cast<double*>(memory));
    auto* const grad = reinterpret_cast<T*>(const_cast<double*>(memory + most));
    auto* const out = reinterpret_cast<T*>(const_cast<double*>(memory + 2 * most));
    turn(of_.x, rows, x);
    if (of_.grad) turn(of_.grad, rows, grad);
    const Operands<T> turned{x, of_.grad ? grad : nullptr, of_.labels, of_.loss, out, of_.buffer, of_.data};
    Function::strip(AcrossRows<Best, at_once>{size_, at_once, rows}, turned);
    for (ptrdiff_t row = 0; row < rows; ++row) {
      for (ptrdiff_t i = 0; i < size_; ++i) of_.out[row * size_ + i] = out[i * at_once + row];
    }
  }

 private:
  void turn(const T* from, ptrdiff_t rows, T* to) const {
    for (ptrdiff_t row = 0; row < rows; ++row) {
      for (ptrdiff_t i = 0; i < size_; ++i) to[i * at_once + row] = from[row * size_ + i];
    }
  }

  const ptrdiff_t size_;
  const Operands<T>& of_;
};

template <class Function, class T> void run_separate(Operands<T> of, ptrdiff_t size, ptrdiff_t rows) {
  const bool is_short = size < short_row;
  while (rows > 0) {
    const ptrdiff_t n = is_short ? (rows < at_once ? rows : at_once) : 1;
    if (n > 1) {
      ShortRows<Function, T>(size, of).run(n);
    } else {
      Function::row(AlongRow<Best>{size}, of);
    }
    of = advanced(of, n * size, n);
    rows -= n;
  }
}

// Rows side by side, of which some are left before those of the next piece of memory begin.
template <class Function, class T> void run_interleaved(Operands<T> of, Pools rows, ptrdiff_t begin, ptrdiff_t end) {
  ptrdiff_t before = begin % rows.inner;
  while (begin < end) {
    const ptrdiff_t left = rows.inner - before, most = left < end - begin ? left : end - begin;
    const ptrdiff_t n = most < at_once ? most : at_once;
    Function::strip(AcrossRows<Best, at_once>{rows.size, rows.inner, n}, of);
    begin += n;
    before += n;
    const bool ends = before == rows.inner;
    of = advanced(of, n + (ends ? (rows.size - 1) * rows.inner : 0), n);
    if (ends) before = 0;
  }
}

template <template <Softmax, class> class Function, Softmax which, class T>
void kernel(const SoftmaxCall& call, ptrdiff_t begin, ptrdiff_t end, void* buffer) {
  const Pools rows = call.rows;
  const Operands<T> first{
      static_cast<const T*>(call.x), static_cast<const T*>(call.grad), call.labels, static_cast<T*>(call.loss),
      static_cast<T*>(call.out),     static_cast<double*>(buffer),     call.data};
  const ptrdiff_t element = begin / rows.inner * rows.size * rows.inner + begin % rows.inner;
  const Operands<T> of = advanced(first, element, begin);
  if (rows.inner == 1) {
    run_separate<Function<which, T>>(of, rows.size, end - begin);
  } else {
    run_interleaved<Function<which, T>>(of, rows, begin, end);
  }
}

template <Softmax which> struct KernelOf {
  template <class T> static constexpr SoftmaxKernel* make() {
    [[maybe_unused]] constexpr bool is_gradient =
        which == Softmax::softmax_backward || which == Softmax::log_softmax_backward;
    if constexpr (std::is_same_v<T, long double> || std::is_integral_v<T>) {
      return nullptr;
    } else if constexpr (is_gradient) {
      return kernel<BackwardOf, which, T>;
    } else {
      return kernel<ForwardOf, which, T>;
    }
  }
};

}  // namespace fastrelu::FASTRELU_ISA::softmaxes
