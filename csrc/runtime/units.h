// SPDX-License-Identifier: BSD-3-Clause
//
// Units of a layer, and which of them fire: a unit is a place along the axes of an array that are not its batch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "../contract/reduction.h"

namespace fastrelu {

inline constexpr int max_array_axes = 64;  // NumPy's

// The shape of an array in C order. The axes are read at once and not kept: they are the array's own, which assigning to
// its shape moves.
struct ArrayShape {
  int ndim;
  const std::ptrdiff_t* axes;
};

// Where the units of an array lie.
class UnitLayout {
 public:
  // Neighbouring axes that are all batch or all units, as one.
  struct Group {
    std::ptrdiff_t length;
    bool is_batch;
    std::ptrdiff_t elements;  // from one to the next
    std::ptrdiff_t units;     // the same of units; 0 for batch
  };

  // Negative axes count from the last.
  UnitLayout(const ArrayShape& array, const std::vector<int>& batch_axes);

  bool is_of(const ArrayShape& array) const;

  bool has_batch = true;              // whether the array has all batch axes
  std::vector<std::ptrdiff_t> shape;  // of the units
  std::vector<Group> groups;          // at least one
  std::ptrdiff_t elements = 1, units = 1;

 private:
  std::vector<std::ptrdiff_t> array_shape_;
};

using UnitWord = std::uint64_t;  // a bit for each of 64 units, the first the lowest

// Marks the units that fire in one call.
class UnitMarker {
 public:
  // known: units recorded as fired, which are skipped; missing words count as 0. any_bits: the kernel of Reduce::any_bits.
  UnitMarker(std::shared_ptr<const UnitLayout> layout, const std::vector<UnitWord>& known, Reduction* any_bits);

  // Takes the bits of a mask for elements [begin, end), where `begin` is a multiple of 64. Several threads may do this at a
  // time, each for elements of its own.
  void mark(std::ptrdiff_t begin, std::ptrdiff_t end, const std::uint8_t* bits);

  // After all elements are marked:
  bool add_to(std::vector<UnitWord>& fired) const;  // sets the bits of units that fired; returns whether all units did
  void list_dead(std::uint8_t* dead) const;         // 1 for each unit that did not fire, 0 for each that did

 private:
  class Marking;

  bool has_fired(std::ptrdiff_t unit) const;
  void add(std::ptrdiff_t unit, UnitWord bits);

  std::shared_ptr<const UnitLayout> layout_;
  std::vector<std::atomic<UnitWord>> fired_;
  Reduction* any_bits_;
};

// The units of a layer that fired in any of its calls.
class FiredUnits {
 public:
  std::shared_ptr<const UnitLayout> layout_of(const ArrayShape& array, const std::vector<int>& batch_axes) const;

  // Marks an array of that layout; none if that can tell nothing new.
  std::optional<UnitMarker> marker(std::shared_ptr<const UnitLayout> layout, Reduction* any_bits) const;

  // Adds an array that is marked. In between nothing may have been cleared.
  void add(std::shared_ptr<const UnitLayout> layout, const std::optional<UnitMarker>& marked);
  void add(const FiredUnits& other);
  void forget() { is_unknown_ = true; }

  // -1 where they are unknown: nothing was added, arrays that lack a batch axis, or arrays of different units.
  std::ptrdiff_t units() const { return layout_ && !is_unknown_ ? layout_->units : -1; }
  std::ptrdiff_t dead() const;

 private:
  bool takes(std::shared_ptr<const UnitLayout> layout);

  std::shared_ptr<const UnitLayout> layout_;  // of the last array, or null
  bool is_unknown_ = false;
  std::vector<UnitWord> fired_;  // empty until something is marked: arrays of no elements may have any number of units
  bool all_fired_ = false;
};

}  // namespace fastrelu
