// SPDX-License-Identifier: BSD-3-Clause
#include "walk.h"

#include <algorithm>
#include <cstdint>

#include "pages.h"
#include "scratch.h"
#include "strided_copy.h"
#include "system_info.h"
#include "tiling.h"
#include "worth.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;

// What gathering and scattering make of a byte.
constexpr int packing_weight = 2;
// A chunk is not less than this, as it is: a kernel for floats of one byte makes a table each time.
constexpr ptrdiff_t least_chunk_bytes = 32 * 1024;
// A row that is streamed ends in partial lines, which cost more than whole ones.
constexpr ptrdiff_t streamed_row_bytes = 4096;

// Into the second cache: steps of a power of two would crowd each other out of the first.
void prefetch_lines(const char* first, ptrdiff_t step, ptrdiff_t count, ptrdiff_t bytes) {
#ifdef __GNUC__
  for (ptrdiff_t i = 0; i < count; ++i) {
    for (ptrdiff_t byte = 0; byte < bytes; byte += cache_line) __builtin_prefetch(first + i * step + byte, 0, 2);
  }
#else
  static_cast<void>(first), static_cast<void>(step), static_cast<void>(count), static_cast<void>(bytes);
#endif
}

// One thread's walk over some of the tiles.
class Walker {
 public:
  Walker(const Nest& nest, const Tiling& tiling, Loop* loop, void* data, char* buffer)
      : nest_(nest), tiling_(tiling), loop_(loop), data_(data) {
    for (int o = 0; o < nest.operands; ++o) {
      const Operand& operand = nest.operand[o];
      steps_[o] = tiling.packed[o] ? operand.size : operand.strides[tiling.column_axis];
      buffers_[o] = buffer;
      if (tiling.packed[o]) buffer += tiling.bytes_per_buffer;
    }
  }

  void run(ptrdiff_t first, ptrdiff_t last) {
    Place next = place_of(first, nest_, tiling_);
    for (ptrdiff_t tile = first; tile < last; ++tile) {
      const Place place = next;
      if (tile + 1 < last) {
        next = place_of(tile + 1, nest_, tiling_);
        if (tiling_.is_transposed) prefetch(next);
      }
      run(place);
    }
  }

 private:
  // No processor foresees where the next line of a transposed operand lies.
  void prefetch(const Place& place) const {
    for (int o = 0; o < nest_.operands; ++o) {
      const Operand& operand = nest_.operand[o];
      const Steps steps = tiling_.steps_of(operand);
      if (!tiling_.packed[o]) {
        prefetch_lines(place.data[o], steps.down, place.rows, place.columns * operand.size);
      } else if (steps.down == operand.size) {
        prefetch_lines(place.data[o], steps.across, place.columns, place.rows * operand.size);
      }
    }
  }

  void run(const Place& place) {
    for (int o = 0; o < nest_.operands; ++o) start_[o] = tiling_.packed[o] ? buffers_[o] : place.data[o];
    for (int o = 0; o < output(); ++o) {
      if (tiling_.packed[o]) pack(o, place);
    }
    call_kernel(place);
    if (tiling_.packed[output()]) unpack(place);
    packed_ = place;
  }

  int output() const { return nest_.operands - 1; }

  // The rows of a repeated operand are often those of the last tile.
  void pack(int o, const Place& place) {
    const bool is_there =
        packed_.data[o] == place.data[o] && packed_.rows == place.rows && packed_.columns == place.columns;
    if (is_there) return;
    const Operand& operand = nest_.operand[o];
    copy_elements(
        {place.rows, place.columns, buffers_[o], dense_steps(operand, place), place.data[o], tiling_.steps_of(operand)},
        operand.size);
  }

  void unpack(const Place& place) const {
    const Operand& operand = nest_.output();
    copy_elements({place.rows, place.columns, place.data[output()], tiling_.steps_of(operand), buffers_[output()],
                   dense_steps(operand, place)},
                  operand.size);
  }

  static Steps dense_steps(const Operand& operand, const Place& place) {
    return {place.columns * operand.size, operand.size};
  }

  void call_kernel(const Place& place) {
    const ptrdiff_t calls = tiling_.whole ? 1 : place.rows;
    const ptrdiff_t elements = tiling_.whole ? place.rows * place.columns : place.columns;
    for (ptrdiff_t call = 0; call < calls; ++call) {
      loop_(start_, &elements, steps_, data_);
      for (int o = 0; o < nest_.operands; ++o) {
        const Operand& operand = nest_.operand[o];
        start_[o] += tiling_.packed[o] ? place.columns * operand.size : tiling_.steps_of(operand).down;
      }
    }
  }

  const Nest& nest_;
  const Tiling& tiling_;
  Loop* const loop_;
  void* const data_;
  ptrdiff_t steps_[max_operands];
  Place packed_ = {};  // the last tile
  char* start_[max_operands];
  char* buffers_[max_operands];
};

