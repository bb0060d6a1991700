// SPDX-License-Identifier: BSD-3-Clause
//
// Arrays in recycled memory (../runtime/recycle.h), which they own through a data-memory handler of NumPy's (NEP 49).
#pragma once

#include "../runtime/walk.h"
#include "numpy_api.h"

namespace fastrelu {

// From 4 MiB on, recycled memory was faster than memory that glibc's heap reuses, at 1 and 2 MiB as fast. Taking and
// giving back a block costs 0.07 us (0.4 with 256 put aside), where relu on this many bytes takes 23.
constexpr npy_intp recycle_from = 1024 * 1024;

// Makes the handler. Where NumPy turns out to keep handlers of arrays elsewhere than this code was compiled for, there is
// none, and NumPy allocates all results. Returns 0, or -1 with an exception set.
int make_memory_handler();

// Where an array's elements lie in it. Without strides: in C order, or in Fortran's.
struct ArrayLayout {
  int ndim;
  const npy_intp* shape;
  const npy_intp* strides;
  bool fortran;
};

// An uninitialised array of `bytes` bytes: new reference, or null with an exception set. From recycle_from bytes on it
// lies in recycled memory, unless NumPy is to allocate: by a handler of the user's own, with recycling turned off or
// the result larger than may be kept, or when there is no memory (NumPy raises MemoryError).
PyObject* new_result(int type_num, npy_intp bytes, const ArrayLayout& layout);

// The state of the memory of a result from new_result.
OutputMemory memory_of(PyArrayObject* result);

}  // namespace fastrelu
