// SPDX-License-Identifier: BSD-3-Clause
//
// The loop over floats of one byte. It applies the formulas of ops.h to one number at a time or, for arrays that are
// longer than their 256 codes, looks the results up in a table: no instruction set has arithmetic for these types, so
// there are no vectors of them.
#pragma once

#include "../contract/float8.h"
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

// An array's element: its value, and its code, which a selection passes on as it is, NaNs included. Code 0 is +0 in every
// encoding that has a zero; in the one that has none, nothing is dropped.
struct Coded {
  float value;
  std::uint8_t code;
  const Float8* format;
  explicit operator float() const { return value; }
};
inline Coded coded(const Float8& format, std::uint8_t code) { return {format.value[code], code, &format}; }
inline Coded constant(Coded x, float number) { return coded(*x.format, rounded(*x.format, number)); }
// By the sign's bit where there is one, so that a NaN keeps its payload.
inline Coded negated(Coded x) {
  const Coded mirrored = coded(*x.format, x.code ^ 0x80);
  const bool both_nan = x.value != x.value && mirrored.value != mirrored.value && x.code != 0x80;
  return both_nan || mirrored.value == -x.value ? mirrored : constant(x, -x.value);
}

inline bool keep(Coded x) { return keep(x.value); }
inline bool keep_negated(Coded x) { return keep(negated(x)); }
inline bool positive(Coded x) { return positive(x.value); }
inline bool above(Coded x, Coded t) { return above(x.value, t.value); }
inline bool below(Coded x, Coded t) { return below(x.value, t.value); }
inline bool below_positive(Coded x, float t) { return below(x, constant(x, t)); }
inline bool within(Coded x, float t) { return within(x.value, t); }
inline bool stored_beyond(Coded x, float t) { return beyond(x.value, t); }
inline Coded select(bool mask, Coded a, Coded b) { return mask ? a : b; }
inline Coded select_or_zero(bool mask, Coded a) { return mask ? a : Coded{0, 0, a.format}; }

struct Float8Round {
  const Float8& format;
  Coded operator()(float x) const { return coded(format, rounded(format, x)); }
};

// Takes codes of array elements, then parameters as they are stored: codes too, or floats.
template <class Op> struct Float8Function {
  static constexpr bool selects = Op::arithmetic == Arithmetic::selects;
  using Computed = std::conditional_t<selects, Coded, float>;
  using Element = std::conditional_t<selects || Op::as_stored, Coded, float>;
  using Parameter = std::conditional_t<selects, std::uint8_t, float>;

  const Float8& format;

  Element read(std::uint8_t code) const {
    if constexpr (std::is_same_v<Element, Coded>) {
      return coded(format, code);
    } else {
      return format.value[code];
    }
  }
  float read(float parameter) const { return parameter; }

  std::uint8_t code_of(Coded result, std::uint8_t) const { return result.code; }
  // A product with a NaN keeps its payload, which rounding would lose; volatile keeps what the product raised.
  std::uint8_t code_of(float result, std::uint8_t first) const {
    const volatile float computed = result;
    const float factor = format.value[first];
    return Op::scales && factor != factor ? first : rounded(format, computed);
  }

  template <class... Stored> std::uint8_t operator()(std::uint8_t first, Stored... rest) const {
    if constexpr (Op::rounds) {
      return code_of(Op::template apply<Computed>(Float8Round{format}, read(first), read(rest)...), first);
    } else {
      return code_of(Op::template apply<Computed>(read(first), read(rest)...), first);
    }
  }
};

