// SPDX-License-Identifier: BSD-3-Clause
#include FASTRELU_SIMD
#include "rows.h"

namespace fastrelu::FASTRELU_ISA::rows {
constexpr Row add_relu = row<AddRelu>();
constexpr Row add_leaky_relu = row<AddLeakyRelu>();
constexpr Row scale_shift_relu = row<ScaleShiftRelu>();
constexpr Row negated_relu = row<NegatedRelu>();
constexpr Row crelu_gradient = row<CreluGradient>();
}  // namespace fastrelu::FASTRELU_ISA::rows
