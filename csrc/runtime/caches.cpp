// SPDX-License-Identifier: BSD-3-Clause
#include "caches.h"

#include <algorithm>
#include <cstdio>

#ifdef __unix__
#include <unistd.h>
#endif

namespace fastrelu {
namespace {

constexpr std::ptrdiff_t kib = 1024;
constexpr std::ptrdiff_t unknown = 32 * 1024 * kib;

// Linux lists the first processor's caches in files, from the smallest, as "32768K".
std::ptrdiff_t from_sysfs() {
  long largest = 0;
  for (int index = 0; index < 8; ++index) {
    char name[64];
    std::snprintf(name, sizeof name, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
    std::FILE* const file = std::fopen(name, "r");
    if (!file) break;
    long size;
    if (std::fscanf(file, "%ldK", &size) == 1) largest = std::max(largest, size);
    std::fclose(file);
  }
  return largest * kib;
}

// Asks the processor; only glibc knows how, and not on every architecture. Of a virtual Zen 4 with 32 MiB it says 320.
std::ptrdiff_t from_sysconf() {
  long size = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
  size = std::max(sysconf(_SC_LEVEL3_CACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE));
#endif
  return size;
}

std::ptrdiff_t read_last_cache() {
  const std::ptrdiff_t listed = from_sysfs();
  if (listed > 0) return listed;
  const std::ptrdiff_t asked = from_sysconf();
  return asked > 0 ? asked : unknown;
}

std::ptrdiff_t last_cache = unknown;

}  // namespace

void prepare_caches() { last_cache = read_last_cache(); }

std::ptrdiff_t last_cache_bytes() { return last_cache; }

}  // namespace fastrelu
