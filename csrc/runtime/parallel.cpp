// SPDX-License-Identifier: BSD-3-Clause
#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "float_control.h"

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

using Clock = std::chrono::steady_clock;

// How long a worker looks out for the next call before it sleeps, where calls come in series; and how soon the next one
// has to come to be of a series: it must find the worker awake.
constexpr auto watch_time = std::chrono::microseconds(50);
constexpr auto series_gap = std::chrono::microseconds(30);

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("yield");
#endif
}

// Looks until `is_true` or for that long. Whether it became true.
template <class Predicate> bool spin_until(Clock::duration time, Predicate is_true) {
  constexpr int looks_per_clock = 32;
  const auto deadline = Clock::now() + time;
  do {
    for (int i = 0; i < looks_per_clock; ++i) {
      if (is_true()) return true;
      pause();
    }
  } while (Clock::now() < deadline);
  return false;
}

// One call of parallel_for; lives on the caller's stack.
class Job {
 public:
  Job(std::ptrdiff_t chunks, int threads, ChunkTask* task, void* context, bool in_series)
      : threads(threads),
        in_series(in_series),
        chunks_(chunks),
        task_(task),
        context_(context),
        regions_(std::min(threads, max_regions)) {
    for (int i = 0; i < regions_; ++i) regions[i].next.store(begin(i), std::memory_order_relaxed);
  }

  const int threads;
  const bool in_series;

  bool has_more() const {
    for (int i = 0; i < regions_; ++i) {
      if (regions[i].next.load(std::memory_order_relaxed) < begin(i + 1)) return true;
    }
    return false;
  }

  // Each thread starts where it did in the last call of this size: there its cache may still have the data.
  // Relaxed: that a number is given out once is all that matters. Entry orders everything else.
  void run_chunks(int thread, char* memory) {
    for (int i = 0; i < regions_; ++i) {
      const int region = (thread + i) % regions_;
      const std::ptrdiff_t end = begin(region + 1);
      std::ptrdiff_t chunk;
      while ((chunk = regions[region].next.fetch_add(1, std::memory_order_relaxed)) < end)
        task_(context_, chunk, memory);
    }
  }

  void run_chunks_on_worker(int worker, char* memory) {
    control_.install();
    run_chunks(worker, memory);
    if (const std::uint32_t raised = FloatControl::raised()) raised_.fetch_or(raised, std::memory_order_relaxed);
  }

  void add_raised() const { FloatControl::add(raised_.load(std::memory_order_relaxed)); }

 private:
  static constexpr int max_regions = 16;
  struct alignas(cache_line) Region {
    std::atomic<std::ptrdiff_t> next;
  };

  std::ptrdiff_t begin(int region) const {
    return chunks_ / regions_ * region + std::min<std::ptrdiff_t>(region, chunks_ % regions_);
  }

  const std::ptrdiff_t chunks_;
  ChunkTask* const task_;
  void* const context_;
  const int regions_;
  const FloatControl control_ = {};  // of the caller
  Region regions[max_regions];
  std::atomic<std::uint32_t> raised_{0};  // by workers
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

// What one worker sleeps on. Each side sets its own flag and then looks at the other's, so that no ring is missed.
class Alarm {
 public:
  std::uint64_t last_call = 0;  // that it was rung for; the caller's

  void ring() {
    rung_.store(true);
    if (!asleep_.load()) return;
    { const std::lock_guard lock(mutex_); }  // the worker has either not looked yet, or waits
    condition_.notify_one();
  }

  bool is_asleep() const { return asleep_.load(std::memory_order_relaxed); }

  // Whether it rings within that time. Meanwhile a ring costs next to nothing and is heard at once.
  bool watch(Clock::duration time) const {
    return spin_until(time, [this] { return rung_.load(std::memory_order_relaxed); });
  }

  // Until it rings.
  void sleep() {
    std::unique_lock lock(mutex_);
    asleep_.store(true);
    condition_.wait(lock, [this] { return rung_.load(); });
    asleep_.store(false);
  }

  void reset() { rung_.exchange(false); }  // sees what was written before the ring

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  std::atomic<bool> rung_{false};
  std::atomic<bool> asleep_{false};
};

struct Worker {
  Alarm alarm;
  alignas(cache_line) char memory[worker_bytes];
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

class Pool {
 public:
  // False, with nothing done, where another call has the workers or there is none.
  bool share(Job& job);

  // Workers that would hear of a job at once, as far as one can say.
  int awake() const { return awake_.load(std::memory_order_relaxed); }
  bool in_series() const { return Clock::now() - last_end_.load(std::memory_order_relaxed) < series_gap; }
  void note_end() { last_end_.store(Clock::now(), std::memory_order_relaxed); }

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
  void work(int number, Worker* worker);
  void leave();
  void wait_until_empty();

  static inline std::atomic<Pool*> current{nullptr};

