// SPDX-License-Identifier: BSD-3-Clause
//
// Sums of values, of their squares, and of the gradients of a slope. The order of additions is fixed, so that a sum has the
// same bits on every instruction set: a run is cut into blocks of sum_block addends; in a block, addend k goes to partial sum
// k mod 16, and these are added pairwise (i and i + 8, then i and i + 4, i + 2, i + 1); the blocks are added in order.
// Runs of one element are added to their totals row by row. Every sum begins with +0.
#pragma once

#include "../contract/float8.h"
#include "../contract/reduction.h"
#include "predicates.h"
#include "simd/lanes.h"

namespace fastrelu::FASTRELU_ISA {

using std::ptrdiff_t;

template <class T> constexpr bool is_narrow = is_half<T> || std::is_same_v<T, Coded8>;

// Narrow floats are summed as floats; Total is what a sum of T is computed in.
template <class T> using Wide = std::conditional_t<is_narrow<T>, float, T>;
template <class T, bool is_integer = std::is_integral_v<T>> struct TotalOf {
  using Type = std::conditional_t<std::is_same_v<T, long double>, long double, double>;
};
template <class T> struct TotalOf<T, true> {
  using Type = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
};
template <class T> using Total = typename TotalOf<T>::Type;

constexpr ptrdiff_t partial_sums = 16;

// The addends that elements give: one number, or a vector of as many as there are totals in a vector.
template <class T> constexpr bool sums_vectors = has_lanes && Vec<double>::width > 1 && !std::is_same_v<T, long double>;
constexpr int sum_width = Vec<double>::width;
// Sums of integers wrap around, which C++ defines for unsigned numbers alone.
template <class T> using TotalLane = std::conditional_t<std::is_integral_v<T>, std::uint64_t, Total<T>>;
template <class T> using TotalLanes = Lanes<TotalLane<T>, sum_width>;
template <class T> TotalLanes<T> load_for_sum(const T* p) { return load_as<TotalLane<T>, sum_width>(p); }

struct Values {
  static constexpr bool has_x = false;
  template <class T> static Total<T> addend(const T* values, const T*) { return static_cast<Total<T>>(*values); }
  template <class T> static TotalLanes<T> addends(const T* values, const T*) { return load_for_sum(values); }
};

struct Squares {
  static constexpr bool has_x = false;
  template <class T> static Total<T> addend(const T* values, const T*) {
    const auto value = static_cast<Total<T>>(*values);
    return value * value;
  }
  template <class T> static TotalLanes<T> addends(const T* values, const T*) {
    const TotalLanes<T> lanes = load_for_sum(values);
    return lanes * lanes;
  }
};

// 0 if x > 0 else grad * x. Selected before it is multiplied: 0 times an infinity would be invalid.
struct SlopeGradients {
  static constexpr bool has_x = true;
  template <class T> static Total<T> addend(const T* grad, const T* x) {
    return of(static_cast<Total<T>>(*grad), static_cast<Total<T>>(*x));
  }
  template <class T> static TotalLanes<T> addends(const T* grad, const T* x) {
    using V = Vec<Total<T>>;
    return lanes_of<TotalLanes<T>>(of(vector_of<V>(load_for_sum(grad)), vector_of<V>(load_for_sum(x))));
  }
  template <class V> static V of(V grad, V x) {
    const auto keeps_x = positive(x);
    return select(keeps_x, V(0), grad) * select(keeps_x, V(0), x);
  }
};

// The whole vectors of a block, into their partial sums; returns how many elements these are.
template <class Addends, class T>
ptrdiff_t add_vectors(const T* values, const T* x, ptrdiff_t n, Total<T> (&sums)[partial_sums]) {
  constexpr ptrdiff_t vectors = partial_sums / sum_width;
  TotalLanes<T> partial[vectors] = {};
  ptrdiff_t i = 0;
  for (; i + partial_sums <= n; i += partial_sums) {
    for (ptrdiff_t v = 0; v < vectors; ++v) {
      const ptrdiff_t at = i + v * sum_width;
      partial[v] += Addends::addends(values + at, x + at);
    }
  }
  std::memcpy(sums, partial, sizeof sums);
  return i;
}

template <class Addends, class T> Total<T> block_sum(const T* values, const T* x, ptrdiff_t n) {
  Total<T> sums[partial_sums] = {};
  ptrdiff_t i = 0;
  if constexpr (sums_vectors<T>) i = add_vectors<Addends>(values, x, n, sums);
  for (; i < n; ++i) {
    Total<T>& sum = sums[i % partial_sums];
    sum = plus(sum, Addends::addend(values + i, x + i));
  }
  for (ptrdiff_t half = partial_sums / 2; half > 0; half /= 2) {
    for (ptrdiff_t j = 0; j < half; ++j) sums[j] = plus(sums[j], sums[j + half]);
  }
  return sums[0];
}

// Elements of `rows` rows, each to the total of its column; the rows are added in order.
template <int rows, class Addends, class T>
void add_rows(const T* values, const T* x, ptrdiff_t row_step, ptrdiff_t n, Total<T>* totals) {
  ptrdiff_t i = 0;
  if constexpr (sums_vectors<T>) {
    for (; i + sum_width <= n; i += sum_width) {
      TotalLanes<T> sum = load_as<TotalLane<T>, sum_width>(totals + i);
      for (int row = 0; row < rows; ++row) sum += Addends::addends(values + row * row_step + i, x + row * row_step + i);
      std::memcpy(totals + i, &sum, sizeof sum);
    }
  }
  for (; i < n; ++i) {
    for (int row = 0; row < rows; ++row) {
      const ptrdiff_t at = row * row_step + i;
      totals[i] = plus(totals[i], Addends::addend(values + at, x + at));
    }
  }
}

template <class T> void widen_halves(const T* from, ptrdiff_t n, float* to) {
  ptrdiff_t i = 0;
  if constexpr (Vec<float>::width > 1) {
    for (; i + Vec<float>::width <= n; i += Vec<float>::width) load_widened(from + i).store(to + i);
  }
  for (; i < n; ++i) to[i] = from[i];
}

inline void widen_block(const Half* from, ptrdiff_t n, float* to, const void*) { widen_halves(from, n, to); }
inline void widen_block(const BFloat16* from, ptrdiff_t n, float* to, const void*) { widen_halves(from, n, to); }
inline void widen_block(const Coded8* from, ptrdiff_t n, float* to, const void* data) {
  const Float8& format = *static_cast<const Float8*>(data);
  for (ptrdiff_t i = 0; i < n; ++i) to[i] = format.value[from[i].code];
}

constexpr int rows_at_once = 4;

// The number of columns that are summed at once. The buffers lie on the stack, of which threads may have little.
constexpr ptrdiff_t narrow_columns = 256;
template <class T> constexpr ptrdiff_t columns_at_once =
    is_narrow<T> ? narrow_columns : ptrdiff_t(sum_block * sizeof(double) / sizeof(Total<Wide<T>>));

// Rows of elements as sums take them: in place or, for narrow floats, widened into a buffer. Up to rows_at_once rows of up to
// columns_at_once elements, or one row of up to sum_block.
template <class N> struct Rows {
  const N* first;
  ptrdiff_t step;  // elements
};
template <class T, bool widens = is_narrow<T>> struct Reader {
  Rows<T> read(const T* p, int, ptrdiff_t step, ptrdiff_t, const void*) { return {p, step}; }
};
template <class T> struct Reader<T, true> {
  static_assert(sum_block <= rows_at_once * narrow_columns);
  alignas(64) float block[rows_at_once * narrow_columns];
  Rows<float> read(const T* p, int rows, ptrdiff_t step, ptrdiff_t n, const void* data) {
    for (int row = 0; row < rows; ++row) widen_block(p + row * step, n, block + row * narrow_columns, data);
    return {block, narrow_columns};
  }
};

template <class Addends, class T> class Summation {
 public:
  Summation(const ReductionTile& tile, const void* data) : tile_(tile), data_(data) {}

  void add_all() { tile_.length == 1 ? add_columns() : add_runs(); }

 private:
  using Number = Total<Wide<T>>;

  // Their totals lie in an aligned block meanwhile: vectors that cross cache lines would be stored at half the speed.
  void add_columns() {
    alignas(64) Number sums[columns_at_once<T>];
    for (ptrdiff_t column = 0; column < tile_.runs; column += columns_at_once<T>) {
      const ptrdiff_t n = at_most(columns_at_once<T>, tile_.runs - column);
      const auto bytes = static_cast<std::size_t>(n) * sizeof(Number);
      std::memcpy(sums, totals() + column, bytes);
      ptrdiff_t row = 0;
      for (; row + rows_at_once <= tile_.rows; row += rows_at_once) add_rows_at<rows_at_once>(row, column, n, sums);
      for (; row < tile_.rows; ++row) add_rows_at<1>(row, column, n, sums);
      std::memcpy(totals() + column, sums, bytes);
    }
  }

  template <int rows> void add_rows_at(ptrdiff_t row, ptrdiff_t column, ptrdiff_t n, Number* sums) {
    constexpr auto size = static_cast<ptrdiff_t>(sizeof(T));
    const Rows<Wide<T>> v = values_.read(values(row) + column, rows, tile_.row_step / size, n, data_);
    const Rows<Wide<T>> w = Addends::has_x ? x_.read(x(row) + column, rows, tile_.row_step / size, n, data_) : v;
    add_rows<rows, Addends>(v.first, w.first, v.step, n, sums);
  }

  void add_runs() {
    for (ptrdiff_t row = 0; row < tile_.rows; ++row) {
      for (ptrdiff_t run = 0; run < tile_.runs; ++run) {
        Number& total = totals()[run];
        total = plus(total, run_sum(values(row) + run * tile_.length, x(row) + run * tile_.length));
      }
    }
  }

  Number run_sum(const T* values, const T* x) {
    Number sum = 0;
    for (ptrdiff_t begin = 0; begin < tile_.length; begin += sum_block) {
      const ptrdiff_t n = at_most(sum_block, tile_.length - begin);
      const Rows<Wide<T>> v = values_.read(values + begin, 1, 0, n, data_);
      const Rows<Wide<T>> w = Addends::has_x ? x_.read(x + begin, 1, 0, n, data_) : v;
      sum = plus(sum, block_sum<Addends>(v.first, w.first, n));
    }
    return sum;
  }

  static ptrdiff_t at_most(ptrdiff_t limit, ptrdiff_t n) { return n < limit ? n : limit; }

  const T* values(ptrdiff_t row) const { return reinterpret_cast<const T*>(tile_.values + row * tile_.row_step); }
  const T* x(ptrdiff_t row) const {
    return Addends::has_x ? reinterpret_cast<const T*>(tile_.x + row * tile_.row_step) : values(row);
  }
  Number* totals() const { return reinterpret_cast<Number*>(tile_.totals); }

  const ReductionTile tile_;
  const void* const data_;
  Reader<T> values_, x_;
};

template <class Addends, class T> void sum(const ReductionTile& tile, const void* data) {
  Summation<Addends, T>(tile, data).add_all();
}

struct SumOf {
  template <class T> static constexpr Reduction* make() { return sum<Values, T>; }
};

template <class Addends> struct SumOfFloats {
  template <class T> static constexpr Reduction* make() {
    if constexpr (std::is_integral_v<T>)
      return nullptr;
    else
      return sum<Addends, T>;
  }
};

}  // namespace fastrelu::FASTRELU_ISA
