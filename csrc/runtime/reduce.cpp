// SPDX-License-Identifier: BSD-3-Clause
#include "reduce.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "line.h"
#include "scratch.h"

namespace fastrelu {
namespace {

using std::ptrdiff_t;

// The bytes that a tile holds of one array. Of long runs, three tiles should fit a core's first cache (prelu's gradients took 3.3 ms,
// with 16 KiB 4.3); of columns, its second is near enough for four rows at once (bias: 3.0 ms, with 8 KiB 3.9).
constexpr ptrdiff_t run_tile_bytes = 8 * 1024;
constexpr ptrdiff_t tile_bytes = 16 * 1024;
// The bytes that it holds of each of several rows: where rows are cut, a piece should be worth fetching.
constexpr ptrdiff_t largest_piece_bytes = 4 * 1024;
constexpr ptrdiff_t least_piece_bytes = 1024;
// Pieces begin at whole cache lines of every dtype.
constexpr ptrdiff_t piece_granule = cache_line;
constexpr ptrdiff_t enough_units = 8;  // to share
// Runs from this length on are shared block by block, shorter ones column by column.
constexpr ptrdiff_t long_run = 256;
// A slope is at most four times as large as an element.
constexpr ptrdiff_t slopes_bytes = 4 * tile_bytes;
static_assert(slopes_bytes <= worker_bytes);

using Cells = std::vector<char>;  // totals of parts, which become totals of the whole

// Part of an array: `rows` rows of `columns` elements, the first of which is `element`.
struct Part {
  ptrdiff_t element, rows, columns;
};

// One slope for all elements, or (step > 0) one for each of those that follow each other.
struct Slopes {
  const char* data;
  ptrdiff_t step;
};

class Reducer {
 public:
  explicit Reducer(const ReductionWork& work) : work_(work), shape_(work.shape) {}

  void reduce(char* totals) const { shape_.length >= long_run ? reduce_long_runs(totals) : reduce_columns(totals); }

 private:
  // Block by block of each run, then the blocks, then the rows.
  void reduce_long_runs(char* totals) const {
    const ptrdiff_t runs = shape_.outer * shape_.rows * shape_.runs, blocks = divided_up(shape_.length, work_.block);
    Cells of_blocks = zeros(runs * blocks), of_runs = zeros(blocks == 1 ? 0 : runs);
    Cells of_row_blocks = zeros(cells_of_row_blocks());
    const ptrdiff_t blocks_at_once = std::max<ptrdiff_t>(run_tile_bytes / (work_.block * work_.size), 1);
    const ptrdiff_t pieces = divided_up(blocks, blocks_at_once);
    run_line(shared(runs * pieces), [&](ptrdiff_t begin, ptrdiff_t end, char*) {
      for (ptrdiff_t unit = begin; unit < end; ++unit) {
        const ptrdiff_t run = unit / pieces, block = unit % pieces * blocks_at_once;
        reduce_blocks(run, block, std::min(blocks - block, blocks_at_once), cell(of_blocks, run * blocks + block));
      }
    });
    if (blocks > 1) add_in_order(of_blocks.data(), runs, blocks, 1, of_runs.data());
    add_rows(blocks > 1 ? of_runs.data() : of_blocks.data(), of_row_blocks.data(), totals);
  }

  void reduce_blocks(ptrdiff_t run, ptrdiff_t block, ptrdiff_t blocks, char* cells) const {
    const ptrdiff_t begin = block * work_.block, n = std::min(blocks * work_.block, shape_.length - begin);
    const ptrdiff_t element = run * shape_.length + begin, whole = n / work_.block, rest = n % work_.block;
    const ptrdiff_t total = run / (shape_.rows * shape_.runs) * shape_.runs + run % shape_.runs;
    compute({element, 1, n}, {slope_of(total), 0}, [&] {
      if (whole > 0) reduce_part(element, 1, whole, work_.block, cells);
      if (rest > 0) reduce_part(element + n - rest, 1, 1, rest, cells + whole * work_.total_size);
    });
  }

