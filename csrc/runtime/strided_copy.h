// SPDX-License-Identifier: BSD-3-Clause
//
// Copies of elements between strided places. Kernels take dense operands: others are gathered into a buffer, computed there,
// and scattered.
#pragma once

#include <cstddef>

namespace fastrelu {

// Bytes from one element of a matrix to the next.
struct Steps {
  std::ptrdiff_t down, across;
};

struct StridedCopy {
  std::ptrdiff_t rows, columns;
  char* to;
  Steps to_steps;
  const char* from;
  Steps from_steps;
};

// size: bytes of an element, a power of two up to 16. The places must not overlap.
void copy_elements(const StridedCopy& copy, std::ptrdiff_t size);

}  // namespace fastrelu
