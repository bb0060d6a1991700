// SPDX-License-Identifier: BSD-3-Clause
#define FASTRELU_ISA avx2
#include "lookup_avx2.h"
#include "simd/avx2.h"
#include "simd/mask_avx2.h"
#include "table.h"

namespace fastrelu::avx2 {
extern constexpr Isa isa = make_table("avx2");
}