  // Rows by blocks of sum_block, each cut into pieces of some runs.
  void reduce_columns(char* totals) const {
    const ptrdiff_t row_blocks = divided_up(shape_.rows, sum_block);
    Cells cells = zeros(cells_of_row_blocks());
    const ptrdiff_t piece = runs_in_piece(shape_.outer * row_blocks), pieces = divided_up(shape_.runs, piece);
    char* const results = row_blocks > 1 ? cells.data() : totals;
    const Scratch scratch(work_.backward.slopes != nullptr);
    run_line(shared(shape_.outer * row_blocks * pieces), [&](ptrdiff_t begin, ptrdiff_t end, char* memory) {
      char* const slopes = scratch.of(memory);
      for (ptrdiff_t unit = begin; unit < end; ++unit) {
        const ptrdiff_t block = unit / pieces, run = unit % pieces * piece;
        char* const results_of_block = results + (block * shape_.runs + run) * work_.total_size;
        reduce_piece(block / row_blocks, block % row_blocks, run, std::min(piece, shape_.runs - run), slopes,
                     results_of_block);
      }
    });
    if (row_blocks > 1) add_in_order(cells.data(), shape_.outer, row_blocks, shape_.runs, totals);
  }

  ptrdiff_t runs_in_piece(ptrdiff_t blocks) const {
    const ptrdiff_t run_bytes = shape_.length * work_.size;
    ptrdiff_t bytes = shape_.rows == 1 ? tile_bytes : largest_piece_bytes;
    const auto runs = [&] {
      const ptrdiff_t fitting = std::max<ptrdiff_t>(bytes / run_bytes / piece_granule * piece_granule, piece_granule);
      return std::min(fitting * run_bytes > tile_bytes ? std::max<ptrdiff_t>(bytes / run_bytes, 1) : fitting,
                      shape_.runs);
    };
    while (!shared(blocks).is_one_piece() && bytes > least_piece_bytes &&
           blocks * divided_up(shape_.runs, runs()) < enough_units)
      bytes /= 2;
    return runs();
  }

  void reduce_piece(ptrdiff_t outer, ptrdiff_t row_block, ptrdiff_t run, ptrdiff_t runs, char* slopes,
                    char* totals) const {
    const ptrdiff_t first = row_block * sum_block, last = std::min(first + sum_block, shape_.rows);
    const ptrdiff_t columns = runs * shape_.length;
    const ptrdiff_t at_once = computes() ? std::max<ptrdiff_t>(tile_bytes / (columns * work_.size), 1) : sum_block;
    if (work_.backward.slopes) {
      spread_slopes(outer, run, runs, runs == shape_.runs ? std::min(at_once, last - first) : 1, slopes);
    }
    for (ptrdiff_t row = first; row < last; row += at_once) {
      const ptrdiff_t rows = std::min(at_once, last - row);
      const ptrdiff_t element = ((outer * shape_.rows + row) * shape_.runs + run) * shape_.length;
      compute({element, rows, columns}, {slopes, work_.backward.slope_size},
              [&] { reduce_part(element, rows, runs, shape_.length, totals); });
    }
  }

  // A slope for each element of `rows` rows.
  void spread_slopes(ptrdiff_t outer, ptrdiff_t run, ptrdiff_t runs, ptrdiff_t rows, char* slopes) const {
    const auto size = static_cast<std::size_t>(work_.backward.slope_size);
    const auto row_size = static_cast<std::size_t>(runs * shape_.length) * size;
    const char* const first = slope_of(outer * shape_.runs + run);
    if (shape_.length == 1) {
      std::memcpy(slopes, first, row_size);
    } else {
      char* next = slopes;
      for (ptrdiff_t r = 0; r < runs; ++r) {
        for (ptrdiff_t i = 0; i < shape_.length; ++i, next += size) {
          std::memcpy(next, first + r * work_.backward.slope_size, size);
        }
      }
    }
    for (ptrdiff_t row = 1; row < rows; ++row) {
      std::memcpy(slopes + static_cast<std::size_t>(row) * row_size, slopes, row_size);
    }
  }

  bool computes() const { return work_.backward.loop != nullptr; }

  // Computes a part and has it reduced, in the order in which nothing is overwritten that is needed yet.
  template <class Reduce> void compute(const Part& part, Slopes slopes, Reduce reduce) const {
    if (computes() && work_.backward.is_reduced) run_backward(part, slopes);
    reduce();
    if (computes() && !work_.backward.is_reduced) run_backward(part, slopes);
  }

