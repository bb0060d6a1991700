// SPDX-License-Identifier: BSD-3-Clause
#include "units.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../contract/words.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;
using Word = UnitWord;

constexpr ptrdiff_t block_bits = 8 * any_bits_block;

// Without the checks for negative numbers that a division has.
std::size_t word_of(ptrdiff_t unit) { return static_cast<std::size_t>(unit) / word_bits; }
ptrdiff_t bit_of(ptrdiff_t unit) { return unit & (word_bits - 1); }

std::size_t words_for(ptrdiff_t units) { return word_of(units) + (bit_of(units) != 0); }

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

// Bytes of the lowest eight bits: 1 where a bit is not set.
Word spread_unset(Word bits) {
  const Word alone = (bits & 0xff) * 0x0101010101010101 & 0x8040201008040201;  // each in its own byte
  return ((alone + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101) ^ 0x0101010101010101;
}

}  // namespace

// One call of mark().
class UnitMarker::Marking {
 public:
  Marking(UnitMarker& marker, const std::uint8_t* bits, ptrdiff_t origin)
      : marker_(marker), groups_(marker.layout_->groups), bits_(bits), origin_(origin) {}

  // Marks elements [begin, end) of those from group g on, of which the first is `element` and belongs to `unit`.
  void mark(std::size_t g, ptrdiff_t begin, ptrdiff_t end, ptrdiff_t element, ptrdiff_t unit) {
    const std::size_t left = groups_.size() - g;
    const UnitLayout::Group& group = groups_[g];
    const ptrdiff_t bit = element + begin - origin_, count = end - begin;
    if (left == 1 && group.is_batch) return mark_unit(bit, count, unit);
    if (left == 1) return mark_units(bits_, bit, count, unit + begin);
    if (left == 2 && group.is_batch) return mark_rows(bit, count, {unit, groups_[g + 1].length}, begin);
    for (ptrdiff_t i = begin / group.elements; i * group.elements < end; ++i) {
      const ptrdiff_t first = i * group.elements;
      mark(g + 1, std::max<ptrdiff_t>(begin - first, 0), std::min(end - first, group.elements), element + first,
           unit + i * group.units);
    }
  }

 private:
  // The units of each of many rows.
  struct RowUnits {
    ptrdiff_t first, count;
  };

  // Bits of a single unit.
  void mark_unit(ptrdiff_t bit, ptrdiff_t count, ptrdiff_t unit) {
    if (marker_.has_fired(unit)) return;
    for (ptrdiff_t i = 0; i < count; i += word_bits) {
      if (read_bits(bits_, bit + i, std::min(count - i, word_bits))) {
        return marker_.add(unit, Word(1) << bit_of(unit));
      }
    }
  }

  // Bits of units that follow each other.
  void mark_units(const std::uint8_t* bits, ptrdiff_t bit, ptrdiff_t count, ptrdiff_t unit) {
    if (bit_of(unit) == 0 && (bit & 7) == 0) {
      for (; count >= word_bits; count -= word_bits, bit += word_bits, unit += word_bits) {
        marker_.add(unit, load_word(bits + bit / 8));
      }
    }
    while (count > 0) {
      const ptrdiff_t n = std::min(count, word_bits - bit_of(unit));
      marker_.add(unit, read_bits(bits, bit, n) << bit_of(unit));
      bit += n;
      unit += n;
      count -= n;
    }
  }

  // Bits of rows that follow each other, one row at a time. The first bit is that of element i of a row, or of all rows.
  void mark_each_row(const std::uint8_t* bits, ptrdiff_t bit, ptrdiff_t count, RowUnits units, ptrdiff_t i) {
    for (i %= units.count; count > 0; i = 0) {
      const ptrdiff_t n = std::min(count, units.count - i);
      mark_units(bits, bit, n, units.first + i);
      bit += n;
      count -= n;
    }
  }

