// SPDX-License-Identifier: BSD-3-Clause
#include "mask_call.h"

#include <algorithm>

#include "activity.h"
#include "dense_arrays.h"
#include "float_status.h"
#include "mask_object.h"
#include "ref.h"

namespace fastrelu {
namespace {

bool read_type(MaskOp op, PyArrayObject* array, MaskWork& work) {
  const ActiveKernel* const type = dtype_of(array);
  if (!type || !find_mask_loop(op, type->dtype)) return false;
  work = {op, *type, OutputMemory::used, 0};
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

PyObject* new_bits(npy_intp elements) {
  const npy_intp bytes = mask_bytes(elements);
  return new_result(NPY_UBYTE, bytes, {1, &bytes, nullptr, false});
}

// Into `out`, or, if that is null, a fresh array.
PyObject* compute(const char* name, MaskWork& work, PyArrayObject* in, const Number* slope, PyArrayObject* out,
                  std::uint8_t* mask, Found& found, const MaskWatch& watch = {}, const char* addend = nullptr) {
  Ref result(out ? Py_NewRef(out) : new_array_like(in));
  if (!result) return nullptr;
  PyArrayObject* const array = result.get<PyArrayObject>();
  work.output_memory = out ? OutputMemory::used : memory_of(array);
  const MaskCall call{PyArray_BYTES(in), slope, PyArray_BYTES(array), mask, PyArray_SIZE(in), nullptr, addend};
  const npy_intp size = PyArray_ITEMSIZE(in);
  if (!slope && !addend) {
    found = run_mask_kernel(work, call, size, watch);
  } else if (run_reporting(name, [&] { found = run_mask_kernel(work, call, size, watch); }) < 0) {
    return nullptr;
  }
  return result.release();
}

PyObject* given(PyObject* argument) { return argument == Py_None ? nullptr : argument; }

// How many elements of x y has, or -1 if it is not an array that repeats along the first axes of x.
npy_intp period_of(PyObject* y, PyArrayObject* x) {
  if (!is_dense(y) || PyArray_TYPE(as_array(y)) != PyArray_TYPE(x)) return -1;
  int axis = PyArray_NDIM(x) - 1, own = PyArray_NDIM(as_array(y)) - 1;
  if (own > axis) return -1;
  for (; own >= 0 && PyArray_DIM(as_array(y), own) == PyArray_DIM(x, axis); --own) --axis;
  for (; own >= 0; --own) {
    if (PyArray_DIM(as_array(y), own) != 1) return -1;
  }
  return PyArray_SIZE(as_array(y));
}

// Fills in what is added. A period that ends within a byte of the mask, or is short, is repeated in memory of its own.
bool read_addend(PyObject* y, MaskedForward& call) {
  constexpr npy_intp enough_bytes = 16 * 1024, most_bytes = 1024 * 1024;
  const npy_intp period = period_of(y, call.x), size = PyArray_ITEMSIZE(call.x), n = call.size();
  if (period <= 0 || n == 0 || (call.out && !may_overwrite(call.out, as_array(y)))) return false;
  call.addend = PyArray_BYTES(as_array(y));
  call.work.period = period;
  if (period == n || (period % 8 == 0 && period * size >= enough_bytes)) return true;
  const npy_intp repeats = std::min(n / period, divided_up(enough_bytes, 8 * period * size) * 8);
  if (repeats * period * size > most_bytes) return false;
  call.repeated.resize(static_cast<std::size_t>(repeats * period * size));
  char* const start = call.repeated.data();
  char* next = std::copy_n(call.addend, period * size, start);
  while (next < start + call.repeated.size()) {
    next = std::copy_n(start, std::min(next - start, start + call.repeated.size() - next), next);
  }
  call.addend = start;
  call.work.period = repeats * period;
  return true;
}

// The mask that a call's bits go into: `given`, a mask or memory for the bits of a new one, or, if that is null, all new.
Ref mask_for(PyArrayObject* x, MaskOp op, PyObject* given) {
  if (given && is_mask(given)) return Ref(Py_NewRef(given));
  const Ref bits(given ? Py_NewRef(given) : new_bits(PyArray_SIZE(x)));
  return bits && are_bits_of(bits.get(), PyArray_SIZE(x)) ? Ref(new_mask(bits.get(), x, op)) : Ref();
}

bool may_be_written(PyObject* bits, const MaskedForward& call, PyObject* y) {
  PyArrayObject* const array = as_array(bits);
  return is_writable(array) && are_apart(array, call.x) && (!call.out || are_apart(array, call.out)) &&
         (!y || are_apart(array, as_array(y)));
}

// Of x, or, unless y is null, of x + y.
PyObject* with_mask(const char* name, MaskOp op, PyObject* x, PyObject* y, PyObject* slope, PyObject* out,
                    PyObject* given_mask) {
  ObservedCall observed(name);
  if (!as_dense(x) || (y && observed.is_observed())) return not_implemented();
  Ref mask = mask_for(as_array(x), op, given_mask);  // first: it may collect garbage
  MaskedForward call;
  if (!mask || !prepare_forward(name, op, x, slope, out, call)) return not_implemented();
  if (y && !read_addend(y, call)) return not_implemented();
  PyObject* const bits = bits_for(mask.get(), op, call.x);
  if (!bits || (given_mask && !may_be_written(bits, call, y))) return not_implemented();
  Ref result(run_forward_for(observed, call, data_of_bits(bits)));
  return pair_of(std::move(result), std::move(mask));
}

PyObject* from_mask(const char* name, MaskOp op, PyObject* grad, PyObject* mask, PyObject* slope, PyObject* out) {
  MaskWork work;
  Number value;
  PyArrayObject* const in = as_dense(grad);
  if (!in || !read_type(op, in, work)) return not_implemented();
  PyObject* const bits = bits_for(mask, op, in);
  if (!bits) return not_implemented();
  if (multiplies(op) && !read_slope(slope, in, work, value)) return not_implemented();
  if (out && !(is_output_for(out, in) && are_apart(as_array(bits), as_array(out)))) return not_implemented();
  Found found;
  return compute(name, work, in, multiplies(op) ? &value : nullptr, out ? as_array(out) : nullptr, data_of_bits(bits),
                 found);
}

// The functions take all of their arguments, by position.

PyObject* relu_with_mask(PyObject* const* args) {
  return with_mask("relu_with_mask", MaskOp::relu, args[0], nullptr, nullptr, given(args[1]), given(args[2]));
}

PyObject* leaky_relu_with_mask(PyObject* const* args) {
  return with_mask("leaky_relu_with_mask", MaskOp::leaky_relu, args[0], nullptr, args[1], given(args[2]),
                   given(args[3]));
}

PyObject* add_relu_with_mask(PyObject* const* args) {
  return with_mask("add_relu_with_mask", MaskOp::add_relu, args[0], args[1], nullptr, given(args[2]), given(args[3]));
}

PyObject* add_leaky_relu_with_mask(PyObject* const* args) {
  return with_mask("add_leaky_relu_with_mask", MaskOp::add_leaky_relu, args[0], args[1], args[2], given(args[3]),
                   given(args[4]));
}

PyObject* relu_backward_from_mask(PyObject* const* args) {
  return from_mask("relu_backward_from_mask", MaskOp::relu_backward, args[0], args[1], nullptr, given(args[2]));
}

PyObject* leaky_relu_backward_from_mask(PyObject* const* args) {
  return from_mask("leaky_relu_backward_from_mask", MaskOp::leaky_relu_backward, args[0], args[1], args[2],
                   given(args[3]));
}

// The bits alone, of an array with any number of axes.
PyObject* pack_mask(PyObject* const* args) {
  const MaskOp op = args[1] == Py_True ? MaskOp::positive : MaskOp::keep;
  MaskWork work;
  if (!is_dense(args[0]) || !read_type(op, as_array(args[0]), work)) return not_implemented();
  PyArrayObject* const x = as_array(args[0]);
  PyObject* const bits = new_bits(PyArray_SIZE(x));
  if (bits) {
    run_mask_kernel(work, {PyArray_BYTES(x), nullptr, nullptr, data_of_bits(bits), PyArray_SIZE(x), nullptr},
                    PyArray_ITEMSIZE(x));
  }
  return bits;
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
  return compute(call.name, call.work, call.x, slope, call.out, mask, found, watch, call.addend);
}

PyMethodDef mask_methods[] = {
    method<relu_with_mask, 3>("relu_with_mask"),
    method<leaky_relu_with_mask, 4>("leaky_relu_with_mask"),
    method<add_relu_with_mask, 4>("add_relu_with_mask"),
    method<add_leaky_relu_with_mask, 5>("add_leaky_relu_with_mask"),
    method<relu_backward_from_mask, 3>("relu_backward_from_mask"),
    method<leaky_relu_backward_from_mask, 4>("leaky_relu_backward_from_mask"),
    method<pack_mask, 2>("pack_mask"),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace fastrelu
