// SPDX-License-Identifier: BSD-3-Clause
//
// Keeps the threads of one job on cores of their own. Linux wakes a thread on another core only if it sees one idle, and
// in a virtual machine a core that is halted does not count as idle (available_idle_cpu asks vcpu_is_preempted): the
// worker lands on the core of the thread that woke it, and both share that one while the others sleep. So a worker that
// finds its core taken moves to one that is not, and stays away from those that were until that happens again.
#pragma once

#ifdef __linux__
#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#endif

namespace fastrelu {

#ifdef __linux__

// A hint, no lock: it may be cleared while others look.
class TakenCores {
 public:
  static constexpr std::size_t capacity = CPU_SETSIZE;

  void clear() {
    for (auto& word : words_) word.store(0, std::memory_order_relaxed);
  }

  // Takes the core that the calling thread runs on. False if it was taken before.
  bool take_current() {
    const auto core = static_cast<std::size_t>(sched_getcpu());  // a failure, -1, is beyond the capacity
    return core >= capacity || !(words_[core / 64].fetch_or(bit(core), std::memory_order_relaxed) & bit(core));
  }

  bool has(std::size_t core) const { return words_[core / 64].load(std::memory_order_relaxed) & bit(core); }

 private:
  static constexpr std::uint64_t bit(std::size_t core) { return std::uint64_t(1) << core % 64; }
  std::atomic<std::uint64_t> words_[capacity / 64] = {};
};

// Where one worker may run. Used by that worker alone.
class Placement {
 public:
  // Takes a core, by moving to another one if need be. Stays where all are taken.
  void settle(TakenCores& taken) {
    if (taken.take_current()) return;
    cpu_set_t now;
    if (sched_getaffinity(0, sizeof now, &now) != 0) return;  // more cores than the set has room for
    if (!CPU_EQUAL(&now, &restricted_to_)) allowed_ = now;    // not set here: the first time, or since then by somebody
    cpu_set_t wanted = allowed_;
    for (std::size_t core = 0; core < taken.capacity; ++core) {
      if (taken.has(core)) CPU_CLR(core, &wanted);
    }
    if (CPU_COUNT(&wanted) == 0 || sched_setaffinity(0, sizeof wanted, &wanted) != 0) return;
    restricted_to_ = wanted;
    taken.take_current();
  }

 private:
  cpu_set_t allowed_ = {}, restricted_to_ = {};
};

#else

class TakenCores {
 public:
  void clear() {}
  void take_current() {}
};

class Placement {
 public:
  void settle(TakenCores&) {}
};

#endif

}  // namespace fastrelu
