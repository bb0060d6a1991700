// SPDX-License-Identifier: BSD-3-Clause
#define FASTRELU_ISA scalar
#include "simd/mask_scalar.h"
#include "simd/scalar.h"
#include "table.h"

namespace fastrelu::scalar {
extern constexpr Isa isa = make_table("scalar");
}
