// SPDX-License-Identifier: BSD-3-Clause
//
// Counts of active elements, those that relu keeps, and of the bits of a mask; and which bits any of many rows has.
#pragma once

#include "../contract/float8.h"
#include "../contract/reduction.h"
#include "../contract/words.h"
#include "predicates.h"
#include "sum.h"

namespace fastrelu::FASTRELU_ISA {

// The most elements that a lane counts before its counter is emptied: counters are as wide as the elements, and the
// narrowest hold this much.
constexpr ptrdiff_t most_counted = 255;

template <class T> using Counter = Unsigned<sizeof(T)>;
// The number of columns that are counted at once. Their counters lie on the stack, of which threads may have little.
template <class T> constexpr ptrdiff_t counted_columns = sizeof(Counter<T>) > 4 ? 512 : 1024;

// Whether an element is active, by what it holds or by its code.
template <class T> struct Activity {
  explicit Activity(const void*) {}
  bool operator()(T x) const { return keep(x); }
};
template <> struct Activity<Coded8> {
  bool active[256];
  explicit Activity(const void* data) {
    const Float8& format = *static_cast<const Float8*>(data);
    for (int code = 0; code < 256; ++code) active[code] = keep(format.value[code]);
  }
  bool operator()(Coded8 x) const { return active[x.code]; }
};

template <class T> constexpr bool counts_vectors = has_lanes && Vec<T>::width > 1;

// Counters, one for each lane of a vector of T: 1 where it is active.
template <class T> auto active_lanes(const T* p) {
  return lanes_of<Lanes<Counter<T>, Vec<T>::width>>(select_or_zero(keep(Vec<T>::load(p)), Vec<Counter<T>>(1)));
}

// The active elements of whole vectors, at most most_counted of them.
template <class T> std::int64_t count_vectors(const T* x, ptrdiff_t vectors) {
  constexpr ptrdiff_t width = Vec<T>::width;
  decltype(active_lanes(x)) counters = {};
  for (ptrdiff_t v = 0; v < vectors; ++v) counters += active_lanes(x + v * width);
  Counter<T> counts[width];
  std::memcpy(counts, &counters, sizeof counts);
  std::int64_t total = 0;
  for (const Counter<T> count : counts) total += static_cast<std::int64_t>(count);
  return total;
}

template <class T> std::int64_t count_run(const T* x, ptrdiff_t n, const Activity<T>& is_active) {
  std::int64_t total = 0;
  ptrdiff_t i = 0;
  if constexpr (counts_vectors<T>) {
    constexpr ptrdiff_t width = Vec<T>::width;
    while (n - i >= width) {
      const ptrdiff_t left = (n - i) / width, vectors = left < most_counted ? left : most_counted;
      total += count_vectors(x + i, vectors);
      i += vectors * width;
    }
  }
  for (; i < n; ++i) total += is_active(x[i]);
  return total;
}

template <class T> void count_each(const T* x, ptrdiff_t n, Counter<T>* counts, const Activity<T>& is_active) {
  ptrdiff_t i = 0;
  if constexpr (counts_vectors<T>) {
    constexpr int width = Vec<T>::width;
    for (; i + width <= n; i += width) {
      const auto sum = load_as<Counter<T>, width>(counts + i) + active_lanes(x + i);
      std::memcpy(counts + i, &sum, sizeof sum);
    }
  }
  for (; i < n; ++i) counts[i] = static_cast<Counter<T>>(counts[i] + is_active(x[i]));
}

// Adds up to most_counted rows of up to counted_columns elements to the totals of each column.
template <class T> void count_columns(const ReductionTile& tile, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column,
                                      ptrdiff_t columns, const Activity<T>& is_active) {
  alignas(64) Counter<T> counts[counted_columns<T>] = {};
  for (ptrdiff_t r = row; r < row + rows; ++r) {
    count_each(reinterpret_cast<const T*>(tile.values + r * tile.row_step) + column, columns, counts, is_active);
  }
  std::int64_t* const totals = reinterpret_cast<std::int64_t*>(tile.totals) + column;
  for (ptrdiff_t i = 0; i < columns; ++i) totals[i] += static_cast<std::int64_t>(counts[i]);
}

template <class T> struct ActiveCount {
  static void reduce(const ReductionTile& tile, const void* data) {
    const Activity<T> is_active(data);
    tile.length == 1 ? count_elements(tile, is_active) : count_runs(tile, is_active);
  }

 private:
  static void count_elements(const ReductionTile& tile, const Activity<T>& is_active) {
    for (ptrdiff_t column = 0; column < tile.runs; column += counted_columns<T>) {
      const ptrdiff_t right = tile.runs - column, columns = right < counted_columns<T> ? right : counted_columns<T>;
      for (ptrdiff_t row = 0; row < tile.rows; row += most_counted) {
        const ptrdiff_t below = tile.rows - row, rows = below < most_counted ? below : most_counted;
        count_columns(tile, row, rows, column, columns, is_active);
      }
    }
  }

  static void count_runs(const ReductionTile& tile, const Activity<T>& is_active) {
    auto* const totals = reinterpret_cast<std::int64_t*>(tile.totals);
    for (ptrdiff_t row = 0; row < tile.rows; ++row) {
      const T* const x = reinterpret_cast<const T*>(tile.values + row * tile.row_step);
      for (ptrdiff_t run = 0; run < tile.runs; ++run) {
        totals[run] += count_run(x + run * tile.length, tile.length, is_active);
      }
    }
  }
};

inline std::uint64_t word_of(const char* bytes, std::size_t n) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, n);
  return word;
}

