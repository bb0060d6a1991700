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

// Operands of such a call: arrays of one dtype and shape, all in C order or all in Fortran order. Inputs that kernels take
// broadcast may be one number each.
struct Operands {
  char* data[max_operands];  // as a kernel takes them: arrays, parameters, out
  npy_intp steps[max_operands];
  Number numbers[max_inputs];
  PyArrayObject* model;
  int type_num;
  int order;  // NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS, or both
};

inline bool same_shape(PyArrayObject* a, PyArrayObject* b) {
  const int ndim = PyArray_NDIM(a);
  return ndim == PyArray_NDIM(b) &&
         std::memcmp(PyArray_DIMS(a), PyArray_DIMS(b), static_cast<std::size_t>(ndim) * sizeof(npy_intp)) == 0;
}

// Without axes there is no array to return, but a scalar.
inline bool start_operands(PyObject* object, Operands& operands) {
  if (!is_plain(object)) return false;
  operands.model = reinterpret_cast<PyArrayObject*>(object);
  operands.type_num = PyArray_TYPE(operands.model);
  operands.order = PyArray_FLAGS(operands.model) & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS);
  operands.data[0] = PyArray_BYTES(operands.model);
  operands.steps[0] = PyArray_ITEMSIZE(operands.model);
  return PyArray_NDIM(operands.model) > 0 && operands.order != 0;
}

inline bool add_operand(PyObject* object, Operands& operands, int position) {
  if (!is_plain(object)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  operands.order &= PyArray_FLAGS(array);
  operands.data[position] = PyArray_BYTES(array);
  operands.steps[position] = operands.steps[0];
  return operands.order != 0 && PyArray_TYPE(array) == operands.type_num && same_shape(array, operands.model);
}

inline bool same_or_disjoint(const char* a, const char* b, npy_intp bytes) {
  return a == b || a + bytes <= b || b + bytes <= a;
}

// In place exactly, or apart. NumPy takes partial overlaps: it makes copies.
inline bool add_output(PyObject* object, const UfuncSpec& spec, Operands& operands) {
  const int position = spec.nin();
  if (!add_operand(object, operands, position)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  if (!is_writable(array)) return false;
  const npy_intp bytes = PyArray_NBYTES(array);
  for (int i = 0; i < spec.arrays; ++i) {
    const bool is_array = i < spec.dense_inputs || operands.steps[i] != 0;
    if (is_array && !same_or_disjoint(operands.data[i], operands.data[position], bytes)) return false;
  }
  return true;
}

inline PyObject* new_result_of(const Operands& operands, npy_intp bytes) {
  PyArrayObject* const model = operands.model;
  const bool fortran = !(operands.order & NPY_ARRAY_C_CONTIGUOUS);
  return new_result(operands.type_num, bytes, {PyArray_NDIM(model), PyArray_DIMS(model), nullptr, fortran});
}

// Products take integers to float64, and arithmetic with long double raises x87's flags.
inline bool has_short_way(const UfuncSpec& spec, DType dtype) {
  switch (spec.arithmetic) {
    case Arithmetic::selects: return true;
    case Arithmetic::adds: return dtype != DType::longdouble;
    default: return slope_dtype(dtype) == DType::float32 || dtype == DType::float64;
  }
}

// An input that a kernel takes broadcast: an array as the others, or one number.
inline bool add_number_or_operand(PyObject* object, const UfuncSpec& spec, int input, DType dtype, Operands& operands) {
  if (input < spec.arrays && add_operand(object, operands, input)) return true;
  if (!read_number(object, spec, input, {operands.type_num, dtype}, operands.numbers[input])) return false;
  operands.data[input] = operands.numbers[input].bytes;
  operands.steps[input] = 0;
  return true;
}

// Null if the call is none of these. Otherwise the operands are complete, except for a fresh result.
template <int index> const ActiveKernel* prepare(const Arguments& call, Operands& operands) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  if (!start_operands(call.inputs[0], operands)) return nullptr;
  for (int i = 1; i < spec.dense_inputs; ++i) {
    if (!add_operand(call.inputs[i], operands, i)) return nullptr;
  }
  const ActiveKernel* const active = find_kernel(index, operands.type_num);
  if (!active || !has_short_way(spec, active->dtype)) return nullptr;
  for (int i = spec.dense_inputs; i < spec.nin(); ++i) {
    if (!add_number_or_operand(call.inputs[i], spec, i, active->dtype, operands)) return nullptr;
  }
  if (call.out && !add_output(call.out, spec, operands)) return nullptr;
  return active;
}

// As call_on_arrays (array_call.h).
template <int index> bool call_on_dense(const Arguments& call, PyObject** result) {
  constexpr const UfuncSpec& spec = ufunc_specs[index];
  Operands operands;
  const ActiveKernel* const active = prepare<index>(call, operands);
  if (!active) return false;
  const npy_intp step = operands.steps[0], count = PyArray_SIZE(operands.model);
  *result = call.out ? Py_NewRef(call.out) : new_result_of(operands, step * count);
  if (!*result) return true;
  auto* const array = reinterpret_cast<PyArrayObject*>(*result);
  operands.data[spec.nin()] = PyArray_BYTES(array);
  operands.steps[spec.nin()] = step;
  int status;
  if (step * count < release_gil_from) {
    status = run_reporting(spec, [&] { active->kernel.cached(operands.data, &count, operands.steps, active->data); });
  } else {
    const OutputMemory memory = call.out ? OutputMemory::used : memory_of(array);
    status = compute_line(spec, *active, count, operands.data, operands.steps, memory);
  }
  if (status < 0) Py_CLEAR(*result);
  return true;
}

}  // namespace fastrelu
