"""The elements that relu keeps: as masks of one bit each, with gradients from them, and counted."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    adds,
    cast,
    common,
    multiplies,
    not_positive,
    positive,
    product,
    product_promoted,
    selects,
    zero_where,
)
from fastrelu.reference._ufuncs import (
    add_leaky_relu,
    leaky_relu,
    leaky_relu_backward,
    relu,
    sum_of,
)

Bits: TypeAlias = NDArray[np.uint8]


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
def add_leaky_relu_with_mask(
    x: ArrayLike, y: ArrayLike, negative_slope: ArrayLike = 0.01
) -> tuple[Any, Bits]:
    """`add_leaky_relu(x, y, negative_slope)`, and the bits of `x + y > 0` in C order."""
    bits = _packed(positive(sum_of(x, y, negative_slope)))
    return add_leaky_relu(x, y, negative_slope), bits


@selects
def relu_backward_from_mask(grad_output: ArrayLike, mask: Bits) -> Any:
    """`grad_output` where the bit is 1, else +0."""
    (grad_output,) = common(grad_output)
    return zero_where(~_unpacked(mask, grad_output), grad_output)


@multiplies
def leaky_relu_backward_from_mask(
    grad_output: ArrayLike, mask: Bits, negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output` where the bit is 1, else `grad_output * negative_slope`."""
    grad_output = cast(grad_output, product_promoted(grad_output, parameter=negative_slope))
    bits = _unpacked(mask, grad_output)
    return np.where(bits, grad_output, product(grad_output, negative_slope))[()]


@multiplies
def leaky_relu_backward_from_output(
    grad_output: ArrayLike, y: ArrayLike, negative_slope: ArrayLike = 0.01
) -> Any:
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
