// SPDX-License-Identifier: BSD-3-Clause
#include "fastcall.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include "float_status.h"
#include "memory.h"
#include "user_dtypes.h"

namespace fastrelu {
namespace {

// Releasing and retaking the GIL took 0.1 us where relu on this many bytes took 2.3 (AVX-512, out=, from L2).
constexpr npy_intp release_gil_from = 64 * 1024;

// From NumPy's own arrayobject.h, which it does not install: set on what np.broadcast_arrays returns.
constexpr int warn_on_write = static_cast<int>(1u << 31);

vectorcallfunc numpy_call[ufunc_count];
PyObject* out_keyword;
PyObject* slope_keyword;
PyObject* default_slope_object;

// The arguments of one call, borrowed. Null: not given.
struct Arguments {
  PyObject* arrays[2];
  PyObject* slope;
  PyObject* out;
};

// False if there is anything that only NumPy understands: too few or many arguments, other keywords, an out in a tuple.
template <int index> bool read_arguments(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, Arguments& call) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  if (nargs < spec.arrays || nargs > spec.nin()) return false;
  for (int i = 0; i < spec.arrays; ++i) call.arrays[i] = args[i];
  call.slope = spec.has_slope && nargs == spec.nin() ? args[spec.arrays] : nullptr;
  call.out = nullptr;
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(kwnames, i);  // interned where the call was compiled with it
    if (name == out_keyword) {
      call.out = args[nargs + i];
    } else if (spec.has_slope && name == slope_keyword && !call.slope) {
      call.slope = args[nargs + i];
    } else {
      return false;
    }
  }
  return true;
}

// Dense operands of a call: same dtype, same shape, all in C order or all in Fortran order.
struct Operands {
  char* data[4];  // as a kernel takes them: arrays, slope, out
  PyArrayObject* model;
  int type_num;
  int order;  // NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS, or both
};

bool is_plain(PyObject* object) {
  if (!PyArray_CheckExact(object)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  PyArray_Descr* const descr = PyArray_DESCR(array);
  return PyArray_ISALIGNED(array) && PyArray_ISNBO(descr->byteorder) && !PyDataType_METADATA(descr);
}

bool same_shape(PyArrayObject* a, PyArrayObject* b) {
  const int ndim = PyArray_NDIM(a);
  return ndim == PyArray_NDIM(b) &&
         std::memcmp(PyArray_DIMS(a), PyArray_DIMS(b), static_cast<std::size_t>(ndim) * sizeof(npy_intp)) == 0;
}

// 0-d arrays are left to NumPy, which returns scalars for them.
bool start_operands(PyObject* object, Operands& operands) {
  if (!is_plain(object)) return false;
  operands.model = reinterpret_cast<PyArrayObject*>(object);
  operands.type_num = PyArray_TYPE(operands.model);
  operands.order = PyArray_FLAGS(operands.model) & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS);
  operands.data[0] = PyArray_BYTES(operands.model);
  return PyArray_NDIM(operands.model) > 0 && operands.order != 0;
}

