// SPDX-License-Identifier: BSD-3-Clause
//
// Masks a word at a time: 64 bits, the first the lowest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastrelu {

inline constexpr std::ptrdiff_t word_bits = 64;

// Static: each instruction set has its own, and the linker no choice.

static inline std::uint64_t first_bits(std::ptrdiff_t n) {
  return n == word_bits ? ~std::uint64_t(0) : (std::uint64_t(1) << n) - 1;
}

static inline std::ptrdiff_t population(std::uint64_t word) {
#if defined(__POPCNT__) || defined(__aarch64__)
  return __builtin_popcountll(word);
#else
  word -= word >> 1 & 0x5555555555555555;
  word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<std::ptrdiff_t>(word * 0x0101010101010101 >> 56);
#endif
}

static inline std::uint64_t little_endian(std::uint64_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_bswap64(word);
#else
  return word;
#endif
}

static inline void store_word(std::uint8_t* p, std::uint64_t word) {
  word = little_endian(word);
  std::memcpy(p, &word, sizeof word);
}

static inline std::uint64_t load_word(const std::uint8_t* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return little_endian(word);
}

}  // namespace fastrelu
