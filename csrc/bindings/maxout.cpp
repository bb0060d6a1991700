// SPDX-License-Identifier: BSD-3-Clause
//
// maxout(x, groups, axis, out) and maxout_backward(grad_output, x, groups, axis, out).
#include <algorithm>

#include "../runtime/line.h"
#include "../runtime/nest.h"
#include "../runtime/packed_pools.h"
#include "../runtime/scratch.h"
#include "dense_arrays.h"

namespace fastrelu {
namespace {

struct Call {
  PyArrayObject* x;
  const ActiveKernel* active;
  Pools pools;
  npy_intp count;  // of pools
  int ndim;
  npy_intp pooled[max_axes];  // x's shape, with the pools in place of the channels
};

npy_intp product(const npy_intp* first, const npy_intp* last) {
  npy_intp result = 1;
  for (; first < last; ++first) result *= *first;
  return result;
}

// False, perhaps with an exception, if this is not for us.
bool read_call(PyObject* x, PyObject* groups, PyObject* axis, Call& call) {
  call.x = as_dense(x);
  if (!call.x || !PyLong_CheckExact(groups) || !PyLong_CheckExact(axis)) return false;
  const npy_intp size = PyLong_AsSsize_t(groups), along = PyLong_AsSsize_t(axis);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return false;
  }
  call.ndim = PyArray_NDIM(call.x);
  if (call.ndim > max_axes) return false;
  const npy_intp at = along < 0 ? along + call.ndim : along;
  if (size < 1 || at < 0 || at >= call.ndim || PyArray_DIM(call.x, static_cast<int>(at)) % size != 0) return false;
  call.active = dtype_of(call.x);
  if (!call.active) return false;
  std::copy_n(PyArray_DIMS(call.x), call.ndim, call.pooled);
  call.pooled[at] /= size;
  call.pools = {size, product(call.pooled + at + 1, call.pooled + call.ndim)};
  call.count = product(call.pooled, call.pooled + call.ndim);
  return true;
}

// As measured with float32 on AVX-512 and AVX2, where keys cost less than memory.
int weight_of(const Call& call, bool is_packed) {
  return call.active->dtype == DType::longdouble ? 16 : is_packed ? 4 : 2;
}

// The gradient, or without one that comes in, the forward function: pool by pool, or by blocks of pools.
void run_pools(const Call& call, PyArrayObject* grad_output, PyArrayObject* result) {
  if (call.count == 0) return;
  const MaxoutKernels& kernels = active_isa().maxout[call.active->dtype];
  const PackedPools blocks(call.pools, PyArray_ITEMSIZE(call.x));
  const char* const grad = grad_output ? PyArray_BYTES(grad_output) : nullptr;
  const char* const x = PyArray_BYTES(call.x);
  char* const out = PyArray_BYTES(result);
  const void* const data = call.active->data;
  run_without_gil(PyArray_NBYTES(call.x), [&] {
    const Scratch buffer(blocks.pays(), std::nothrow);
    const bool is_packed(buffer);  // without memory, the slower way
    const npy_intp n = is_packed ? call.count / call.pools.inner : call.count;
    run_line({n, PyArray_NBYTES(call.x), weight_of(call, is_packed)}, [&](npy_intp begin, npy_intp end, char* memory) {
      if (is_packed) {
        blocks.run_blocks(kernels, grad, x, out, begin, end, data, buffer.of(memory));
      } else if (grad) {
        kernels.backward(grad, x, out, call.pools, begin, end, data);
      } else {
        kernels.forward(x, out, call.pools, begin, end, data);
      }
    });
  });
}

PyObject* maxout(PyObject* const* arguments) {
  Call call;
  if (!read_call(arguments[0], arguments[1], arguments[2], call)) return not_implemented();
  PyArrayObject* const result =
      take_result(arguments[3], PyArray_TYPE(call.x), PyArray_ITEMSIZE(call.x), call.ndim, call.pooled);
  if (!result) return not_implemented();
  if (!are_apart(result, call.x)) {
    Py_DECREF(result);
    return not_implemented();
  }
  run_pools(call, nullptr, result);
  return reinterpret_cast<PyObject*>(result);
}

PyObject* maxout_backward(PyObject* const* arguments) {
  Call call;
  PyArrayObject* const grad = as_dense(arguments[0]);
  if (!grad || !read_call(arguments[1], arguments[2], arguments[3], call) ||
      PyArray_TYPE(grad) != PyArray_TYPE(call.x) || !has_shape(grad, call.ndim, call.pooled)) {
    return not_implemented();
  }
  PyArrayObject* const result =
      take_result(arguments[4], PyArray_TYPE(call.x), PyArray_ITEMSIZE(call.x), call.ndim, PyArray_DIMS(call.x));
  if (!result) return not_implemented();
  if (!may_overwrite(result, call.x) || !are_apart(result, grad)) {
    Py_DECREF(result);
    return not_implemented();
  }
  run_pools(call, grad, result);
  return reinterpret_cast<PyObject*>(result);
}

}  // namespace

PyMethodDef maxout_methods[] = {
    method<maxout, 4>("maxout"),
    method<maxout_backward, 5>("maxout_backward"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
