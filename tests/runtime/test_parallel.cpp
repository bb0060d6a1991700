// SPDX-License-Identifier: BSD-3-Clause
//
// The worker pool by itself. test_parallel.py compiles this program and runs it once per row of `tests`: each has a
// process of its own, and so a pool that nothing has used.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../../csrc/runtime/parallel.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

using namespace fastrelu;

// How many of the program's allocations succeed before one fails.
static std::atomic<int> allocations_left{-1};

void* operator new(std::size_t bytes) {
  void* const memory = allocations_left-- == 0 ? nullptr : std::malloc(bytes);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  const std::size_t whole = (bytes + unit - 1) / unit * unit;
  void* const memory = allocations_left-- == 0 ? nullptr : std::aligned_alloc(unit, whole);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

constexpr unsigned seconds_until_it_hangs = 30;

void check(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::_Exit(1);
}

template <class Task> void run(std::ptrdiff_t chunks, int threads, Task task) {
  const auto run_chunk = [](void* context, std::ptrdiff_t chunk, char*) { (*static_cast<Task*>(context))(chunk); };
  parallel_for(chunks, threads, run_chunk, &task);
}

// Runs task(chunk) on `threads` different threads, one chunk each: none ends before all have begun.
template <class Task> void run_on_all(int threads, Task task) {
  std::atomic<int> begun{0};
  run(threads, threads, [&](std::ptrdiff_t chunk) {
    ++begun;
    while (begun < threads) std::this_thread::yield();
    task(chunk);
  });
}

// Runs task() on a worker, and waits for it.
template <class Task> void run_on_worker(Task task) {
  const auto caller = std::this_thread::get_id();
  run_on_all(2, [&](std::ptrdiff_t) {
    if (std::this_thread::get_id() != caller) task();
  });
}

// A child inherits no alarm, and of a worker a mask that blocks it.
void limit_child() {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  alarm(seconds_until_it_hangs);
}

template <class Task> void in_child(Task task) {
  const pid_t child = fork();
  if (child == 0) {
    limit_child();
    task();
    std::_Exit(0);
  }
  int status = 0;
  check(child > 0 && waitpid(child, &status, 0) == child, "fork and wait");
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ends well");
}

void check_every_chunk_runs_once(std::ptrdiff_t chunks, int threads) {
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(chunks));
  run(chunks, threads, [&](std::ptrdiff_t chunk) { ++runs[static_cast<std::size_t>(chunk)]; });
  for (const auto& each : runs) check(each == 1, "every chunk runs once");
}

void every_chunk_once() {
  for (const std::ptrdiff_t chunks : {0, 1, 2, 3, 7, 64, 1000}) {
    for (const int threads : {-1, 0, 1, 2, 3, 4, 9}) {
      for (int repeat = 0; repeat < 20; ++repeat) check_every_chunk_runs_once(chunks, threads);
    }
  }
}

void results_are_visible() {
  std::vector<int> squares(4096);  // plain numbers: a race detector would see it too
  for (int repeat = 0; repeat < 200; ++repeat) {
    run(64, 4, [&](std::ptrdiff_t chunk) {
      for (std::ptrdiff_t i = 64 * chunk; i < 64 * (chunk + 1); ++i) squares[std::size_t(i)] = int(i * i) + repeat;
    });
    for (std::size_t i = 0; i < squares.size(); ++i) check(squares[i] == int(i * i) + repeat, "results are visible");
  }
}

void workers_take_part() {
  for (int threads = 2; threads <= 8; ++threads) {
    std::vector<std::thread::id> ids(static_cast<std::size_t>(threads));
    run_on_all(threads, [&](std::ptrdiff_t chunk) { ids[std::size_t(chunk)] = std::this_thread::get_id(); });
    const std::set<std::thread::id> different(ids.begin(), ids.end());
    check(different.size() == ids.size() && different.count(std::this_thread::get_id()), "each on its own thread");
  }
}

// By name: sanitizers and emulators have threads of their own.
int workers_of_process() {
  int workers = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    workers += name == "fastrelu";
  }
  return workers;
}

