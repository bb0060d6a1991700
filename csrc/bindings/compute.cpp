// SPDX-License-Identifier: BSD-3-Clause
#include "compute.h"

#include <new>

#include "float_status.h"

namespace fastrelu {

namespace {

Work work_of(const UfuncSpec& spec, const ActiveKernel& active, OutputMemory output_memory) {
  return {active.kernel, active.data, spec.dense_inputs, output_memory, weight_of(spec.op, active.dtype)};
}

}  // namespace

int compute(const UfuncSpec& spec, const ActiveKernel& active, const Nest& nest, OutputMemory output_memory) {
  const Work work = work_of(spec, active, output_memory);
  try {
    return run_reporting(spec, [&] { run_without_gil(nest.bytes(), [&] { walk(work, nest); }); });
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return -1;
  }
}

int compute_line(const UfuncSpec& spec, const ActiveKernel& active, npy_intp n, char* const* data,
                 const npy_intp* steps, OutputMemory output_memory) {
  const Work work = work_of(spec, active, output_memory);
  return run_reporting(spec, [&] { without_gil([&] { walk_line(work, n, spec.nin() + 1, data, steps); }); });
}

Found run_mask_kernel(const MaskWork& work, MaskCall call, npy_intp element_bytes, const MaskWatch& watch) {
  call.data = work.type.data;
  const MaskKernel kernel = active_isa().mask_kernel(work.op, work.type.dtype);
  const npy_intp operands = 1 + (call.out ? 1 : 0) + (work.period == call.n ? 1 : 0);
  const npy_intp bytes = call.n * element_bytes * operands;
  const int weight = weight_of(work.op, work.type.dtype);
  const Line line{call.n, bytes, weight, mask_granule, call.out, element_bytes, work.output_memory};
  Found found{};
  run_without_gil(bytes, [&] { found = run_mask_line(kernel, call, line, watch, work.period); });
  return found;
}

Found count_where(MaskOp op, PyArrayObject* x, const ActiveKernel& type, const MaskWatch& watch) {
  return run_mask_kernel({op, type, OutputMemory::used, 0},
                         {PyArray_BYTES(x), nullptr, nullptr, nullptr, PyArray_SIZE(x), nullptr}, PyArray_ITEMSIZE(x),
                         watch);
}

}  // namespace fastrelu
