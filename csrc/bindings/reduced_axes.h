// SPDX-License-Identifier: BSD-3-Clause
//
// The axes that a function counts or sums along.
#pragma once

#include <algorithm>

#include "../runtime/reduce.h"
#include "../runtime/units.h"
#include "compute.h"
#include "numpy_api.h"

namespace fastrelu {

// Of an array in C order.
struct ReducedAxes {
  int ndim;
  const npy_intp* shape;
  bool is_reduced[max_array_axes];
};

// False for anything but an int that is an axis and has not been read before.
inline bool read_axis(PyObject* axis, ReducedAxes& axes) {
  if (!PyLong_CheckExact(axis)) return false;
  int overflows;
  const long given = PyLong_AsLongAndOverflow(axis, &overflows), at = given < 0 ? given + axes.ndim : given;
  if (overflows || at < 0 || at >= axes.ndim || axes.is_reduced[at]) return false;
  axes.is_reduced[at] = true;
  return true;
}

// An int, a tuple of them, or None for all axes. False, without an exception, for everything else.
inline bool read_axes(PyObject* axis, int ndim, const npy_intp* shape, ReducedAxes& axes) {
  axes.ndim = ndim;
  axes.shape = shape;
  std::fill_n(axes.is_reduced, ndim, axis == Py_None);
  if (axis == Py_None) return true;
  if (!PyTuple_CheckExact(axis)) return read_axis(axis, axes);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(axis); ++i) {
    if (!read_axis(PyTuple_GET_ITEM(axis, i), axes)) return false;
  }
  return true;
}

// Whether NumPy makes arrays of that shape. Lengths of 0 do not count, so that products of any of the lengths are sizes.
inline bool is_array_shape(int ndim, const npy_intp* shape) {
  npy_intp size = 1;
  for (int axis = 0; axis < ndim; ++axis) {
    if (shape[axis] < 0) return false;
    if (shape[axis] > 0 && shape[axis] > NPY_MAX_INTP / size) return false;
    if (shape[axis] > 0) size *= shape[axis];
  }
  return true;
}

// Must group as fastrelu._layout.grouped does: the order of sums depends on it. False if the axes need a copy.
inline bool group(const ReducedAxes& axes, ReductionShape& shape) {
  std::ptrdiff_t* const groups[] = {&shape.length, &shape.runs, &shape.rows, &shape.outer};
  constexpr int count = 4;
  shape = {1, 1, 1, 1};
  int last = 0;
  for (int axis = axes.ndim - 1; axis >= 0; --axis) {
    if (axes.shape[axis] == 1) continue;
    const bool belongs = axes.is_reduced[axis] == (last % 2 == 0);
    if (!belongs && ++last == count) return false;
    *groups[last] *= axes.shape[axis];
  }
  return true;
}

// The shape of the result.
struct KeptAxes {
  int ndim = 0;
  npy_intp shape[max_array_axes];

  explicit KeptAxes(const ReducedAxes& axes) {
    for (int axis = 0; axis < axes.ndim; ++axis) {
      if (!axes.is_reduced[axis]) shape[ndim++] = axes.shape[axis];
    }
  }
};

inline void reduce_without_gil(const ReductionWork& work, void* totals) {
  run_without_gil(work.shape.elements() * work.size, [&] { reduce(work, static_cast<char*>(totals)); });
}

}  // namespace fastrelu
