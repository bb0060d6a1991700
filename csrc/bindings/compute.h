// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a kernel over a call's operands: without the GIL and on several threads where that pays, and reports the
// floating-point errors that NumPy would.
#pragma once

#include "../runtime/walk.h"
#include "gil.h"
#include "ufuncs.h"

namespace fastrelu {

// Releasing and retaking the GIL took 0.1 us where relu on this many bytes took 2.3 (AVX-512, out=, from L2).
inline constexpr npy_intp release_gil_from = 64 * 1024;

template <class Run> void run_without_gil(npy_intp bytes, Run run) {
  if (bytes < release_gil_from) return run();
  without_gil(run);
}

// The nest must be simplified. Returns 0, or -1 with an exception set.
int compute(const UfuncSpec& spec, const ActiveKernel& active, const Nest& nest, OutputMemory output_memory);

}  // namespace fastrelu
