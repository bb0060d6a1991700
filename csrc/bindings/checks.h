// SPDX-License-Identifier: BSD-3-Clause
//
// What the parameters of a call must be, looked at before anything is written.
#pragma once

#include <cmath>

#include "ufuncs.h"

namespace fastrelu {

// Imports what the checks need: no call may import, as a fork in another thread would leave the import lock taken. Returns
// 0, or -1 with an exception set.
int import_checks();

// Looks at numbers, exact arrays and lists; what is in foreign objects is seen when their arrays come in. Returns false with
// an exception set if the parameters are not what the ufunc's check demands.
bool check_thoroughly(const UfuncSpec& spec, PyObject* const* parameters);

// Rounding to double keeps order. So what is in order afterwards was so before; what is not is looked at thoroughly.
inline double rounded_to_double(PyObject* object) {
  if (PyFloat_CheckExact(object)) return PyFloat_AS_DOUBLE(object);
  if (PyLong_CheckExact(object)) {
    int overflows;
    const long value = PyLong_AsLongAndOverflow(object, &overflows);
    return overflows ? NPY_NAN : static_cast<double>(value);
  }
  if (PyArray_IsScalar(object, Float)) return PyArrayScalar_VAL(object, Float);
  return PyArray_IsScalar(object, Double) ? PyArrayScalar_VAL(object, Double) : NPY_NAN;
}

// Compares by functions that raise no flag for NaN, as the operators would.
inline bool check_parameters(const UfuncSpec& spec, PyObject* const* parameters) {
  switch (spec.check) {
    case Check::none: return true;
    case Check::ordered:
      if (std::isless(rounded_to_double(parameters[0]), rounded_to_double(parameters[1]))) return true;
      break;
    case Check::not_negative:
      if (std::isgreaterequal(rounded_to_double(parameters[0]), 0.0)) return true;
      break;
  }
  return check_thoroughly(spec, parameters);
}

}  // namespace fastrelu