void no_more_threads_than_asked() {
  run_on_all(3, [](std::ptrdiff_t) {});
  check(workers_of_process() == 2, "as many threads as chunks");
  run(3, max_threads, [](std::ptrdiff_t) {});
  run(1000, 3, [](std::ptrdiff_t) {});
  check(workers_of_process() == 2, "threads are kept, and no more are made than chunks or num_threads");
  run_on_all(8, [](std::ptrdiff_t) {});
  for (int repeat = 0; repeat < 300; ++repeat) {  // of the eight, late ones must not join a job for two
    std::atomic<int> workers{0};
    const auto caller = std::this_thread::get_id();
    thread_local int counted_in;
    run(64, 2, [&](std::ptrdiff_t) {
      if (std::this_thread::get_id() == caller || counted_in == repeat + 1) return;
      counted_in = repeat + 1;
      ++workers;
    });
    check(workers <= 1, "num_threads is the limit, whoever is awake");
    run(8, 8, [](std::ptrdiff_t) {});
  }
}

void nested_calls() {
  std::atomic<int> runs{0};
  run(16, 4, [&](std::ptrdiff_t) {
    const auto outer = std::this_thread::get_id();
    run(16, 4, [&](std::ptrdiff_t) {
      check(std::this_thread::get_id() == outer, "a nested call runs on its caller's thread");
      ++runs;
    });
  });
  check(runs == 256, "nested calls run every chunk");
}

void busy_pool() {
  std::atomic<bool> entered{false}, done{false};
  std::thread other([&] {
    run_on_all(2, [&](std::ptrdiff_t) {
      entered = true;
      while (!done) std::this_thread::yield();
    });
  });
  while (!entered) std::this_thread::yield();
  const auto caller = std::this_thread::get_id();
  run(64, 4, [&](std::ptrdiff_t) { check(std::this_thread::get_id() == caller, "where workers are busy, alone"); });
  done = true;
  other.join();
}

void many_callers() {
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([i] {
      for (int call = 0; call < 200; ++call) check_every_chunk_runs_once(1 + (call + i) % 50, 1 + (call * i) % 6);
    });
  }
  for (std::thread& each : callers) each.join();
}

template <class Float> Float product(Float a, Float b) {
  volatile Float x = a, y = b, result = x * y;  // computed even if nobody looks at it
  return result;
}

template <class Float> void check_overflow_on_worker() {
  constexpr Float largest = std::numeric_limits<Float>::max();
  std::feclearexcept(FE_ALL_EXCEPT);
  run_on_worker([] { product(Float(2), Float(3)); });
  check(!std::fetestexcept(FE_ALL_EXCEPT), "harmless work raises nothing");
  std::feraiseexcept(FE_DIVBYZERO);
  run_on_worker([] { product(largest, largest); });
  check(std::fetestexcept(FE_OVERFLOW), "a worker's exceptions reach the caller");
  check(std::fetestexcept(FE_DIVBYZERO), "the caller's own are kept");
  check(!std::fetestexcept(FE_INVALID | FE_UNDERFLOW), "no others");
  std::feclearexcept(FE_ALL_EXCEPT);
  run_on_worker([] {});
  check(!std::fetestexcept(FE_ALL_EXCEPT), "none are left over from the last job");
}

void exceptions_reach_the_caller() {
  for (int repeat = 0; repeat < 20; ++repeat) {
    check_overflow_on_worker<float>();
    check_overflow_on_worker<double>();
    check_overflow_on_worker<long double>();
  }
}

// Whoever runs it, with no rendezvous: as calls are made.
void exception_in_the_last_chunk() {
  for (int repeat = 0; repeat < 500; ++repeat) {
    std::feclearexcept(FE_ALL_EXCEPT);
    run(16, 4, [](std::ptrdiff_t chunk) { product(chunk == 15 ? 3e38f : 1.0f, 2.0f); });
    check(std::fetestexcept(FE_OVERFLOW), "the last chunk's exception reaches the caller");
  }
}

