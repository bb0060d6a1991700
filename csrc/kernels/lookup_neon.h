// SPDX-License-Identifier: BSD-3-Clause
//
// 256 entries in four look-ups of 64. A look-up leaves lanes unchanged whose index is out of its range.
#pragma once

#include "lookup.h"
#include "simd/neon.h"

namespace fastrelu::FASTRELU_ISA {

template <> struct ByteTable<std::uint8_t> {
  static constexpr bool has_vectors = true;

  uint8x16x4_t rows[4];

  explicit ByteTable(const std::uint8_t* table) {
    for (int i = 0; i < 4; ++i) {
      for (int k = 0; k < 4; ++k) rows[i].val[k] = vld1q_u8(table + 64 * i + 16 * k);
    }
  }

  Vec<std::uint8_t> operator[](Vec<std::uint8_t> index) const {
    const uint8x16_t row = vdupq_n_u8(64);
    const uint8x16_t second = vsubq_u8(index.v, row), third = vsubq_u8(second, row), fourth = vsubq_u8(third, row);
    uint8x16_t entries = vqtbl4q_u8(rows[0], index.v);
    entries = vqtbx4q_u8(entries, rows[1], second);
    entries = vqtbx4q_u8(entries, rows[2], third);
    return vqtbx4q_u8(entries, rows[3], fourth);
  }
};

}  // namespace fastrelu::FASTRELU_ISA
