// SPDX-License-Identifier: BSD-3-Clause
//
// The dtypes of arrays that kernels take.
#pragma once

namespace fastrelu {

// float8 stands for every dtype of one byte that a Float8 (float8.h) describes; its loops take one as their data.
// clang-format off
enum class DType {
  int8, uint8, int16, uint16, int32, uint32, int64, uint64,
  float8, float16, bfloat16, float32, float64, longdouble,
};
// clang-format on
inline constexpr int dtype_count = 14;

}  // namespace fastrelu
