// SPDX-License-Identifier: BSD-3-Clause
//
// softmax and its relatives for long double, which no instruction set has vectors of: by the exponentials and logarithms of the
// C library, number by number. Sums have the same order as those of the kernels.
#pragma once

#include "../contract/isa.h"

namespace fastrelu {

void long_softmax(Softmax which, const SoftmaxCall& call, std::ptrdiff_t begin, std::ptrdiff_t end);

}  // namespace fastrelu
