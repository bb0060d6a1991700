// SPDX-License-Identifier: BSD-3-Clause
//
// Without vectors there are no masks: mask_loop.h only needs the names.
#pragma once

#include "scalar.h"

namespace fastrelu::FASTRELU_ISA {

template <class V> using LaneMask = bool;
template <class V> constexpr int masks_at_once = 1;

template <class V> std::uint64_t bits_of(const bool (&masks)[1]);
template <class V> bool mask_of(std::uint64_t bits);
template <class B> B larger(B a, B b);

}  // namespace fastrelu::FASTRELU_ISA
