// SPDX-License-Identifier: BSD-3-Clause
#include "compute.h"

#include <new>

#include "float_status.h"

namespace fastrelu {

int compute(const UfuncSpec& spec, const ActiveKernel& active, const Nest& nest, OutputMemory output_memory) {
  const Work work{active.kernel, active.data, spec.dense, output_memory, weight_of(spec.op, active.dtype)};
  try {
    return run_reporting(spec, [&] { run_without_gil(nest.bytes(), [&] { walk(work, nest); }); });
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return -1;
  }
}

}  // namespace fastrelu
