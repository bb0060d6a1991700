"""Functions along one axis of channels: maxout and concatenated ReLU."""

from __future__ import annotations

import math
import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu import _core
from fastrelu._layout import answered, axis_of, check_out, dense, numbers, renamed


def maxout(
    x: ArrayLike,
    /,
    groups: SupportsIndex,
    axis: SupportsIndex = 1,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Largest of each pool of channels: ``y[i] = max(x[groups * i : groups * (i + 1)])``.

    Parameters
    ----------
    x : array_like of integers or floats
        Input of at least one dimension.
    groups : int
        How many consecutive channels form a pool. It divides the length of `axis`.
    axis : int, default 1
        The axis of the channels.
    out : ndarray, optional
        Where the result goes, instead of a new array: of its shape and dtype.

    Returns
    -------
    y : ndarray
        Of the dtype and the shape of `x`, except that it has ``x.shape[axis] // groups`` channels.

    Raises
    ------
    TypeError
        If `x` is bool, complex, or no number at all, or `out` is no array of its dtype.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `groups` is below 1 or does not divide the number of channels, or `out` has another shape
        or is read-only.
    numpy.exceptions.AxisError
        If `x` has no such axis.

    See Also
    --------
    maxout_backward : The gradient.

    Notes
    -----
    The pools and the name of `groups` are those of PaddlePaddle (``paddle.nn.functional.maxout``),
    after Goodfellow et al., "Maxout Networks", 2013. NaN is larger than everything; of equal
    elements, -0.0 and +0.0 or several NaNs, the first is taken as it is. No input raises a
    floating-point warning.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.maxout(np.array([[1.0, 5.0, -2.0, -7.0]]), groups=2)
    array([[ 5., -2.]])
    """
    result = _core.maxout(x, groups, axis, out)
    return _maxout(x, groups, axis, out) if result is NotImplemented else result


def maxout_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    /,
    groups: SupportsIndex,
    axis: SupportsIndex = 1,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Gradient through :func:`maxout`: ``grad_output`` where `x` was taken, +0 elsewhere.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to maxout's output, of its shape.
    x : array_like of integers or floats
        maxout's input.
    groups : int
        How many consecutive channels form a pool. It divides the length of `axis`.
    axis : int, default 1
        The axis of the channels.
    out : ndarray, optional
        Where the result goes, instead of a new array: of its shape and dtype. It may be `x`.

    Returns
    -------
    grad_x : ndarray
        Of the shape of `x` and the common dtype of `grad_output` and `x`.

    Raises
    ------
    TypeError
        If an argument is bool, complex, or no number at all, or `out` is no array of their dtype.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `groups` is below 1 or does not divide the number of channels, `grad_output` has another
        shape than maxout's output, or `out` another than `x`, or is read-only.
    numpy.exceptions.AxisError
        If `x` has no such axis.

    See Also
    --------
    maxout : The function itself.

    Notes
    -----
    One element of each pool gets the gradient: the one that :func:`maxout` takes, hence the first
    of equal ones, and the first NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.maxout_backward([[0.5, 0.25]], [[1.0, 5.0, -2.0, -2.0]], groups=2)
    array([[0.  , 0.5 , 0.25, 0.  ]])
    """
    result = _core.maxout_backward(grad_output, x, groups, axis, out)
    return (
        _maxout_backward(grad_output, x, groups, axis, out) if result is NotImplemented else result
    )


def crelu(
    x: ArrayLike, /, axis: SupportsIndex = 1, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Concatenated ReLU: ``relu(x)`` and ``relu(-x)``, side by side along `axis`.

    Parameters
    ----------
    x : array_like of signed integers or floats
        Input of at least one dimension.
    axis : int, default 1
        The axis of the channels.
    out : ndarray, optional
        Where the result goes, instead of a new array: of its shape and dtype.

    Returns
    -------
    y : ndarray
        Of the dtype and the shape of `x`, except that it has twice as many channels.

    Raises
    ------
    TypeError
        If `x` is unsigned, bool, complex, or no number at all, or `out` is no array of its dtype.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `out` has another shape or is read-only.
    numpy.exceptions.AxisError
        If `x` has no such axis.

    See Also
    --------
    crelu_backward : The gradient.
    relu : Each half.

    Notes
    -----
    Shang et al., "Understanding and Improving Convolutional Neural Networks via Concatenated
    Rectified Linear Units", 2016; TensorFlow's ``tf.nn.crelu``. NaN stays NaN in both halves, with
    its sign turned in the second. The smallest integer has no negative: it gives 0 twice.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.crelu(np.array([[-1.0, 2.0, -0.0]]))
    array([[0., 2., 0., 1., 0., 0.]])
    """
    x = _signed("crelu", x)
    axis = axis_of("crelu", x.ndim, axis)
    dtype = x.dtype if x.dtype.isnative else x.dtype.newbyteorder()
    shape = _with_channels(x.shape, axis, 2 * x.shape[axis])
    if out is None:
        out = np.empty(shape, dtype)
    elif np.may_share_memory(check_out("crelu", out, shape, dtype), x):
        x = x.copy()
    positive, negative = _halves(out, axis)
    _core.relu(x, out=positive)
    _core.negated_relu(x, out=negative)
    return out


def crelu_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    /,
    axis: SupportsIndex = 1,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Gradient through :func:`crelu`: ``relu_backward(g1, x) - relu_backward(g2, -x)``.

    There, ``g1`` and ``g2`` are the halves of `grad_output` along `axis`.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to crelu's output, of its shape.
    x : array_like of signed integers or floats
        crelu's input.
    axis : int, default 1
        The axis of the channels.
    out : ndarray, optional
        Where the result goes, instead of a new array: of its shape and dtype. It may be `x`.

    Returns
    -------
    grad_x : ndarray
        Of the shape of `x` and the common dtype of `grad_output` and `x`.

    Raises
    ------
    TypeError
        If `x` is unsigned, an argument is bool, complex, or no number at all, or `out` is no array
        of their dtype.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `grad_output` has another shape than crelu's output, or `out` another than `x`, or is
        read-only.
    numpy.exceptions.AxisError
        If `x` has no such axis.

    See Also
    --------
    crelu : The function itself.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.crelu_backward([[1.0, 2.0, 3.0, 4.0]], [[5.0, -5.0]])
    array([[ 1., -4.]])
    """
    grad_output = numbers("crelu_backward", grad_output, "grad_output")
    x = _signed("crelu_backward", x)
    axis = axis_of("crelu_backward", x.ndim, axis)
    _check_gradient("crelu_backward", grad_output, _with_channels(x.shape, axis, 2 * x.shape[axis]))
    if out is not None:
        check_out("crelu_backward", out, x.shape, _common_dtype("crelu_backward", grad_output, x))
    try:
        gradient = _core.crelu_gradient(*_halves(grad_output, axis), x, out=out)
    except TypeError as error:
        raise renamed("crelu_backward", error) from error
    return gradient  # type: ignore[no-any-return]


def _maxout(
    x: ArrayLike, groups: SupportsIndex, axis: SupportsIndex, out: NDArray[Any] | None
) -> NDArray[Any]:
    x = numbers("maxout", x)
    pools = _Pools("maxout", x, groups, axis)
    plain = dense(x)
    if out is not None:
        check_out("maxout", out, pools.pooled, plain.dtype)
    blocks = plain.reshape(pools.blocks)
    result = answered("maxout", _core.maxout(blocks, pools.groups, 1, None), blocks)
    return _delivered(result, pools.pooled, out)


def _maxout_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    groups: SupportsIndex,
    axis: SupportsIndex,
    out: NDArray[Any] | None,
) -> NDArray[Any]:
    grad_output = numbers("maxout_backward", grad_output, "grad_output")
    x = numbers("maxout_backward", x)
    pools = _Pools("maxout_backward", x, groups, axis)
    _check_gradient("maxout_backward", grad_output, pools.pooled)
    dtype = _common_dtype("maxout_backward", grad_output, x)
    if out is not None:
        check_out("maxout_backward", out, x.shape, dtype)
    plain = dense(x, dtype).reshape(pools.blocks)
    gradient = dense(grad_output, dtype).reshape(pools.pooled_blocks)
    result = _core.maxout_backward(gradient, plain, pools.groups, 1, None)
    result = answered("maxout_backward", result, plain)
    return _delivered(result, x.shape, out)


def _delivered(
    result: NDArray[Any], shape: tuple[int, ...], out: NDArray[Any] | None
) -> NDArray[Any]:
    shaped: NDArray[Any] = result.reshape(shape)
    if out is None:
        return shaped
    np.copyto(out, shaped)
    return out


class _Pools:
    """The shapes of a call, checked; as blocks: before the channels, channels, behind them."""

    def __init__(
        self, function: str, x: NDArray[Any], groups: SupportsIndex, axis: SupportsIndex
    ) -> None:
        self.groups, at = _size_of_pools(function, groups), axis_of(function, x.ndim, axis)
        channels = x.shape[at]
        if self.groups < 1:
            raise ValueError(f"{function}: groups ({self.groups}) is below 1")
        if channels % self.groups:
            raise ValueError(
                f"{function}: groups ({self.groups}) does not divide the {channels} channels of "
                f"axis {at}"
            )
        self.pooled = _with_channels(x.shape, at, channels // self.groups)
        before, behind = math.prod(x.shape[:at]), math.prod(x.shape[at + 1 :])
        self.blocks = before, channels, behind
        self.pooled_blocks = before, channels // self.groups, behind


def _size_of_pools(function: str, groups: SupportsIndex) -> int:
    try:
        return operator.index(groups)
    except TypeError:
        given = type(groups).__name__
        raise TypeError(f"{function}: groups must be an integer, not {given}") from None


def _with_channels(shape: tuple[int, ...], axis: int, channels: int) -> tuple[int, ...]:
    return (*shape[:axis], channels, *shape[axis + 1 :])


def _check_gradient(function: str, grad_output: NDArray[Any], shape: tuple[int, ...]) -> None:
    if grad_output.shape != shape:
        raise ValueError(
            f"{function}: grad_output has shape {grad_output.shape}, but the output for this x "
            f"has {shape}"
        )


def _common_dtype(function: str, grad_output: NDArray[Any], x: NDArray[Any]) -> np.dtype[Any]:
    try:
        return np.result_type(grad_output, x)
    except TypeError as error:
        raise renamed(function, error) from error


def _signed(function: str, x: ArrayLike) -> NDArray[Any]:
    array = numbers(function, x)
    if array.dtype.kind == "u":
        raise TypeError(f"{function} takes signed numbers, not {array.dtype}: it needs -x")
    return array


def _halves(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return views of the first and the second half of the channels."""
    middle = array.shape[axis] // 2
    before = (slice(None),) * axis
    return array[(*before, slice(middle))], array[(*before, slice(middle, None))]
