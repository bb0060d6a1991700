// SPDX-License-Identifier: BSD-3-Clause
//
// Masks as bits, and back.
#pragma once

#include "sse2.h"

namespace fastrelu::FASTRELU_ISA {

template <class V> using LaneMask = Mask;
template <class V> constexpr int lane_bytes = 16 / V::width;
// How many masks become bits together.
template <class V> constexpr int masks_at_once = lane_bytes<V> == 8 ? 2 : lane_bytes<V>;

template <class V> std::uint64_t bits_of(const Mask (&masks)[masks_at_once<V>]) {
  const __m128i m = masks[0].v;
  if constexpr (lane_bytes<V> == 8) {
    const __m128 words = _mm_shuffle_ps(_mm_castsi128_ps(m), _mm_castsi128_ps(masks[1].v), _MM_SHUFFLE(2, 0, 2, 0));
    return static_cast<unsigned>(_mm_movemask_ps(words));
  } else if constexpr (lane_bytes<V> == 4) {
    const __m128i low = _mm_packs_epi32(m, masks[1].v), high = _mm_packs_epi32(masks[2].v, masks[3].v);
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
  } else if constexpr (lane_bytes<V> == 2) {
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(m, masks[1].v)));
  } else {
    return static_cast<unsigned>(_mm_movemask_epi8(m));
  }
}

template <class V> Mask mask_of(std::uint64_t bits) {
  if constexpr (lane_bytes<V> == 8) {
    const __m128i weights = _mm_setr_epi32(1, 1, 2, 2);
    const __m128i all = _mm_set1_epi32(static_cast<std::int32_t>(bits));
    return {_mm_cmpeq_epi32(_mm_and_si128(all, weights), weights)};
  } else if constexpr (lane_bytes<V> == 4) {
    const __m128i weights = _mm_setr_epi32(1, 2, 4, 8);
    const __m128i all = _mm_set1_epi32(static_cast<std::int32_t>(bits));
    return {_mm_cmpeq_epi32(_mm_and_si128(all, weights), weights)};
  } else if constexpr (lane_bytes<V> == 2) {
    const __m128i weights = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128);
    const __m128i all = _mm_set1_epi16(static_cast<std::int16_t>(bits));
    return {_mm_cmpeq_epi16(_mm_and_si128(all, weights), weights)};
  } else {
    const __m128i weights = _mm_set1_epi64x(static_cast<std::int64_t>(0x8040201008040201));
    const __m128i two = _mm_cvtsi32_si128(static_cast<std::int32_t>(bits));
    const __m128i pairs = _mm_unpacklo_epi8(two, two), fours = _mm_unpacklo_epi16(pairs, pairs);
    const __m128i all = _mm_unpacklo_epi32(fours, fours);
    return {_mm_cmpeq_epi8(_mm_and_si128(all, weights), weights)};
  }
}

inline Vec<std::int16_t> larger(Vec<std::int16_t> a, Vec<std::int16_t> b) { return _mm_max_epi16(a.v, b.v); }
template <class B> B larger(B a, B b) { return select(a > b, a, b); }

}  // namespace fastrelu::FASTRELU_ISA
