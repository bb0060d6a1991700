// SPDX-License-Identifier: BSD-3-Clause
//
// The dtypes of the package ml_dtypes. fastrelu never imports it: they are met when an array of one comes in. Meeting one
// again, from a finalizer in the middle of it or from another thread, does the same work again, which harms nobody: no lock
// is held. What fails, for lack of memory, may be tried again.
#pragma once

#include "numpy_api.h"

namespace fastrelu {

// Returns 1 if find_dtype knows this dtype now, 0 if it cannot, -1 with an exception set.
int ensure_kernels(PyArray_DTypeMeta* user_dtype);

// Returns 0 when the dtype of an array, if it is one of ml_dtypes, is known; -1 with an exception set.
inline int meet_array(PyObject* array) {
  PyArray_Descr* const descr = PyArray_DESCR(reinterpret_cast<PyArrayObject*>(array));
  if (!PyTypeNum_ISUSERDEF(descr->type_num)) return 0;
  return ensure_kernels(NPY_DTYPE(descr)) < 0 ? -1 : 0;
}

// As ensure_kernels, and NumPy knows the loop of this ufunc, if it has one. For promoters.
int ensure_loop(int index, PyArray_DTypeMeta* user_dtype);

// Looks for such dtypes in a call that goes to NumPy: in its arrays, because no Python code should run when NumPy, which
// may hold a lock, calls a promoter; and in its keywords, because with dtype= or signature= the dtypes are fixed, so that
// NumPy asks no promoter: loops must exist before the call. Returns 0, or -1 with an exception set.
int meet_dtypes(int index, PyObject* ufunc, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

// The module's function by which fastrelu._float8 offers itself: nothing is imported in a call, because a child process
// that is forked meanwhile would wait for its import for ever.
void define_user_dtypes(PyObject* module);

}  // namespace fastrelu
