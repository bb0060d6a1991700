// SPDX-License-Identifier: BSD-3-Clause
//
// The nest of loops that a call is: one shape, and where each operand's elements lie. Pure C++: no Python, no NumPy.
#pragma once

#include <cstddef>

#include "../contract/kernel.h"

namespace fastrelu {

inline constexpr int max_axes = 8;

struct Operand {
  char* data;
  std::ptrdiff_t size;               // bytes of an element
  std::ptrdiff_t strides[max_axes];  // bytes to the next element along an axis; 0 where the operand is broadcast
};

// The operands in the order of a kernel's arguments: arrays, parameters, the output last. The output is never broadcast, has no two
// elements in one place, and is an input exactly or overlaps with none.
struct Nest {
  int axes;
  int operands;
  std::ptrdiff_t shape[max_axes];
  Operand operand[max_operands];

  const Operand& output() const { return operand[operands - 1]; }
  std::ptrdiff_t elements() const;
  // The bytes that a call reads and writes. Broadcast operands stay in the cache and do not count.
  std::ptrdiff_t bytes() const;
};

// The same work with as few axes as possible, in the order in which the output lies in memory: the last axis has the
// smallest step. Dense operands of equal order become one line. At least one axis remains.
void simplify(Nest& nest);

}  // namespace fastrelu
