// SPDX-License-Identifier: BSD-3-Clause
//
// The contract of functions that make or take a mask: one bit an element, the first in the lowest bit of the first byte
// (np.packbits with bitorder="little"); the unused bits of the last byte are 0. Operands are dense.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dtype.h"

namespace fastrelu {

// The mask of relu is keep(x), that of leaky_relu positive(x); those that add look at the rounded sum instead of x. `keep`
// and `positive` make a mask and no result.
enum class MaskOp { relu, leaky_relu, add_relu, add_leaky_relu, relu_backward, leaky_relu_backward, keep, positive };
inline constexpr int mask_op_count = static_cast<int>(MaskOp::positive) + 1;
constexpr bool adds(MaskOp op) { return op == MaskOp::add_relu || op == MaskOp::add_leaky_relu; }
constexpr bool multiplies(MaskOp op) {
  return op == MaskOp::leaky_relu || op == MaskOp::add_leaky_relu || op == MaskOp::leaky_relu_backward;
}

// How many times longer a byte takes than it takes relu on float32. relu's gradient passes bytes on; other floats of one
// byte are looked up.
constexpr int weight_of(MaskOp op, DType dtype) {
  if (op == MaskOp::relu_backward && dtype == DType::float8) return 1;
  return multiplies(op) || adds(op) ? weights_of(dtype).computes : weights_of(dtype).selects;
}

// The output is an input exactly, or overlaps no operand; the mask overlaps none.
struct MaskCall {
  const char* in;     // x, or the gradient
  const void* slope;  // one number of the slope's type, or null
  char* out;          // null for what makes nothing but bits
  std::uint8_t* mask;
  std::ptrdiff_t n;
  const void* data;              // a Float8 for floats of one byte
  const char* addend = nullptr;  // n elements, for what adds
};

// What a forward function tells of its elements.
struct Found {
  std::ptrdiff_t active;  // bits that are set
  bool nan;               // whether a result is NaN; of what makes nothing but bits, an element
};

using MaskLoop = Found(const MaskCall&);

// As Kernel (contract/kernel.h).
struct MaskKernel {
  MaskLoop* cached;
  MaskLoop* streaming;
};

}  // namespace fastrelu