bool add_operand(PyObject* object, Operands& operands, int position) {
  if (!is_plain(object)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  operands.order &= PyArray_FLAGS(array);
  operands.data[position] = PyArray_BYTES(array);
  return operands.order != 0 && PyArray_TYPE(array) == operands.type_num && same_shape(array, operands.model);
}

bool same_or_disjoint(const char* a, const char* b, npy_intp bytes) {
  return a == b || a + bytes <= b || b + bytes <= a;
}

// In place exactly, or apart: what lies between is for NumPy, which makes copies.
bool add_output(PyObject* object, Operands& operands, int arrays, int position) {
  if (!add_operand(object, operands, position)) return false;
  auto* const array = reinterpret_cast<PyArrayObject*>(object);
  if (!PyArray_ISWRITEABLE(array) || PyArray_CHKFLAGS(array, warn_on_write)) return false;
  const npy_intp bytes = PyArray_NBYTES(array);
  for (int i = 0; i < arrays; ++i) {
    if (!same_or_disjoint(operands.data[i], operands.data[position], bytes)) return false;
  }
  return true;
}

// The scalars that, as a slope, keep the arrays' dtype.
bool read_slope(PyObject* object, DType slope_dtype, double& slope) {
  if (!object) {
    slope = default_slope;
  } else if (PyFloat_CheckExact(object)) {
    slope = PyFloat_AS_DOUBLE(object);
  } else if (PyArray_IsScalar(object, Float)) {
    slope = PyArrayScalar_VAL(object, Float);
  } else if (PyArray_IsScalar(object, Double) && slope_dtype == DType::float64) {
    slope = PyArrayScalar_VAL(object, Double);
  } else if (PyLong_CheckExact(object)) {
    slope = PyLong_AsDouble(object);
    if (slope == -1.0 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
  } else {
    return false;
  }
  return true;
}

// A slope as the loop takes it.
union Slope {
  float float32;
  double float64;
};

// False if NumPy's conversion would have something to say.
bool convert_slope(double value, DType slope_dtype, Slope& slope) {
  if (npy_isnan(value)) return false;
  if (slope_dtype == DType::float64) {
    slope.float64 = value;
    return true;
  }
  slope.float32 = static_cast<float>(value);
  return npy_isinf(value) || !npy_isinf(slope.float32);
}

void run(const ActiveKernel& active, char** data, const npy_intp* steps, npy_intp count, npy_intp bytes) {
  if (bytes < release_gil_from) return active.kernel.cached(data, &count, steps, active.data);
  PyThreadState* const thread = PyEval_SaveThread();
  active.kernel.cached(data, &count, steps, active.data);
  PyEval_RestoreThread(thread);
}

// As run, for loops that can raise floating-point exceptions. Returns 0, or -1 with an exception set.
int run_reporting(const char* name, const ActiveKernel& active, char** data, const npy_intp* steps, npy_intp count,
                  npy_intp bytes) {
  int raised;
  {
    const FloatStatus status;
    run(active, data, steps, count, bytes);
    raised = status.raised();
  }
  return raised ? PyUFunc_GiveFloatingpointErrors(name, raised) : 0;
}

PyObject* new_result(const Operands& operands) {
  const int fortran = operands.order & NPY_ARRAY_C_CONTIGUOUS ? 0 : NPY_ARRAY_F_CONTIGUOUS;
  if (PyArray_NBYTES(operands.model) >= recycle_from) {
    if (PyObject* const recycled = new_recycled_array(operands.model, fortran)) return recycled;
  }
  return PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(operands.type_num), PyArray_NDIM(operands.model),
                              PyArray_DIMS(operands.model), nullptr, nullptr, fortran, nullptr);
}

// Leaky functions take integers to float64, and long double raises x87's flags: both are NumPy's business.
bool has_short_way(const UfuncSpec& spec, DType dtype) {
  if (!spec.has_slope) return true;
  const DType slope = slope_dtype(dtype);
  return slope == DType::float32 || dtype == DType::float64;
}

// Whether the short way applies. If it does, operands and slope are complete but for a fresh result.
template <int index> const ActiveKernel* prepare(const Arguments& call, Operands& operands, Slope& slope) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  if (!start_operands(call.arrays[0], operands)) return nullptr;
  if (spec.arrays == 2 && !add_operand(call.arrays[1], operands, 1)) return nullptr;
  if (call.out && !add_output(call.out, operands, spec.arrays, spec.nin())) return nullptr;
  const ActiveKernel* const active = find_kernel(index, operands.type_num);
  if (!active || !has_short_way(spec, active->dtype)) return nullptr;
  if (spec.has_slope) {
    double value;
    const DType dtype = slope_dtype(active->dtype);
    if (!read_slope(call.slope, dtype, value) || !convert_slope(value, dtype, slope)) return nullptr;
    operands.data[spec.arrays] = reinterpret_cast<char*>(&slope);
  }
  return active;
}

template <int index> PyObject* compute(const ActiveKernel& active, const Arguments& call, Operands& operands) {
  constexpr UfuncSpec spec = ufunc_specs[index];
  PyObject* const result = call.out ? Py_NewRef(call.out) : new_result(operands);
  if (!result) return nullptr;
  auto* const array = reinterpret_cast<PyArrayObject*>(result);
  operands.data[spec.nin()] = PyArray_BYTES(array);

  const npy_intp step = PyArray_ITEMSIZE(array), count = PyArray_SIZE(array);
  npy_intp steps[4] = {step, step, step, step};
  if constexpr (!spec.has_slope) {
    run(active, operands.data, steps, count, step * count);
  } else {
    steps[spec.arrays] = 0;
    if (run_reporting(spec.name, active, operands.data, steps, count, step * count) < 0) {
      Py_DECREF(result);
      return nullptr;
    }
  }
  return result;
}

