// SPDX-License-Identifier: BSD-3-Clause
//
// The floating-point exceptions that a thread has raised, for kernels whose own steps must not be reported. <cfenv> costs
// ten times more than SSE's status word.
#pragma once

#include <cfenv>
#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace fastrelu::FASTRELU_ISA {

#if defined(__x86_64__) || defined(_M_X64)

constexpr std::uint32_t underflow_flag = _MM_EXCEPT_UNDERFLOW;
constexpr std::uint32_t reported_flags =
    _MM_EXCEPT_INVALID | _MM_EXCEPT_DIV_ZERO | _MM_EXCEPT_OVERFLOW | underflow_flag;

inline std::uint32_t raised_flags() { return _mm_getcsr() & reported_flags; }
inline void lower_flags(std::uint32_t flags) { _mm_setcsr(_mm_getcsr() & ~flags); }

#elif defined(__aarch64__) && defined(__GNUC__)

constexpr std::uint32_t underflow_flag = 1 << 3;
constexpr std::uint32_t reported_flags = 0xf;  // invalid, divide, overflow, underflow

inline std::uint64_t float_status() {
  std::uint64_t status;
  __asm__ volatile("mrs %0, fpsr" : "=r"(status));
  return status;
}
inline std::uint32_t raised_flags() { return static_cast<std::uint32_t>(float_status()) & reported_flags; }
inline void lower_flags(std::uint32_t flags) {
  __asm__ volatile("msr fpsr, %0" : : "r"(float_status() & ~std::uint64_t(flags)));
}

#else

constexpr std::uint32_t underflow_flag = FE_UNDERFLOW;
constexpr std::uint32_t reported_flags = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW;

inline std::uint32_t raised_flags() { return static_cast<std::uint32_t>(std::fetestexcept(reported_flags)); }
inline void lower_flags(std::uint32_t flags) { std::feclearexcept(static_cast<int>(flags)); }

#endif

// Lowers, in the end, the flags that were raised meanwhile.
class QuietSteps {
 public:
  QuietSteps() : before_(raised_flags()) {}
  ~QuietSteps() {
    if (const std::uint32_t raised = newly_raised() & ~kept_) lower_flags(raised);
  }
  QuietSteps(const QuietSteps&) = delete;
  QuietSteps& operator=(const QuietSteps&) = delete;

  std::uint32_t newly_raised() const { return raised_flags() & ~before_; }
  void keep(std::uint32_t flags) { kept_ = flags; }

 private:
  std::uint32_t before_, kept_ = 0;
};

// The same for long double, whose steps may raise flags of x87 too.
class QuietLongSteps {
 public:
  QuietLongSteps() { std::fegetexceptflag(&before_, FE_ALL_EXCEPT); }
  ~QuietLongSteps() { std::fesetexceptflag(&before_, FE_ALL_EXCEPT); }
  QuietLongSteps(const QuietLongSteps&) = delete;
  QuietLongSteps& operator=(const QuietLongSteps&) = delete;

 private:
  std::fexcept_t before_;
};

}  // namespace fastrelu::FASTRELU_ISA
