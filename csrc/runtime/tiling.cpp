// SPDX-License-Identifier: BSD-3-Clause
#include "tiling.h"

#include <algorithm>

#include "line.h"
#include "system_info.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;

// The least elements of a row that is worth a kernel call, which costs about 5 ns ...
constexpr ptrdiff_t row_from = 32;
// ... and where only a repeated operand keeps several rows from being one line.
constexpr ptrdiff_t repeated_row_from = 512;

// The bytes that an operand is gathered into: all operands of a tile fit into an L1 cache. From memory, shorter turns keep all
// streams flowing: backward on two views x[::2] of 32 MiB took 3.7 ms with 2 KiB and 4.4 with 4.
constexpr ptrdiff_t gathered_bytes = 4 * 1024;
constexpr ptrdiff_t gathered_bytes_from_memory = 2 * 1024;
// A transposed operand reads and writes its lines in no order that a processor foresees: the more of them a tile has, the
// better they can be prefetched.
constexpr ptrdiff_t transposed_bytes = 32 * 1024;
// Along the rows of a transposed operand: four lines of each column. (One was 1.6 times slower at 16 MiB, eight 1.3.)
constexpr ptrdiff_t transposed_run_bytes = 4 * cache_line;

}  // namespace

Tiling::Tiling(const Nest& nest, int dense_inputs) : nest_(nest), dense_inputs_(dense_inputs) {
  column_axis = nest.axes - 1;
  row_axis = choose_row_axis();
  is_transposed = has_transposed();
  choose_calls();
  choose_buffers();
}

void Tiling::cut(ptrdiff_t bytes_at_once) {
  choose_size(bytes_at_once);
  row_blocks = divided_up(length(row_axis), rows);
  column_blocks = divided_up(length(column_axis), columns);
  tiles = row_blocks * column_blocks;
  for (int axis = 0; axis < nest_.axes; ++axis) {
    if (axis != row_axis && axis != column_axis) tiles *= nest_.shape[axis];
  }
}

// Whether a kernel takes the operand as it lies along the last axis.
bool Tiling::is_ready(int o) const {
  const Operand& operand = nest_.operand[o];
  const ptrdiff_t step = operand.strides[column_axis];
  return step == operand.size || (may_be_broadcast(o) && step == 0);
}

// Whether the operand is a parameter, or an array such as one of biases, whose few elements serve many of the others.
bool Tiling::is_repeated(int o) const {
  const ptrdiff_t* const strides = nest_.operand[o].strides;
  return may_be_broadcast(o) && std::find(strides, strides + nest_.axes, 0) != strides + nest_.axes;
}

// Whether the end of one row is the beginning of the next.
bool Tiling::runs_on(int o) const {
  const Operand& operand = nest_.operand[o];
  return is_ready(o) && steps_of(operand).down == operand.strides[column_axis] * length(column_axis);
}

template <class Predicate> bool Tiling::all_arrays(Predicate is_true) const {
  for (int o = 0; o < nest_.operands; ++o) {
    if (!is_repeated(o) && !is_true(o)) return false;
  }
  return true;
}

bool Tiling::all_packed() const {
  return std::all_of(packed, packed + nest_.operands, [](bool p) { return p; });
}

// The axis of a tile's second side: one along which an array is dense, if there is one.
int Tiling::choose_row_axis() const {
  for (int o = 0; o < nest_.operands; ++o) {
    const Operand& operand = nest_.operand[o];
    if (is_ready(o) || is_repeated(o)) continue;
    for (int axis = 0; axis < column_axis; ++axis) {
      if (operand.strides[axis] == operand.size) return axis;
    }
  }
  return column_axis - 1;
}

bool Tiling::has_transposed() const {
  return row_axis >= 0 &&
         !all_arrays([&](int o) { return is_ready(o) || steps_of(nest_.operand[o]).down != nest_.operand[o].size; });
}

void Tiling::choose_calls() {
  const bool is_line = all_arrays([&](int o) { return runs_on(o); });
  bool repeats_row = false;
  for (int o = 0; o < nest_.operands; ++o) {
    repeats_row |= is_repeated(o) && nest_.operand[o].strides[column_axis] != 0;
  }
  whole = row_axis < 0 || length(column_axis) < (is_line && repeats_row ? repeated_row_from : row_from);
  for (int o = 0; o < nest_.operands; ++o) packed[o] = !(whole && row_axis >= 0 ? runs_on(o) : is_ready(o));
  if (all_packed()) whole = true;
}

void Tiling::choose_buffers() {
  ptrdiff_t buffers = 0;
  for (int o = 0; o < nest_.operands; ++o) {
    if (!packed[o]) continue;
    largest_packed = std::max(largest_packed, nest_.operand[o].size);
    ++buffers;
  }
  if (buffers == 0) return;
  const ptrdiff_t gathered = nest_.bytes() > system_info.last_cache ? gathered_bytes_from_memory : gathered_bytes;
  const ptrdiff_t wanted = is_transposed ? transposed_bytes : gathered;
  bytes_per_buffer = std::min(wanted, buffer_bytes / buffers) / cache_line * cache_line;
}

void Tiling::choose_size(ptrdiff_t bytes_at_once) {
  ptrdiff_t bytes = 0;
  for (int o = 0; o < nest_.operands; ++o) bytes += nest_.operand[o].size;
  const ptrdiff_t most = packs_any() ? bytes_per_buffer / largest_packed : bytes_at_once / bytes;
  const ptrdiff_t widest = is_transposed ? most / (transposed_run_bytes / largest_packed) : most;
  columns = std::min(length(column_axis), widest);
  rows = std::min(length(row_axis), std::max<ptrdiff_t>(most / columns, 1));
}

Place place_of(ptrdiff_t tile, const Nest& nest, const Tiling& tiling) {
  Place place;
  const ptrdiff_t column = tile % tiling.column_blocks * tiling.columns;
  tile /= tiling.column_blocks;
  const ptrdiff_t row = tile % tiling.row_blocks * tiling.rows;
  tile /= tiling.row_blocks;
  place.columns = std::min(tiling.columns, tiling.length(tiling.column_axis) - column);
  place.rows = std::min(tiling.rows, tiling.length(tiling.row_axis) - row);
  for (int o = 0; o < nest.operands; ++o) {
    const Steps steps = tiling.steps_of(nest.operand[o]);
    place.data[o] = nest.operand[o].data + column * steps.across + row * steps.down;
  }
  for (int axis = nest.axes - 1; axis >= 0; --axis) {
    if (axis == tiling.column_axis || axis == tiling.row_axis) continue;
    const ptrdiff_t index = tile % nest.shape[axis];
    tile /= nest.shape[axis];
    for (int o = 0; o < nest.operands; ++o) place.data[o] += index * nest.operand[o].strides[axis];
  }
  return place;
}

}  // namespace fastrelu
