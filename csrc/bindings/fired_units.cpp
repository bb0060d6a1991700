// SPDX-License-Identifier: BSD-3-Clause
#include "fired_units.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

namespace fastrelu {
namespace {

using std::ptrdiff_t;
using Word = std::uint64_t;

constexpr ptrdiff_t word_bits = 64;

// Of bits that begin with a byte's lowest. Reads no byte beyond the last of the n bits; 0 < n <= 64.
Word read_bits(const std::uint8_t* mask, ptrdiff_t first, ptrdiff_t n) {
  const std::uint8_t* const p = mask + first / 8;
  const ptrdiff_t shift = first % 8, bytes = (shift + n + 7) / 8;
  std::uint8_t copy[16] = {};
  std::memcpy(copy, p, static_cast<std::size_t>(bytes));
  Word bits = 0;
  for (int i = 0; i < 8; ++i) bits |= Word(copy[i]) << 8 * i;
  bits = shift ? bits >> shift | Word(copy[8]) << (word_bits - shift) : bits;
  return n == word_bits ? bits : bits & ((Word(1) << n) - 1);
}

// Neighbouring axes that are all batch or all units, as one.
struct Group {
  ptrdiff_t length;
  bool is_batch;
  ptrdiff_t bits;   // of the mask from one to the next
  ptrdiff_t units;  // the same of units; 0 for batch
};

struct Groups {
  Group group[max_array_axes];
  int count = 0;
};

// Which bits of a row are set in any row.
void fold_rows(const std::uint8_t* rows, ptrdiff_t count, ptrdiff_t row_bytes, std::uint8_t* any) {
  constexpr ptrdiff_t block = 32;
  ptrdiff_t column = 0;
  for (; column + block <= row_bytes; column += block) {
    Word a = 0, b = 0, c = 0, d = 0;  // an array would be kept in memory
    for (ptrdiff_t row = 0; row < count; ++row) {
      Word words[block / 8];
      std::memcpy(words, rows + row * row_bytes + column, sizeof words);
      a |= words[0];
      b |= words[1];
      c |= words[2];
      d |= words[3];
    }
    const Word found[] = {a, b, c, d};
    std::memcpy(any + column, found, sizeof found);
  }
  std::fill(any + column, any + row_bytes, std::uint8_t(0));
  for (ptrdiff_t row = 0; row < count; ++row) {
    for (ptrdiff_t byte = column; byte < row_bytes; ++byte) any[byte] |= rows[row * row_bytes + byte];
  }
}

struct Marker {
  const std::uint8_t* mask;
  const Groups& groups;
  std::vector<Word>& fired;

  Word& word_of(ptrdiff_t unit) const { return fired[static_cast<std::size_t>(unit / word_bits)]; }

  // Everything from group `g` on.
  void mark(int g, ptrdiff_t bit, ptrdiff_t unit) const {
    const int left = groups.count - g;
    if (left == 0) return mark_units(mask, bit, 1, unit);
    const Group& group = groups.group[g];
    if (left == 1)
      return group.is_batch ? mark_unit(bit, group.length, unit) : mark_units(mask, bit, group.length, unit);
    if (left == 2 && group.is_batch) return mark_rows(bit, group.length, groups.group[g + 1].length, unit);
    for (ptrdiff_t i = 0; i < group.length; ++i) mark(g + 1, bit + i * group.bits, unit + i * group.units);
  }

  // A unit whose elements follow each other.
  void mark_unit(ptrdiff_t bit, ptrdiff_t count, ptrdiff_t unit) const {
    const Word one = Word(1) << unit % word_bits;
    if (word_of(unit) & one) return;
    for (ptrdiff_t i = 0; i < count; i += word_bits) {
      if (read_bits(mask, bit + i, std::min(count - i, word_bits))) {
        word_of(unit) |= one;
        return;
      }
    }
  }

  void mark_units(const std::uint8_t* bits, ptrdiff_t bit, ptrdiff_t count, ptrdiff_t unit) const {
    while (count > 0) {
      const ptrdiff_t n = std::min(count, word_bits - unit % word_bits);
      word_of(unit) |= read_bits(bits, bit, n) << unit % word_bits;
      bit += n;
      unit += n;
      count -= n;
    }
  }

