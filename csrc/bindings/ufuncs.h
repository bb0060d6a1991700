// SPDX-License-Identifier: BSD-3-Clause
//
// The table of ufuncs, and their registration with NumPy.
#pragma once

#include "../kernels/kernels.h"
#include "numpy_api.h"

namespace fastrelu {

// A ufunc's inputs are its arrays (grad_output before x), then its slope. It has one output.
struct UfuncSpec {
  const char* name;
  Op op;
  int arrays;
  bool has_slope;

  constexpr int nin() const { return arrays + has_slope; }
};

inline constexpr UfuncSpec ufunc_specs[] = {
    {"relu", Op::relu, 1, false},
    {"relu_derivative", Op::relu_derivative, 1, false},
    {"relu_backward", Op::relu_backward, 2, false},
    {"leaky_relu", Op::leaky_relu, 1, true},
    {"leaky_relu_derivative", Op::leaky_relu_derivative, 1, true},
    {"leaky_relu_backward", Op::leaky_relu_backward, 2, true},
};
inline constexpr int ufunc_count = sizeof ufunc_specs / sizeof *ufunc_specs;
inline constexpr double default_slope = 0.01;

// The types of the slope, and of the result, of arrays of a kernel's dtype and of a NumPy type.
int slope_type_num(DType arrays);
int out_type_num(const UfuncSpec& spec, int type_num);

// Creates the ufunc of ufunc_specs[index]. New reference, or null with an exception set.
PyObject* make_ufunc(int index);

// What a ufunc runs for arrays of one NumPy type.
struct ActiveKernel {
  Kernel kernel;
  void* data;
  DType dtype;
};

// By type number; the dtypes of other packages come after NumPy's.
extern ActiveKernel builtin_kernels[ufunc_count][NPY_NTYPES_LEGACY];
const ActiveKernel* find_user_kernel(int index, int type_num);

// Null if there is no kernel for arrays of that type.
inline const ActiveKernel* find_kernel(int index, int type_num) {
  if (type_num >= NPY_NTYPES_LEGACY) return find_user_kernel(index, type_num);
  const ActiveKernel& kernel = builtin_kernels[index][type_num];
  return kernel.kernel.cached ? &kernel : nullptr;
}

// Gives every ufunc its loops for a dtype that another package has registered with NumPy. data is kept.
// Returns 0, or -1 with an exception set.
int add_loops(PyArray_DTypeMeta* user_dtype, DType dtype, void* data);

// Makes every ufunc run this instruction set. Not for use while other threads compute.
void use_isa(const Isa& isa);
const Isa& active_isa();

}  // namespace fastrelu
