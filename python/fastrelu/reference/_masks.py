"""The elements that relu keeps: as masks of one bit each, with gradients from them, and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    adds,
    at_most,
    cast,
    common,
    leaky_promoted,
    multiplies,
    positive,
    product,
    promoted,
    selects,
    zero,
)
from fastrelu.reference._rectifiers import (
    add_leaky_relu,
    leaky_relu,
    leaky_relu_backward,
    relu,
    sum_of,
)


@selects
def relu_with_mask(x: ArrayLike) -> tuple[Any, NDArray[np.uint8]]:
    """`relu(x)`, and the bits of `not x <= 0` in C order."""
    return relu(x), _packed(_active(x))


@multiplies
def leaky_relu_with_mask(
    x: ArrayLike, negative_slope: ArrayLike = 0.01
) -> tuple[Any, NDArray[np.uint8]]:
    """`leaky_relu(x, negative_slope)`, and the bits of `x > 0` in C order."""
    return leaky_relu(x, negative_slope), _packed(positive(cast(x, promoted(x))))


@adds
def add_relu_with_mask(x: ArrayLike, y: ArrayLike) -> tuple[Any, NDArray[np.uint8]]:
    """`add_relu(x, y)`, and the bits of `not x + y <= 0` in C order."""
    x, y = common(x, y)
    return relu(x + y), _packed(~at_most(x + y, 0))


@multiplies
def add_leaky_relu_with_mask(
    x: ArrayLike, y: ArrayLike, negative_slope: ArrayLike = 0.01
) -> tuple[Any, NDArray[np.uint8]]:
    """`add_leaky_relu(x, y, negative_slope)`, and the bits of `x + y > 0` in C order."""
    bits = _packed(positive(sum_of(x, y, negative_slope)))
    return add_leaky_relu(x, y, negative_slope), bits


@selects
def relu_backward_from_mask(grad_output: ArrayLike, mask: NDArray[np.uint8]) -> Any:
    """`grad_output` where the bit is 1, else +0."""
    grad_output = cast(grad_output, promoted(grad_output))
    return np.where(_unpacked(mask, grad_output), grad_output, zero(grad_output))[()]


@multiplies
def leaky_relu_backward_from_mask(
    grad_output: ArrayLike, mask: NDArray[np.uint8], negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output` where the bit is 1, else `grad_output * negative_slope`."""
    grad_output = cast(grad_output, leaky_promoted(grad_output, parameter=negative_slope))
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
    return ~at_most(cast(x, promoted(x)), 0)


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(np.ravel(bits), bitorder="little")


def _unpacked(mask: NDArray[np.uint8], like: NDArray[Any]) -> NDArray[np.bool_]:
    bits = np.unpackbits(mask, count=like.size, bitorder="little")
    return bits.reshape(like.shape).astype(np.bool_)
