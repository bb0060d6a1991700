// SPDX-License-Identifier: BSD-3-Clause
//
// Arguments of the functions that are no ufuncs. They take plain arrays that are dense in C order, and answer
// NotImplemented to everything else, which Python (fastrelu/_operands.py) checks and lays out for them.
#pragma once

#include <algorithm>
#include <new>

#include "arguments.h"
#include "compute.h"
#include "memory.h"
#include "user_dtypes.h"

namespace fastrelu {

inline bool is_dense(PyObject* object) { return is_plain(object) && PyArray_IS_C_CONTIGUOUS(as_array(object)); }

// Null if it is none, or has no axes: then the result is to be a scalar.
inline PyArrayObject* as_dense(PyObject* object) {
  return is_dense(object) && PyArray_NDIM(as_array(object)) > 0 ? as_array(object) : nullptr;
}

inline bool has_shape(PyArrayObject* array, int ndim, const npy_intp* shape) {
  return PyArray_NDIM(array) == ndim && std::equal(shape, shape + ndim, PyArray_DIMS(array));
}

inline bool are_apart(PyArrayObject* a, PyArrayObject* b) {
  const char *const first = PyArray_BYTES(a), *const second = PyArray_BYTES(b);
  return first + PyArray_NBYTES(a) <= second || second + PyArray_NBYTES(b) <= first;
}

// In place exactly, or apart.
inline bool may_overwrite(PyArrayObject* out, PyArrayObject* input) {
  const bool is_same = PyArray_DATA(out) == PyArray_DATA(input) && PyArray_NBYTES(out) == PyArray_NBYTES(input);
  return is_same || are_apart(out, input);
}

inline PyObject* new_array_like(PyArrayObject* model) {
  return new_result(PyArray_TYPE(model), PyArray_NBYTES(model),
                    {PyArray_NDIM(model), PyArray_DIMS(model), nullptr, false});
}

// The array that a result goes into: `given`, or a new one for None. New reference; null without an exception if `given`
// does not fit.
inline PyArrayObject* take_result(PyObject* given, int type_num, npy_intp itemsize, int ndim, const npy_intp* shape) {
  if (given == Py_None) {
    const npy_intp bytes = PyArray_MultiplyList(shape, ndim) * itemsize;
    return reinterpret_cast<PyArrayObject*>(new_result(type_num, bytes, {ndim, shape, nullptr, false}));
  }
  if (!is_dense(given)) return nullptr;
  PyArrayObject* const out = as_array(given);
  if (!is_writable(out) || PyArray_TYPE(out) != type_num || !has_shape(out, ndim, shape)) return nullptr;
  return reinterpret_cast<PyArrayObject*>(Py_NewRef(given));
}

// What relu runs for arrays of this type: its dtype and data. Null, perhaps with an exception, if it takes none.
inline const ActiveKernel* kernel_of(PyArrayObject* array) {
  const int type_num = PyArray_TYPE(array);
  const ActiveKernel* const active = find_kernel(0, type_num);
  if (active || !PyTypeNum_ISUSERDEF(type_num)) return active;
  return ensure_loops(NPY_DTYPE(PyArray_DESCR(array))) == 1 ? find_kernel(0, type_num) : nullptr;
}

inline PyObject* not_implemented() { return PyErr_Occurred() ? nullptr : Py_NewRef(Py_NotImplemented); }

// C++ exceptions must not pass through Python's code.
template <class Run> PyObject* caught(Run run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

// For PyMethodDef: C's type for all functions.
using FastFunction = PyObject*(PyObject* module, PyObject* const* arguments, Py_ssize_t count);
inline PyCFunction as_method(FastFunction* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Python's own code calls these functions, so all that is checked is that they do not crash.
inline bool has_count(const char* name, Py_ssize_t count, Py_ssize_t expected) {
  if (count == expected) return true;
  PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", name, expected, count);
  return false;
}

}  // namespace fastrelu
