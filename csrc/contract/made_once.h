// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>

namespace fastrelu {

// Memory that is filled when it is first asked for. Threads may fill it at the same time; what one of them has filled is kept.
// It is never freed.
class MadeOnce {
 public:
  // Null for lack of memory.
  const void* get(std::size_t size, void (*fill)(void* memory, const void* context), const void* context);

 private:
  std::atomic<void*> made_{nullptr};
};

}  // namespace fastrelu
