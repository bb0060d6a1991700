// SPDX-License-Identifier: BSD-3-Clause
#include "checks.h"

#include <cstring>
#include <initializer_list>

namespace fastrelu {
namespace {

bool is_real(PyArrayObject* array) {
  const int type_num = PyArray_TYPE(array);
  return PyTypeNum_ISINTEGER(type_num) || PyTypeNum_ISFLOAT(type_num) || PyTypeNum_ISUSERDEF(type_num);
}

// New reference to an array of real numbers; null, perhaps with an exception set, for anything else.
PyObject* as_real_array(PyObject* object) {
  const bool is_number = PyFloat_Check(object) || PyLong_Check(object) || PyArray_IsScalar(object, Generic);
  const bool is_known = is_number || PyArray_CheckExact(object) || PyList_Check(object) || PyTuple_Check(object);
  PyObject* array = is_known ? PyArray_FROM_O(object) : nullptr;
  if (array && !is_real(reinterpret_cast<PyArrayObject*>(array))) Py_CLEAR(array);
  return array;
}

void refuse(const UfuncSpec& spec, PyObject* low, PyObject* high) {
  const Parameters& parameters = spec.parameters;
  if (spec.check == Check::ordered) {
    PyErr_Format(PyExc_ValueError, "%s: %s (%S) is above %s (%S)", spec.name, parameters[0].name, low,
                 parameters[1].name, high);
  } else {
    PyErr_Format(PyExc_ValueError, "%s: %s (%S) is below 0", spec.name, parameters[0].name, high);
  }
}

// New reference to what stands at a position, in C order, of the array that it is broadcast to. (NumPy's iterators find it
// with fields that NumPy does not set for arrays without axes.)
PyObject* element_at(npy_intp position, PyArrayObject* whole, PyObject* part) {
  if (!PyArray_Check(part)) return Py_NewRef(part);
  auto* const array = reinterpret_cast<PyArrayObject*>(part);
  char* element = PyArray_BYTES(array);
  int whole_axis = PyArray_NDIM(whole);
  for (int axis = PyArray_NDIM(array) - 1; axis >= 0; --axis) {
    const npy_intp length = PyArray_DIM(whole, --whole_axis);
    if (PyArray_DIM(array, axis) > 1) element += position % length * PyArray_STRIDE(array, axis);
    position /= length;
  }
  return PyArray_ToScalar(element, array);
}

// Names the elements at a position of what both are broadcast to.
void refuse_at(npy_intp position, PyArrayObject* whole, const UfuncSpec& spec, PyObject* low, PyObject* high) {
  PyObject* const first = element_at(position, whole, low);
  PyObject* const second = element_at(position, whole, high);
  if (first && second) refuse(spec, first, second);
  Py_XDECREF(first);
  Py_XDECREF(second);
}

// What NumPy cannot compare or broadcast is for the ufunc to refuse.
bool is_for_the_ufunc() {
  if (!PyErr_Occurred()) return true;
  if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_ValueError)) return false;
  PyErr_Clear();
  return true;
}

bool is_of_another_package(PyObject* object) {
  return PyArray_Check(object) && PyTypeNum_ISUSERDEF(PyArray_TYPE(reinterpret_cast<PyArrayObject*>(object)));
}

PyObject* silent_greater = nullptr;

// numpy.errstate(all="ignore")(operator.gt): new reference, or null with an exception set.
PyObject* make_silent_greater() {
  PyObject* const numpy = PyImport_ImportModule("numpy");
  PyObject* const operators = PyImport_ImportModule("operator");
  PyObject* const errstate = numpy ? PyObject_GetAttrString(numpy, "errstate") : nullptr;
  PyObject* const greater = operators ? PyObject_GetAttrString(operators, "gt") : nullptr;
  PyObject* const nothing = PyTuple_New(0);
  PyObject* const keywords = Py_BuildValue("{ss}", "all", "ignore");
  PyObject* const silence = errstate && nothing && keywords ? PyObject_Call(errstate, nothing, keywords) : nullptr;
  PyObject* const silent = silence && greater ? PyObject_CallOneArg(silence, greater) : nullptr;
  for (PyObject* each : {numpy, operators, errstate, greater, nothing, keywords, silence}) Py_XDECREF(each);
  return silent;
}

// NumPy's own comparisons report nothing; those of other packages' dtypes do where there is a signalling NaN.
PyObject* compare(PyObject* low, PyObject* high) {
  if (!is_of_another_package(low) && !is_of_another_package(high)) return PyObject_RichCompare(low, high, Py_GT);
  return PyObject_CallFunctionObjArgs(silent_greater, low, high, nullptr);
}

bool check_order(const UfuncSpec& spec, PyObject* low, PyObject* high) {
  PyObject* const is_above = compare(low, high);
  if (!is_above) return is_for_the_ufunc();
  PyObject* const array = PyArray_FROM_OTF(is_above, NPY_BOOL, NPY_ARRAY_CARRAY_RO);
  Py_DECREF(is_above);
  if (!array) return is_for_the_ufunc();
  auto* const flags = reinterpret_cast<PyArrayObject*>(array);
  const char* const first = PyArray_BYTES(flags);
  const void* const found = std::memchr(first, 1, static_cast<std::size_t>(PyArray_SIZE(flags)));
  if (found) refuse_at(static_cast<const char*>(found) - first, flags, spec, low, high);
  Py_DECREF(array);
  return !found;
}

}  // namespace

int import_checks() {
  if (!silent_greater) silent_greater = make_silent_greater();
  return silent_greater ? 0 : -1;
}

bool check_thoroughly(const UfuncSpec& spec, PyObject* const* parameters) {
  PyObject* const first = as_real_array(parameters[0]);
  if (!first) return is_for_the_ufunc();
  const bool is_ordered = spec.check == Check::ordered;
  PyObject* const second = is_ordered ? as_real_array(parameters[1]) : PyLong_FromLong(0);
  const bool is_legal = !second      ? is_for_the_ufunc()
                        : is_ordered ? check_order(spec, first, second)
                                     : check_order(spec, second, first);
  Py_DECREF(first);
  Py_XDECREF(second);
  return is_legal;
}

}  // namespace fastrelu
