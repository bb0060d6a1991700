// SPDX-License-Identifier: BSD-3-Clause
//
// Preloaded into a Python, it lets one request to the system fail: the n-th allocation, mapping or thread start that is
// made by watched libraries while a call runs, on whichever thread. Blocks that were made meanwhile are known until they
// are freed.
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

// glibc's own, under the names that it keeps for those who replace malloc.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);
}

namespace {

struct Range {
  std::uintptr_t begin, end;
};

Range watched[64];
int watched_count = 0;
std::atomic<bool> armed{false};
std::atomic<long> seen{0};
long failing = 0;  // 0: none

// A table of addresses, larger than any call needs it.
constexpr std::size_t places = 1 << 14;
std::atomic<void*> blocks[places];

bool is_watched(void* caller) {
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  for (int i = 0; i < watched_count; ++i) {
    if (address >= watched[i].begin && address < watched[i].end) return true;
  }
  return false;
}

// Whether this request is the one to fail.
bool fails(void* caller) { return armed.load() && is_watched(caller) && seen.fetch_add(1) + 1 == failing; }

// The place where `wanted` is, near its own; null if there is none.
std::atomic<void*>* find(void* block, void* wanted) {
  const std::size_t first = reinterpret_cast<std::uintptr_t>(block) / 16;
  for (std::size_t i = 0; i < 16; ++i) {
    std::atomic<void*>& place = blocks[(first + i) % places];
    if (place.load(std::memory_order_relaxed) == wanted) return &place;
  }
  return nullptr;
}

void* noted(void* block, void* caller) {
  if (!block || !armed.load() || !is_watched(caller)) return block;
  if (std::atomic<void*>* const place = find(block, nullptr)) place->store(block);
  return block;
}

void forget(void* block) {
  if (!block) return;
  if (std::atomic<void*>* const place = find(block, block)) place->store(nullptr);
}

int add_ranges(dl_phdr_info* info, std::size_t, void* name) {
  if (!std::strstr(info->dlpi_name, static_cast<const char*>(name))) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || !(part.p_flags & PF_X) || watched_count == 64) continue;
    const std::uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    watched[watched_count++] = {begin, begin + part.p_memsz};
  }
  return 0;
}

void* allocate(std::size_t size, void* caller) {
  return fails(caller) ? nullptr : noted(__libc_malloc(size ? size : 1), caller);
}

void* allocate(std::size_t size, std::align_val_t alignment, void* caller) {
  return fails(caller) ? nullptr : noted(__libc_memalign(static_cast<std::size_t>(alignment), size), caller);
}

void* or_throw(void* block) {
  if (!block) throw std::bad_alloc();
  return block;
}

}  // namespace

extern "C" {

// Libraries whose file's name contains this; "" is the program too.
void watch(const char* name) { dl_iterate_phdr(add_ranges, const_cast<char*>(name)); }

int watched_parts() { return watched_count; }

// Calls a Python object without arguments and lets the n-th request fail meanwhile; 0: none.
void* call_failing(void* callable, long n) {
  using Call = void*(void*);
  static Call* const call = reinterpret_cast<Call*>(dlsym(RTLD_DEFAULT, "PyObject_CallNoArgs"));
  failing = n;
  seen.store(0);
  armed.store(true);
  void* const result = call(callable);
  armed.store(false);
  return result;
}

// Of the last call.
long requests() { return seen.load(); }

// Blocks of watched libraries, which calls have made and nobody has freed.
long kept() {
  long count = 0;
  for (auto& block : blocks) count += block.load() != nullptr;
  return count;
}

void* malloc(std::size_t size) {
  void* const block = allocate(size, __builtin_return_address(0));
  if (!block) errno = ENOMEM;
  return block;
}

void* calloc(std::size_t count, std::size_t size) {
  if (!fails(__builtin_return_address(0))) return noted(__libc_calloc(count, size), __builtin_return_address(0));
  errno = ENOMEM;
  return nullptr;
}

void* realloc(void* block, std::size_t size) {
  if (fails(__builtin_return_address(0))) {
    errno = ENOMEM;
    return nullptr;
  }
  void* const moved = __libc_realloc(block, size);
  if (moved && moved != block) {
    forget(block);
    return noted(moved, __builtin_return_address(0));
  }
  return moved;
}

void free(void* block) {
  forget(block);
  __libc_free(block);
}

void* mmap(void* address, std::size_t size, int protection, int flags, int file, off_t offset) {
  if (fails(__builtin_return_address(0))) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, file, offset));
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  if (fails(__builtin_return_address(0))) return EAGAIN;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static Create* const create = reinterpret_cast<Create*>(dlsym(RTLD_NEXT, "pthread_create"));
  return create(thread, attributes, start, argument);
}

}  // extern "C"

void* operator new(std::size_t size) { return or_throw(allocate(size, __builtin_return_address(0))); }
void* operator new[](std::size_t size) { return or_throw(allocate(size, __builtin_return_address(0))); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, __builtin_return_address(0));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, __builtin_return_address(0));
}
void* operator new(std::size_t size, std::align_val_t align) {
  return or_throw(allocate(size, align, __builtin_return_address(0)));
}
void* operator new[](std::size_t size, std::align_val_t align) {
  return or_throw(allocate(size, align, __builtin_return_address(0)));
}
void* operator new(std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
  return allocate(size, align, __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept {
  return allocate(size, align, __builtin_return_address(0));
}
void operator delete(void* block) noexcept { free(block); }
void operator delete[](void* block) noexcept { free(block); }
void operator delete(void* block, std::size_t) noexcept { free(block); }
void operator delete[](void* block, std::size_t) noexcept { free(block); }
void operator delete(void* block, std::align_val_t) noexcept { free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { free(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { free(block); }
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept { free(block); }
