// SPDX-License-Identifier: BSD-3-Clause
//
// Masks are bits already.
#pragma once

#include "avx512.h"

namespace fastrelu::FASTRELU_ISA {

template <class V> using LaneMask =
    std::conditional_t<V::width <= 16, std::conditional_t<V::width == 8, __mmask8, __mmask16>,
                       std::conditional_t<V::width == 32, __mmask32, __mmask64>>;
template <class V> constexpr int masks_at_once = 1;

template <class V> std::uint64_t bits_of(const LaneMask<V> (&masks)[1]) { return masks[0]; }
template <class V> LaneMask<V> mask_of(std::uint64_t bits) { return static_cast<LaneMask<V>>(bits); }
inline Vec<std::int16_t> larger(Vec<std::int16_t> a, Vec<std::int16_t> b) { return _mm512_max_epi16(a.v, b.v); }
inline Vec<std::int32_t> larger(Vec<std::int32_t> a, Vec<std::int32_t> b) { return _mm512_max_epi32(a.v, b.v); }
inline Vec<std::int64_t> larger(Vec<std::int64_t> a, Vec<std::int64_t> b) { return _mm512_max_epi64(a.v, b.v); }

}  // namespace fastrelu::FASTRELU_ISA
