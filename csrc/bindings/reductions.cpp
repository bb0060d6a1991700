// SPDX-License-Identifier: BSD-3-Clause
#include "reductions.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "../contract/words.h"
#include "dense_arrays.h"
#include "float_status.h"
#include "mask_compute.h"
#include "reduced_axes.h"

namespace fastrelu {
namespace {

int type_num_of_totals(DType totals) {
  switch (totals) {
    case DType::int64: return NPY_INT64;
    case DType::uint64: return NPY_UINT64;
    case DType::longdouble: return NPY_LONGDOUBLE;
    default: return NPY_DOUBLE;
  }
}

npy_intp size_of_totals(DType totals) {
  return totals == DType::longdouble ? sizeof(npy_longdouble) : sizeof(npy_double);
}

int type_num_of_slopes(DType dtype) {
  switch (slope_dtype(dtype)) {
    case DType::longdouble: return NPY_LONGDOUBLE;
    case DType::float32: return NPY_FLOAT;
    default: return NPY_DOUBLE;
  }
}

Ref new_zeros(int ndim, const npy_intp* shape, int type_num) {
  return Ref(PyArray_ZEROS(ndim, const_cast<npy_intp*>(shape), type_num, 0));
}

// An array, or a scalar if it has no axes. Null for null.
PyObject* value_of(Ref array) { return PyArray_Return(as_array(array.release())); }

void reduce_without_gil(const ReductionWork& work, void* totals) {
  run_without_gil(work.shape.elements() * work.size, [&] { reduce(work, static_cast<char*>(totals)); });
}

// Gradients with sums

// Arrays of one type and shape. Without slopes it is relu_backward, else leaky_relu_backward with one for each total, in
// the type that its kernel takes.
struct BackwardCall {
  const char* name;
  PyArrayObject *grad, *x;
  const ActiveKernel* active;
  ReductionShape shape;
  const char* slopes;
  npy_intp slope_size;

