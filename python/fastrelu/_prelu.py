"""Gradients with the sums that belong to them, and leaky functions with learned or drawn slopes."""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu import _core
from fastrelu._layout import (
    Grouping,
    axis_of,
    broadcast,
    carries_more,
    check_place,
    dense,
    grouped,
    normalized,
    numbers,
    padded,
    plain,
    refuse,
    remaining,
    renamed,
)
from fastrelu._ufuncs import leaky_relu, leaky_relu_backward, relu_backward

_Array = NDArray[Any]
_Axes = int | tuple[int, ...] | None


def relu_backward_bias(
    grad_output: ArrayLike, x: ArrayLike, /, axis: _Axes = 0, out: _Array | None = None
) -> tuple[_Array, Any]:
    """Gradients of ``relu(x)`` and of a bias in x: ``g = relu_backward(grad_output, x), sum(g)``.

    Both in one pass over memory.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to relu's output.
    x : array_like of integers or floats
        relu's input or its output. It must broadcast with `grad_output`.
    axis : int, tuple of int, or None, default 0
        The axes that the bias is shared along, over which is summed: 0 for a dense layer's batch,
        ``(0, 2, 3)`` for images in the order NCHW, None for all.
    out : ndarray, optional
        Where `grad_x` goes, instead of a new array. It may be `grad_output`: that works in place.

    Returns
    -------
    grad_x : ndarray
        ``relu_backward(grad_output, x)``.
    grad_bias : ndarray or scalar
        Its sum over `axis`, of its dtype. Integers are summed in int64 or uint64, as by NumPy.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If an argument is bool, complex, or no number at all, or `out` cannot hold the result.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If the shapes do not broadcast, `out` has another shape or is read-only.

    See Also
    --------
    relu_backward : The gradient alone.

    Notes
    -----
    Floats are summed in float64 (longdouble in longdouble) and the sum is rounded once. Which
    addends meet is fixed, so that the result has the same bits for every number of threads,
    instruction set and memory layout. A run, the addends along the summed axes behind the last kept
    one, is cut into blocks of 512. In a block, addend k goes to partial sum k mod 16; the partial
    sums are added pairwise (i and i + 8, then i and i + 4, i + 2, i + 1). The blocks are added in
    order. The sums of the runs of one output are added in order, too: within blocks of 512 runs,
    then block by block. Every sum begins with +0.0. Axes of length 1 do not count.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> grad_x, grad_bias = fr.relu_backward_bias(np.ones((3, 2)), np.array([[1, -1]] * 3))
    >>> grad_bias
    array([3., 0.])
    """
    both = _core.relu_backward_bias(grad_output, x, axis, out)
    if both is not NotImplemented:
        gradients: tuple[_Array, Any] = both
        return gradients
    name = "relu_backward_bias"
    grad, x = numbers(name, grad_output, "grad_output"), numbers(name, x)
    shape = _common_shape(name, grad, x)
    summed = normalized(name, axis, len(shape))
    dtype = _result_dtype(name, relu_backward, grad.dtype, x.dtype)
    call = _Call(name, shape, dtype, grouped(shape, summed))
    if 0 in shape:  # there may be any number of sums, which need no memory but their own
        return call.run_on_nothing(out), _no_sums(remaining(shape, summed), dtype)[()]
    result, totals = call.run(grad, x, None, out)
    bias = totals.reshape(remaining(shape, summed))
    return result, (bias if dtype.kind in "iu" else _rounded(bias, dtype))[()]


def prelu(
    x: ArrayLike, weight: ArrayLike, /, axis: int | None = 1, out: _Array | None = None
) -> Any:
    """Leaky ReLU with learned slopes: ``x if x > 0 else x * weight``, one weight per channel.

    Parameters
    ----------
    x : array_like of integers or floats
        Input of any shape.
    weight : array_like of integers or floats
        The slope for ``x <= 0``: one for all elements, or one-dimensional and laid along `axis`. An
        array of several axes, or any if `axis` is None, broadcasts to the shape of `x`.
    axis : int or None, default 1
        The axis of the channels.
    out : ndarray, optional
        Where the result goes, instead of a new array. It may be `x`: that works in place.

    Returns
    -------
    y : ndarray or scalar
        ``leaky_relu(x, weight)`` with the weight so laid out: of the shape of `x`.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis and more than one weight.
    TypeError
        If an argument is bool, complex, or no number at all.
    ValueError
        If the weight does not fit `x`.

    See Also
    --------
    prelu_backward : The gradients.
    leaky_relu : The same for slopes that broadcast with `x` as they are.

    Notes
    -----
    A 1-D weight is laid out as by PyTorch, with `axis` None as by ONNX. `x` is not converted: what
    masked, dask, pandas and xarray arrays carry is kept, as by :func:`leaky_relu`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.prelu(np.array([[-2.0, -2.0], [4.0, 4.0]]), [0.5, 0.25])
    array([[-1. , -0.5],
           [ 4. ,  4. ]])
    """
    slopes = _core.lay_out_weight(x, weight, axis)
    if slopes is NotImplemented:
        x = x if carries_more(x) else np.asarray(x)
        slopes = _slopes_for("prelu", x, weight, axis)
    try:
        return leaky_relu(x, slopes, out=out)
    except (TypeError, ValueError) as error:
        raise renamed("prelu", error) from error


