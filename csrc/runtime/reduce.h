// SPDX-License-Identifier: BSD-3-Clause
//
// Sums and counts over some axes of dense arrays, on as many threads as the work is worth, and in the same pass over memory
// the gradient that they belong to.
#pragma once

#include <cstddef>

#include "../contract/isa.h"

namespace fastrelu {

// A dense array as four axes, the second and the last of which are reduced: outer x runs totals.
struct ReductionShape {
  std::ptrdiff_t outer, rows, runs, length;

  std::ptrdiff_t totals() const { return outer * runs; }
  std::ptrdiff_t elements() const { return totals() * rows * length; }
};

// A backward function that is computed tile by tile. Non-temporal stores gain nothing here: waiting for the stores of each
// tile took the time that they saved.
struct Backward {
  Loop* loop;  // null: nothing is computed
  char* out;
  const char* slopes;  // one for each total, or null
  std::ptrdiff_t slope_size;
  bool is_reduced;  // its result is reduced, not the gradient that comes in
};

struct ReductionWork {
  ReductionShape shape;
  std::ptrdiff_t size;        // bytes of an element
  std::ptrdiff_t block;       // elements of a run that are reduced at once; sums depend on it
  std::ptrdiff_t total_size;  // bytes of a total
  Reduction* reduce;
  Reduction* add;    // sums values of the totals' type
  const void* data;  // for reduce, and for the loop
  const char* grad;  // what is reduced, or the gradient that comes in
  const char* x;     // for gradients
  Backward backward;
  int weight;  // of a byte, as in line.h
};

// Adds to the totals, which must be zeros. Runs are reduced in blocks, which are added in order; so are the rows, in blocks
// of sum_block of them. May throw std::bad_alloc, before anything is written.
void reduce(const ReductionWork& work, char* totals);

// A function that is not inline: compilers would move conversions across reads of the status word.
void round_totals(const double* totals, std::ptrdiff_t n, float* rounded);

}  // namespace fastrelu
