// SPDX-License-Identifier: BSD-3-Clause
//
// Whole pages from the operating system, and advice on their use where the system takes advice.
#pragma once

#include <cstddef>

namespace fastrelu {

// 2 MiB huge pages go with base pages of 4 KiB; other page sizes do without (system_info.huge_pages).
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t huge_page_bytes = 2 * 1024 * 1024;

// Zeroed memory such that address + offset is a multiple of alignment, or null. Both must be multiples of page_bytes;
// an alignment above page_bytes needs system_info.huge_pages.
void* map_pages(std::size_t bytes, std::size_t alignment = page_bytes, std::size_t offset = 0) noexcept;
void unmap_pages(void* address, std::size_t bytes) noexcept;

void advise_huge(void* address, std::size_t bytes) noexcept;

// Lets the system take the pages under memory pressure (MADV_FREE); they read as zeros afterwards. Until then the content
// stays, and a write to a page keeps that page.
void allow_reclaim(void* address, std::size_t bytes) noexcept;

}  // namespace fastrelu
