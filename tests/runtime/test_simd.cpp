// SPDX-License-Identifier: BSD-3-Clause
//
// The vectors of one instruction set, lane by lane and bit by bit against plain numbers. test_simd.py compiles this program
// once per instruction set, as kernels are compiled, and runs it on processors that have it, real and emulated ones.
//
// An instruction set to come needs a row in `instruction_sets`. Then each operation in the lists below has to be there, for
// the lane types that its `of` names, and to be right, before a kernel uses it. The plain numbers that kernels compute with
// at the ends of arrays go through the same checks.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cfenv>
#include <cinttypes>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include FASTRELU_SIMD

namespace fastrelu::FASTRELU_ISA::test {
namespace {

struct InstructionSet {
  std::string_view name;
  int bytes;       // of a vector; 0: there are plain numbers alone
  bool partial;    // can load and store the first n lanes alone
  bool streaming;  // has non-temporal stores
};

constexpr InstructionSet instruction_sets[] = {
    {"scalar", 0, false, false}, {"sse2", 16, false, true},  {"avx2", 32, false, true},
    {"avx512", 64, true, true},  {"neon", 16, false, false},
};

constexpr int row_of(std::string_view name) {
  int row = 0;
  for (const InstructionSet& each : instruction_sets) {
    if (each.name == name) return row;
    ++row;
  }
  return -1;
}
static_assert(row_of(FASTRELU_NAME) >= 0, "instruction_sets has no row for this one");
constexpr InstructionSet tested = instruction_sets[row_of(FASTRELU_NAME)];

constexpr int most_bytes = 64, most_lanes = 64;  // of a vector

// Lane types. Lanes are compared as words: their bits, followed by zeros.

using Word = std::uint64_t;

struct LaneType {
  const char* name;
  int bytes;
  int fraction_bits;  // of a float; an integer has none

  constexpr bool is_float() const { return fraction_bits > 0; }
  constexpr Word sign() const { return Word(1) << (8 * bytes - 1); }
  constexpr Word smallest_normal() const { return Word(1) << fraction_bits; }
  constexpr Word infinity() const { return sign() - smallest_normal(); }
  constexpr Word quiet() const { return smallest_normal() >> 1; }
  constexpr Word one() const { return is_float() ? (infinity() >> 1) & ~quiet() : 1; }
  constexpr int bias() const { return static_cast<int>(one() >> fraction_bits); }
  constexpr bool is_nan(Word x) const { return is_float() && (x & ~sign()) > infinity(); }
  constexpr bool is_signalling(Word x) const { return is_nan(x) && !(x & quiet()); }
};

template <class T> constexpr LaneType type_of{"", 0, 0};
template <> constexpr LaneType type_of<bool>{"bool", 1, 0};
template <> constexpr LaneType type_of<std::int8_t>{"int8", 1, 0};
template <> constexpr LaneType type_of<std::uint8_t>{"uint8", 1, 0};
template <> constexpr LaneType type_of<std::int16_t>{"int16", 2, 0};
template <> constexpr LaneType type_of<std::uint16_t>{"uint16", 2, 0};
template <> constexpr LaneType type_of<std::int32_t>{"int32", 4, 0};
template <> constexpr LaneType type_of<std::uint32_t>{"uint32", 4, 0};
template <> constexpr LaneType type_of<std::int64_t>{"int64", 8, 0};
template <> constexpr LaneType type_of<std::uint64_t>{"uint64", 8, 0};
template <> constexpr LaneType type_of<Half>{"Half", 2, 10};
template <> constexpr LaneType type_of<BFloat16>{"BFloat16", 2, 7};
template <> constexpr LaneType type_of<float>{"float", 4, 23};
template <> constexpr LaneType type_of<double>{"double", 8, 52};

Word word_at(const void* lanes, int lane, int bytes) {
  Word word = 0;
  std::memcpy(&word, static_cast<const char*>(lanes) + lane * bytes, static_cast<std::size_t>(bytes));
  return word;
}
void set_word(void* lanes, int lane, int bytes, Word word) {
  std::memcpy(static_cast<char*>(lanes) + lane * bytes, &word, static_cast<std::size_t>(bytes));
}

template <class T> Word word_of(T x) { return word_at(&x, 0, sizeof x); }
template <class T> T number_of(Word word) {
  T x;
  set_word(&x, 0, sizeof x, word);
  return x;
}

template <class T> using Integer = std::conditional_t<
    sizeof(T) == 1, std::int8_t,
    std::conditional_t<sizeof(T) == 2, std::int16_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>>>;

// V is a vector, or a plain number of the same lane type.
template <class V> struct Traits {
  using Lane = V;
  using Mask = bool;
  static constexpr bool is_vector = false;
  static constexpr int width = 1;
};
template <class T> struct Traits<Vec<T>> {
  using Lane = T;
  using Mask = decltype(std::declval<Vec<Integer<T>>>() != std::declval<Vec<Integer<T>>>());
  static constexpr bool is_vector = true;
  static constexpr int width = Vec<T>::width;
};
template <class V> using LaneOf = typename Traits<V>::Lane;
template <class V> using MaskOf = typename Traits<V>::Mask;
template <class V> constexpr bool is_vector = Traits<V>::is_vector;
template <class V> constexpr int width_of = Traits<V>::width;
template <class V> constexpr bool of_integers = std::is_integral_v<LaneOf<V>>;
template <class V> constexpr bool of_signed = of_integers<V> && std::is_signed_v<LaneOf<V>>;
template <class V> constexpr bool of_floats = std::is_floating_point_v<LaneOf<V>>;
template <class V> constexpr bool of_halves = is_half<LaneOf<V>>;

// Values

class Random {  // the same numbers on every processor
 public:
  Word word() {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return state_ >> 32 | state_ << 32;
  }

