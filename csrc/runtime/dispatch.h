// SPDX-License-Identifier: BSD-3-Clause
//
// The instruction sets that this build contains, and those of them that this processor runs.
#pragma once

#include <vector>

#include "../contract/isa.h"

namespace fastrelu {

// Best first. `available` are those of `compiled` that this processor and operating system run; there is always one.
const std::vector<const Isa*>& compiled_isas();
const std::vector<const Isa*>& available_isas();

// Null if no available instruction set has that name.
const Isa* find_available(const char* name);

}  // namespace fastrelu
