// SPDX-License-Identifier: BSD-3-Clause
#include "../contract/made_once.h"

#include <cstdlib>

namespace fastrelu {

const void* MadeOnce::get(std::size_t size, void (*fill)(void*, const void*), const void* context) {
  void* made = made_.load(std::memory_order_acquire);
  if (made) return made;
  void* const own = std::malloc(size);
  if (!own) return nullptr;
  fill(own, context);
  if (made_.compare_exchange_strong(made, own, std::memory_order_acq_rel)) return own;
  std::free(own);
  return made;
}

}  // namespace fastrelu
