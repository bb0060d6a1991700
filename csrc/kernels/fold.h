// SPDX-License-Identifier: BSD-3-Clause
//
// Which bits are set in any row of a mask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "../contract/isa.h"
#include "simd/scalar.h"

namespace fastrelu::FASTRELU_ISA {

using std::ptrdiff_t;

// What one load takes: a vector, or a word where there are none.
template <class Byte, bool has_vectors = (Vec<Byte>::width > 1)> struct Piece {
  using Type = Vec<Byte>;
  static Type load(const Byte* p) { return Type::load(p); }
  static void store(Byte* p, Type bits) { bits.store(p); }
};
template <class Byte> struct Piece<Byte, false> {
  using Type = std::uint64_t;
  static Type load(const Byte* p) {
    Type bits;
    std::memcpy(&bits, p, sizeof bits);
    return bits;
  }
  static void store(Byte* p, Type bits) { std::memcpy(p, &bits, sizeof bits); }
};

template <std::size_t... piece> void fold(const std::uint8_t* block, ptrdiff_t rows, ptrdiff_t row_bytes,
                                          std::uint8_t* any, std::index_sequence<piece...>) {
  using P = Piece<std::uint8_t>;
  constexpr std::size_t bytes = sizeof(typename P::Type);
  typename P::Type found[] = {P::load(block + piece * bytes)...};
  for (ptrdiff_t row = 1; row < rows; ++row) {
    block += row_bytes;
    ((found[piece] = found[piece] | P::load(block + piece * bytes)), ...);
  }
  (P::store(any + piece * bytes, found[piece]), ...);
}

// rows > 0
inline void fold_rows(const std::uint8_t* block, ptrdiff_t rows, ptrdiff_t row_bytes, std::uint8_t* any) {
  constexpr std::size_t pieces = folded_bytes / sizeof(Piece<std::uint8_t>::Type);
  fold(block, rows, row_bytes, any, std::make_index_sequence<pieces>());
}

}  // namespace fastrelu::FASTRELU_ISA
