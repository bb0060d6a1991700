// SPDX-License-Identifier: BSD-3-Clause
//
// Which units fire in one call: a unit is a place along the axes of an array that are not its batch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace fastrelu {

inline constexpr int max_array_axes = 64;  // NumPy's

// Of an array in C order. The axes are the array's own, which another shape moves: they are read at once, not kept.
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

  bool has_batch = true;              // all its axes
  std::vector<std::ptrdiff_t> shape;  // of the units
  std::vector<Group> groups;
  std::ptrdiff_t elements = 1, units = 1;

 private:
  std::vector<std::ptrdiff_t> array_shape_;
};

// Units as bits, the first the lowest.
using UnitWord = std::uint64_t;
inline std::size_t words_for(std::ptrdiff_t units) { return static_cast<std::size_t>(units / 64 + (units % 64 != 0)); }

class UnitMarker {
 public:
  // Of units that are known to have fired nothing is asked any more. Fewer words: the others are 0.
  UnitMarker(std::shared_ptr<const UnitLayout> layout, const std::vector<UnitWord>& known);

  // The bits of a mask for elements [begin, end). Several threads at a time may do this, each for elements of its own, of
  // which the first is a multiple of 64.
  void mark(std::ptrdiff_t begin, std::ptrdiff_t end, const std::uint8_t* bits);

  // When all is marked: sets the bits of what fired, and returns whether these are all units.
  bool add_to(std::vector<UnitWord>& fired) const;
  const std::shared_ptr<const UnitLayout>& layout() const { return layout_; }

  bool has_fired(std::ptrdiff_t unit) const;
  void add(std::size_t word, UnitWord bits);

 private:
  std::shared_ptr<const UnitLayout> layout_;
  std::vector<std::atomic<UnitWord>> fired_;
};

}  // namespace fastrelu
