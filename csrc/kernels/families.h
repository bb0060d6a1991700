// SPDX-License-Identifier: BSD-3-Clause
//
// The rows of the instruction set being compiled. Each family of functions is a unit of its own, family_*.cpp, compiled
// once per instruction set, as one unit for all would take a compiler minutes.
#pragma once

#include "../contract/kernel.h"

namespace fastrelu::FASTRELU_ISA::rows {

// family_rectifiers.cpp
extern const Row relu, relu_derivative, relu_backward, leaky_relu, leaky_relu_derivative, leaky_relu_backward;

// family_fused.cpp
extern const Row add_relu, add_leaky_relu, scale_shift_relu, negated_relu, crelu_gradient;

// family_bounded.cpp
extern const Row relu6, relu6_backward, clipped_relu, clipped_relu_backward, hardtanh, hardtanh_backward,
    thresholded_relu, thresholded_relu_backward, threshold, relu_quantized;

// family_curves.cpp
extern const Row squared_relu, squared_relu_backward, hardsigmoid, hardsigmoid_backward, hardswish, hardswish_backward;

}  // namespace fastrelu::FASTRELU_ISA::rows
