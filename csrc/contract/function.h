// SPDX-License-Identifier: BSD-3-Clause
//
// The functions that kernels compute element by element, each of them a ufunc.
#pragma once

#include "dtype.h"

namespace fastrelu {

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

}  // namespace fastrelu
