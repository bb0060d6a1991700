"""Bias and weight gradients; PReLU and RReLU."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from fastrelu import _core, _layout
from fastrelu._layout import Array, Axes, Grouping, Shape
from fastrelu._ufuncs import leaky_relu, leaky_relu_backward, relu_backward

if TYPE_CHECKING:
    from fastrelu._ufuncs._types import Floats, Numbers

__all__ = ["prelu", "prelu_backward", "relu_backward_with_bias", "rrelu", "rrelu_with_slopes"]

_SINGLE = np.dtype(np.float32).itemsize
_LAST_BUILTIN = np.dtype(np.float16).num


def relu_backward_with_bias(
    grad_output: ArrayLike, x: ArrayLike, /, axis: Axes = 0, out: Array | None = None
) -> tuple[Array, Any]:
    """Gradients of ``relu(x)`` and of a bias in x: ``g = relu_backward(grad_output, x), sum(g)``.

    Parameters
    ----------
    grad_output, x : array_like of integers or floats
        Gradient of the loss with respect to relu's output, and relu's input or its output.
    axis : int, tuple of int, or None, default 0
        The axes to sum along, which share one bias: 0 for a dense layer's batch, ``(0, 2, 3)`` for
        images in the order NCHW, None for all.
    out : ndarray, optional, where `grad_x` goes; it may be `grad_output`

    Returns
    -------
    grad_x : ndarray
    grad_bias : ndarray or scalar, the sum over `axis` in the dtype; of integers in int64 or uint64

    Raises
    ------
    TypeError
        If an argument does not hold integers or floats, or carries more than its elements; if
        `axis` is a list, or `out` cannot hold the result.
    ValueError
        If the shapes do not broadcast, if `axis` is out of range (AxisError), or if `out` has
        another shape or is read-only.

    Notes
    -----
    One pass over memory computes both. Floats are summed in float64 (longdouble in longdouble), and
    the sum is rounded once. The order of additions is fixed, so that the bits are the same for
    every number of threads, instruction set and memory layout. Axes of length 1 do not count. For
    one output, a run holds the elements along the summed axes behind the last kept axis::

        sum(output) = add in order the sums of blocks of 512 runs
        sum(512 runs) = add in order the sums of the runs
        sum(run) = add in order the sums of blocks of 512 elements
        sum(512 elements) = element k is added to partial sum k % 16, then
                            p[i] += p[i + 8], p[i] += p[i + 4], p[i] += p[i + 2], p[0] + p[1]

    Every sum begins with +0.0.

    Examples
    --------
    >>> fr.relu_backward_with_bias(np.ones((3, 2)), np.array([[1, -1]] * 3))[1]
    array([3., 0.])
    """
    both = _core.relu_backward_with_bias(grad_output, x, axis, out)
    return _relu_backward_with_bias(grad_output, x, axis, out) if both is NotImplemented else both


@overload
def prelu(
    x: Floats, weight: Floats | float, /, axis: int | None = 1, out: None = None
) -> Floats: ...
@overload
def prelu(
    x: Numbers, weight: Numbers, /, axis: int | None = 1, out: Array | None = None
) -> Any: ...
def prelu(x: Numbers, weight: Numbers, /, axis: int | None = 1, out: Array | None = None) -> Any:
    """Leaky ReLU with learned slopes: ``x if x > 0 else x * weight``, one weight per channel.

    Parameters
    ----------
    x : array_like of integers or floats, of any shape
    weight : array_like of integers or floats
        The slope for ``x <= 0``: one for all elements, or one-dimensional and laid along `axis` (as
        in PyTorch). An array of several axes, or any if `axis` is None (as in ONNX), broadcasts to
        the shape of `x`.
    axis : int or None, default 1
        The axis of the channels: 1 in the order NCHW, -1 if the channels are last.
    out : ndarray, optional, where the result goes; it may be `x`

    Returns
    -------
    y : ndarray or scalar, ``leaky_relu(x, weight)`` with the weight laid out
        It keeps what `x` carries besides its elements.

    Raises
    ------
    TypeError
        If an argument does not hold integers or floats.
    ValueError
        If the weight does not fit `x`; if `axis` is out of range for several weights (AxisError).

    Examples
    --------
    >>> fr.prelu(np.array([[-2.0, -2.0], [4.0, 4.0]]), [0.5, 0.25])
    array([[-1. , -0.5],
           [ 4. ,  4. ]])
    """
    slopes = _core.lay_out_weight(x, weight, axis)
    if slopes is NotImplemented:
        x = x if _layout.carries_more(x) else np.asarray(x)
        slopes = _slopes_for("prelu", x, weight, axis)
    try:
        return leaky_relu(x, slopes, out=out)
    except (TypeError, ValueError) as error:
        raise _layout.renamed("prelu", error) from error


def prelu_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    /,
    axis: int | None = 1,
    out: Array | None = None,
) -> tuple[Array, Any]:
    """Gradients of :func:`prelu`: that of `x`, and ``sum(0 if x > 0 else grad_output * x)``.

    The products are computed in float64 (longdouble in longdouble), and summed as in
    :func:`relu_backward_with_bias`, in the same pass. A NaN in `x` makes the gradient of its weight
    NaN, as in PyTorch.

    Parameters
    ----------
    grad_output, x, weight : array_like of integers or floats
        Gradient of the loss with respect to prelu's output, and prelu's inputs.
    axis
        As for :func:`prelu`.
    out : ndarray, optional, where `grad_x` goes; it may be `grad_output`

    Returns
    -------
    grad_x : ndarray, ``leaky_relu_backward(grad_output, x, weight)`` with the weight laid out
    grad_weight : ndarray or scalar
        For each weight the sum over all elements that share it. Of the shape and dtype of `weight`,
        except float64 for integers, and the dtype of `grad_x` for a Python number.

    Raises
    ------
    TypeError, ValueError
        As for :func:`relu_backward_with_bias` and :func:`prelu`.

    Examples
    --------
    >>> x = np.array([[-2.0, -3.0], [4.0, -5.0]])
    >>> fr.prelu_backward(np.ones_like(x), x, [0.5, 0.25])[1]
    array([-2., -8.])
    """
    both = _core.prelu_backward(grad_output, x, weight, axis, out)
    return _prelu_backward(grad_output, x, weight, axis, out) if both is NotImplemented else both


def rrelu(
    x: Numbers,
    /,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    *,
    rng: Any = None,
    training: bool = True,
    out: Array | None = None,
) -> Any:
    """Leaky ReLU with a random slope for every element: ``x if x > 0 else x * slope``.

    The slopes are ``lower + (upper - lower) * rng.random(x.shape, dtype)``, computed in their dtype
    (float32 for floats up to float32, else float64) and limited to `lower` and `upper` in it. If
    ``upper - lower`` overflows, half of each slope is computed so and doubled.

    Parameters
    ----------
    x : array_like of integers or floats, of any shape
    lower, upper : float, the range of the slopes; by default 1/8 and 1/3, as in PyTorch
    rng : numpy.random.Generator, seed, or None
        The source of the slopes, ``np.random.default_rng(rng)``: equal seeds give equal slopes.
    training : bool, default True
        True draws a slope for each element. False takes ``(lower + upper) / 2`` for all.
    out : ndarray, optional, where the result goes; it may be `x`

    Returns
    -------
    y : ndarray or scalar, ``leaky_relu(x, slopes)``
        It keeps what `x` carries besides its elements.

    Raises
    ------
    TypeError
        If `x` does not hold integers or floats, or if slopes are to be drawn for an `x` without a
        known shape and one dtype, such as a DataFrame.
    ValueError
        If `lower` exceeds `upper`, or if one is NaN, infinite, or beyond the range of the dtype.

    Examples
    --------
    >>> fr.rrelu(np.array([-8.0, 2.0]), 0.25, 0.75, training=False)
    array([-4.,  2.])
    """
    return _rrelu("rrelu", x, lower, upper, rng, training, out)[0]


def rrelu_with_slopes(
    x: Numbers,
    /,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    *,
    rng: Any = None,
    training: bool = True,
    out: Array | None = None,
) -> tuple[Any, Any]:
    """Compute :func:`rrelu` and return its slopes too: ``leaky_relu(x, slopes), slopes``.

    Parameters
    ----------
    x, lower, upper, rng, training, out
        As for :func:`rrelu`.

    Returns
    -------
    y : ndarray or scalar, the result of :func:`rrelu`
    slopes : ndarray or scalar, one for each element of `x`; without `training` one float
        :func:`leaky_relu_backward` takes them for the gradient.

    Raises
    ------
    TypeError, ValueError
        As for :func:`rrelu`.

    Examples
    --------
    >>> y, slopes = fr.rrelu_with_slopes([-8.0, 2.0], rng=0)
    >>> bool((fr.leaky_relu_backward(np.ones(2), [-8.0, 2.0], slopes) == [slopes[0], 1]).all())
    True
    """
    return _rrelu("rrelu_with_slopes", x, lower, upper, rng, training, out)


def _rrelu(
    name: str, x: Any, lower: float, upper: float, rng: Any, training: bool, out: Any
) -> tuple[Any, Any]:
    if not (isfinite(lower) and isfinite(upper)):
        raise ValueError(f"{name}: lower ({lower}) and upper ({upper}) must be finite")
    if lower > upper:
        raise ValueError(f"{name}: lower ({lower}) must not exceed upper ({upper})")
    x = x if type(x) is np.ndarray or _layout.carries_more(x) else np.asarray(x)
    slopes: Any = (lower + upper) / 2
    if not isfinite(slopes):
        slopes = lower / 2 + upper / 2
    if training:
        shape, dtype = _form_of(name, x)
        is_single = _result_dtype(name, leaky_relu, dtype, np.float32(0)).itemsize <= _SINGLE
        kind = np.float32 if is_single else np.float64
        slopes = _drawn(name, shape, float(lower), float(upper), rng, kind)
    return _layout.call_ufunc(name, leaky_relu, x, slopes, out=out), slopes


def _form_of(name: str, x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an array that is not to be converted; TypeError without them."""
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if not (isinstance(shape, tuple) and isinstance(dtype, np.dtype)):
        _layout.refuse(name, "x", x, "which does not have a shape and one dtype of NumPy's")
    if not all(isinstance(n, int) for n in shape):  # dask's are NaN until they are computed
        _layout.refuse(name, "x", x, "whose shape is not known yet")
    return shape, dtype


