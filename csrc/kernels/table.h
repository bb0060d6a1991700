// SPDX-License-Identifier: BSD-3-Clause
//
// The table of the instruction set being compiled: the rows of its ufuncs (unit.cpp), and, made here, the kernels of all
// other functions. Included last, and only by isa_*.cpp. The table is constant-initialised: code compiled for a newer
// processor must not run at load time.
#pragma once

#include <cstdint>

#include "../contract/isa.h"
#include "count.h"
#include "lookup.h"
#include "mask_loop.h"
#include "maxout.h"
#include "rows.h"
#include "softmax.h"
#include "sum.h"

namespace fastrelu::FASTRELU_ISA {

template <class Maker> constexpr void add(Isa& isa, MaskOp op) {
  isa.mask_kernels[static_cast<int>(op)] = per_dtype<Maker>();
}
template <class Maker> constexpr void add(Isa& isa, Reduce reduce) {
  isa.reductions[static_cast<int>(reduce)] = per_dtype<Maker>();
}

template <Softmax which> constexpr void add_softmax(Isa& isa) {
  isa.softmax[static_cast<int>(which)] = per_dtype<softmaxes::KernelOf<which>>();
}

constexpr Isa make_table(const char* name) {
  Isa isa{
      name,
      {
#define FUNCTION(name, ...) &rows::name,
#include "../contract/functions.inc"
#undef FUNCTION
      },
      {},
      {},
      {look_up<std::uint8_t>, look_up<std::uint16_t>, look_up<std::uint32_t>, look_up<std::uint64_t>},
      per_dtype<MaxoutOf>(),
      {},
  };
  add<MaskMaking<Relu>>(isa, MaskOp::relu);
  add<LeakyMaking>(isa, MaskOp::leaky_relu);
  add<ReluOfSumMaking>(isa, MaskOp::add_relu);
  add<LeakyOfSumMaking>(isa, MaskOp::add_leaky_relu);
  add<ReluTaking>(isa, MaskOp::relu_backward);
  add<LeakyTaking>(isa, MaskOp::leaky_relu_backward);
  add<MaskMaking<MaskOnly<Relu>>>(isa, MaskOp::keep);
  add<PositiveMaking>(isa, MaskOp::positive);
  add<SumOf>(isa, Reduce::sum);
  add<SumOfFloats<Squares>>(isa, Reduce::squares);
  add<SumOfFloats<SlopeGradients>>(isa, Reduce::slope_gradient);
  add<ActiveCountOf>(isa, Reduce::active);
  add<OfBytes<count_bits>>(isa, Reduce::bits);
  add<OfBytes<any_bits>>(isa, Reduce::any_bits);
  add_softmax<Softmax::softmax>(isa);
  add_softmax<Softmax::log_softmax>(isa);
  add_softmax<Softmax::softmax_backward>(isa);
  add_softmax<Softmax::log_softmax_backward>(isa);
  add_softmax<Softmax::cross_entropy>(isa);
  return isa;
}

}  // namespace fastrelu::FASTRELU_ISA
