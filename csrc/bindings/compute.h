// SPDX-License-Identifier: BSD-3-Clause
//
// Runs kernels over a call's operands: without the GIL and on several threads where that pays.
#pragma once

#include "../runtime/mask_line.h"
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

// Reports the floating-point errors that NumPy would. The nest must be simplified. Returns 0, or -1 with an exception set.
int compute(const UfuncSpec& spec, const ActiveKernel& active, const Nest& nest, OutputMemory output_memory);

// The same over n elements of dense operands (walk_line).
int compute_line(const UfuncSpec& spec, const ActiveKernel& active, npy_intp n, char* const* data,
                 const npy_intp* steps, OutputMemory output_memory);

struct MaskWork {
  MaskOp op;
  ActiveKernel type;  // of the arrays: dtype, and data for the kernel
  OutputMemory output_memory;
  npy_intp period;  // as run_mask_line takes it
};

// Null if no kernel does this.
inline MaskLoop* find_mask_loop(MaskOp op, DType dtype) { return active_isa().mask_kernel(op, dtype).cached; }

// call.data need not be set. call.mask may be null: then only the watch sees the bits. Floating-point flags that the kernel
// raises end up in the caller's status word.
Found run_mask_kernel(const MaskWork& work, MaskCall call, npy_intp element_bytes, const MaskWatch& watch = {});

// Counts the elements of a dense array for which keep or positive, which `op` is, holds.
Found count_where(MaskOp op, PyArrayObject* x, const ActiveKernel& type, const MaskWatch& watch);

}  // namespace fastrelu
