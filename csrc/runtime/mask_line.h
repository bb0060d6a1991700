// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a mask kernel over a line.
#pragma once

#include <functional>

#include "../contract/mask.h"
#include "line.h"

namespace fastrelu {

// The elements that fill a cache line of the mask, so that no two threads write to one line.
inline constexpr std::ptrdiff_t mask_granule = 8 * cache_line;

constexpr std::ptrdiff_t mask_bytes(std::ptrdiff_t elements) { return divided_up(elements, 8); }

// Sees the bits of elements [begin, end) as soon as a thread has made them, in that thread and while they are in its first
// cache. `begin` is a multiple of 64. Called by several threads at a time; must not throw.
using MaskWatch = std::function<void(std::ptrdiff_t begin, std::ptrdiff_t end, const std::uint8_t* bits)>;

// line.granule must be mask_granule, line.out_size the bytes of an element. call.mask may be null: then only the watch sees
// the bits. For what adds, call.addend has `period` elements, a multiple of 8 or all, which repeat along the line; call.mask
// must not be null then, and the watch must be empty.
// Floating-point flags that the kernel raises end up in the caller's status word.
Found run_mask_line(const MaskKernel& kernel, const MaskCall& call, const Line& line, const MaskWatch& watch,
                    std::ptrdiff_t period = 0);

}  // namespace fastrelu
