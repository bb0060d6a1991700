// SPDX-License-Identifier: BSD-3-Clause
//
// How many cores this process may use.
#pragma once

#include <string>

namespace fastrelu {

// The smaller of the processors that this process may run on and the quota of its control groups, rounded up; at least 1.
int available_cores();

// The CPU quota of this process's control groups (cgroup v1 and v2) and all their parents, in cores, rounded up. 0: none.
// `root` stands before /proc and /sys/fs/cgroup: tests put a folder of their own there.
int cgroup_quota(const std::string& root = "");

}  // namespace fastrelu
