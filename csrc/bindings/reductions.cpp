// SPDX-License-Identifier: BSD-3-Clause
#include "reductions.h"

#include "../runtime/reduce.h"
#include "compute.h"
#include "float_status.h"
#include "memory.h"
#include "user_dtypes.h"

namespace py = pybind11;

namespace fastrelu {
namespace {

PyArrayObject* array_of(const py::handle& object) {
  if (!PyArray_Check(object.ptr())) throw py::type_error("fastrelu: not an array");
  return reinterpret_cast<PyArrayObject*>(object.ptr());
}

// The dtype of what a function takes, and what its kernels are given.
const ActiveKernel& kernel_for(PyArrayObject* array) {
  PyArray_Descr* const descr = PyArray_DESCR(array);
  if (PyTypeNum_ISUSERDEF(descr->type_num) && ensure_loops(NPY_DTYPE(descr)) < 0) throw py::error_already_set();
  const ActiveKernel* const kernel = find_kernel(0, descr->type_num);
  if (!kernel) throw py::type_error("fastrelu: no kernel for this dtype");
  return *kernel;
}

int type_num_of_totals(DType totals) {
  switch (totals) {
    case DType::int64: return NPY_INT64;
    case DType::uint64: return NPY_UINT64;
    case DType::longdouble: return NPY_LONGDOUBLE;
    default: return NPY_DOUBLE;
  }
}

py::object checked(PyObject* object) {
  if (!object) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(object);
}

py::object zeros(DType totals, const ReductionShape& shape) {
  const npy_intp n = shape.totals();
  return checked(PyArray_ZEROS(1, const_cast<npy_intp*>(&n), type_num_of_totals(totals), 0));
}

ReductionShape shape_of(const py::tuple& axes, PyArrayObject* array) {
  const ReductionShape shape{axes[0].cast<std::ptrdiff_t>(), axes[1].cast<std::ptrdiff_t>(),
                             axes[2].cast<std::ptrdiff_t>(), axes[3].cast<std::ptrdiff_t>()};
  if (shape.elements() != PyArray_SIZE(array)) throw py::value_error("fastrelu: the axes are not the array's");
  return shape;
}

// As measured beside compute.cpp's: widening costs little more than these take anyway.
int weight_of(DType dtype) {
  switch (dtype) {
    case DType::float8: return 16;
    case DType::float16:
    case DType::bfloat16: return 2;
    case DType::longdouble: return 4;
    default: return 1;
  }
}

void reduce_without_gil(const ReductionWork& work, char* totals) {
  if (work.shape.elements() * work.size < release_gil_from) return reduce(work, totals);
  const py::gil_scoped_release unlocked;
  reduce(work, totals);
}

// longdouble is computed by x87, whose flags only NumPy's slower functions see.
void reduce_reporting(const char* name, DType dtype, const ReductionWork& work, char* totals) {
  int status;
  if (dtype == DType::longdouble) {
    PyUFunc_clearfperr();
    reduce_without_gil(work, totals);
    const int raised = PyUFunc_getfperr();
    status = raised ? PyUFunc_GiveFloatingpointErrors(name, raised) : 0;
  } else {
    status = run_reporting(name, [&] { reduce_without_gil(work, totals); });
  }
  if (status < 0) throw py::error_already_set();
}

char* data_of(PyArrayObject* array) { return PyArray_BYTES(array); }

py::object new_like(PyArrayObject* array) {
  const ArrayLayout layout{PyArray_NDIM(array), PyArray_DIMS(array), nullptr, false};
  return checked(new_result(PyArray_TYPE(array), PyArray_NBYTES(array), layout));
}

// slopes: None for relu_backward, else the slopes of leaky_relu_backward, one for each total, in the type that its kernel
// takes. out: None or an array like grad, which it may be. Returns the gradient and the totals.
py::tuple backward_with_sums(const char* name, const py::object& grad_object, const py::object& x_object,
                             const py::object& slopes, const py::object& out_object, const py::tuple& axes) {
  PyArrayObject *const grad = array_of(grad_object), *const x = array_of(x_object);
  const ActiveKernel& active = kernel_for(grad);
  const ReductionShape shape = shape_of(axes, grad);
  const bool is_leaky = !slopes.is_none();
  const py::object result = out_object.is_none() ? new_like(grad) : out_object;
  PyArrayObject* const out = array_of(result);

  const Isa& isa = active_isa();
  const Reduce reduces = is_leaky ? Reduce::slope_gradient : Reduce::sum;
  const DType total = total_dtype(reduces, active.dtype);
  const py::object totals = zeros(total, shape);
  const Kernel kernel = isa.kernel(is_leaky ? Op::leaky_relu_backward : Op::relu_backward, active.dtype);
  const Backward backward{kernel.cached, data_of(out), is_leaky ? data_of(array_of(slopes)) : nullptr,
                          is_leaky ? PyArray_ITEMSIZE(array_of(slopes)) : 0, !is_leaky};
  const ReductionWork work{shape,
                           PyArray_ITEMSIZE(grad),
                           sum_block,
                           PyArray_ITEMSIZE(array_of(totals)),
                           isa.reduction(reduces, active.dtype),
                           isa.reduction(Reduce::sum, total),
                           active.data,
                           data_of(grad),
                           data_of(x),
                           backward,
                           weight_of(active.dtype)};
  reduce_reporting(name, active.dtype, work, data_of(array_of(totals)));
  return py::make_tuple(result, totals);
}

py::object count(Reduce what, DType dtype, const void* data, PyArrayObject* array, const ReductionShape& shape) {
  constexpr std::ptrdiff_t bytes_at_once = 64 * 1024;
  const Isa& isa = active_isa();
  const py::object totals = zeros(DType::int64, shape);
  const std::ptrdiff_t size = PyArray_ITEMSIZE(array);
  const ReductionWork work{shape,
                           size,
                           bytes_at_once / size,
                           sizeof(npy_int64),
                           isa.reduction(what, dtype),
                           isa.reduction(Reduce::sum, DType::int64),
                           data,
                           data_of(array),
                           nullptr,
                           {},
                           weight_of(dtype)};
  reduce_without_gil(work, data_of(array_of(totals)));
  return totals;
}

py::object count_active(const py::object& x, const py::tuple& axes) {
  PyArrayObject* const array = array_of(x);
  const ActiveKernel& active = kernel_for(array);
  return count(Reduce::active, active.dtype, active.data, array, shape_of(axes, array));
}

py::object count_bits(const py::object& mask) {
  PyArrayObject* const array = array_of(mask);
  return count(Reduce::bits, DType::uint8, nullptr, array, {1, 1, 1, PyArray_SIZE(array)});
}

}  // namespace

void define_reductions(py::module_& m) {
  m.def("backward_with_sums", backward_with_sums);
  m.def("count_active", count_active);
  m.def("count_bits", count_bits);
}

}  // namespace fastrelu
