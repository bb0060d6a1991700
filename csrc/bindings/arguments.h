// SPDX-License-Identifier: BSD-3-Clause
//
// The arguments of a call, and which of them the short ways take.
#pragma once

#include "ufuncs.h"

namespace fastrelu {

// Borrowed. Null: not given.
struct Arguments {
  PyObject* arrays[2];
  PyObject* slope;
  PyObject* out;
};

// An exact array in native byte order, aligned, with nothing in its dtype that a result would have to keep.
inline bool is_plain(PyObject* object) {
  if (!PyArray_CheckExact(object)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  PyArray_Descr* const descr = PyArray_DESCR(array);
  return PyArray_ISALIGNED(array) && PyArray_ISNBO(descr->byteorder) && !PyDataType_METADATA(descr);
}

// A plain array that may be written without a word. The flag is from NumPy's own arrayobject.h, which it does not
// install: set on what np.broadcast_arrays returns.
inline bool is_writable(PyArrayObject* array) {
  constexpr int warn_on_write = static_cast<int>(1u << 31);
  return PyArray_ISWRITEABLE(array) && !PyArray_CHKFLAGS(array, warn_on_write);
}

// One slope for all elements, as a kernel takes it.
union Slope {
  float float32;
  double float64;
};

// Whether `object` (null: left out) is one number that, as a slope, keeps the arrays' dtype, and that NumPy would convert
// without a word.
bool read_slope(PyObject* object, DType slope_dtype, Slope& slope);

}  // namespace fastrelu
