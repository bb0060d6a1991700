// SPDX-License-Identifier: BSD-3-Clause
//
// Vectors that the compiler makes: GCC and Clang know the shortest way to convert them, for every pair of types and
// instruction sets. Other compilers take numbers one by one.
#pragma once

#include "scalar.h"

namespace fastrelu::FASTRELU_ISA {

// n numbers, as the compiler's vectors hold them.
template <class T, int n> struct LanesOf;
template <class T, int n> using Lanes = typename LanesOf<T, n>::Type;

template <class V, class L> V vector_of(L lanes) {
  V x(0);
  std::memcpy(&x.v, &lanes, sizeof x.v);
  return x;
}
template <class L, class V> L lanes_of(V x) {
  L lanes;
  std::memcpy(&lanes, &x.v, sizeof lanes);
  return lanes;
}

// n numbers from memory, in another type.
template <class To, int n, class T> Lanes<To, n> load_as(const T* p);

#ifdef __GNUC__
constexpr bool has_lanes = true;

template <class T, int n> struct LanesOf {
  typedef T Type __attribute__((vector_size(n * sizeof(T))));
};

template <class To, int n, class T> Lanes<To, n> load_as(const T* p) {
  Lanes<T, n> lanes;
  std::memcpy(&lanes, p, sizeof lanes);
  return __builtin_convertvector(lanes, Lanes<To, n>);
}

#ifdef __AVX512F__
// GCC 12 would convert them in two halves.
template <> inline Lanes<double, 8> load_as<double, 8>(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
#endif

// Doubles that memory holds as integers.
template <class T, class D = Vec<double>, std::enable_if_t<std::is_integral_v<T>, int> = 0> D load_widened(const T* p) {
  // Through 32 bits, from where processors convert.
  using Word = std::conditional_t<(sizeof(T) < sizeof(std::int32_t)), std::int32_t, T>;
  return vector_of<D>(__builtin_convertvector(load_as<Word, D::width>(p), Lanes<double, D::width>));
}

template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> auto load_stored(const T* p) {
  return load_widened(p);
}
#else
constexpr bool has_lanes = false;
#endif

}  // namespace fastrelu::FASTRELU_ISA
