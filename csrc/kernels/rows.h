// SPDX-License-Identifier: BSD-3-Clause
//
// The kernels of the instruction set being compiled, for each dtype. Everything here is constant-initialised: code compiled for a
// newer processor must not run at load time.
#pragma once

#include <cstdint>

#include "../contract/kernel.h"
#include "float8_loop.h"
#include "loop.h"
#include "smooth_loop.h"

namespace fastrelu::FASTRELU_ISA {

// Maker::make<T>() for each dtype, T the type in memory.
template <class Maker> constexpr auto per_dtype() {
  return PerDType<decltype(Maker::template make<float>())>{{
#define DTYPE(name, type, ...) Maker::template make<type>(),
#include "../contract/dtypes.inc"
#undef DTYPE
  }};
}

template <class Formula> struct KernelOf {
  template <class T> static constexpr Kernel make() {
    if constexpr (Formula::dtypes == ArrayTypes::integers && !std::is_integral_v<T>) {
      return {};
    } else if constexpr (Formula::arithmetic == Arithmetic::smooth) {
      return {smooth_loop<Formula, T>, nullptr};
    } else if constexpr (std::is_same_v<T, Coded8>) {
      return {float8_loop<Formula>, nullptr};
    } else if constexpr (Formula::plain_for_integers && std::is_integral_v<T>) {
      return plain_kernel<Formula, T>();
    } else {
      return kernel<Formula, T>();
    }
  }
};

// Defined in the units (unit.cpp).
namespace rows {
#define FUNCTION(name, ...) extern const Row name;
#include "../contract/functions.inc"
#undef FUNCTION
}  // namespace rows

}  // namespace fastrelu::FASTRELU_ISA