  Reduce reduces() const { return slopes ? Reduce::slope_gradient : Reduce::sum; }
  DType totals() const { return total_dtype(reduces(), active->dtype); }
};

ReductionWork work_of(const BackwardCall& call, PyArrayObject* out) {
  const Isa& isa = active_isa();
  const DType dtype = call.active->dtype;
  const Kernel kernel = isa.kernel(call.slopes ? Op::leaky_relu_backward : Op::relu_backward, dtype);
  return {call.shape,
          PyArray_ITEMSIZE(call.grad),
          sum_block,
          size_of_totals(call.totals()),
          isa.reduction(call.reduces(), dtype),
          isa.reduction(Reduce::sum, call.totals()),
          call.active->data,
          PyArray_BYTES(call.grad),
          PyArray_BYTES(call.x),
          {kernel.cached, PyArray_BYTES(out), call.slopes, call.slope_size, !call.slopes},
          weights_of(dtype).sums};
}

// longdouble is computed by x87, whose flags only NumPy's slower functions see. Returns 0, or -1 with an exception set.
template <class Run> int report_errors(const BackwardCall& call, Run run) {
  if (call.active->dtype != DType::longdouble) return run_reporting(call.name, run);
  PyUFunc_clearfperr();
  run();
  const int raised = PyUFunc_getfperr();
  return raised ? PyUFunc_GiveFloatingpointErrors(call.name, raised) : 0;
}

// Computes into `out` and, from zeros, `totals`.
int run(const BackwardCall& call, PyArrayObject* out, PyArrayObject* totals) {
  return report_errors(call, [&] { reduce_without_gil(work_of(call, out), PyArray_DATA(totals)); });
}

// The same, with float64 totals that are rounded to float32. Without elements there may be any number of totals; all of
// them are the zeros that `rounded` holds.
int run_rounding(const BackwardCall& call, PyArrayObject* out, PyArrayObject* rounded) {
  if (call.shape.elements() == 0) return 0;
  std::vector<double> totals(static_cast<std::size_t>(PyArray_SIZE(rounded)));
  return report_errors(call, [&] {
    reduce_without_gil(work_of(call, out), totals.data());
    round_totals(totals.data(), PyArray_SIZE(rounded), static_cast<float*>(PyArray_DATA(rounded)));
  });
}

// The gradient, in `given` or a new array, and the totals as an array of that shape and type: float32, or the totals' own.
PyObject* gradient_and_totals(const BackwardCall& call, PyObject* given, PyArrayObject* slopes, int ndim,
                              const npy_intp* shape, int type_num) {
  PyArrayObject* const grad = call.grad;
  Ref result(take_result(given, PyArray_TYPE(grad), PyArray_ITEMSIZE(grad), PyArray_NDIM(grad), PyArray_DIMS(grad)));
  if (!result) return not_implemented();
  auto* const out = result.get<PyArrayObject>();
  if (!may_overwrite(out, grad) || !may_overwrite(out, call.x) || (slopes && !are_apart(out, slopes))) {
    return not_implemented();
  }
  Ref totals = new_zeros(ndim, shape, type_num);
  if (!totals) return nullptr;
  auto* const sums = totals.get<PyArrayObject>();
  const int status = type_num == NPY_FLOAT ? run_rounding(call, out, sums) : run(call, out, sums);
  return status < 0 ? nullptr : pair_of(std::move(result), Ref(value_of(std::move(totals))));
}

bool read_gradient(PyObject* grad, PyObject* x, BackwardCall& call) {
  if (!is_dense(grad) || !is_dense(x)) return false;
  call.grad = as_array(grad);
  call.x = as_array(x);
  if (PyArray_TYPE(call.grad) != PyArray_TYPE(call.x) ||
      !has_shape(call.x, PyArray_NDIM(call.grad), PyArray_DIMS(call.grad))) {
    return false;
  }
  call.active = kernel_of(call.x);
  return call.active != nullptr;
}

PyObject* relu_backward_bias(PyObject* const* arguments) {
  BackwardCall call{"relu_backward_bias", nullptr, nullptr, nullptr, {}, nullptr, 0};
  ReducedAxes axes;
  if (!read_gradient(arguments[0], arguments[1], call) ||
      !read_axes(arguments[2], PyArray_NDIM(call.x), PyArray_DIMS(call.x), axes) || !group(axes, call.shape)) {
    return not_implemented();
  }
  const bool is_narrow = call.totals() == DType::float64 && call.active->dtype != DType::float64;
  if (is_narrow && call.active->dtype != DType::float32) return not_implemented();
  const KeptAxes kept(axes);
  return gradient_and_totals(call, arguments[3], nullptr, kept.ndim, kept.shape,
                             is_narrow ? NPY_FLOAT : type_num_of_totals(call.totals()));
}

// The weight of prelu: a number or an array of one element, or one-dimensional along an axis.
struct Weight {
  PyArrayObject* array;  // null for a number
  int type_num;          // of its gradient
  Number number;
};

bool read_weight_number(PyObject* object, const BackwardCall& call, Weight& weight) {
  constexpr const UfuncSpec& spec = spec_of(Op::leaky_relu_backward);
  weight.array = nullptr;
  weight.type_num = PyArray_TYPE(call.x);
  return (weight.type_num == NPY_FLOAT || weight.type_num == NPY_DOUBLE) &&
         read_number(object, spec, spec.arrays, {weight.type_num, call.active->dtype}, weight.number);
}

// Integers are none: their gradient is one of floats.
bool read_weight_array(PyObject* object, const BackwardCall& call, Weight& weight) {
  if (!is_dense(object)) return false;
  weight.array = as_array(object);
  weight.type_num = PyArray_TYPE(weight.array);
  const DType wanted = slope_dtype(call.active->dtype);
  return !PyTypeNum_ISINTEGER(PyArray_TYPE(call.x)) && ((wanted == DType::float32 && weight.type_num == NPY_FLOAT) ||
                                                        (wanted == DType::float64 && weight.type_num == NPY_DOUBLE));
}

bool lay_along(PyObject* axis, const Weight& weight, BackwardCall& call) {
  const int ndim = PyArray_NDIM(call.x);
  ReducedAxes axes;
  if (!weight.array || PyArray_SIZE(weight.array) == 1) {
    return read_axes(Py_None, ndim, PyArray_DIMS(call.x), axes) && group(axes, call.shape);
  }
  if (!PyLong_CheckExact(axis) || PyArray_NDIM(weight.array) != 1) return false;
  if (!read_axes(axis, ndim, PyArray_DIMS(call.x), axes)) return false;
  for (int i = 0; i < ndim; ++i) axes.is_reduced[i] = !axes.is_reduced[i];
  return group(axes, call.shape) && call.shape.totals() == PyArray_SIZE(weight.array);
}

PyObject* prelu_backward(PyObject* const* arguments) {
  BackwardCall call{"prelu_backward", nullptr, nullptr, nullptr, {}, nullptr, 0};
  Weight weight;
  if (!read_gradient(arguments[0], arguments[1], call)) return not_implemented();
  const bool is_read = is_python_number(arguments[2]) ? read_weight_number(arguments[2], call, weight)
                                                      : read_weight_array(arguments[2], call, weight);
  if (!is_read || !lay_along(arguments[3], weight, call)) return not_implemented();
  call.slopes = weight.array ? PyArray_BYTES(weight.array) : weight.number.bytes;
  call.slope_size = weight.type_num == NPY_FLOAT ? sizeof(npy_float) : sizeof(npy_double);
  return gradient_and_totals(call, arguments[4], weight.array, weight.array ? PyArray_NDIM(weight.array) : 0,
                             weight.array ? PyArray_DIMS(weight.array) : nullptr, weight.type_num);
}

// Sets an exception. Null.
PyObject* refuse(PyObject* exception, const char* why) {
  PyErr_Format(exception, "backward_with_sums: %s", why);
  return nullptr;
}

// The lengths of the four groups of axes. False, with an exception set, unless they are those of an array.
bool read_groups(PyObject* groups, ReductionShape& shape) {
  if (!PyTuple_CheckExact(groups)) {
    refuse(PyExc_TypeError, "groups must be a tuple");
    return false;
  }
  if (!PyArg_ParseTuple(groups, "nnnn", &shape.outer, &shape.rows, &shape.runs, &shape.length)) return false;
  const npy_intp lengths[] = {shape.outer, shape.rows, shape.runs, shape.length};
  if (is_array_shape(4, lengths)) return true;
  refuse(PyExc_ValueError, "no array has groups of these lengths");
  return false;
}

// As the kernel takes them, one for each total.
bool are_slopes_of(const BackwardCall& call, PyObject* slopes) {
  const DType dtype = call.active->dtype;
  if (!is_dense(slopes) || !active_isa().reduction(Reduce::slope_gradient, dtype)) return false;
  return PyArray_TYPE(as_array(slopes)) == type_num_of_slopes(dtype) &&
         PyArray_SIZE(as_array(slopes)) == call.shape.totals();
}

// What Python has laid out: name, grad, x, the slopes or None, out or None, and the lengths of the four groups of axes.
// The totals keep their own type. Nothing else can be tried with what does not fit, so it is refused here.
PyObject* backward_with_sums(PyObject* const* arguments) {
  const char* const name = PyUnicode_AsUTF8(arguments[0]);
  if (!name) return nullptr;
  BackwardCall call{name, nullptr, nullptr, nullptr, {}, nullptr, 0};
  if (!read_gradient(arguments[1], arguments[2], call)) {
    return PyErr_Occurred() ? nullptr : refuse(PyExc_TypeError, "grad and x must be dense, of one shape and dtype");
  }
  if (!read_groups(arguments[5], call.shape)) return nullptr;
  if (call.shape.elements() != PyArray_SIZE(call.x)) return refuse(PyExc_ValueError, "groups are not those of x");
  PyArrayObject* slopes = nullptr;
  if (arguments[3] != Py_None) {
    if (!are_slopes_of(call, arguments[3])) return refuse(PyExc_TypeError, "slopes do not fit x");
    slopes = as_array(arguments[3]);
    call.slopes = PyArray_BYTES(slopes);
    call.slope_size = PyArray_ITEMSIZE(slopes);
  }
  const npy_intp totals = call.shape.totals();
  Ref result(gradient_and_totals(call, arguments[4], slopes, 1, &totals, type_num_of_totals(call.totals())));
  return result.get() == Py_NotImplemented ? refuse(PyExc_ValueError, "out does not fit") : result.release();
}

// Slopes as leaky_relu takes them: the weight itself, or a view of it that broadcasts to x.
PyObject* lay_out_weight(PyObject* const* arguments) {
  PyObject *const x = arguments[0], *const weight = arguments[1], *const axis = arguments[2];
  if (!PyArray_CheckExact(x)) return not_implemented();
  if (is_python_number(weight)) return Py_NewRef(weight);
  if (!PyArray_CheckExact(weight)) return not_implemented();
  npy_intp shape[max_array_axes];
  PyArray_Dims laid_out{shape, 0};
  if (PyArray_SIZE(as_array(weight)) != 1) {
    const int ndim = PyArray_NDIM(as_array(x));
    ReducedAxes axes;
    if (PyArray_NDIM(as_array(weight)) != 1 || !PyLong_CheckExact(axis) ||
        !read_axes(axis, ndim, PyArray_DIMS(as_array(x)), axes)) {
      return not_implemented();
    }
    const auto channels = static_cast<int>(std::find(axes.is_reduced, axes.is_reduced + ndim, true) - axes.is_reduced);
    if (PyArray_SIZE(as_array(weight)) != axes.shape[channels]) return not_implemented();
    laid_out.len = ndim - channels;
    shape[0] = axes.shape[channels];
    std::fill_n(shape + 1, laid_out.len - 1, npy_intp(1));
  }
  if (laid_out.len == PyArray_NDIM(as_array(weight))) return Py_NewRef(weight);
  return PyArray_Newshape(as_array(weight), &laid_out, NPY_CORDER);
}

// Counts

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
  call.active = kernel_of(call.x);
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

// The first bits of a mask. Others in its last byte are nobody's.
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

// Of a mask, and the shape of what it was made of or None.
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
  const ArrayShape shape{axes.ndim, axes.shape};
  FiredUnits fired;
  std::optional<UnitMarker> marker = fired.marker(shape, batch);
  if (marker) mark(*marker);
  run_without_gil(units, [&] {
    fired.add(shape, batch, marker);
    fired.list_dead(dead);
  });
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
  const ActiveKernel* const active = kernel_of(x);
  if (!active || !find_mask_loop(MaskOp::keep, active->dtype)) return not_implemented();
  return dead_of(axes, arguments[1] == Py_None, [&](UnitMarker& marker) {
    look(MaskOp::keep, x, *active,
         [&](npy_intp begin, npy_intp end, const std::uint8_t* bits) { marker.mark(begin, end, bits); });
  });
}

// Of a mask, the shape of what it was made of, and axes.
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

PyMethodDef reduction_methods[] = {
    method<relu_backward_bias, 4>("relu_backward_bias"),
    method<prelu_backward, 5>("prelu_backward"),
    method<backward_with_sums, 6>("backward_with_sums"),
    method<lay_out_weight, 3>("lay_out_weight"),
    method<active_count, 2>("active_count"),
    method<sparsity, 2>("sparsity"),
    method<dead_units, 2>("dead_units"),
    method<active_count_of_mask, 2>("active_count_of_mask"),
    method<sparsity_of_mask, 2>("sparsity_of_mask"),
    method<dead_units_of_mask, 3>("dead_units_of_mask"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
