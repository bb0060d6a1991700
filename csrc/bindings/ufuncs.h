// SPDX-License-Identifier: BSD-3-Clause
//
// The table of ufuncs, and their registration with NumPy.
#pragma once

#include <memory>
#include <utility>

#include "../contract/float8.h"
#include "../contract/isa.h"
#include "numpy_api.h"

namespace fastrelu {

inline constexpr int max_inputs = max_operands - 1;

// A ufunc's inputs are its arrays (grad_output before x), then its parameters. It has one output. Inputs after the
// dense ones may reach a kernel broadcast.
struct UfuncSpec : Traits {
  Op op;

  constexpr int parameter_count() const { return parameters.count; }
  constexpr int nin() const { return inputs(); }
};

// A function with another name, and other names of its parameters.
constexpr UfuncSpec alias(const char* name, Op op, Parameters parameters) {
  UfuncSpec spec{traits_of(op), op};
  spec.name = name;
  spec.parameters = parameters;
  return spec;
}

inline constexpr UfuncSpec ufunc_specs[] = {
#define FUNCTION(name, ...) {traits_of(Op::name), Op::name},
#include "../contract/functions.inc"
#undef FUNCTION
    alias("threshold_backward", Op::thresholded_relu_backward, {threshold}),
};
inline constexpr int ufunc_count = sizeof ufunc_specs / sizeof *ufunc_specs;

constexpr const UfuncSpec& spec_of(Op op) { return ufunc_specs[static_cast<int>(op)]; }

// make(i) for the ufunc of that index, which comes as a constant: an instance of a template.
template <class Make, int... i> auto instance_for(int index, Make make, std::integer_sequence<int, i...>) {
  const decltype(make(std::integral_constant<int, 0>())) instances[] = {make(std::integral_constant<int, i>())...};
  return instances[index];
}
template <class Make> auto instance_for(int index, Make make) {
  return instance_for(index, make, std::make_integer_sequence<int, ufunc_count>());
}

// The kernel's and NumPy's type of an input, and NumPy's of the result, where the arrays are of these types.
constexpr DType input_dtype(const UfuncSpec& spec, int input, DType arrays) {
  return input < spec.arrays ? arrays : parameter_dtype(spec.arithmetic, arrays);
}
int input_type_num(const UfuncSpec& spec, int input, DType arrays, int arrays_type_num);
int out_type_num(const UfuncSpec& spec, int arrays_type_num);

// Creates the ufunc of ufunc_specs[index]. New reference, or null with an exception set.
PyObject* make_ufunc(int index);

// The kernel that a ufunc runs for arrays of one NumPy type, and its data.
struct ActiveKernel {
  Kernel kernel;
  void* data;
  DType dtype;
};

// By type number; the dtypes of other packages come after NumPy's.
extern ActiveKernel builtin_kernels[ufunc_count][NPY_NTYPES_LEGACY];
const ActiveKernel* find_user_kernel(int index, int type_num);

// Null if there is no kernel for arrays of that type. Dtypes made with NumPy's new dtype API all have the type number -1.
inline const ActiveKernel* find_kernel(int index, int type_num) {
  if (type_num < 0) return nullptr;
  if (type_num >= NPY_NTYPES_LEGACY) return find_user_kernel(index, type_num);
  const ActiveKernel& kernel = builtin_kernels[index][type_num];
  return kernel.kernel.cached ? &kernel : nullptr;
}

// The dtype of arrays of that type, and the data that every kernel gets with it: relu's, which takes all dtypes.
inline const ActiveKernel* find_dtype(int type_num) { return find_kernel(static_cast<int>(Op::relu), type_num); }

// Gives every ufunc its kernel for a dtype that another package has registered with NumPy: from then on find_kernel finds
// them. May be called for the same dtype again, and by several threads at a time. Throws std::bad_alloc.
void list_user_type(int type_num, DType dtype, std::unique_ptr<Float8> format);

// Tells NumPy about the kernel that this ufunc has for a listed dtype, if it has one. For promoters alone, so that NumPy
// guards its list of loops. Returns 0, or -1 with an exception set; then it may be called again.
int add_loop(int index, PyArray_DTypeMeta* user_dtype);

// Whether NumPy knows it, or there is none.
bool has_loop(int index, int user_type_num);

// Makes every ufunc run this instruction set. Not for use while other threads compute.
void use_isa(const Isa& isa);
const Isa& active_isa();

}  // namespace fastrelu
