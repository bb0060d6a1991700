// SPDX-License-Identifier: BSD-3-Clause
#include "nest.h"

#include <algorithm>
#include <cstdlib>

namespace fastrelu {
namespace {

void move_axis(Nest& nest, int from, int to) {
  nest.shape[to] = nest.shape[from];
  for (int o = 0; o < nest.operands; ++o) nest.operand[o].strides[to] = nest.operand[o].strides[from];
}

void swap_axes(Nest& nest, int a, int b) {
  std::swap(nest.shape[a], nest.shape[b]);
  for (int o = 0; o < nest.operands; ++o) std::swap(nest.operand[o].strides[a], nest.operand[o].strides[b]);
}

void drop_axes_of_length_one(Nest& nest) {
  int kept = 0;
  for (int axis = 0; axis < nest.axes; ++axis) {
    if (nest.shape[axis] != 1) move_axis(nest, axis, kept++);
  }
  nest.axes = kept;
}

// An axis along which the output runs backwards is walked from its other end, by all operands.
void walk_forward(Nest& nest) {
  for (int axis = 0; axis < nest.axes; ++axis) {
    if (nest.output().strides[axis] >= 0) continue;
    for (int o = 0; o < nest.operands; ++o) {
      Operand& operand = nest.operand[o];
      operand.data += operand.strides[axis] * (nest.shape[axis] - 1);
      operand.strides[axis] = -operand.strides[axis];
    }
  }
}

void sort_axes(Nest& nest) {
  const std::ptrdiff_t* const steps = nest.output().strides;
  for (int i = 1; i < nest.axes; ++i) {
    for (int k = i; k > 0 && steps[k - 1] < steps[k]; --k) swap_axes(nest, k - 1, k);
  }
}

// Whether a walk along both axes is a walk along one.
bool continues(const Nest& nest, int outer, int inner) {
  return std::all_of(nest.operand, nest.operand + nest.operands, [&](const Operand& operand) {
    return operand.strides[outer] == operand.strides[inner] * nest.shape[inner];
  });
}

void join_axes(Nest& nest) {
  int last = 0;
  for (int axis = 1; axis < nest.axes; ++axis) {
    const std::ptrdiff_t length = nest.shape[last];
    const bool joined = continues(nest, last, axis);
    move_axis(nest, axis, joined ? last : ++last);
    if (joined) nest.shape[last] *= length;
  }
  nest.axes = last + 1;
}

void keep_one_axis(Nest& nest) {
  nest.axes = 1;
  nest.shape[0] = 1;
  for (int o = 0; o < nest.operands; ++o) nest.operand[o].strides[0] = nest.operand[o].size;
}

}  // namespace

std::ptrdiff_t Nest::elements() const {
  std::ptrdiff_t product = 1;
  for (int axis = 0; axis < axes; ++axis) product *= shape[axis];
  return product;
}

std::ptrdiff_t Nest::bytes() const {
  std::ptrdiff_t total = 0;
  for (int o = 0; o < operands; ++o) {
    std::ptrdiff_t count = 1;
    for (int axis = 0; axis < axes; ++axis) count *= operand[o].strides[axis] == 0 ? 1 : shape[axis];
    total += count * operand[o].size;
  }
  return total;
}

void simplify(Nest& nest) {
  drop_axes_of_length_one(nest);
  if (nest.axes == 0) return keep_one_axis(nest);
  walk_forward(nest);
  sort_axes(nest);
  join_axes(nest);
}

}  // namespace fastrelu
