// SPDX-License-Identifier: BSD-3-Clause
//
// Lists every kernel of the instruction set being compiled in its table. Included last, and only by isa_*.cpp. The table
// is constant-initialised: code compiled for a newer processor must not run at load time.
#pragma once

#include "families.h"
#include "kernels.h"

namespace fastrelu::FASTRELU_ISA {

constexpr Isa make_table(const char* name) {
  Isa isa{name, {}};
  const auto add = [&isa](Op op, const Row& row) { isa.rows[static_cast<int>(op)] = &row; };
  add(Op::relu, rows::relu);
  add(Op::relu_derivative, rows::relu_derivative);
  add(Op::relu_backward, rows::relu_backward);
  add(Op::leaky_relu, rows::leaky_relu);
  add(Op::leaky_relu_derivative, rows::leaky_relu_derivative);
  add(Op::leaky_relu_backward, rows::leaky_relu_backward);
  add(Op::add_relu, rows::add_relu);
  add(Op::add_leaky_relu, rows::add_leaky_relu);
  add(Op::scale_shift_relu, rows::scale_shift_relu);
  add(Op::relu6, rows::relu6);
  add(Op::relu6_backward, rows::relu6_backward);
  add(Op::clipped_relu, rows::clipped_relu);
  add(Op::clipped_relu_backward, rows::clipped_relu_backward);
  add(Op::hardtanh, rows::hardtanh);
  add(Op::hardtanh_backward, rows::hardtanh_backward);
  add(Op::thresholded_relu, rows::thresholded_relu);
  add(Op::thresholded_relu_backward, rows::thresholded_relu_backward);
  add(Op::threshold, rows::threshold);
  add(Op::squared_relu, rows::squared_relu);
  add(Op::squared_relu_backward, rows::squared_relu_backward);
  add(Op::hardsigmoid, rows::hardsigmoid);
  add(Op::hardsigmoid_backward, rows::hardsigmoid_backward);
  add(Op::hardswish, rows::hardswish);
  add(Op::hardswish_backward, rows::hardswish_backward);
  add(Op::negated_relu, rows::negated_relu);
  add(Op::crelu_gradient, rows::crelu_gradient);
  add(Op::relu_quantized, rows::relu_quantized);
  return isa;
}

}  // namespace fastrelu::FASTRELU_ISA
