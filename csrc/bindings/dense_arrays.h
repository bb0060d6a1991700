// SPDX-License-Identifier: BSD-3-Clause
//
// Arguments and results of the functions beside the ufuncs (methods.h): dense arrays.
#pragma once

#include <algorithm>

#include "arguments.h"
#include "compute.h"
#include "memory.h"
#include "methods.h"
#include "ref.h"
#include "user_dtypes.h"

namespace fastrelu {

inline bool is_dense(PyObject* object) { return is_plain(object) && PyArray_IS_C_CONTIGUOUS(as_array(object)); }

// Null if the object is not such an array, or has no axes: then the result is to be a scalar.
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

inline Ref new_zeros(int ndim, const npy_intp* shape, int type_num) {
  return Ref(PyArray_ZEROS(ndim, const_cast<npy_intp*>(shape), type_num, 0));
}

// An array, or a scalar if it has no axes. Null for null.
inline PyObject* value_of(Ref array) { return PyArray_Return(as_array(array.release())); }

inline const ActiveKernel* dtype_of(PyArrayObject* array) { return find_dtype(PyArray_TYPE(array)); }

// A new tuple, or null if either is null or there is no memory.
inline PyObject* pair_of(Ref first, Ref second) {
  PyObject* const pair = first && second ? PyTuple_New(2) : nullptr;
  if (!pair) return nullptr;
  PyTuple_SET_ITEM(pair, 0, first.release());
  PyTuple_SET_ITEM(pair, 1, second.release());
  return pair;
}

inline PyObject* not_implemented() { return PyErr_Occurred() ? nullptr : Py_NewRef(Py_NotImplemented); }

}  // namespace fastrelu
