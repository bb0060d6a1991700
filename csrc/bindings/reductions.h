// SPDX-License-Identifier: BSD-3-Clause
//
// Gradients with the sums that belong to them, and counts of active elements and of a mask's bits.
#pragma once

#include "numpy_api.h"

namespace fastrelu {

extern PyMethodDef reduction_methods[];

}  // namespace fastrelu
