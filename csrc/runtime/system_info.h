// SPDX-License-Identifier: BSD-3-Clause
//
// Facts about this machine, as plain numbers: python/fastrelu/_system.py reads them.
#pragma once

#include <cstddef>

namespace fastrelu {

struct SystemInfo {
  std::ptrdiff_t last_cache = 32 * 1024 * 1024;  // bytes of the last cache before memory
  bool huge_pages = false;                       // whether to ask for huge pages of 2 MiB, on base pages of 4 KiB
};

// Set once, when the module is initialised, before any call, thread or fork: a child forked while another thread found out at
// its first call would wait for that thread for ever.
inline SystemInfo system_info;

}  // namespace fastrelu
