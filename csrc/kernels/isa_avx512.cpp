// SPDX-License-Identifier: BSD-3-Clause
#define FASTRELU_ISA avx512
#include "lookup_avx512.h"
#include "simd/avx512.h"
#include "simd/mask_avx512.h"
#include "table.h"

namespace fastrelu::avx512 {
extern constexpr Isa isa = make_table("avx512");
}
