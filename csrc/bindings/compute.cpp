// SPDX-License-Identifier: BSD-3-Clause
#include "compute.h"

#include "float_status.h"

namespace fastrelu {
namespace {

void walk_without_gil(const Work& work, const Nest& nest) {
  if (nest.bytes() < release_gil_from) return walk(work, nest);
  PyThreadState* const thread = PyEval_SaveThread();
  walk(work, nest);
  PyEval_RestoreThread(thread);
}

// As measured with 262,144 elements on AVX-512 and AVX2.
int weight_of(const UfuncSpec& spec, DType dtype) {
  const bool only_selects = spec.arithmetic == Arithmetic::selects;
  switch (dtype) {
    case DType::float8: return 16;  // a table look-up for each byte
    case DType::float16: return only_selects ? 1 : 2;
    case DType::bfloat16: return only_selects ? 1 : 4;
    case DType::longdouble: return 4;
    default: return 1;
  }
}

}  // namespace

int compute(const UfuncSpec& spec, const ActiveKernel& active, const Nest& nest, OutputMemory output_memory) {
  const Work work{active.kernel, active.data, spec.dense, output_memory, weight_of(spec, active.dtype)};
  return run_reporting(spec, [&] { walk_without_gil(work, nest); });
}

}  // namespace fastrelu
