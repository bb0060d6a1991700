// SPDX-License-Identifier: BSD-3-Clause
#include "promotion.h"

#include <algorithm>

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

void refuse_float(const char* ufunc, DTypeMeta* dtype) {
  PyErr_Format(PyExc_TypeError, "%s takes integers, not %S; pass for example %s", ufunc, dtype->singleton,
               "np.rint(x / scale).astype(np.int8)");
}

void refuse(const UfuncSpec& spec, DTypeMeta* dtype) {
  const bool takes_floats = traits_of(spec.op).dtypes == ArrayTypes::all;
  PyErr_Format(PyExc_TypeError, "%s takes integers%s, not %s; pass for example np.asarray(x, np.%s)", spec.name,
               takes_floats ? " and floats" : "", dtype->scalar_type->tp_name, takes_floats ? "float32" : "int8");
}

// Refuses inputs whose elements have no sign, and what is not a number. False with an exception set.
bool has_sign(const UfuncSpec& spec, DTypeMeta* input) {
  const int type_num = input->type_num;
  if (type_num == NPY_BOOL) {
    PyErr_Format(PyExc_TypeError, "%s: bool has no sign to rectify; pass for example np.asarray(x, np.int8)",
                 spec.name);
  } else if (input == &PyArray_PyComplexDType || PyTypeNum_ISCOMPLEX(type_num)) {
    PyErr_Format(PyExc_TypeError, "%s: complex numbers have no sign to rectify; pass np.real(x) or np.abs(x)",
                 spec.name);
  } else if (type_num >= 0 && type_num < NPY_NTYPES_LEGACY && !is_integer(input) && !is_float(input)) {
    refuse(spec, input);
  }
  return !PyErr_Occurred();
}

// What a call computes in. Without `arrays`, perhaps with an exception set, NumPy knows no common dtype.
struct Choice {
  Ref arrays, parameters, result;

  Choice(DTypeMeta* of_arrays, DTypeMeta* of_parameters, DTypeMeta* of_result)
      : arrays(Py_XNewRef(of_arrays)), parameters(Py_XNewRef(of_parameters)), result(Py_XNewRef(of_result)) {}
};

bool fits_float32(DTypeMeta* slope) {
  const Ref common(PyArray_CommonDType(&PyArray_FloatDType, slope));
  if (!common) PyErr_Clear();
  return common.get<DTypeMeta>() == &PyArray_FloatDType;
}

// NumPy's rules (NEP 50), except that a narrow float outranks every slope that fits float32, and that an integer gives
// float64 with every slope that is a real number.
Choice choose_leaky(DTypeMeta* of_arrays, DTypeMeta* slope) {
  const bool slope_fits = fits_float32(slope);
  if (is_narrow_float(of_arrays) && slope_fits) return {of_arrays, &PyArray_FloatDType, of_arrays};
  const Ref owner(PyArray_CommonDType(of_arrays, slope));
  if (!owner) PyErr_Clear();  // int64 and bfloat16 have none
  auto* const common = owner.get<DTypeMeta>();
  if (is_integer(of_arrays) && (slope_fits || (common && (is_integer(common) || is_float(common))))) {
    return {of_arrays, &PyArray_DoubleDType, &PyArray_DoubleDType};
  }
  return {common, common, common};
}

bool is_python_number(const DTypeMeta* dtype) {
  return dtype == &PyArray_PyLongDType || dtype == &PyArray_PyFloatDType;
}

// NumPy's rules, except that Python's numbers keep the dtypes of other packages too: NumPy's common dtype of a bfloat16 and
// a float is float32.
Ref common_dtype(int count, DTypeMeta** inputs) {
  DTypeMeta* strong[max_inputs];
  DTypeMeta** const end = std::remove_copy_if(inputs, inputs + count, strong, is_python_number);
  Ref of_strong(end == strong ? nullptr : PyArray_PromoteDTypeSequence(end - strong, strong));
  if (of_strong && is_of_another_package(of_strong.get<DTypeMeta>())) return of_strong;
  if (!of_strong) PyErr_Clear();
  return Ref(PyArray_PromoteDTypeSequence(count, inputs));
}

