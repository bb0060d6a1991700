// SPDX-License-Identifier: BSD-3-Clause
//
// fastrelu.Mask: the bits that a function made, the shape of the array that they were made of, and the function whose
// gradient they are for. This is its base, whose members are read-only; Python (fastrelu/_masks.py) adds its methods.
#pragma once

#include <cstdint>

#include "../contract/mask.h"
#include "numpy_api.h"
#include "ref.h"

namespace fastrelu {

struct MaskObject {
  PyObject head;    // as PyObject_HEAD declares it
  PyObject* bits;   // an array
  PyObject* shape;  // a tuple of ints, which an array may have as its shape
  PyObject* kind;   // the name of a function
};

void define_mask_type(PyObject* module);

// New reference to a mask of an array, or null with an exception set. May collect garbage, which runs Python code.
PyObject* new_mask(PyObject* bits, PyArrayObject* array, MaskOp op);

bool is_mask(PyObject* object);

// Whether it holds the bits of so many elements as kernels take them. An array can be changed after it was put into a mask.
bool are_bits_of(PyObject* object, npy_intp elements);

inline std::uint8_t* data_of_bits(PyObject* bits) {
  return static_cast<std::uint8_t*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(bits)));
}

// Borrowed reference to the bits of a mask. Null, without an exception, if `object` is not a mask, or its bits do not fit
// its shape any more.
PyObject* bits_of_mask(PyObject* object);

// The same, for a mask that fits a function and an array.
PyObject* bits_for(PyObject* object, MaskOp op, PyArrayObject* array);

// The shape of a mask. Returns the number of axes.
int read_shape(PyObject* mask, npy_intp* shape);

}  // namespace fastrelu
