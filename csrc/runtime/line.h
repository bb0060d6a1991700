// SPDX-License-Identifier: BSD-3-Clause
//
// A line: elements [0, n) of dense operands, computed in pieces, on as many threads as the work is worth. Cost is counted in
// bytes that relu on float32 would read and write in the same time.
#pragma once

#include <cstddef>

#include "parallel.h"
#include "system_info.h"

namespace fastrelu {

// The state of the output's memory. At the first touch of a page the system clears it, so that non-temporal stores save
// nothing there (measured: 128 MiB, 10.3 ms either way).
enum class OutputMemory { used, untouched, untouched_huge_pages };

// The cost that makes it worth waking a thread (two on 4 MiB were 0.8 to 1.2 times as fast as one, on 8 MiB 1.3 times), and
// sharing with one that is awake (two on 512 KiB: 1.6 times; four on 2 MiB: 3.2 times).
inline constexpr std::ptrdiff_t cost_worth_waking = 2560 * 1024, cost_worth_sharing = 256 * 1024;
inline constexpr std::ptrdiff_t piece_cost = 128 * 1024;

inline Worth worth_of(std::ptrdiff_t cost) { return {cost / cost_worth_waking, cost / cost_worth_sharing}; }
inline bool is_worth_sharing(std::ptrdiff_t cost) { return worth_of(cost).sharing > 1 && num_threads() > 1; }

constexpr std::ptrdiff_t divided_up(std::ptrdiff_t a, std::ptrdiff_t b) { return a / b + (a % b != 0); }

// The loop of a kernel (Kernel or MaskKernel) for a call that reads and writes `bytes`: the one with non-temporal stores where
// the result outgrows the last cache, because it would leave the cache before anybody reads it.
template <class AnyKernel>
auto* choose_loop(const AnyKernel& kernel, OutputMemory memory, std::ptrdiff_t bytes, bool overlaps_inputs) {
  const bool is_streamed =
      kernel.streaming && memory == OutputMemory::used && !overlaps_inputs && bytes > system_info.last_cache;
  return is_streamed ? kernel.streaming : kernel.cached;
}

struct Line {
  std::ptrdiff_t n;
  std::ptrdiff_t bytes;  // that are read and written
  int weight;            // how many times longer a byte takes than it takes relu on float32
  // Pieces begin at multiples of `granule` elements. The default is whole cache lines of every dtype.
  std::ptrdiff_t granule = cache_line;
  // For lines whose output may be untouched: the address of the first result, and the bytes of a result.
  char* out = nullptr;
  std::ptrdiff_t out_size = 0;
  OutputMemory memory = OutputMemory::used;

  std::ptrdiff_t cost() const { return bytes * weight; }
  bool has_new_pages() const { return memory == OutputMemory::untouched_huge_pages; }
  bool is_one_piece() const { return !has_new_pages() && !is_worth_sharing(cost()); }
};

using LineTask = void(const void* context, std::ptrdiff_t begin, std::ptrdiff_t end, char* memory);
void run_pieces(const Line& line, LineTask* task, const void* context);

// Runs task(begin, end, memory) for pieces of the line, in any order, several at a time: the whole line at once, or pieces as
// many as the work is worth, so nothing that a caller sees may depend on where they begin; and where the output's huge
// pages are new, a piece for each. `memory` is as in parallel.h. task must not throw.
template <class Task> void run_line(const Line& line, const Task& task) {
  if (line.is_one_piece()) return task(0, line.n, nullptr);
  const auto run = [](const void* context, std::ptrdiff_t begin, std::ptrdiff_t end, char* memory) {
    (*static_cast<const Task*>(context))(begin, end, memory);
  };
  run_pieces(line, run, &task);
}

}  // namespace fastrelu
