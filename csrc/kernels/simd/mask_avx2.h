// SPDX-License-Identifier: BSD-3-Clause
//
// Masks as bits, and back.
#pragma once

#include "avx2.h"

namespace fastrelu::FASTRELU_ISA {

template <class V> using LaneMask = Mask;
template <class V> constexpr int lane_bytes = 32 / V::width;
// How many masks become bits together.
template <class V> constexpr int masks_at_once = lane_bytes<V> == 2 ? 2 : 1;

template <class V> std::uint64_t bits_of(const Mask (&masks)[masks_at_once<V>]) {
  const __m256i m = masks[0].v;
  if constexpr (lane_bytes<V> == 8) {
    return static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(m)));
  } else if constexpr (lane_bytes<V> == 4) {
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(m)));
  } else if constexpr (lane_bytes<V> == 2) {
    const __m256i bytes = _mm256_packs_epi16(m, masks[1].v);  // within each half of the register
    const __m256i in_order = _mm256_permute4x64_epi64(bytes, _MM_SHUFFLE(3, 1, 2, 0));
    return static_cast<unsigned>(_mm256_movemask_epi8(in_order));
  } else {
    return static_cast<unsigned>(_mm256_movemask_epi8(m));
  }
}

template <class V> Mask mask_of(std::uint64_t bits) {
  if constexpr (lane_bytes<V> == 8) {
    const __m256i weights = _mm256_setr_epi64x(1, 2, 4, 8);
    const __m256i all = _mm256_set1_epi64x(static_cast<std::int64_t>(bits));
    return {_mm256_cmpeq_epi64(_mm256_and_si256(all, weights), weights)};
  } else if constexpr (lane_bytes<V> == 4) {
    const __m256i weights = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i all = _mm256_set1_epi32(static_cast<std::int32_t>(bits));
    return {_mm256_cmpeq_epi32(_mm256_and_si256(all, weights), weights)};
  } else if constexpr (lane_bytes<V> == 2) {
    const __m256i weights =
        _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, INT16_MIN);
    const __m256i all = _mm256_set1_epi16(static_cast<std::int16_t>(bits));
    return {_mm256_cmpeq_epi16(_mm256_and_si256(all, weights), weights)};
  } else {
    const __m256i byte_of_lane = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i weights = _mm256_set1_epi64x(static_cast<std::int64_t>(0x8040201008040201));
    const __m256i all = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<std::int32_t>(bits)), byte_of_lane);
    return {_mm256_cmpeq_epi8(_mm256_and_si256(all, weights), weights)};
  }
}

inline Vec<std::int16_t> larger(Vec<std::int16_t> a, Vec<std::int16_t> b) { return _mm256_max_epi16(a.v, b.v); }
inline Vec<std::int32_t> larger(Vec<std::int32_t> a, Vec<std::int32_t> b) { return _mm256_max_epi32(a.v, b.v); }
inline Vec<std::int64_t> larger(Vec<std::int64_t> a, Vec<std::int64_t> b) { return select(a > b, a, b); }

}  // namespace fastrelu::FASTRELU_ISA
