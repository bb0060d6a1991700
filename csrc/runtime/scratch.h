// SPDX-License-Identifier: BSD-3-Clause
//
// Memory for intermediate results. It lies on the heap, because threads that call the library may have a stack of a few
// pages.
#pragma once

#include <cstddef>
#include <new>

#include "parallel.h"

namespace fastrelu {

// worker_bytes bytes from the start of a cache line, for the chunks that the caller of parallel_for runs: it has to be there
// before the work starts, because a chunk must not throw. One block is kept for the next call: allocated each time, relu on
// 2,000 strided float32 took 0.66 us instead of 0.55.
class Scratch {
 public:
  // Empty unless `wanted`. May throw std::bad_alloc.
  explicit Scratch(bool is_wanted);
  // The same, and empty where there is no memory.
  Scratch(bool is_wanted, const std::nothrow_t&) noexcept;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  explicit operator bool() const { return memory_ != nullptr; }

  // The memory that a chunk may use: that of the worker that runs it, or this on the caller's thread.
  char* of(char* worker) const { return worker ? worker : memory_; }

 private:
  char* const memory_;
};

}  // namespace fastrelu
