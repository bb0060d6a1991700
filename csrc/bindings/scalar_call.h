// SPDX-License-Identifier: BSD-3-Clause
//
// Calls on single numbers: Python's, NumPy's scalars, arrays without axes.
#pragma once

#include "arguments.h"

namespace fastrelu {

// As call_on_arrays (array_call.h), for numbers of one type.
bool call_on_scalars(int index, const Arguments& call, PyObject** result);

}  // namespace fastrelu