def _drawn(name: str, shape: Any, lower: float, upper: float, rng: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):
        low, high = dtype(lower), dtype(upper)
        if not (np.isfinite(low) and np.isfinite(high)):
            why = f"is beyond the range of the slopes' dtype, {np.dtype(dtype)}"
            raise ValueError(f"{name}: lower ({lower}) or upper ({upper}) {why}")
        divisor = 1 if np.isfinite(high - low) else 2  # of what would overflow
    slopes = np.asarray(np.random.default_rng(rng).random(shape, dtype))
    slopes *= high / divisor - low / divisor
    slopes += low / divisor
    slopes *= divisor
    return np.clip(slopes, low, high, out=slopes)[()]


def _relu_backward_with_bias(grad_output: Any, x: Any, axis: Axes, out: Any) -> tuple[Array, Any]:
    name = "relu_backward_with_bias"
    grad, x = _gradient_and_input(name, grad_output, x)
    shape = grad.shape
    summed = _layout.normalized(name, axis, len(shape))
    dtype = _result_dtype(name, relu_backward, grad.dtype, x.dtype)
    _layout.check_out(name, out, shape, dtype, "same_kind")
    kept = _layout.remaining(shape, summed)
    if 0 in shape:  # there may be any number of sums, which need no memory but their own
        return np.empty(shape, dtype) if out is None else out, _no_sums(kept, dtype)
    grouping = _layout.grouped(shape, summed)
    result, totals = _gradient_and_sums(name, (grad, x), None, out, dtype, grouping)
    bias = totals.reshape(kept)
    return result, (bias if dtype.kind in "iu" else _rounded(bias, dtype))[()]


