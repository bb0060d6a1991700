// SPDX-License-Identifier: BSD-3-Clause
//
// The table of an instruction set: all of its kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel.h"
#include "mask.h"
#include "reduction.h"

namespace fastrelu {

// result[i] = table[index[i]] for n elements: a table of 256 entries, indexed by bytes. result may be index, exactly, if
// entries are bytes; no other operands may overlap.
using LookUp = void(const void* index, const void* table, void* result, std::ptrdiff_t n);

// maxout takes the first largest (NaN above all) of each pool: `size` elements of x that lie `inner` elements apart, side
// by side with those of the next inner - 1 pools. Pools are counted in the order of the results. Both functions run over
// pools [begin, end) and are given where pool 0 lies. data: as for a Loop. out of the gradient may be x, exactly.
struct Pools {
  std::ptrdiff_t size, inner;
};
using Maxout = void(const void* x, void* out, Pools pools, std::ptrdiff_t begin, std::ptrdiff_t end, const void* data);
using MaxoutBackward = void(const void* grad, const void* x, void* out, Pools pools, std::ptrdiff_t begin,
                            std::ptrdiff_t end, const void* data);

struct MaxoutKernels {
  Maxout* forward;
  MaxoutBackward* backward;
};

// softmax and its relatives. Rows are as pools: `size` elements that lie `inner` elements apart. Rows are counted in
// the order of their sums. out may be x or grad, exactly.
enum class Softmax { softmax, log_softmax, softmax_backward, log_softmax_backward, cross_entropy };
inline constexpr int softmax_count = static_cast<int>(Softmax::cross_entropy) + 1;
struct SoftmaxCall {
  const void* x;               // of gradients: the result of the forward function
  const void* grad;            // that comes in, for gradients
  const std::int64_t* labels;  // one for each row, from 0 to size - 1, and
  void* loss;                  // a result for each row: for the cross entropy
  void* out;
  Pools rows;
  const void* data;  // as for a Loop
};
// Computes rows [begin, end), with a buffer of softmax_buffer_bytes that starts at a cache line.
using SoftmaxKernel = void(const SoftmaxCall& call, std::ptrdiff_t begin, std::ptrdiff_t end, void* buffer);
inline constexpr std::ptrdiff_t softmax_buffer_bytes = 270 * 1024;

// A null entry means that the function has no loop for that dtype.
struct Isa {
  const char* name;
  const Row* rows[op_count];
  PerDType<MaskKernel> mask_kernels[mask_op_count];
  PerDType<Reduction*> reductions[reduce_count];
  LookUp* look_up[4];  // by the logarithm of an entry's size
  PerDType<MaxoutKernels> maxout;
  PerDType<SoftmaxKernel*> softmax[softmax_count];

  constexpr Kernel kernel(Op op, DType dtype) const { return (*rows[static_cast<int>(op)])[dtype]; }
  constexpr MaskKernel mask_kernel(MaskOp op, DType dtype) const { return mask_kernels[static_cast<int>(op)][dtype]; }
  constexpr Reduction* reduction(Reduce reduce, DType dtype) const {
    return reductions[static_cast<int>(reduce)][dtype];
  }
};

}  // namespace fastrelu
