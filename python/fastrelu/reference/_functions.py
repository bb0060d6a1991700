"""The functions beside the ufuncs: masks and counts, functions along channels, and tables."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastrelu.reference._dtypes import (
    adds,
    cast,
    common,
    is_narrow_float,
    multiplies,
    not_positive,
    positive,
    product,
    product_promoted,
    selects,
    wide,
    zero_where,
)
from fastrelu.reference._ufuncs import (
    add_leaky_relu,
    crelu_gradient,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sum_of,
)

Bits: TypeAlias = NDArray[np.uint8]

_BLOCK = 512
_PARTIAL_SUMS = 16


@selects
def relu_with_mask(x: ArrayLike) -> tuple[Any, Bits]:
    """`relu(x)`, and the bits of `not x <= 0` in C order."""
    return relu(x), _packed(_active(x))


@multiplies
def leaky_relu_with_mask(x: ArrayLike, negative_slope: ArrayLike = 0.01) -> tuple[Any, Bits]:
    """`leaky_relu(x, negative_slope)`, and the bits of `x > 0` in C order."""
    return leaky_relu(x, negative_slope), _packed(positive(*common(x)))


@adds
def add_relu_with_mask(x: ArrayLike, y: ArrayLike) -> tuple[Any, Bits]:
    """`add_relu(x, y)`, and the bits of `not x + y <= 0` in C order."""
    x, y = common(x, y)
    return relu(x + y), _packed(_active(x + y))


@multiplies
def add_leaky_relu_with_mask(x: Any, y: Any, negative_slope: Any = 0.01) -> tuple[Any, Bits]:
    """`add_leaky_relu(x, y, negative_slope)`, and the bits of `x + y > 0` in C order."""
    bits = _packed(positive(sum_of(x, y, negative_slope)))
    return add_leaky_relu(x, y, negative_slope), bits


@selects
def relu_backward_from_mask(grad_output: ArrayLike, mask: Bits) -> Any:
    """`grad_output` where the bit is 1, else +0."""
    (grad_output,) = common(grad_output)
    return zero_where(~_unpacked(mask, grad_output), grad_output)


@multiplies
def leaky_relu_backward_from_mask(grad_output: Any, mask: Bits, negative_slope: Any = 0.01) -> Any:
    """`grad_output` where the bit is 1, else `grad_output * negative_slope`."""
    grad_output = cast(grad_output, product_promoted(grad_output, parameter=negative_slope))
    bits = _unpacked(mask, grad_output)
    return np.where(bits, grad_output, product(grad_output, negative_slope))[()]


@multiplies
def leaky_relu_backward_from_output(grad_output: Any, y: Any, negative_slope: Any = 0.01) -> Any:
    """`grad_output if y > 0 else grad_output * negative_slope`, for slopes of 0 and above."""
    if not np.all(np.asarray(negative_slope) >= 0):
        raise ValueError("negative_slope must be 0 or above")
    return leaky_relu_backward(grad_output, y, negative_slope)


@selects
def active_count(x: ArrayLike, axis: Any = None) -> Any:
    """`sum(!(x <= 0))`."""
    return np.sum(_active(x), axis, dtype=np.intp)


@adds
def sparsity(x: ArrayLike, axis: Any = None) -> Any:
    """`1 - active_count(x) / number`."""
    return 1 - active_count(x, axis) / np.asarray(np.sum(np.ones(np.shape(x)), axis))


@selects
def dead_units(x: ArrayLike, axis: Any = 0) -> Any:
    """`all(x <= 0)`."""
    return ~np.any(_active(x), axis)


def _active(x: ArrayLike) -> NDArray[np.bool_]:
    return ~not_positive(*common(x))


def _packed(bits: NDArray[np.bool_]) -> Bits:
    return np.packbits(np.ravel(bits), bitorder="little")


def _unpacked(mask: Bits, like: NDArray[Any]) -> NDArray[np.bool_]:
    bits = np.unpackbits(mask, count=like.size, bitorder="little")
    return bits.reshape(like.shape).astype(np.bool_)


@selects
def maxout(x: ArrayLike, pool_size: int, axis: int = 1) -> NDArray[Any]:
    """Take the first largest of each `pool_size` consecutive channels; NaN is above everything."""
    (x,) = common(x)
    pools, axis = _pools(x, pool_size, axis)
    return np.take_along_axis(pools, _chosen(pools, axis), axis).squeeze(axis)


@selects
def maxout_backward(grad_output: ArrayLike, x: ArrayLike, pool_size: int, axis: int = 1) -> Any:
    """`grad_output` where maxout took an element, +0 elsewhere."""
    grad_output, x = common(grad_output, x)
    pools, axis_of_pools = _pools(x, pool_size, axis)
    grad_x = np.zeros_like(pools)
    gradient = np.expand_dims(grad_output, axis_of_pools)
    np.put_along_axis(grad_x, _chosen(pools, axis_of_pools), gradient, axis_of_pools)
    return grad_x.reshape(x.shape)


@selects
def crelu(x: ArrayLike, axis: int = 1) -> NDArray[Any]:
    """`relu(x)` and `relu(-x)`, side by side along `axis`."""
    (x,) = common(x)
    return np.concatenate([relu(x), relu(-x)], axis)


@adds
def crelu_backward(grad_output: ArrayLike, x: ArrayLike, axis: int = 1) -> NDArray[Any]:
    """`relu_backward(g1, x) - relu_backward(g2, -x)`, of the halves of `grad_output`."""
    first, second = np.split(np.asarray(grad_output), 2, axis)
    return np.asarray(crelu_gradient(first, second, x))


@adds
def relu_backward_with_bias(grad_output: ArrayLike, x: ArrayLike, axis: Any = 0) -> Any:
    """`relu_backward(grad_output, x)` and its sum over `axis`."""
    grad_x = np.asarray(relu_backward(grad_output, x))
    axes = range(grad_x.ndim) if axis is None else np.atleast_1d(axis) % grad_x.ndim
    if grad_x.dtype.kind in "iu":
        return grad_x, grad_x.sum(tuple(axes))
    return grad_x, rounded(sum_over(cast(grad_x, _total_dtype(grad_x.dtype)), axes), grad_x.dtype)


@multiplies
def prelu(x: ArrayLike, weight: ArrayLike, axis: int | None = 1) -> Any:
    """`leaky_relu(x, weight)` with a 1-D weight along `axis`."""
    return leaky_relu(x, laid_out(weight, np.shape(x), axis))


@multiplies
def prelu_backward(grad_output: ArrayLike, x: ArrayLike, weight: Any, axis: Any = 1) -> Any:
    """Return the gradient of `x`, and `sum(0 if x > 0 else grad_output * x)` for each weight."""
    shape = np.broadcast_shapes(np.shape(grad_output), np.shape(x))
    slopes = laid_out(weight, shape, axis)
    grad_x = leaky_relu_backward(grad_output, x, slopes)
    dtype = product_promoted(grad_output, x, parameter=weight)
    total = _total_dtype(dtype)
    grad, x = (np.broadcast_to(cast(cast(a, dtype), total), shape) for a in (grad_output, x))
    along = (1,) * (len(shape) - np.ndim(slopes)) + np.shape(slopes)
    axes = [k for k, n in enumerate(along) if n == 1]
    totals = sum_over(np.where(x > 0, 0, grad * x), axes).reshape(np.shape(weight))
    own = dtype if type(weight) in (int, float) else np.asarray(weight).dtype
    return grad_x, rounded(totals, np.dtype(np.float64) if own.kind in "iu" else own)


def laid_out(weight: ArrayLike, shape: tuple[int, ...], axis: int | None) -> Any:
    """Give a weight the shape with which it broadcasts to `shape`."""
    if np.size(weight) == 1:
        return weight if np.ndim(weight) == 0 else np.asarray(weight).reshape(())
    if np.ndim(weight) != 1 or axis is None:
        return weight
    return np.expand_dims(weight, tuple(range(1, len(shape) - axis % len(shape))))


@np.errstate(all="ignore")
def sum_over(addends: NDArray[Any], axes: Any) -> NDArray[Any]:
    """Sum over some axes in the order that the docstring of relu_backward_with_bias states."""
    summed = {int(axis) for axis in axes} | {k for k, n in enumerate(addends.shape) if n == 1}
    kept = [k for k in range(addends.ndim) if k not in summed]
    between = [k for k in sorted(summed) if kept and k < kept[-1]]
    behind = [k for k in sorted(summed) if k not in between]
    shape = [math.prod(addends.shape[k] for k in group) for group in (kept, between, behind)]
    runs = addends.transpose([*kept, *between, *behind]).reshape(shape)
    totals = _in_order(_run_sums(runs))
    axes = {int(axis) for axis in axes}
    return totals.reshape([n for k, n in enumerate(addends.shape) if k not in axes])


def _run_sums(runs: NDArray[Any]) -> NDArray[Any]:
    """Sum along the last axis: in each block by partial sums, the blocks in order."""
    totals = np.zeros(runs.shape[:-1], runs.dtype)
    for begin in range(0, runs.shape[-1], _BLOCK):
        block = runs[..., begin : begin + _BLOCK]
        sums = np.zeros((*runs.shape[:-1], _PARTIAL_SUMS), runs.dtype)
        for k in range(block.shape[-1]):
            sums[..., k % _PARTIAL_SUMS] += block[..., k]
        while sums.shape[-1] > 1:
            half = sums.shape[-1] // 2
            sums = sums[..., :half] + sums[..., half:]
        totals += sums[..., 0]
    return totals


def _in_order(rows: NDArray[Any]) -> NDArray[Any]:
    """Sum along the last axis: within blocks in order, then the blocks in order."""
    totals = np.zeros(rows.shape[:-1], rows.dtype)
    for begin in range(0, rows.shape[-1], _BLOCK):
        block = np.zeros_like(totals)
        for k in range(begin, min(begin + _BLOCK, rows.shape[-1])):
            block += rows[..., k]
        totals += block
    return totals


def _total_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.longdouble if dtype == np.longdouble else np.float64)


@np.errstate(all="ignore")
def rounded(totals: NDArray[Any], dtype: np.dtype[Any]) -> Any:
    """Round once to `dtype`: a cast of another package's dtype may round to float32 first.

    So those are given the neighbouring float32 with an odd last bit, which rounds as the total.
    """
    if dtype.isbuiltin == 1 or not is_narrow_float(dtype):
        return totals.astype(dtype)[()]
    near = totals.astype(np.float32)
    other = np.nextafter(near, np.where(near > totals, -np.inf, np.inf).astype(np.float32))
    is_odd = near.view(np.uint32) % 2 == 1
    return np.where((near == totals) | np.isnan(near) | is_odd, near, other).astype(dtype)[()]


@multiplies
def clip_grad_norm_(grads: Any, max_norm: Any) -> float:
    """`g *= min(1, max_norm / norm)`, `norm = sqrt(sum(g**2))`; NaN and inf change nothing."""
    arrays = [grads] if isinstance(grads, np.ndarray) else list(grads)
    total, factor = _sum_of_squares(arrays, 1), 1.0
    if total < 2.0**-900 or np.isinf(total):
        factor = 2.0**600 if total < 1 else 2.0**-600
        total = _sum_of_squares(arrays, factor)
    norm = float(np.sqrt(total)) / factor
    if max_norm < norm < np.inf:
        for each in arrays:
            each[...] = product(each, float(max_norm) / norm)
    return norm


def _sum_of_squares(arrays: list[NDArray[Any]], factor: float) -> Any:
    total: Any = 0.0
    for each in arrays:
        values = cast(wide(each), _total_dtype(each.dtype)) * factor
        total = total + sum_over(values * values, range(each.ndim))
    return total


def _pools(x: NDArray[Any], pool_size: int, axis: int) -> tuple[NDArray[Any], int]:
    """Give the channels of each pool an axis of their own, and say which."""
    at = range(x.ndim)[axis]
    shape = (*x.shape[:at], x.shape[at] // pool_size, pool_size, *x.shape[at + 1 :])
    return x.reshape(shape), at + 1


def _chosen(pools: NDArray[Any], axis: int) -> NDArray[np.intp]:
    """Return the place of the first largest element; np.argmax takes the first NaN, too."""
    return np.asarray(np.argmax(wide(pools), axis, keepdims=True))


@multiplies
def softmax(x: ArrayLike, axis: Any = -1) -> Any:
    """`exp(x) / sum(exp(x))`, in longdouble and rounded to the dtype of the result."""
    t, dtype = _below_largest(x, axis), product_promoted(x)
    return rounded(np.exp(t) / np.sum(np.exp(t), axis, keepdims=True), dtype)


@multiplies
def log_softmax(x: ArrayLike, axis: Any = -1) -> Any:
    """`x - log(sum(exp(x)))`: its logarithm is computed from the sum without one largest."""
    dtype, (wide_x,) = product_promoted(x), _long(x)
    largest = np.max(wide_x, axis, keepdims=True)
    t = wide_x - np.where(np.isfinite(largest), largest, 0)
    number = np.sum(t == 0, axis, keepdims=True)
    rest = np.sum(np.where(t == 0, 0, np.exp(t)), axis, keepdims=True) + np.maximum(number - 1, 0)
    logarithm = np.where(np.isfinite(largest), np.log1p(rest), largest)
    return rounded(t - logarithm, dtype)


@multiplies
def softmax_backward(grad_output: ArrayLike, y: ArrayLike, axis: Any = -1) -> Any:
    """`y * (g - sum(g * y))`, in longdouble and rounded to the dtype of the result."""
    dtype, (g, y) = product_promoted(grad_output, y), _long(grad_output, y)
    total = np.sum(g * y, axis, keepdims=True)
    return rounded(y * (g - total), dtype)


@multiplies
def log_softmax_backward(grad_output: ArrayLike, y: ArrayLike, axis: Any = -1) -> Any:
    """`g - exp(y) * sum(g)`, in longdouble and rounded to the dtype of the result."""
    dtype, (g, y) = product_promoted(grad_output, y), _long(grad_output, y)
    total = np.sum(g, axis, keepdims=True)
    return rounded(g - np.exp(y) * total, dtype)


@multiplies
def cross_entropy(logits: ArrayLike, labels: ArrayLike, axis: int = -1) -> tuple[Any, Any]:
    """`-log_softmax(logits)[label]` and `softmax(logits) - onehot(label)`."""
    dtype, at = product_promoted(logits), np.expand_dims(np.asarray(labels), axis)
    (x,) = _long(logits)
    chosen = np.take_along_axis(log_softmax(x, axis), at, axis)
    gradient = softmax(x, axis)
    less_one = np.where(np.isnan(np.take_along_axis(gradient, at, axis)), np.nan, np.expm1(chosen))
    np.put_along_axis(gradient, at, less_one, axis)
    return rounded(-chosen.squeeze(axis), dtype), rounded(gradient, dtype)


def _long(*inputs: ArrayLike) -> tuple[NDArray[Any], ...]:
    dtype = product_promoted(*inputs)
    return tuple(cast(wide(cast(each, dtype)), np.dtype(np.longdouble)) for each in inputs)


def _below_largest(x: ArrayLike, axis: Any) -> NDArray[Any]:
    (t,) = _long(x)
    return np.asarray(t - np.max(t, axis, keepdims=True))


@selects
def apply_table(x: ArrayLike, table: ArrayLike) -> Any:
    """`table[i]` for each element of `x` whose byte is i."""
    return np.asarray(table)[np.asarray(x).view(np.uint8)]


@selects
def make_table(function: Any, input: Any, output: Any, dtype: DTypeLike = np.int8) -> NDArray[Any]:
    """`q' = clip(round(f((q - zero_point) * scale) / scale') + zero_point')` for each byte q."""
    (scale, zero_point), (out_scale, out_zero_point) = input, output
    limits = np.iinfo(np.dtype(dtype))
    values = [int(q) for q in np.arange(256, dtype=np.uint8).view(dtype)]
    y = np.asarray(function(np.array([(q - zero_point) * float(scale) for q in values])))

    def quantised(real: float) -> int:
        ratio = real / float(out_scale)
        if math.isinf(ratio):
            return int(limits.max if ratio > 0 else limits.min)
        return int(min(max(round(ratio) + out_zero_point, limits.min), limits.max))

    return np.array([quantised(float(each)) for each in y], dtype)
