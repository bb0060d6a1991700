// SPDX-License-Identifier: BSD-3-Clause
//
// The kernels of one unit of contract/functions.inc, for the instruction set being compiled.
#include FASTRELU_SIMD
#include "rows.h"

#define UNIT FASTRELU_UNIT  // only now: the headers list the functions of all units

namespace fastrelu::FASTRELU_ISA::rows {
#define FUNCTION(name, formula, ...) constexpr Row name = per_dtype<KernelOf<formula>>();
#include "../contract/functions.inc"
#undef FUNCTION
}  // namespace fastrelu::FASTRELU_ISA::rows
