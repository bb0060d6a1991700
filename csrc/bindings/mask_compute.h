// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a mask kernel over dense operands: without the GIL, on several threads and past the caches where that pays, as
// compute.h does for ufuncs.
#pragma once

#include <functional>

#include "../runtime/walk.h"
#include "ufuncs.h"

namespace fastrelu {

struct MaskWork {
  MaskOp op;
  ActiveKernel type;  // of the arrays: dtype, and data for the kernel
  OutputMemory output_memory;
};

inline npy_intp mask_bytes(npy_intp elements) { return elements / 8 + (elements % 8 != 0); }

// Null if no kernel does this.
inline MaskLoop* find_mask_loop(MaskOp op, DType dtype) { return active_isa().mask_kernel(op, dtype).cached; }

// Sees the bits of elements [begin, end) as soon as a thread has made them, in that thread and while they are in its first
// cache. `begin` is a multiple of 64. Called by several threads at a time, without the GIL; must not throw.
using MaskWatch = std::function<void(npy_intp begin, npy_intp end, const std::uint8_t* bits)>;

// call.data need not be set. call.mask may be null: nobody but the watch sees the bits. Floating-point flags that the kernel
// raises end up in the caller's status word.
Found run_mask_kernel(const MaskWork& work, MaskCall call, npy_intp element_bytes, const MaskWatch& watch = {});

// The same for a dense array of which nothing is made: `op` is keep or positive.
Found look(MaskOp op, PyArrayObject* x, const ActiveKernel& type, const MaskWatch& watch);

}  // namespace fastrelu
