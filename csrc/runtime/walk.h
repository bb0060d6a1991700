// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a ufunc's kernel over operands of any layout: over a line, or in tiles that fit the cache; on as many threads as the
// work is worth.
#pragma once

#include "../contract/kernel.h"
#include "line.h"
#include "nest.h"

namespace fastrelu {

struct Work {
  Kernel kernel;
  void* data;        // for the kernel
  int dense_inputs;  // the first ones, which must be arrays; later ones may be broadcast
  OutputMemory output_memory;
  int weight;  // of a byte, as in line.h
};

// Floating-point flags that the kernel raises end up in the caller's status word.

// Runs over n elements of dense operands, the output last; the steps of broadcast operands are 0.
void walk_line(const Work& work, std::ptrdiff_t n, int operands, char* const* data, const std::ptrdiff_t* steps);

// The nest must be simplified. May throw std::bad_alloc, before anything is written.
void walk(const Work& work, const Nest& nest);

}  // namespace fastrelu
