// SPDX-License-Identifier: BSD-3-Clause
#include "fastcall.h"

#include <cstddef>
#include <utility>

#include "array_call.h"
#include "dense_call.h"
#include "scalar_call.h"
#include "user_dtypes.h"

namespace fastrelu {
namespace {

vectorcallfunc numpy_call[ufunc_count];
PyObject* out_keyword;
PyObject* slope_keyword;
PyObject* default_slope_object;

// False if there is anything that only NumPy understands: too few or many arguments, other keywords, an out in a tuple.
template <int index> bool read_arguments(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, Arguments& call) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  if (nargs < spec.arrays || nargs > spec.nin()) return false;
  for (int i = 0; i < spec.arrays; ++i) call.arrays[i] = args[i];
  call.slope = spec.has_slope && nargs == spec.nin() ? args[spec.arrays] : nullptr;
  call.out = nullptr;
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(kwnames, i);  // interned where the call was compiled with it
    if (name == out_keyword) {
      call.out = args[nargs + i];
    } else if (spec.has_slope && name == slope_keyword && !call.slope) {
      call.slope = args[nargs + i];
    } else {
      return false;
    }
  }
  return true;
}

Py_ssize_t find_keyword(PyObject* kwnames, PyObject* wanted) {
  const Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(kwnames, i);
    if (name == wanted || PyUnicode_Compare(name, wanted) == 0) return i;
  }
  return -1;
}

PyObject* without_item(PyObject* tuple, Py_ssize_t item) {
  const Py_ssize_t count = PyTuple_GET_SIZE(tuple);
  PyObject* const rest = PyTuple_New(count - 1);
  for (Py_ssize_t i = 0, k = 0; rest && i < count; ++i) {
    if (i != item) PyTuple_SET_ITEM(rest, k++, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  }
  return rest;
}

// Calls NumPy with the slope as the positional argument that it is to a ufunc.
PyObject* call_with_slope(int index, PyObject* ufunc, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  constexpr Py_ssize_t max_arguments = 16;  // more than any ufunc takes
  const UfuncSpec& spec = ufunc_specs[index];
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  const Py_ssize_t keyword = find_keyword(kwnames, slope_keyword);
  const bool by_keyword = keyword >= 0;
  if (by_keyword && nargs > spec.arrays) {
    return PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument 'negative_slope'", spec.name);
  }
  if (by_keyword && nargs < spec.arrays) {
    return PyErr_Format(PyExc_TypeError,
                        "%s() takes at least %d positional argument%s before negative_slope but %zd %s given",
                        spec.name, spec.arrays, spec.arrays == 1 ? "" : "s", nargs, nargs == 1 ? "was" : "were");
  }
  if (nargs != spec.arrays || nargs + keywords >= max_arguments) {
    return numpy_call[index](ufunc, args, static_cast<std::size_t>(nargs), kwnames);
  }

  PyObject* complete[max_arguments];
  PyObject** next = complete;
  for (Py_ssize_t i = 0; i < nargs; ++i) *next++ = args[i];
  *next++ = by_keyword ? args[nargs + keyword] : default_slope_object;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    if (i != keyword) *next++ = args[nargs + i];
  }
  PyObject* const names = by_keyword ? without_item(kwnames, keyword) : Py_XNewRef(kwnames);
  if (by_keyword && !names) return nullptr;
  PyObject* const result = numpy_call[index](ufunc, complete, static_cast<std::size_t>(nargs + 1), names);
  Py_XDECREF(names);
  return result;
}

template <int index> PyObject* call(PyObject* ufunc, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  const Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  Arguments arguments;
  if (read_arguments<index>(args, nargs, kwnames, arguments)) {
    PyObject* result;
    if (call_on_dense<index>(arguments, &result) || call_on_arrays(index, arguments, &result) ||
        call_on_scalars(index, arguments, &result)) {
      return result;
    }
  }
  if (ensure_loops_for_keywords(args + nargs, kwnames) < 0) return nullptr;
  if constexpr (ufunc_specs[index].has_slope) return call_with_slope(index, ufunc, args, nargs, kwnames);
  return numpy_call[index](ufunc, args, nargsf, kwnames);
}

template <std::size_t... index> vectorcallfunc entry(int wanted, std::index_sequence<index...>) {
  constexpr vectorcallfunc entries[] = {call<index>...};
  return entries[wanted];
}

bool make_constants() {
  if (default_slope_object) return true;
  out_keyword = PyUnicode_InternFromString("out");
  slope_keyword = PyUnicode_InternFromString("negative_slope");
  default_slope_object = PyFloat_FromDouble(default_slope);
  return out_keyword && slope_keyword && default_slope_object;
}

}  // namespace

int install_fastcall(PyObject* object, int index) {
  if (!make_constants()) return -1;
  auto* const ufunc = reinterpret_cast<PyUFuncObject*>(object);
  if (Py_TYPE(object)->tp_vectorcall_offset != offsetof(PyUFuncObject, vectorcall)) return 0;
  numpy_call[index] = ufunc->vectorcall;
  ufunc->vectorcall = entry(index, std::make_index_sequence<ufunc_count>());
  return 0;
}

}  // namespace fastrelu