// Two tables of results, indexed by the first array's code. For functions of two arrays side[code of x] says which of the
// two; those of one array use the first.
template <class Op> struct Float8Table {
  static constexpr bool possible = Op::arrays == 1 || (Op::arrays == 2 && (Float8Function<Op>::selects || Op::scales));

  std::uint8_t side[256] = {};
  std::uint8_t result[2][256];

  template <class... Parameter> Float8Table(const Float8& format, const bool* wanted, Parameter... parameter) {
    const Float8Function<Op> function{format};
    for (int i = 0; i < 256; ++i) {
      const auto code = static_cast<std::uint8_t>(i);
      if constexpr (Op::arrays == 1) {
        if (!wanted || wanted[i]) result[0][code] = function(code, parameter...);
      } else if constexpr (Op::scales) {
        side[code] = positive(format.value[code]);
        result[0][code] = function(code, rounded(format, -1), parameter...);
        result[1][code] = function(code, rounded(format, 1), parameter...);
      } else {
        constexpr std::uint8_t dropped = 0, gradient = 1;
        side[code] = function(gradient, code, parameter...) != dropped;
        result[0][code] = dropped;
        result[1][code] = code;
      }
    }
  }
};

inline bool is_moderate(float x) {
  constexpr std::int32_t small = (127 - 60) << 23, large = (127 + 60) << 23;
  return small < magnitude(x) && magnitude(x) < large;
}

// Whether no product with this slope can overflow, underflow or become invalid: a table holds products of numbers that
// the array may not hold, and NumPy would report what they raise.
inline bool is_harmless(const Float8& format, float slope) {
  bool harmless = is_moderate(slope);
  for (const float value : format.value) {
    const bool exact = value == 0 || magnitude(value) >= FloatBits<float>::infinity;
    harmless &= exact || is_moderate(value);
  }
  return harmless;
}

template <class Op> struct Float8Loop {
  using Parameter = typename Float8Function<Op>::Parameter;
  static constexpr int last = Op::arrays - 1, out = Op::inputs;
  static constexpr ptrdiff_t table_from = 512;

  const Float8& format;
  char* const* args;
  const ptrdiff_t* steps;
  ptrdiff_t n;

  std::uint8_t* code(int operand, ptrdiff_t i) const { return at<std::uint8_t>(args[operand], i * steps[operand]); }
  template <std::size_t input> auto stored(ptrdiff_t i) const {
    using Stored = std::conditional_t<(input < Op::arrays), std::uint8_t, Parameter>;
    return *at<Stored>(args[input], i * steps[input]);
  }

  template <std::size_t... input> void compute(std::index_sequence<input...>) const {
    const Float8Function<Op> function{format};
    for (ptrdiff_t i = 0; i < n; ++i) *code(out, i) = function(stored<input>(i)...);
  }

  template <std::size_t... parameter> void look_up(const bool* wanted, std::index_sequence<parameter...>) const {
    const Float8Table<Op> table(format, wanted, stored<Op::arrays + parameter>(0)...);
    // Local copies, because for the compiler a store of a byte may change any member.
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

  // Functions of one array that compute without a parameter ask which codes it holds: others might raise something.
  void look_up() const {
    constexpr std::make_index_sequence<Op::inputs - Op::arrays> parameters;
    if constexpr (Float8Function<Op>::selects || Op::inputs > Op::arrays) {
      look_up(nullptr, parameters);
    } else {
      bool wanted[256] = {};
      for (ptrdiff_t i = 0; i < n; ++i) wanted[*code(0, i)] = true;
      look_up(wanted, parameters);
    }
  }

  bool has_table() const {
    if (n < table_from) return false;
    for (int input = Op::arrays; input < Op::inputs; ++input) {
      if (steps[input] != 0) return false;
    }
    if constexpr (!Float8Function<Op>::selects && Op::inputs > Op::arrays) {
      return is_harmless(format, stored<Op::arrays>(0));
    } else {
      return true;
    }
  }

  void operator()() const {
    if constexpr (Float8Table<Op>::possible) {
      if (has_table()) return look_up();
    }
    compute(std::make_index_sequence<Op::inputs>());
  }
};

template <class Op> void float8_loop(char** args, const ptrdiff_t* dimensions, const ptrdiff_t* steps, void* data) {
  Float8Loop<Op>{*static_cast<const Float8*>(data), args, steps, *dimensions}();
}

}  // namespace fastrelu::FASTRELU_ISA
