// SPDX-License-Identifier: BSD-3-Clause
#include "long_softmax.h"

#include <cmath>
#include <limits>

namespace fastrelu {
namespace {

using std::ptrdiff_t;
using Number = long double;

constexpr Number nan = std::numeric_limits<Number>::quiet_NaN(), infinity = std::numeric_limits<Number>::infinity();

// of(i) for all i < n, in the order of kernels/sum.h.
template <class Of> Number sum(ptrdiff_t n, Of of) {
  constexpr ptrdiff_t partial_sums = 16;
  Number total = 0;
  for (ptrdiff_t begin = 0; begin < n; begin += sum_block) {
    Number sums[partial_sums] = {};
    for (ptrdiff_t i = begin; i < n && i < begin + sum_block; ++i) sums[i % partial_sums] += of(i);
    for (ptrdiff_t half = partial_sums / 2; half > 0; half /= 2) {
      for (ptrdiff_t i = 0; i < half; ++i) sums[i] += sums[i + half];
    }
    total += sums[0];
  }
  return total;
}

class LongRow {
 public:
  LongRow(const SoftmaxCall& call, ptrdiff_t row)
      : size_(call.rows.size), inner_(call.rows.inner), first_(row / inner_ * size_ * inner_ + row % inner_) {
    x_ = static_cast<const Number*>(call.x) + first_;
    grad_ = call.grad ? static_cast<const Number*>(call.grad) + first_ : nullptr;
    out_ = static_cast<Number*>(call.out) + first_;
    label_ = call.labels ? static_cast<ptrdiff_t>(call.labels[row]) : 0;
    loss_ = call.loss ? static_cast<Number*>(call.loss) + row : nullptr;
  }

  void run(Softmax which) {
    switch (which) {
      case Softmax::softmax_backward: return softmax_backward();
      case Softmax::log_softmax_backward: return log_softmax_backward();
      default: forward(which);
    }
  }

 private:
  Number x(ptrdiff_t i) const { return x_[i * inner_]; }
  Number grad(ptrdiff_t i) const { return grad_[i * inner_]; }
  Number& out(ptrdiff_t i) { return out_[i * inner_]; }

  void forward(Softmax which) {
    const Number shift = largest();
    if (!std::isfinite(shift)) return without_numbers(which, shift);
    const auto power = [&](ptrdiff_t i) { return std::exp(x(i) - shift); };
    const Number total = sum(size_, power);
    const Number rest = sum(size_, [&](ptrdiff_t i) { return x(i) == shift ? 0 : power(i); });
    const Number log = total < 2 ? std::log1p(rest) : std::log(total);
    if (which == Softmax::cross_entropy) {
      const Number others = x(label_) == shift && total < 2 ? rest : total - power(label_);
      *loss_ = log - (x(label_) - shift);
      for (ptrdiff_t i = 0; i < size_; ++i) out(i) = power(i) / total;
      out(label_) = -(others / total);
    } else {
      for (ptrdiff_t i = 0; i < size_; ++i) {
        out(i) = which == Softmax::softmax ? power(i) / total : (x(i) - shift) - log;
      }
    }
  }

  Number largest() const {
    Number result = -infinity;
    for (ptrdiff_t i = 0; i < size_; ++i) {
      if (std::isnan(x(i))) return nan;
      if (x(i) > result) result = x(i);
    }
    return result;
  }

  // As kernels/softmax.h has it.
  void without_numbers(Softmax which, Number shift) {
    if (!std::isnan(shift)) raise_invalid();
    const auto logarithm = [&](ptrdiff_t i) { return shift == infinity && x(i) != infinity ? -infinity : nan; };
    if (which == Softmax::cross_entropy) *loss_ = std::fabs(logarithm(label_));
    for (ptrdiff_t i = 0; i < size_; ++i) out(i) = which == Softmax::log_softmax ? logarithm(i) : nan;
  }

  static void raise_invalid() {
    volatile Number nothing = 0;
    nothing = nothing / nothing;
  }

  void softmax_backward() {
    const Number total = sum(size_, [&](ptrdiff_t i) { return grad(i) * x(i); });
    for (ptrdiff_t i = 0; i < size_; ++i) out(i) = x(i) * (grad(i) - total);
  }

  void log_softmax_backward() {
    const Number total = sum(size_, [&](ptrdiff_t i) { return grad(i); });
    for (ptrdiff_t i = 0; i < size_; ++i) out(i) = grad(i) - std::exp(x(i)) * total;
  }

  const ptrdiff_t size_, inner_, first_;
  const Number *x_, *grad_;
  Number *out_, *loss_;
  ptrdiff_t label_;
};

}  // namespace

void long_softmax(Softmax which, const SoftmaxCall& call, ptrdiff_t begin, ptrdiff_t end) {
  for (ptrdiff_t row = begin; row < end; ++row) LongRow(call, row).run(which);
}

}  // namespace fastrelu
