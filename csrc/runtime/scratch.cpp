// SPDX-License-Identifier: BSD-3-Clause
#include "scratch.h"

#include <atomic>

namespace fastrelu {
namespace {

constexpr std::align_val_t alignment{cache_line};

std::atomic<char*> kept{nullptr};

char* take() noexcept {
  if (char* const memory = kept.exchange(nullptr, std::memory_order_acquire)) return memory;
  return static_cast<char*>(::operator new(worker_bytes, alignment, std::nothrow));
}

}  // namespace

Scratch::Scratch(bool is_wanted, const std::nothrow_t&) noexcept : memory_(is_wanted ? take() : nullptr) {}

Scratch::Scratch(bool is_wanted) : Scratch(is_wanted, std::nothrow) {
  if (is_wanted && !memory_) throw std::bad_alloc();
}

// Acquires too: what comes out was another thread's until now.
Scratch::~Scratch() {
  if (memory_) ::operator delete(kept.exchange(memory_, std::memory_order_acq_rel), alignment);
}

}  // namespace fastrelu
