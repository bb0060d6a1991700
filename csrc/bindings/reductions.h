// SPDX-License-Identifier: BSD-3-Clause
//
// Gradients with the sums that belong to them, and counts: what fastrelu's Python functions of these names call, with
// arrays that are dense, in C order, aligned and in native byte order.
#pragma once

#include <pybind11/pybind11.h>

namespace fastrelu {

void define_reductions(pybind11::module_& m);

}  // namespace fastrelu
