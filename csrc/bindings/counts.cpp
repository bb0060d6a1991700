// SPDX-License-Identifier: BSD-3-Clause
//
// Counts of active elements and of the bits of masks, and the units that never fire.
#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "../contract/words.h"
#include "dense_arrays.h"
#include "mask_object.h"
#include "reduced_axes.h"

namespace fastrelu {
namespace {

struct CountCall {
  PyArrayObject* x;
  const ActiveKernel* active;
  ReducedAxes axes;
  ReductionShape shape;
};

bool read_count(PyObject* x, PyObject* axis, CountCall& call) {
  call.x = as_dense(x);
  if (!call.x || !read_axes(axis, PyArray_NDIM(call.x), PyArray_DIMS(call.x), call.axes)) return false;
  if (!group(call.axes, call.shape)) return false;
  call.active = dtype_of(call.x);
  return call.active != nullptr;
}

void count(Reduce what, DType dtype, const void* data, PyArrayObject* array, const ReductionShape& shape,
           std::int64_t* counts) {
  constexpr std::ptrdiff_t bytes_at_once = 64 * 1024;
  const Isa& isa = active_isa();
  const std::ptrdiff_t size = PyArray_ITEMSIZE(array);
  const ReductionWork work{shape,
                           size,
                           bytes_at_once / size,
                           sizeof *counts,
                           isa.reduction(what, dtype),
                           isa.reduction(Reduce::sum, DType::int64),
                           data,
                           PyArray_BYTES(array),
                           nullptr,
                           {},
                           weights_of(dtype).sums};
  reduce_without_gil(work, counts);
}

void count_active(const CountCall& call, std::int64_t* counts) {
  count(Reduce::active, call.active->dtype, call.active->data, call.x, call.shape, counts);
}

std::int64_t count_all_active(const CountCall& call) {
  std::int64_t counted = 0;
  count_active(call, &counted);
  return counted;
}

// An array of that type, which holds counts, one for each unit. There may be more units than elements, even where there
// are none, so no other memory is used.
Ref new_counts(const CountCall& call, int type_num) {
  static_assert(sizeof(npy_intp) == sizeof(std::int64_t) && sizeof(npy_double) == sizeof(std::int64_t));
  const KeptAxes kept(call.axes);
  Ref counts = new_zeros(kept.ndim, kept.shape, type_num);
  if (counts) count_active(call, static_cast<std::int64_t*>(PyArray_DATA(counts.get<PyArrayObject>())));
  return counts;
}

PyObject* active_count(PyObject* const* arguments) {
  CountCall call;
  if (!read_count(arguments[0], arguments[1], call)) return not_implemented();
  if (arguments[1] == Py_None) return PyLong_FromLongLong(count_all_active(call));
  return value_of(new_counts(call, NPY_INTP));
}

double inactive_share(std::int64_t active, std::ptrdiff_t number) {
  if (number == 0) return std::numeric_limits<double>::quiet_NaN();
  return 1 - static_cast<double>(active) / static_cast<double>(number);
}

// Counts become shares, each in its own place.
void make_shares(char* values, npy_intp n, std::ptrdiff_t number) {
  for (npy_intp i = 0; i < n; ++i, values += sizeof(double)) {
    std::int64_t active;
    std::memcpy(&active, values, sizeof active);
    const double share = inactive_share(active, number);
    std::memcpy(values, &share, sizeof share);
  }
}

PyObject* sparsity(PyObject* const* arguments) {
  CountCall call;
  if (!read_count(arguments[0], arguments[1], call)) return not_implemented();
  const std::ptrdiff_t number = call.shape.rows * call.shape.length;
  if (arguments[1] == Py_None) return PyFloat_FromDouble(inactive_share(count_all_active(call), number));
  Ref shares = new_counts(call, NPY_DOUBLE);
  if (!shares) return nullptr;
  auto* const array = shares.get<PyArrayObject>();
  run_without_gil(PyArray_NBYTES(array), [&] { make_shares(PyArray_BYTES(array), PyArray_SIZE(array), number); });
  return value_of(std::move(shares));
}

// Masks

// The bits that are set. Further bits of the last byte are padding and may hold anything.
std::int64_t count_set(PyObject* bits, npy_intp elements) {
  std::int64_t set = 0;
  const npy_intp whole = elements / 8, rest = elements % 8;
  count(Reduce::bits, DType::uint8, nullptr, as_array(bits), {1, 1, 1, whole}, &set);
  return rest ? set + population(data_of_bits(bits)[whole] & first_bits(rest)) : set;
}

PyObject* active_count_of_mask(PyObject* const* arguments) {
  PyObject* const bits = bits_of_mask(arguments[0]);
  if (!bits) return not_implemented();
  npy_intp shape[max_array_axes];
  const int ndim = read_shape(arguments[0], shape);
  return PyLong_FromLongLong(count_set(bits, PyArray_MultiplyList(shape, ndim)));
}

template <class Mark> void list_dead(const ReducedAxes& axes, const Mark& mark, npy_intp units, npy_bool* dead) {
  std::vector<int> batch;
  for (int axis = 0; axis < axes.ndim; ++axis) {
    if (axes.is_reduced[axis]) batch.push_back(axis);
  }
  const auto layout = std::make_shared<const UnitLayout>(ArrayShape{axes.ndim, axes.shape}, batch);
  UnitMarker marker(layout, {}, active_isa().reduction(Reduce::any_bits, DType::uint8));
  mark(marker);
  run_without_gil(units, [&] { marker.list_dead(dead); });
}

// For each unit whether it never fires; of all axes a bool. mark(marker) marks what does.
template <class Mark> PyObject* dead_of(const ReducedAxes& axes, bool are_all, const Mark& mark) {
  const KeptAxes kept(axes);
  Ref result(PyArray_SimpleNew(kept.ndim, const_cast<npy_intp*>(kept.shape), NPY_BOOL));
  if (!result) return nullptr;
  auto* const dead = static_cast<npy_bool*>(PyArray_DATA(result.get<PyArrayObject>()));
  const npy_intp units = PyArray_SIZE(result.get<PyArrayObject>());
  if (PyArray_MultiplyList(axes.shape, axes.ndim) == 0) {  // all are dead, of which there may be any number
    run_without_gil(units, [&] { std::fill_n(dead, units, npy_bool(1)); });
  } else {
    list_dead(axes, mark, units, dead);
  }
  if (are_all) return PyBool_FromLong(*dead);
  return value_of(std::move(result));
}

PyObject* dead_units(PyObject* const* arguments) {
  PyArrayObject* const x = as_dense(arguments[0]);
  ReducedAxes axes;
  if (!x || !read_axes(arguments[1], PyArray_NDIM(x), PyArray_DIMS(x), axes)) return not_implemented();
  const ActiveKernel* const active = dtype_of(x);
  if (!active || !find_mask_loop(MaskOp::keep, active->dtype)) return not_implemented();
  return dead_of(axes, arguments[1] == Py_None, [&](UnitMarker& marker) {
    count_where(MaskOp::keep, x, *active,
                [&](npy_intp begin, npy_intp end, const std::uint8_t* bits) { marker.mark(begin, end, bits); });
  });
}

PyObject* dead_units_of_mask(PyObject* const* arguments) {
  PyObject* const bits = bits_of_mask(arguments[0]);
  if (!bits) return not_implemented();
  npy_intp shape[max_array_axes];
  const int ndim = read_shape(arguments[0], shape);
  ReducedAxes axes;
  if (!read_axes(arguments[1], ndim, shape, axes)) return not_implemented();
  const npy_intp elements = PyArray_MultiplyList(shape, ndim);
  return dead_of(axes, arguments[1] == Py_None, [&](UnitMarker& marker) {
    run_without_gil(elements, [&] { marker.mark(0, elements, data_of_bits(bits)); });
  });
}

}  // namespace

PyMethodDef count_methods[] = {
    method<active_count, 2>("active_count"),
    method<sparsity, 2>("sparsity"),
    method<dead_units, 2>("dead_units"),
    method<active_count_of_mask, 1>("active_count_of_mask"),
    method<dead_units_of_mask, 2>("dead_units_of_mask"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
