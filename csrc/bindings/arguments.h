// SPDX-License-Identifier: BSD-3-Clause
//
// The arguments of a call, and the conditions under which the short ways take them.
#pragma once

#include <cstddef>
#include <cstring>

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

}  // namespace fastrelu
