// SPDX-License-Identifier: BSD-3-Clause
//
// What this machine's caches hold.
#pragma once

#include <cstddef>

namespace fastrelu {

// Asks the system, once: before that, or where it does not say, the answer is 32 MiB. Not at the first call that wants to
// know: a child forked while another thread asks would wait for that thread for ever.
void prepare_caches();

// The size of the last cache before memory.
std::ptrdiff_t last_cache_bytes();

}  // namespace fastrelu