  // The same for many rows. As many of them are taken together as end with a byte and fill a block; of these, all that there
  // are become one, block by block. The last block may overlap with the one before.
  void mark_rows(ptrdiff_t bit, ptrdiff_t count, RowUnits units, ptrdiff_t i) {
    const ptrdiff_t before = std::min(-bit & 7, count);  // up to a whole byte
    mark_each_row(bits_, bit, before, units, i);
    bit += before;
    count -= before;
    i += before;
    ptrdiff_t together = units.count * (8 / std::min<ptrdiff_t>(units.count & -units.count, 8));
    while (together < block_bits) together *= 2;
    const ptrdiff_t times = count / together, bytes = together / 8;
    if (times > 1) {
      for (ptrdiff_t begin = 0; begin < bytes; begin += any_bits_block) {
        const ptrdiff_t column = std::min(begin, bytes - any_bits_block);
        const char* const first = reinterpret_cast<const char*>(bits_) + bit / 8 + column;
        std::uint8_t block[any_bits_block];
        marker_.any_bits_({first, nullptr, reinterpret_cast<char*>(block), times, bytes, any_bits_block, 1}, nullptr);
        mark_each_row(block, 0, block_bits, units, i + column * 8);
      }
      bit += times * together;
      count -= times * together;
    }
    mark_each_row(bits_, bit, count, units, i);
  }

  UnitMarker& marker_;
  const std::vector<UnitLayout::Group>& groups_;
  const std::uint8_t* const bits_;
  const ptrdiff_t origin_;  // the element of the first bit
};

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
  if (groups.empty()) groups.push_back({1, true, 1, 0});
  std::reverse(groups.begin(), groups.end());
  std::reverse(shape.begin(), shape.end());
}

bool UnitLayout::is_of(const ArrayShape& array) const {
  return std::equal(array_shape_.begin(), array_shape_.end(), array.axes, array.axes + array.ndim);
}

UnitMarker::UnitMarker(std::shared_ptr<const UnitLayout> layout, const std::vector<Word>& known, Reduction* any_bits)
    : layout_(std::move(layout)), fired_(words_for(layout_->units)), any_bits_(any_bits) {
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

void UnitMarker::list_dead(std::uint8_t* dead) const {
  ptrdiff_t unit = 0;
  for (; unit + 8 <= layout_->units; unit += 8) {
    store_word(dead + unit, spread_unset(fired_[word_of(unit)].load(std::memory_order_relaxed) >> bit_of(unit)));
  }
  for (; unit < layout_->units; ++unit) dead[unit] = !has_fired(unit);
}

bool UnitMarker::has_fired(ptrdiff_t unit) const {
  return fired_[word_of(unit)].load(std::memory_order_relaxed) >> bit_of(unit) & 1;
}

// Adds to the word of that unit. Where there is no batch, each word belongs to one thread.
void UnitMarker::add(ptrdiff_t unit, Word bits) {
  std::atomic<Word>& fired = fired_[word_of(unit)];
  const Word before = fired.load(std::memory_order_relaxed);
  if ((bits & ~before) == 0) return;
  if (layout_->units == layout_->elements) {
    fired.store(before | bits, std::memory_order_relaxed);
  } else {
    fired.fetch_or(bits, std::memory_order_relaxed);
  }
}

std::shared_ptr<const UnitLayout> FiredUnits::layout_of(const ArrayShape& array,
                                                        const std::vector<int>& batch_axes) const {
  if (layout_ && layout_->is_of(array)) return layout_;
  return std::make_shared<const UnitLayout>(array, batch_axes);
}

std::optional<UnitMarker> FiredUnits::marker(std::shared_ptr<const UnitLayout> layout, Reduction* any_bits) const {
  if (is_unknown_ || all_fired_ || !layout->has_batch || layout->elements == 0) return {};
  if (layout_ && layout_->shape != layout->shape) return {};
  return UnitMarker(std::move(layout), fired_, any_bits);
}

void FiredUnits::add(std::shared_ptr<const UnitLayout> layout, const std::optional<UnitMarker>& marked) {
  if (!takes(std::move(layout)) || !marked) return;
  fired_.resize(words_for(layout_->units));
  all_fired_ = marked->add_to(fired_);
}

void FiredUnits::add(const FiredUnits& other) {
  is_unknown_ |= other.is_unknown_;
  if (!other.layout_ || !takes(other.layout_)) return;
  fired_.resize(std::max(fired_.size(), other.fired_.size()));
  for (std::size_t i = 0; i < other.fired_.size(); ++i) fired_[i] |= other.fired_[i];
  all_fired_ = dead() == 0;
}

// Whether these are the units of all arrays so far.
bool FiredUnits::takes(std::shared_ptr<const UnitLayout> layout) {
  is_unknown_ |= !layout->has_batch || (layout_ && layout_->shape != layout->shape);
  layout_ = std::move(layout);
  return !is_unknown_;
}

ptrdiff_t FiredUnits::dead() const {
  ptrdiff_t fired = 0;
  for (const Word word : fired_) fired += population(word);
  return units() < 0 ? -1 : units() - fired;
}

}  // namespace fastrelu
