// SPDX-License-Identifier: BSD-3-Clause
#include "unit_marker.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../contract/words.h"
#include "ufuncs.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;
using Word = UnitWord;

constexpr ptrdiff_t block_bytes = folded_bytes, block_bits = 8 * block_bytes;

// Without the checks for negative numbers that a division has.
std::size_t word_of(ptrdiff_t unit) { return static_cast<std::size_t>(unit) / word_bits; }
ptrdiff_t bit_of(ptrdiff_t unit) { return unit & (word_bits - 1); }

// Reads no byte beyond the last of the n bits; 0 < n <= 64.
Word read_bits(const std::uint8_t* bits, ptrdiff_t first, ptrdiff_t n) {
  const std::uint8_t* const p = bits + (first >> 3);
  const ptrdiff_t shift = first & 7, bytes = (shift + n + 7) / 8;
  if (shift == 0 && n == word_bits) return load_word(p);
  std::uint8_t copy[16] = {};
  std::memcpy(copy, p, static_cast<std::size_t>(bytes));
  const Word low = load_word(copy) >> shift, high = shift ? Word(copy[8]) << (word_bits - shift) : 0;
  return (low | high) & first_bits(n);
}

// Goes through some bits of a mask, of which the first is that of element `origin`.
class Marking {
 public:
  Marking(UnitMarker& marker, const std::uint8_t* bits, ptrdiff_t origin)
      : marker_(marker), groups_(marker.layout()->groups), bits_(bits), origin_(origin) {}

  // Elements [begin, end) of those from group g on, of which the first is `element` and of `unit`.
  void mark(std::size_t g, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t element, ptrdiff_t unit) {
    const std::size_t left = groups_.size() - g;
    if (left == 0) return mark_units(element, 1, unit);
    const UnitLayout::Group& group = groups_[g];
    if (left == 1 && group.is_batch) return mark_unit(element + begin, end - begin, unit);
    if (left == 1) return mark_units(element + begin, end - begin, unit + begin);
    if (left == 2 && group.is_batch) return mark_rows(begin, end, element, groups_[g + 1].length, unit);
    for (ptrdiff_t i = begin / group.elements; i * group.elements < end; ++i) {
      const ptrdiff_t first = i * group.elements;
      mark(g + 1, std::max<ptrdiff_t>(begin - first, 0), std::min(end - first, group.elements), element + first,
           unit + i * group.units);
    }
  }

 private:
  // A unit whose elements follow each other.
  void mark_unit(ptrdiff_t element, ptrdiff_t count, ptrdiff_t unit) {
    if (marker_.has_fired(unit)) return;
    for (ptrdiff_t i = 0; i < count; i += word_bits) {
      if (read_bits(bits_, element - origin_ + i, std::min(count - i, word_bits))) {
        return marker_.add(word_of(unit), Word(1) << bit_of(unit));
      }
    }
  }

  // Units whose elements follow each other.
  void mark_units(ptrdiff_t element, ptrdiff_t count, ptrdiff_t unit) {
    mark_units(bits_, element - origin_, count, unit);
  }

  void mark_units(const std::uint8_t* bits, ptrdiff_t bit, ptrdiff_t count, ptrdiff_t unit) {
    if (bit_of(unit) == 0 && (bit & 7) == 0) {
      for (; count >= word_bits; count -= word_bits, bit += word_bits, unit += word_bits) {
        marker_.add(word_of(unit), load_word(bits + bit / 8));
      }
    }
    while (count > 0) {
      const ptrdiff_t n = std::min(count, word_bits - bit_of(unit));
      marker_.add(word_of(unit), read_bits(bits, bit, n) << bit_of(unit));
      bit += n;
      unit += n;
      count -= n;
    }
  }

  // Elements [begin, end) of rows of units.
  void mark_rows(ptrdiff_t begin, ptrdiff_t end, ptrdiff_t element, ptrdiff_t length, ptrdiff_t unit) {
    const ptrdiff_t row = (begin + length - 1) / length, end_row = end / length;
    if (end_row < row) return mark_units(element + begin, end - begin, unit + begin % length);
    mark_units(element + begin, row * length - begin, unit + begin % length);
    mark_whole_rows(element + row * length, end_row - row, length, unit);
    mark_units(element + end_row * length, end - end_row * length, unit);
  }

