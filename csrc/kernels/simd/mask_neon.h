// SPDX-License-Identifier: BSD-3-Clause
//
// Masks as bits, and back. NEON has no instruction that collects one bit a lane: each byte keeps the bit that it stands
// for, and their sum is the mask.
#pragma once

#include "neon.h"

namespace fastrelu::FASTRELU_ISA {

template <class V> using LaneMask = Mask;
template <class V> constexpr int lane_bytes = 16 / V::width;
// How many masks become bits together: those of 16 lanes.
template <class V> constexpr int masks_at_once = lane_bytes<V>;

// The masks of 16 lanes as bytes.
template <int count> uint8x16_t narrowed(const Mask* masks) {
  if constexpr (count == 1) {
    return masks->v;
  } else {
    return vuzp1q_u8(narrowed<count / 2>(masks), narrowed<count / 2>(masks + count / 2));
  }
}

inline uint8x16_t byte_weights() { return vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)); }

template <class V> std::uint64_t bits_of(const Mask (&masks)[masks_at_once<V>]) {
  const uint8x16_t weighted = vandq_u8(narrowed<masks_at_once<V>>(masks), byte_weights());
  return vaddv_u8(vget_low_u8(weighted)) | std::uint64_t(vaddv_u8(vget_high_u8(weighted))) << 8;
}

template <class V> Mask mask_of(std::uint64_t bits) {
  if constexpr (lane_bytes<V> == 8) {
    const uint64x2_t weights = vcombine_u64(vcreate_u64(1), vcreate_u64(2));
    return {vreinterpretq_u8_u64(vtstq_u64(vdupq_n_u64(bits), weights))};
  } else if constexpr (lane_bytes<V> == 4) {
    const uint32x4_t weights = vcombine_u32(vcreate_u32(0x0000000200000001), vcreate_u32(0x0000000800000004));
    return {vreinterpretq_u8_u32(vtstq_u32(vdupq_n_u32(static_cast<std::uint32_t>(bits)), weights))};
  } else if constexpr (lane_bytes<V> == 2) {
    const uint16x8_t weights = vcombine_u16(vcreate_u16(0x0008000400020001), vcreate_u16(0x0080004000200010));
    return {vreinterpretq_u8_u16(vtstq_u16(vdupq_n_u16(static_cast<std::uint16_t>(bits)), weights))};
  } else {
    const auto low = static_cast<std::uint8_t>(bits), high = static_cast<std::uint8_t>(bits >> 8);
    return {vtstq_u8(vcombine_u8(vdup_n_u8(low), vdup_n_u8(high)), byte_weights())};
  }
}

template <class B> B larger(B a, B b) { return select(a > b, a, b); }

}  // namespace fastrelu::FASTRELU_ISA
