// SPDX-License-Identifier: BSD-3-Clause
//
// Vectors of doubles that memory holds as integers. GCC and Clang know the shortest way for every pair of types and
// instruction sets; other compilers take numbers one by one.
#pragma once

#include "scalar.h"

namespace fastrelu::FASTRELU_ISA {

#ifdef __GNUC__

template <class T> struct Lanes {
  typedef T Type __attribute__((vector_size(Vec<double>::width * sizeof(T))));
};

template <class To, class From> typename Lanes<To>::Type convert(From from) {
  return __builtin_convertvector(from, typename Lanes<To>::Type);
}

template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> Vec<double> load_widened(const T* p) {
  // Through 32 bits, from where processors convert.
  using Word = std::conditional_t<(sizeof(T) < sizeof(std::int32_t)), std::int32_t, T>;
  typename Lanes<T>::Type integers;
  std::memcpy(&integers, p, sizeof integers);
  const auto doubles = convert<double>(convert<Word>(integers));
  Vec<double> x(0);
  std::memcpy(&x.v, &doubles, sizeof x.v);
  return x;
}

template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0> Vec<double> look_widened(const T* p) {
  return load_widened(p);
}

#endif

}  // namespace fastrelu::FASTRELU_ISA
