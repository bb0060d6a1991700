// SPDX-License-Identifier: BSD-3-Clause
//
// A cache of recently freed large blocks of memory, because half the time of a large fresh result goes into page
// faults. Thread-safe; safe over fork, and for as long as the process lives.
//
// * Cached blocks never exceed the limit in sum, nor 256 in number; the oldest is released first.
// * A request takes the smallest block of up to 1.25 times its size; of equal blocks the last that was freed.
// * A block unused for 10 s is returned to the system at the next large call. There is no timer: if no call comes, the system
//   may take blocks of 16 MiB and more from huge pages by itself (MADV_FREE).
// * A fork returns all cached blocks to the system, so that the child inherits none (vfork, which Python's subprocess uses,
//   leaves them alone). Blocks in use are shared with the child until either side writes, which copies:
//   on either side they go back to the system when they are freed.
#pragma once

#include <cstddef>

namespace fastrelu {

// Makes the cache, with a limit of 0, and its handlers of fork. To be called before everything else here, while no other
// thread may call or fork; again does nothing. May throw std::bad_alloc.
void prepare_recycling();

// As malloc, calloc, realloc and free. Data starts at a multiple of 64 bytes.
void* recycled_malloc(std::size_t bytes) noexcept;
void* recycled_calloc(std::size_t count, std::size_t size) noexcept;
void* recycled_realloc(void* data, std::size_t bytes) noexcept;
void recycled_free(void* data) noexcept;

// Whether data, which must come from here, lies in memory that had been used before: its first use faults no pages.
bool is_warm(const void* data) noexcept;

struct RecycleInfo {
  std::size_t limit;   // bytes
  std::size_t held;    // bytes cached now
  std::size_t blocks;  // their number
  std::size_t reused;  // requests served from cached blocks
  std::size_t mapped;  // requests that needed new memory
};

RecycleInfo recycle_info() noexcept;

std::size_t recycle_limit() noexcept;
void set_recycle_limit(std::size_t bytes) noexcept;

// Returns all cached blocks to the system. Gives the number of bytes.
std::size_t trim_recycled() noexcept;

}  // namespace fastrelu
