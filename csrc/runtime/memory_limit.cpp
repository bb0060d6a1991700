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

#include "cgroup.h"

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
std::size_t limit_of(const CgroupFolder& folder) {
  std::ifstream file(folder.path + (folder.v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  std::size_t bytes;
  return file >> bytes ? bytes : no_memory_limit;
}

}  // namespace

std::size_t cgroup_memory_limit(const std::string& root) {
  std::size_t least = no_memory_limit;
  for (const CgroupFolder& each : cgroup_folders("memory", root)) least = std::min(least, limit_of(each));
  return least;
}

std::size_t memory_limit() { return std::min(physical_memory(), cgroup_memory_limit()); }

}  // namespace fastrelu
