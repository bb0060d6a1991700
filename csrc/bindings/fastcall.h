// SPDX-License-Identifier: BSD-3-Clause
//
// The short ways into a ufunc: for plain arrays and numbers of one native dtype, with or without out=. Everything else
// goes the way NumPy built.
#pragma once

#include "ufuncs.h"

namespace fastrelu {

// Replaces the ufunc's vectorcall entry; NumPy's own is kept and called for what the short ways do not take. It also
// fills in parameters that are left out or given by keyword, which a ufunc cannot do, and checks them (checks.h).
// Should a NumPy come that keeps that entry elsewhere, its own path serves alone. Returns 0, or -1 with an exception set.
int install_fastcall(PyObject* ufunc, int index);

}  // namespace fastrelu
