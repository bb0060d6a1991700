// SPDX-License-Identifier: BSD-3-Clause
#include FASTRELU_SIMD
#include "rows.h"

namespace fastrelu::FASTRELU_ISA::rows {
constexpr Row relu6 = row<Relu6>();
constexpr Row relu6_backward = row<Relu6Backward>();
constexpr Row clipped_relu = row<ClippedRelu>();
constexpr Row clipped_relu_backward = row<ClippedReluBackward>();
constexpr Row hardtanh = row<Hardtanh>();
constexpr Row hardtanh_backward = row<HardtanhBackward>();
constexpr Row thresholded_relu = row<ThresholdedRelu>();
constexpr Row thresholded_relu_backward = row<ThresholdedReluBackward>();
constexpr Row threshold = row<Threshold>();
constexpr Row relu_quantized = integer_row<ReluQuantized>();
}  // namespace fastrelu::FASTRELU_ISA::rows
