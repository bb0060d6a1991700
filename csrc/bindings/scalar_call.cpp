// SPDX-License-Identifier: BSD-3-Clause
#include "scalar_call.h"

#include <cstddef>
#include <cstring>

#include "float_status.h"

namespace fastrelu {
namespace {

constexpr int not_taken = -1;

// Room for the widest number.
struct Number {
  alignas(std::max_align_t) char bytes[sizeof(npy_longdouble)];
};

template <class T> void put(T value, Number& number) { std::memcpy(number.bytes, &value, sizeof value); }

// One call: the type of its arrays, and their values.
struct ScalarCall {
  const UfuncSpec& spec;
  int index;
  const ActiveKernel* active;
  int type_num;
  bool is_python;  // numbers of Python take the dtype of NumPy's
  Number arrays[2];
};

// These return the number's type, or not_taken.

int read_int(PyObject* object, Number& number) {
  int overflows;
  put(PyLong_AsLongAndOverflow(object, &overflows), number);
  const bool is_default_int = sizeof(long) == sizeof(npy_intp);
  return overflows || !is_default_int ? not_taken : int(NPY_LONG);
}

int read_array(PyArrayObject* array, int index, Number& number) {
  const int type_num = PyArray_TYPE(array);
  if (PyArray_NDIM(array) != 0 || type_num >= NPY_NTYPES_LEGACY || !find_kernel(index, type_num)) return not_taken;
  std::memcpy(number.bytes, PyArray_BYTES(array), static_cast<std::size_t>(PyArray_ITEMSIZE(array)));
  return type_num;
}

int read_numpy_scalar(PyObject* object, int index, Number& number) {
  PyArray_Descr* const descr = PyArray_DescrFromScalar(object);
  if (!descr) {
    PyErr_Clear();
    return not_taken;
  }
  const int type_num = descr->type_num;
  const bool is_exact = descr->typeobj == Py_TYPE(object);
  Py_DECREF(descr);
  if (!is_exact || type_num >= NPY_NTYPES_LEGACY || !find_kernel(index, type_num)) return not_taken;
  PyArray_ScalarAsCtype(object, number.bytes);
  return type_num;
}

int read_number(PyObject* object, int index, Number& number) {
  if (PyFloat_CheckExact(object)) {
    put(PyFloat_AS_DOUBLE(object), number);
    return NPY_DOUBLE;
  }
  if (PyLong_CheckExact(object)) return read_int(object, number);
  if (PyArray_IsScalar(object, Generic)) return read_numpy_scalar(object, index, number);
  if (is_plain(object)) return read_array(reinterpret_cast<PyArrayObject*>(object), index, number);
  return not_taken;
}

bool is_python_number(PyObject* object) { return PyFloat_CheckExact(object) || PyLong_CheckExact(object); }

bool read_arrays(const Arguments& arguments, ScalarCall& call) {
  call.is_python = true;
  for (int i = 0; i < call.spec.arrays; ++i) {
    const int type_num = read_number(arguments.arrays[i], call.index, call.arrays[i]);
    if (type_num == not_taken || (i > 0 && type_num != call.type_num)) return false;
    call.type_num = type_num;
    call.is_python = call.is_python && is_python_number(arguments.arrays[i]);
  }
  call.active = find_kernel(call.index, call.type_num);
  return call.active != nullptr;
}

// long double raises flags that only NumPy reads.
bool read_slope_of(const Arguments& arguments, const ScalarCall& call, Slope& slope) {
  if (!call.spec.has_slope) return true;
  if (call.active->dtype == DType::longdouble) return false;
  if (call.is_python && arguments.slope && !is_python_number(arguments.slope)) return false;
  return read_slope(arguments.slope, slope_dtype(call.active->dtype), slope);
}

bool is_output_taken(PyObject* object, const ScalarCall& call) {
  if (!is_plain(object)) return false;
  auto* const out = reinterpret_cast<PyArrayObject*>(object);
  return PyArray_NDIM(out) == 0 && PyArray_TYPE(out) == out_type_num(call.spec, call.type_num) && is_writable(out);
}

void compute(ScalarCall& call, Slope& slope, char* out) {
  char* data[max_operands];
  char** next = data;
  for (int i = 0; i < call.spec.arrays; ++i) *next++ = call.arrays[i].bytes;
  if (call.spec.has_slope) *next++ = reinterpret_cast<char*>(&slope);
  *next = out;
  constexpr npy_intp count = 1, steps[max_operands] = {};
  call.active->kernel.cached(data, &count, steps, call.active->data);
}

PyObject* new_scalar(const ScalarCall& call, Number& number) {
  PyArray_Descr* const descr = PyArray_DescrFromType(out_type_num(call.spec, call.type_num));
  PyObject* const scalar = PyArray_Scalar(number.bytes, descr, nullptr);
  Py_DECREF(descr);
  return scalar;
}

}  // namespace

bool call_on_scalars(int index, const Arguments& arguments, PyObject** result) {
  ScalarCall call{ufunc_specs[index], index, nullptr, not_taken, false, {}};
  Slope slope;
  if (!read_arrays(arguments, call) || !read_slope_of(arguments, call, slope)) return false;
  if (arguments.out && !is_output_taken(arguments.out, call)) return false;
  Number number{};
  char* const out = arguments.out ? PyArray_BYTES(reinterpret_cast<PyArrayObject*>(arguments.out)) : number.bytes;
  if (run_reporting(call.spec, [&] { compute(call, slope, out); }) < 0) {
    *result = nullptr;
  } else {
    *result = arguments.out ? Py_NewRef(arguments.out) : new_scalar(call, number);
  }
  return true;
}

}  // namespace fastrelu
