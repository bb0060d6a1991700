// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a kernel over operands of any layout: in tiles that fit the cache, on as many threads as the work is worth.
#pragma once

#include "../contract/kernel.h"
#include "nest.h"

namespace fastrelu {

// What the output lies in. Writing to untouched memory, the system clears its pages first: streaming stores then save
// nothing (measured: 128 MiB, 10.3 ms either way).
enum class OutputMemory { used, untouched, untouched_huge_pages };

struct Work {
  Kernel kernel;
  void* data;  // for the kernel
  int dense;   // kernels take inputs broadcast, but for so many first ones
  OutputMemory output_memory;
  int weight;  // how many times longer a byte takes than it takes relu on float32
};

// The nest must be simplified. Floating-point flags that the kernel raises end up in the caller's status word. May throw
// std::bad_alloc, before anything is written.
void walk(const Work& work, const Nest& nest);

}  // namespace fastrelu
