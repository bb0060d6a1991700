// SPDX-License-Identifier: BSD-3-Clause
#include "promotion.h"

namespace fastrelu {
namespace {

using DTypeMeta = PyArray_DTypeMeta;

bool is_bool(const DTypeMeta* dtype) { return dtype->type_num == NPY_BOOL; }
bool is_integer(const DTypeMeta* dtype) { return PyTypeNum_ISINTEGER(dtype->type_num); }
bool is_real(const DTypeMeta* dtype) { return is_integer(dtype) || PyTypeNum_ISFLOAT(dtype->type_num); }
bool is_float(const DTypeMeta* dtype) {
  return dtype->type_num == NPY_FLOAT || dtype->type_num == NPY_DOUBLE || dtype->type_num == NPY_LONGDOUBLE;
}

int refuse_bool(PyObject* ufunc) {
  PyErr_Format(PyExc_TypeError, "%s: bool has no sign to rectify; convert the argument, for example x.astype(np.int8)",
               reinterpret_cast<PyUFuncObject*>(ufunc)->name);
  return -1;
}

// For dtypes without a loop that can be cast to one that has: NumPy would compute, and answer, in that one. Steals dtype.
int refuse(PyObject* ufunc, DTypeMeta* dtype) {
  PyErr_Format(PyExc_TypeError, "%s has no loop for %S", reinterpret_cast<PyUFuncObject*>(ufunc)->name, dtype);
  Py_DECREF(dtype);
  return -1;
}

DTypeMeta* new_reference(DTypeMeta* dtype) {
  Py_INCREF(dtype);
  return dtype;
}

DTypeMeta* dtype_of(int type_num) {
  PyArray_Descr* const descr = PyArray_DescrFromType(type_num);
  DTypeMeta* const dtype = new_reference(NPY_DTYPE(descr));
  Py_DECREF(descr);
  return dtype;
}

// The dtype in which a call computes, by NumPy's rules (NEP 50), but for one: leaky functions take integers to float64,
// whatever the slope's dtype. New reference; null, perhaps without an exception, if there is none.
DTypeMeta* common_dtype(DTypeMeta** inputs, int arrays, bool has_slope) {
  DTypeMeta* const of_arrays = PyArray_PromoteDTypeSequence(arrays, inputs);
  if (!of_arrays || !has_slope) return of_arrays;
  DTypeMeta* common = PyArray_CommonDType(of_arrays, inputs[arrays]);
  if (common && is_integer(of_arrays) && is_real(common)) Py_SETREF(common, dtype_of(NPY_DOUBLE));
  Py_DECREF(of_arrays);
  return common;
}

// NumPy calls this for every combination of dtypes that has no loop of its own. Without it, NumPy would take the first
// loop that all inputs can be cast to safely: a bool would become an int8, and an int8 with a slope a small float.
// Returning -1 without an exception leaves the refusal to NumPy.
template <int arrays, bool has_slope>
int promote(PyObject* ufunc, DTypeMeta* const* dtypes, DTypeMeta* const* signature, DTypeMeta** promoted) {
  constexpr int nin = arrays + has_slope;
  DTypeMeta* inputs[nin];
  for (int i = 0; i < nin; ++i) {
    inputs[i] = signature[i] ? signature[i] : dtypes[i];
    if (is_bool(inputs[i])) return refuse_bool(ufunc);
  }
  DTypeMeta* const common = signature[nin] ? new_reference(signature[nin]) : common_dtype(inputs, arrays, has_slope);
  if (!common) {
    PyErr_Clear();
    return -1;
  }
  if (PyTypeNum_ISUSERDEF(common->type_num) || common->type_num == NPY_HALF) return refuse(ufunc, common);
  const bool supported = is_float(common) || (is_integer(common) && !has_slope);
  for (int i = 0; supported && i <= nin; ++i) promoted[i] = new_reference(common);
  Py_DECREF(common);
  return supported ? 0 : -1;
}

PyArrayMethod_PromoterFunction* promoter_for(const UfuncSpec& spec) {
  if (spec.has_slope) return spec.arrays == 1 ? promote<1, true> : promote<2, true>;
  return spec.arrays == 1 ? promote<1, false> : promote<2, false>;
}

// (np.dtype, ..., None): any inputs, any output.
PyObject* any_dtypes(int nin) {
  PyObject* const dtypes = PyTuple_New(nin + 1);
  if (!dtypes) return nullptr;
  for (int i = 0; i <= nin; ++i) {
    PyObject* const any = i < nin ? reinterpret_cast<PyObject*>(&PyArrayDescr_Type) : Py_None;
    Py_INCREF(any);
    PyTuple_SET_ITEM(dtypes, i, any);
  }
  return dtypes;
}

}  // namespace

int add_promoter(PyObject* ufunc, const UfuncSpec& spec) {
  PyObject* const dtypes = any_dtypes(spec.nin());
  PyObject* const promoter =
      PyCapsule_New(reinterpret_cast<void*>(promoter_for(spec)), "numpy._ufunc_promoter", nullptr);
  const int status = dtypes && promoter ? PyUFunc_AddPromoter(ufunc, dtypes, promoter) : -1;
  Py_XDECREF(dtypes);
  Py_XDECREF(promoter);
  return status;
}

}  // namespace fastrelu
