// SPDX-License-Identifier: BSD-3-Clause
//
// Which units of a layer have ever fired, from masks: a unit is a place along the axes of an array that are not its
// batch. Knows nothing of Python or NumPy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastrelu {

inline constexpr int max_array_axes = 64;  // NumPy's

// A mask of an array in C order.
struct MaskedArray {
  const std::uint8_t* mask;
  int ndim;
  const std::ptrdiff_t* shape;
};

class FiredUnits {
 public:
  // Negative axes count from the last. Arrays that have no such axis have no units.
  void add(const MaskedArray& array, const std::vector<int>& batch_axes);
  void add(const FiredUnits& other);
  void clear() { *this = FiredUnits(); }

  // -1 where they are unknown: nothing was added, arrays without units, or of different ones.
  std::ptrdiff_t units() const { return state_ == State::known ? units_ : -1; }
  std::ptrdiff_t dead() const;
  void list_dead(std::uint8_t* dead) const;  // 1 or 0 for each unit

 private:
  enum class State { empty, known, unknown };

  bool takes(const std::ptrdiff_t* shape, int axes);
  void note_if_all_fired();

  State state_ = State::empty;
  std::vector<std::ptrdiff_t> shape_;  // of the units
  std::ptrdiff_t units_ = 0;
  std::vector<std::uint64_t> fired_;  // one bit a unit
  bool all_fired_ = false;
};

}  // namespace fastrelu
