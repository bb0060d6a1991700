// SPDX-License-Identifier: BSD-3-Clause
//
// The table of ufuncs, and their registration with NumPy.
#pragma once

#include <memory>

#include "../contract/float8.h"
#include "../contract/isa.h"
#include "numpy_api.h"

namespace fastrelu {

inline constexpr int max_inputs = max_operands - 1;
inline constexpr int max_parameters = 2;

// An input that may be given by keyword and, if it has a default, be left out.
struct Parameter {
  const char* name = nullptr;
  bool has_default = false;
  double default_value = 0;
};

constexpr Parameter required(const char* name) { return {name, false, 0}; }
constexpr Parameter optional(const char* name, double default_value) { return {name, true, default_value}; }

// What a call's parameters must be, whatever its arrays are.
enum class Check {
  none,
  ordered,       // the first is not above the second
  not_negative,  // the first
};

// A ufunc's inputs are its arrays (grad_output before x), then its parameters. It has one output. Inputs after the first
// `dense` ones may reach a kernel broadcast.
struct UfuncSpec {
  const char* name;
  Op op;
  int arrays;
  int dense;
  Arithmetic arithmetic;
  Parameter parameters[max_parameters] = {};
  Check check = Check::none;

  constexpr int parameter_count() const { return parameters[1].name ? 2 : parameters[0].name ? 1 : 0; }
  constexpr int nin() const { return arrays + parameter_count(); }
};

inline constexpr Parameter negative_slope = optional("negative_slope", 0.01), alpha = optional("alpha", 1);
inline constexpr Parameter min_val = optional("min_val", -1), max_val = optional("max_val", 1);
inline constexpr Parameter max_value = required("max_value"), threshold = required("threshold");

inline constexpr UfuncSpec ufunc_specs[] = {
    {"relu", Op::relu, 1, 1, Arithmetic::selects},
    {"relu_derivative", Op::relu_derivative, 1, 1, Arithmetic::selects},
    {"relu_backward", Op::relu_backward, 2, 2, Arithmetic::selects},
    {"leaky_relu", Op::leaky_relu, 1, 1, Arithmetic::multiplies, {negative_slope}},
    {"leaky_relu_derivative", Op::leaky_relu_derivative, 1, 1, Arithmetic::multiplies, {negative_slope}},
    {"leaky_relu_backward", Op::leaky_relu_backward, 2, 2, Arithmetic::multiplies, {negative_slope}},
    {"add_relu", Op::add_relu, 2, 1, Arithmetic::adds},
    {"add_leaky_relu", Op::add_leaky_relu, 2, 1, Arithmetic::multiplies, {negative_slope}},
    {"scale_shift_relu", Op::scale_shift_relu, 3, 1, Arithmetic::adds},
    {"relu6", Op::relu6, 1, 1, Arithmetic::selects},
    {"relu6_backward", Op::relu6_backward, 2, 2, Arithmetic::selects},
    {"clipped_relu", Op::clipped_relu, 1, 1, Arithmetic::selects, {max_value}, Check::not_negative},
    {"clipped_relu_backward", Op::clipped_relu_backward, 2, 2, Arithmetic::selects, {max_value}, Check::not_negative},
    {"hardtanh", Op::hardtanh, 1, 1, Arithmetic::selects, {min_val, max_val}, Check::ordered},
    {"hardtanh_backward", Op::hardtanh_backward, 2, 2, Arithmetic::selects, {min_val, max_val}, Check::ordered},
    {"thresholded_relu", Op::thresholded_relu, 1, 1, Arithmetic::selects, {alpha}},
    {"thresholded_relu_backward", Op::thresholded_relu_backward, 2, 2, Arithmetic::selects, {alpha}},
    {"threshold", Op::threshold, 1, 1, Arithmetic::selects, {threshold, required("value")}},
    {"threshold_backward", Op::thresholded_relu_backward, 2, 2, Arithmetic::selects, {threshold}},
    {"squared_relu", Op::squared_relu, 1, 1, Arithmetic::multiplies},
    {"squared_relu_backward", Op::squared_relu_backward, 2, 2, Arithmetic::multiplies},
    {"hardsigmoid", Op::hardsigmoid, 1, 1, Arithmetic::multiplies},
    {"hardsigmoid_backward", Op::hardsigmoid_backward, 2, 2, Arithmetic::multiplies},
    {"hardswish", Op::hardswish, 1, 1, Arithmetic::multiplies},
    {"hardswish_backward", Op::hardswish_backward, 2, 2, Arithmetic::multiplies},
    {"relu_quantized", Op::relu_quantized, 1, 1, Arithmetic::selects, {required("zero_point")}},
    {"negated_relu", Op::negated_relu, 1, 1, Arithmetic::selects},
    {"crelu_gradient", Op::crelu_gradient, 3, 3, Arithmetic::adds},
};
inline constexpr int ufunc_count = sizeof ufunc_specs / sizeof *ufunc_specs;

// The kernel's and NumPy's type of an input, and NumPy's of the result, where the arrays are of these types.
constexpr DType input_dtype(const UfuncSpec& spec, int input, DType arrays) {
  return input < spec.arrays ? arrays : parameter_dtype(spec.arithmetic, arrays);
}
int input_type_num(const UfuncSpec& spec, int input, DType arrays, int arrays_type_num);
int out_type_num(const UfuncSpec& spec, int arrays_type_num);

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

// Null if there is no kernel for arrays of that type. Dtypes made with NumPy's new dtype API all have the type number -1.
inline const ActiveKernel* find_kernel(int index, int type_num) {
  if (type_num < 0) return nullptr;
  if (type_num >= NPY_NTYPES_LEGACY) return find_user_kernel(index, type_num);
  const ActiveKernel& kernel = builtin_kernels[index][type_num];
  return kernel.kernel.cached ? &kernel : nullptr;
}

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
