// SPDX-License-Identifier: BSD-3-Clause
//
// What this machine's caches hold.
#pragma once

#include <cstddef>

namespace fastrelu {

// The size of the last cache before memory; 32 MiB where the system does not say.
std::ptrdiff_t last_cache_bytes();

}  // namespace fastrelu
