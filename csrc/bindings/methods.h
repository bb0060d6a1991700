// SPDX-License-Identifier: BSD-3-Clause
//
// The functions of the module fastrelu._core beside the ufuncs: their lists, and how Python calls them. They take plain
// arrays that are dense in C order, and answer NotImplemented to everything else, which Python (fastrelu/_operands.py)
// checks and lays out for them.
#pragma once

#include "exceptions.h"
#include "user_dtypes.h"

namespace fastrelu {

extern PyMethodDef count_methods[], gradient_methods[], lookup_methods[], mask_methods[], maxout_methods[],
    softmax_methods[];

// Takes all of its arguments by position. Returns a new reference, or null with an exception set.
using ModuleFunction = PyObject*(PyObject* const* arguments);

// Meets the dtypes of all arrays before anything is read of them, because the first meeting runs Python code. False with an
// exception set.
inline bool meet_arrays(PyObject* const* arguments, Py_ssize_t count) {
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyArray_CheckExact(arguments[i]) && meet_array(arguments[i]) < 0) return false;
  }
  return true;
}

// What Python calls. Only fastrelu's own code does, so the number of arguments is all that is checked here.
template <ModuleFunction* function, Py_ssize_t expected>
PyObject* call_method(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != expected) {
    return PyErr_Format(PyExc_TypeError, "this function of fastrelu._core takes %zd arguments, not %zd", expected,
                        count);
  }
  if (!meet_arrays(arguments, count)) return nullptr;
  return caught<PyObject*>(nullptr, [&] { return function(arguments); });
}

template <ModuleFunction* function, Py_ssize_t count> PyMethodDef method(const char* name) {
  const auto any_function = reinterpret_cast<void (*)()>(call_method<function, count>);  // C's type for all functions
  return {name, reinterpret_cast<PyCFunction>(any_function), METH_FASTCALL, nullptr};
}

}  // namespace fastrelu