struct Shared {
  const Work& work;
  const Nest& nest;
  const Tiling& tiling;
  Loop* loop;
  ptrdiff_t tiles_per_chunk;
  const Scratch buffers;  // of packed operands
};

void run_chunk(void* context, ptrdiff_t chunk, char* memory) {
  const Shared& shared = *static_cast<const Shared*>(context);
  const ptrdiff_t first = chunk * shared.tiles_per_chunk;
  const ptrdiff_t last = std::min(first + shared.tiles_per_chunk, shared.tiling.tiles);
  char* const buffers = shared.buffers.of(memory);
  Walker(shared.nest, shared.tiling, shared.loop, shared.work.data, buffers).run(first, last);
}

bool overlaps_inputs(const Nest& nest) {
  return std::any_of(nest.operand, nest.operand + nest.operands - 1,
                     [&](const Operand& input) { return input.data == nest.output().data; });
}

// Results that outgrow the last cache leave it before anybody reads them.
bool is_streamed(const Work& work, const Nest& nest, const Tiling& tiling, ptrdiff_t bytes) {
  const ptrdiff_t row_bytes = tiling.columns * nest.output().size;
  return work.kernel.streaming && work.output_memory == OutputMemory::used && bytes > system_info.last_cache &&
         !overlaps_inputs(nest) && !tiling.packed[nest.operands - 1] && row_bytes >= streamed_row_bytes;
}

void walk_tiles(const Work& work, const Nest& nest, Tiling& tiling) {
  const ptrdiff_t bytes = nest.bytes();
  const ptrdiff_t cost = bytes * work.weight * (tiling.packs_any() ? packing_weight : 1);
  const bool is_shared = is_worth_sharing(cost);
  tiling.cut(is_shared ? std::max(chunk_bytes / work.weight, least_chunk_bytes) : PTRDIFF_MAX);
  Loop* const loop = is_streamed(work, nest, tiling, bytes) ? work.kernel.streaming : work.kernel.cached;
  const ptrdiff_t wanted_chunks = is_shared ? cost / chunk_bytes : 1;
  const ptrdiff_t tiles_per_chunk = (tiling.tiles + wanted_chunks - 1) / wanted_chunks;
  Shared shared{work, nest, tiling, loop, tiles_per_chunk, Scratch(tiling.packs_any())};
  if (!is_shared) return run_chunk(&shared, 0, nullptr);
  parallel_for((tiling.tiles + tiles_per_chunk - 1) / tiles_per_chunk, worth_of(cost), run_chunk, &shared);
}

// A dense line into huge pages that the system has yet to supply: chunk by chunk one of them, so that each is supplied
// and filled by one thread while it is in that thread's cache.
struct UntouchedLine {
  const Work& work;
  const Nest& nest;
  ptrdiff_t before;    // elements before the first huge page
  ptrdiff_t per_page;  // elements

  UntouchedLine(const Work& w, const Nest& n) : work(w), nest(n) {
    constexpr auto page = static_cast<std::uintptr_t>(huge_page_bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(nest.output().data);
    per_page = static_cast<ptrdiff_t>(page) / nest.output().size;
    before = static_cast<ptrdiff_t>(page - address % page) / nest.output().size;
  }

  ptrdiff_t begin(ptrdiff_t chunk) const {
    return chunk == 0 ? 0 : std::min(before + (chunk - 1) * per_page, nest.shape[0]);
  }
  ptrdiff_t chunks() const { return 1 + (std::max<ptrdiff_t>(nest.shape[0] - before, 0) + per_page - 1) / per_page; }
};

void run_untouched(void* context, ptrdiff_t chunk, char*) {
  const UntouchedLine& line = *static_cast<const UntouchedLine*>(context);
  const ptrdiff_t begin = line.begin(chunk), elements = line.begin(chunk + 1) - begin;
  char* data[max_operands];
  ptrdiff_t steps[max_operands];
  for (int o = 0; o < line.nest.operands; ++o) {
    steps[o] = line.nest.operand[o].strides[0];
    data[o] = line.nest.operand[o].data + begin * steps[o];
  }
  const int output = line.nest.operands - 1;
  fault_in_huge_pages(data[output], static_cast<std::size_t>(elements * steps[output]));
  line.work.kernel.cached(data, &elements, steps, line.work.data);
}

}  // namespace

void walk(const Work& work, const Nest& nest) {
  Tiling tiling(nest, work.dense);
  const bool is_dense_line = nest.axes == 1 && !tiling.packs_any();
  if (work.output_memory == OutputMemory::untouched_huge_pages && is_dense_line) {
    UntouchedLine line(work, nest);
    return parallel_for(line.chunks(), worth_of(nest.bytes() * work.weight), run_untouched, &line);
  }
  walk_tiles(work, nest, tiling);
}

}  // namespace fastrelu
