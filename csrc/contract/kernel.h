// SPDX-License-Identifier: BSD-3-Clause
//
// The contract of the kernels of ufuncs. A kernel is a NumPy ufunc inner loop, so no adaptor stands between the two.
#pragma once

#include <cstddef>

#include "dtype.h"
#include "function.h"

namespace fastrelu {

// args: inputs (arrays first, then parameters such as a slope), then the output. dimensions[0]: number of elements. steps:
// bytes from one element to the next, per operand. data: a Float8 for loops over floats of one byte. Every pointer is
// aligned to its element. NumPy leaves three kinds of overlap to the loop. The output may be an input (exactly). It may lie
// before an input in memory: walk forward, load before you store. And in ufunc.accumulate the output of two inputs lies
// one element after the first input, so that each result is the first input of the next one.
using Loop = void(char** args, const std::ptrdiff_t* dimensions, const std::ptrdiff_t* steps, void* data);

// One function for one dtype. `streaming` uses non-temporal stores where the operands are dense: the result's lines are
// not read first, and do not push other data out of the caches. Its output must not overlap an input. Null: as `cached`.
struct Kernel {
  Loop* cached;
  Loop* streaming;
};

// The kernels of one function. Null where a dtype has none.
using Row = PerDType<Kernel>;

}  // namespace fastrelu
