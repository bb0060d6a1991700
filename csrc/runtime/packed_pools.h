// SPDX-License-Identifier: BSD-3-Clause
//
// maxout for pools whose elements lie too close together for vectors, such as channels along the last axis. Many pools are
// gathered into a buffer, where their elements lie side by side, computed there, and scattered.
#pragma once

#include <algorithm>
#include <cstddef>

#include "../contract/isa.h"
#include "parallel.h"
#include "strided_copy.h"

namespace fastrelu {

class PackedPools {
 public:
  static constexpr std::ptrdiff_t buffer_bytes = 16 * 1024;
  static_assert(buffer_bytes <= worker_bytes);

  PackedPools(Pools pools, std::ptrdiff_t element_bytes)
      : pools_(pools),
        row_bytes_(pools.inner * element_bytes),
        block_bytes_(pools.size * row_bytes_),
        blocks_at_once_(buffer_bytes / block_bytes_) {
    const bool is_word = (row_bytes_ & (row_bytes_ - 1)) == 0;
    word_ = is_word ? row_bytes_ : element_bytes;
  }

  // Rows of 32 bytes are a vector of AVX2; and enough of them side by side make several.
  bool pays() const { return row_bytes_ < 32 && blocks_at_once_ >= 16; }

  // Runs the backward kernel or, where grad is null, the forward one over blocks [begin, end). A block: `inner` pools, whose
  // elements are one piece of memory. grad, x and out are where block 0 lies. `buffer` has buffer_bytes bytes and starts at
  // a cache line.
  void run_blocks(const MaxoutKernels& kernels, const char* grad, const char* x, char* out, std::ptrdiff_t begin,
                  std::ptrdiff_t end, const void* data, char* buffer) const {
    for (; begin < end; begin += blocks_at_once_) {
      const std::ptrdiff_t blocks = std::min(blocks_at_once_, end - begin), count = blocks * pools_.inner;
      const Pools side_by_side{pools_.size, count};
      gather(x + begin * block_bytes_, buffer, blocks);
      if (grad) {
        kernels.backward(grad + begin * row_bytes_, buffer, buffer, side_by_side, 0, count, data);
        scatter(buffer, out + begin * block_bytes_, blocks);
      } else {
        kernels.forward(buffer, out + begin * row_bytes_, side_by_side, 0, count, data);
      }
    }
  }

 private:
  static constexpr std::ptrdiff_t largest_word = 16;

  // Row i of the buffer holds element i of each pool.
  Steps buffer_steps(std::ptrdiff_t blocks) const { return {blocks * row_bytes_, row_bytes_}; }
  Steps block_steps() const { return {row_bytes_, block_bytes_}; }

  void gather(const char* x, char* buffer, std::ptrdiff_t blocks) const {
    copy(x, block_steps(), buffer, buffer_steps(blocks), blocks);
  }
  void scatter(const char* buffer, char* out, std::ptrdiff_t blocks) const {
    copy(buffer, buffer_steps(blocks), out, block_steps(), blocks);
  }

  void copy(const char* from, Steps from_steps, char* to, Steps to_steps, std::ptrdiff_t blocks) const {
    for (std::ptrdiff_t byte = 0; byte < row_bytes_; byte += word_) {
      const StridedCopy all{pools_.size, blocks, to + byte, to_steps, from + byte, from_steps};
      if (pools_.size * word_ < largest_word) {
        copy_row_by_row(all);
      } else {
        copy_elements(all, word_);
      }
    }
  }

  // So few rows cannot be turned in registers.
  void copy_row_by_row(const StridedCopy& all) const {
    for (std::ptrdiff_t row = 0; row < all.rows; ++row) {
      char* const to = all.to + row * all.to_steps.down;
      const char* const from = all.from + row * all.from_steps.down;
      copy_elements({1, all.columns, to, {0, all.to_steps.across}, from, {0, all.from_steps.across}}, word_);
    }
  }

  Pools pools_;
  std::ptrdiff_t row_bytes_, block_bytes_, blocks_at_once_, word_;
};

}  // namespace fastrelu
