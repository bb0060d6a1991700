// SPDX-License-Identifier: BSD-3-Clause
//
// Observes calls for the activity logs of the current context (fastrelu.activity). While there is a log anywhere, the
// ufuncs' vectorcall entries are others, which also count; without one they are as they were, and cost nothing.
#pragma once

#include <pybind11/pybind11.h>

#include "mask_call.h"

namespace fastrelu {

// Whether there is a log anywhere.
extern bool is_observing;

// Runs a call for the logs of the current context, if there are any. A new reference, or null with an exception set.
PyObject* run_observed(MaskedForward& call, std::uint8_t* mask);

// The module's functions for fastrelu._activity; the ufuncs in the order of ufunc_specs.
void define_activity(pybind11::module_& m, const pybind11::tuple& ufuncs);

}  // namespace fastrelu
