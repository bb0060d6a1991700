// SPDX-License-Identifier: BSD-3-Clause
//
// Masks are bits already.
#pragma once

#include "avx512.h"

namespace fastrelu::FASTRELU_ISA {

template <int width> struct BitsOfWidth;
template <> struct BitsOfWidth<8> {
  using Type = __mmask8;
};
template <> struct BitsOfWidth<16> {
  using Type = __mmask16;
};
template <> struct BitsOfWidth<32> {
  using Type = __mmask32;
};
template <> struct BitsOfWidth<64> {
  using Type = __mmask64;
};

template <class V> using LaneMask = typename BitsOfWidth<V::width>::Type;
template <class V> constexpr int masks_at_once = 1;

template <class V> std::uint64_t bits_of(const LaneMask<V> (&masks)[1]) { return masks[0]; }
template <class V> LaneMask<V> mask_of(std::uint64_t bits) { return static_cast<LaneMask<V>>(bits); }
inline Vec<std::int16_t> larger(Vec<std::int16_t> a, Vec<std::int16_t> b) { return _mm512_max_epi16(a.v, b.v); }
inline Vec<std::int32_t> larger(Vec<std::int32_t> a, Vec<std::int32_t> b) { return _mm512_max_epi32(a.v, b.v); }
inline Vec<std::int64_t> larger(Vec<std::int64_t> a, Vec<std::int64_t> b) { return _mm512_max_epi64(a.v, b.v); }

#ifdef __GNUC__
inline void conceal(__m512i& v) { __asm__("" : "+v"(v)); }
inline void conceal(__m512& v) { __asm__("" : "+v"(v)); }
inline void conceal(__m512d& v) { __asm__("" : "+v"(v)); }
template <class T> void conceal(Vec<T>& x) { conceal(x.v); }
#else
template <class V> void conceal(V&) {}
#endif

// GCC would load a vector a second time, to select from it while loading, which costs a tenth in the caches.
template <class V> V loaded_once(V x) {
  conceal(x);
  return x;
}

}  // namespace fastrelu::FASTRELU_ISA
