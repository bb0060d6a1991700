// SPDX-License-Identifier: BSD-3-Clause
//
// Which instruction sets this build contains, and which of them this processor runs.
#pragma once

#include <vector>

#include "../contract/isa.h"

namespace fastrelu {

// Best first. `available` is what remains of `compiled` on this processor and operating system; it is never empty.
const std::vector<const Isa*>& compiled_isas();
const std::vector<const Isa*>& available_isas();

// Null if no available instruction set has that name.
const Isa* find_available(const char* name);

}  // namespace fastrelu
