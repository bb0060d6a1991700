// SPDX-License-Identifier: BSD-3-Clause
#include "walk.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "scratch.h"
#include "strided_copy.h"
#include "tiling.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;

// A packed byte costs twice as much.
constexpr int packing_weight = 2;
// The least bytes of a piece, not weighted: kernels for floats of one byte make a table in each call.
constexpr ptrdiff_t least_piece_bytes = 32 * 1024;
// The least bytes of a row that is worth non-temporal stores: its ends are partial cache lines, which cost more.
constexpr ptrdiff_t streamed_row_bytes = 4096;

// Prefetches into the second cache, because steps of a power of two would evict each other from the first.
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

  void walk(ptrdiff_t first, ptrdiff_t last) {
    Place next = place_of(first, nest_, tiling_);
    for (ptrdiff_t tile = first; tile < last; ++tile) {
      const Place place = next;
      if (tile + 1 < last) {
        next = place_of(tile + 1, nest_, tiling_);
        if (tiling_.is_transposed) prefetch(next);
      }
      compute(place);
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

  void compute(const Place& place) {
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

bool overlaps_inputs(const Nest& nest) {
  return std::any_of(nest.operand, nest.operand + nest.operands - 1,
                     [&](const Operand& input) { return input.data == nest.output().data; });
}

Loop* loop_for(const Work& work, const Nest& nest, const Tiling& tiling, ptrdiff_t bytes) {
  const bool is_packed = tiling.packed[nest.operands - 1];
  if (is_packed || tiling.columns * nest.output().size < streamed_row_bytes) return work.kernel.cached;
  return choose_loop(work.kernel, work.output_memory, bytes, overlaps_inputs(nest));
}

void walk_tiles(const Work& work, const Nest& nest, Tiling& tiling) {
  Line tiles{0, nest.bytes(), work.weight * (tiling.packs_any() ? packing_weight : 1), 1};
  tiling.cut(tiles.is_one_piece() ? PTRDIFF_MAX : std::max(piece_cost / work.weight, least_piece_bytes));
  tiles.n = tiling.tiles;
  Loop* const loop = loop_for(work, nest, tiling, tiles.bytes);
  const Scratch buffers(tiling.packs_any());
  run_line(tiles, [&](ptrdiff_t first, ptrdiff_t last, char* memory) {
    Walker(nest, tiling, loop, work.data, buffers.of(memory)).walk(first, last);
  });
}

}  // namespace

void walk_line(const Work& work, ptrdiff_t n, int operands, char* const* data, const ptrdiff_t* steps) {
  const int output = operands - 1;
  const ptrdiff_t element_bytes = std::accumulate(steps, steps + operands, ptrdiff_t(0)), bytes = n * element_bytes;
  const bool overlaps = std::find(data, data + output, data[output]) != data + output;
  Loop* const loop = choose_loop(work.kernel, work.output_memory, bytes, overlaps);
  const ptrdiff_t granule = divided_up(least_piece_bytes / element_bytes, cache_line) * cache_line;
  run_line({n, bytes, work.weight, granule, data[output], steps[output], work.output_memory},
           [&](ptrdiff_t begin, ptrdiff_t end, char*) {
             const ptrdiff_t elements = end - begin;
             char* start[max_operands];
             for (int o = 0; o < operands; ++o) start[o] = data[o] + begin * steps[o];
             loop(start, &elements, steps, work.data);
           });
}

void walk(const Work& work, const Nest& nest) {
  Tiling tiling(nest, work.dense_inputs);
  if (nest.axes > 1 || tiling.packs_any()) return walk_tiles(work, nest, tiling);
  char* data[max_operands];
  ptrdiff_t steps[max_operands];
  for (int o = 0; o < nest.operands; ++o) {
    data[o] = nest.operand[o].data;
    steps[o] = nest.operand[o].strides[0];
  }
  walk_line(work, nest.shape[0], nest.operands, data, steps);
}

}  // namespace fastrelu
