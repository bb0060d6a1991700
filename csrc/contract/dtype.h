// SPDX-License-Identifier: BSD-3-Clause
//
// The dtypes of arrays that kernels take (dtypes.inc lists them).
#pragma once

namespace fastrelu {

// float8 stands for every dtype of one byte that a Float8 (float8.h) describes; its kernels take one as their data.
enum class DType {
#define DTYPE(name, ...) name,
#include "dtypes.inc"
#undef DTYPE
};

// How many times longer a byte takes than it takes relu on float32.
struct Weights {
  int selects, computes, sums;
};

inline constexpr Weights weights[] = {
#define DTYPE(name, type, selects, computes, sums) {selects, computes, sums},
#include "dtypes.inc"
#undef DTYPE
};
inline constexpr int dtype_count = sizeof weights / sizeof *weights;

constexpr const Weights& weights_of(DType dtype) { return weights[static_cast<int>(dtype)]; }

// Something that each dtype has, such as its kernel of a function.
template <class Entry> struct PerDType {
  Entry entries[dtype_count];

  constexpr const Entry& operator[](DType dtype) const { return entries[static_cast<int>(dtype)]; }
};

}  // namespace fastrelu