def prelu_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    /,
    axis: int | None = 1,
    out: _Array | None = None,
) -> tuple[_Array, Any]:
    """Gradients of :func:`prelu`: that of `x`, and ``sum(0 if x > 0 else grad_output * x)``.

    Both in one pass over memory.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to prelu's output.
    x : array_like of integers or floats
        prelu's input. It must broadcast with `grad_output`.
    weight : array_like of integers or floats
        The weight of the forward pass.
    axis : int or None, default 1
        The axis of the channels.
    out : ndarray, optional
        Where `grad_x` goes, instead of a new array. It may be `grad_output`: that works in place.

    Returns
    -------
    grad_x : ndarray
        ``leaky_relu_backward(grad_output, x, weight)`` with the weight laid out as by `prelu`.
    grad_weight : ndarray or scalar
        For each weight the sum over all elements that share it. Of the shape of `weight`, and of
        its dtype: for integers float64, for a Python number that of `grad_x`.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis and more than one weight.
    TypeError
        If an argument is bool, complex, or no number at all, or `out` cannot hold the result.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If the shapes do not broadcast, the weight does not fit them, `out` has another shape or is
        read-only.

    See Also
    --------
    prelu : The forward pass.

    Notes
    -----
    The products are computed and summed in float64 (longdouble in longdouble), and the sum is
    rounded once; :func:`relu_backward_bias` says in which order. A NaN in `x` makes the gradient of
    its weight NaN, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> x = np.array([[-2.0, -3.0], [4.0, -5.0]])
    >>> grad_x, grad_weight = fr.prelu_backward(np.ones_like(x), x, [0.5, 0.25])
    >>> grad_weight
    array([-2., -8.])
    """
    both = _core.prelu_backward(grad_output, x, weight, axis, out)
    if both is not NotImplemented:
        gradients: tuple[_Array, Any] = both
        return gradients
    name = "prelu_backward"
    grad, x = numbers(name, grad_output, "grad_output"), numbers(name, x)
    shape = _common_shape(name, grad, x)
    weights = plain(name, "weight", weight)
    laid_out = _laid_out(name, weights, shape, axis)
    slope = weight if _is_number(weight) else weights.dtype
    dtype = _result_dtype(name, leaky_relu_backward, grad.dtype, x.dtype, slope)
    shared = [i for i, n in enumerate(padded(laid_out.shape, len(shape))) if n == 1]
    call = _Call(name, shape, dtype, grouped(shape, shared))
    slopes = dense(weights, _slope_dtype(dtype))
    result, totals = call.run(grad, x, slopes, out)
    return result, _rounded(totals.reshape(weights.shape), _gradient_dtype(weight, dtype))[()]


