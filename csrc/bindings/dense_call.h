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

// Operands of such a call: same dtype, same shape, all in C order or all in Fortran order.
struct Operands {
  char* data[max_operands];  // as a kernel takes them: arrays, slope, out
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
  return PyArray_NDIM(operands.model) > 0 && operands.order != 0;
}

inline bool add_operand(PyObject* object, Operands& operands, int position) {
  if (!is_plain(object)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  operands.order &= PyArray_FLAGS(array);
  operands.data[position] = PyArray_BYTES(array);
  return operands.order != 0 && PyArray_TYPE(array) == operands.type_num && same_shape(array, operands.model);
}

inline bool same_or_disjoint(const char* a, const char* b, npy_intp bytes) {
  return a == b || a + bytes <= b || b + bytes <= a;
}

// In place exactly, or apart: what lies between is for NumPy, which makes copies.
inline bool add_output(PyObject* object, Operands& operands, int arrays, int position) {
  if (!add_operand(object, operands, position)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  if (!is_writable(array)) return false;
  const npy_intp bytes = PyArray_NBYTES(array);
  for (int i = 0; i < arrays; ++i) {
    if (!same_or_disjoint(operands.data[i], operands.data[position], bytes)) return false;
  }
  return true;
}

inline PyObject* new_result_of(const Operands& operands, npy_intp bytes) {
  PyArrayObject* const model = operands.model;
  const bool fortran = !(operands.order & NPY_ARRAY_C_CONTIGUOUS);
  return new_result(operands.type_num, bytes, {PyArray_NDIM(model), PyArray_DIMS(model), nullptr, fortran});
}

// Leaky functions take integers to float64, and long double raises x87's flags.
inline bool has_short_way(const UfuncSpec& spec, DType dtype) {
  if (!spec.has_slope) return true;
  const DType slope = slope_dtype(dtype);
  return slope == DType::float32 || dtype == DType::float64;
}

// Null if the call is none of these. Otherwise operands and slope are complete but for a fresh result.
template <int index> const ActiveKernel* prepare(const Arguments& call, Operands& operands, Slope& slope) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  if (!start_operands(call.arrays[0], operands)) return nullptr;
  if (spec.arrays == 2 && !add_operand(call.arrays[1], operands, 1)) return nullptr;
  if (call.out && !add_output(call.out, operands, spec.arrays, spec.nin())) return nullptr;
  const ActiveKernel* const active = find_kernel(index, operands.type_num);
  if (!active || !has_short_way(spec, active->dtype)) return nullptr;
  if (spec.has_slope) {
    if (!read_slope(call.slope, slope_dtype(active->dtype), slope)) return nullptr;
    operands.data[spec.arrays] = reinterpret_cast<char*>(&slope);
  }
  return active;
}

template <int index> int compute_as_nest(const ActiveKernel& active, char** data, const npy_intp* steps, npy_intp count,
                                         OutputMemory memory) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  Nest nest{1, spec.nin() + 1, {count}, {}};  // a slope counts as having no bytes
  for (int i = 0; i < nest.operands; ++i) nest.operand[i] = {data[i], steps[i], {steps[i]}};
  return compute(spec, active, nest, memory);
}

// As call_on_arrays (array_call.h).
template <int index> bool call_on_dense(const Arguments& call, PyObject** result) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  Operands operands;
  Slope slope;
  const ActiveKernel* const active = prepare<index>(call, operands, slope);
  if (!active) return false;
  const npy_intp step = PyArray_ITEMSIZE(operands.model), count = PyArray_SIZE(operands.model);
  *result = call.out ? Py_NewRef(call.out) : new_result_of(operands, step * count);
  if (!*result) return true;
  auto* const array = reinterpret_cast<PyArrayObject*>(*result);
  operands.data[spec.nin()] = PyArray_BYTES(array);
  npy_intp steps[max_operands] = {step, step, step, step};
  if (spec.has_slope) steps[spec.arrays] = 0;
  int status;
  if (step * count < release_gil_from) {
    status = run_reporting(spec, [&] { active->kernel.cached(operands.data, &count, steps, active->data); });
  } else {
    const OutputMemory memory = call.out ? OutputMemory::used : memory_of(array);
    status = compute_as_nest<index>(*active, operands.data, steps, count, memory);
  }
  if (status < 0) Py_CLEAR(*result);
  return true;
}

}  // namespace fastrelu
