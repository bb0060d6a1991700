// SPDX-License-Identifier: BSD-3-Clause
//
// The loop over floats of one byte. It applies the formulas of ops.h to one number at a time or, for arrays that are
// longer than their 256 codes, looks the results up in a table: no instruction set has arithmetic for these types, so
// there are no vectors of them.
#pragma once

#include "float8.h"
#include "loop.h"

namespace fastrelu::FASTRELU_ISA {

inline std::uint8_t rounded(const Float8& format, float x) {
  const std::uint32_t word = static_cast<std::uint32_t>(bits(x)), magnitude = word & 0x7fffffff;
  const Float8::Rounding& rounding = format.rounding[word >> 31];
  if (magnitude > 0x7f800000) return rounding.nan;
  int low = 0, high = rounding.pieces;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (rounding.first[middle] <= magnitude ? low : high) = middle;
  }
  return rounding.code[low];
}

// A number that relu and its backward pass on as it is, NaNs included. Code 0 is +0 in every encoding that has a zero;
// in the one that has none, nothing is dropped.
struct Coded {
  float value;
  std::uint8_t code;
};
inline bool keep(Coded x) { return keep(x.value); }
inline Coded select_or_zero(bool mask, Coded a) { return mask ? a : Coded{0, 0}; }

template <class Op, class... Slope> struct Float8Function {
  const Float8& format;

  std::uint8_t code_of(float x) const { return rounded(format, x); }
  static std::uint8_t code_of(Coded x) { return x.code; }
  // A product with a NaN keeps its payload, which rounding would lose; volatile keeps what the product raised.
  std::uint8_t code_of(float product, Coded factor) const {
    const volatile float computed = product;
    return factor.value == factor.value ? rounded(format, computed) : factor.code;
  }

  // Of one array.
  std::uint8_t operator()(std::uint8_t code, Slope... slope) const {
    const float value = format.value[code];
    if constexpr (Op::only_looks_at_x) {
      return code_of(Op::apply(value, slope...));
    } else if constexpr (Op::has_slope) {
      return code_of(Op::apply(value, slope...), Coded{value, code});
    } else {
      return code_of(Op::apply(Coded{value, code}));
    }
  }

  // Of a gradient and what x is.
  std::uint8_t operator()(std::uint8_t grad, float x, Slope... slope) const {
    const float value = format.value[grad];
    if constexpr (Op::has_slope) {
      return code_of(Op::apply(value, x, slope...), Coded{value, grad});
    } else {
      return code_of(Op::apply(Coded{value, grad}, x));
    }
  }
};

// All results: of one array by code; of two by code of the gradient, on both sides of what the function asks of x.
template <class Op, class... Slope> struct Float8Table {
  std::uint8_t side[256] = {};
  std::uint8_t result[2][256];

  Float8Table(const Float8& format, Slope... slope) {
    const Float8Function<Op, Slope...> function{format};
    for (int i = 0; i < 256; ++i) {
      const auto code = static_cast<std::uint8_t>(i);
      if constexpr (Op::arrays == 1) {
        result[0][code] = function(code, slope...);
      } else {
        const float x = format.value[code];
        side[code] = Op::has_slope ? positive(x) : keep(x);
        result[0][code] = function(code, -1.0f, slope...);
        result[1][code] = function(code, 1.0f, slope...);
      }
    }
  }
};

inline bool is_moderate(float x) {
  constexpr std::int32_t small = (127 - 60) << 23, large = (127 + 60) << 23;
  const std::int32_t magnitude = bits(x) & 0x7fffffff;
  return small < magnitude && magnitude < large;
}

// Whether no product with this slope can overflow, underflow or become invalid: a table holds products of numbers that
// the array may not hold, and NumPy would report what they raise.
inline bool is_harmless(const Float8& format, float slope) {
  bool harmless = is_moderate(slope);
  for (const float value : format.value) {
    const bool exact = value == 0 || (bits(value) & 0x7fffffff) >= FloatBits<float>::infinity;
    harmless &= exact || is_moderate(value);
  }
  return harmless;
}

template <class Op> struct Float8Loop {
  static constexpr int last = Op::arrays - 1, slope = Op::arrays, out = Op::arrays + Op::has_slope;
  static constexpr ptrdiff_t table_from = 512;

  const Float8& format;
  char* const* args;
  const ptrdiff_t* steps;
  ptrdiff_t n;

  std::uint8_t* code(int operand, ptrdiff_t i) const { return at<std::uint8_t>(args[operand], i * steps[operand]); }
  float slope_at(ptrdiff_t i) const { return *at<float>(args[slope], i * steps[slope]); }

  template <class... Slope> void compute(ptrdiff_t i, Slope... slope) const {
    const Float8Function<Op, Slope...> function{format};
    if constexpr (Op::arrays == 1) {
      *code(out, i) = function(*code(0, i), slope...);
    } else {
      *code(out, i) = function(*code(0, i), format.value[*code(last, i)], slope...);
    }
  }

  template <class... Slope> void look_up(Slope... slope) const {
    const Float8Table<Op, Slope...> table(format, slope...);
    // In variables of its own: for all the compiler knows, storing a byte may change any member.
    const std::uint8_t *first_code = code(0, 0), *last_code = code(last, 0);
    std::uint8_t* result = code(out, 0);
    const ptrdiff_t first_step = steps[0], last_step = steps[last], out_step = steps[out];
    for (ptrdiff_t i = n; i > 0; --i) {
      const int side = Op::arrays == 1 ? 0 : table.side[*last_code];
      *result = table.result[side][*first_code];
      first_code += first_step;
      last_code += last_step;
      result += out_step;
    }
  }

  void operator()() const {
    const bool is_long = n >= table_from;
    if constexpr (Op::has_slope) {
      if (is_long && steps[slope] == 0 && is_harmless(format, slope_at(0))) return look_up(slope_at(0));
      for (ptrdiff_t i = 0; i < n; ++i) compute(i, slope_at(i));
    } else {
      if (is_long) return look_up();
      for (ptrdiff_t i = 0; i < n; ++i) compute(i);
    }
  }
};

template <class Op> void float8_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
  Float8Loop<Op>{*static_cast<const Float8*>(data), args, steps, *dimensions}();
}

}  // namespace fastrelu::FASTRELU_ISA