// As dtype= or signature= ask for: the result's dtype decides.
Choice choose_for_result(const UfuncSpec& spec, DTypeMeta* result) {
  const bool is_widened = gives_floats(spec.arithmetic) && is_narrow_float(result);
  return {result, is_widened ? &PyArray_FloatDType : result, result};
}

Choice choose(const UfuncSpec& spec, DTypeMeta** inputs, DTypeMeta* result) {
  if (result) return choose_for_result(spec, result);
  const bool is_product = gives_floats(spec.arithmetic);
  const Ref owner = common_dtype(is_product ? spec.arrays : spec.nin(), inputs);
  auto* const common = owner.get<DTypeMeta>();
  if (!common || !is_product) return {common, common, common};
  if (spec.parameter_count() > 0) return choose_leaky(common, inputs[spec.arrays]);
  return {common, nullptr, is_integer(common) ? &PyArray_DoubleDType : common};
}

// False perhaps with an exception set.
bool has_loops(int index, const Choice& choice) {
  const UfuncSpec& spec = ufunc_specs[index];
  auto *const arrays = choice.arrays.get<DTypeMeta>(), *const result = choice.result.get<DTypeMeta>();
  const bool is_of_python = result == &PyArray_PyFloatDType;  // all inputs are numbers of Python
  bool is_any_float = is_float(result);
  if (is_of_another_package(arrays)) {
    const int served = ensure_loop(index, arrays);
    if (served == 0) refuse(spec, arrays);
    if (served <= 0) return false;
    is_any_float = true;
  }
  if ((is_any_float || is_of_python) && !find_kernel(index, NPY_DOUBLE)) {
    refuse_float(spec.name, is_of_python ? &PyArray_DoubleDType : result);
    return false;
  }
  return is_any_float || (is_integer(result) && !gives_floats(spec.arithmetic));
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
    // With dtype= or signature=, NumPy casts whatever the caller's `casting` allows.
    const bool is_cast = signature[nin] && inputs[i]->type_num != NPY_BOOL;
    if (!is_cast && !has_sign(spec, inputs[i])) return -1;
  }
  Choice choice = choose(spec, inputs, signature[nin]);
  if (!choice.arrays) {
    PyErr_Clear();
    return -1;
  }
  if (!has_loops(index, choice)) return -1;
  for (int i = 0; i < nin; ++i) {
    const Ref& of_input = i < spec.arrays ? choice.arrays : choice.parameters;
    promoted[i] = reinterpret_cast<DTypeMeta*>(Py_XNewRef(of_input.get()));
  }
  promoted[nin] = reinterpret_cast<DTypeMeta*>(choice.result.release());
  return 0;
}

// NumPy hands nothing of ours to a promoter, so each ufunc has its own.
template <int index>
int promote(PyObject*, DTypeMeta* const* dtypes, DTypeMeta* const* signature, DTypeMeta** promoted) {
  return promote_for(index, dtypes, signature, promoted);
}

// (np.dtype, ..., None): any inputs, any output.
PyObject* any_dtypes(int nin) {
  PyObject* const dtypes = PyTuple_New(nin + 1);
  for (int i = 0; dtypes && i <= nin; ++i) {
    PyTuple_SET_ITEM(dtypes, i, i < nin ? Py_NewRef(&PyArrayDescr_Type) : Py_NewRef(Py_None));
  }
  return dtypes;
}

}  // namespace

int add_promoter(PyObject* ufunc, int index) {
  auto* const promoter_of_index =
      instance_for(index, [](auto i) -> PyArrayMethod_PromoterFunction* { return promote<i>; });
  const Ref dtypes(any_dtypes(ufunc_specs[index].nin()));
  const Ref promoter(PyCapsule_New(reinterpret_cast<void*>(promoter_of_index), "numpy._ufunc_promoter", nullptr));
  return dtypes && promoter ? PyUFunc_AddPromoter(ufunc, dtypes.get(), promoter.get()) : -1;
}

}  // namespace fastrelu