  // Rows of units. So many of them are taken together that they end with a byte and are worth a vector.
  void mark_rows(ptrdiff_t bit, ptrdiff_t rows, ptrdiff_t length, ptrdiff_t unit) const {
    constexpr ptrdiff_t enough_bits = 512;
    ptrdiff_t together = 8 / std::gcd(length, ptrdiff_t(8));
    while (together * length < enough_bits) together *= 2;
    const ptrdiff_t times = bit % 8 ? 0 : rows / together;
    ptrdiff_t done = 0;
    if (times > 1) {
      std::vector<std::uint8_t> any(static_cast<std::size_t>(together * length / 8));
      fold_rows(mask + bit / 8, times, together * length / 8, any.data());
      for (ptrdiff_t row = 0; row < together; ++row) mark_units(any.data(), row * length, length, unit);
      done = times * together;
    }
    for (; done < rows; ++done) mark_units(mask, bit + done * length, length, unit);
  }
};

Groups groups_of(const MaskedArray& array, const bool* is_batch) {
  Groups groups;
  ptrdiff_t bits = 1, units = 1;
  for (int axis = array.ndim - 1; axis >= 0; --axis) {
    const ptrdiff_t length = array.shape[axis];
    if (groups.count && groups.group[groups.count - 1].is_batch == is_batch[axis]) {
      groups.group[groups.count - 1].length *= length;
    } else {
      groups.group[groups.count++] = {length, is_batch[axis], bits, is_batch[axis] ? 0 : units};
    }
    bits *= length;
    if (!is_batch[axis]) units *= length;
  }
  std::reverse(groups.group, groups.group + groups.count);
  return groups;
}

// False if the array has no such axis.
bool find_batch(int ndim, const std::vector<int>& batch_axes, bool* is_batch) {
  std::fill_n(is_batch, ndim, false);
  for (const int axis : batch_axes) {
    const int positive = axis < 0 ? axis + ndim : axis;
    if (positive < 0 || positive >= ndim) return false;
    is_batch[positive] = true;
  }
  return true;
}

// Eight bits as bytes: 1 where a bit is not set, the lowest first.
void spread_unset(Word bits, std::uint8_t* bytes, ptrdiff_t n) {
  const Word alone = (bits & 0xff) * 0x0101010101010101 & 0x8040201008040201;  // each in its own byte
  const Word unset = ((alone + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101) ^ 0x0101010101010101;
  for (ptrdiff_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(unset >> 8 * i);
}

ptrdiff_t count_bits(Word word) {
  word -= word >> 1 & 0x5555555555555555;
  word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<ptrdiff_t>(word * 0x0101010101010101 >> 56);
}

ptrdiff_t count_bits(const std::vector<Word>& words) {
  ptrdiff_t count = 0;
  for (const Word word : words) count += count_bits(word);
  return count;
}

}  // namespace

// Of arrays with these axes of units.
bool FiredUnits::takes(const ptrdiff_t* shape, int axes) {
  if (state_ == State::empty) {
    state_ = State::known;
    shape_.assign(shape, shape + axes);
    units_ = std::accumulate(shape, shape + axes, ptrdiff_t(1), std::multiplies<>());
    fired_.assign(static_cast<std::size_t>((units_ + word_bits - 1) / word_bits), 0);
  } else if (!std::equal(shape_.begin(), shape_.end(), shape, shape + axes)) {
    state_ = State::unknown;
  }
  return state_ == State::known;
}

void FiredUnits::note_if_all_fired() { all_fired_ = count_bits(fired_) == units_; }

void FiredUnits::add(const MaskedArray& array, const std::vector<int>& batch_axes) {
  bool is_batch[max_array_axes];
  if (!find_batch(array.ndim, batch_axes, is_batch)) state_ = State::unknown;
  if (state_ == State::unknown) return;
  ptrdiff_t shape[max_array_axes];
  int axes = 0;
  for (int axis = 0; axis < array.ndim; ++axis) {
    if (!is_batch[axis]) shape[axes++] = array.shape[axis];
  }
  const bool is_empty = std::find(array.shape, array.shape + array.ndim, 0) != array.shape + array.ndim;
  if (!takes(shape, axes) || all_fired_ || is_empty) return;
  Marker{array.mask, groups_of(array, is_batch), fired_}.mark(0, 0, 0);
  note_if_all_fired();
}

void FiredUnits::add(const FiredUnits& other) {
  if (other.state_ == State::unknown) state_ = State::unknown;
  if (other.state_ != State::known || state_ == State::unknown) return;
  if (!takes(other.shape_.data(), static_cast<int>(other.shape_.size()))) return;
  for (std::size_t i = 0; i < fired_.size(); ++i) fired_[i] |= other.fired_[i];
  note_if_all_fired();
}

void FiredUnits::list_dead(std::uint8_t* dead) const {
  ptrdiff_t unit = 0;
  const auto bits = [&] { return fired_[static_cast<std::size_t>(unit / word_bits)] >> unit % word_bits; };
  for (; unit + 8 <= units(); unit += 8) spread_unset(bits(), dead + unit, 8);
  if (unit < units()) spread_unset(bits(), dead + unit, units() - unit);
}

ptrdiff_t FiredUnits::dead() const { return state_ == State::known ? units_ - count_bits(fired_) : -1; }

}  // namespace fastrelu
