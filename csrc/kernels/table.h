// SPDX-License-Identifier: BSD-3-Clause
//
// Instantiates every kernel for the instruction set being compiled and lists them in its table. Included last, and only
// by isa_*.cpp. The table is constant-initialised: code compiled for a newer processor must not run at load time.
#pragma once

#include <cstdint>

#include "float8_loop.h"
#include "kernels.h"
#include "loop.h"

namespace fastrelu::FASTRELU_ISA {

template <class Op> constexpr void add_small_float_kernels(Kernel (&row)[dtype_count]) {
  row[static_cast<int>(DType::float16)] = kernel<Op, Half>();
  row[static_cast<int>(DType::bfloat16)] = kernel<Op, BFloat16>();
  row[static_cast<int>(DType::float8)] = {float8_loop<Op>, nullptr};
}

template <class Op> constexpr void add_float_kernels(Kernel (&row)[dtype_count]) {
  row[static_cast<int>(DType::float32)] = kernel<Op, float>();
  row[static_cast<int>(DType::float64)] = kernel<Op, double>();
  row[static_cast<int>(DType::longdouble)] = kernel<Op, long double>();
}

// Integers that are multiplied by integers, or added and then widened: no instruction set has it for all of them.
template <class Op, class T> constexpr Kernel integer_kernel() {
  if constexpr (Op::plain_for_integers) {
    return plain_kernel<Op, T>();
  } else {
    return kernel<Op, T>();
  }
}

template <class Op> constexpr void add_integer_kernels(Kernel (&row)[dtype_count]) {
  row[static_cast<int>(DType::int8)] = integer_kernel<Op, std::int8_t>();
  row[static_cast<int>(DType::uint8)] = integer_kernel<Op, std::uint8_t>();
  row[static_cast<int>(DType::int16)] = integer_kernel<Op, std::int16_t>();
  row[static_cast<int>(DType::uint16)] = integer_kernel<Op, std::uint16_t>();
  row[static_cast<int>(DType::int32)] = integer_kernel<Op, std::int32_t>();
  row[static_cast<int>(DType::uint32)] = integer_kernel<Op, std::uint32_t>();
  row[static_cast<int>(DType::int64)] = integer_kernel<Op, std::int64_t>();
  row[static_cast<int>(DType::uint64)] = integer_kernel<Op, std::uint64_t>();
}

template <class Function> constexpr void add(Isa& isa, Op op) {
  auto& row = isa.kernels[static_cast<int>(op)];
  add_integer_kernels<Function>(row);
  add_small_float_kernels<Function>(row);
  add_float_kernels<Function>(row);
}

constexpr Isa make_table(const char* name) {
  Isa isa{name, {}};
  add<Relu>(isa, Op::relu);
  add<ReluDerivative>(isa, Op::relu_derivative);
  add<ReluBackward>(isa, Op::relu_backward);
  add<LeakyRelu>(isa, Op::leaky_relu);
  add<LeakyReluDerivative>(isa, Op::leaky_relu_derivative);
  add<LeakyReluBackward>(isa, Op::leaky_relu_backward);
  add<AddRelu>(isa, Op::add_relu);
  add<AddLeakyRelu>(isa, Op::add_leaky_relu);
  add<ScaleShiftRelu>(isa, Op::scale_shift_relu);
  add<Relu6>(isa, Op::relu6);
  add<Relu6Backward>(isa, Op::relu6_backward);
  add<ClippedRelu>(isa, Op::clipped_relu);
  add<ClippedReluBackward>(isa, Op::clipped_relu_backward);
  add<Hardtanh>(isa, Op::hardtanh);
  add<HardtanhBackward>(isa, Op::hardtanh_backward);
  add<ThresholdedRelu>(isa, Op::thresholded_relu);
  add<ThresholdedReluBackward>(isa, Op::thresholded_relu_backward);
  add<Threshold>(isa, Op::threshold);
  add<SquaredRelu>(isa, Op::squared_relu);
  add<SquaredReluBackward>(isa, Op::squared_relu_backward);
  add<Hardsigmoid>(isa, Op::hardsigmoid);
  add<HardsigmoidBackward>(isa, Op::hardsigmoid_backward);
  add<Hardswish>(isa, Op::hardswish);
  add<HardswishBackward>(isa, Op::hardswish_backward);
  add<NegatedRelu>(isa, Op::negated_relu);
  add<CreluGradient>(isa, Op::crelu_gradient);
  add_integer_kernels<ReluQuantized>(isa.kernels[static_cast<int>(Op::relu_quantized)]);
  return isa;
}

}  // namespace fastrelu::FASTRELU_ISA