  // So many rows are taken together that they end with a byte and fill a block.
  void mark_whole_rows(ptrdiff_t element, ptrdiff_t rows, ptrdiff_t length, ptrdiff_t unit) {
    for (; rows > 0 && (element - origin_) % 8; --rows, element += length) mark_units(element, length, unit);
    ptrdiff_t together = 8 / std::min<ptrdiff_t>(length & -length, 8);  // the lowest bit that is set
    while (together * length < block_bits) together *= 2;
    const ptrdiff_t times = rows / together;
    if (times > 1) {
      mark_blocks(bits_ + (element - origin_) / 8, times, together * length / 8, length, unit);
      rows -= times * together;
      element += times * together * length;
    }
    for (; rows > 0; --rows, element += length) mark_units(element, length, unit);
  }

  // Column by column; the last block may overlap with the one before.
  void mark_blocks(const std::uint8_t* rows, ptrdiff_t count, ptrdiff_t row_bytes, ptrdiff_t length, ptrdiff_t unit) {
    for (ptrdiff_t begin = 0; begin < row_bytes; begin += block_bytes) {
      const ptrdiff_t column = std::min(begin, row_bytes - block_bytes);
      std::uint8_t block[block_bytes];
      active_isa().fold_rows(rows + column, count, row_bytes, block);
      mark_block(block, column * 8 % length, length, unit);
    }
  }

  // The bits of rows that follow each other, from the one at `first` of a row on.
  void mark_block(const std::uint8_t* block, ptrdiff_t first, ptrdiff_t length, ptrdiff_t unit) {
    for (ptrdiff_t i = 0; i < block_bits; first = 0) {
      const ptrdiff_t n = std::min(block_bits - i, length - first);
      mark_units(block, i, n, unit + first);
      i += n;
    }
  }

  UnitMarker& marker_;
  const std::vector<UnitLayout::Group>& groups_;
  const std::uint8_t* const bits_;
  const ptrdiff_t origin_;
};

}  // namespace

UnitLayout::UnitLayout(const ArrayShape& array, const std::vector<int>& batch_axes)
    : array_shape_(array.axes, array.axes + array.ndim) {
  bool is_batch[max_array_axes] = {};
  for (const int axis : batch_axes) {
    const int positive = axis < 0 ? axis + array.ndim : axis;
    const bool exists = positive >= 0 && positive < array.ndim;
    has_batch &= exists;
    if (exists) is_batch[positive] = true;
  }
  for (int axis = array.ndim - 1; axis >= 0; --axis) {
    const ptrdiff_t length = array.axes[axis];
    if (!groups.empty() && groups.back().is_batch == is_batch[axis]) {
      groups.back().length *= length;
    } else if (length != 1) {
      groups.push_back({length, is_batch[axis], elements, is_batch[axis] ? 0 : units});
    }
    elements *= length;
    if (is_batch[axis]) continue;
    units *= length;
    shape.push_back(length);
  }
  std::reverse(groups.begin(), groups.end());
  std::reverse(shape.begin(), shape.end());
}

bool UnitLayout::is_of(const ArrayShape& array) const {
  return std::equal(array_shape_.begin(), array_shape_.end(), array.axes, array.axes + array.ndim);
}

UnitMarker::UnitMarker(std::shared_ptr<const UnitLayout> layout, const std::vector<Word>& known)
    : layout_(std::move(layout)), fired_(words_for(layout_->units)) {
  for (std::size_t i = 0; i < known.size(); ++i) fired_[i].store(known[i], std::memory_order_relaxed);
}

void UnitMarker::mark(ptrdiff_t begin, ptrdiff_t end, const std::uint8_t* bits) {
  if (begin < end) Marking(*this, bits, begin).mark(0, begin, end, 0, 0);
}

bool UnitMarker::add_to(std::vector<Word>& fired) const {
  bool all = true;
  ptrdiff_t left = layout_->units;
  for (std::size_t i = 0; i < fired.size(); ++i, left -= word_bits) {
    fired[i] |= fired_[i].load(std::memory_order_relaxed);
    all &= fired[i] == first_bits(std::min(left, word_bits));
  }
  return all;
}

bool UnitMarker::has_fired(ptrdiff_t unit) const {
  return fired_[word_of(unit)].load(std::memory_order_relaxed) >> bit_of(unit) & 1;
}

// Where there is no batch, each word belongs to one thread.
void UnitMarker::add(std::size_t word, Word bits) {
  std::atomic<Word>& fired = fired_[word];
  const Word before = fired.load(std::memory_order_relaxed);
  if ((bits & ~before) == 0) return;
  if (layout_->units == layout_->elements) {
    fired.store(before | bits, std::memory_order_relaxed);
  } else {
    fired.fetch_or(bits, std::memory_order_relaxed);
  }
}

}  // namespace fastrelu
