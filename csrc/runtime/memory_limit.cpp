// SPDX-License-Identifier: BSD-3-Clause
#include "memory_limit.h"

#include <algorithm>
#include <fstream>

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace fastrelu {
namespace {

std::size_t physical_memory() {
#if defined(_WIN32)
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? static_cast<std::size_t>(status.ullTotalPhys) : no_memory_limit;
#else
  const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(bytes) : no_memory_limit;
#endif
}

// "max" and a missing file are no limit.
std::size_t read_limit(const std::string& path) {
  std::ifstream file(path);
  std::size_t bytes;
  return file >> bytes ? bytes : no_memory_limit;
}

// A limit holds for all groups below. In a container, groups above its own are not to be seen, and its own may be
// mounted where the root is expected: what does not exist is passed over.
std::size_t least_limit(const std::string& mount, std::string group, const std::string& file) {
  std::size_t least = read_limit(mount + "/" + file);
  while (!group.empty()) {
    least = std::min(least, read_limit(mount + group + "/" + file));
    group.erase(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  return least;
}

bool contains_memory(const std::string& controllers) {
  return ("," + controllers + ",").find(",memory,") != std::string::npos;
}

}  // namespace

std::size_t cgroup_memory_limit(const std::string& root) {
  std::size_t least = no_memory_limit;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // hierarchy:controllers:group
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, least_limit(root + "/sys/fs/cgroup", group, "memory.max"));
    } else if (contains_memory(controllers)) {
      least = std::min(least, least_limit(root + "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

std::size_t memory_limit() { return std::min(physical_memory(), cgroup_memory_limit()); }

}  // namespace fastrelu
