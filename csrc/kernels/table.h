// SPDX-License-Identifier: BSD-3-Clause
//
// Lists every kernel of the instruction set being compiled in its table: the rows of the families (families.h), and, made
// here, those of the functions that are no ufuncs. Included last, and only by isa_*.cpp. The table is
// constant-initialised: code compiled for a newer processor must not run at load time.
#pragma once

#include <cstdint>

#include "../contract/isa.h"
#include "count.h"
#include "families.h"
#include "fold.h"
#include "lookup.h"
#include "mask_loop.h"
#include "maxout.h"
#include "sum.h"

namespace fastrelu::FASTRELU_ISA {

template <template <class> class Each> constexpr void add_float_reductions(Reduction* (&row)[dtype_count]) {
  row[static_cast<int>(DType::float8)] = Each<Coded8>::reduce;
  row[static_cast<int>(DType::float16)] = Each<Half>::reduce;
  row[static_cast<int>(DType::bfloat16)] = Each<BFloat16>::reduce;
  row[static_cast<int>(DType::float32)] = Each<float>::reduce;
  row[static_cast<int>(DType::float64)] = Each<double>::reduce;
  row[static_cast<int>(DType::longdouble)] = Each<long double>::reduce;
}

template <template <class> class Each> constexpr void add_integer_reductions(Reduction* (&row)[dtype_count]) {
  row[static_cast<int>(DType::int8)] = Each<std::int8_t>::reduce;
  row[static_cast<int>(DType::uint8)] = Each<std::uint8_t>::reduce;
  row[static_cast<int>(DType::int16)] = Each<std::int16_t>::reduce;
  row[static_cast<int>(DType::uint16)] = Each<std::uint16_t>::reduce;
  row[static_cast<int>(DType::int32)] = Each<std::int32_t>::reduce;
  row[static_cast<int>(DType::uint32)] = Each<std::uint32_t>::reduce;
  row[static_cast<int>(DType::int64)] = Each<std::int64_t>::reduce;
  row[static_cast<int>(DType::uint64)] = Each<std::uint64_t>::reduce;
}

constexpr void add_reductions(Isa& isa) {
  add_integer_reductions<Sum>(isa.reductions[static_cast<int>(Reduce::sum)]);
  add_float_reductions<Sum>(isa.reductions[static_cast<int>(Reduce::sum)]);
  add_float_reductions<SlopeGradient>(isa.reductions[static_cast<int>(Reduce::slope_gradient)]);
  add_integer_reductions<ActiveCount>(isa.reductions[static_cast<int>(Reduce::active)]);
  add_float_reductions<ActiveCount>(isa.reductions[static_cast<int>(Reduce::active)]);
  isa.reductions[static_cast<int>(Reduce::bits)][static_cast<int>(DType::uint8)] = count_bits;
}

constexpr Isa make_table(const char* name) {
  Isa isa{name, {}, {}, {}, {}, {}, fold_rows};
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
  add_mask_kernels(isa);
  add_reductions(isa);
  add_look_up(isa);
  add_maxout(isa);
  return isa;
}

}  // namespace fastrelu::FASTRELU_ISA
