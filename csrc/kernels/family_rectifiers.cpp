// SPDX-License-Identifier: BSD-3-Clause
#include FASTRELU_SIMD
#include "rows.h"

namespace fastrelu::FASTRELU_ISA::rows {
constexpr Row relu = row<Relu>();
constexpr Row relu_derivative = row<ReluDerivative>();
constexpr Row relu_backward = row<ReluBackward>();
constexpr Row leaky_relu = row<LeakyRelu>();
constexpr Row leaky_relu_derivative = row<LeakyReluDerivative>();
constexpr Row leaky_relu_backward = row<LeakyReluBackward>();
}  // namespace fastrelu::FASTRELU_ISA::rows
