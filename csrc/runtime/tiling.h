// SPDX-License-Identifier: BSD-3-Clause
//
// A nest cut into tiles of rows times columns that fit the cache. A kernel reads an operand in place where it can, row by row
// or, where the rows follow each other, the whole tile at once. Other operands are packed: copied into a dense buffer, or,
// for the output, from one.
#pragma once

#include "nest.h"
#include "parallel.h"
#include "strided_copy.h"

namespace fastrelu {

// The most that all packed operands of a tile take together.
inline constexpr std::ptrdiff_t buffer_bytes = 64 * 1024;

class Tiling {
 public:
  // The nest must be simplified, and live as long. dense_inputs: as in walk.h.
  Tiling(const Nest& nest, int dense_inputs);

  // Chooses the size of the tiles. bytes_at_once: the bytes that a tile should read and write if nothing is packed.
  void cut(std::ptrdiff_t bytes_at_once);

  int column_axis;
  int row_axis;        // -1 where there is only one axis
  bool whole;          // one kernel call a tile, not one a row
  bool is_transposed;  // some array is dense along the rows
  bool packed[max_operands] = {};
  std::ptrdiff_t rows, columns, row_blocks, column_blocks, tiles;  // by cut
  std::ptrdiff_t bytes_per_buffer = 0;                             // 0: nothing is packed
  std::ptrdiff_t largest_packed = 0;                               // bytes of an element

  std::ptrdiff_t length(int axis) const { return axis < 0 ? 1 : nest_.shape[axis]; }
  Steps steps_of(const Operand& operand) const {
    return {row_axis < 0 ? 0 : operand.strides[row_axis], operand.strides[column_axis]};
  }
  bool packs_any() const { return bytes_per_buffer != 0; }

 private:
  bool may_be_broadcast(int o) const { return o >= dense_inputs_ && o < nest_.operands - 1; }
  bool is_repeated(int o) const;
  bool is_ready(int o) const;
  bool runs_on(int o) const;
  template <class Predicate> bool all_arrays(Predicate is_true) const;
  bool all_packed() const;
  int choose_row_axis() const;
  bool has_transposed() const;
  void choose_calls();
  void choose_buffers();
  void choose_size(std::ptrdiff_t bytes_at_once);

  const Nest& nest_;
  const int dense_inputs_;
};

// Where a tile lies, and its size: the last ones are smaller.
struct Place {
  char* data[max_operands];
  std::ptrdiff_t rows, columns;
};

Place place_of(std::ptrdiff_t tile, const Nest& nest, const Tiling& tiling);

}  // namespace fastrelu
