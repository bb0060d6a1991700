// SPDX-License-Identifier: BSD-3-Clause
//
// The functions that kernels compute element by element, each of them a ufunc (functions.inc lists them).
#pragma once

#include "dtype.h"

namespace fastrelu {

enum class Op {
#define FUNCTION(name, ...) name,
#include "functions.inc"
#undef FUNCTION
};

inline constexpr int max_operands = 5;  // a gradient, x, two parameters, the output

// What a function does to numbers, which decides its types and what it may report.
enum class Arithmetic {
  selects,     // passes bits on or replaces them: never reports anything; parameters and result are of the arrays' type
  adds,        // step by step in the arrays' type, integers too
  multiplies,  // in the slope's type, rounded once; integers give float64
  smooth,      // rounded correctly (kernels/smooth.h), then as for multiplies
};

constexpr bool gives_floats(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::multiplies || arithmetic == Arithmetic::smooth;
}

// The dtypes that a function's arrays may have.
enum class ArrayTypes { all, integers };

// The elements that an activity log counts as active: those of x for which predicates.h's keep or positive is true, or
// those whose result is not <= 0.
enum class Watched { no, by_keep, by_positive, by_result };

// A parameter: it may be given by keyword and, if it has a default, be left out.
struct Parameter {
  const char* name = nullptr;
  bool has_default = false;
  double default_value = 0;
};

constexpr Parameter required(const char* name) { return {name, false, 0}; }
constexpr Parameter optional(const char* name, double default_value) { return {name, true, default_value}; }

inline constexpr Parameter negative_slope = optional("negative_slope", 0.01), alpha = optional("alpha", 1);
inline constexpr Parameter min_val = optional("min_val", -1), max_val = optional("max_val", 1);
inline constexpr Parameter threshold = required("threshold");

inline constexpr int max_parameters = 2;

struct Parameters {
  Parameter each[max_parameters] = {};
  int count = 0;

  constexpr Parameters() = default;
  constexpr Parameters(Parameter only) : each{only}, count(1) {}
  constexpr Parameters(Parameter first, Parameter second) : each{first, second}, count(2) {}
  constexpr const Parameter& operator[](int i) const { return each[i]; }
};

// What a call's parameters must be, whatever its arrays are.
enum class Check {
  none,
  ordered,       // the first is not above the second
  not_negative,  // the first
  positive,      // the first
};

// A row of functions.inc, which explains the columns.
struct Traits {
  const char* name;
  int arrays;
  Parameters parameters;
  Check check;
  int dense_inputs;
  Arithmetic arithmetic;
  ArrayTypes dtypes;
  int weight;
  Watched watched;

  constexpr int inputs() const { return arrays + parameters.count; }
};

inline constexpr Traits traits[] = {
// clang-format off
#define FUNCTION(name, formula, arrays, parameters, check, dense_inputs, arithmetic, dtypes, weight, watched) \
  {#name, arrays, Parameters parameters, Check::check, dense_inputs, Arithmetic::arithmetic, ArrayTypes::dtypes, weight, Watched::watched},
// clang-format on
#include "functions.inc"
#undef FUNCTION
};
inline constexpr int op_count = sizeof traits / sizeof *traits;

constexpr const Traits& traits_of(Op op) { return traits[static_cast<int>(op)]; }

// How many times longer a byte takes than it takes relu on float32.
constexpr int weight_of(Op op, DType dtype) {
  const Weights& weights = weights_of(dtype);
  return traits_of(op).weight * (traits_of(op).arithmetic == Arithmetic::selects ? weights.selects : weights.computes);
}

// The type of the slope, and of a leaky function's result.
constexpr DType slope_dtype(DType x) {
  switch (x) {
    case DType::float8:
    case DType::float16:
    case DType::bfloat16:
    case DType::float32: return DType::float32;
    case DType::longdouble: return x;
    default: return DType::float64;
  }
}

constexpr DType parameter_dtype(Arithmetic arithmetic, DType x) {
  return gives_floats(arithmetic) ? slope_dtype(x) : x;
}

}  // namespace fastrelu