 private:
  Word state_ = 1;
};

std::vector<Word> special_integers(int bits) {
  const Word top = Word(1) << (bits - 1), middle = Word(1) << (bits / 2);
  std::vector<Word> words = {0, 1, 2, 3, ~Word(0), ~Word(1), top, top + 1, top - 1, top - 2, 0x5555555555555555};
  // Where the halves of a lane are compared or added by themselves
  for (const Word word : {middle, middle - 1, middle / 2, middle / 2 - 1, ~(middle / 2), top + middle / 2}) {
    words.push_back(word);
  }
  Random random;
  for (int i = 0; i < 6; ++i) words.push_back(random.word());
  for (Word& word : words) word &= top | (top - 1);
  return words;
}

std::vector<Word> special_floats(const LaneType& t) {
  std::vector<Word> words = {0,
                             1,
                             t.smallest_normal() - 1,
                             t.smallest_normal(),
                             t.one(),
                             t.one() + 1,
                             t.one() | t.quiet(),
                             t.one() + t.smallest_normal(),
                             t.infinity() - 1,
                             t.infinity()};
  for (const Word nan : {Word(1), t.quiet() - 1, t.quiet(), t.quiet() | 5}) words.push_back(t.infinity() | nan);
  Random random;
  for (int i = 0; i < 3; ++i) words.push_back(random.word() & (t.sign() - 1));
  for (std::size_t i = 0, n = words.size(); i < n; ++i) words.push_back(words[i] | t.sign());
  return words;
}

std::vector<Word> special_values(const LaneType& t) {
  return t.is_float() ? special_floats(t) : special_integers(8 * t.bytes);
}

// Reports

constexpr int reported_exceptions = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW;  // those that NumPy reads
constexpr int most_reported = 3;                                                             // of one check

struct Check {
  const char* operation = "";
  const char* lane_type = "";
  bool of_vectors = false;
  int failures = 0;
} current;
int checks = 0, failed_checks = 0;
std::int64_t lanes_compared = 0;

void begin(const char* operation, const LaneType& lane, bool of_vectors) {
  current = {operation, lane.name, of_vectors, 0};
  ++checks;
}

void print_current() {
  std::printf("%s: %s%s%s, %s: ", FASTRELU_NAME, current.of_vectors ? "Vec<" : "", current.lane_type,
              current.of_vectors ? ">" : "", current.operation);
}

// Counts a failure; whether it is to be printed.
bool fails() {
  failed_checks += current.failures == 0;
  if (++current.failures > most_reported) return false;
  print_current();
  return true;
}

void fail(const char* reason) {
  if (fails()) std::printf("%s\n", reason);
}

void fail_lane(int lane, Word got, Word expected, Word a, Word b) {
  if (!fails()) return;
  std::printf("lane %d of %#" PRIx64 " and %#" PRIx64 " is %#" PRIx64 ", not %#" PRIx64 "\n", lane, a, b, got,
              expected);
}

void print_exceptions(int exceptions) {
  std::printf("%s%s%s%s%s", exceptions & FE_INVALID ? " invalid" : "", exceptions & FE_DIVBYZERO ? " divide" : "",
              exceptions & FE_OVERFLOW ? " overflow" : "", exceptions & FE_UNDERFLOW ? " underflow" : "",
              exceptions ? "" : " nothing");
}

// Since std::feclearexcept.
void check_exceptions(int required, int allowed, Word first_lane) {
  const int raised = std::fetestexcept(reported_exceptions);
  if ((raised & required) == required && !(raised & ~(required | allowed))) return;
  if (!fails()) return;
  std::printf("raised");
  print_exceptions(raised);
  std::printf(", not");
  print_exceptions(required);
  std::printf(", in a vector that begins with %#" PRIx64 "\n", first_lane);
}

extern "C" void report_fault(int signal) {
  print_current();
  std::printf(signal == SIGILL ? "illegal instruction\n" : "touches memory that it must not\n");
  std::fflush(stdout);
  _exit(1);
}

// Operations on registers: `apply` is what kernels call, with vectors or with numbers; `expected` is what a lane has to be
// then. Those of one operand ignore b, and most ignore the mask. `of`: which V must have the operation.

struct Arithmetic {
  static constexpr bool is_silent = false;  // raises what plain numbers raise
  template <class V> static constexpr bool of = of_integers<V> || of_floats<V>;
};
struct Bitwise {
  static constexpr bool is_silent = true;
  template <class V> static constexpr bool of = of_integers<V>;
};
struct Selection {
  static constexpr bool is_silent = true;
  template <class V> static constexpr bool of = true;
};

struct Plus : Arithmetic {
  static constexpr const char* name = "plus";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(V(a + b)) { return plus(a, b); }
  template <class T> static T expected(T a, T b, bool) {
    if constexpr (of_integers<T>) return static_cast<T>(Word(a) + Word(b));
    return static_cast<T>(a + b);
  }
};

struct Minus : Arithmetic {
  static constexpr const char* name = "minus";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(V(a - b)) { return minus(a, b); }
  template <class T> static T expected(T a, T b, bool) {
    if constexpr (of_integers<T>) return static_cast<T>(Word(a) - Word(b));
    return static_cast<T>(a - b);
  }
};

struct Times : Arithmetic {
  static constexpr const char* name = "times";
  template <class V> static constexpr bool of = of_floats<V> || (of_integers<V> && !is_vector<V>);
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(V(a * b)) { return times(a, b); }
  template <class T> static T expected(T a, T b, bool) {
    if constexpr (of_integers<T>) return static_cast<T>(Word(a) * Word(b));
    return static_cast<T>(a * b);
  }
};

struct DividedBy : Arithmetic {
  static constexpr const char* name = "/";
  template <class V> static constexpr bool of = of_floats<V>;
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(a / b) { return a / b; }
  template <class T> static T expected(T a, T b, bool) { return a / b; }
};

struct Negated : Selection {
  static constexpr const char* name = "negated";
  template <class V, class M> static auto apply(V a, V, M) -> decltype(negated(a)) { return negated(a); }
  template <class T> static T expected(T a, T, bool) {
    return number_of<T>(of_integers<T> ? 0 - word_of(a) : word_of(a) ^ type_of<T>.sign());
  }
};

struct Signs : Bitwise {
  static constexpr const char* name = "signs";
  template <class V> static constexpr bool of = of_signed<V> && sizeof(LaneOf<V>) > 1;
  template <class V, class M> static auto apply(V a, V, M) -> decltype(signs(a)) { return signs(a); }
  template <class T> static T expected(T a, T, bool) { return a < 0 ? T(-1) : T(0); }
};

struct And : Bitwise {
  static constexpr const char* name = "&";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(V(a & b)) { return static_cast<V>(a & b); }
  template <class T> static T expected(T a, T b, bool) { return number_of<T>(word_of(a) & word_of(b)); }
};

struct Or : Bitwise {
  static constexpr const char* name = "|";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(V(a | b)) { return static_cast<V>(a | b); }
  template <class T> static T expected(T a, T b, bool) { return number_of<T>(word_of(a) | word_of(b)); }
};

struct ExclusiveOr : Bitwise {
  static constexpr const char* name = "^";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(V(a ^ b)) { return static_cast<V>(a ^ b); }
  template <class T> static T expected(T a, T b, bool) { return number_of<T>(word_of(a) ^ word_of(b)); }
};

struct Greater : Bitwise {  // vectors compare all integers as signed ones
  static constexpr const char* name = ">";
  template <class V> static constexpr bool of = of_signed<V> || (of_integers<V> && is_vector<V>);
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(a > b) { return a > b; }
  template <class T> static bool expected(T a, T b, bool) { return Integer<T>(a) > Integer<T>(b); }
};

struct NotEqual : Bitwise {
  static constexpr const char* name = "!=";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(a != b) { return a != b; }
  template <class T> static bool expected(T a, T b, bool) { return word_of(a) != word_of(b); }
};

struct MaskAnd : Bitwise {
  static constexpr const char* name = "mask & mask";
  template <class V, class M> static auto apply(V a, V b, M m) -> decltype((a != b) & m) { return (a != b) & m; }
  template <class T> static bool expected(T a, T b, bool m) { return word_of(a) != word_of(b) && m; }
};

struct MaskOr : Bitwise {
  static constexpr const char* name = "mask | mask";
  template <class V, class M> static auto apply(V a, V b, M m) -> decltype((a != b) | m) { return (a != b) | m; }
  template <class T> static bool expected(T a, T b, bool m) { return word_of(a) != word_of(b) || m; }
};

struct Select : Selection {
  static constexpr const char* name = "select";
  template <class V, class M> static auto apply(V a, V b, M m) -> decltype(select(m, a, b)) { return select(m, a, b); }
  template <class T> static T expected(T a, T b, bool m) { return number_of<T>(word_of(m ? a : b)); }
};

struct SelectOrZero : Selection {
  static constexpr const char* name = "select_or_zero";
  template <class V, class M> static auto apply(V a, V, M m) -> decltype(select_or_zero(m, a)) {
    return select_or_zero(m, a);
  }
  template <class T> static T expected(T a, T, bool m) { return number_of<T>(m ? word_of(a) : 0); }
};

struct ZeroOrSelect : Selection {
  static constexpr const char* name = "zero_or_select";
  template <class V> static constexpr bool of = is_vector<V> || std::is_same_v<V, double>;
  template <class V, class M> static auto apply(V a, V, M m) -> decltype(zero_or_select(m, a)) {
    return zero_or_select(m, a);
  }
  template <class T> static T expected(T a, T, bool m) { return number_of<T>(m ? 0 : word_of(a)); }
};

// What smooth functions compute with doubles. They take back what their steps raise.

struct OfDoubles {
  static constexpr bool is_silent = false, may_raise = true;
  template <class V> static constexpr bool of = std::is_same_v<LaneOf<V>, double>;
};
struct BitsOfDoubles : Selection {
  template <class V> static constexpr bool of = std::is_same_v<LaneOf<V>, double>;
};

// A bound is a number. A NaN passes, but may become quiet, and of two zeros either is the result.
struct AtLeast : OfDoubles {
  static constexpr const char* name = "at_least";
  template <class V, class M> static auto apply(V x, V bound, M) -> decltype(at_least(x, bound)) {
    return at_least(x, select(unordered(bound), V(1.0), bound));
  }
  template <class T> static T expected(T x, T bound, bool) {
    const T number = std::isnan(bound) ? 1 : bound;
    return std::isless(x, number) ? number : x;
  }
  struct Or {
    template <class T> static T expected(T x, T bound, bool) {
      if (std::isnan(x)) return number_of<T>(word_of(x) | type_of<T>.quiet());
      const T number = std::isnan(bound) ? 1 : bound;
      return std::isgreater(x, number) ? x : number;
    }
  };
};

struct AtMost : OfDoubles {
  static constexpr const char* name = "at_most";
  template <class V, class M> static auto apply(V x, V bound, M) -> decltype(at_most(x, bound)) {
    return at_most(x, select(unordered(bound), V(1.0), bound));
  }
  template <class T> static T expected(T x, T bound, bool) {
    const T number = std::isnan(bound) ? 1 : bound;
    return std::isgreater(x, number) ? number : x;
  }
  struct Or {
    template <class T> static T expected(T x, T bound, bool) {
      if (std::isnan(x)) return number_of<T>(word_of(x) | type_of<T>.quiet());
      const T number = std::isnan(bound) ? 1 : bound;
      return std::isless(x, number) ? x : number;
    }
  };
};

struct MultiplyAdd : OfDoubles {  // fused or not
  static constexpr const char* name = "multiply_add";
  template <class V, class M> static auto apply(V a, V b, M m) -> decltype(multiply_add(a, b, a)) {
    return multiply_add(a, b, select(m, a, b));
  }
  template <class T> static T expected(T a, T b, bool m) { return a * b + (m ? a : b); }
  struct Or {
    template <class T> static T expected(T a, T b, bool m) { return std::fma(a, b, m ? a : b); }
  };
};

struct ProductError : OfDoubles {  // of numbers whose product is far from the ends of the exponents
  static constexpr const char* name = "product_error";
  template <class V> static V moderate(V x) {
    const V number = select(unordered(x), V(1.0), x);
    return with_sign_of(at_least(at_most(absolute(number), V(0x1p400)), V(0x1p-400)), number);
  }
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(product_error(a, b, a)) {
    const V x = moderate(a), y = moderate(b);
    return product_error(x, y, x * y);
  }
  template <class T> static T expected(T a, T b, bool) {
    const T x = moderate(a), y = moderate(b);
    return std::fma(x, y, -(x * y));
  }
};

struct Smaller : OfDoubles {
  static constexpr const char* name = "smaller";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(smaller(a, b)) { return smaller(a, b); }
  template <class T> static bool expected(T a, T b, bool) { return std::isless(a, b); }
};

struct Equal : OfDoubles {
  static constexpr const char* name = "equal";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(equal(a, b)) { return equal(a, b); }
  template <class T> static bool expected(T a, T b, bool) {
    return !std::islessgreater(a, b) && !std::isunordered(a, b);
  }
};

struct Unordered : OfDoubles {
  static constexpr const char* name = "unordered";
  template <class V, class M> static auto apply(V a, V, M) -> decltype(unordered(a)) { return unordered(a); }
  template <class T> static bool expected(T a, T, bool) { return type_of<T>.is_nan(word_of(a)); }
};

struct Absolute : BitsOfDoubles {
  static constexpr const char* name = "absolute";
  template <class V, class M> static auto apply(V a, V, M) -> decltype(absolute(a)) { return absolute(a); }
  template <class T> static T expected(T a, T, bool) { return number_of<T>(word_of(a) & ~type_of<T>.sign()); }
};

struct WithSignOf : BitsOfDoubles {
  static constexpr const char* name = "with_sign_of";
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(with_sign_of(a, b)) {
    return with_sign_of(a, b);
  }
  template <class T> static T expected(T a, T b, bool) {
    return number_of<T>((word_of(a) & ~type_of<T>.sign()) | (word_of(b) & type_of<T>.sign()));
  }
};

struct ExponentFromLowBits : BitsOfDoubles {
  static constexpr const char* name = "exponent_from_low_bits";
  template <class V, class M> static auto apply(V a, V, M) -> decltype(exponent_from_low_bits(a)) {
    return exponent_from_low_bits(a);
  }
  template <class T> static T expected(T a, T, bool) { return number_of<T>(word_of(a) << type_of<T>.fraction_bits); }
};

struct Larger : Selection {
  static constexpr const char* name = "larger";
  template <class V> static constexpr bool of = is_vector<V> && of_signed<V> && sizeof(LaneOf<V>) > 1;
  template <class V, class M> static auto apply(V a, V b, M) -> decltype(larger(a, b)) { return larger(a, b); }
  template <class T> static T expected(T a, T b, bool) { return a > b ? a : b; }
};

struct Bits : Selection {
  static constexpr const char* name = "bits";
  template <class V> static constexpr bool of = of_floats<V> || of_halves<V>;
  template <class V, class M> static auto apply(V a, V, M) -> decltype(bits(a)) { return bits(a); }
  template <class T> static Integer<T> expected(T a, T, bool) { return number_of<Integer<T>>(word_of(a)); }
};

struct AsFloat : Selection {
  static constexpr const char* name = "as_float";
  template <class V> static constexpr bool of = std::is_same_v<V, Vec<std::int32_t>>;
  template <class V, class M> static auto apply(V a, V, M) -> decltype(as_float(a)) { return as_float(a); }
  template <class T> static float expected(T a, T, bool) { return number_of<float>(word_of(a)); }
};

struct UpperHalf : Selection {
  static constexpr const char* name = "upper_half";
  template <class V> static constexpr bool of = std::is_same_v<V, Vec<std::int32_t>>;
  template <class V, class M> static auto apply(V a, V, M) -> decltype(upper_half(a)) { return upper_half(a); }
  template <class T> static T expected(T a, T, bool) { return number_of<T>(word_of(a) >> 16); }
};

template <class...> struct List {};
using Operations = List<Plus, Minus, Times, DividedBy, Negated, Signs, And, Or, ExclusiveOr, Greater, NotEqual, MaskAnd,
                        MaskOr, Select, SelectOrZero, ZeroOrSelect, AtLeast, AtMost, MultiplyAdd, ProductError, Smaller,
                        Equal, Unordered, Absolute, WithSignOf, ExponentFromLowBits, Larger, Bits, AsFloat, UpperHalf>;
using LaneTypes = List<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t, std::uint32_t,
                       std::int64_t, std::uint64_t, Half, BFloat16, float, double>;

template <class Op, class V, class = void> constexpr bool has = false;
template <class Op, class V> constexpr bool
    has<Op, V, std::void_t<decltype(Op::apply(std::declval<V>(), std::declval<V>(), std::declval<MaskOf<V>>()))>> =
        true;

struct Operands {
  alignas(most_bytes) unsigned char a[most_bytes];
  alignas(most_bytes) unsigned char b[most_bytes];
  alignas(most_bytes) unsigned char mask[most_bytes];  // integers as wide as a lane: 0 or 1
};

struct Operation {
  const char* name;
  bool is_silent, may_raise, of_vectors;
  int width;
  LaneType operand, result;
  void (*run)(const Operands&, void* out);
  void (*expected)(const Operands&, void* out);
  void (*or_expected)(const Operands&, void* out);  // what a lane may be, too; null if there is one right result
};

template <class Op> constexpr bool may_raise = std::is_base_of_v<OfDoubles, Op>;
template <class Op, class = void> struct OtherResults {
  template <class T, int width> static constexpr void (*run)(const Operands&, void*) = nullptr;
};

template <class V> V load(const void* p) {
  const auto* const lanes = static_cast<const LaneOf<V>*>(p);
  if constexpr (is_vector<V>) {
    return V::load(lanes);
  } else {
    return *lanes;
  }
}

template <class V> MaskOf<V> load_mask(const void* p) {
  using I = Integer<LaneOf<V>>;
  if constexpr (is_vector<V>) {
    return load<Vec<I>>(p) != Vec<I>(0);
  } else {
    return load<I>(p) != 0;
  }
}

template <class V> void store_mask(MaskOf<V> mask, bool* out) {
  if constexpr (is_vector<V>) {
    const LaneMask<V> masks[masks_at_once<V>] = {mask};
    const Word bits = bits_of<V>(masks);
    for (int lane = 0; lane < width_of<V>; ++lane) out[lane] = bits >> lane & 1;
  } else {
    *out = mask;
  }
}

template <class Op, class V> using ResultOf =
    decltype(Op::expected(std::declval<LaneOf<V>>(), std::declval<LaneOf<V>>(), true));

// Called by pointer: so they compute between the calls that clear and test exceptions.
template <class Op, class V> void run(const Operands& in, void* out) {
  const auto result = Op::apply(load<V>(in.a), load<V>(in.b), load_mask<V>(in.mask));
  auto* const lanes = static_cast<ResultOf<Op, V>*>(out);
  if constexpr (std::is_same_v<ResultOf<Op, V>, bool>) {
    store_mask<V>(static_cast<MaskOf<V>>(result), lanes);
  } else if constexpr (is_vector<V>) {
    result.store(lanes);
  } else {
    *lanes = result;
  }
}

template <class Op, class T, int width> void run_expected(const Operands& in, void* out) {
  const auto *const a = reinterpret_cast<const T*>(in.a), *const b = reinterpret_cast<const T*>(in.b);
  const auto* const mask = reinterpret_cast<const Integer<T>*>(in.mask);
  auto* const lanes = static_cast<ResultOf<Op, T>*>(out);
  for (int lane = 0; lane < width; ++lane) lanes[lane] = Op::expected(a[lane], b[lane], mask[lane] != 0);
}

template <class Op> struct OtherResults<Op, std::void_t<typename Op::Or>> {
  template <class T, int width>
  static constexpr void (*run)(const Operands&, void*) = run_expected<typename Op::Or, T, width>;
};

// Of two NaNs either may be the result, but quiet.
bool is_either_nan(const LaneType& t, Word got, Word a, Word b) {
  return t.is_nan(a) && t.is_nan(b) && (got == (a | t.quiet()) || got == (b | t.quiet()));
}

void check_vector(const Operation& op, const Operands& in) {
  alignas(most_bytes) unsigned char got[most_bytes], expected[most_bytes], other[most_bytes];
  if (op.or_expected) op.or_expected(in, other);
  std::feclearexcept(FE_ALL_EXCEPT);
  op.expected(in, expected);
  const int exceptions = op.is_silent ? 0 : std::fetestexcept(reported_exceptions);
  std::feclearexcept(FE_ALL_EXCEPT);
  op.run(in, got);
  if (!op.may_raise) check_exceptions(exceptions, 0, word_at(in.a, 0, op.operand.bytes));
  lanes_compared += op.width;
  if (std::memcmp(got, expected, static_cast<std::size_t>(op.width * op.result.bytes)) == 0) return;
  for (int lane = 0; lane < op.width; ++lane) {
    const Word a = word_at(in.a, lane, op.operand.bytes), b = word_at(in.b, lane, op.operand.bytes);
    const Word is = word_at(got, lane, op.result.bytes), should_be = word_at(expected, lane, op.result.bytes);
    const bool is_other = op.or_expected && is == word_at(other, lane, op.result.bytes);
    const bool is_right = is == should_be || is_other || (!op.is_silent && is_either_nan(op.operand, is, a, b));
    if (!is_right) fail_lane(lane, is, should_be, a, b);
  }
}

struct Triple {
  Word a, b, mask;
};

std::vector<Triple> triples_of(const LaneType& t) {
  const std::vector<Word> values = special_values(t);
  std::vector<Triple> all;
  for (const Word a : values) {
    for (const Word b : values) {
      const Word mask = all.size() >> 1 & 1;  // not the same in each second lane
      all.push_back({a, b, mask});
      all.push_back({a, b, 1 - mask});
    }
  }
  return all;
}

void set_lane(const Operation& op, Operands& in, int lane, const Triple& triple) {
  set_word(in.a, lane, op.operand.bytes, triple.a);
  set_word(in.b, lane, op.operand.bytes, triple.b);
  set_word(in.mask, lane, op.operand.bytes, triple.mask);
}

// Every triple in every lane: among others, and, for what exceptions a lane raises, beside ones, which raise nothing.
void check_operation(const Operation& op) {
  const std::vector<Triple> all = triples_of(op.operand);
  const auto width = static_cast<std::size_t>(op.width);
  Operands in;
  for (std::size_t shift = 0; shift < width; ++shift) {
    for (std::size_t i = 0; i < all.size(); i += width) {
      for (int lane = 0; lane < op.width; ++lane) {
        set_lane(op, in, lane, all[(i + shift + static_cast<std::size_t>(lane)) % all.size()]);
      }
      check_vector(op, in);
    }
  }
  if (!op.of_vectors || !op.operand.is_float()) return;
  const Triple ones{op.operand.one(), op.operand.one(), 1};
  for (int lane = 0; lane < op.width; ++lane) set_lane(op, in, lane, ones);
  for (int lane = 0; lane < op.width; ++lane) {
    for (const Triple& triple : all) {
      set_lane(op, in, lane, triple);
      check_vector(op, in);
    }
    set_lane(op, in, lane, ones);
  }
}

template <class Op, class V> void check_operation() {
  if constexpr (Op::template of<V>) {
    using T = LaneOf<V>;
    begin(Op::name, type_of<T>, is_vector<V>);
    if constexpr (has<Op, V>) {
      check_operation({Op::name, Op::is_silent, may_raise<Op>, is_vector<V>, width_of<V>, type_of<T>,
                       type_of<ResultOf<Op, V>>, run<Op, V>, run_expected<Op, T, width_of<V>>,
                       OtherResults<Op>::template run<T, width_of<V>>});
    } else {
      fail("is not there");
    }
  }
}

template <class V, class... Op> void check_operations(List<Op...>) { (check_operation<Op, V>(), ...); }

// Masks as bits

template <class V> Word bits_of_lanes(const unsigned char* lanes) {  // masks_at_once vectors of them, 0 or 1
  LaneMask<V> masks[masks_at_once<V>] = {};
  for (int k = 0; k < masks_at_once<V>; ++k) {
    Integer<LaneOf<V>> numbers[width_of<V>];
    for (int lane = 0; lane < width_of<V>; ++lane) numbers[lane] = lanes[k * width_of<V> + lane];
    masks[k] = load_mask<V>(numbers);
  }
  return bits_of<V>(masks);
}

template <class V> void lanes_of_bits(Word word, unsigned char* lanes) {
  using I = Integer<LaneOf<V>>;
  I numbers[width_of<V>];
  select_or_zero(static_cast<MaskOf<V>>(mask_of<V>(word)), Vec<I>(1)).store(numbers);
  std::copy_n(numbers, width_of<V>, lanes);
}

std::vector<Word> patterns() {
  std::vector<Word> words = {0, ~Word(0)};
  for (int bit = 0; bit < 64; ++bit) {
    words.push_back(Word(1) << bit);
    words.push_back(~(Word(1) << bit));
  }
  Random random;
  for (int i = 0; i < 100; ++i) words.push_back(random.word());
  return words;
}

[[maybe_unused]] void check_masks(const LaneType& t, int width, int at_once,
                                  Word (*bits_of_lanes)(const unsigned char*),
                                  void (*lanes_of_bits)(Word, unsigned char*)) {
  unsigned char lanes[most_lanes];
  begin("bits_of", t, true);
  for (const Word pattern : patterns()) {
    const Word expected = pattern & ~Word(0) >> (64 - width * at_once);
    for (int bit = 0; bit < width * at_once; ++bit) lanes[bit] = expected >> bit & 1;
    const Word got = bits_of_lanes(lanes);
    if (got != expected) fail_lane(0, got, expected, pattern, 0);
    ++lanes_compared;
  }
  begin("mask_of", t, true);  // bits beyond the last lane mean nothing
  for (const Word pattern : patterns()) {
    lanes_of_bits(pattern, lanes);
    for (int lane = 0; lane < width; ++lane) {
      if (lanes[lane] != (pattern >> lane & 1)) fail_lane(lane, lanes[lane], pattern >> lane & 1, pattern, 0);
    }
    lanes_compared += width;
  }
}

// Operations on memory

struct Outcome {
  Word word;
  int required = 0, allowed = 0;  // exceptions
  Word ignored = 0;               // bits that may be either
};

[[maybe_unused]] Outcome as_it_is(Word x) { return {x}; }

struct Move {
  const char* name;
  LaneType from, to;
  int reads, writes;  // lanes
  Outcome (*expected)(Word);
  void (*run)(const void* from, void* to, int n);
  int n = writes;     // so many of the lanes that are written come from memory
  Word rest = 0;      // the others
  int alignment = 1;  // of the place that is written, in bytes
};

bool goes_to_the_end = true;

// A page between two that may not be touched.
class Page {
 public:
  Page() : size_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    void* const pages = mmap(nullptr, 3 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    begin_ = static_cast<unsigned char*>(pages) + size_;
    if (mprotect(begin_, size_, PROT_READ | PROT_WRITE) != 0) std::abort();
    std::memset(begin_, guard, size_);
  }

