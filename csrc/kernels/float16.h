// SPDX-License-Identifier: BSD-3-Clause
//
// The two 16-bit floats as numbers: storage, and conversion from and to float, rounding to nearest even.
#pragma once

#include <cfloat>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace fastrelu::FASTRELU_ISA {

inline std::int32_t bits(float x) {
  std::int32_t b;
  std::memcpy(&b, &x, sizeof b);
  return b;
}

inline std::int64_t bits(double x) {
  std::int64_t b;
  std::memcpy(&b, &x, sizeof b);
  return b;
}

inline float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline double double_of(std::uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// IEEE binary16: 5 bits of exponent, 10 of fraction.
struct Half {
  using Bits = std::int16_t;
  std::uint16_t bits = 0;
  Half() = default;
  explicit Half(float x);
  operator float() const;
};

// The upper half of a float.
struct BFloat16 {
  using Bits = std::int16_t;
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float x);
  operator float() const { return float_of(std::uint32_t(bits) << 16); }
};

template <class T> constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Raise what a conversion in hardware (F16C, AVX-512, NEON) raises; volatile keeps the compiler from knowing better.
inline void raise_overflow() {
  volatile float huge = FLT_MAX;
  huge = huge * huge;
}
inline void raise_underflow() {
  volatile float tiny = FLT_MIN;
  tiny = tiny * tiny;
}
inline void raise_invalid() {
  volatile float nothing = 0;
  nothing = nothing / nothing;
}

inline Half::operator float() const {
  const std::uint32_t sign = std::uint32_t(bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) return float_of(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude >= 0x0400) return float_of(sign | ((magnitude << 13) + ((127 - 15) << 23)));
  const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f;
  return sign ? -subnormal : subnormal;
}

inline Half::Half(float x) {
  constexpr std::uint32_t infinity = 0x7f800000, overflows = 0x477ff000, smallest_normal = 0x38800000;
  const std::uint32_t word = static_cast<std::uint32_t>(fastrelu::FASTRELU_ISA::bits(x));
  const std::uint32_t sign = word >> 16 & 0x8000, magnitude = word & 0x7fffffff;
  std::uint32_t rounded;
  if (magnitude > infinity) {
    rounded = 0x7e00 | (magnitude >> 13 & 0x1ff);
    if (!(magnitude & 0x00400000)) raise_invalid();  // a signalling NaN
  } else if (magnitude >= overflows) {
    rounded = 0x7c00;
    if (magnitude < infinity) raise_overflow();
  } else if (magnitude >= smallest_normal) {
    const std::uint32_t odd = magnitude >> 13 & 1;
    rounded = (magnitude - ((127 - 15) << 23) + 0xfff + odd) >> 13;
  } else {
    // 0.5 has its last bit at 2^-24, half's smallest number: adding it rounds there.
    const float aligned = float_of(magnitude) + 0.5f;
    rounded = static_cast<std::uint32_t>(fastrelu::FASTRELU_ISA::bits(aligned)) - 0x3f000000;
    if (rounded < 0x0400 && aligned - 0.5f != float_of(magnitude)) raise_underflow();
  }
  bits = static_cast<std::uint16_t>(sign | rounded);
}

inline BFloat16::BFloat16(float x) {
  const std::uint32_t word = static_cast<std::uint32_t>(fastrelu::FASTRELU_ISA::bits(x));
  const bool nan = (word & 0x7fffffff) > 0x7f800000;
  const std::uint32_t odd = word >> 16 & 1;
  bits = static_cast<std::uint16_t>((nan ? word | 0x400000 : word + 0x7fff + odd) >> 16);
}

}  // namespace fastrelu::FASTRELU_ISA
