// SPDX-License-Identifier: BSD-3-Clause
#include "mask_compute.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "../runtime/pages.h"
#include "../runtime/system_info.h"
#include "../runtime/tiling.h"
#include "../runtime/worth.h"
#include "compute.h"

namespace fastrelu {
namespace {

// Elements that fill a cache line of the mask: no two threads write to the same one.
constexpr npy_intp granule = 512;

void add(Found& sum, const Found& found) {
  sum.active += found.active;
  sum.nan |= found.nan;
}

// What is seen at a time: a mask of 8 KiB.
constexpr npy_intp seen_at_once = 64 * 1024;

struct PartedCall {
  MaskLoop* loop;
  const MaskCall& call;
  npy_intp element_bytes;
  MaskWatch watch;

  MaskCall part(npy_intp begin, npy_intp end) const {
    MaskCall part = call;
    part.in += begin * element_bytes;
    if (part.out) part.out += begin * element_bytes;
    if (part.mask) part.mask += begin / 8;
    part.n = end - begin;
    return part;
  }

  Found run(npy_intp begin, npy_intp end) const {
    return watch || !call.mask ? run_in_parts(begin, end) : loop(part(begin, end));
  }

  Found run_in_parts(npy_intp begin, npy_intp end) const {
    alignas(cache_line) std::uint8_t scratch[seen_at_once / 8];
    Found sum{};
    for (npy_intp next; begin < end; begin = next) {
      next = std::min(begin + seen_at_once, end);
      MaskCall each = part(begin, next);
      if (!each.mask) each.mask = scratch;
      add(sum, loop(each));
      if (watch) watch(begin, next, each.mask);
    }
    return sum;
  }
};

// What threads found, in several sums: at a single one they would wait for each other.
class FoundByThreads {
 public:
  void add(npy_intp piece, const Found& found) {
    Sum& sum = sums_[piece % count];
    sum.active.fetch_add(found.active, std::memory_order_relaxed);
    if (found.nan) sum.nan.store(true, std::memory_order_relaxed);
  }

  Found sum() const {
    Found all{};
    for (const Sum& each : sums_) fastrelu::add(all, {each.active, each.nan});
    return all;
  }

 private:
  struct alignas(cache_line) Sum {
    std::atomic<npy_intp> active{0};
    std::atomic<bool> nan{false};
  };

  static constexpr npy_intp count = 16;
  Sum sums_[count];
};

struct SharedCall {
  PartedCall call;
  FoundByThreads found{};

  void run(npy_intp piece, npy_intp begin, npy_intp end) { found.add(piece, call.run(begin, end)); }
};

bool is_streamed(const MaskKernel& kernel, const MaskWork& work, const MaskCall& call, npy_intp bytes) {
  return kernel.streaming && work.output_memory == OutputMemory::used && call.in != call.out &&
         bytes > system_info.last_cache;
}

// Pieces of an output in huge pages that the system has yet to supply: one page each, as in walk.cpp, but cut a little
// earlier, where the mask can be.
struct UntouchedPages {
  SharedCall shared;
  npy_intp address;
  npy_intp pieces;

  explicit UntouchedPages(const PartedCall& call) : shared{call}, address(reinterpret_cast<npy_intp>(call.call.out)) {
    const npy_intp end = address + call.call.n * call.element_bytes;
    pieces = (end - 1) / page - address / page + 1;
  }

  npy_intp begin(npy_intp piece) const {
    if (piece == pieces) return shared.call.call.n;
    const npy_intp page_begin = (address / page + piece) * page;
    return std::max<npy_intp>(page_begin - address, 0) / shared.call.element_bytes / granule * granule;
  }

  // The last byte before some element.
  volatile char* byte_before(npy_intp element) const {
    return shared.call.call.out + element * shared.call.element_bytes - 1;
  }

  static constexpr auto page = static_cast<npy_intp>(huge_page_bytes);
};

void run_untouched(void* context, std::ptrdiff_t piece, char*) {
  auto& pages = *static_cast<UntouchedPages*>(context);
  const npy_intp begin = pages.begin(piece), end = pages.begin(piece + 1);
  if (begin == end) return;
  if (piece + 1 < pages.pieces) *pages.byte_before(end) = 0;  // Linux clears a page towards the touched place
  pages.shared.run(piece, begin, end);
}

Found run(const MaskWork& work, const MaskCall& call, npy_intp element_bytes, npy_intp bytes, const MaskWatch& watch) {
  const MaskKernel kernel = active_isa().mask_kernel(work.op, work.type.dtype);
  const npy_intp cost = bytes * weight_of(work.op, work.type.dtype);
  if (work.output_memory == OutputMemory::untouched_huge_pages) {
    UntouchedPages pages(PartedCall{kernel.cached, call, element_bytes, watch});
    parallel_for(pages.pieces, worth_of(cost), run_untouched, &pages);
    return pages.shared.found.sum();
  }
  MaskLoop* const loop = is_streamed(kernel, work, call, bytes) ? kernel.streaming : kernel.cached;
  const PartedCall parted{loop, call, element_bytes, watch};
  if (!is_worth_sharing(cost)) return parted.run(0, call.n);
  const npy_intp piece = shared_piece(call.n, granule, cost);
  SharedCall shared{parted};
  share(call.n, granule, cost, [&](npy_intp begin, npy_intp end) { shared.run(begin / piece, begin, end); });
  return shared.found.sum();
}

}  // namespace

Found run_mask_kernel(const MaskWork& work, MaskCall call, npy_intp element_bytes, const MaskWatch& watch) {
  call.data = work.type.data;
  const npy_intp bytes = call.n * element_bytes * (call.out ? 2 : 1);
  Found found{};
  run_without_gil(bytes, [&] { found = run(work, call, element_bytes, bytes, watch); });
  return found;
}

Found look(MaskOp op, PyArrayObject* x, const ActiveKernel& type, const MaskWatch& watch) {
  return run_mask_kernel({op, type, OutputMemory::used},
                         {PyArray_BYTES(x), nullptr, nullptr, nullptr, PyArray_SIZE(x), nullptr}, PyArray_ITEMSIZE(x),
                         watch);
}

}  // namespace fastrelu
