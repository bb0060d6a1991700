// SPDX-License-Identifier: BSD-3-Clause
#include "mask_compute.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "../runtime/caches.h"
#include "../runtime/pages.h"
#include "../runtime/worth.h"
#include "compute.h"

namespace fastrelu {
namespace {

// Elements that fill a cache line of the mask: no two threads write to the same one.
constexpr npy_intp granule = 512;

// relu's gradient passes bytes on; other floats of one byte are looked up.
int weight_of(MaskOp op, DType dtype) {
  if (op == MaskOp::relu_backward && dtype == DType::float8) return 1;
  return weight_of(multiplies(op) ? Arithmetic::multiplies : Arithmetic::selects, dtype);
}

// A call that threads share.
struct SharedCall {
  MaskLoop* loop;
  const MaskCall& call;
  npy_intp element_bytes;
  std::atomic<npy_intp> active{0};
  std::atomic<bool> nan{false};

  MaskCall part(npy_intp begin, npy_intp end) const {
    MaskCall part = call;
    part.in += begin * element_bytes;
    if (part.out) part.out += begin * element_bytes;
    part.mask += begin / 8;
    part.n = end - begin;
    return part;
  }

  void run(npy_intp begin, npy_intp end) {
    const Found found = loop(part(begin, end));
    active.fetch_add(found.active, std::memory_order_relaxed);
    if (found.nan) nan.store(true, std::memory_order_relaxed);
  }

  Found found() const { return {active, nan}; }
};

bool is_streamed(const MaskKernel& kernel, const MaskWork& work, const MaskCall& call, npy_intp bytes) {
  return kernel.streaming && work.output_memory == OutputMemory::used && call.in != call.out &&
         bytes > last_cache_bytes();
}

// Pieces of an output in huge pages that the system has yet to supply: one page each, as in walk.cpp, but cut a little
// earlier, where the mask can be.
struct UntouchedPages {
  SharedCall& shared;
  npy_intp address;
  npy_intp pieces;

  explicit UntouchedPages(SharedCall& s) : shared(s), address(reinterpret_cast<npy_intp>(s.call.out)) {
    const npy_intp end = address + s.call.n * s.element_bytes;
    pieces = (end - 1) / page - address / page + 1;
  }

  npy_intp begin(npy_intp piece) const {
    if (piece == pieces) return shared.call.n;
    const npy_intp page_begin = (address / page + piece) * page;
    return std::max<npy_intp>(page_begin - address, 0) / shared.element_bytes / granule * granule;
  }

  static constexpr auto page = static_cast<npy_intp>(huge_page_bytes);
};

void run_untouched(void* context, std::ptrdiff_t piece) {
  const auto& pages = *static_cast<const UntouchedPages*>(context);
  const npy_intp begin = pages.begin(piece), end = pages.begin(piece + 1);
  if (begin == end) return;
  const MaskCall part = pages.shared.part(begin, end);
  // At its end first: Linux clears a page towards the touched place.
  if (piece + 1 < pages.pieces) {
    *static_cast<volatile char*>(part.out + (end - begin) * pages.shared.element_bytes - 1) = 0;
  }
  pages.shared.run(begin, end);
}

Found run(const MaskWork& work, const MaskCall& call, npy_intp element_bytes, npy_intp bytes) {
  const MaskKernel kernel = active_isa().mask_kernel(work.op, work.type.dtype);
  const npy_intp cost = bytes * weight_of(work.op, work.type.dtype);
  if (work.output_memory == OutputMemory::untouched_huge_pages) {
    SharedCall shared{kernel.cached, call, element_bytes};
    UntouchedPages pages(shared);
    parallel_for(pages.pieces, worth_of(cost), run_untouched, &pages);
    return shared.found();
  }
  MaskLoop* const loop = is_streamed(kernel, work, call, bytes) ? kernel.streaming : kernel.cached;
  if (!is_worth_sharing(cost)) return loop(call);
  SharedCall shared{loop, call, element_bytes};
  share(call.n, granule, cost, [&](std::ptrdiff_t begin, std::ptrdiff_t end) { shared.run(begin, end); });
  return shared.found();
}

}  // namespace

Found run_mask_kernel(const MaskWork& work, MaskCall call, npy_intp element_bytes) {
  call.data = work.type.data;
  const npy_intp bytes = call.n * element_bytes * (call.out ? 2 : 1);
  Found found{};
  run_without_gil(bytes, [&] { found = run(work, call, element_bytes, bytes); });
  return found;
}

}  // namespace fastrelu
