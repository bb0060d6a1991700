"""maxout and concatenated ReLU, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import cast, product_dtype, promoted
from fastrelu.reference._rectifiers import relu, relu_backward


@np.errstate(all="ignore")
def maxout(x: ArrayLike, groups: int, axis: int = 1) -> NDArray[Any]:
    """Take the first largest of each `groups` consecutive channels; NaN is above everything.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.maxout([[1.0, 5.0, -2.0, -7.0]], groups=2)
    array([[ 5., -2.]])
    """
    x = cast(x, promoted(x))
    pools, axis = _pools(x, groups, axis)
    return np.take_along_axis(pools, _chosen(pools, axis), axis).squeeze(axis)


@np.errstate(all="ignore")
def maxout_backward(
    grad_output: ArrayLike, x: ArrayLike, groups: int, axis: int = 1
) -> NDArray[Any]:
    """`grad_output` where maxout took an element, +0 elsewhere.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.maxout_backward([[0.5, 0.25]], [[1.0, 5.0, -2.0, -2.0]], groups=2)
    array([[0.  , 0.5 , 0.25, 0.  ]])
    """
    dtype = promoted(grad_output, x)
    grad_output, x = cast(grad_output, dtype), cast(x, dtype)
    pools, axis_of_pools = _pools(x, groups, axis)
    grad_x = np.zeros(pools.shape, dtype)
    gradient = np.expand_dims(grad_output, axis_of_pools)
    np.put_along_axis(grad_x, _chosen(pools, axis_of_pools), gradient, axis_of_pools)
    return grad_x.reshape(x.shape)


def crelu(x: ArrayLike, axis: int = 1) -> NDArray[Any]:
    """`relu(x)` and `relu(-x)`, side by side along `axis`.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.crelu([[-1.0, 2.0, -0.0]])
    array([[0., 2., 0., 1., 0., 0.]])
    """
    x = cast(x, promoted(x))
    return np.concatenate([relu(x), relu(-x)], axis)


@np.errstate(all="ignore")
def crelu_backward(grad_output: ArrayLike, x: ArrayLike, axis: int = 1) -> NDArray[Any]:
    """`relu_backward(g1, x) - relu_backward(g2, -x)`, of the halves of `grad_output`.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.crelu_backward([[1.0, 2.0, 3.0, 4.0]], [[5.0, -5.0]])
    array([[ 1., -4.]])
    """
    dtype = promoted(grad_output, x)
    x = cast(x, dtype)
    first, second = np.split(cast(grad_output, dtype), 2, axis)
    wide = product_dtype(dtype)
    positive, negative = relu_backward(first, x), relu_backward(second, -x)
    return np.asarray((cast(positive, wide) - cast(negative, wide)).astype(dtype))


def _pools(x: NDArray[Any], groups: int, axis: int) -> tuple[NDArray[Any], int]:
    """Give the channels of each pool an axis of their own, and say which."""
    at = range(x.ndim)[axis]
    shape = (*x.shape[:at], x.shape[at] // groups, groups, *x.shape[at + 1 :])
    return x.reshape(shape), at + 1


def _chosen(pools: NDArray[Any], axis: int) -> NDArray[np.intp]:
    """Return the place of the first largest element; np.argmax takes the first NaN, too."""
    comparable = cast(pools, product_dtype(pools.dtype))
    return np.asarray(np.argmax(comparable, axis, keepdims=True))
