// SPDX-License-Identifier: BSD-3-Clause
//
// How many threads some work is worth, and how it is shared between them. Work is counted in bytes that relu on float32
// would read and write in the same time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "parallel.h"

namespace fastrelu {

// What a thread must have to do to be worth waking (two on 4 MiB were 0.8 to 1.2 times as fast as one, on 8 MiB 1.3
// times), and to be worth sharing with if it is awake (two on 512 KiB: 1.6 times; four on 2 MiB: 3.2 times).
inline constexpr std::ptrdiff_t bytes_worth_waking = 2560 * 1024;
inline constexpr std::ptrdiff_t bytes_worth_sharing = 256 * 1024;
// What a chunk of a shared call reads and writes.
inline constexpr std::ptrdiff_t chunk_bytes = 128 * 1024;

inline Worth worth_of(std::ptrdiff_t cost) { return {cost / bytes_worth_waking, cost / bytes_worth_sharing}; }
inline bool is_worth_sharing(std::ptrdiff_t cost) { return worth_of(cost).sharing > 1 && num_threads() > 1; }

// The length of the pieces that some work is shared in: a multiple of `granule`.
inline std::ptrdiff_t shared_piece(std::ptrdiff_t n, std::ptrdiff_t granule, std::ptrdiff_t cost) {
  const std::ptrdiff_t granules = (n + granule - 1) / granule, pieces = cost / chunk_bytes;
  return (granules + pieces - 1) / pieces * granule;
}

// Runs task(begin, end) over [0, n), on one thread or several, in pieces that begin at multiples of `granule`. Pieces are
// as many as the work is worth, so nothing that a caller sees may depend on where they begin. task must not throw. It may
// take the worker's memory (parallel.h) as its last argument.
template <class Task> void share(std::ptrdiff_t n, std::ptrdiff_t granule, std::ptrdiff_t cost, const Task& task) {
  const auto run_task = [&task](std::ptrdiff_t begin, std::ptrdiff_t end, char* memory) {
    if constexpr (std::is_invocable_v<Task, std::ptrdiff_t, std::ptrdiff_t, char*>) {
      task(begin, end, memory);
    } else {
      static_cast<void>(memory);
      task(begin, end);
    }
  };
  if (!is_worth_sharing(cost)) return run_task(0, n, nullptr);
  struct Shared {
    const decltype(run_task)& task;
    std::ptrdiff_t n, piece;
  };
  const std::ptrdiff_t piece = shared_piece(n, granule, cost);
  Shared shared{run_task, n, piece};
  const auto run = [](void* context, std::ptrdiff_t chunk, char* memory) {
    const auto& s = *static_cast<const Shared*>(context);
    s.task(chunk * s.piece, std::min((chunk + 1) * s.piece, s.n), memory);
  };
  parallel_for((n + piece - 1) / piece, worth_of(cost), run, &shared);
}

}  // namespace fastrelu
