// SPDX-License-Identifier: BSD-3-Clause
//
// The contract between the kernels and everything else: which functions there are, for which dtypes, and what one
// instruction set provides. A kernel is a NumPy ufunc inner loop, so no adaptor stands between the two.
#pragma once

#include <cstddef>

namespace fastrelu {

// args: inputs (arrays first, then parameters such as a slope), then the output. dimensions[0]: number of elements. steps:
// bytes from one element to the next, per operand. data: a Float8 for loops over floats of one byte. Every pointer is
// aligned to its element. NumPy leaves three kinds of overlap to the loop. The output may be an input (exactly). It may lie
// before an input in memory: walk forward, load before you store. And in ufunc.accumulate the output of two inputs lies
// one element after the first input, so that each result is the first input of the next one.
using Loop = void(char** args, const std::ptrdiff_t* dimensions, const std::ptrdiff_t* steps, void* data);

// clang-format off
enum class Op {
  relu, relu_derivative, relu_backward, leaky_relu, leaky_relu_derivative, leaky_relu_backward,
  add_relu, add_leaky_relu, scale_shift_relu,
  relu6, relu6_backward, clipped_relu, clipped_relu_backward, hardtanh, hardtanh_backward,
  thresholded_relu, thresholded_relu_backward, threshold,
  squared_relu, squared_relu_backward, hardsigmoid, hardsigmoid_backward, hardswish, hardswish_backward,
  negated_relu, crelu_gradient, relu_quantized,
};
// clang-format on
inline constexpr int op_count = 27;
inline constexpr int max_operands = 5;  // a gradient, x, two parameters, the output

// float8 stands for every dtype of one byte that a Float8 (float8.h) describes; its loops take one as their data.
// clang-format off
enum class DType {
  int8, uint8, int16, uint16, int32, uint32, int64, uint64,
  float8, float16, bfloat16, float32, float64, longdouble,
};
// clang-format on
inline constexpr int dtype_count = 14;

// What a function does to numbers, which decides its types and what it may report.
enum class Arithmetic {
  selects,     // passes bits on or replaces them: never reports anything; parameters and result are of the arrays' type
  adds,        // step by step in the arrays' type, integers too
  multiplies,  // in the slope's type, rounded once; integers give float64
};

// The type of the slope, and of a leaky function's result: x's own, but for these.
constexpr DType slope_dtype(DType x) {
  switch (x) {
    case DType::float16:
    case DType::bfloat16:
    case DType::float8: return DType::float32;
    case DType::float32:
    case DType::float64:
    case DType::longdouble: return x;
    default: return DType::float64;
  }
}

constexpr DType parameter_dtype(Arithmetic arithmetic, DType x) {
  return arithmetic == Arithmetic::multiplies ? slope_dtype(x) : x;
}

// One function for one dtype. `streaming` writes past the caches where the operands are dense: it spares the result's lines
// from being read first, and the caches from being filled with what nobody reads soon. Its output must not overlap an
// input. Null: as `cached`.
struct Kernel {
  Loop* cached;
  Loop* streaming;
};

// One function for every dtype. A null entry means that it has no loop for that one.
struct Row {
  Kernel kernels[dtype_count];
};

}  // namespace fastrelu
