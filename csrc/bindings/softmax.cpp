// SPDX-License-Identifier: BSD-3-Clause
//
// softmax(x, axis, out), log_softmax(x, axis, out), their gradients (grad_output, y, axis, out), and
// cross_entropy(logits, labels, axis).
#include <vector>

#include "../runtime/long_softmax.h"
#include "../runtime/scratch.h"
#include "dense_arrays.h"
#include "float_status.h"
#include "reduced_axes.h"

namespace fastrelu {
namespace {

static_assert(softmax_buffer_bytes <= worker_bytes);

// Rows side by side: fewer would leave most of a vector of 16 unused, and Python lays them out one after the other.
constexpr npy_intp enough_rows = 8;

struct Call {
  Softmax which;
  const char* name;
  PyArrayObject* x;
  const ActiveKernel* active;
  ReducedAxes axes;
  Pools rows;
  npy_intp count;  // of rows

  SoftmaxKernel* kernel() const { return active_isa().softmax[static_cast<int>(which)][active->dtype]; }
  bool is_long() const { return active->dtype == DType::longdouble; }
};

// False if this is not for us: Python lays out axes whose elements lie neither side by side nor evenly apart.
bool read_call(PyObject* x, PyObject* axis, Call& call) {
  call.x = as_dense(x);
  if (!call.x || !read_axes(axis, PyArray_NDIM(call.x), PyArray_DIMS(call.x), call.axes)) return false;
  call.active = dtype_of(call.x);
  ReductionShape shape;
  if (!call.active || !(call.is_long() || call.kernel()) || !group(call.axes, shape)) return false;
  if (shape.elements() == 0 || (shape.rows > 1 && shape.length > 1)) return false;
  const bool is_last = shape.rows == 1;
  call.rows = is_last ? Pools{shape.length, 1} : Pools{shape.rows, shape.runs};
  call.count = shape.outer * shape.runs;
  return call.rows.inner == 1 || call.rows.inner >= enough_rows;
}

// How many times longer a byte takes than relu, as measured with float32 on AVX-512 and AVX2.
int weight_of(const Call& call) { return call.which == Softmax::softmax_backward ? 2 : 8; }

void run_rows(const Call& call, const SoftmaxCall& work, const Scratch& buffer) {
  // The flags of long doubles are those of the caller's thread.
  if (call.is_long()) return long_softmax(call.which, work, 0, call.count);
  SoftmaxKernel* const kernel = call.kernel();
  const npy_intp granule = call.rows.inner == 1 ? std::max<npy_intp>(cache_line / call.rows.size, 1) : cache_line;
  run_line({call.count, 2 * PyArray_NBYTES(call.x), weight_of(call), granule},
           [&](npy_intp begin, npy_intp end, char* memory) { kernel(work, begin, end, buffer.of(memory)); });
}

// Returns 0, or -1 with an exception set.
int run(const Call& call, const SoftmaxCall& work) {
  const Scratch buffer(!call.is_long());
  const auto compute = [&] { run_without_gil(PyArray_NBYTES(call.x), [&] { run_rows(call, work, buffer); }); };
  if (!call.is_long()) return run_reporting(call.name, compute);
  PyUFunc_clearfperr();
  compute();
  const int raised = PyUFunc_getfperr();
  return raised ? PyUFunc_GiveFloatingpointErrors(call.name, raised) : 0;
}

Ref result_for(const Call& call, PyObject* given) {
  return Ref(reinterpret_cast<PyObject*>(
      take_result(given, PyArray_TYPE(call.x), PyArray_ITEMSIZE(call.x), PyArray_NDIM(call.x), PyArray_DIMS(call.x))));
}

PyObject* compute(const Call& call, PyArrayObject* grad, PyObject* given) {
  Ref result = result_for(call, given);
  if (!result) return not_implemented();
  auto* const out = result.get<PyArrayObject>();
  if (!may_overwrite(out, call.x) || (grad && !may_overwrite(out, grad))) return not_implemented();
  const SoftmaxCall work{
      PyArray_BYTES(call.x), grad ? PyArray_BYTES(grad) : nullptr, nullptr, nullptr, PyArray_BYTES(out), call.rows,
      call.active->data};
  return run(call, work) < 0 ? nullptr : result.release();
}

template <Softmax which> PyObject* forward(const char* name, PyObject* const* arguments) {
  Call call{which, name, nullptr, nullptr, {}, {}, 0};
  return read_call(arguments[0], arguments[1], call) ? compute(call, nullptr, arguments[2]) : not_implemented();
}

template <Softmax which> PyObject* backward(const char* name, PyObject* const* arguments) {
  Call call{which, name, nullptr, nullptr, {}, {}, 0};
  PyArrayObject* const grad = as_dense(arguments[0]);
  if (!grad || !read_call(arguments[1], arguments[2], call) || PyArray_TYPE(grad) != PyArray_TYPE(call.x) ||
      !has_shape(grad, PyArray_NDIM(call.x), PyArray_DIMS(call.x))) {
    return not_implemented();
  }
  return compute(call, grad, arguments[3]);
}

PyObject* softmax(PyObject* const* arguments) { return forward<Softmax::softmax>("softmax", arguments); }
PyObject* log_softmax(PyObject* const* arguments) { return forward<Softmax::log_softmax>("log_softmax", arguments); }
PyObject* softmax_backward(PyObject* const* arguments) {
  return backward<Softmax::softmax_backward>("softmax_backward", arguments);
}
PyObject* log_softmax_backward(PyObject* const* arguments) {
  return backward<Softmax::log_softmax_backward>("log_softmax_backward", arguments);
}

// A copy, because the kernel runs without the GIL, and labels that another thread changes would lead it astray. Empty if
// they are not labels of these rows.
std::vector<std::int64_t> read_labels(PyObject* object, const Call& call, const KeptAxes& kept) {
  if (!is_dense(object) || PyArray_TYPE(as_array(object)) != NPY_INT64) return {};
  if (!has_shape(as_array(object), kept.ndim, kept.shape)) return {};
  const auto* const first = static_cast<const npy_int64*>(PyArray_DATA(as_array(object)));
  std::vector<std::int64_t> labels(first, first + call.count);
  const bool are_classes =
      std::all_of(labels.begin(), labels.end(), [&](std::int64_t each) { return 0 <= each && each < call.rows.size; });
  return are_classes ? labels : std::vector<std::int64_t>();
}

PyObject* cross_entropy(PyObject* const* arguments) {
  Call call{Softmax::cross_entropy, "cross_entropy", nullptr, nullptr, {}, {}, 0};
  if (!PyLong_CheckExact(arguments[2]) || !read_call(arguments[0], arguments[2], call)) return not_implemented();
  const KeptAxes kept(call.axes);
  const std::vector<std::int64_t> labels = read_labels(arguments[1], call, kept);
  if (labels.empty()) return not_implemented();
  Ref grad = result_for(call, Py_None);
  Ref loss(PyArray_EMPTY(kept.ndim, const_cast<npy_intp*>(kept.shape), PyArray_TYPE(call.x), 0));
  if (!grad || !loss) return nullptr;
  const SoftmaxCall work{PyArray_BYTES(call.x),
                         nullptr,
                         labels.data(),
                         PyArray_BYTES(loss.get<PyArrayObject>()),
                         PyArray_BYTES(grad.get<PyArrayObject>()),
                         call.rows,
                         call.active->data};
  if (run(call, work) < 0) return nullptr;
  return pair_of(Ref(value_of(std::move(loss))), std::move(grad));
}

}  // namespace

PyMethodDef softmax_methods[] = {
    method<softmax, 3>("softmax"),
    method<log_softmax, 3>("log_softmax"),
    method<softmax_backward, 4>("softmax_backward"),
    method<log_softmax_backward, 4>("log_softmax_backward"),
    method<cross_entropy, 3>("cross_entropy"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