def _prelu_backward(grad: Any, x: Any, weight: Any, axis: int | None, out: Any) -> tuple[Any, Any]:
    name = "prelu_backward"
    grad, x = _gradient_and_input(name, grad, x)
    shape, weights = grad.shape, _layout.numbers(name, weight, "weight")
    laid_out = _laid_out(name, weights, shape, axis)
    slope = weight if _is_number(weight) else weights.dtype
    dtype = _result_dtype(name, leaky_relu_backward, grad.dtype, x.dtype, slope)
    shared = [i for i, n in enumerate(_layout.padded(laid_out.shape, len(shape))) if n == 1]
    _layout.check_out(name, out, shape, dtype, "same_kind")
    grouping = _layout.grouped(shape, shared)
    # Kernels for narrow dtypes take slopes in float32.
    slopes = _layout.dense(weights, np.float32 if dtype.itemsize < _SINGLE else dtype)
    result, totals = _gradient_and_sums(name, (grad, x), slopes, out, dtype, grouping)
    of_weight = dtype if _is_number(weight) else weights.dtype.newbyteorder("=")
    of_weight = np.dtype(np.float64) if of_weight.kind in "iu" else of_weight
    return result, _rounded(totals.reshape(weights.shape), of_weight)[()]


def _gradient_and_input(name: str, grad_output: ArrayLike, x: ArrayLike) -> tuple[Array, Array]:
    """Return both as arrays of one shape."""
    grad, x = _layout.numbers(name, grad_output, "grad_output"), _layout.numbers(name, x)
    shape = _layout.broadcast(grad.shape, x.shape)
    if shape is None:
        given = f"grad_output of shape {grad.shape} does not broadcast with x of shape {x.shape}"
        raise ValueError(f"{name}: {given}")
    return np.broadcast_to(grad, shape), np.broadcast_to(x, shape)


