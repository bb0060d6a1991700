// SPDX-License-Identifier: BSD-3-Clause
//
// The loop that NumPy takes when none fits the dtypes of a call exactly.
#pragma once

#include "ufuncs.h"

namespace fastrelu {

// Returns 0, or -1 with an exception set.
int add_promoter(PyObject* ufunc, int index);

}  // namespace fastrelu
