// SPDX-License-Identifier: BSD-3-Clause
//
// Gradients with the sums that belong to them, of a bias and of the weight of prelu; and sums of their squares.
#include <algorithm>
#include <vector>

#include "dense_arrays.h"
#include "float_status.h"
#include "reduced_axes.h"

namespace fastrelu {
namespace {

constexpr const UfuncSpec& leaky = spec_of(Op::leaky_relu_backward);

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

int slope_type_num(const BackwardCall& call) {
  return input_type_num(leaky, leaky.arrays, call.active->dtype, PyArray_TYPE(call.x));
}

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
int compute_gradient(const BackwardCall& call, PyArrayObject* out, PyArrayObject* totals) {
  return report_errors(call, [&] { reduce_without_gil(work_of(call, out), PyArray_DATA(totals)); });
}

// The same, with float64 totals that are rounded to float32. Without elements there may be any number of totals; all of
// them are the zeros that `rounded` holds.
int compute_gradient_rounding(const BackwardCall& call, PyArrayObject* out, PyArrayObject* rounded) {
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
  const int status =
      type_num == NPY_FLOAT ? compute_gradient_rounding(call, out, sums) : compute_gradient(call, out, sums);
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
  call.active = dtype_of(call.x);
  return call.active != nullptr;
}

PyObject* relu_backward_with_bias(PyObject* const* arguments) {
  BackwardCall call{"relu_backward_with_bias", nullptr, nullptr, nullptr, {}, nullptr, 0};
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
  weight.array = nullptr;
  weight.type_num = PyArray_TYPE(call.x);
  return (weight.type_num == NPY_FLOAT || weight.type_num == NPY_DOUBLE) &&
         read_number(object, leaky, leaky.arrays, {weight.type_num, call.active->dtype}, weight.number);
}

// An array of integers is not one: its gradient has floats.
bool read_weight_array(PyObject* object, const BackwardCall& call, Weight& weight) {
  if (!is_dense(object)) return false;
  weight.array = as_array(object);
  weight.type_num = PyArray_TYPE(weight.array);
  return !PyTypeNum_ISINTEGER(PyArray_TYPE(call.x)) && call.active->dtype != DType::longdouble &&
         weight.type_num == slope_type_num(call);
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
  if (!is_dense(slopes) || !active_isa().reduction(Reduce::slope_gradient, call.active->dtype)) return false;
  return PyArray_TYPE(as_array(slopes)) == slope_type_num(call) &&
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

ReductionWork work_of_squares(PyArrayObject* x, const ActiveKernel& active, const ReductionShape& shape) {
  const DType totals = total_dtype(Reduce::squares, active.dtype);
  return {shape,
          PyArray_ITEMSIZE(x),
          sum_block,
          size_of_totals(totals),
          active_isa().reduction(Reduce::squares, active.dtype),
          active_isa().reduction(Reduce::sum, totals),
          active.data,
          PyArray_BYTES(x),
          nullptr,
          {},
          weights_of(active.dtype).sums};
}

// The sums of the squares of x along some axes, in their own type.
PyObject* sum_of_squares(PyObject* const* arguments) {
  if (!is_dense(arguments[0])) return not_implemented();
  PyArrayObject* const x = as_array(arguments[0]);
  const ActiveKernel* const active = dtype_of(x);
  ReducedAxes axes;
  ReductionShape shape;
  if (!active || !read_axes(arguments[1], PyArray_NDIM(x), PyArray_DIMS(x), axes) || !group(axes, shape)) {
    return not_implemented();
  }
  const ReductionWork work = work_of_squares(x, *active, shape);
  if (!work.reduce) return not_implemented();
  const DType totals = total_dtype(Reduce::squares, active->dtype);
  const KeptAxes kept(axes);
  Ref sums = new_zeros(kept.ndim, kept.shape, type_num_of_totals(totals));
  if (!sums) return nullptr;
  const FloatStatus of_caller;  // stays as it is: nothing is reported
  reduce_without_gil(work, PyArray_DATA(sums.get<PyArrayObject>()));
  if (totals == DType::longdouble) PyUFunc_clearfperr();  // x87's flags, which only NumPy reaches
  return value_of(std::move(sums));
}

}  // namespace

PyMethodDef gradient_methods[] = {
    method<relu_backward_with_bias, 4>("relu_backward_with_bias"),
    method<prelu_backward, 5>("prelu_backward"),
    method<backward_with_sums, 6>("backward_with_sums"),
    method<sum_of_squares, 2>("sum_of_squares"),
    method<lay_out_weight, 3>("lay_out_weight"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