inline std::int64_t count_bits_of(const char* bytes, ptrdiff_t n) {
  constexpr ptrdiff_t word_bytes = sizeof(std::uint64_t);
  ptrdiff_t total = 0;
  for (; n >= word_bytes; bytes += word_bytes, n -= word_bytes) total += population(word_of(bytes, word_bytes));
  return total + population(word_of(bytes, static_cast<std::size_t>(n)));
}

inline void count_bits(const ReductionTile& tile, const void*) {
  auto* const totals = reinterpret_cast<std::int64_t*>(tile.totals);
  for (ptrdiff_t row = 0; row < tile.rows; ++row) {
    for (ptrdiff_t run = 0; run < tile.runs; ++run) {
      totals[run] += count_bits_of(tile.values + row * tile.row_step + run * tile.length, tile.length);
    }
  }
}

// A stand-in of eight bytes, for instruction sets without vectors of bytes.
struct ByteWord {
  static constexpr ptrdiff_t width = 8;
  std::uint64_t v;
  static ByteWord load(const std::uint8_t* p) { return {load_word(p)}; }
  void store(std::uint8_t* p) const { store_word(p, v); }
  friend ByteWord operator|(ByteWord a, ByteWord b) { return {a.v | b.v}; }
};

inline void any_bits(const ReductionTile& tile, const void*) {
  using V = std::conditional_t<(Vec<std::uint8_t>::width > 1), Vec<std::uint8_t>, ByteWord>;
  constexpr ptrdiff_t vectors = any_bits_block / V::width;
  decltype(V::v) any[vectors];
  const auto* row = reinterpret_cast<const std::uint8_t*>(tile.values);
  for (ptrdiff_t i = 0; i < vectors; ++i) any[i] = V::load(row + i * V::width).v;
  for (ptrdiff_t r = 1; r < tile.rows; ++r) {
    row += tile.row_step;
    for (ptrdiff_t i = 0; i < vectors; ++i) any[i] = (V{any[i]} | V::load(row + i * V::width)).v;
  }
  for (ptrdiff_t i = 0; i < vectors; ++i) V{any[i]}.store(reinterpret_cast<std::uint8_t*>(tile.totals) + i * V::width);
}

struct ActiveCountOf {
  template <class T> static constexpr Reduction* make() { return ActiveCount<T>::reduce; }
};

// Of the bytes of masks.
template <Reduction* reduce> struct OfBytes {
  template <class T> static constexpr Reduction* make() { return std::is_same_v<T, std::uint8_t> ? reduce : nullptr; }
};

}  // namespace fastrelu::FASTRELU_ISA
