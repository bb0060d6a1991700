// SPDX-License-Identifier: BSD-3-Clause
#include "dispatch.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#define FASTRELU_X86_64
#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace fastrelu {

namespace scalar {
extern const Isa isa;
}
namespace sse2 {
extern const Isa isa;
}
namespace avx2 {
extern const Isa isa;
}
namespace avx512 {
extern const Isa isa;
}
namespace neon {
extern const Isa isa;
}

namespace {

bool always() { return true; }

struct Candidate {
  const Isa* isa;
  bool (*runs_here)();
};

#ifdef FASTRELU_X86_64

struct Registers {
  std::uint32_t a, b, c, d;
};

Registers cpuid(std::uint32_t leaf) {
  Registers r{0, 0, 0, 0};
#ifdef _MSC_VER
  int out[4];
  __cpuid(out, 0);
  if (leaf <= static_cast<std::uint32_t>(out[0])) {
    __cpuidex(out, static_cast<int>(leaf), 0);
    std::memcpy(&r, out, sizeof r);
  }
#else
  __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);  // leaves r as it is where the leaf does not exist
#endif
  return r;
}

// The registers that the operating system saves on a context switch. Only legal where cpuid reports OSXSAVE.
std::uint64_t enabled_state() {
#ifdef _MSC_VER
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t(high) << 32) | low;
#endif
}

bool all(std::uint64_t bits, std::uint64_t wanted) { return (bits & wanted) == wanted; }

constexpr std::uint32_t bit(int n) { return std::uint32_t(1) << n; }

// Levels, not single features: a compiler may emit whatever its flags allow.

[[maybe_unused]] bool has_v3() {  // AVX2, FMA, F16C, BMI1, BMI2, MOVBE; LZCNT came with AVX2 in every processor
  constexpr std::uint32_t fma = bit(12), movbe = bit(22), osxsave = bit(27), avx = bit(28), f16c = bit(29);
  constexpr std::uint32_t bmi1 = bit(3), avx2 = bit(5), bmi2 = bit(8);
  constexpr std::uint64_t xmm_ymm = 0x6;
  return all(cpuid(1).c, fma | movbe | osxsave | avx | f16c) && all(cpuid(7).b, bmi1 | avx2 | bmi2) &&
         all(enabled_state(), xmm_ymm);
}

[[maybe_unused]] bool has_v4() {  // AVX-512 F, DQ, CD, BW, VL
  constexpr std::uint32_t f = bit(16), dq = bit(17), cd = bit(28), bw = bit(30), vl = bit(31);
  constexpr std::uint64_t opmask_zmm = 0xe0;
  return has_v3() && all(cpuid(7).b, f | dq | cd | bw | vl) && all(enabled_state(), opmask_zmm);
}

#endif

// Those that this build has.
constexpr Candidate candidates[] = {
#ifdef FASTRELU_HAS_avx512
    {&avx512::isa, has_v4},
#endif
#ifdef FASTRELU_HAS_avx2
    {&avx2::isa, has_v3},
#endif
#ifdef FASTRELU_HAS_sse2
    {&sse2::isa, always},
#endif
#ifdef FASTRELU_HAS_neon
    {&neon::isa, always},
#endif
    {&scalar::isa, always},
};

template <class Predicate> std::vector<const Isa*> collect(Predicate wanted) {
  std::vector<const Isa*> isas;
  for (const Candidate& c : candidates) {
    if (wanted(c)) isas.push_back(c.isa);
  }
  return isas;
}

}  // namespace

const std::vector<const Isa*>& compiled_isas() {
  static const auto isas = collect([](const Candidate&) { return true; });
  return isas;
}

const std::vector<const Isa*>& available_isas() {
  static const auto isas = collect([](const Candidate& c) { return c.runs_here(); });
  return isas;
}

const Isa* find_available(const char* name) {
  const auto& isas = available_isas();
  const auto found = std::find_if(isas.begin(), isas.end(), [&](const Isa* i) { return !std::strcmp(i->name, name); });
  return found == isas.end() ? nullptr : *found;
}

}  // namespace fastrelu
