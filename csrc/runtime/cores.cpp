// SPDX-License-Identifier: BSD-3-Clause
#include "cores.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

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

// One control group hierarchy that may limit the CPU: where it is mounted, which part of it is, and our group in it.
struct Hierarchy {
  bool v2;
  std::string mount_point, mounted, group;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A line of mountinfo is: id parent device mounted mount_point options [tags...] - type source super_options
void add_hierarchy(const std::string& mount, std::vector<Hierarchy>& hierarchies) {
  const std::vector<std::string> fields = split(mount, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (dash - fields.begin() < 6 || fields.end() - dash < 4) return;
  const std::string& type = dash[1];
  if (type == "cgroup2" || (type == "cgroup" && contains(split(dash[3], ','), "cpu"))) {
    hierarchies.push_back({type == "cgroup2", fields[4], fields[3], {}});
  }
}

// A line of /proc/self/cgroup is: number:controllers:group; version 2 has the number 0 and names no controllers.
void add_group(const std::string& line, std::vector<Hierarchy>& hierarchies) {
  const std::size_t first = line.find(':'), second = line.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) return;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  for (Hierarchy& each : hierarchies) {
    if (each.v2 ? controllers.empty() : contains(split(controllers, ','), "cpu")) each.group = line.substr(second + 1);
  }
}

std::vector<Hierarchy> read_hierarchies(const std::string& root) {
  std::vector<Hierarchy> hierarchies;
  std::ifstream mounts(root + "/proc/self/mountinfo"), groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(mounts, line);) add_hierarchy(line, hierarchies);
  for (std::string line; std::getline(groups, line);) add_group(line, hierarchies);
  return hierarchies;
}

// Our group below the mount point. In a container the group may be named from outside: the mount is then all there is.
std::string path_in_mount(const Hierarchy& hierarchy) {
  const std::string& group = hierarchy.group;
  const std::string mounted = hierarchy.mounted == "/" ? "" : hierarchy.mounted;
  const bool inside = group.compare(0, mounted.size(), mounted) == 0 && group.find("/..") == std::string::npos &&
                      (group.size() == mounted.size() || group[mounted.size()] == '/');
  std::string path = inside ? group.substr(mounted.size()) : "";
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path;
}

// 0: none, as for everything that is not a positive number ("max", -1, no such file).
int quota_of(const std::string& folder, bool v2) {
  double quota = 0, period = 0;
  if (v2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  if (!(quota > 0 && period > 0)) return 0;
  const double cores = std::min(quota / period, 1e6);
  const int whole = static_cast<int>(cores);
  return whole + (whole < cores);
}

int smaller_quota(int a, int b) { return a && b ? std::min(a, b) : a + b; }

int quota_of_group_and_parents(const Hierarchy& hierarchy, const std::string& root) {
  const std::string mount = root + hierarchy.mount_point;
  int quota = quota_of(mount, hierarchy.v2);
  for (std::string path = path_in_mount(hierarchy); !path.empty(); path.erase(path.rfind('/'))) {
    quota = smaller_quota(quota, quota_of(mount + path, hierarchy.v2));
  }
  return quota;
}

}  // namespace

int cgroup_quota(const std::string& root) {
  int quota = 0;
  for (const Hierarchy& each : read_hierarchies(root)) {
    quota = smaller_quota(quota, quota_of_group_and_parents(each, root));
  }
  return quota;
}

int available_cores() { return std::max(1, smaller_quota(allowed_processors(), cgroup_quota())); }

}  // namespace fastrelu
