// SPDX-License-Identifier: BSD-3-Clause
#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "cores.h"
#include "float_control.h"
#include "placement.h"

#if defined(__unix__) || defined(__APPLE__)
#define FASTRELU_POSIX
#include <pthread.h>
#include <signal.h>
#endif

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace fastrelu {
namespace {

constexpr std::size_t cache_line = 64;

// One call of parallel_for; lives on the caller's stack.
struct Job {
  const std::ptrdiff_t chunks;
  const int threads;
  ChunkTask* const task;
  void* const context;
  const FloatControl control = {};  // of the caller
  alignas(cache_line) std::atomic<std::ptrdiff_t> next{0};
  std::atomic<std::uint32_t> raised{0};  // by workers

  bool has_more() const { return next.load(std::memory_order_relaxed) < chunks; }

  // Relaxed: that a number is given out once is all that matters. Entry orders everything else.
  void run_chunks() {
    std::ptrdiff_t chunk;
    while ((chunk = next.fetch_add(1, std::memory_order_relaxed)) < chunks) task(context, chunk);
  }

  void run_chunks_on_worker() {
    control.install();
    run_chunks();
    if (const std::uint32_t exceptions = FloatControl::raised()) raised.fetch_or(exceptions, std::memory_order_relaxed);
  }
};

// The door to the job: how many more workers may enter, and how many are inside. Both in one word, so that the caller
// can close the door and know at that instant whom it has to wait for.
class Entry {
 public:
  // What the caller wrote before is visible to whoever enters.
  void open(int places) { state_.store(static_cast<std::uint64_t>(places) * place, std::memory_order_release); }
  void close() { state_.fetch_and(place - 1, std::memory_order_relaxed); }

  bool enter() {
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    while (seen >= place) {
      if (state_.compare_exchange_weak(seen, seen - place + 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  // What the worker wrote is visible to whoever finds the room empty. True for the last one out of a closed door.
  bool leave() { return state_.fetch_sub(1, std::memory_order_release) == 1; }
  bool is_empty() const { return state_.load(std::memory_order_acquire) == 0; }

 private:
  static constexpr std::uint64_t place = std::uint64_t(1) << 32;
  std::atomic<std::uint64_t> state_{0};
};

// What one worker sleeps on, at once: waiting 20 or 40 us for the next call with open eyes gained nothing that could be
// measured, and on a busy machine it spent the time slice that the next chunk would have needed.
class Alarm {
 public:
  void ring() {
    {
      const std::lock_guard lock(mutex_);
      rung_ = true;
    }
    condition_.notify_one();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
};

// New threads of the calling thread leave signals to others, as long as this lives. Except for those that a thread's own
// instructions cause: blocked, they would kill the process without a word from its handlers.
class SignalsBlocked {
#ifdef FASTRELU_POSIX
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int own : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) sigdelset(&all, own);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t saved_;
#endif
};

// What debuggers and `top -H` call the calling thread.
void name_thread() {
#ifdef __linux__
  pthread_setname_np(pthread_self(), "fastrelu");
#endif
}

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("yield");
#endif
}

class Pool {
 public:
  // False, with nothing done, where another call has the workers or there is none.
  bool run(Job& job);

  // The process's; null only without memory. Never destroyed: workers outlive static objects.
  static Pool* get();

  // In a child process: its threads are in another one, and its locks may be held by them.
  static void forget() { current.store(nullptr, std::memory_order_relaxed); }

 private:
  bool try_acquire() {
    return !busy_.load(std::memory_order_relaxed) && !busy_.exchange(true, std::memory_order_acquire);
  }
  void release() { busy_.store(false, std::memory_order_release); }
  void start_workers(std::size_t wanted);
  void ring(int workers);
  void work(Alarm* alarm);
  void leave();
  void wait_until_empty();

  static inline std::atomic<Pool*> current{nullptr};

  std::atomic<bool> busy_{false};  // by the call that may touch what follows; entry_ lends job_ to workers
  std::deque<Alarm> alarms_;       // of workers 1, 2, ...: a deque, because an alarm cannot move
  Job* job_ = nullptr;
  TakenCores taken_cores_;
  alignas(cache_line) Entry entry_;
  std::mutex mutex_;  // for empty_ alone
  std::condition_variable empty_;
};

Pool* Pool::get() {
  Pool* pool = current.load(std::memory_order_acquire);
  if (pool) return pool;
  Pool* const created = new (std::nothrow) Pool;
  if (current.compare_exchange_strong(pool, created, std::memory_order_acq_rel)) return created;
  delete created;
  return pool;
}

bool Pool::run(Job& job) {
  if (!try_acquire()) return false;
  start_workers(static_cast<std::size_t>(job.threads) - 1);
  job_ = &job;
  taken_cores_.clear();
  taken_cores_.take_current();
  entry_.open(job.threads - 1);
  ring(job.threads - 1);
  job.run_chunks();
  const bool in_forked_child = this != current.load(std::memory_order_relaxed);
  if (!in_forked_child) {  // where those who were inside would be waited for in vain
    entry_.close();
    wait_until_empty();
    release();
  }
  FloatControl::add(job.raised.load(std::memory_order_relaxed));
  return true;
}

// As many as can be had.
void Pool::start_workers(std::size_t wanted) {
  if (alarms_.size() >= wanted) return;
  const SignalsBlocked blocked;
  std::size_t started = alarms_.size();
  try {
    for (; started < wanted; ++started) std::thread(&Pool::work, this, &alarms_.emplace_back()).detach();
  } catch (const std::exception&) {  // no thread, or no memory; the next call tries again
    while (alarms_.size() > started) alarms_.pop_back();
  }
}

// Each takes the caller about 2 us; who is awake works meanwhile, and may finish it all.
void Pool::ring(int workers) {
  const auto end = std::min(alarms_.size(), static_cast<std::size_t>(workers));
  for (std::size_t i = 0; i < end && job_->has_more(); ++i) alarms_[i].ring();
}

// A thread's life. It may be late for the job that it was woken for, and enter the next one or none.
void Pool::work(Alarm* alarm) {
  name_thread();
  Placement placement;
  for (;;) {
    alarm->wait();
    placement.settle(taken_cores_);
    if (!entry_.enter()) continue;
    job_->run_chunks_on_worker();
    leave();
  }
}

void Pool::leave() {
  if (!entry_.leave()) return;
  { const std::lock_guard lock(mutex_); }  // the caller has either not looked yet, or sleeps
  empty_.notify_one();
}

// The workers inside are in their last chunk, mostly for less time than it takes to fall asleep and be woken.
void Pool::wait_until_empty() {
  constexpr auto patience = std::chrono::microseconds(50);
  constexpr int looks_per_clock = 32;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    for (int i = 0; i < looks_per_clock; ++i) {
      if (entry_.is_empty()) return;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return entry_.is_empty(); });
}

#ifdef FASTRELU_POSIX
// On loading, so that no call and no fork can come before.
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, Pool::forget);
#endif

std::atomic<int> threads_of_calls{default_num_threads()};

}  // namespace

void parallel_for(std::ptrdiff_t chunks, int num_threads, ChunkTask* task, void* context) {
  const std::ptrdiff_t threads = std::min({chunks, std::ptrdiff_t(num_threads), std::ptrdiff_t(max_threads)});
  if (threads > 1) {
    Job job{chunks, static_cast<int>(threads), task, context};
    Pool* const pool = Pool::get();
    if (pool && pool->run(job)) return;
  }
  for (std::ptrdiff_t chunk = 0; chunk < chunks; ++chunk) task(context, chunk);
}

int num_threads() { return threads_of_calls.load(std::memory_order_relaxed); }

void set_num_threads(int n) { threads_of_calls.store(std::clamp(n, 1, max_threads), std::memory_order_relaxed); }

int default_num_threads() { return std::min(available_cores(), max_threads); }

}  // namespace fastrelu

int fastrelu_get_num_threads() { return fastrelu::num_threads(); }

void fastrelu_set_num_threads(int n) { fastrelu::set_num_threads(n); }
