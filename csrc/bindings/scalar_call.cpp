// SPDX-License-Identifier: BSD-3-Clause
#include "scalar_call.h"

#include <cstddef>

#include "float_status.h"

namespace fastrelu {
namespace {

constexpr int not_taken = -1;

// One call: the type of its arrays, and their values.
struct ScalarCall {
  explicit ScalarCall(int i) : spec(ufunc_specs[i]), index(i) {}

  const UfuncSpec& spec;
  int index;
  const ActiveKernel* active = nullptr;
  int type_num = not_taken;
  bool is_python;  // numbers of Python take the dtype of NumPy's
  Number inputs[max_inputs];
};

// These return the number's type, or not_taken.

int read_int(PyObject* object, Number& number) {
  int overflows;
  number.put(PyLong_AsLongAndOverflow(object, &overflows));
  const bool is_default_int = sizeof(long) == sizeof(npy_intp);
  return overflows || !is_default_int ? not_taken : int(NPY_LONG);
}

int read_array(PyArrayObject* array, int index, Number& number) {
  const int type_num = PyArray_TYPE(array);
  if (PyArray_NDIM(array) != 0 || type_num >= NPY_NTYPES_LEGACY || !find_kernel(index, type_num)) return not_taken;
  number.copy(array);
  return type_num;
}

int read_numpy_scalar(PyObject* object, int index, Number& number) {
  const int type_num = scalar_type_num(object);
  if (type_num >= NPY_NTYPES_LEGACY || !find_kernel(index, type_num)) return not_taken;
  PyArray_ScalarAsCtype(object, number.bytes);
  return type_num;
}

int read_value(PyObject* object, int index, Number& number) {
  if (PyFloat_CheckExact(object)) {
    number.put(PyFloat_AS_DOUBLE(object));
    return NPY_DOUBLE;
  }
  if (PyLong_CheckExact(object)) return read_int(object, number);
  if (PyArray_IsScalar(object, Generic)) return read_numpy_scalar(object, index, number);
  if (is_plain(object)) return read_array(reinterpret_cast<PyArrayObject*>(object), index, number);
  return not_taken;
}

bool read_arrays(const Arguments& arguments, ScalarCall& call) {
  call.is_python = true;
  for (int i = 0; i < call.spec.arrays; ++i) {
    const int type_num = read_value(arguments.inputs[i], call.index, call.inputs[i]);
    if (type_num == not_taken || (i > 0 && type_num != call.type_num)) return false;
    call.type_num = type_num;
    call.is_python = call.is_python && is_python_number(arguments.inputs[i]);
  }
  call.active = find_kernel(call.index, call.type_num);
  return call.active != nullptr;
}

bool read_parameters(const Arguments& arguments, ScalarCall& call) {
  for (int i = call.spec.arrays; i < call.spec.nin(); ++i) {
    PyObject* const object = arguments.inputs[i];
    if (call.is_python && !is_python_number(object)) return false;
    if (!read_number(object, call.spec, i, {call.type_num, call.active->dtype}, call.inputs[i])) return false;
  }
  return true;
}

bool is_output_taken(PyObject* object, const ScalarCall& call) {
  if (!is_plain(object)) return false;
  auto* const out = reinterpret_cast<PyArrayObject*>(object);
  return PyArray_NDIM(out) == 0 && PyArray_TYPE(out) == out_type_num(call.spec, call.type_num) && is_writable(out);
}

void compute(ScalarCall& call, char* out) {
  char* data[max_operands];
  for (int i = 0; i < call.spec.nin(); ++i) data[i] = call.inputs[i].bytes;
  data[call.spec.nin()] = out;
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
  ScalarCall call(index);
  if (!read_arrays(arguments, call) || !reports_all_flags(call.spec, call.active->dtype) ||
      !read_parameters(arguments, call))
    return false;
  if (arguments.out && !is_output_taken(arguments.out, call)) return false;
  Number number{};
  char* const out = arguments.out ? PyArray_BYTES(reinterpret_cast<PyArrayObject*>(arguments.out)) : number.bytes;
  if (run_reporting(call.spec, [&] { compute(call, out); }) < 0) {
    *result = nullptr;
  } else {
    *result = arguments.out ? Py_NewRef(arguments.out) : new_scalar(call, number);
  }
  return true;
}

}  // namespace fastrelu
