// SPDX-License-Identifier: BSD-3-Clause
#include "cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace fastrelu {
namespace {

// One mounted hierarchy of groups: where, which part of it, and our group in it.
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
void add_hierarchy(const std::string& mount, const char* controller, std::vector<Hierarchy>& hierarchies) {
  const std::vector<std::string> fields = split(mount, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (dash - fields.begin() < 6 || fields.end() - dash < 4) return;
  const std::string& type = dash[1];
  if (type == "cgroup2" || (type == "cgroup" && contains(split(dash[3], ','), controller))) {
    hierarchies.push_back({type == "cgroup2", fields[4], fields[3], {}});
  }
}

// A line of /proc/self/cgroup is: number:controllers:group; version 2 has the number 0 and names no controllers.
void add_group(const std::string& line, const char* controller, std::vector<Hierarchy>& hierarchies) {
  const std::size_t first = line.find(':'), second = line.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) return;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  for (Hierarchy& each : hierarchies) {
    const bool is_ours = each.v2 ? controllers.empty() : contains(split(controllers, ','), controller);
    if (is_ours) each.group = line.substr(second + 1);
  }
}

std::vector<Hierarchy> read_hierarchies(const char* controller, const std::string& root) {
  std::vector<Hierarchy> hierarchies;
  std::ifstream mounts(root + "/proc/self/mountinfo"), groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(mounts, line);) add_hierarchy(line, controller, hierarchies);
  for (std::string line; std::getline(groups, line);) add_group(line, controller, hierarchies);
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

}  // namespace

std::vector<CgroupFolder> cgroup_folders(const char* controller, const std::string& root) {
  std::vector<CgroupFolder> folders;
  for (const Hierarchy& each : read_hierarchies(controller, root)) {
    const std::string mount = root + each.mount_point;
    for (std::string path = path_in_mount(each); !path.empty(); path.erase(path.rfind('/'))) {
      folders.push_back({mount + path, each.v2});
    }
    folders.push_back({mount, each.v2});
  }
  return folders;
}

}  // namespace fastrelu
