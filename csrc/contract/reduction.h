// SPDX-License-Identifier: BSD-3-Clause
//
// The contract of kernels that make one of many elements: sums and counts.
#pragma once

#include <cstddef>

#include "dtype.h"

namespace fastrelu {

// What is made (sum.h, count.h), and the type of its totals. any_bits takes any_bits_block bytes of each row, of which there
// must be one, whatever its runs; it overwrites as many bytes of totals by the bits that are set in any row.
enum class Reduce { sum, squares, slope_gradient, active, bits, any_bits };
inline constexpr int reduce_count = static_cast<int>(Reduce::any_bits) + 1;
inline constexpr std::ptrdiff_t any_bits_block = 64;

constexpr DType total_dtype(Reduce reduce, DType x) {
  const bool counts = reduce == Reduce::active || reduce == Reduce::bits;
  if (counts || x == DType::int8 || x == DType::int16 || x == DType::int32 || x == DType::int64) return DType::int64;
  if (x == DType::uint8 || x == DType::uint16 || x == DType::uint32 || x == DType::uint64) return DType::uint64;
  return x == DType::longdouble ? x : DType::float64;
}

// Rows that are row_step bytes apart, each of `runs` runs of `length` elements that follow each other. totals[run] grows by
// the total of that run of every row, in the order of the rows.
struct ReductionTile {
  const char* values;  // what is summed or counted, or the gradient
  const char* x;       // for slope gradients
  char* totals;
  std::ptrdiff_t rows, row_step, runs, length;
};
using Reduction = void(const ReductionTile& tile, const void* data);

// Runs are summed in blocks of so many elements, and rows by the runtime in blocks of so many rows: a total is the same
// however the work is shared.
inline constexpr std::ptrdiff_t sum_block = 512;

}  // namespace fastrelu
