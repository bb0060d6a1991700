"""Masks: one bit an element instead of the input, from the forward pass for the backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu import _core
from fastrelu._layout import (
    answered,
    broadcast,
    carries_more,
    check_place,
    dense,
    is_float,
    numbers,
    plain,
    refuse,
    renamed,
)
from fastrelu._ufuncs import leaky_relu, leaky_relu_backward, relu, relu_backward

__all__ = [
    "leaky_relu_backward_from_mask",
    "leaky_relu_backward_from_output",
    "leaky_relu_with_mask",
    "relu_backward_from_mask",
    "relu_with_mask",
]

Mask = NDArray[np.uint8]


def relu_with_mask(
    x: ArrayLike, /, out: NDArray[Any] | None = None, mask: Mask | None = None
) -> tuple[Any, Mask]:
    """Compute :func:`relu` and its mask at once: the bit of an element is ``not x <= 0``.

    The mask is all that :func:`relu_backward_from_mask` needs to know of `x`: an eighth of a byte
    for each element.

    Parameters
    ----------
    x : array_like of integers or floats
        Input of any shape.
    out : ndarray, optional
        Where `y` goes, instead of a new array; of the shape of `x`. It may be `x`.
    mask : ndarray of uint8, optional
        Where the mask goes, instead of a new array: one axis of ``ceil(x.size / 8)`` bytes.

    Returns
    -------
    y : ndarray or scalar
        What :func:`relu` gives.
    mask : ndarray of uint8
        ``np.packbits(~(x <= 0).ravel(), bitorder="little")``: the elements in C order, the first in
        the lowest bit of the first byte; the unused bits of the last byte are 0.

    Raises
    ------
    TypeError
        If `x` is bool, complex, or no number at all, or `mask` is no array of uint8.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `mask` does not have the length that `x` needs, one axis and contiguous memory, if `out`
        or `mask` is read-only, `out` has another shape than `x`, or the two share memory. Nothing
        has been written then.

    See Also
    --------
    leaky_relu_with_mask : The bits that leaky_relu needs: they differ on NaN.

    Notes
    -----
    The bit of NaN is 1, for relu keeps it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> y, mask = fr.relu_with_mask(np.array([-1.0, 2.0, 0.0, np.nan]))
    >>> y, mask
    (array([ 0.,  2.,  0., nan]), array([10], dtype=uint8))
    >>> fr.relu_backward_from_mask(np.array([5.0, 6.0, 7.0, 8.0]), mask)
    array([0., 6., 0., 8.])
    """
    result: tuple[Any, Mask] = _core.relu_with_mask(x, out, mask)
    return _with_mask(relu, x, (), out, mask) if result is NotImplemented else result


def leaky_relu_with_mask(
    x: ArrayLike,
    /,
    negative_slope: ArrayLike = 0.01,
    out: NDArray[Any] | None = None,
    mask: Mask | None = None,
) -> tuple[Any, Mask]:
    """Compute :func:`leaky_relu` and its mask at once: the bit of an element is ``x > 0``.

    Parameters
    ----------
    x : array_like of integers or floats
        Input of any shape.
    negative_slope : array_like of integers or floats, default 0.01
        Slope for ``x <= 0``: one number, or an array that broadcasts to the shape of `x`.
    out : ndarray, optional
        Where `y` goes, instead of a new array; of the shape of `x`. It may be `x`.
    mask : ndarray of uint8, optional
        Where the mask goes, instead of a new array: one axis of ``ceil(x.size / 8)`` bytes.

    Returns
    -------
    y : ndarray or scalar
        What :func:`leaky_relu` gives.
    mask : ndarray of uint8
        ``np.packbits((x > 0).ravel(), bitorder="little")``; the elements are in C order.

    Raises
    ------
    TypeError
        If an argument is bool, complex, or no number at all, or `mask` is no array of uint8.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        As :func:`relu_with_mask`, and if `negative_slope` does not broadcast to the shape of `x`.

    See Also
    --------
    relu_with_mask : The bits that relu needs: they differ on NaN.

    Notes
    -----
    The bit of NaN is 0: its gradient takes the slope.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> y, mask = fr.leaky_relu_with_mask(np.array([-1.0, 2.0, 0.0, np.nan]), 0.5)
    >>> y, mask
    (array([-0.5,  2. ,  0. ,  nan]), array([2], dtype=uint8))
    >>> fr.leaky_relu_backward_from_mask(np.array([5.0, 6.0, 7.0, 8.0]), mask, 0.5)
    array([2.5, 6. , 3.5, 4. ])
    """
    result: tuple[Any, Mask] = _core.leaky_relu_with_mask(x, negative_slope, out, mask)
    if result is NotImplemented:
        return _with_mask(leaky_relu, x, (negative_slope,), out, mask)
    return result


def relu_backward_from_mask(
    grad_output: ArrayLike, mask: Mask, /, out: NDArray[Any] | None = None
) -> Any:
    """Gradient through :func:`relu` from its mask: ``grad_output if bit else +0``.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to relu's output, of the shape that `x` had.
    mask : ndarray of uint8
        From :func:`relu_with_mask`: the bit of each element of `grad_output`, in C order.
    out : ndarray, optional
        Where the result goes, instead of a new array. It may be `grad_output`.

    Returns
    -------
    grad_x : ndarray or scalar
        Gradient of the loss with respect to relu's input, of the shape and dtype of `grad_output`.

    Raises
    ------
    TypeError
        If `grad_output` is bool, complex, or no number at all, or `mask` is no array of uint8.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `mask` does not have the length that `grad_output` needs, one axis and contiguous memory,
        or if `out` is read-only or has another shape. Nothing has been written then.

    Notes
    -----
    The same bits as :func:`relu_backward` gives from relu's input or output, NaN included.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> y, mask = fr.relu_with_mask([-1.0, 2.0, 3.0])
    >>> fr.relu_backward_from_mask(np.array([np.nan, 5.0, 6.0]), mask)
    array([0., 5., 6.])
    """
    result = _core.relu_backward_from_mask(grad_output, mask, out)
    if result is NotImplemented:
        return _from_mask(relu_backward, grad_output, mask, (), out)
    return result


def leaky_relu_backward_from_mask(
    grad_output: ArrayLike,
    mask: Mask,
    /,
    negative_slope: ArrayLike = 0.01,
    out: NDArray[Any] | None = None,
) -> Any:
    """Gradient through :func:`leaky_relu` from its mask: ``grad_output * (1 if bit else slope)``.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to leaky_relu's output, of the shape that `x` had.
    mask : ndarray of uint8
        From :func:`leaky_relu_with_mask`: the bit of each element of `grad_output`, in C order.
    negative_slope : array_like of integers or floats, default 0.01
        The slope of the forward pass: one number, or an array that broadcasts to that shape.
    out : ndarray, optional
        Where the result goes, instead of a new array. It may be `grad_output`.

    Returns
    -------
    grad_x : ndarray or scalar
        Gradient of the loss with respect to leaky_relu's input, of the shape of `grad_output`, and
        of the dtype that :func:`leaky_relu` gives for it.

    Raises
    ------
    TypeError
        If an argument is bool, complex, or no number at all, or `mask` is no array of uint8.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        As :func:`relu_backward_from_mask`, and if `negative_slope` does not broadcast to the shape
        of `grad_output`.

    Notes
    -----
    The same bits as :func:`leaky_relu_backward` gives from leaky_relu's input.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> y, mask = fr.leaky_relu_with_mask([-1.0, 2.0, 3.0], 0.5)
    >>> fr.leaky_relu_backward_from_mask(np.array([4.0, 5.0, 6.0]), mask, 0.5)
    array([2., 5., 6.])
    """
    result = _core.leaky_relu_backward_from_mask(grad_output, mask, negative_slope, out)
    if result is NotImplemented:
        return _from_mask(leaky_relu_backward, grad_output, mask, (negative_slope,), out)
    return result


def leaky_relu_backward_from_output(
    grad_output: ArrayLike,
    y: ArrayLike,
    /,
    negative_slope: ArrayLike = 0.01,
    out: NDArray[Any] | None = None,
) -> Any:
    """Gradient through :func:`leaky_relu` from `y`: ``grad_output * (1 if y > 0 else slope)``.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to leaky_relu's output.
    y : array_like of integers or floats
        leaky_relu's output. It must broadcast with `grad_output`.
    negative_slope : array_like of integers or floats, default 0.01
        The slope of the forward pass, 0 or above: one number, or an array that broadcasts.
    out : ndarray, optional
        Where the result goes, instead of a new array. It may be an input.

    Returns
    -------
    grad_x : ndarray or scalar
        As of :func:`leaky_relu_backward`.

    Raises
    ------
    TypeError
        If an argument is bool, complex, or no number at all, or `negative_slope`, which is looked
        at, carries more than its elements, as a masked or a dask array does. What `grad_output` and
        `y` carry is kept.
    ValueError
        If a slope is negative or NaN, for then the output does not tell the sign of the input
        (PyTorch refuses it too), or if the shapes do not broadcast. Nothing has been written then.

    Notes
    -----
    The same bits as :func:`leaky_relu_backward` gives from leaky_relu's input.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> x = np.array([-1.0, 2.0, 3.0])
    >>> y = fr.leaky_relu(x, 0.5, out=x)
    >>> fr.leaky_relu_backward_from_output(np.array([4.0, 5.0, 6.0]), y, 0.5)
    array([2., 5., 6.])
    """
    if not (type(negative_slope) is float and negative_slope >= 0):
        _refuse_negative(negative_slope)
    try:
        gradient: Any = leaky_relu_backward  # whatever type is given: it tells which fit
        return gradient(grad_output, y, negative_slope, out=out)
    except (TypeError, ValueError) as error:
        raise renamed("leaky_relu_backward_from_output", error) from error


def _refuse_negative(slope: ArrayLike) -> None:
    values = plain("leaky_relu_backward_from_output", "negative_slope", slope)
    if values.dtype.kind not in "iufV":
        return  # leaky_relu_backward says what is wrong with it
    with np.errstate(invalid="ignore"):
        legal = values >= 0
    if not np.all(legal):
        where = np.unravel_index(int(np.argmin(legal)), values.shape)
        place = f" at {tuple(map(int, where))}" if where else ""
        raise ValueError(
            f"leaky_relu_backward_from_output: negative_slope is {values[where]!s}{place}, but "
            "only from slopes of 0 and above does the output tell the sign of the input; use "
            "leaky_relu_backward with leaky_relu's input, or leaky_relu_backward_from_mask"
        )


def _with_mask(
    ufunc: np.ufunc,
    x: ArrayLike,
    slopes: tuple[ArrayLike, ...],
    out: NDArray[Any] | None,
    mask: Mask | None,
) -> tuple[Any, Mask]:
    """Do the same for any layout, dtype and slope: first the bits, then the result."""
    function = f"{ufunc.__name__}_with_mask"
    values = numbers(function, x)
    _check_shapes(function, "x", values.shape, slopes, out)
    if mask is not None:
        mask = _checked(function, mask, values.shape)
        if not mask.flags.writeable:
            raise ValueError(f"{function}: mask is read-only")
        if out is not None and np.may_share_memory(mask, out):
            raise ValueError(f"{function}: mask and out share memory")
    placed = dense(values)
    bits = answered(function, _core.pack_mask(placed, ufunc is leaky_relu), placed)
    try:
        y = ufunc(x if isinstance(x, (int, float)) else values, *slopes, out=out)
    except (TypeError, ValueError) as error:
        raise renamed(function, error) from error
    if mask is None:
        return y, bits
    mask[...] = bits
    return y, mask


def _from_mask(
    ufunc: np.ufunc,
    grad_output: ArrayLike,
    mask: Mask,
    slopes: tuple[ArrayLike, ...],
    out: NDArray[Any] | None,
) -> Any:
    """Do the same by a gate: an array in the place of x that says the same as the mask."""
    function = f"{ufunc.__name__}_from_mask"
    values = numbers(function, grad_output, "grad_output")
    _check_shapes(function, "grad_output", values.shape, slopes, out)
    mask = _checked(function, mask, values.shape)
    if ufunc is relu_backward and not _has_zero(values.dtype):
        flat = dense(values).ravel()
        flat = answered(function, _core.relu_backward_from_mask(flat, dense(mask), None), flat)
        return _placed(flat.reshape(values.shape), out)
    gate = _gate(function, mask, values)
    gradient = grad_output if isinstance(grad_output, (int, float)) else values
    try:
        return ufunc(gradient, gate, *slopes, out=out)
    except (TypeError, ValueError) as error:
        raise renamed(function, error) from error


def _has_zero(dtype: np.dtype[Any]) -> bool:
    """Say whether some value closes a gate: float8_e8m0fnu has none that is not positive."""
    return not is_float(dtype) or bool(dtype.type(0) == 0)


def _placed(result: NDArray[Any], out: NDArray[Any] | None) -> Any:
    if out is None:
        return result[()]
    np.copyto(out, result)
    return out


def _gate(function: str, mask: Mask, like: NDArray[Any]) -> NDArray[Any]:
    """1 where the bit is set, elsewhere what is not positive, in the shape and dtype of `like`."""
    dtype = np.dtype(like.dtype.type)
    gate = np.ones(like.size, dtype)
    if _has_zero(dtype):
        answered(function, _core.relu_backward_from_mask(gate, mask, gate), gate)
    else:
        bits = np.unpackbits(mask, count=like.size, bitorder="little")
        gate[bits == 0] = np.nan
    return gate.reshape(like.shape)


def _check_shapes(
    function: str,
    name: str,
    shape: tuple[int, ...],
    slopes: tuple[ArrayLike, ...],
    out: NDArray[Any] | None,
) -> None:
    for slope in slopes:
        if carries_more(slope):
            refuse(function, "negative_slope", slope)
        if broadcast(shape, np.shape(slope)) != shape:
            raise ValueError(
                f"{function}: negative_slope of shape {np.shape(slope)} does not broadcast to the "
                f"shape of {name}, {shape}"
            )
    if out is not None:
        check_place(function, out, shape, name)


def _checked(function: str, mask: Any, shape: tuple[int, ...]) -> Mask:
    """Refuse what is no mask of an array of that shape."""
    size = int(np.prod(shape, dtype=object))
    if carries_more(mask):
        refuse(function, "mask", mask)
    fitting = f"the mask of {size} elements, of shape {shape}, is {-(-size // 8)} bytes of uint8"
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"{function}: mask is a {type(mask).__name__}, no ndarray; {fitting}")
    if mask.dtype != np.uint8:
        raise TypeError(f"{function}: mask holds {mask.dtype}; {fitting}")
    if mask.ndim != 1:
        raise ValueError(f"{function}: mask has {mask.ndim} axes, not one; {fitting}")
    if mask.size != -(-size // 8):
        raise ValueError(f"{function}: mask has {mask.size} bytes; {fitting}")
    if not mask.flags.c_contiguous:
        raise ValueError(f"{function}: mask is not contiguous; {fitting}")
    return np.asarray(mask)
