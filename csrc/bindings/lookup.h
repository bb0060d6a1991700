// SPDX-License-Identifier: BSD-3-Clause
//
// apply_table(x, table, out): a table's entry for each byte of an array.
#pragma once

#include "numpy_api.h"

namespace fastrelu {

extern PyMethodDef lookup_methods[];

}  // namespace fastrelu
