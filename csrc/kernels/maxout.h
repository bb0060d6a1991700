// SPDX-License-Identifier: BSD-3-Clause
//
// maxout and its gradient: running selections, of the first element of a pool that no later one is larger than.
//
// Elements are compared by keys: integers of their own size, made of their bits. Silent (predicates.h), and what counts
// as equal has equal keys: -0 and +0, all NaNs. Hence the gradient finds the element again by its key.
#pragma once

#include <cstdint>
#include <type_traits>

#include "../contract/float8.h"
#include "lookup.h"
#include "predicates.h"

namespace fastrelu::FASTRELU_ISA {

// A selection. Numbers take a conditional move, which is shorter than their `select`.
template <class T> T choose(bool mask, T a, T b) { return mask ? a : b; }
template <class M, class T> Vec<T> choose(M mask, Vec<T> a, Vec<T> b) { return select(mask, a, b); }

// The orders: each reads an element's bits and makes their key, of a number or of a vector. `data` is the kernel's argument.
// has_vectors: whether keys are made of vectors, too.

template <class T> struct IntegerOrder {
  using Element = std::make_signed_t<T>;
  static constexpr bool has_vectors = Vec<Element>::width > 1;
  explicit IntegerOrder(const void*) {}
  template <class B> B key(B bits) const {
    if constexpr (std::is_signed_v<T>) {
      return bits;
    } else {
      return static_cast<B>(bits ^ B(least<B>));
    }
  }
};

template <class T> struct FloatOrder {
  using Element = decltype(bits(T()));
  static constexpr bool has_vectors = Vec<Element>::width > 1;
  explicit FloatOrder(const void*) {}
  template <class B> B key(B bits) const {
    const B magnitude(bits & B(greatest<B>));
    const B number = select_or_zero(magnitude != B(0), ordered(bits));
    return choose(magnitude > B(FloatBits<T>::infinity), B(greatest<B>), number);
  }
};

// The order of floats of one byte: a table of ranks.
template <class Byte> struct RankOrder {
  using Element = Byte;
  using Table = ByteTable<std::uint8_t>;
  static constexpr bool has_vectors = Table::has_vectors;
  const std::uint8_t* rank;
  Table table;

  explicit RankOrder(const void* data) : rank(static_cast<const Float8*>(data)->rank), table(rank) {}
  Byte key(Byte code) const { return static_cast<Byte>(rank[static_cast<std::uint8_t>(code)] ^ least<Byte>); }
  template <class T> Vec<T> key(Vec<T> codes) const { return Vec<T>(table[codes.v].v) ^ Vec<T>(least<T>); }
};

// No integer holds long double's bits everywhere, so its keys order by themselves.
struct LongDoubleKey {
  long double value;
  bool nan;
};
inline bool operator>(LongDoubleKey a, LongDoubleKey b) { return !b.nan && (a.nan || a.value > b.value); }
inline bool operator!=(LongDoubleKey a, LongDoubleKey b) {
  return a.nan || b.nan ? a.nan != b.nan : a.value != b.value;
}

struct LongDoubleOrder {
  using Element = long double;
  static constexpr bool has_vectors = false;
  explicit LongDoubleOrder(const void*) {}
  LongDoubleKey key(long double x) const { return {x, classify(x).nan}; }
};

// The first largest element of a pool, or of several side by side: V is an element or a vector of them.
template <class V, class Key> struct First {
  V value;
  Key key;
};

template <class Order, class Load> auto first_of(const Order& order, ptrdiff_t size, Load load) {
  using V = decltype(load(0));
  using Key = decltype(order.key(load(0)));
  First<V, Key> first{load(0), order.key(load(0))};
  for (ptrdiff_t i = 1; i < size; ++i) {
    const V value = load(i);
    const Key key = order.key(value);
    const auto is_larger = key > first.key;
    first.value = choose(is_larger, value, first.value);
    first.key = choose(is_larger, key, first.key);
  }
  return first;
}

// The elements of pools that lie side by side, and their results.
template <class Order, class Element> struct Forward {
  const Order& order;
  Pools pools;
  const Element* x;
  Element* out;

  void one(ptrdiff_t i) const {
    out[i] = first_of(order, pools.size, [&](ptrdiff_t k) { return x[k * pools.inner + i]; }).value;
  }

  auto vector_at(ptrdiff_t i) const {
    return first_of(order, pools.size, [&](ptrdiff_t k) { return Vec<Element>::load(x + k * pools.inner + i); }).value;
  }

  void part(ptrdiff_t n) const {
    const auto load = [&](ptrdiff_t k) { return Vec<Element>::load_partial(x + k * pools.inner, n); };
    first_of(order, pools.size, load).value.store_partial(out, n);
  }

  // The last vector overlaps with the one before it: out is not x.
  void vectors(ptrdiff_t n) const {
    constexpr ptrdiff_t width = Vec<Element>::width;
    for (ptrdiff_t i = 0; i + width < n; i += width) vector_at(i).store(out + i);
    vector_at(n - width).store(out + n - width);
  }

  void advance(ptrdiff_t x_step, ptrdiff_t n) {
    x += x_step;
    out += n;
  }
};

template <class Order, class Element> struct Backward {
  const Order& order;
  Pools pools;
  const Element* grad;
  const Element* x;
  Element* out;

  // The first element whose key is the largest takes the gradient, which leaves nothing for those behind it.
  template <class V, class Load, class Store> void pass(V rest, Load load, Store store) const {
    const auto largest = first_of(order, pools.size, load).key;
    for (ptrdiff_t k = 0; k < pools.size; ++k) {
      const auto is_other = order.key(load(k)) != largest;
      store(k, select_or_zero(inverted(is_other), rest));
      rest = select_or_zero(is_other, rest);
    }
  }

  void one(ptrdiff_t i) const {
    pass(
        grad[i], [&](ptrdiff_t k) { return x[k * pools.inner + i]; },
        [&](ptrdiff_t k, Element value) { out[k * pools.inner + i] = value; });
  }

  void vector_at(ptrdiff_t i) const {
    using V = Vec<Element>;
    pass(
        V::load(grad + i), [&](ptrdiff_t k) { return V::load(x + k * pools.inner + i); },
        [&](ptrdiff_t k, V value) { value.store(out + k * pools.inner + i); });
  }

  void part(ptrdiff_t n) const { part_at(0, n); }

  void part_at(ptrdiff_t i, ptrdiff_t n) const {
    using V = Vec<Element>;
    pass(
        V::load_partial(grad + i, n), [&](ptrdiff_t k) { return V::load_partial(x + k * pools.inner + i, n); },
        [&](ptrdiff_t k, V value) { value.store_partial(out + k * pools.inner + i, n); });
  }

  void vectors(ptrdiff_t n) const {
    constexpr ptrdiff_t width = Vec<Element>::width;
    ptrdiff_t i = 0;
    for (; i + width <= n; i += width) vector_at(i);
    if (i == n) return;
    if constexpr (has_partial<Vec<Element>>) {
      part_at(i, n - i);
    } else {
      for (; i < n; ++i) one(i);
    }
  }

  void advance(ptrdiff_t x_step, ptrdiff_t n) {
    grad += n;
    x += x_step;
    out += x_step;
  }
};

// n pools that lie side by side.
template <class Order, class Row> void run_row(const Row& row, ptrdiff_t n) {
  if constexpr (Order::has_vectors) {
    using V = Vec<typename Order::Element>;
    if (n >= V::width) return row.vectors(n);
    if constexpr (has_partial<V>) {
      if (n > 1) return row.part(n);
    }
  }
  for (ptrdiff_t i = 0; i < n; ++i) row.one(i);
}

// Pools [begin, end), where `row` begins with pool `begin`.
template <class Order, class Row> void run_rows(Row row, Pools pools, ptrdiff_t begin, ptrdiff_t end) {
  ptrdiff_t before = begin % pools.inner;
  while (begin < end) {
    const ptrdiff_t left = pools.inner - before, n = left < end - begin ? left : end - begin;
    run_row<Order>(row, n);
    row.advance(n + (pools.size - 1) * pools.inner, n);
    begin += n;
    before = 0;
  }
}

inline ptrdiff_t element_of(Pools pools, ptrdiff_t pool) {
  return pool / pools.inner * pools.size * pools.inner + pool % pools.inner;
}

template <class Order>
void maxout(const void* x, void* out, Pools pools, ptrdiff_t begin, ptrdiff_t end, const void* data) {
  using Element = typename Order::Element;
  const Order order(data);
  const auto* const first = static_cast<const Element*>(x) + element_of(pools, begin);
  run_rows<Order>(Forward<Order, Element>{order, pools, first, static_cast<Element*>(out) + begin}, pools, begin, end);
}

template <class Order> void maxout_backward(const void* grad, const void* x, void* out, Pools pools, ptrdiff_t begin,
                                            ptrdiff_t end, const void* data) {
  using Element = typename Order::Element;
  const Order order(data);
  const ptrdiff_t first = element_of(pools, begin);
  const Backward<Order, Element> row{order, pools, static_cast<const Element*>(grad) + begin,
                                     static_cast<const Element*>(x) + first, static_cast<Element*>(out) + first};
  run_rows<Order>(row, pools, begin, end);
}

template <class T> struct OrderOf {
  using type = std::conditional_t<std::is_integral_v<T>, IntegerOrder<T>, FloatOrder<T>>;
};
template <> struct OrderOf<Coded8> {
  using type = RankOrder<std::int8_t>;
};
template <> struct OrderOf<long double> {
  using type = LongDoubleOrder;
};

struct MaxoutOf {
  template <class T> static constexpr MaxoutKernels make() {
    using Order = typename OrderOf<T>::type;
    return {maxout<Order>, maxout_backward<Order>};
  }
};

}  // namespace fastrelu::FASTRELU_ISA
