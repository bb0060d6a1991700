// SPDX-License-Identifier: BSD-3-Clause
//
// How much memory this process may use.
#pragma once

#include <cstddef>
#include <string>

namespace fastrelu {

constexpr std::size_t no_memory_limit = static_cast<std::size_t>(-1);

// The smaller of the machine's memory and the control group's limit; no_memory_limit if nothing is known.
std::size_t memory_limit();

// The least limit of this process's control group and its ancestors, of version 1 or 2. `root` stands before every
// path that is read.
std::size_t cgroup_memory_limit(const std::string& root = "");

}  // namespace fastrelu
