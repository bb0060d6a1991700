// SPDX-License-Identifier: BSD-3-Clause
#include "cores.h"

#include <algorithm>
#include <fstream>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "cgroup.h"

namespace fastrelu {
namespace {

// The processors that the calling thread may run on.
int allowed_processors() {
#ifdef __linux__
  // The kernel refuses a set that is smaller than its own: so larger ones until it accepts.
  for (std::size_t size = sizeof(cpu_set_t); size <= sizeof(cpu_set_t) << 6; size *= 2) {
    std::vector<cpu_set_t> set(size / sizeof(cpu_set_t));
    if (sched_getaffinity(0, size, set.data()) == 0) return CPU_COUNT_S(size, set.data());
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// 0: none, as for everything that is not a positive number ("max", -1, no such file).
int quota_of(const CgroupFolder& folder) {
  double quota = 0, period = 0;
  if (folder.v2) {
    std::ifstream(folder.path + "/cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder.path + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder.path + "/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0 && period > 0)) return 0;
  const double cores = std::min(quota / period, 1e6);
  const int whole = static_cast<int>(cores);
  return whole + (whole < cores);
}

int smaller_quota(int a, int b) { return a && b ? std::min(a, b) : a + b; }

}  // namespace

int cgroup_quota(const std::string& root) {
  int quota = 0;
  for (const CgroupFolder& each : cgroup_folders("cpu", root)) quota = smaller_quota(quota, quota_of(each));
  return quota;
}

int available_cores() { return std::max(1, smaller_quota(allowed_processors(), cgroup_quota())); }

}  // namespace fastrelu
