// SPDX-License-Identifier: BSD-3-Clause
#include "mask_line.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace fastrelu {
namespace {

using std::ptrdiff_t;

void add(Found& sum, const Found& found) {
  sum.active += found.active;
  sum.nan |= found.nan;
}

MaskCall part_of(const MaskCall& call, ptrdiff_t size, ptrdiff_t begin, ptrdiff_t end) {
  MaskCall part = call;
  part.in += begin * size;
  if (part.out) part.out += begin * size;
  if (part.mask) part.mask += begin / 8;
  part.n = end - begin;
  return part;
}

// Runs the loop in parts whose mask stays in the first cache until the watch has seen it.
Found run_watched(MaskLoop* loop, const MaskCall& call, ptrdiff_t size, const MaskWatch& watch, ptrdiff_t begin,
                  ptrdiff_t end) {
  constexpr ptrdiff_t mask_bytes_at_once = 8 * 1024;
  alignas(cache_line) std::uint8_t scratch[mask_bytes_at_once];
  Found sum{};
  for (ptrdiff_t next; begin < end; begin = next) {
    next = std::min(begin + 8 * mask_bytes_at_once, end);
    MaskCall part = part_of(call, size, begin, next);
    if (!part.mask) part.mask = scratch;
    add(sum, loop(part));
    if (watch) watch(begin, next, part.mask);
  }
  return sum;
}

// Runs the loop once for each repetition of the addend.
Found run_adding(MaskLoop* loop, const MaskCall& call, ptrdiff_t size, ptrdiff_t period, ptrdiff_t begin,
                 ptrdiff_t end) {
  Found sum{};
  for (ptrdiff_t next; begin < end; begin = next) {
    const ptrdiff_t behind = begin % period;
    next = std::min(begin - behind + period, end);
    MaskCall part = part_of(call, size, begin, next);
    part.addend += behind * size;
    add(sum, loop(part));
  }
  return sum;
}

}  // namespace

Found run_mask_line(const MaskKernel& kernel, const MaskCall& call, const Line& line, const MaskWatch& watch,
                    ptrdiff_t period) {
  const bool is_in_place = call.in == call.out || (call.addend && call.addend == call.out);
  MaskLoop* const loop = choose_loop(kernel, line.memory, line.bytes, is_in_place);
  const auto run = [&](ptrdiff_t begin, ptrdiff_t end) {
    if (call.addend) return run_adding(loop, call, line.out_size, period, begin, end);
    if (watch || !call.mask) return run_watched(loop, call, line.out_size, watch, begin, end);
    return loop(part_of(call, line.out_size, begin, end));
  };
  if (line.is_one_piece()) return run(0, call.n);
  std::atomic<ptrdiff_t> active{0};
  std::atomic<bool> nan{false};
  run_line(line, [&](ptrdiff_t begin, ptrdiff_t end, char*) {
    const Found part = run(begin, end);
    active.fetch_add(part.active, std::memory_order_relaxed);
    if (part.nan) nan.store(true, std::memory_order_relaxed);
  });
  return {active, nan};
}

}  // namespace fastrelu