def _is_number(weight: object) -> bool:
    """Say whether it is a Python number, which has no dtype to keep."""
    return type(weight) in (int, float)


def _result_dtype(name: str, ufunc: np.ufunc, *inputs: Any) -> np.dtype[Any]:
    """Return the dtype of a ufunc's result for arrays of some dtypes, and for numbers."""
    arrays = (np.empty(0, each) if isinstance(each, np.dtype) else each for each in inputs)
    dtype: np.dtype[Any] = _layout.call_ufunc(name, ufunc, *arrays).dtype
    return dtype


def _slopes_for(name: str, x: Any, weight: Any, axis: int | None) -> Any:
    """Lay a weight out for an x that is not converted; nor is one of numpy.ma or dask."""
    if _is_number(weight):
        return weight
    if not _layout.carries_more(weight):
        weight = np.asarray(weight)
    elif not all(hasattr(weight, each) for each in ("ndim", "reshape", "shape", "size")):
        _layout.refuse(name, "weight", weight, "which cannot be laid out along an axis")
    if weight.size != 1 and not isinstance(getattr(x, "shape", None), tuple):
        _layout.refuse(name, "x", x, "which has no shape to lay the weight out for")
    return _laid_out(name, weight, () if weight.size == 1 else x.shape, axis)


def _laid_out(name: str, weight: Array, shape: Shape, axis: int | None) -> Array:
    """Give the weight a shape that broadcasts to that of x."""
    if weight.size == 1:
        return weight.reshape(())
    given = f"{name}: weight of shape {weight.shape} does not fit x of shape {shape}"
    if weight.ndim == 1 and axis is not None:
        channels = _layout.axis_of(name, len(shape), axis)
        if weight.size != shape[channels]:
            fitting = f"expected shape ({shape[channels]},) or a single value"
            raise ValueError(f"{given} along axis {axis}: {fitting}")
        return weight.reshape(weight.shape + (1,) * (len(shape) - channels - 1))
    if _layout.broadcast(weight.shape, shape) != shape:
        raise ValueError(f"{given}: it does not broadcast to it")
    return weight


def _gradient_and_sums(
    name: str, inputs: tuple[Array, Array], slopes: Any, out: Any, dtype: Any, grouping: Grouping
) -> tuple[Array, Array]:
    """Return the gradient and the float64 sums, one for each output in C order."""
    placed, other = (grouping.place(each, dtype) for each in inputs)
    target = None if out is None else out.transpose(grouping.order)
    if target is not None and not _may_write(target, placed, other, slopes):
        target = None
    result, totals = _core.backward_with_sums(name, placed, other, slopes, target, grouping.groups)
    if out is None:
        return grouping.undo(result), totals
    if target is None:
        np.copyto(out, grouping.undo(result), casting="same_kind")
    return out, totals


def _may_write(target: Array, grad: Array, x: Array, slopes: Array | None) -> bool:
    """Say whether kernels can write there: densely, and onto an input or apart from all."""
    if target.dtype != grad.dtype or _layout.dense(target) is not target:
        return False
    return (slopes is None or not np.may_share_memory(target, slopes)) and all(
        each.ctypes.data == target.ctypes.data or not np.may_share_memory(target, each)
        for each in (grad, x)
    )


def _no_sums(shape: Shape, dtype: np.dtype[Any]) -> Any:
    """Return the sums of no gradients of a dtype: zeros, or what a dtype without 0 has for it."""
    if dtype.kind in "iu":
        return np.zeros(shape, np.int64 if dtype.kind == "i" else np.uint64)[()]
    return np.full(shape, _rounded(np.zeros(()), dtype), dtype)[()]


def _rounded(totals: Array, dtype: np.dtype[Any]) -> Array:
    """Round once to a float dtype."""
    if dtype.num <= _LAST_BUILTIN:
        return totals.astype(dtype, copy=False)
    # Other packages' dtypes round a float32. So the totals become float32 by rounding to odd, which
    # loses nothing that a later rounding to at most 22 bits depends on.
    with np.errstate(all="ignore"):
        near = totals.astype(np.float32)
        bits = near.view(np.uint32)
        bits -= np.abs(near) > np.abs(totals)
        bits |= (near != totals) & ~np.isnan(totals)
        return near.astype(dtype)
