// SPDX-License-Identifier: BSD-3-Clause
#include "array_call.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "../runtime/nest.h"
#include "compute.h"
#include "memory.h"

namespace fastrelu {
namespace {

// Filled step by step: to clear all of it first took 20 ns.
struct ArrayCall {
  ArrayCall(const UfuncSpec& s, Operands& o) : spec(s), operands(o) {}

  const UfuncSpec& spec;
  Operands& operands;
  int ndim;
  npy_intp shape[max_axes];
  Nest nest;
};
// Shapes are aligned at their last axes, as NumPy does.
bool broadcast(ArrayCall& call) {
  call.ndim = 0;
  for (int i = 0; i < call.spec.nin(); ++i) {
    if (call.operands.inputs[i]) call.ndim = std::max(call.ndim, PyArray_NDIM(call.operands.inputs[i]));
  }
  if (call.ndim == 0 || call.ndim > max_axes) return false;
  std::fill_n(call.shape, call.ndim, 1);
  for (int i = 0; i < call.spec.nin(); ++i) {
    if (!call.operands.inputs[i]) continue;
    const int missing = call.ndim - PyArray_NDIM(call.operands.inputs[i]);
    for (int axis = missing; axis < call.ndim; ++axis) {
      const npy_intp length = PyArray_DIM(call.operands.inputs[i], axis - missing);
      if (length == 1) continue;
      if (length == 0 || (call.shape[axis] != 1 && call.shape[axis] != length)) return false;
      call.shape[axis] = length;
    }
  }
  return true;
}

Operand operand_of(PyArrayObject* array, int ndim) {
  Operand operand{PyArray_BYTES(array), PyArray_ITEMSIZE(array), {}};
  const int missing = ndim - PyArray_NDIM(array);
  for (int axis = missing; axis < ndim; ++axis) {
    const bool is_broadcast = PyArray_DIM(array, axis - missing) == 1;
    operand.strides[axis] = is_broadcast ? 0 : PyArray_STRIDE(array, axis - missing);
  }
  return operand;
}

std::ptrdiff_t size_of_number(const ArrayCall& call, int input) {
  const DType dtype = input_dtype(call.spec, input, call.operands.type.dtype);
  if (dtype == call.operands.type.dtype) return PyArray_ITEMSIZE(call.operands.inputs[0]);
  return dtype == DType::float32 ? sizeof(float) : sizeof(double);
}

void list_inputs(ArrayCall& call) {
  Nest& nest = call.nest;
  nest.axes = call.ndim;
  nest.operands = call.spec.nin() + 1;
  std::copy_n(call.shape, call.ndim, nest.shape);
  for (int i = 0; i < call.spec.nin(); ++i) {
    if (call.operands.inputs[i]) {
      nest.operand[i] = operand_of(call.operands.inputs[i], call.ndim);
    } else {
      nest.operand[i] = {call.operands.numbers[i].bytes, size_of_number(call, i), {}};
    }
  }
}

// Memory that an operand touches: from the first byte to after the last.
struct Extent {
  const char *first, *last;
};

Extent extent_of(const Operand& operand, const Nest& nest) {
  Extent extent{operand.data, operand.data + operand.size};
  for (int axis = 0; axis < nest.axes; ++axis) {
    const std::ptrdiff_t length = operand.strides[axis] * (nest.shape[axis] - 1);
    (length < 0 ? extent.first : extent.last) += length;
  }
  return extent;
}

bool is_same_place(const Operand& a, const Operand& b, const Nest& nest) {
  for (int axis = 0; axis < nest.axes; ++axis) {
    if (nest.shape[axis] != 1 && a.strides[axis] != b.strides[axis]) return false;
  }
  return a.data == b.data && a.size == b.size;
}

// In place exactly, or apart. NumPy takes partial overlaps: it makes copies.
bool is_output_safe(const Nest& nest) {
  const Extent out = extent_of(nest.output(), nest);
  return std::all_of(nest.operand, nest.operand + nest.operands - 1, [&](const Operand& input) {
    const Extent in = extent_of(input, nest);
    return in.last <= out.first || out.last <= in.first || is_same_place(input, nest.output(), nest);
  });
}

// Whether no two elements share memory. Of a simplified nest.
bool has_own_elements(const Nest& nest) {
  const Operand& out = nest.output();
  std::ptrdiff_t extent = out.size;
  for (int axis = nest.axes - 1; axis >= 0; --axis) {
    if (nest.shape[axis] > 1 && out.strides[axis] < extent) return false;
    extent += out.strides[axis] * (nest.shape[axis] - 1);
  }
  return true;
}

bool take_output(PyArrayObject* out, ArrayCall& call) {
  if (PyArray_NDIM(out) != call.ndim || !std::equal(call.shape, call.shape + call.ndim, PyArray_DIMS(out)))
    return false;
  call.nest.operand[call.spec.nin()] = operand_of(out, call.ndim);
  if (!is_output_safe(call.nest)) return false;
  simplify(call.nest);
  return has_own_elements(call.nest);
}

// NumPy's rule (npyiter_find_best_axis_ordering): axis `inner` moves outwards past `outer` if the inputs step further
// along it. If they disagree, C order wins.
enum class Order { keep, swap, unknown };

Order order_of(const Nest& nest, int outer, int inner) {
  Order order = Order::unknown;
  for (int i = 0; i < nest.operands - 1; ++i) {
    const std::ptrdiff_t outer_step = std::abs(nest.operand[i].strides[outer]);
    const std::ptrdiff_t inner_step = std::abs(nest.operand[i].strides[inner]);
    if (outer_step == 0 || inner_step == 0) continue;
    if (inner_step <= outer_step) {
      order = Order::keep;
    } else if (order == Order::unknown) {
      order = Order::swap;
    }
  }
  return order;
}

// The axes as a new result has them, from the smallest step to the largest.
void sort_axes(const Nest& nest, int (&axes)[max_axes]) {
  for (int i = 0; i < nest.axes; ++i) {
    const int axis = nest.axes - 1 - i;
    int position = i;
    for (int k = i - 1; k >= 0; --k) {
      const Order order = order_of(nest, axis, axes[k]);
      if (order == Order::keep) break;
      if (order == Order::swap) position = k;
    }
    std::copy_backward(axes + position, axes + i, axes + i + 1);
    axes[position] = axis;
  }
}

// Whether NumPy takes the order of the arrays without a look at their axes. Axes of one element are in order then, too.
bool are_in_fortran_order(const ArrayCall& call) {
  bool are_all_c = true;
  for (int i = 0; i < call.spec.nin(); ++i) {
    PyArrayObject* const input = call.operands.inputs[i];
    if (!input) continue;
    const bool is_whole =
        PyArray_NDIM(input) == call.ndim && std::equal(call.shape, call.shape + call.ndim, PyArray_DIMS(input));
    if (!is_whole || !PyArray_IS_F_CONTIGUOUS(input)) return false;
    are_all_c = are_all_c && PyArray_IS_C_CONTIGUOUS(input);
  }
  return !are_all_c;
}

PyObject* new_result_of(const ArrayCall& call) {
  int axes[max_axes];
  npy_intp strides[max_axes];
  if (are_in_fortran_order(call)) {
    std::iota(axes, axes + call.ndim, 0);
  } else {
    sort_axes(call.nest, axes);
  }
  const int type_num = out_type_num(call.spec, call.operands.type.type_num);
  npy_intp stride = type_num == NPY_DOUBLE ? npy_intp(sizeof(double)) : PyArray_ITEMSIZE(call.operands.inputs[0]);
  for (int i = 0; i < call.ndim; ++i) {
    strides[axes[i]] = stride;
    stride *= call.shape[axes[i]];
  }
  return new_result(type_num, stride, {call.ndim, call.shape, strides, false});
}

PyObject* make_output(ArrayCall& call) {
  PyObject* const result = new_result_of(call);
  if (!result) return nullptr;
  call.nest.operand[call.spec.nin()] = operand_of(as_array(result), call.ndim);
  simplify(call.nest);
  return result;
}

}  // namespace

bool call_on_arrays(const UfuncSpec& spec, Operands& operands, PyObject** result) {
  ArrayCall call(spec, operands);
  if (!broadcast(call)) return false;
  list_inputs(call);
  if (operands.out && !take_output(operands.out, call)) return false;
  *result = operands.out ? Py_NewRef(reinterpret_cast<PyObject*>(operands.out)) : make_output(call);
  if (!*result) return true;
  const OutputMemory memory = operands.out ? OutputMemory::used : memory_of(as_array(*result));
  if (compute(spec, *operands.active, call.nest, memory) < 0) Py_CLEAR(*result);
  return true;
}

}  // namespace fastrelu
