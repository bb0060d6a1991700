// SPDX-License-Identifier: BSD-3-Clause
#include "promotion.h"

#include "user_dtypes.h"

namespace fastrelu {
namespace {

using DTypeMeta = PyArray_DTypeMeta;

bool is_integer(const DTypeMeta* dtype) { return PyTypeNum_ISINTEGER(dtype->type_num); }
bool is_float(const DTypeMeta* dtype) { return PyTypeNum_ISFLOAT(dtype->type_num); }
bool is_of_another_package(const DTypeMeta* dtype) { return PyTypeNum_ISUSERDEF(dtype->type_num); }
// Half types and, among other packages' dtypes, all that ensure_loops accepts.
bool is_narrow_float(const DTypeMeta* dtype) { return dtype->type_num == NPY_HALF || is_of_another_package(dtype); }

int refuse_bool(const char* ufunc) {
  PyErr_Format(PyExc_TypeError, "%s: bool has no sign to rectify; convert the argument, for example x.astype(np.int8)",
               ufunc);
  return -1;
}

int refuse(const char* ufunc, DTypeMeta* dtype) {
  PyErr_Format(PyExc_TypeError, "%s has no loop for %R", ufunc, dtype->singleton);
  return -1;
}

DTypeMeta* new_reference(DTypeMeta* dtype) {
  Py_XINCREF(dtype);
  return dtype;
}

// What a call computes in, as new references. Null, perhaps with an exception set, if NumPy knows no common dtype.
struct Choice {
  DTypeMeta* arrays = nullptr;
  DTypeMeta* slope = nullptr;
  DTypeMeta* result = nullptr;

  Choice() = default;
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;
  ~Choice() {
    Py_XDECREF(arrays);
    Py_XDECREF(slope);
    Py_XDECREF(result);
  }
  void set(DTypeMeta* of_arrays, DTypeMeta* of_slope, DTypeMeta* of_result) {
    arrays = new_reference(of_arrays);
    slope = new_reference(of_slope);
    result = new_reference(of_result);
  }
};

bool fits_float32(DTypeMeta* slope) {
  DTypeMeta* const common = PyArray_CommonDType(&PyArray_FloatDType, slope);
  if (!common) PyErr_Clear();
  Py_XDECREF(common);
  return common == &PyArray_FloatDType;
}

// NumPy's rules (NEP 50), but for two: a narrow float outranks every slope that fits float32, and an integer gives
// float64 with every slope that is a real number.
void choose_leaky(DTypeMeta* of_arrays, DTypeMeta* slope, Choice& choice) {
  const bool slope_fits = fits_float32(slope);
  if (is_narrow_float(of_arrays) && slope_fits) return choice.set(of_arrays, &PyArray_FloatDType, of_arrays);
  DTypeMeta* const common = PyArray_CommonDType(of_arrays, slope);
  if (!common) PyErr_Clear();  // int64 and bfloat16 have none
  if (is_integer(of_arrays) && (slope_fits || (common && (is_integer(common) || is_float(common))))) {
    choice.set(of_arrays, &PyArray_DoubleDType, &PyArray_DoubleDType);
  } else {
    choice.set(common, common, common);
  }
  Py_XDECREF(common);
}

// As dtype= or signature= ask for: the result's dtype decides.
void choose_for_result(DTypeMeta* result, Choice& choice) {
  choice.set(result, is_narrow_float(result) ? &PyArray_FloatDType : result, result);
}

void choose(DTypeMeta** inputs, DTypeMeta* result, int arrays, bool has_slope, Choice& choice) {
  if (result) return choose_for_result(result, choice);
  DTypeMeta* const of_arrays = PyArray_PromoteDTypeSequence(arrays, inputs);
  if (of_arrays && has_slope) {
    choose_leaky(of_arrays, inputs[arrays], choice);
  } else {
    choice.set(of_arrays, nullptr, of_arrays);
  }
  Py_XDECREF(of_arrays);
}

// NumPy calls this for every combination of dtypes that has no loop of its own. Without it, NumPy would take the first
// loop that all inputs can be cast to safely: a bool would become an int8, and an int8 with a slope a small float.
// Returning -1 without an exception leaves the refusal to NumPy.
template <int arrays, bool has_slope>
int promote(PyObject* ufunc, DTypeMeta* const* dtypes, DTypeMeta* const* signature, DTypeMeta** promoted) {
  const char* const name = reinterpret_cast<PyUFuncObject*>(ufunc)->name;
  constexpr int nin = arrays + has_slope;
  DTypeMeta* inputs[nin];
  for (int i = 0; i < nin; ++i) {
    inputs[i] = signature[i] ? signature[i] : dtypes[i];
    if (inputs[i]->type_num == NPY_BOOL) return refuse_bool(name);
  }
  Choice choice;
  choose(inputs, signature[nin], arrays, has_slope, choice);
  if (!choice.arrays) {
    PyErr_Clear();
    return -1;
  }
  if (is_of_another_package(choice.arrays)) {
    const int served = ensure_loops(choice.arrays);
    if (served <= 0) return served < 0 ? -1 : refuse(name, choice.arrays);
  } else if (!is_float(choice.result) && !(is_integer(choice.result) && !has_slope)) {
    return -1;
  }
  for (int i = 0; i < arrays; ++i) promoted[i] = new_reference(choice.arrays);
  if (has_slope) promoted[arrays] = new_reference(choice.slope);
  promoted[nin] = new_reference(choice.result);
  return 0;
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
    PyTuple_SET_ITEM(dtypes, i, Py_NewRef(any));
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
