// SPDX-License-Identifier: BSD-3-Clause
//
// The floating-point exceptions that a kernel raised, as NumPy names them. The caller's own flags are left as they
// were. On x86-64 only SSE's status word is touched: the fast path runs no x87 code, and <cfenv> costs ten times more.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

#include "ufuncs.h"

namespace fastrelu {

#if defined(__x86_64__) || defined(_M_X64)

class FloatStatus {
 public:
  FloatStatus() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ & ~unsigned(_MM_EXCEPT_MASK)); }
  ~FloatStatus() { _mm_setcsr(saved_); }
  FloatStatus(const FloatStatus&) = delete;
  FloatStatus& operator=(const FloatStatus&) = delete;

  int raised() const {
    const unsigned flags = _mm_getcsr();
    return (flags & _MM_EXCEPT_DIV_ZERO ? NPY_FPE_DIVIDEBYZERO : 0) |
           (flags & _MM_EXCEPT_OVERFLOW ? NPY_FPE_OVERFLOW : 0) |
           (flags & _MM_EXCEPT_UNDERFLOW ? NPY_FPE_UNDERFLOW : 0) | (flags & _MM_EXCEPT_INVALID ? NPY_FPE_INVALID : 0);
  }

 private:
  unsigned saved_;
};

#else

class FloatStatus {
 public:
  FloatStatus() {
    std::fegetexceptflag(&saved_, FE_ALL_EXCEPT);
    std::feclearexcept(FE_ALL_EXCEPT);
  }
  ~FloatStatus() { std::fesetexceptflag(&saved_, FE_ALL_EXCEPT); }
  FloatStatus(const FloatStatus&) = delete;
  FloatStatus& operator=(const FloatStatus&) = delete;

  int raised() const {
    const int flags = std::fetestexcept(FE_ALL_EXCEPT);
    return (flags & FE_DIVBYZERO ? NPY_FPE_DIVIDEBYZERO : 0) | (flags & FE_OVERFLOW ? NPY_FPE_OVERFLOW : 0) |
           (flags & FE_UNDERFLOW ? NPY_FPE_UNDERFLOW : 0) | (flags & FE_INVALID ? NPY_FPE_INVALID : 0);
  }

 private:
  std::fexcept_t saved_;
};

#endif

// Runs kernels for the function of that name, and reports what NumPy would. Returns 0, or -1 with an exception set.
template <class Run> int run_reporting(const char* name, Run run) {
  int raised;
  {
    const FloatStatus status;
    run();
    raised = status.raised();
  }
  return raised ? PyUFunc_GiveFloatingpointErrors(name, raised) : 0;
}

// The same, at no cost for ufuncs that raise nothing.
template <class Run> int run_reporting(const UfuncSpec& spec, Run run) {
  if (spec.arithmetic != Arithmetic::selects) return run_reporting(spec.name, run);
  run();
  return 0;
}

}  // namespace fastrelu
