"""Functions along one axis of channels: maxout and concatenated ReLU."""

from __future__ import annotations

from math import prod
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from fastrelu import _core, _layout
from fastrelu._layout import Array, Shape

__all__ = ["crelu", "crelu_backward", "maxout", "maxout_backward"]


def maxout(
    x: ArrayLike, /, pool_size: SupportsIndex, axis: SupportsIndex = 1, out: Array | None = None
) -> Array:
    """Largest of each pool of channels: ``y[i] = max(x[pool_size * i : pool_size * (i + 1)])``.

    Goodfellow et al., "Maxout Networks", 2013; pools as in ``paddle.nn.functional.maxout``. NaN is
    larger than all numbers. Of equal elements (such as -0.0 and +0.0, or several NaNs), the first
    is taken. No input raises a floating-point warning.

    Parameters
    ----------
    x : array_like of integers or floats, of at least one dimension
    pool_size : int, the number of consecutive channels in each pool
    axis : int, default 1
        The axis of the channels: 1 in the order NCHW, -1 if the channels are last.
    out : ndarray, optional, where the result goes: of its shape and dtype

    Returns
    -------
    y : ndarray of the dtype and shape of `x`, except for ``x.shape[axis] // pool_size`` channels

    Raises
    ------
    TypeError
        If `x` does not hold integers or floats, `out` is not an array of its dtype, or an argument
        carries more than its elements.
    ValueError
        If `pool_size` is below 1 or does not divide the number of channels, if `axis` is out of
        range (AxisError), or if `out` has another shape than the result or is read-only.

    Examples
    --------
    >>> fr.maxout(np.array([[1.0, 5.0, -2.0, -7.0]]), pool_size=2)
    array([[ 5., -2.]])
    """
    y = _core.maxout(x, pool_size, axis, out)
    return _maxout(x, pool_size, axis, out) if y is NotImplemented else y


def maxout_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    /,
    pool_size: SupportsIndex,
    axis: SupportsIndex = 1,
    out: Array | None = None,
) -> Array:
    """Gradient through :func:`maxout`: ``grad_output`` where `x` was taken, +0 elsewhere.

    One element of each pool gets it: the first of equal ones, and the first NaN.

    Parameters
    ----------
    grad_output : array_like, the gradient of the loss with respect to maxout's output, of its shape
    x, pool_size, axis
        As for :func:`maxout`.
    out : ndarray, optional, where the result goes: of its shape and dtype; it may be `x`

    Returns
    -------
    grad_x : ndarray of the shape of `x` and the common dtype of `grad_output` and `x`

    Raises
    ------
    TypeError, ValueError
        As for :func:`maxout`; ValueError too if `grad_output` has another shape than its output.

    Examples
    --------
    >>> fr.maxout_backward([[0.5, 0.25]], [[1.0, 5.0, -2.0, -2.0]], pool_size=2)
    array([[0.  , 0.5 , 0.25, 0.  ]])
    """
    g = _core.maxout_backward(grad_output, x, pool_size, axis, out)
    return _maxout_backward(grad_output, x, pool_size, axis, out) if g is NotImplemented else g


def crelu(x: ArrayLike, /, axis: SupportsIndex = 1, out: Array | None = None) -> Array:
    """Concatenated ReLU: ``relu(x)`` and ``relu(-x)``, side by side along `axis`.

    Shang et al., "Understanding and Improving Convolutional Neural Networks via Concatenated
    Rectified Linear Units", 2016; TensorFlow's ``tf.nn.crelu``, whose default is ``axis=-1``. NaN
    stays NaN in both halves, with the other sign in the second. The smallest integer gives 0 twice.

    Parameters
    ----------
    x : array_like of signed integers or floats, of at least one dimension
    axis, out
        As for :func:`maxout`.

    Returns
    -------
    y : ndarray of the dtype of `x`, with twice as many channels along `axis`

    Raises
    ------
    TypeError, ValueError
        As for :func:`maxout`; TypeError too if `x` holds unsigned integers.

    Examples
    --------
    >>> fr.crelu(np.array([[-1.0, 2.0, -0.0]]))
    array([[0., 2., 0., 1., 0., 0.]])
    """
    x = _signed("crelu", x)
    axis = _layout.axis_of("crelu", x.ndim, axis)
    dtype = x.dtype if x.dtype.isnative else x.dtype.newbyteorder()
    shape = _with_channels(x.shape, axis, 2 * x.shape[axis])
    _layout.check_out("crelu", out, shape, dtype)
    if out is None:
        out = np.empty(shape, dtype)
    elif np.may_share_memory(out, x):
        x = x.copy()
    positive, negative = _halves(out, axis)
    _core.relu(x, out=positive)
    _core.negated_relu(x, out=negative)
    return out


