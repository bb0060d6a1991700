// SPDX-License-Identifier: BSD-3-Clause
//
// The dtypes of the package ml_dtypes. fastrelu never imports it: they are met when an array of one comes in.
#pragma once

#include "numpy_api.h"

namespace fastrelu {

// Returns 1 if the ufuncs have loops for this dtype (they may have been added by this call), 0 if they cannot have
// any, -1 with an exception set.
int ensure_loops(PyArray_DTypeMeta* user_dtype);

// Looks for such dtypes in the keywords of a call. A dtype= that NumPy could not dispatch on would be the one first
// call that a promoter cannot help: it has no dtypes to change. Returns 0, or -1 with an exception set.
int ensure_loops_for_keywords(PyObject* const* values, PyObject* kwnames);

}  // namespace fastrelu
