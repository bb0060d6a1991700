// SPDX-License-Identifier: BSD-3-Clause
//
// Which units of a layer have ever fired.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "unit_marker.h"

namespace fastrelu {

class FiredUnits {
 public:
  // Where the units of an array lie. The batch must be the same each time; negative axes count from the last; arrays that
  // have no such axis have no units.
  std::shared_ptr<const UnitLayout> layout_of(const ArrayShape& array, const std::vector<int>& batch_axes) const;

  // For what fires in an array; none if that can tell nothing new.
  std::optional<UnitMarker> marker(std::shared_ptr<const UnitLayout> layout) const;
  std::optional<UnitMarker> marker(const ArrayShape& array, const std::vector<int>& batch_axes) const {
    return marker(layout_of(array, batch_axes));
  }

  // When all of the array is marked. In between nothing may have been cleared.
  void add(std::shared_ptr<const UnitLayout> layout, const std::optional<UnitMarker>& marked);
  void add(const ArrayShape& array, const std::vector<int>& batch_axes, const std::optional<UnitMarker>& marked) {
    add(layout_of(array, batch_axes), marked);
  }
  void add(const FiredUnits& other);
  void forget() { state_ = State::unknown; }

  // -1 where they are unknown: nothing was added, arrays without units, or of different ones.
  std::ptrdiff_t units() const { return state_ == State::known ? units_ : -1; }
  std::ptrdiff_t dead() const;
  void list_dead(std::uint8_t* dead) const;  // 1 or 0 for each unit

 private:
  enum class State { empty, known, unknown };

  bool takes(const std::vector<std::ptrdiff_t>& shape);

  State state_ = State::empty;
  std::vector<std::ptrdiff_t> shape_;  // of the units
  std::ptrdiff_t units_ = 0;
  std::vector<UnitWord> fired_;  // empty until something is marked: arrays of no elements may have any number of units
  bool all_fired_ = false;
  std::shared_ptr<const UnitLayout> layout_;  // of the last array
};

}  // namespace fastrelu
