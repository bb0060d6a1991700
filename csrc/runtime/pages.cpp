// SPDX-License-Identifier: BSD-3-Clause
#include "pages.h"

#include <cstdint>

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
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

void advise_huge(void* address, std::size_t bytes) noexcept { madvise(address, bytes, MADV_HUGEPAGE); }

void allow_reclaim(void* address, std::size_t bytes) noexcept { madvise(address, bytes, MADV_FREE); }

#else

void advise_huge(void*, std::size_t) noexcept {}
void allow_reclaim(void*, std::size_t) noexcept {}

#endif

}  // namespace fastrelu
