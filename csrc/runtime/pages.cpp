// SPDX-License-Identifier: BSD-3-Clause
#include "pages.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sys/utsname.h>
#endif

namespace fastrelu {

#if defined(_WIN32)

void* map_pages(std::size_t bytes, std::size_t, std::size_t) noexcept {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void unmap_pages(void* address, std::size_t) noexcept { VirtualFree(address, 0, MEM_RELEASE); }

#else

void* map_pages(std::size_t bytes, std::size_t alignment, std::size_t offset) noexcept {
  const std::size_t spare = alignment > page_bytes ? alignment : 0;
  if (bytes > SIZE_MAX - spare) return nullptr;
  void* const mapped = mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (!spare) return mapped;

  const auto begin = reinterpret_cast<std::uintptr_t>(mapped);
  const std::size_t before = (alignment - (begin + offset) % alignment) % alignment;
  char* const address = static_cast<char*>(mapped) + before;
  if (before) munmap(mapped, before);
  if (spare > before) munmap(address + bytes, spare - before);
  return address;
}

void unmap_pages(void* address, std::size_t bytes) noexcept { munmap(address, bytes); }

#endif

#if defined(__linux__)

namespace {

bool is_at_least_4_6(const char* release) {
  int version = 0, revision = 0;
  return std::sscanf(release, "%d.%d", &version, &revision) == 2 && (version > 4 || (version == 4 && revision >= 6));
}

bool numpy_would_advise() {
  const char* const wanted = std::getenv("NUMPY_MADVISE_HUGEPAGE");
  if (wanted) return std::atoi(wanted) != 0;
  utsname system;
  return uname(&system) == 0 && is_at_least_4_6(system.release);
}

// Without huge pages, allow_reclaim costs 12 us per MiB and as much again on refilling: it must not be mistaken.
bool never_given() {
  std::FILE* const file = std::fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
  if (!file) return true;
  char line[64] = "";
  const bool read = std::fgets(line, sizeof line, file);
  std::fclose(file);
  return !read || std::strstr(line, "[never]");
}

bool huge_pages = false;

}  // namespace

void prepare_pages() noexcept {
  huge_pages = sysconf(_SC_PAGESIZE) == page_bytes && numpy_would_advise() && !never_given();
}

bool use_huge_pages() noexcept { return huge_pages; }

void advise_huge(void* address, std::size_t bytes) noexcept { madvise(address, bytes, MADV_HUGEPAGE); }

void fault_in_huge_pages(void* address, std::size_t bytes) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(address), end = begin + bytes;
  for (std::uintptr_t page_end = begin / huge_page_bytes * huge_page_bytes + huge_page_bytes; page_end <= end;
       page_end += huge_page_bytes) {
    *reinterpret_cast<volatile char*>(page_end - 1) = 0;
  }
}

void allow_reclaim(void* address, std::size_t bytes) noexcept { madvise(address, bytes, MADV_FREE); }

bool hide_from_children(void* address, std::size_t bytes) noexcept {
  return madvise(address, bytes, MADV_DONTFORK) == 0;
}

bool show_to_children(void* address, std::size_t bytes) noexcept { return madvise(address, bytes, MADV_DOFORK) == 0; }

#else

void prepare_pages() noexcept {}
bool use_huge_pages() noexcept { return false; }
void advise_huge(void*, std::size_t) noexcept {}
void fault_in_huge_pages(void*, std::size_t) noexcept {}
void allow_reclaim(void*, std::size_t) noexcept {}
bool hide_from_children(void*, std::size_t) noexcept { return false; }
bool show_to_children(void*, std::size_t) noexcept { return false; }

#endif

}  // namespace fastrelu
