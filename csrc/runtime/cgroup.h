// SPDX-License-Identifier: BSD-3-Clause
//
// Linux control groups of both versions: where the limits of this process are written. Empty on other systems.
#pragma once

#include <string>
#include <vector>

namespace fastrelu {

struct CgroupFolder {
  std::string path;
  bool v2;
};

// The folders of all groups that may limit what `controller` ("cpu", "memory") counts: this process's own and their
// parents as far as they are mounted, since a limit holds for all groups below. `root` stands before every path that is
// read: tests put a folder of their own there.
std::vector<CgroupFolder> cgroup_folders(const char* controller, const std::string& root);

}  // namespace fastrelu
