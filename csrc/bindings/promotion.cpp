// SPDX-License-Identifier: BSD-3-Clause
#include "promotion.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "ref.h"
#include "user_dtypes.h"

namespace fastrelu {
namespace {

using DTypeMeta = PyArray_DTypeMeta;

bool is_integer(const DTypeMeta* dtype) { return PyTypeNum_ISINTEGER(dtype->type_num); }
bool is_float(const DTypeMeta* dtype) { return PyTypeNum_ISFLOAT(dtype->type_num); }
bool is_of_another_package(const DTypeMeta* dtype) { return PyTypeNum_ISUSERDEF(dtype->type_num); }
// Half types and, among other packages' dtypes, all that ensure_kernels accepts.
bool is_narrow_float(const DTypeMeta* dtype) { return dtype->type_num == NPY_HALF || is_of_another_package(dtype); }

int refuse_bool(const char* ufunc) {
  PyErr_Format(PyExc_TypeError, "%s: bool has no sign to rectify; convert the argument, for example x.astype(np.int8)",
               ufunc);
  return -1;
}

void refuse_float(const char* ufunc, DTypeMeta* dtype) {
  PyErr_Format(PyExc_TypeError, "%s takes integers, not %S", ufunc, dtype->singleton);
}

void refuse(const char* ufunc, DTypeMeta* dtype) {
  PyErr_Format(PyExc_TypeError, "%s has no loop for %R", ufunc, dtype->singleton);
}

DTypeMeta* new_reference(DTypeMeta* dtype) {
  Py_XINCREF(dtype);
  return dtype;
}

// What a call computes in, as new references. Null, perhaps with an exception set, if NumPy knows no common dtype.
struct Choice {
  DTypeMeta* arrays = nullptr;
  DTypeMeta* parameters = nullptr;
  DTypeMeta* result = nullptr;

  Choice() = default;
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;
  ~Choice() {
    for (DTypeMeta* each : {arrays, parameters, result}) give_back(reinterpret_cast<PyObject*>(each));
  }
  void set(DTypeMeta* of_arrays, DTypeMeta* of_parameters, DTypeMeta* of_result) {
    arrays = new_reference(of_arrays);
    parameters = new_reference(of_parameters);
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

bool is_python_number(const DTypeMeta* dtype) {
  return dtype == &PyArray_PyLongDType || dtype == &PyArray_PyFloatDType;
}

// NumPy's rules, but that Python's numbers keep the dtypes of other packages too: NumPy's common dtype of a bfloat16 and a
// float is float32.
DTypeMeta* common_dtype(int count, DTypeMeta** inputs) {
  DTypeMeta* strong[max_inputs];
  DTypeMeta** const end = std::remove_copy_if(inputs, inputs + count, strong, is_python_number);
  DTypeMeta* const of_strong = end == strong ? nullptr : PyArray_PromoteDTypeSequence(end - strong, strong);
  if (of_strong && is_of_another_package(of_strong)) return of_strong;
  if (!of_strong) PyErr_Clear();
  Py_XDECREF(of_strong);
  return PyArray_PromoteDTypeSequence(count, inputs);
}

// As dtype= or signature= ask for: the result's dtype decides.
void choose_for_result(const UfuncSpec& spec, DTypeMeta* result, Choice& choice) {
  const bool is_widened = spec.arithmetic == Arithmetic::multiplies && is_narrow_float(result);
  choice.set(result, is_widened ? &PyArray_FloatDType : result, result);
}

void choose_for_product(const UfuncSpec& spec, DTypeMeta** inputs, Choice& choice) {
  DTypeMeta* const of_arrays = common_dtype(spec.arrays, inputs);
  if (of_arrays && spec.parameter_count() > 0) {
    choose_leaky(of_arrays, inputs[spec.arrays], choice);
  } else if (of_arrays) {
    choice.set(of_arrays, nullptr, is_integer(of_arrays) ? &PyArray_DoubleDType : of_arrays);
  }
  Py_XDECREF(of_arrays);
}

void choose(const UfuncSpec& spec, DTypeMeta** inputs, DTypeMeta* result, Choice& choice) {
  if (result) return choose_for_result(spec, result, choice);
  if (spec.arithmetic == Arithmetic::multiplies) return choose_for_product(spec, inputs, choice);
  DTypeMeta* const common = common_dtype(spec.nin(), inputs);
  choice.set(common, common, common);
  Py_XDECREF(common);
}

// False perhaps with an exception set.
bool has_loops(int index, const Choice& choice) {
  const UfuncSpec& spec = ufunc_specs[index];
  const bool is_of_python = choice.result == &PyArray_PyFloatDType;  // all inputs are numbers of Python
  bool is_any_float = is_float(choice.result);
  if (is_of_another_package(choice.arrays)) {
    const int served = ensure_loop(index, choice.arrays);
    if (served == 0) refuse(spec.name, choice.arrays);
    if (served <= 0) return false;
    is_any_float = true;
  }
  if ((is_any_float || is_of_python) && !find_kernel(index, NPY_DOUBLE)) {
    refuse_float(spec.name, is_of_python ? &PyArray_DoubleDType : choice.result);
    return false;
  }
  return is_any_float || (is_integer(choice.result) && spec.arithmetic != Arithmetic::multiplies);
}

// NumPy calls this for every combination of dtypes that has no loop of its own. Without it, NumPy would take the first
// loop that all inputs can be cast to safely: a bool would become an int8, and an int8 with a slope a small float.
// Returning -1 without an exception leaves the refusal to NumPy.
int promote_for(int index, DTypeMeta* const* dtypes, DTypeMeta* const* signature, DTypeMeta** promoted) {
  const UfuncSpec& spec = ufunc_specs[index];
  const int nin = spec.nin();
  DTypeMeta* inputs[max_inputs];
  for (int i = 0; i < nin; ++i) {
    inputs[i] = signature[i] ? signature[i] : dtypes[i];
    if (inputs[i]->type_num == NPY_BOOL) return refuse_bool(spec.name);
  }
  Choice choice;
  choose(spec, inputs, signature[nin], choice);
  if (!choice.arrays) {
    PyErr_Clear();
    return -1;
  }
  if (!has_loops(index, choice)) return -1;
  for (int i = 0; i < nin; ++i) promoted[i] = new_reference(i < spec.arrays ? choice.arrays : choice.parameters);
  promoted[nin] = new_reference(choice.result);
  return 0;
}

// NumPy hands nothing of ours to a promoter, so each ufunc has its own.
template <int index>
int promote(PyObject*, DTypeMeta* const* dtypes, DTypeMeta* const* signature, DTypeMeta** promoted) {
  return promote_for(index, dtypes, signature, promoted);
}

template <std::size_t... index>
PyArrayMethod_PromoterFunction* promoter_for(int wanted, std::index_sequence<index...>) {
  constexpr PyArrayMethod_PromoterFunction* promoters[] = {promote<index>...};
  return promoters[wanted];
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

int add_promoter(PyObject* ufunc, int index) {
  auto* const promote = promoter_for(index, std::make_index_sequence<ufunc_count>());
  PyObject* const dtypes = any_dtypes(ufunc_specs[index].nin());
  PyObject* const promoter = PyCapsule_New(reinterpret_cast<void*>(promote), "numpy._ufunc_promoter", nullptr);
  const int status = dtypes && promoter ? PyUFunc_AddPromoter(ufunc, dtypes, promoter) : -1;
  Py_XDECREF(dtypes);
  Py_XDECREF(promoter);
  return status;
}

}  // namespace fastrelu
