// SPDX-License-Identifier: BSD-3-Clause
//
// Instantiates every loop for the instruction set being compiled and lists them in its table. Included last, and only
// by isa_*.cpp. The table is constant-initialised: code compiled for a newer processor must not run at load time.
#pragma once

#include <cstdint>

#include "float8_loop.h"
#include "kernels.h"
#include "loop.h"

namespace fastrelu::FASTRELU_ISA {

template <class Op> constexpr void add_small_float_loops(Loop* (&row)[dtype_count]) {
  row[static_cast<int>(DType::float16)] = loop<Op, Half>;
  row[static_cast<int>(DType::bfloat16)] = loop<Op, BFloat16>;
  row[static_cast<int>(DType::float8)] = float8_loop<Op>;
}

template <class Op> constexpr void add_float_loops(Loop* (&row)[dtype_count]) {
  row[static_cast<int>(DType::float32)] = loop<Op, float>;
  row[static_cast<int>(DType::float64)] = loop<Op, double>;
  row[static_cast<int>(DType::longdouble)] = loop<Op, long double>;
}

template <class Op> constexpr void add_integer_loops(Loop* (&row)[dtype_count]) {
  row[static_cast<int>(DType::int8)] = loop<Op, std::int8_t>;
  row[static_cast<int>(DType::uint8)] = loop<Op, std::uint8_t>;
  row[static_cast<int>(DType::int16)] = loop<Op, std::int16_t>;
  row[static_cast<int>(DType::uint16)] = loop<Op, std::uint16_t>;
  row[static_cast<int>(DType::int32)] = loop<Op, std::int32_t>;
  row[static_cast<int>(DType::uint32)] = loop<Op, std::uint32_t>;
  row[static_cast<int>(DType::int64)] = loop<Op, std::int64_t>;
  row[static_cast<int>(DType::uint64)] = loop<Op, std::uint64_t>;
}

template <class Function> constexpr void add(Isa& isa, Op op) {
  auto& row = isa.loops[static_cast<int>(op)];
  add_integer_loops<Function>(row);
  add_small_float_loops<Function>(row);
  add_float_loops<Function>(row);
}

constexpr Isa make_table(const char* name) {
  Isa isa{name, {}};
  add<Relu>(isa, Op::relu);
  add<ReluDerivative>(isa, Op::relu_derivative);
  add<ReluBackward>(isa, Op::relu_backward);
  add<LeakyRelu>(isa, Op::leaky_relu);
  add<LeakyReluDerivative>(isa, Op::leaky_relu_derivative);
  add<LeakyReluBackward>(isa, Op::leaky_relu_backward);
  return isa;
}

}  // namespace fastrelu::FASTRELU_ISA
