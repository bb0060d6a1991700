// SPDX-License-Identifier: BSD-3-Clause
#include "recycle.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <new>

#include "pages.h"
#include "system_info.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace fastrelu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t max_blocks = 256;
constexpr std::chrono::seconds idle_time(10);

// As NumPy: below, huge pages are not worth asking for.
constexpr std::size_t huge_from = 4 * 1024 * 1024;

// Up to this many bytes in base pages behind the last huge page took less time than one more huge page.
constexpr std::size_t huge_page_slack = 128 * 1024;

// MADV_FREE took 1.4 % of the time of relu on 32 MiB, 1 % on 16 and 0.7 % on 128, and nothing on refilling. On 4 MiB it
// would take 2 to 3 %, and from base pages 60 %.
constexpr std::size_t reclaimable_from = 16 * 1024 * 1024;

// glibc places large blocks 16 bytes behind the start of a page. Stores half a page apart from the loads were 12 to
// 15 % faster where they stream (64 and 128 MiB), and the same elsewhere; 48 bytes apart they were 5 to 9 % slower in
// cache, as loads seem to depend on stores with the same last 12 bits. So data starts here.
constexpr std::size_t data_offset = page_bytes / 2 + 64;

// At the start of its pages, which are: this one, and those of data. Huge pages start behind it.
struct Block {
  std::size_t length;  // of the whole mapping
  std::size_t born;    // Cache::forks when it was mapped: if there were more since, a child may share it
  Block* next;         // among Released
  bool huge;
  bool warm;

  char* data() { return reinterpret_cast<char*>(this) + data_offset; }
  char* second_page() { return reinterpret_cast<char*>(this) + page_bytes; }
};

Block* block_of(void* data) { return reinterpret_cast<Block*>(static_cast<char*>(data) - data_offset); }

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

bool wants_huge_pages(std::size_t bytes) { return bytes >= huge_from && system_info.huge_pages; }

// Of the mapping for this much data; 0 if there is no such number.
std::size_t length_for(std::size_t bytes) {
  constexpr std::size_t most = static_cast<std::size_t>(-1) / 2;
  if (bytes > most) return 0;
  const std::size_t length = round_up(data_offset + bytes, page_bytes);
  const std::size_t tail = (length - page_bytes) % huge_page_bytes;
  if (!wants_huge_pages(bytes) || tail <= huge_page_slack) return length;
  return page_bytes + round_up(length - page_bytes, huge_page_bytes);
}

bool fits(std::size_t length, std::size_t wanted) { return length >= wanted && length - wanted <= wanted / 4; }

Block* map_block(std::size_t bytes, std::size_t born) {
  const std::size_t length = length_for(bytes);
  const bool huge = wants_huge_pages(bytes);
  void* const pages = huge ? map_pages(length, huge_page_bytes, page_bytes) : map_pages(length);
  if (!pages) return nullptr;
  if (huge) advise_huge(pages, length);
  return new (pages) Block{length, born, nullptr, huge, false};
}

// Blocks on their way back to the system, which takes its time: declare before the lock, so that it is done without.
class Released {
 public:
  Released() = default;
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released() {
    while (first_) {
      Block* const block = first_;
      first_ = block->next;
      unmap_pages(block, block->length);
    }
  }

  void add(Block* block) {
    block->next = first_;
    first_ = block;
    bytes_ += block->length;
  }

  std::size_t bytes() const { return bytes_; }

 private:
  Block* first_ = nullptr;
  std::size_t bytes_ = 0;
};

// Besides the lock, callers bring what time it is and take away what is to be released.
class Cache {
 public:
  std::mutex mutex;
  std::size_t forks = 0;

  RecycleInfo info() const { return {limit_, held_, count_, reused_, mapped_}; }

  // The best block put aside, or null.
  Block* take(std::size_t wanted) {
    std::size_t best = max_blocks;
    for (std::size_t i = count_; i-- > 0;) {
      if (fits(entries_[i].length, wanted) && (best == max_blocks || entries_[i].length < entries_[best].length)) {
        best = i;
      }
    }
    if (best == max_blocks) return nullptr;
    Block* const block = entries_[best].block;
    remove(best);
    ++reused_;
    return block;
  }

  void put(Block* block, Clock::time_point now, Released& released) {
    if (block->length > limit_ || block->born != forks) return released.add(block);
    shrink_to(limit_ - block->length, max_blocks - 1, released);
    entries_[count_++] = {block->length, block, now};
    held_ += block->length;
  }

  void release_idle(Clock::time_point now, Released& released) {
    while (count_ > 0 && now - entries_[0].since >= idle_time) release_oldest(released);
  }

