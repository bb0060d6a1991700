// SPDX-License-Identifier: BSD-3-Clause
//
// Calls on arrays of any layout: strided, transposed, reversed, broadcast, of different orders.
#pragma once

#include "arguments.h"

namespace fastrelu {

// Runs the call if its operands are plain arrays of fitting dtypes and its output overlaps with nothing but itself, and
// returns true with *result set: a new reference, or null with an exception set. Otherwise returns false: NumPy's.
bool call_on_arrays(int index, const Arguments& call, PyObject** result);

}  // namespace fastrelu
