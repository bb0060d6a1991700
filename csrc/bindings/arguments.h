// SPDX-License-Identifier: BSD-3-Clause
//
// The arguments of a call, and the conditions under which the short ways take them.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "ufuncs.h"

namespace fastrelu {

// Borrowed. Parameters that were left out are their defaults; a null `out` was not given.
struct Arguments {
  PyObject* inputs[max_inputs];
  PyObject* out;
};

inline PyArrayObject* as_array(PyObject* object) { return reinterpret_cast<PyArrayObject*>(object); }

// An exact array in native byte order, aligned, with nothing in its dtype that a result would have to keep.
inline bool is_plain(PyObject* object) {
  if (!PyArray_CheckExact(object)) return false;
  PyArrayObject* const array = as_array(object);
  PyArray_Descr* const descr = PyArray_DESCR(array);
  return PyArray_ISALIGNED(array) && PyArray_ISNBO(descr->byteorder) && !PyDataType_METADATA(descr);
}

// The flag of arrays such as np.broadcast_arrays returns: NumPy warns whoever writes to one. NumPy does not install the
// flag's name; find_warn_on_write asks NumPy which it is. Returns 0, or -1 with an exception set.
extern int warn_on_write;
int find_warn_on_write();

// A plain array that may be written without a warning.
inline bool is_writable(PyArrayObject* array) {
  return PyArray_ISWRITEABLE(array) && !(PyArray_FLAGS(array) & warn_on_write);
}

inline bool is_python_number(PyObject* object) { return PyFloat_CheckExact(object) || PyLong_CheckExact(object); }

// The position of a keyword among those of a call, or -1.
Py_ssize_t find_keyword(PyObject* kwnames, const char* wanted);

// One number in the type that a kernel takes, with room for the widest.
struct Number {
  alignas(std::max_align_t) char bytes[sizeof(npy_longdouble)];

  template <class T> void put(T value) { std::memcpy(bytes, &value, sizeof value); }
  void copy(PyArrayObject* array) {  // of one element
    std::memcpy(bytes, PyArray_BYTES(array), static_cast<std::size_t>(PyArray_ITEMSIZE(array)));
  }
};

// The type of a NumPy scalar that is exactly of its dtype's type; -1 for others.
inline int scalar_type_num(PyObject* scalar) {
  PyArray_Descr* const descr = PyArray_DescrFromScalar(scalar);
  if (!descr) PyErr_Clear();
  const int type_num = descr && descr->typeobj == Py_TYPE(scalar) ? descr->type_num : -1;
  Py_XDECREF(descr);
  return type_num;
}

// The arrays of a call, which decide what its other inputs must be.
struct ArrayType {
  int type_num;
  DType dtype;
};

// Whether `object` is one number that, as that input, keeps the arrays' dtype, and that NumPy would convert without a
// warning.
bool read_number(PyObject* object, const UfuncSpec& spec, int input, ArrayType arrays, Number& number);

// A call's arrays and numbers, read once for the calls on dense arrays and on arrays of any layout.
struct Operands {
  const ActiveKernel* active;
  ArrayType type;
  PyArrayObject* inputs[max_inputs];  // null for a number
  Number numbers[max_inputs];
  PyArrayObject* out;  // null: a new result
};

// Arithmetic with long double raises flags that only NumPy reads.
constexpr bool reports_all_flags(const UfuncSpec& spec, DType dtype) {
  return spec.arithmetic == Arithmetic::selects || dtype != DType::longdouble;
}

template <int index, int input> bool read_input(PyObject* object, Operands& operands) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  const bool is_array = PyArray_CheckExact(object);
  const bool may_be_number = input >= spec.dense_inputs && (!is_array || PyArray_NDIM(as_array(object)) == 0);
  if (may_be_number) {
    operands.inputs[input] = nullptr;
    if (read_number(object, spec, input, operands.type, operands.numbers[input])) return true;
  }
  if (!is_plain(object)) return false;
  operands.inputs[input] = as_array(object);
  const auto [type_num, dtype] = operands.type;
  return PyArray_TYPE(as_array(object)) ==
         (input < spec.arrays ? type_num : input_type_num(spec, input, dtype, type_num));
}

template <int index, int... after_first>
bool read_inputs(PyObject* const* inputs, Operands& operands, std::integer_sequence<int, after_first...>) {
  return (read_input<index, after_first + 1>(inputs[after_first + 1], operands) && ...);
}

inline bool read_output(PyObject* object, const UfuncSpec& spec, Operands& operands) {
  operands.out = nullptr;
  if (!object) return true;
  if (!is_plain(object) || !is_writable(as_array(object))) return false;
  operands.out = as_array(object);
  return PyArray_TYPE(operands.out) ==
         (!gives_floats(spec.arithmetic) ? operands.type.type_num : out_type_num(spec, operands.type.type_num));
}

// False if a kernel cannot run on the arguments as they are. The first input, which is an array, decides the type.
template <int index> bool read_operands(const Arguments& call, Operands& operands) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  if (!is_plain(call.inputs[0])) return false;
  operands.inputs[0] = as_array(call.inputs[0]);
  const int type_num = PyArray_TYPE(operands.inputs[0]);
  operands.active = find_kernel(index, type_num);
  if (!operands.active || !reports_all_flags(spec, operands.active->dtype)) return false;
  operands.type = {type_num, operands.active->dtype};
  if (!read_inputs<index>(call.inputs, operands, std::make_integer_sequence<int, spec.nin() - 1>())) return false;
  return read_output(call.out, spec, operands);
}

}  // namespace fastrelu