  void release_all(Released& released) { shrink_to(0, 0, released); }

  void set_limit(std::size_t limit, Released& released) {
    limit_ = limit;
    shrink_to(limit, max_blocks, released);
  }

  void count_mapped() { ++mapped_; }

 private:
  struct Entry {
    std::size_t length;
    Block* block;
    Clock::time_point since;
  };

  void remove(std::size_t index) {
    held_ -= entries_[index].length;
    std::move(entries_ + index + 1, entries_ + count_, entries_ + index);
    --count_;
  }

  void release_oldest(Released& released) {
    released.add(entries_[0].block);
    remove(0);
  }

  void shrink_to(std::size_t bytes, std::size_t blocks, Released& released) {
    while (held_ > bytes || count_ > blocks) release_oldest(released);
  }

  Entry entries_[max_blocks];  // oldest first; an array, as walking the blocks themselves would touch their pages
  std::size_t count_ = 0;
  std::size_t held_ = 0;
  std::size_t limit_ = 0;
  std::size_t reused_ = 0;
  std::size_t mapped_ = 0;
};

Cache* only_cache = nullptr;

Cache& cache() { return *only_cache; }

using Lock = std::lock_guard<std::mutex>;

// What is put aside goes back first: shared with the child, it would be copied page by page when either side reuses it. The
// lock is held over the fork, so that the child finds everything in order.
void before_fork() {
  Released released;
  cache().mutex.lock();
  ++cache().forks;
  cache().release_all(released);
}

void after_fork() { cache().mutex.unlock(); }

// A block put aside, or null and the number of forks so far, which is to be known before pages are mapped.
Block* take_block(std::size_t bytes, std::size_t& born) {
  Released released;
  const Clock::time_point now = Clock::now();
  const Lock lock(cache().mutex);
  Block* const block = cache().take(length_for(bytes));
  cache().release_idle(now, released);
  if (!block) cache().count_mapped();
  born = cache().forks;
  return block;
}

void put_block(Block* block) {
  if (block->huge && block->length >= reclaimable_from) {
    allow_reclaim(block->second_page(), block->length - page_bytes);
  }
  Released released;
  const Clock::time_point now = Clock::now();
  const Lock lock(cache().mutex);
  cache().release_idle(now, released);
  cache().put(block, now, released);
}

}  // namespace

void prepare_recycling() {
  if (only_cache) return;
  alignas(Cache) static unsigned char storage[sizeof(Cache)];  // never destroyed: arrays outlive static objects
  Cache* const made = new (storage) Cache;
#if !defined(_WIN32)
  if (pthread_atfork(before_fork, after_fork, after_fork) != 0) throw std::bad_alloc();
#endif
  only_cache = made;
}

void* recycled_malloc(std::size_t bytes) noexcept {
  if (length_for(bytes) == 0) return nullptr;
  std::size_t born;
  Block* block = take_block(bytes, born);
  if (block) {
    block->warm = true;
    return block->data();
  }
  block = map_block(bytes, born);
  if (!block && trim_recycled() > 0) block = map_block(bytes, born);
  return block ? block->data() : nullptr;
}

void* recycled_calloc(std::size_t count, std::size_t size) noexcept {
  if (size != 0 && count > static_cast<std::size_t>(-1) / size) return nullptr;
  void* const data = recycled_malloc(count * size);
  if (data && is_warm(data)) std::memset(data, 0, count * size);
  return data;
}

void* recycled_realloc(void* data, std::size_t bytes) noexcept {
  if (!data) return recycled_malloc(bytes);
  const std::size_t length = block_of(data)->length, wanted = length_for(bytes);
  if (wanted == 0) return nullptr;
  if (fits(length, wanted)) return data;
  void* const moved = recycled_malloc(bytes);
  if (!moved) return length >= wanted ? data : nullptr;
  std::memcpy(moved, data, std::min(bytes, length - data_offset));
  recycled_free(data);
  return moved;
}

void recycled_free(void* data) noexcept {
  if (data) put_block(block_of(data));
}

bool is_warm(const void* data) noexcept { return block_of(const_cast<void*>(data))->warm; }

RecycleInfo recycle_info() noexcept {
  const Lock lock(cache().mutex);
  return cache().info();
}

std::size_t recycle_limit() noexcept { return recycle_info().limit; }

void set_recycle_limit(std::size_t bytes) noexcept {
  Released released;
  const Lock lock(cache().mutex);
  cache().set_limit(bytes, released);
}

std::size_t trim_recycled() noexcept {
  Released released;
  const Lock lock(cache().mutex);
  cache().release_all(released);
  return released.bytes();
}

}  // namespace fastrelu
