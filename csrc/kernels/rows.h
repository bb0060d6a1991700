// SPDX-License-Identifier: BSD-3-Clause
//
// Instantiates every kernel of a function for the instruction set being compiled. Included by family_*.cpp only. Rows are
// constant-initialised: code compiled for a newer processor must not run at load time.
#pragma once

#include <cstdint>

#include "../contract/kernel.h"
#include "families.h"
#include "float8_loop.h"
#include "loop.h"

namespace fastrelu::FASTRELU_ISA {

template <class Op> constexpr void add_small_float_kernels(Row& row) {
  row.kernels[static_cast<int>(DType::float16)] = kernel<Op, Half>();
  row.kernels[static_cast<int>(DType::bfloat16)] = kernel<Op, BFloat16>();
  row.kernels[static_cast<int>(DType::float8)] = {float8_loop<Op>, nullptr};
}

template <class Op> constexpr void add_float_kernels(Row& row) {
  row.kernels[static_cast<int>(DType::float32)] = kernel<Op, float>();
  row.kernels[static_cast<int>(DType::float64)] = kernel<Op, double>();
  row.kernels[static_cast<int>(DType::longdouble)] = kernel<Op, long double>();
}

// Integers that are multiplied by integers, or added and then widened: no instruction set has it for all of them.
template <class Op, class T> constexpr Kernel integer_kernel() {
  if constexpr (Op::plain_for_integers) {
    return plain_kernel<Op, T>();
  } else {
    return kernel<Op, T>();
  }
}

template <class Op> constexpr void add_integer_kernels(Row& row) {
  row.kernels[static_cast<int>(DType::int8)] = integer_kernel<Op, std::int8_t>();
  row.kernels[static_cast<int>(DType::uint8)] = integer_kernel<Op, std::uint8_t>();
  row.kernels[static_cast<int>(DType::int16)] = integer_kernel<Op, std::int16_t>();
  row.kernels[static_cast<int>(DType::uint16)] = integer_kernel<Op, std::uint16_t>();
  row.kernels[static_cast<int>(DType::int32)] = integer_kernel<Op, std::int32_t>();
  row.kernels[static_cast<int>(DType::uint32)] = integer_kernel<Op, std::uint32_t>();
  row.kernels[static_cast<int>(DType::int64)] = integer_kernel<Op, std::int64_t>();
  row.kernels[static_cast<int>(DType::uint64)] = integer_kernel<Op, std::uint64_t>();
}

template <class Function> constexpr Row integer_row() {
  Row row{};
  add_integer_kernels<Function>(row);
  return row;
}

template <class Function> constexpr Row row() {
  Row row = integer_row<Function>();
  add_small_float_kernels<Function>(row);
  add_float_kernels<Function>(row);
  return row;
}

}  // namespace fastrelu::FASTRELU_ISA