Py_ssize_t find_keyword(PyObject* kwnames, PyObject* wanted) {
  const Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(kwnames, i);
    if (name == wanted || PyUnicode_Compare(name, wanted) == 0) return i;
  }
  return -1;
}

PyObject* without_item(PyObject* tuple, Py_ssize_t item) {
  const Py_ssize_t count = PyTuple_GET_SIZE(tuple);
  PyObject* const rest = PyTuple_New(count - 1);
  for (Py_ssize_t i = 0, k = 0; rest && i < count; ++i) {
    if (i != item) PyTuple_SET_ITEM(rest, k++, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  }
  return rest;
}

// Calls NumPy with the slope as the positional argument that it is to a ufunc.
PyObject* call_with_slope(int index, PyObject* ufunc, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  constexpr Py_ssize_t max_arguments = 16;  // more than any ufunc takes
  const UfuncSpec& spec = ufunc_specs[index];
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  const Py_ssize_t keyword = find_keyword(kwnames, slope_keyword);
  const bool by_keyword = keyword >= 0;
  if (by_keyword && nargs > spec.arrays) {
    return PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument 'negative_slope'", spec.name);
  }
  if (by_keyword && nargs < spec.arrays) {
    return PyErr_Format(PyExc_TypeError,
                        "%s() takes at least %d positional argument%s before negative_slope but %zd %s given",
                        spec.name, spec.arrays, spec.arrays == 1 ? "" : "s", nargs, nargs == 1 ? "was" : "were");
  }
  if (nargs != spec.arrays || nargs + keywords >= max_arguments) {
    return numpy_call[index](ufunc, args, static_cast<std::size_t>(nargs), kwnames);
  }

  PyObject* complete[max_arguments];
  PyObject** next = complete;
  for (Py_ssize_t i = 0; i < nargs; ++i) *next++ = args[i];
  *next++ = by_keyword ? args[nargs + keyword] : default_slope_object;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    if (i != keyword) *next++ = args[nargs + i];
  }
  PyObject* const names = by_keyword ? without_item(kwnames, keyword) : Py_XNewRef(kwnames);
  if (by_keyword && !names) return nullptr;
  PyObject* const result = numpy_call[index](ufunc, complete, static_cast<std::size_t>(nargs + 1), names);
  Py_XDECREF(names);
  return result;
}

template <int index> PyObject* call(PyObject* ufunc, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  const Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
  Arguments arguments;
  if (read_arguments<index>(args, nargs, kwnames, arguments)) {
    Operands operands;
    Slope slope;
    const ActiveKernel* const active = prepare<index>(arguments, operands, slope);
    if (active) return compute<index>(*active, arguments, operands);
  }
  if (ensure_loops_for_keywords(args + nargs, kwnames) < 0) return nullptr;
  if constexpr (ufunc_specs[index].has_slope) return call_with_slope(index, ufunc, args, nargs, kwnames);
  return numpy_call[index](ufunc, args, nargsf, kwnames);
}

template <std::size_t... index> vectorcallfunc entry(int wanted, std::index_sequence<index...>) {
  constexpr vectorcallfunc entries[] = {call<index>...};
  return entries[wanted];
}

bool make_constants() {
  if (default_slope_object) return true;
  out_keyword = PyUnicode_InternFromString("out");
  slope_keyword = PyUnicode_InternFromString("negative_slope");
  default_slope_object = PyFloat_FromDouble(default_slope);
  return out_keyword && slope_keyword && default_slope_object;
}

}  // namespace

int install_fastcall(PyObject* object, int index) {
  if (!make_constants()) return -1;
  auto* const ufunc = reinterpret_cast<PyUFuncObject*>(object);
  if (Py_TYPE(object)->tp_vectorcall_offset != offsetof(PyUFuncObject, vectorcall)) return 0;
  numpy_call[index] = ufunc->vectorcall;
  ufunc->vectorcall = entry(index, std::make_index_sequence<ufunc_count>());
  return 0;
}

}  // namespace fastrelu
