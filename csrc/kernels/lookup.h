// SPDX-License-Identifier: BSD-3-Clause
//
// Tables of 256 entries, looked up by bytes. Instruction sets that shuffle bytes look up whole vectors of entries of one
// byte: lookup_*.h specialise ByteTable for them, before this is instantiated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../contract/isa.h"
#include "simd/scalar.h"

namespace fastrelu::FASTRELU_ISA {

using std::ptrdiff_t;

// Specialised for std::uint8_t: made from a table, gives a vector of entries for a vector of indices.
template <class Byte> struct ByteTable {
  static constexpr bool has_vectors = false;
  explicit ByteTable(const Byte*) {}
};

template <class Entry> void look_up_each(const std::uint8_t* index, const Entry* table, Entry* result, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; ++i) result[i] = table[index[i]];
}

// The last vector overlaps with those before it, and is looked up before anything is stored: result may be index.
template <class Byte> void look_up_vectors(const Byte* index, const ByteTable<Byte>& table, Byte* result, ptrdiff_t n) {
  using V = Vec<Byte>;
  constexpr ptrdiff_t width = V::width;
  const V tail = table[V::load(index + n - width)];
  ptrdiff_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    const V r0 = table[V::load(index + i)];
    const V r1 = table[V::load(index + i + width)];
    const V r2 = table[V::load(index + i + 2 * width)];
    const V r3 = table[V::load(index + i + 3 * width)];
    r0.store(result + i);
    r1.store(result + i + width);
    r2.store(result + i + 2 * width);
    r3.store(result + i + 3 * width);
  }
  for (; i + width < n; i += width) table[V::load(index + i)].store(result + i);
  tail.store(result + n - width);
}

template <class Byte> void look_up_bytes(const Byte* index, const Byte* table, Byte* result, ptrdiff_t n) {
  if constexpr (ByteTable<Byte>::has_vectors) {
    using V = Vec<Byte>;
    if (n >= V::width) return look_up_vectors(index, ByteTable<Byte>(table), result, n);
    if constexpr (has_partial<V>) {
      if (n > 0) ByteTable<Byte>(table)[V::load_partial(index, n)].store_partial(result, n);
      return;
    }
  }
  look_up_each(index, table, result, n);
}

template <class Entry> void look_up(const void* index, const void* table, void* result, ptrdiff_t n) {
  const auto* const indices = static_cast<const std::uint8_t*>(index);
  const auto* const entries = static_cast<const Entry*>(table);
  if constexpr (sizeof(Entry) == 1) {
    look_up_bytes(indices, entries, static_cast<Entry*>(result), n);
  } else {
    look_up_each(indices, entries, static_cast<Entry*>(result), n);
  }
}

}  // namespace fastrelu::FASTRELU_ISA
