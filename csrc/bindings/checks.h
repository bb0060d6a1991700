// SPDX-License-Identifier: BSD-3-Clause
//
// The conditions on parameters, checked before anything is written.
#pragma once

#include <cmath>

#include "ufuncs.h"

namespace fastrelu {

// Imports fastrelu._bounds: no call may import, as a fork in another thread would leave the import lock taken. Returns 0,
// or -1 with an exception set.
int import_checks();

// Calls fastrelu._bounds.check. Returns false with an exception set if the parameters are not what the ufunc's check demands,
// or for lack of memory.
bool check_thoroughly(const UfuncSpec& spec, PyObject* const* parameters);

// A number that is a double, exactly; NaN for everything else, which is looked at thoroughly.
inline double plain_double(PyObject* object) {
  if (PyFloat_CheckExact(object)) return PyFloat_AS_DOUBLE(object);
  if (PyLong_CheckExact(object)) {
    constexpr long long exact = 1LL << 53;
    int overflows;
    const long value = PyLong_AsLongAndOverflow(object, &overflows);
    return overflows || value < -exact || value > exact ? NPY_NAN : static_cast<double>(value);
  }
  if (PyArray_IsScalar(object, Float)) return PyArrayScalar_VAL(object, Float);
  return PyArray_IsScalar(object, Double) ? PyArrayScalar_VAL(object, Double) : NPY_NAN;
}

// Compares by functions that raise no flag for a quiet NaN, as the operators would.
inline bool check_parameters(const UfuncSpec& spec, PyObject* const* parameters) {
  switch (spec.check) {
    case Check::none: return true;
    case Check::ordered:
      if (std::islessequal(plain_double(parameters[0]), plain_double(parameters[1]))) return true;
      break;
    case Check::not_negative:
      if (std::isgreaterequal(plain_double(parameters[0]), 0.0)) return true;
      break;
    case Check::positive:
      if (std::isgreater(plain_double(parameters[0]), 0.0)) return true;
      break;
  }
  return check_thoroughly(spec, parameters);
}

}  // namespace fastrelu
