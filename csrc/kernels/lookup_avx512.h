// SPDX-License-Identifier: BSD-3-Clause
//
// 256 entries in four registers. AVX-512BW shuffles words across registers, but not bytes (that is AVX-512VBMI): each word
// holds two entries.
#pragma once

#include "lookup.h"
#include "simd/avx512.h"

namespace fastrelu::FASTRELU_ISA {

template <> struct ByteTable<std::uint8_t> {
  static constexpr bool has_vectors = true;

  __m512i words[4];  // entry i in the lower half of word i, entry 128 + i in its upper half

  explicit ByteTable(const std::uint8_t* table) {
    for (int i = 0; i < 4; ++i) {
      const __m512i upper = words_of(table + 128 + 32 * i);
      words[i] = _mm512_or_si512(words_of(table + 32 * i), _mm512_slli_epi16(upper, 8));
    }
  }

  static __m512i words_of(const std::uint8_t* bytes) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  }

  // For the lower half of each word, both entries that it may mean.
  __m512i pairs(__m512i index) const {
    const __m512i first = _mm512_permutex2var_epi16(words[0], index, words[1]);
    const __m512i second = _mm512_permutex2var_epi16(words[2], index, words[3]);
    return _mm512_mask_mov_epi16(first, _mm512_test_epi16_mask(index, _mm512_set1_epi16(0x40)), second);
  }

  Vec<std::uint8_t> operator[](Vec<std::uint8_t> index) const {
    constexpr __mmask64 odd_bytes = 0xaaaaaaaaaaaaaaaa;
    const __m512i even = pairs(index.v), odd = pairs(_mm512_srli_epi16(index.v, 8));
    const __m512i lower = _mm512_mask_mov_epi8(even, odd_bytes, _mm512_slli_epi16(odd, 8));
    const __m512i upper = _mm512_mask_mov_epi8(_mm512_srli_epi16(even, 8), odd_bytes, odd);
    return _mm512_mask_mov_epi8(lower, _mm512_movepi8_mask(index.v), upper);
  }
};

}  // namespace fastrelu::FASTRELU_ISA
