// SPDX-License-Identifier: BSD-3-Clause
//
// Work on several cores: a small pool of threads that sleep where there is no work, and how many of them calls may use.
// Knows nothing of Python or NumPy.
#pragma once

#include <cstddef>

namespace fastrelu {

// Prepares for fork. To be called before everything else here, while no other thread may call or fork; again does nothing.
// May throw std::bad_alloc.
void prepare_parallel();

constexpr std::ptrdiff_t cache_line = 64;

// The memory that each worker has for the chunks that it runs.
constexpr std::ptrdiff_t worker_bytes = 272 * 1024;

// Runs one chunk. Called exactly once per chunk, from any thread, in any order, several at a time; must not throw.
// `memory` is the worker's own, which holds worker_bytes bytes and starts at a cache line; null on the caller's thread.
using ChunkTask = void(void* context, std::ptrdiff_t chunk, char* memory);

// Runs `task` for each chunk in [0, chunks) on the caller's thread and on at most num_threads - 1 workers; returns when
// all chunks are done, and what they wrote is visible to the caller.
//
// * The caller never waits for a worker that has not begun. Where the workers are busy with another call (nested calls
//   and several calling threads are legal), or no thread can be started, the caller runs every chunk itself.
// * Every chunk runs under the caller's floating-point control word, and the exceptions that it raises end up in the
//   caller's status word (float_control.h), whichever thread ran it.
// * A child process of fork() starts without workers and makes its own at first need. If a task itself forks, the child
//   may use parallel_for too; but chunks that other threads had begun are not done there.
void parallel_for(std::ptrdiff_t chunks, int num_threads, ChunkTask* task, void* context);

// The number of threads that some work is worth: if they have to be woken, which takes 10 to 30 us each, and if they are
// awake, when sharing costs 1 or 2 us in all.
struct Worth {
  std::ptrdiff_t waking, sharing;
};

// As above, on as many threads as it is worth at this moment, up to num_threads(). Workers are awake for 50 us after a
// call that came within 30 us of the one before, which wakes them. So threads help from the second call of a series on,
// lone calls cost nothing, and workers spin only while calls come in series.
void parallel_for(std::ptrdiff_t chunks, Worth worth, ChunkTask* task, void* context);

// The largest number of threads that is accepted.
constexpr int max_threads = 1024;

// The number of threads that calls may use from now on, the caller's included: one number for the process.
// set_num_threads takes the nearest number from 1 to max_threads. At first it is 1.
int num_threads();
void set_num_threads(int n);

}  // namespace fastrelu

#ifdef _WIN32
#define FASTRELU_EXPORT __declspec(dllexport)
#else
#define FASTRELU_EXPORT __attribute__((visibility("default")))
#endif

// num_threads and set_num_threads for other languages: threadpoolctl looks them up by name in the loaded library.
extern "C" {
FASTRELU_EXPORT int fastrelu_get_num_threads();
FASTRELU_EXPORT void fastrelu_set_num_threads(int n);
}
