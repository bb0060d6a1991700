// SPDX-License-Identifier: BSD-3-Clause
#define FASTRELU_ISA neon
#include "lookup_neon.h"
#include "simd/mask_neon.h"
#include "simd/neon.h"
#include "table.h"

namespace fastrelu::neon {
extern constexpr Isa isa = make_table("neon");
}
