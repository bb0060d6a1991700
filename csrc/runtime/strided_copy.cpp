// SPDX-License-Identifier: BSD-3-Clause
#include "strided_copy.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fastrelu {
namespace {

using std::ptrdiff_t;

struct LongWord {
  std::uint64_t half[2];
};

template <class Word> Word load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

template <class Word> void store(char* p, Word word) { std::memcpy(p, &word, sizeof word); }

// Copies elements a constant step apart into a dense line, in a form that compilers vectorise.
template <class Word, ptrdiff_t step>
void copy_dense_line(char* __restrict to, const char* __restrict from, ptrdiff_t n) {
  constexpr ptrdiff_t size = sizeof(Word);
  for (ptrdiff_t i = 0; i < n; ++i) store(to + i * size, load<Word>(from + i * step * size));
}

template <class Word> void copy_any_line(char* __restrict to, ptrdiff_t to_step, const char* __restrict from,
                                         ptrdiff_t from_step, ptrdiff_t n) {
  for (; n >= 4; n -= 4) {
    const Word a = load<Word>(from), b = load<Word>(from + from_step), c = load<Word>(from + 2 * from_step),
               d = load<Word>(from + 3 * from_step);
    store(to, a);
    store(to + to_step, b);
    store(to + 2 * to_step, c);
    store(to + 3 * to_step, d);
    to += 4 * to_step;
    from += 4 * from_step;
  }
  for (; n > 0; --n) {
    store(to, load<Word>(from));
    to += to_step;
    from += from_step;
  }
}

template <class Word> void copy_line(char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step, ptrdiff_t n) {
  constexpr ptrdiff_t size = sizeof(Word);
  if (to_step != size) return copy_any_line<Word>(to, to_step, from, from_step, n);
  switch (from_step) {
    case size: std::memcpy(to, from, static_cast<std::size_t>(n * size)); return;
    case 0: return copy_dense_line<Word, 0>(to, from, n);
    case -size: return copy_dense_line<Word, -1>(to, from, n);
    case 2 * size: return copy_dense_line<Word, 2>(to, from, n);
    default: return copy_any_line<Word>(to, to_step, from, from_step, n);
  }
}

template <class Word> void copy_rows(const StridedCopy& copy) {
  for (ptrdiff_t row = 0; row < copy.rows; ++row) {
    copy_line<Word>(copy.to + row * copy.to_steps.down, copy.to_steps.across, copy.from + row * copy.from_steps.down,
                    copy.from_steps.across, copy.columns);
  }
}

template <class Word> void copy_columns(const StridedCopy& copy) {
  for (ptrdiff_t column = 0; column < copy.columns; ++column) {
    copy_line<Word>(copy.to + column * copy.to_steps.across, copy.to_steps.down,
                    copy.from + column * copy.from_steps.across, copy.from_steps.down, copy.rows);
  }
}

#ifdef __GNUC__

// As many words as a vector of the baseline holds, and that many of those: a square block.
template <class Word> struct Block {
  static constexpr int side = 16 / sizeof(Word);
  typedef Word Vector __attribute__((vector_size(16)));

  template <int first, int... lane> static Vector interleave(Vector a, Vector b, std::integer_sequence<int, lane...>) {
#ifdef __clang__
    return __builtin_shufflevector(a, b, (first + lane / 2 + lane % 2 * side)...);
#else  // GCC has the other from version 12 on
    return __builtin_shuffle(a, b, Vector{Word(first + lane / 2 + lane % 2 * side)...});
#endif
  }

  // Each round of interleaving moves one bit of the row number into the column number.
  static void transpose(Vector (&rows)[side]) {
    constexpr std::make_integer_sequence<int, side> lanes;
    for (int round = 1; round < side; round *= 2) {
      Vector mixed[side];
      for (int i = 0; i < side / 2; ++i) {
        mixed[2 * i] = interleave<0>(rows[i], rows[i + side / 2], lanes);
        mixed[2 * i + 1] = interleave<side / 2>(rows[i], rows[i + side / 2], lanes);
      }
      std::memcpy(rows, mixed, sizeof mixed);
    }
  }

  static void copy(char* to, ptrdiff_t to_step, const char* from, ptrdiff_t from_step) {
    Vector rows[side];
    for (int i = 0; i < side; ++i) rows[i] = load<Vector>(from + i * from_step);
    transpose(rows);
    for (int i = 0; i < side; ++i) store(to + i * to_step, rows[i]);
  }
};

// Copies elements that are dense down the columns into rows that are dense. It goes down the columns first, so that each
// cache line that is read is used up at once.
template <class Word> void copy_transposed(const StridedCopy& copy) {
  constexpr ptrdiff_t side = Block<Word>::side, size = sizeof(Word);
  const ptrdiff_t down = copy.to_steps.down, across = copy.from_steps.across;
  const ptrdiff_t rows = copy.rows / side * side, columns = copy.columns / side * side;
  for (ptrdiff_t column = 0; column < columns; column += side) {
    for (ptrdiff_t row = 0; row < rows; row += side) {
      Block<Word>::copy(copy.to + row * down + column * size, down, copy.from + row * size + column * across, across);
    }
  }
  const StridedCopy beside{rows,          copy.columns - columns,       copy.to + columns * size,
                           copy.to_steps, copy.from + columns * across, copy.from_steps};
  const StridedCopy below{copy.rows - rows,        copy.columns,   copy.to + rows * down, copy.to_steps,
                          copy.from + rows * size, copy.from_steps};
  copy_columns<Word>(beside);
  copy_columns<Word>(below);
}

template <> void copy_transposed<LongWord>(const StridedCopy& copy) { copy_columns<LongWord>(copy); }

#else

template <class Word> void copy_transposed(const StridedCopy& copy) { copy_columns<Word>(copy); }

#endif

template <class Word> void copy_words(const StridedCopy& copy) {
  constexpr ptrdiff_t size = sizeof(Word);
  if (copy.from_steps.down == size && copy.to_steps.across == size && copy.from_steps.across != size) {
    copy_transposed<Word>(copy);
  } else if (copy.rows > copy.columns) {
    copy_columns<Word>(copy);
  } else {
    copy_rows<Word>(copy);
  }
}

}  // namespace

void copy_elements(const StridedCopy& copy, ptrdiff_t size) {
  switch (size) {
    case 1: return copy_words<std::uint8_t>(copy);
    case 2: return copy_words<std::uint16_t>(copy);
    case 4: return copy_words<std::uint32_t>(copy);
    case 8: return copy_words<std::uint64_t>(copy);
    default: return copy_words<LongWord>(copy);
  }
}

}  // namespace fastrelu
