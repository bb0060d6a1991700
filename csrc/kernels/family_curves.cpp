// SPDX-License-Identifier: BSD-3-Clause
#include FASTRELU_SIMD
#include "rows.h"

namespace fastrelu::FASTRELU_ISA::rows {
constexpr Row squared_relu = row<SquaredRelu>();
constexpr Row squared_relu_backward = row<SquaredReluBackward>();
constexpr Row hardsigmoid = row<Hardsigmoid>();
constexpr Row hardsigmoid_backward = row<HardsigmoidBackward>();
constexpr Row hardswish = row<Hardswish>();
constexpr Row hardswish_backward = row<HardswishBackward>();
}  // namespace fastrelu::FASTRELU_ISA::rows
