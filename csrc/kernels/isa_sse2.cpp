// SPDX-License-Identifier: BSD-3-Clause
#define FASTRELU_ISA sse2
#include "simd/mask_sse2.h"
#include "simd/sse2.h"
#include "table.h"

namespace fastrelu::sse2 {
extern constexpr Isa isa = make_table("sse2");
}
