// SPDX-License-Identifier: BSD-3-Clause
//
// Calls on arrays of any layout: strided, transposed, reversed, broadcast, of different orders.
#pragma once

#include "arguments.h"

namespace fastrelu {

// Runs the call if the shapes broadcast and the output overlaps with nothing but itself, and returns true with *result set:
// a new reference, or null with an exception set. Otherwise returns false: NumPy's.
bool call_on_arrays(const UfuncSpec& spec, Operands& operands, PyObject** result);

}  // namespace fastrelu