  // Places for so many bytes, at both ends, and at one more distance from an aligned place.
  std::vector<unsigned char*> places(int bytes, int distance, int alignment) const {
    std::vector<unsigned char*> all = {begin_, begin_ + 256 + distance};
    if (goes_to_the_end) all.push_back(begin_ + size_ - bytes);
    for (unsigned char*& place : all) place -= (place - begin_) % alignment;
    return all;
  }

  // That nothing near the result at `place` was written; the result is taken away.
  void check_guards(unsigned char* place, int bytes) {
    unsigned char* const end = std::min(begin_ + size_, place + bytes + 2 * most_bytes);
    for (unsigned char* byte = std::max(begin_, place - 2 * most_bytes); byte < end; ++byte) {
      const bool is_result = byte >= place && byte < place + bytes;
      if (!is_result && *byte != guard && fails()) {
        std::printf("overwrites what lies %d bytes from the result's beginning\n", static_cast<int>(byte - place));
      }
      *byte = guard;
    }
  }

 private:
  static constexpr unsigned char guard = 0xa5;
  std::size_t size_;
  unsigned char* begin_;
};

// Moves values[first], values[first + 1], ...
void check_move(const Move& m, const std::vector<Word>& values, std::size_t first, unsigned char* from,
                unsigned char* to) {
  const auto value = [&](int lane) {
    return values[(first + static_cast<std::size_t>(lane % m.reads)) % values.size()];
  };
  Outcome expected[most_lanes];
  int required = 0, allowed = 0;
  for (int lane = 0; lane < m.writes; ++lane) {
    expected[lane] = lane < m.n ? m.expected(value(lane)) : Outcome{m.rest};
    required |= expected[lane].required;
    allowed |= expected[lane].allowed;
  }
  for (int lane = 0; lane < m.reads;
       ++lane) {  // those that are not stored are 1 in kernels, too: they might raise more
    set_word(from, lane, m.from.bytes, lane < m.writes ? value(lane) : m.from.one());
  }
  std::feclearexcept(FE_ALL_EXCEPT);
  m.run(from, to, m.n);
  check_exceptions(required, allowed, value(0));
  for (int lane = 0; lane < m.writes; ++lane) {
    const Word got = word_at(to, lane, m.to.bytes), wrong = (got ^ expected[lane].word) & ~expected[lane].ignored;
    if (wrong) fail_lane(lane, got, expected[lane].word, value(lane), 0);
  }
  lanes_compared += m.writes;
}

void check_places(const Move& m) {
  static Page source, target;
  const std::vector<Word> values = special_values(m.from);
  for (std::size_t first = 0; first < values.size(); ++first) {
    const int distance = static_cast<int>(first), bytes = m.writes * m.to.bytes;
    for (unsigned char* const from : source.places(m.reads * m.from.bytes, distance * m.from.bytes, 1)) {
      for (unsigned char* const to : target.places(bytes, distance * m.to.bytes, m.alignment)) {
        check_move(m, values, first, from, to);
        target.check_guards(to, bytes);
      }
    }
  }
}

void check_values(const Move& m, const std::vector<Word>& values) {
  alignas(most_bytes) unsigned char from[most_bytes], to[most_bytes];
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(m.writes))
    check_move(m, values, i, from, to);
}

// 16-bit floats as floats, and back

template <class T> Outcome widened(Word x) {
  constexpr LaneType t = type_of<T>, f = type_of<float>;
  const Word magnitude = x & ~t.sign(), sign = x & t.sign() ? f.sign() : 0;
  const int exponent = static_cast<int>(magnitude >> t.fraction_bits), scale = std::max(exponent, 1) - t.bias();
  if (magnitude >= t.infinity()) {
    const Word word = sign | f.infinity() | (magnitude - t.infinity()) << (f.fraction_bits - t.fraction_bits);
    // A signalling NaN may stay one or become quiet, with a report or without: what is computed with it will do both.
    return t.is_signalling(x) ? Outcome{word, 0, FE_INVALID, f.quiet()} : Outcome{word};
  }
  const Word significand = (magnitude & (t.smallest_normal() - 1)) | (exponent > 0 ? t.smallest_normal() : 0);
  return {sign | word_of(std::ldexp(static_cast<float>(significand), scale - t.fraction_bits))};
}

template <class T> Outcome narrowed(Word x) {
  constexpr LaneType t = type_of<T>, f = type_of<float>;
  constexpr bool is_silent = std::is_same_v<T, BFloat16>;  // a conversion in integers
  const Word sign = x & f.sign() ? t.sign() : 0, payload = x & (f.smallest_normal() - 1);
  if (f.is_nan(x)) {
    const Word nan = sign | t.infinity() | t.quiet() | payload >> (f.fraction_bits - t.fraction_bits);
    return {nan, f.is_signalling(x) && !is_silent ? FE_INVALID : 0};
  }
  if ((x & ~f.sign()) == f.infinity()) return {sign | t.infinity()};
  const double magnitude = std::fabs(static_cast<double>(number_of<float>(x)));
  if (magnitude == 0) return {sign};
  const int exponent = std::max(std::ilogb(magnitude), 1 - t.bias());
  const double units = std::ldexp(magnitude, t.fraction_bits - exponent), rounded = std::nearbyint(units);
  // Where the fraction overflows, it carries into the exponent.
  const Word word = (static_cast<Word>(exponent + t.bias() - 1) << t.fraction_bits) + static_cast<Word>(rounded);
  if (is_silent) return {sign | word};
  if (word >= t.infinity()) return {sign | t.infinity(), FE_OVERFLOW};
  if (units == rounded || units >= static_cast<double>(t.smallest_normal())) return {sign | word};
  // What is rounded up to the smallest normal number is tiny on some processors.
  return {sign | word, word < t.smallest_normal() ? FE_UNDERFLOW : 0, FE_UNDERFLOW};
}

[[maybe_unused]] Outcome in_upper_half(Word x) { return {x << 16}; }

std::vector<Word> all_halves() {
  std::vector<Word> all;
  for (Word x = 0; x < 0x10000; ++x) all.push_back(x);
  return all;
}

// Each 16-bit float, what lies beside it and half-way to the next; then the special floats.
template <class T> std::vector<Word> floats_to_narrow() {
  std::vector<Word> all;
  for (const Word half : all_halves()) {
    const Word exact = widened<T>(half).word, half_way = exact + (type_of<float>.quiet() >> type_of<T>.fraction_bits);
    for (const Word x : {exact, exact + 1, half_way - 1, half_way, half_way + 1}) all.push_back(x);
  }
  for (const Word x : special_values(type_of<float>)) all.push_back(x);
  return all;
}

// Lists of the operations on memory

template <class T> const T* as(const void* p) { return static_cast<const T*>(p); }
template <class T> T* as(void* p) { return static_cast<T*>(p); }

template <class T> void check_numbers_of_halves() {
  const Move widening{"as a float", type_of<T>, type_of<float>, 1, 1, widened<T>, [](const void* from, void* to, int) {
                        *as<float>(to) = static_cast<float>(*as<T>(from));
                      }};
  const Move narrowing{
      "of a float", type_of<float>, type_of<T>, 1, 1, narrowed<T>, [](const void* from, void* to, int) {
        *as<T>(to) = T(*as<float>(from));
      }};
  begin(widening.name, type_of<T>, false);
  check_values(widening, all_halves());
  begin(narrowing.name, type_of<T>, false);
  check_values(narrowing, floats_to_narrow<T>());
}

template <class T> void check_moves(std::vector<Move> moves) {
  for (const Move& each : moves) {
    begin(each.name, type_of<T>, true);
    check_places(each);
  }
}

// Moves of the first n lanes, for each n; those that read memory fill the others with `rest`.
enum class Touches { reads_part, writes_part, neither };

template <class T> void check_partial(Move m, Touches touches, Word rest) {
  begin(m.name, type_of<T>, true);
  const int width = m.writes;
  for (int n = 1; n < width; ++n) {
    m.reads = touches == Touches::reads_part ? n : width;
    m.writes = touches == Touches::writes_part ? n : width;
    m.n = n;
    m.rest = rest;
    check_places(m);
  }
}

template <class V> void check_memory() {
  using T = LaneOf<V>;
  constexpr LaneType t = type_of<T>;
  constexpr int w = width_of<V>;
  check_moves<T>({
      {"one number for all lanes", t, t, 1, w, as_it_is,
       [](const void* from, void* to, int) { V(*as<T>(from)).store(as<T>(to)); }},
      {"load, store", t, t, w, w, as_it_is,
       [](const void* from, void* to, int) { V::load(as<T>(from)).store(as<T>(to)); }},
  });
  if constexpr (tested.streaming) {
    Move streaming{"stream", t, t, w, w, as_it_is, [](const void* from, void* to, int) {
                     stream(to, V::load(as<T>(from)));
                     finish_streaming(T());
                   }};
    streaming.alignment = tested.bytes;
    check_moves<T>({streaming});
  }
  if constexpr (tested.partial) {
    const Word one = of_halves<V> ? 1 : t.one();  // nothing is computed with vectors of halves
    check_partial<T>({"load_partial", t, t, w, w, as_it_is,
                      [](const void* from, void* to, int n) { V::load_partial(as<T>(from), n).store(as<T>(to)); }},
                     Touches::reads_part, one);
    check_partial<T>({"store_partial", t, t, w, w, as_it_is,
                      [](const void* from, void* to, int n) { V::load(as<T>(from)).store_partial(as<T>(to), n); }},
                     Touches::writes_part, one);
    check_partial<T>(
        {"first_or_one", t, t, w, w, as_it_is,
         [](const void* from, void* to, int n) { first_or_one(n, V::load(as<T>(from))).store(as<T>(to)); }},
        Touches::neither, one);
  }
}

// Vectors of doubles that memory holds as integers; D is such a vector.
template <class T, class D> void check_widened_integers() {
  const auto expected = [](Word x) { return Outcome{word_of(static_cast<double>(number_of<T>(x)))}; };
  constexpr LaneType t = type_of<T>, d = type_of<double>;
  check_moves<T>({
      {"load_widened", t, d, D::width, D::width, expected,
       [](const void* from, void* to, int) { load_widened(as<T>(from)).store(as<double>(to)); }},
      {"load_stored", t, d, D::width, D::width, expected,
       [](const void* from, void* to, int) { load_stored(as<T>(from)).store(as<double>(to)); }},
  });
}

// Vectors of doubles that memory holds as floats; D is such a vector. What they raise is taken back.
template <class T, class D> void check_widened_floats() {
  constexpr LaneType f = type_of<float>, d = type_of<double>;
  const auto widened = [](Word x) { return Outcome{word_of<double>(number_of<float>(x)), 0, reported_exceptions}; };
  const auto narrowed = [](Word x) {
    return Outcome{word_of(static_cast<float>(number_of<double>(x))), 0, reported_exceptions};
  };
  check_moves<T>({
      {"load_widened", f, d, D::width, D::width, widened,
       [](const void* from, void* to, int) { load_widened(as<T>(from)).store(as<double>(to)); }},
      {"store_narrowed", d, f, D::width, D::width, narrowed,
       [](const void* from, void* to, int) { store_narrowed(as<T>(to), D::load(as<double>(from))); }},
  });
}

// Vectors of floats that memory holds as halves; F is such a vector.
template <class T, class F> void check_widened_halves() {
  constexpr LaneType t = type_of<T>, f = type_of<float>, i = type_of<std::int32_t>;
  constexpr int w = F::width;
  const Move widening{"load_widened", t, f, w, w, widened<T>, [](const void* from, void* to, int) {
                        load_widened(as<T>(from)).store(as<float>(to));
                      }};
  const Move narrowing{"store_narrowed", f, t, w, w, narrowed<T>, [](const void* from, void* to, int) {
                         store_narrowed(as<T>(to), F::load(as<float>(from)));
                       }};
  check_moves<T>({
      widening,
      narrowing,
      {"load_stored, converted", t, f, w, w, widened<T>,
       [](const void* from, void* to, int) { F(load_stored(as<T>(from))).store(as<float>(to)); }},
      {"load_stored, bits", t, i, w, w, in_upper_half,
       [](const void* from, void* to, int) { bits(load_stored(as<T>(from))).store(as<std::int32_t>(to)); }},
      {"load_stored, store", t, t, w, w, as_it_is,
       [](const void* from, void* to, int) { load_stored(as<T>(from)).v.store(to); }},
  });
  begin(widening.name, t, true);
  check_values(widening, all_halves());
  begin(narrowing.name, t, true);
  check_values(narrowing, floats_to_narrow<T>());
  begin("load_stored, select_or_zero", t, true);
  check_operation({"", true, false, true, w, t, t,
                   [](const Operands& in, void* out) {
                     std::int32_t mask[w];
                     std::copy_n(reinterpret_cast<const std::int16_t*>(in.mask), w, mask);
                     select_or_zero(load_mask<F>(mask), load_stored(as<T>(in.a))).v.store(out);
                   },
                   run_expected<SelectOrZero, T, w>, nullptr});
  if constexpr (tested.streaming) {
    Move streaming{"stream_narrowed", f, t, w, w, narrowed<T>, [](const void* from, void* to, int) {
                     stream_narrowed(as<T>(to), F::load(as<float>(from)));
                     finish_streaming(T());
                   }};
    streaming.alignment = w * t.bytes;
    check_moves<T>({streaming});
  }
  if constexpr (tested.partial) {
    check_partial<T>({"load_widened, n", t, f, w, w, widened<T>,
                      [](const void* from, void* to, int n) { load_widened(as<T>(from), n).store(as<float>(to)); }},
                     Touches::reads_part, f.one());
    check_partial<T>(
        {"load_stored, n", t, i, w, w, in_upper_half,
         [](const void* from, void* to, int n) { bits(load_stored(as<T>(from), n)).store(as<std::int32_t>(to)); }},
        Touches::reads_part, t.one() << 16);
    check_partial<T>({"load_stored, store_partial", t, t, w, w, as_it_is,
                      [](const void* from, void* to, int n) { load_stored(as<T>(from)).v.store_partial(to, n); }},
                     Touches::writes_part, 0);
    check_partial<T>(
        {"store_narrowed, n", f, t, w, w, narrowed<T>,
         [](const void* from, void* to, int n) { store_narrowed(as<T>(to), F::load(as<float>(from)), n); }},
        Touches::writes_part, 0);
  }
}

// All of it

template <class V, class = void> constexpr bool can_stream = false;
template <class V> constexpr bool can_stream<V, decltype(stream(nullptr, std::declval<V>()))> = true;

template <class T> void check_vectors() {
  using V = Vec<T>;
  begin("what instruction_sets says", type_of<T>, true);
  if (V::width * type_of<T>.bytes != tested.bytes) fail("has another size");
  if (has_partial<V> != tested.partial) fail(has_partial<V> ? "can load a part" : "cannot load a part");
  if (can_stream<V> != tested.streaming) fail(can_stream<V> ? "can stream" : "cannot stream");
  check_operations<V>(Operations());
  check_masks(type_of<T>, V::width, masks_at_once<V>, bits_of_lanes<V>, lanes_of_bits<V>);
  check_memory<V>();
  if constexpr (of_integers<V>) check_widened_integers<T, Vec<double>>();
  if constexpr (of_halves<V>) check_widened_halves<T, Vec<float>>();
  if constexpr (std::is_same_v<T, float>) check_widened_floats<T, Vec<double>>();
}

template <class T> void check_lane_type() {
  check_operations<T>(Operations());
  if constexpr (of_halves<T>) check_numbers_of_halves<T>();
  if constexpr (tested.bytes > 0) {
    check_vectors<T>();
  } else {
    static_assert(Vec<T>::width == 1, "there are vectors of which instruction_sets knows nothing");
  }
}

template <class... T> void check_lane_types(List<T...>) { (check_lane_type<T>(), ...); }

int check_all(bool overreads) {
  goes_to_the_end = !overreads;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL}) std::signal(signal, report_fault);
  check_lane_types(LaneTypes());
  std::printf("%s: %d checks, %d failed; %lld lanes; vectors of %d bytes%s%s\n", FASTRELU_NAME, checks, failed_checks,
              static_cast<long long>(lanes_compared), tested.bytes, tested.partial ? "" : ", no partial ones",
              tested.streaming ? "" : ", no non-temporal stores");
  return failed_checks == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fastrelu::FASTRELU_ISA::test

// With an argument: on an emulator that reads more memory than an instruction does.
int main(int count, char**) { return fastrelu::FASTRELU_ISA::test::check_all(count > 1); }
