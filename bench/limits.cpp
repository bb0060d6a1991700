// SPDX-License-Identifier: BSD-3-Clause
// What memory allows: copies and loops that move the bytes of an activation and compute next to nothing.
// Compiled by limits.py with -march=native, so that the vectors are the widest of this processor.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
using Vector = __m512i;
Vector load(const char* p) { return _mm512_loadu_si512(p); }
void store(char* p, Vector v) { _mm512_storeu_si512(p, v); }
void stream(char* p, Vector v) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), v); }
Vector combine(Vector a, Vector b) { return _mm512_xor_si512(a, b); }
void hide(Vector& v) { asm volatile("" : "+v"(v)); }
void fence() { _mm_sfence(); }
#elif defined(__AVX2__)
using Vector = __m256i;
Vector load(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
void store(char* p, Vector v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
void stream(char* p, Vector v) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), v); }
Vector combine(Vector a, Vector b) { return _mm256_xor_si256(a, b); }
void hide(Vector& v) { asm volatile("" : "+x"(v)); }
void fence() { _mm_sfence(); }
#elif defined(__SSE2__)
using Vector = __m128i;
Vector load(const char* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
void store(char* p, Vector v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
void stream(char* p, Vector v) { _mm_stream_si128(reinterpret_cast<__m128i*>(p), v); }
Vector combine(Vector a, Vector b) { return _mm_xor_si128(a, b); }
void hide(Vector& v) { asm volatile("" : "+x"(v)); }
void fence() { _mm_sfence(); }
#else
struct Vector {
  std::uint64_t half[2];
};
Vector load(const char* p) {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
void store(char* p, Vector v) { std::memcpy(p, &v, sizeof v); }
void stream(char* p, Vector v) { store(p, v); }
Vector combine(Vector a, Vector b) { return {{a.half[0] ^ b.half[0], a.half[1] ^ b.half[1]}}; }
void hide(Vector& v) { asm volatile("" : "+r"(v.half[0]), "+r"(v.half[1])); }
void fence() {}
#endif

// Types, for a pointer to a function would be called, not inlined.
struct Cached {
  void operator()(char* p, Vector v) const { store(p, v); }
};
struct Streamed {
  void operator()(char* p, Vector v) const { stream(p, v); }
};

constexpr std::size_t width = sizeof(Vector);

struct Work {
  int kind;
  char* to;
  const char* a;
  const char* b;
  std::size_t bytes;
};

// Bytes before `p` is aligned to a vector: aligned stores matter, aligned loads do not.
std::size_t head_of(const char* p, std::size_t bytes) {
  return std::min(bytes, (width - reinterpret_cast<std::uintptr_t>(p) % width) % width);
}

// Streaming stores must be aligned; for other stores it does not pay in front of few bytes.
constexpr std::size_t worth_aligning = 4096;

// Four vectors are loaded before the first is stored. They have names, for an array might go through memory.
template <class Get, class Put, class Byte> void walk(const Work& w, Get get, Put put, Byte byte) {
  std::size_t at = 0;
  const std::size_t head = w.bytes < worth_aligning ? 0 : head_of(w.to, w.bytes);
  for (; at < head; ++at) byte(at);
  for (; at + 4 * width <= w.bytes; at += 4 * width) {
    const Vector v0 = get(at);
    const Vector v1 = get(at + width);
    const Vector v2 = get(at + 2 * width);
    const Vector v3 = get(at + 3 * width);
    put(w.to + at, v0);
    put(w.to + at + width, v1);
    put(w.to + at + 2 * width, v2);
    put(w.to + at + 3 * width, v3);
  }
  for (; at + width <= w.bytes; at += width) put(w.to + at, get(at));
  for (; at < w.bytes; ++at) byte(at);
}

template <class Put> void copy(const Work& w, Put put) {
  walk(w, [&](std::size_t at) { return load(w.a + at); }, put, [&](std::size_t at) { w.to[at] = w.a[at]; });
}

template <class Put> void combine_two(const Work& w, Put put) {
  walk(
      w, [&](std::size_t at) { return combine(load(w.a + at), load(w.b + at)); }, put,
      [&](std::size_t at) { w.to[at] = static_cast<char>(w.a[at] ^ w.b[at]); });
}

// Writes back what it read; the compiler must not see that nothing changes.
void update(const Work& w) {
  walk(
      w,
      [&](std::size_t at) {
        Vector v = load(w.to + at);
        hide(v);
        return v;
      },
      Cached(), [](std::size_t) {});
}

// Combines all vectors; what does not fill four of them is left out. The compiler must not see that nobody needs the result.
void read(const Work& w) {
  Vector sums[4] = {load(w.a), load(w.a), load(w.a), load(w.a)};
  for (std::size_t at = 0; at + 4 * width <= w.bytes; at += 4 * width) {
    for (std::size_t k = 0; k < 4; ++k) sums[k] = combine(sums[k], load(w.a + at + k * width));
  }
  Vector sum = combine(combine(sums[0], sums[1]), combine(sums[2], sums[3]));
  hide(sum);
}

// The order is that of `KINDS` in limits.py.
void run(const Work& w) {
  switch (w.kind) {
    case 0: std::memcpy(w.to, w.a, w.bytes); break;
    case 1:
      w.bytes < worth_aligning ? copy(w, Cached()) : copy(w, Streamed());
      fence();
      break;
    case 2: update(w); break;
    case 3: combine_two(w, Cached()); break;
    case 4:
      w.bytes < worth_aligning ? combine_two(w, Cached()) : combine_two(w, Streamed());
      fence();
      break;
    case 5:
      if (w.bytes >= 4 * width) read(w);
      break;
    default: break;
  }
}

class Pool {
 public:
  explicit Pool(std::size_t threads) : threads_(threads) {
    for (std::size_t index = 1; index < threads; ++index) {
      workers_.emplace_back([this, index] { serve(index); });
    }
  }

  ~Pool() {
    publish(nullptr);
    for (std::thread& worker : workers_) worker.join();
  }

  void share(const Work& work) {
    publish(&work);
    run(part(work, 0));
    while (busy_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  }

 private:
  void publish(const Work* work) {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      work_ = work;
      busy_.store(workers_.size(), std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
  }

  void serve(std::size_t index) {
    std::uint64_t seen = 0;
    for (;;) {
      await(seen++);
      if (work_ == nullptr) return;
      run(part(*work_, index));
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  // Yields for a while, as a hand-over between tight calls is shorter than a sleep, then sleeps.
  void await(std::uint64_t seen) {
    for (int patience = 200; patience > 0; --patience) {
      if (round_.load(std::memory_order_acquire) != seen) return;
      std::this_thread::yield();
    }
    std::unique_lock<std::mutex> hold(mutex_);
    wake_.wait(hold, [&] { return round_.load(std::memory_order_relaxed) != seen; });
  }

  Work part(const Work& all, std::size_t index) const {
    const std::size_t share = (all.bytes / threads_ + width - 1) / width * width;
    const std::size_t from = std::min(all.bytes, index * share);
    const std::size_t bytes = index + 1 == threads_ ? all.bytes - from : std::min(share, all.bytes - from);
    return {all.kind, all.to + from, all.a + from, all.b + from, bytes};
  }

  std::size_t threads_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> round_{0};
  std::atomic<std::size_t> busy_{0};
  const Work* work_ = nullptr;
};

}  // namespace

extern "C" {

void* limit_open(std::size_t threads) { return new Pool(threads); }

void limit_close(void* pool) { delete static_cast<Pool*>(pool); }

// Repeats the work, so that the cost of the foreign call does not count.
void limit_run(void* pool, int kind, char* to, const char* a, const char* b, std::size_t bytes, std::size_t repeats) {
  for (std::size_t k = 0; k < repeats; ++k) {
    static_cast<Pool*>(pool)->share({kind, to, a, b, bytes});
  }
}
}
