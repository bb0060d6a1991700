"""Masks, one bit an element, and the gradients from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    at_most,
    cast,
    leaky_promoted,
    positive,
    product,
    promoted,
    zero,
)
from fastrelu.reference._rectifiers import leaky_relu, leaky_relu_backward, relu


@np.errstate(all="ignore")
def relu_with_mask(x: ArrayLike) -> tuple[Any, NDArray[np.uint8]]:
    """`relu(x)`, and the bits of `not x <= 0` in C order.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu_with_mask(np.array([-1.0, 2.0, 0.0, np.nan]))
    (array([ 0.,  2.,  0., nan]), array([10], dtype=uint8))
    """
    values = cast(x, promoted(x))
    return relu(x), _packed(~at_most(values, 0))


@np.errstate(all="ignore")
def leaky_relu_with_mask(
    x: ArrayLike, negative_slope: ArrayLike = 0.01
) -> tuple[Any, NDArray[np.uint8]]:
    """`leaky_relu(x, negative_slope)`, and the bits of `x > 0` in C order.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_with_mask(np.array([-1.0, 2.0, 0.0, np.nan]), 0.5)
    (array([-0.5,  2. ,  0. ,  nan]), array([2], dtype=uint8))
    """
    return leaky_relu(x, negative_slope), _packed(positive(cast(x, promoted(x))))


def relu_backward_from_mask(grad_output: ArrayLike, mask: NDArray[np.uint8]) -> Any:
    """`grad_output` where the bit is 1, else +0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu_backward_from_mask(np.array([5.0, 6.0, 7.0]), np.array([2], np.uint8))
    array([0., 6., 0.])
    """
    grad_output = cast(grad_output, promoted(grad_output))
    return np.where(_unpacked(mask, grad_output), grad_output, zero(grad_output))[()]


@np.errstate(all="ignore")
def leaky_relu_backward_from_mask(
    grad_output: ArrayLike, mask: NDArray[np.uint8], negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output` where the bit is 1, else `grad_output * negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_backward_from_mask([5.0, 6.0], np.array([2], np.uint8), 0.5)
    array([2.5, 6. ])
    """
    grad_output = cast(grad_output, leaky_promoted(grad_output, parameter=negative_slope))
    bits = _unpacked(mask, grad_output)
    return np.where(bits, grad_output, product(grad_output, negative_slope))[()]


def leaky_relu_backward_from_output(
    grad_output: ArrayLike, y: ArrayLike, negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output if y > 0 else grad_output * negative_slope`, for slopes of 0 and above.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_backward_from_output([1.0, 1.0], [-1.5, 3.0], negative_slope=0.5)
    array([0.5, 1. ])
    """
    if not np.all(np.asarray(negative_slope) >= 0):
        raise ValueError("negative_slope must be 0 or above")
    return leaky_relu_backward(grad_output, y, negative_slope)


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(np.ravel(bits), bitorder="little")


def _unpacked(mask: NDArray[np.uint8], like: NDArray[Any]) -> NDArray[np.bool_]:
    bits = np.unpackbits(mask, count=like.size, bitorder="little")
    return bits.reshape(like.shape).astype(np.bool_)
