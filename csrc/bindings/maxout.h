// SPDX-License-Identifier: BSD-3-Clause
//
// maxout(x, groups, axis, out) and maxout_backward(grad_output, x, groups, axis, out).
#pragma once

#include "numpy_api.h"

namespace fastrelu {

extern PyMethodDef maxout_methods[];

}  // namespace fastrelu