  std::atomic<bool> busy_{false};  // by the call that may touch what follows; entry_ lends job_ to workers
  std::vector<std::unique_ptr<Worker>> workers_;  // numbers 1, 2, ...
  Job* job_ = nullptr;
  std::uint64_t calls_ = 0;
  std::atomic<int> awake_{0};
  std::atomic<Clock::time_point> last_end_{Clock::time_point()};
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

bool Pool::share(Job& job) {
  if (!try_acquire()) return false;
  start_workers(static_cast<std::size_t>(job.threads) - 1);
  job_ = &job;
  entry_.open(job.threads - 1);
  ring(job.threads - 1);
  job.run_chunks(0, nullptr);
  const bool in_forked_child = this != current.load(std::memory_order_relaxed);
  if (!in_forked_child) {  // where those who were inside would be waited for in vain
    entry_.close();
    wait_until_empty();
    release();
  }
  job.add_raised();
  return true;
}

// As many as can be had.
void Pool::start_workers(std::size_t wanted) {
  if (workers_.size() >= wanted) return;
  const SignalsBlocked blocked;
  std::size_t started = workers_.size();
  try {
    for (; started < wanted; ++started) {
      std::unique_ptr<Worker> worker(new Worker);  // not make_unique, which would clear its memory
      workers_.push_back(std::move(worker));
      std::thread(&Pool::work, this, static_cast<int>(started) + 1, workers_.back().get()).detach();
    }
  } catch (const std::exception&) {  // no thread, or no memory; the next call tries again
    workers_.resize(started);
  }
}

// Those who look out first. Each of the others takes the caller about 2 us; who is awake works meanwhile, and may finish
// it all. Who sleeps may change between the two rounds: nobody is rung twice, or left out.
void Pool::ring(int workers) {
  ++calls_;
  for (const bool asleep_too : {false, true}) {
    for (const auto& worker : workers_) {
      Alarm& alarm = worker->alarm;
      if (workers == 0 || (asleep_too && !job_->has_more())) return;
      if (alarm.last_call == calls_ || (!asleep_too && alarm.is_asleep())) continue;
      alarm.last_call = calls_;
      alarm.ring();
      --workers;
    }
  }
}

// A thread's life. It may be late for the job that it was woken for, and enter the next one or none.
void Pool::work(int number, Worker* worker) {
  Alarm& alarm = worker->alarm;
  name_thread();
  awake_.fetch_add(1, std::memory_order_relaxed);
  Clock::duration watch = Clock::duration::zero();
  for (;;) {
    if (!alarm.watch(watch)) {
      awake_.fetch_sub(1, std::memory_order_relaxed);
      alarm.sleep();
      awake_.fetch_add(1, std::memory_order_relaxed);
    }
    alarm.reset();
    watch = watch_time;
    if (!entry_.enter()) continue;
    if (!job_->in_series) watch = Clock::duration::zero();
    job_->run_chunks_on_worker(number, worker->memory);
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
  if (spin_until(std::chrono::microseconds(50), [this] { return entry_.is_empty(); })) return;
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return entry_.is_empty(); });
}

std::atomic<int> threads_of_calls{1};

void run_job(Pool* pool, std::ptrdiff_t chunks, std::ptrdiff_t wanted, bool in_series, ChunkTask* task, void* context) {
  const std::ptrdiff_t threads = std::min({chunks, wanted, std::ptrdiff_t(max_threads)});
  if (pool && threads > 1) {
    Job job(chunks, static_cast<int>(threads), task, context, in_series);
    if (pool->share(job)) return;
  }
  for (std::ptrdiff_t chunk = 0; chunk < chunks; ++chunk) task(context, chunk, nullptr);
}

}  // namespace

void prepare_parallel() {
#ifdef FASTRELU_POSIX
  static bool is_prepared = false;
  if (!is_prepared && pthread_atfork(nullptr, nullptr, Pool::forget) != 0) throw std::bad_alloc();
  is_prepared = true;
#endif
}

void parallel_for(std::ptrdiff_t chunks, int num_threads, ChunkTask* task, void* context) {
  Pool* const pool = num_threads > 1 ? Pool::get() : nullptr;
  run_job(pool, chunks, num_threads, pool && pool->in_series(), task, context);
}

void parallel_for(std::ptrdiff_t chunks, Worth worth, ChunkTask* task, void* context) {
  Pool* const pool = num_threads() > 1 ? Pool::get() : nullptr;
  const bool in_series = pool && pool->in_series();
  const std::ptrdiff_t at_hand = in_series ? max_threads : pool ? 1 + pool->awake() : 1;
  const std::ptrdiff_t worthwhile = std::max(worth.waking, std::min(worth.sharing, at_hand));
  run_job(pool, chunks, std::min<std::ptrdiff_t>(num_threads(), worthwhile), in_series, task, context);
  if (pool) pool->note_end();
}

int num_threads() { return threads_of_calls.load(std::memory_order_relaxed); }

void set_num_threads(int n) { threads_of_calls.store(std::clamp(n, 1, max_threads), std::memory_order_relaxed); }

}  // namespace fastrelu

int fastrelu_get_num_threads() { return fastrelu::num_threads(); }

void fastrelu_set_num_threads(int n) { fastrelu::set_num_threads(n); }