def crelu_backward(
    grad_output: ArrayLike, x: ArrayLike, /, axis: SupportsIndex = 1, out: Array | None = None
) -> Array:
    """Gradient through :func:`crelu`: ``relu_backward(g1, x) - relu_backward(g2, -x)``.

    ``g1`` and ``g2`` are the halves of `grad_output` along `axis`.

    Parameters
    ----------
    grad_output : array_like, the gradient of the loss with respect to crelu's output, of its shape
    x, axis, out
        As for :func:`crelu`; `out` may be `x`.

    Returns
    -------
    grad_x : ndarray of the shape of `x` and the common dtype of `grad_output` and `x`

    Raises
    ------
    TypeError, ValueError
        As for :func:`crelu`; ValueError too if `grad_output` has another shape than its output.

    Examples
    --------
    >>> fr.crelu_backward([[1.0, 2.0, 3.0, 4.0]], [[5.0, -5.0]])
    array([[ 1., -4.]])
    """
    name = "crelu_backward"
    grad_output, x = _layout.numbers(name, grad_output, "grad_output"), _signed(name, x)
    axis = _layout.axis_of(name, x.ndim, axis)
    _check_gradient(name, grad_output, _with_channels(x.shape, axis, 2 * x.shape[axis]))
    if out is not None:
        _layout.check_out(name, out, x.shape, _common_dtype(name, grad_output, x))
    halves = _halves(grad_output, axis)
    grad: Array = _layout.call_ufunc(name, _core.crelu_gradient, *halves, x, out=out)
    return grad


def _maxout(x: ArrayLike, pool_size: Any, axis: Any, out: Any) -> Array:
    x = _layout.dense(_layout.numbers("maxout", x))
    size, axis, shape = _pools("maxout", x.shape, pool_size, axis)
    _layout.check_out("maxout", out, shape, x.dtype)
    result = _layout.answered("maxout", _core.maxout(_blocks(x, axis), size, 1, None), x)
    y: Array = _layout.delivered(result.reshape(shape), out)
    return y


def _maxout_backward(grad: ArrayLike, x: ArrayLike, pool_size: Any, axis: Any, out: Any) -> Array:
    name = "maxout_backward"
    grad, x = _layout.numbers(name, grad, "grad_output"), _layout.numbers(name, x)
    size, axis, shape = _pools(name, x.shape, pool_size, axis)
    _check_gradient(name, grad, shape)
    dtype = _common_dtype(name, grad, x)
    _layout.check_out(name, out, x.shape, dtype)
    grads, inputs = (_blocks(_layout.dense(each, dtype), axis) for each in (grad, x))
    result = _layout.answered(name, _core.maxout_backward(grads, inputs, size, 1, None), inputs)
    g: Array = _layout.delivered(result.reshape(x.shape), out)
    return g


def _pools(function: str, shape: Shape, pool_size: Any, axis: Any) -> tuple[int, int, Shape]:
    """Return the checked size of the pools, the checked axis, and the shape of the result."""
    size = _layout.integer(function, "pool_size", pool_size)
    axis = _layout.axis_of(function, len(shape), axis)
    channels = shape[axis]
    if size < 1:
        raise ValueError(f"{function}: pool_size must be at least 1, not {size}")
    if channels % size:
        given = f"{function}: pool_size ({size})"
        raise ValueError(f"{given} does not divide the {channels} channels of axis {axis}")
    # Any size divides 0 channels, even one that is too large for the extension.
    return min(size, max(channels, 1)), axis, _with_channels(shape, axis, channels // size)


def _blocks(array: Array, axis: int) -> Array:
    """Join the axes before the channels, and those behind them, to one each."""
    shape = array.shape
    return array.reshape(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))


def _with_channels(shape: Shape, axis: int, channels: int) -> Shape:
    return (*shape[:axis], channels, *shape[axis + 1 :])


def _check_gradient(function: str, grad_output: Array, shape: Shape) -> None:
    if grad_output.shape != shape:
        given = f"grad_output has shape {grad_output.shape}"
        raise ValueError(f"{function}: {given}, but the output for this x has {shape}")


def _common_dtype(function: str, grad_output: Array, x: Array) -> np.dtype[Any]:
    try:
        return np.result_type(grad_output, x)
    except TypeError as error:
        raise _layout.renamed(function, error) from error


def _signed(function: str, x: ArrayLike) -> Array:
    array = _layout.numbers(function, x)
    if array.dtype.kind == "u":
        given = f"{function}: x must hold signed numbers, not {array.dtype}, because -x is computed"
        raise TypeError(f"{given}; convert it, for example with np.asarray(x, np.int16)")
    return array


def _halves(array: Array, axis: int) -> tuple[Array, Array]:
    """Return views of the first and the second half of the channels."""
    middle = array.shape[axis] // 2
    before = (slice(None),) * axis
    return array[(*before, slice(middle))], array[(*before, slice(middle, None))]