@overload
def rrelu(
    x: ArrayLike,
    /,
    lower: float = ...,
    upper: float = ...,
    rng: Any = ...,
    training: bool = ...,
    *,
    return_slopes: Literal[False] = ...,
    out: _Array | None = ...,
) -> Any: ...
@overload
def rrelu(
    x: ArrayLike,
    /,
    lower: float = ...,
    upper: float = ...,
    rng: Any = ...,
    training: bool = ...,
    *,
    return_slopes: Literal[True],
    out: _Array | None = ...,
) -> tuple[Any, Any]: ...
def rrelu(
    x: ArrayLike,
    /,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    rng: Any = None,
    training: bool = True,
    *,
    return_slopes: bool = False,
    out: _Array | None = None,
) -> Any:
    """Leaky ReLU with a random slope for every element: ``x if x > 0 else x * slope``.

    Parameters
    ----------
    x : array_like of integers or floats
        Input of any shape.
    lower, upper : float, default 1/8 and 1/3
        What the slopes lie between.
    rng : numpy.random.Generator, seed, or None
        Where they come from: ``np.random.default_rng(rng)``. The same seed gives the same slopes.
    training : bool, default True
        Whether slopes are drawn. If not, all of them are ``(lower + upper) / 2``.
    return_slopes : bool, default False
        Whether to return the slopes too, which :func:`leaky_relu_backward` takes.
    out : ndarray, optional
        Where the result goes, instead of a new array. It may be `x`: that works in place.

    Returns
    -------
    y : ndarray or scalar
        ``leaky_relu(x, slopes)``.
    slopes : ndarray, scalar or float
        Only with `return_slopes`. Drawn, they have the shape of `x`, and are float32 for floats up
        to float32, else float64; otherwise it is one float.

    Raises
    ------
    TypeError
        If `x` is bool, complex, or no number at all, or slopes are to be drawn for an `x` without a
        known shape and one dtype, such as a DataFrame.
    ValueError
        If `lower` is above `upper`, or either is NaN or infinite: no slope can be drawn then. So it
        is if one is beyond the range of the slopes' dtype.

    Notes
    -----
    The slopes are ``lower + (upper - lower) * rng.random(x.shape, dtype)``, computed in their dtype
    and limited to what `lower` and `upper` are there. Should ``upper - lower`` overflow, half of
    each slope is computed so and doubled. The defaults are PyTorch's. `x` is not converted: what
    masked, dask, pandas and xarray arrays carry is kept, as by :func:`leaky_relu`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> x = np.array([-8.0, 2.0])
    >>> y, slopes = fr.rrelu(x, rng=0, return_slopes=True)
    >>> bool((y == x * [slopes[0], 1]).all())
    True
    >>> fr.rrelu(x, 0.25, 0.75, training=False)
    array([-4.,  2.])
    """
    if not (isfinite(lower) and isfinite(upper) and lower <= upper):
        raise ValueError(f"rrelu: no slopes lie between lower ({lower}) and upper ({upper})")
    x = x if type(x) is np.ndarray or carries_more(x) else np.asarray(x)
    slopes: Any = (lower + upper) / 2
    if not isfinite(slopes):
        slopes = lower / 2 + upper / 2
    if training:
        shape, dtype = _form_of("rrelu", x)
        is_single = _result_dtype("rrelu", leaky_relu, dtype, np.float32(0)).itemsize <= _SINGLE
        slopes = _drawn(shape, float(lower), float(upper), rng, is_single)
    try:
        y = leaky_relu(x, slopes, out=out)
    except (TypeError, ValueError) as error:
        raise renamed("rrelu", error) from error
    return (y, slopes) if return_slopes else y


_SINGLE = np.dtype(np.float32).itemsize


