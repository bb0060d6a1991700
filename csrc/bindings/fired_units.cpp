// SPDX-License-Identifier: BSD-3-Clause
#include "fired_units.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "../contract/words.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;
using Word = UnitWord;

// Eight bits as bytes: 1 where a bit is not set, the lowest first.
void spread_unset(Word bits, std::uint8_t* bytes, ptrdiff_t n) {
  const Word alone = (bits & 0xff) * 0x0101010101010101 & 0x8040201008040201;  // each in its own byte
  const Word unset = ((alone + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101) ^ 0x0101010101010101;
  for (ptrdiff_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(unset >> 8 * i);
}

ptrdiff_t count_bits(const std::vector<Word>& words) {
  ptrdiff_t count = 0;
  for (const Word word : words) count += population(word);
  return count;
}

}  // namespace

std::shared_ptr<const UnitLayout> FiredUnits::layout_of(const ArrayShape& array,
                                                        const std::vector<int>& batch_axes) const {
  if (layout_ && layout_->is_of(array)) return layout_;
  return std::make_shared<const UnitLayout>(array, batch_axes);
}

std::optional<UnitMarker> FiredUnits::marker(std::shared_ptr<const UnitLayout> layout) const {
  if (state_ == State::unknown || all_fired_) return {};
  if (!layout->has_batch || layout->elements == 0) return {};
  if (state_ == State::known && layout->shape != shape_) return {};
  return UnitMarker(std::move(layout), fired_);
}

void FiredUnits::add(std::shared_ptr<const UnitLayout> layout, const std::optional<UnitMarker>& marked) {
  if (!layout->has_batch) state_ = State::unknown;
  if (takes(layout->shape) && marked) {
    fired_.resize(words_for(units_));
    all_fired_ = marked->add_to(fired_);
  }
  layout_ = std::move(layout);
}

void FiredUnits::add(const FiredUnits& other) {
  if (other.state_ == State::unknown) state_ = State::unknown;
  if (other.state_ != State::known || !takes(other.shape_)) return;
  fired_.resize(std::max(fired_.size(), other.fired_.size()));
  for (std::size_t i = 0; i < other.fired_.size(); ++i) fired_[i] |= other.fired_[i];
  all_fired_ = count_bits(fired_) == units_;
}

// Of arrays with these axes of units.
bool FiredUnits::takes(const std::vector<ptrdiff_t>& shape) {
  if (state_ == State::empty) {
    shape_ = shape;
    units_ = std::accumulate(shape.begin(), shape.end(), ptrdiff_t(1), std::multiplies<>());
    state_ = State::known;
  } else if (shape_ != shape) {
    state_ = State::unknown;
  }
  return state_ == State::known;
}

void FiredUnits::list_dead(std::uint8_t* dead) const {
  if (fired_.empty()) std::fill_n(dead, units(), std::uint8_t(1));
  if (fired_.empty()) return;
  ptrdiff_t unit = 0;
  const auto bits = [&] { return fired_[static_cast<std::size_t>(unit / word_bits)] >> unit % word_bits; };
  for (; unit + 8 <= units(); unit += 8) spread_unset(bits(), dead + unit, 8);
  if (unit < units()) spread_unset(bits(), dead + unit, units() - unit);
}

ptrdiff_t FiredUnits::dead() const { return state_ == State::known ? units_ - count_bits(fired_) : -1; }

}  // namespace fastrelu
