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

bool is_mask(PyObject* object) {
  PyArrayObject* const mask = as_dense(object);
  return mask && PyArray_TYPE(mask) == NPY_UBYTE && PyArray_NDIM(mask) == 1;
}

// A tuple of ints that an array could have as its shape, or one int.
bool read_shape(PyObject* object, int& ndim, npy_intp* shape) {
  const bool is_tuple = PyTuple_CheckExact(object);
  ndim = is_tuple ? static_cast<int>(std::min<Py_ssize_t>(PyTuple_GET_SIZE(object), max_array_axes + 1)) : 1;
  if (ndim > max_array_axes) return false;
  for (int axis = 0; axis < ndim; ++axis) {
    PyObject* const length = is_tuple ? PyTuple_GET_ITEM(object, axis) : object;
    shape[axis] = PyLong_CheckExact(length) ? PyLong_AsSsize_t(length) : -1;
    if (shape[axis] < 0) {
      PyErr_Clear();
      return false;
    }
  }
  return is_array_shape(ndim, shape);
}

// The first bits of a mask. Further bits of its last byte are padding and may hold anything.
struct Bits {
  PyArrayObject* mask;
  npy_intp count;

  const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(PyArray_DATA(mask)); }
};

// All bits, or those of an array of some shape, which must fit.
bool read_bits(PyObject* mask, PyObject* shape, Bits& bits) {
  if (!is_mask(mask)) return false;
  bits.mask = as_array(mask);
  bits.count = 8 * PyArray_SIZE(bits.mask);
  if (shape == Py_None) return true;
  int ndim;
  npy_intp lengths[max_array_axes] = {};
  if (!read_shape(shape, ndim, lengths)) return false;
  bits.count = PyArray_MultiplyList(lengths, ndim);
  return PyArray_SIZE(bits.mask) == mask_bytes(bits.count);
}

std::int64_t count_set(const Bits& bits) {
  std::int64_t set = 0;
  const npy_intp whole = bits.count / 8, rest = bits.count % 8;
  count(Reduce::bits, DType::uint8, nullptr, bits.mask, {1, 1, 1, whole}, &set);
  return rest ? set + population(bits.data()[whole] & first_bits(rest)) : set;
}

// Takes a mask, and the shape of the array that it was made from, or None.
PyObject* active_count_of_mask(PyObject* const* arguments) {
  Bits bits;
  if (!read_bits(arguments[0], arguments[1], bits)) return not_implemented();
  return PyLong_FromLongLong(count_set(bits));
}

PyObject* sparsity_of_mask(PyObject* const* arguments) {
  Bits bits;
  if (!read_bits(arguments[0], arguments[1], bits)) return not_implemented();
  return PyFloat_FromDouble(inactive_share(count_set(bits), bits.count));
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

// Takes a mask, the shape of the array that it was made from, and axes.
PyObject* dead_units_of_mask(PyObject* const* arguments) {
  int ndim;
  npy_intp shape[max_array_axes] = {};
  ReducedAxes axes;
  if (!is_mask(arguments[0]) || !read_shape(arguments[1], ndim, shape) || !read_axes(arguments[2], ndim, shape, axes)) {
    return not_implemented();
  }
  const npy_intp elements = PyArray_MultiplyList(shape, ndim);
  if (PyArray_SIZE(as_array(arguments[0])) != mask_bytes(elements)) return not_implemented();
  const auto* const mask = static_cast<const std::uint8_t*>(PyArray_DATA(as_array(arguments[0])));
  return dead_of(axes, arguments[2] == Py_None,
                 [&](UnitMarker& marker) { run_without_gil(elements, [&] { marker.mark(0, elements, mask); }); });
}

}  // namespace

PyMethodDef count_methods[] = {
    method<active_count, 2>("active_count"),
    method<sparsity, 2>("sparsity"),
    method<dead_units, 2>("dead_units"),
    method<active_count_of_mask, 2>("active_count_of_mask"),
    method<sparsity_of_mask, 2>("sparsity_of_mask"),
    method<dead_units_of_mask, 3>("dead_units_of_mask"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