def _form_of(name: str, x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an array that is not to be converted; TypeError without them."""
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if not (isinstance(shape, tuple) and isinstance(dtype, np.dtype)):
        refuse(name, "x", x, "which has no shape or not one dtype of NumPy's")
    if not all(isinstance(n, int) for n in shape):  # dask's are NaN until they are computed
        refuse(name, "x", x, "the shape of which is not known yet")
    return shape, dtype


def _drawn(shape: tuple[int, ...], lower: float, upper: float, rng: Any, is_single: bool) -> Any:
    dtype: Any = np.float32 if is_single else np.float64
    with np.errstate(over="ignore"):
        low, high = dtype(lower), dtype(upper)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(
                f"rrelu: lower ({lower}) or upper ({upper}) is beyond the range of the slopes' "
                f"dtype, {np.dtype(dtype)}"
            )
        divisor = 1 if np.isfinite(high - low) else 2  # of what would overflow
    slopes = np.asarray(np.random.default_rng(rng).random(shape, dtype))
    slopes *= high / divisor - low / divisor
    slopes += low / divisor
    if divisor != 1:
        slopes *= divisor
    return np.clip(slopes, low, high, out=slopes)[()]


def _is_number(weight: ArrayLike) -> bool:
    """Whether it is a number of Python's own, which has no dtype to keep."""
    return type(weight) in (int, float)


def _result_dtype(name: str, ufunc: np.ufunc, *inputs: Any) -> np.dtype[Any]:
    """Return the dtype of a ufunc's result for arrays of some dtypes, and for numbers."""
    try:
        result: np.dtype[Any] = ufunc(
            *(np.empty(0, each) if isinstance(each, np.dtype) else each for each in inputs)
        ).dtype
    except TypeError as error:
        raise renamed(name, error) from error
    return result


def _common_shape(name: str, grad: _Array, x: _Array) -> tuple[int, ...]:
    shape = broadcast(grad.shape, x.shape)
    if shape is None:
        raise ValueError(
            f"{name}: grad_output of shape {grad.shape} does not broadcast with x of {x.shape}"
        )
    return shape


def _slopes_for(name: str, x: Any, weight: Any, axis: int | None) -> Any:
    """Lay a weight out for an x that may carry more than its elements: it is not converted.

    Nor is the weight, if it has a method for that, as masked arrays and those of dask do.
    """
    if _is_number(weight):
        return weight
    if not carries_more(weight):
        weight = np.asarray(weight)
    elif not all(hasattr(weight, each) for each in ("ndim", "reshape", "shape", "size")):
        refuse(name, "weight", weight, "which cannot be laid out along an axis")
    if weight.size != 1 and not isinstance(getattr(x, "shape", None), tuple):
        refuse(name, "x", x, "which has no shape to lay the weight out for")
    return _laid_out(name, weight, () if weight.size == 1 else x.shape, axis)


def _laid_out(name: str, weight: _Array, shape: tuple[int, ...], axis: int | None) -> _Array:
    """Give the weight a shape that broadcasts to that of x."""
    if weight.size == 1:
        return weight.reshape(())
    given = f"{name}: weight of shape {weight.shape} does not fit x of shape {shape}"
    if weight.ndim == 1 and axis is not None:
        channels = axis_of(name, len(shape), axis)
        if weight.size != shape[channels]:
            raise ValueError(f"{given} along axis {axis}: it should be ({shape[channels]},) or one")
        return weight.reshape(weight.shape + (1,) * (len(shape) - channels - 1))
    if broadcast(weight.shape, shape) != shape:
        raise ValueError(f"{given}: it does not broadcast to it")
    return weight


def _slope_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return what kernels for a dtype take slopes in."""
    return np.dtype(np.float32) if dtype.itemsize < _SINGLE else dtype


def _no_sums(shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Array:
    """Return the sums of no gradients of a dtype: zeros, or what a dtype without 0 has for it."""
    if dtype.kind in "iu":
        return np.zeros(shape, np.int64 if dtype.kind == "i" else np.uint64)
    return np.full(shape, _rounded(np.zeros(()), dtype), dtype)


def _gradient_dtype(weight: ArrayLike, dtype: np.dtype[Any]) -> np.dtype[Any]:
    if _is_number(weight):
        return dtype
    own = np.asarray(weight).dtype
    return np.dtype(np.float64) if own.kind in "iu" else own.newbyteorder("=")


class _Call(NamedTuple):
    """A call of a backward function whose arrays broadcast to one shape and cast to one dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grouping: Grouping

    def run(
        self, grad: _Array, x: _Array, slopes: _Array | None, out: _Array | None
    ) -> tuple[_Array, _Array]:
        """Return the gradient and the float64 sums, one for each output in C order."""
        self.check(out)
        placed, target = self.place(grad), None
        other = placed if x is grad else self.place(x)
        if out is not None and self.takes(out, placed, other, slopes):
            target = self.grouping.place(out)
        result, totals = _core.backward_with_sums(
            self.name, placed, other, slopes, target, self.grouping.groups
        )
        if out is None:
            return self.grouping.undo(result), totals
        if target is None:
            np.copyto(out, self.grouping.undo(result), casting="same_kind")
        return out, totals

    def run_on_nothing(self, out: _Array | None) -> _Array:
        self.check(out)
        return np.empty(self.shape, self.dtype) if out is None else out

    def place(self, array: _Array) -> _Array:
        return self.grouping.place(np.broadcast_to(array, self.shape), self.dtype)

    def check(self, out: _Array | None) -> None:
        """Raise what is wrong with `out`, before anything is written."""
        if out is None:
            return
        check_place(self.name, out, self.shape)
        if not np.can_cast(self.dtype, out.dtype, "same_kind"):
            message = f"out has dtype {out.dtype}, but the result has {self.dtype}"
            raise TypeError(f"{self.name}: {message}")

    def takes(self, out: _Array, *inputs: _Array | None) -> bool:
        """Whether kernels can write to `out` as it lies, and it is an input or overlaps none."""
        lies = out.transpose(self.grouping.order).flags
        if out.dtype != self.dtype or not (
            lies.c_contiguous and lies.aligned and out.dtype.isnative
        ):
            return False
        return all(
            each is None or self._is(out, each) or not np.may_share_memory(out, each)
            for each in inputs
        )

    @staticmethod
    def _is(out: _Array, other: _Array) -> bool:
        return bool(
            out.ctypes.data == other.ctypes.data
            and out.nbytes == other.nbytes
            and out.dtype == other.dtype
        )


_ODD = np.uint32(1)


def _rounded(totals: _Array, dtype: np.dtype[Any]) -> _Array:
    """Round once to a float dtype.

    Other packages' dtypes round what is a float32 already. So the totals become float32 by a
    rounding to odd, which loses nothing that a later rounding to at most 22 bits depends on.
    """
    if dtype.num <= _LAST_BUILTIN:
        return totals.astype(dtype, copy=False)
    with np.errstate(all="ignore"):
        near = totals.astype(np.float32)
        bits = near.view(np.uint32)
        bits -= np.abs(near) > np.abs(totals)
        bits |= (near != totals) & ~np.isnan(totals)
        return near.astype(dtype)


_LAST_BUILTIN = np.dtype(np.float16).num