void callers_rounding_mode() {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST}) {
    std::fesetround(mode);
    const float third = product(1.0f / 3, 1.1f);
    const long double wide = product(1.0L / 3, 1.1L);
    run_on_all(4, [&](std::ptrdiff_t) {
      check(std::fegetround() == mode, "the rounding mode is the caller's");
      check(product(1.0f / 3, 1.1f) == third && product(1.0L / 3, 1.1L) == wide, "and so are results");
    });
    check(std::fegetround() == mode, "the caller's rounding mode stays");
  }
}

void callers_flushing() {
#ifdef __x86_64__
  const auto bits_of = [](float x) { return _mm_cvtsi128_si32(_mm_castps_si128(_mm_set_ss(x))); };
  constexpr unsigned flush = 0x8000, read_as_zero = 0x0040, control = 0xffc0;
  for (const unsigned bits : {flush, read_as_zero, flush | read_as_zero, 0u}) {
    const unsigned wanted = (_mm_getcsr() & ~(flush | read_as_zero)) | bits;
    _mm_setcsr(wanted);
    run_on_all(4, [&](std::ptrdiff_t) {
      check((_mm_getcsr() & control) == (wanted & control), "MXCSR is the caller's");
      check(bits_of(product(1e-30f, 1e-10f)) == (bits & flush ? 0 : 71362), "flushed as the caller's");
      check(bits_of(product(1e-40f, 1.0f)) == (bits ? 0 : 71362), "read as the caller's are");
    });
    check((_mm_getcsr() & control) == (wanted & control), "the caller's MXCSR stays");
  }
#endif
}

void check_pool_works() {
  run_on_all(3, [](std::ptrdiff_t) {});
  check_every_chunk_runs_once(100, 4);
}

void fork_while_idle() {
  in_child(check_pool_works);
  check_pool_works();
  in_child([] {
    check(workers_of_process() == 0, "a child starts without workers");
    check_pool_works();
    in_child(check_pool_works);
  });
  check_pool_works();
}

void fork_while_others_call() {
  std::atomic<bool> done{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      while (!done) check_every_chunk_runs_once(20, 4);
    });
  }
  for (int repeat = 0; repeat < 50; ++repeat) in_child(check_pool_works);
  done = true;
  for (std::thread& each : callers) each.join();
}

void fork_in_a_task() {
  const auto caller = std::this_thread::get_id();
  for (const bool on_worker : {false, true}) {
    run_on_all(4, [&](std::ptrdiff_t) {
      if ((std::this_thread::get_id() != caller) == on_worker) in_child(check_pool_works);
    });
  }
}

void child_returns_from_a_task() {
  const auto caller = std::this_thread::get_id();
  const pid_t parent = getpid();
  std::atomic<pid_t> child{-1};
  run_on_all(4, [&](std::ptrdiff_t) {
    if (std::this_thread::get_id() == caller) child = fork();
    if (child == 0) limit_child();
    while (child == -1) std::this_thread::yield();  // the workers are in their chunks at the time of the fork
  });
  if (getpid() != parent) {
    check_pool_works();
    std::_Exit(0);
  }
  int status = 0;
  check(waitpid(child, &status, 0) == child && status == 0, "the child's call returns");
  check_pool_works();
}

void no_thread_to_be_had() {
  rlimit saved;
  getrlimit(RLIMIT_AS, &saved);
  const rlimit none{1, saved.rlim_max};  // no room for a stack
  setrlimit(RLIMIT_AS, &none);
  bool on_caller = true;
  std::ptrdiff_t runs = 0;
  const auto caller = std::this_thread::get_id();
  run(64, 4, [&](std::ptrdiff_t) {
    on_caller = on_caller && std::this_thread::get_id() == caller;
    ++runs;
  });
  setrlimit(RLIMIT_AS, &saved);
  check(on_caller && runs == 64, "without threads, the caller does it all");
  check_pool_works();  // later calls try again
}

