// SPDX-License-Identifier: BSD-3-Clause
#include "mask_call.h"

#include "activity.h"
#include "dense_arrays.h"
#include "float_status.h"
#include "ref.h"

namespace fastrelu {
namespace {

bool read_type(MaskOp op, PyArrayObject* array, MaskWork& work) {
  const ActiveKernel* const type = dtype_of(array);
  if (!type || !find_mask_loop(op, type->dtype)) return false;
  work = {op, *type, OutputMemory::used};
  return true;
}

// As leaky_relu takes it; null is its default.
bool read_slope(PyObject* slope, PyArrayObject* arrays, const MaskWork& work, Number& value) {
  constexpr const UfuncSpec& leaky = spec_of(Op::leaky_relu);
  const Ref given(slope ? Py_NewRef(slope) : PyFloat_FromDouble(leaky.parameters[0].default_value));
  return given && read_number(given.get(), leaky, leaky.arrays, {PyArray_TYPE(arrays), work.type.dtype}, value);
}

bool is_output_for(PyObject* object, PyArrayObject* in) {
  if (!is_dense(object)) return false;
  PyArrayObject* const out = as_array(object);
  return is_writable(out) && PyArray_TYPE(out) == PyArray_TYPE(in) &&
         has_shape(out, PyArray_NDIM(in), PyArray_DIMS(in)) && may_overwrite(out, in);
}

bool is_mask_of(PyObject* object, npy_intp elements) {
  if (!is_dense(object)) return false;
  PyArrayObject* const mask = as_array(object);
  return PyArray_TYPE(mask) == NPY_UBYTE && PyArray_NDIM(mask) == 1 && PyArray_DIM(mask, 0) == mask_bytes(elements);
}

std::uint8_t* bits_in(PyObject* mask) { return static_cast<std::uint8_t*>(PyArray_DATA(as_array(mask))); }

PyObject* new_mask(npy_intp elements) {
  const npy_intp bytes = mask_bytes(elements);
  return new_result(NPY_UBYTE, bytes, {1, &bytes, nullptr, false});
}

// Into `out`, or, if that is null, a fresh array.
PyObject* compute(const char* name, MaskWork& work, PyArrayObject* in, const Number* slope, PyArrayObject* out,
                  std::uint8_t* mask, Found& found, const MaskWatch& watch = {}) {
  Ref result(out ? Py_NewRef(out) : new_array_like(in));
  if (!result) return nullptr;
  PyArrayObject* const array = result.get<PyArrayObject>();
  work.output_memory = out ? OutputMemory::used : memory_of(array);
  const MaskCall call{PyArray_BYTES(in), slope, PyArray_BYTES(array), mask, PyArray_SIZE(in), nullptr};
  const npy_intp size = PyArray_ITEMSIZE(in);
  if (!slope) {
    found = run_mask_kernel(work, call, size, watch);
  } else if (run_reporting(name, [&] { found = run_mask_kernel(work, call, size, watch); }) < 0) {
    return nullptr;
  }
  return result.release();
}

PyObject* given(PyObject* argument) { return argument == Py_None ? nullptr : argument; }

PyObject* with_mask(const char* name, MaskOp op, PyObject* x, PyObject* slope, PyObject* out, PyObject* mask) {
  ObservedCall observed(name);
  MaskedForward call;
  if (!prepare_forward(name, op, x, slope, out, call)) return not_implemented();
  if (mask) {
    const bool fits = is_mask_of(mask, call.size()) && is_writable(as_array(mask)) &&
                      are_apart(as_array(mask), call.x) && (!out || are_apart(as_array(mask), call.out));
    if (!fits) return not_implemented();
  }
  Ref bits(mask ? Py_NewRef(mask) : new_mask(call.size()));
  Ref y(bits ? run_forward_for(observed, call, bits_in(bits.get())) : nullptr);
  return pair_of(std::move(y), std::move(bits));
}

PyObject* from_mask(const char* name, MaskOp op, PyObject* grad, PyObject* mask, PyObject* slope, PyObject* out) {
  MaskWork work;
  Number value;
  PyArrayObject* const in = as_dense(grad);
  if (!in || !read_type(op, in, work)) return not_implemented();
  if (!is_mask_of(mask, PyArray_SIZE(in))) return not_implemented();
  if (multiplies(op) && !read_slope(slope, in, work, value)) return not_implemented();
  if (out && !(is_output_for(out, in) && are_apart(as_array(mask), as_array(out)))) return not_implemented();
  Found found;
  return compute(name, work, in, multiplies(op) ? &value : nullptr, out ? as_array(out) : nullptr, bits_in(mask),
                 found);
}

// The functions take all of their arguments, by position.

PyObject* relu_with_mask(PyObject* const* args) {
  return with_mask("relu_with_mask", MaskOp::relu, args[0], nullptr, given(args[1]), given(args[2]));
}

PyObject* leaky_relu_with_mask(PyObject* const* args) {
  return with_mask("leaky_relu_with_mask", MaskOp::leaky_relu, args[0], args[1], given(args[2]), given(args[3]));
}

PyObject* relu_backward_from_mask(PyObject* const* args) {
  return from_mask("relu_backward_from_mask", MaskOp::relu_backward, args[0], args[1], nullptr, given(args[2]));
}

PyObject* leaky_relu_backward_from_mask(PyObject* const* args) {
  return from_mask("leaky_relu_backward_from_mask", MaskOp::leaky_relu_backward, args[0], args[1], args[2],
                   given(args[3]));
}

// The mask alone, of an array with any number of axes.
PyObject* pack_mask(PyObject* const* args) {
  const MaskOp op = args[1] == Py_True ? MaskOp::positive : MaskOp::keep;
  MaskWork work;
  if (!is_dense(args[0]) || !read_type(op, as_array(args[0]), work)) return not_implemented();
  PyArrayObject* const x = as_array(args[0]);
  PyObject* const mask = new_mask(PyArray_SIZE(x));
  if (mask) {
    run_mask_kernel(work, {PyArray_BYTES(x), nullptr, nullptr, bits_in(mask), PyArray_SIZE(x), nullptr},
                    PyArray_ITEMSIZE(x));
  }
  return mask;
}

}  // namespace

bool prepare_forward(const char* name, MaskOp op, PyObject* x, PyObject* slope, PyObject* out, MaskedForward& call) {
  call.x = as_dense(x);
  if (!call.x) return false;
  call.name = name;
  call.op = op;
  call.out = out ? as_array(out) : nullptr;
  if (!read_type(op, call.x, call.work) || (out && !is_output_for(out, call.x))) return false;
  return !multiplies(op) || read_slope(slope, call.x, call.work, call.slope);
}

PyObject* run_forward(MaskedForward& call, std::uint8_t* mask, Found& found, const MaskWatch& watch) {
  const Number* const slope = multiplies(call.op) ? &call.slope : nullptr;
  return compute(call.name, call.work, call.x, slope, call.out, mask, found, watch);
}

PyMethodDef mask_methods[] = {
    method<relu_with_mask, 3>("relu_with_mask"),
    method<leaky_relu_with_mask, 4>("leaky_relu_with_mask"),
    method<relu_backward_from_mask, 3>("relu_backward_from_mask"),
    method<leaky_relu_backward_from_mask, 4>("leaky_relu_backward_from_mask"),
    method<pack_mask, 2>("pack_mask"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
