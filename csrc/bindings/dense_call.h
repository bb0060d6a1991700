// SPDX-License-Identifier: BSD-3-Clause
//
// The call that people make most: arrays of one dtype and shape, dense in memory, all in the same order. On a few
// elements it is all overhead, so each ufunc has its own instance of it.
#pragma once

#include <cstddef>
#include <cstring>

#include "arguments.h"
#include "compute.h"
#include "float_status.h"
#include "memory.h"

namespace fastrelu {

inline bool same_shape(PyArrayObject* a, PyArrayObject* b) {
  const int ndim = PyArray_NDIM(a);
  return ndim == PyArray_NDIM(b) &&
         std::memcmp(PyArray_DIMS(a), PyArray_DIMS(b), static_cast<std::size_t>(ndim) * sizeof(npy_intp)) == 0;
}

// In place exactly, or apart. NumPy takes partial overlaps: it makes copies.
inline bool same_or_disjoint(PyArrayObject* a, PyArrayObject* b, npy_intp bytes) {
  const char *const first = PyArray_BYTES(a), *const second = PyArray_BYTES(b);
  return first == second || first + bytes <= second || second + bytes <= first;
}

// The order in memory that all arrays have: NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS, both, or 0. It is 0 also where
// there are no axes: the result is a scalar then.
template <int index> int common_order(const Operands& operands) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  PyArrayObject* const model = operands.inputs[0];
  if (PyArray_NDIM(model) == 0) return 0;
  int order = PyArray_FLAGS(model) & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS);
  for (int i = 1; i < spec.arrays; ++i) {
    PyArrayObject* const input = operands.inputs[i];
    if (i >= spec.dense_inputs && !input) continue;
    if (!same_shape(input, model)) return 0;
    order &= PyArray_FLAGS(input);
  }
  for (int i = spec.arrays; i < spec.nin(); ++i) {
    if (operands.inputs[i]) return 0;
  }
  if (operands.out && !same_shape(operands.out, model)) return 0;
  return operands.out ? order & PyArray_FLAGS(operands.out) : order;
}

// Fills what the kernel takes, except for the output. False if the output overlaps with an input in part.
template <int index> bool place_inputs(Operands& operands, char** data, npy_intp* steps) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  const npy_intp size = PyArray_ITEMSIZE(operands.inputs[0]);
  const npy_intp bytes = operands.out ? PyArray_NBYTES(operands.out) : 0;
  for (int i = 0; i < spec.nin(); ++i) {
    PyArrayObject* const input = operands.inputs[i];
    const bool is_array = i < spec.dense_inputs || (i < spec.arrays && input);
    data[i] = is_array ? PyArray_BYTES(input) : operands.numbers[i].bytes;
    steps[i] = is_array ? size : 0;
    if (is_array && operands.out && !same_or_disjoint(input, operands.out, bytes)) return false;
  }
  return true;
}

inline PyObject* new_result_of(PyArrayObject* model, int order, npy_intp bytes) {
  const bool fortran = !(order & NPY_ARRAY_C_CONTIGUOUS);
  return new_result(PyArray_TYPE(model), bytes, {PyArray_NDIM(model), PyArray_DIMS(model), nullptr, fortran});
}

// Products take integers to float64.
inline bool keeps_dtype(const UfuncSpec& spec, DType dtype) {
  return !gives_floats(spec.arithmetic) || slope_dtype(dtype) == DType::float32 || dtype == DType::float64;
}

// As call_on_arrays (array_call.h).
template <int index> bool call_on_dense(Operands& operands, PyObject** result) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  char* data[max_operands];
  npy_intp steps[max_operands];
  const int order = common_order<index>(operands);
  if (!order || !keeps_dtype(spec, operands.type.dtype) || !place_inputs<index>(operands, data, steps)) return false;
  const npy_intp step = steps[0], count = PyArray_SIZE(operands.inputs[0]);
  *result = operands.out ? Py_NewRef(reinterpret_cast<PyObject*>(operands.out))
                         : new_result_of(operands.inputs[0], order, step * count);
  if (!*result) return true;
  PyArrayObject* const array = as_array(*result);
  data[spec.nin()] = PyArray_BYTES(array);
  steps[spec.nin()] = step;
  int status;
  if (step * count < release_gil_from) {
    status = run_reporting(spec, [&] { operands.active->kernel.cached(data, &count, steps, operands.active->data); });
  } else {
    const OutputMemory memory = operands.out ? OutputMemory::used : memory_of(array);
    status = compute_line(spec, *operands.active, count, data, steps, memory);
  }
  if (status < 0) Py_CLEAR(*result);
  return true;
}

}  // namespace fastrelu