void signals_are_left_to_others() {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  run_on_worker([] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (const int each : {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGPROF, SIGWINCH}) {
      check(sigismember(&mask, each) == 1, "workers leave signals to others");
    }
    for (const int each : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
      check(sigismember(&mask, each) == 0, "handlers of crashes still run");
    }
  });
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int each : {SIGINT, SIGTERM, SIGALRM, SIGUSR1}) {
    check(sigismember(&after, each) == sigismember(&before, each), "the caller's signal mask stays");
  }
}

void affinity_is_respected() {
#ifdef __linux__
  cpu_set_t all, one;
  sched_getaffinity(0, sizeof all, &all);
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
  sched_setaffinity(0, sizeof one, &one);  // before there are workers
  for (int repeat = 0; repeat < 100; ++repeat) {
    run_on_all(3, [&](std::ptrdiff_t) {
      cpu_set_t now;
      sched_getaffinity(0, sizeof now, &now);
      check(CPU_EQUAL(&now, &one), "workers stay on the only core that they were given");
    });
  }
#endif
}

double processor_seconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

// The pool's own memory, the list of workers, a worker's memory: whichever fails.
void no_memory_to_be_had() {
  std::atomic<int> runs{0};
  for (int successes = 0; successes < 16; ++successes) {
    allocations_left = successes;
    run(64, 4, [&](std::ptrdiff_t) { ++runs; });
    allocations_left = -1;
  }
  check(runs == 16 * 64, "every chunk runs once");
  check_pool_works();
}

void idle_workers_sleep() {
  run_on_all(4, [](std::ptrdiff_t) {});
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  check(processor_seconds() - before < 0.05, "nothing spins when idle");
}

void exit_while_idle() {
  run_on_all(4, [](std::ptrdiff_t) {});
  std::exit(0);
}

void exit_while_busy() {
  std::atomic<bool> entered{false};
  std::thread([&] {
    for (;;) {
      check_every_chunk_runs_once(50, 4);
      entered = true;
    }
  }).detach();
  while (!entered) std::this_thread::yield();
  std::exit(0);
}

void number_of_threads() {
  check(num_threads() == 1, "the caller's thread alone, as long as nobody says how many");
  for (const int n : {1, 2, 7, max_threads}) {
    set_num_threads(n);
    check(num_threads() == n, "what is set is what is used");
  }
  set_num_threads(0);
  check(num_threads() == 1, "at least 1");
  set_num_threads(max_threads + 1);
  check(num_threads() == max_threads, "at most max_threads");
}

struct Test {
  const char* name;
  void (*run)();
};

constexpr Test tests[] = {
    {"every_chunk_once", every_chunk_once},
    {"results_are_visible", results_are_visible},
    {"workers_take_part", workers_take_part},
    {"no_more_threads_than_asked", no_more_threads_than_asked},
    {"nested_calls", nested_calls},
    {"busy_pool", busy_pool},
    {"many_callers", many_callers},
    {"exceptions_reach_the_caller", exceptions_reach_the_caller},
    {"exception_in_the_last_chunk", exception_in_the_last_chunk},
    {"callers_rounding_mode", callers_rounding_mode},
    {"callers_flushing", callers_flushing},
    {"fork_while_idle", fork_while_idle},
    {"fork_while_others_call", fork_while_others_call},
    {"fork_in_a_task", fork_in_a_task},
    {"child_returns_from_a_task", child_returns_from_a_task},
    {"no_thread_to_be_had", no_thread_to_be_had},
    {"no_memory_to_be_had", no_memory_to_be_had},
    {"signals_are_left_to_others", signals_are_left_to_others},
    {"affinity_is_respected", affinity_is_respected},
    {"idle_workers_sleep", idle_workers_sleep},
    {"exit_while_idle", exit_while_idle},
    {"exit_while_busy", exit_while_busy},
    {"number_of_threads", number_of_threads},
};

}  // namespace

int main(int, char** arguments) {
  alarm(seconds_until_it_hangs);
  prepare_parallel();
  for (const Test& test : tests) {
    if (std::strcmp(test.name, arguments[1]) != 0) continue;
    test.run();
    return 0;
  }
  return 2;
}
