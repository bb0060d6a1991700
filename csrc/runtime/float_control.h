// SPDX-License-Identifier: BSD-3-Clause
//
// Carries a thread's floating-point control word (rounding, exception masks, flushing of denormals) to another thread,
// and the exceptions raised there back. <cfenv> serves only where nothing better is known: on x86-64 its feraiseexcept
// may set x87's flag for what SSE raised, on aarch64 it computes to raise, and neither knows of denormals.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#elif !(defined(__aarch64__) && defined(__GNUC__))
#include <cfenv>
#endif

#include <cstdint>

namespace fastrelu {

#if defined(__x86_64__) || defined(_M_X64)

// Exceptions are the same six bits in SSE's and x87's status words. long double is the only type that needs x87, and
// MSVC has no such type.
class FloatControl {
 public:
  // Captures the calling thread's.
  FloatControl() : sse_(_mm_getcsr() & ~unsigned(_MM_EXCEPT_MASK)) {
#ifdef __GNUC__
    __asm__ volatile("fnstcw %0" : "=m"(x87_));
#endif
  }

  // Makes it the calling thread's, with no exception raised yet.
  void install() const {
    _mm_setcsr(sse_);
#ifdef __GNUC__
    __asm__ volatile("fnclex\n\tfldcw %0" : : "m"(x87_));
#endif
  }

  // What the calling thread has raised.
  static std::uint32_t raised() { return (_mm_getcsr() & _MM_EXCEPT_MASK) | raised_in_x87() << x87_shift; }

  // Raises that in the calling thread, beside what it has raised itself. Does not trap.
  static void add(std::uint32_t exceptions) {
    const std::uint32_t sse = exceptions & _MM_EXCEPT_MASK, x87 = exceptions >> x87_shift;
    if (sse) _mm_setcsr(_mm_getcsr() | sse);
    if (x87 & ~raised_in_x87()) add_to_x87(x87);
  }

 private:
  static constexpr int x87_shift = 8;

#ifdef __GNUC__
  struct Environment {  // as fnstenv stores it
    std::uint32_t control, status, others[5];
  };

  static std::uint32_t raised_in_x87() {
    std::uint16_t status;
    __asm__ volatile("fnstsw %0" : "=a"(status));
    return status & _MM_EXCEPT_MASK;
  }

  static void add_to_x87(std::uint32_t exceptions) {
    Environment environment;
    __asm__ volatile("fnstenv %0" : "=m"(environment));
    environment.status |= exceptions;
    __asm__ volatile("fldenv %0" : : "m"(environment));
  }

  std::uint16_t x87_;
#else
  static std::uint32_t raised_in_x87() { return 0; }
  static void add_to_x87(std::uint32_t) {}
#endif

  std::uint32_t sse_;
};

#elif defined(__aarch64__) && defined(__GNUC__)

class FloatControl {
 public:
  FloatControl() { __asm__ volatile("mrs %0, fpcr" : "=r"(control_)); }

  void install() const { __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(control_), "r"(std::uint64_t(0))); }

  static std::uint32_t raised() { return status() & exceptions_mask; }

  static void add(std::uint32_t exceptions) {
    if (exceptions) __asm__ volatile("msr fpsr, %0" : : "r"(std::uint64_t(status() | exceptions)));
  }

 private:
  static constexpr std::uint32_t exceptions_mask = 0x9f;  // input denormal, inexact, underflow, overflow, /0, invalid

  static std::uint32_t status() {
    std::uint64_t bits;
    __asm__ volatile("mrs %0, fpsr" : "=r"(bits));
    return static_cast<std::uint32_t>(bits);
  }

  std::uint64_t control_;
};

#else

class FloatControl {
 public:
  FloatControl() { std::fegetenv(&environment_); }

  void install() const {
    std::fesetenv(&environment_);
    std::feclearexcept(FE_ALL_EXCEPT);
  }

  static std::uint32_t raised() { return static_cast<std::uint32_t>(std::fetestexcept(FE_ALL_EXCEPT)); }

  static void add(std::uint32_t exceptions) {
    if (exceptions) std::feraiseexcept(static_cast<int>(exceptions));
  }

 private:
  std::fenv_t environment_;
};

#endif

}  // namespace fastrelu
