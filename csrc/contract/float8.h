// SPDX-License-Identifier: BSD-3-Clause
//
// Floats of one byte. There are a dozen encodings, so a kernel is given a description of the encoding that it works on.
#pragma once

#include <cstdint>

namespace fastrelu {

// A description, made from the dtype's own casts, so that results round as those do.
struct Float8 {
  static constexpr int max_pieces = 257;  // one per code and one beyond the largest

  // The floats of one sign, by their bits without the sign, in pieces that round to the same code.
  struct Rounding {
    std::uint32_t first[max_pieces];  // where each piece begins, ascending from 0
    std::uint8_t code[max_pieces];
    int pieces;
    std::uint8_t nan;
  };

  float value[256];
  std::uint8_t rank[256];  // larger for larger values; -0 and +0 have one rank, and all NaNs have the highest
  Rounding rounding[2];    // of positive and of negative floats
};

// An element of an array of such floats.
struct Coded8 {
  std::uint8_t code;
};

}  // namespace fastrelu