  void run_backward(const Part& part, Slopes slopes) const {
    const bool is_dense = part.columns == shape_.runs * shape_.length;
    const ptrdiff_t calls = is_dense ? 1 : part.rows, n = part.columns * (is_dense ? part.rows : 1);
    for (ptrdiff_t call = 0; call < calls; ++call) {
      call_loop(part.element * work_.size + call * row_bytes(), n, slopes);
    }
  }

  void call_loop(ptrdiff_t offset, ptrdiff_t n, Slopes slopes) const {
    char* args[max_operands] = {const_cast<char*>(work_.grad) + offset, const_cast<char*>(work_.x) + offset};
    ptrdiff_t steps[max_operands] = {work_.size, work_.size};
    int last = 2;
    if (work_.backward.slopes) {
      args[last] = const_cast<char*>(slopes.data);
      steps[last++] = slopes.step;
    }
    args[last] = work_.backward.out + offset;
    steps[last] = work_.size;
    work_.backward.loop(args, &n, steps, const_cast<void*>(work_.data));
  }

  void reduce_part(ptrdiff_t element, ptrdiff_t rows, ptrdiff_t runs, ptrdiff_t length, char* totals) const {
    const char* const values = (work_.backward.is_reduced ? work_.backward.out : work_.grad) + element * work_.size;
    const char* const x = work_.x ? work_.x + element * work_.size : nullptr;
    work_.reduce({values, x, totals, rows, row_bytes(), runs, length}, work_.data);
  }

  ptrdiff_t row_bytes() const { return shape_.runs * shape_.length * work_.size; }

  // The totals of runs become those of all rows.
  void add_rows(const char* of_runs, char* of_row_blocks, char* totals) const {
    const ptrdiff_t row_blocks = divided_up(shape_.rows, sum_block);
    if (row_blocks == 1) return add_in_order(of_runs, shape_.outer, shape_.rows, shape_.runs, totals);
    for (ptrdiff_t outer = 0; outer < shape_.outer; ++outer) {
      for (ptrdiff_t block = 0; block < row_blocks; ++block) {
        const ptrdiff_t row = outer * shape_.rows + block * sum_block;
        const ptrdiff_t rows = std::min(sum_block, shape_.rows - block * sum_block);
        add_in_order(of_runs + row * shape_.runs * work_.total_size, 1, rows, shape_.runs,
                     of_row_blocks + (outer * row_blocks + block) * shape_.runs * work_.total_size);
      }
    }
    add_in_order(of_row_blocks, shape_.outer, row_blocks, shape_.runs, totals);
  }

  // `count` times: rows x runs totals become runs totals.
  void add_in_order(const char* values, ptrdiff_t count, ptrdiff_t rows, ptrdiff_t runs, char* totals) const {
    const ptrdiff_t row_step = runs * work_.total_size;
    for (; count > 0; --count, values += rows * row_step, totals += row_step) {
      work_.add({values, nullptr, totals, rows, row_step, runs, 1}, nullptr);
    }
  }

  const char* slope_of(ptrdiff_t total) const {
    return work_.backward.slopes ? work_.backward.slopes + total * work_.backward.slope_size : nullptr;
  }

  ptrdiff_t cells_of_row_blocks() const {
    const ptrdiff_t row_blocks = divided_up(shape_.rows, sum_block);
    return row_blocks > 1 ? shape_.totals() * row_blocks : 0;
  }
  Cells zeros(ptrdiff_t cells) const { return Cells(static_cast<std::size_t>(cells * work_.total_size)); }
  char* cell(Cells& cells, ptrdiff_t index) const { return cells.data() + index * work_.total_size; }

  // All of the work, in so many units.
  Line shared(ptrdiff_t units) const {
    const int arrays = 1 + (work_.x != nullptr) + computes();
    return {units, shape_.elements() * work_.size * arrays, work_.weight, 1};
  }

  const ReductionWork& work_;
  const ReductionShape shape_;
};

}  // namespace

void reduce(const ReductionWork& work, char* totals) {
  if (work.shape.elements() > 0) Reducer(work).reduce(totals);
}

void round_totals(const double* totals, ptrdiff_t n, float* rounded) {
  for (ptrdiff_t i = 0; i < n; ++i) rounded[i] = static_cast<float>(totals[i]);
}

}  // namespace fastrelu
