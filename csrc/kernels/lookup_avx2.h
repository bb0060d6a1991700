// SPDX-License-Identifier: BSD-3-Clause
//
// 256 entries in sixteen shuffles of sixteen. A shuffle gives 0 where an index is negative, so a row of entries would be
// added for every index at or behind its first: rows are kept as differences (exclusive or) to the row before.
#pragma once

#include "lookup.h"
#include "simd/avx2.h"

namespace fastrelu::FASTRELU_ISA {

template <> struct ByteTable<std::uint8_t> {
  static constexpr bool has_vectors = true;

  __m256i lower[8], upper[8];  // entries 0 to 127, and 128 to 255

  explicit ByteTable(const std::uint8_t* table) {
    fill(lower, table);
    fill(upper, table + 128);
  }

  static void fill(__m256i (&rows)[8], const std::uint8_t* table) {
    __m256i before = _mm256_setzero_si256();
    for (int i = 0; i < 8; ++i) {
      const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * i));
      const __m256i row = _mm256_broadcastsi128_si256(entries);
      rows[i] = _mm256_xor_si256(row, before);
      before = row;
    }
  }

  Vec<std::uint8_t> operator[](Vec<std::uint8_t> index) const {
    const __m256i row = _mm256_set1_epi8(16);
    __m256i below = index.v, above = _mm256_xor_si256(index.v, _mm256_set1_epi8(-128));
    __m256i entries = _mm256_setzero_si256();
    for (int i = 0; i < 8; ++i) {
      entries = _mm256_xor_si256(entries, _mm256_shuffle_epi8(lower[i], below));
      entries = _mm256_xor_si256(entries, _mm256_shuffle_epi8(upper[i], above));
      below = _mm256_subs_epi8(below, row);
      above = _mm256_subs_epi8(above, row);
    }
    return entries;
  }
};

}  // namespace fastrelu::FASTRELU_ISA
