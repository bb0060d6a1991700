"""Counts of active elements, and dead units."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu import _core
from fastrelu._layout import (
    answered,
    carries_more,
    dense,
    grouped,
    normalized,
    numbers,
    order_in_memory,
    refuse,
    remaining,
)

__all__ = [
    "active_count",
    "active_count_from_mask",
    "dead_units",
    "dead_units_from_mask",
    "sparsity",
    "sparsity_from_mask",
]

_Array = NDArray[Any]
_Axes = int | tuple[int, ...] | None

_BITS = 8
_UNPACKED_AT_ONCE = 1 << 18
"""Elements of a mask that are unpacked at a time, a byte each: they stay in the cache."""
_CONVERTED_AT_ONCE = 1 << 16
"""Counts that become shares at a time."""
_MOST_AXES = 64
_LARGEST_SIZE = np.iinfo(np.intp).max
"""What NumPy's arrays have at most; axes of length 0 do not count."""


@overload
def active_count(x: ArrayLike, /, axis: None = None) -> int: ...
@overload
def active_count(x: ArrayLike, /, axis: int | tuple[int, ...]) -> Any: ...
def active_count(x: ArrayLike, /, axis: _Axes = None) -> Any:
    """Count the active elements, those that relu keeps: ``sum(!(x <= 0))``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output. NaN is active, because relu keeps it.
    axis : int, tuple of int, or None, default None
        The axes to count along; None for all.

    Returns
    -------
    count : int, or ndarray of intp
        An int if `axis` is None, else an array (a scalar if no axis remains).

    Raises
    ------
    numpy.exceptions.AxisError
        If `axis` is out of range.
    TypeError
        If `x` is not an array of integers or floats, or `axis` is a list.
        Also for masked, dask, pandas and xarray arrays: convert them first.

    See Also
    --------
    sparsity : The fraction of inactive elements.
    active_count_from_mask : The same from a saved mask.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> x = np.array([[-1.0, 2.0], [0.0, np.nan]])
    >>> fr.active_count(x), fr.active_count(x, axis=0)
    (2, array([0, 2]))
    """
    count = _core.active_count(x, axis)
    return _of_any_layout("active_count", x, axis, int) if count is NotImplemented else count


@overload
def sparsity(x: ArrayLike, /, axis: None = None) -> float: ...
@overload
def sparsity(x: ArrayLike, /, axis: int | tuple[int, ...]) -> Any: ...
def sparsity(x: ArrayLike, /, axis: _Axes = None) -> Any:
    """Fraction of inactive elements: ``1 - active_count(x) / number``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output. NaN is active, because relu keeps it.
    axis : int, tuple of int, or None, default None
        The axes to count along; None for all.

    Returns
    -------
    fraction : float, or ndarray of float64
        A float if `axis` is None, else an array (a scalar if no axis remains). NaN without a
        warning if there are no elements.

    Raises
    ------
    numpy.exceptions.AxisError
        If `axis` is out of range.
    TypeError
        If `x` is not an array of integers or floats, or `axis` is a list.
        Also for masked, dask, pandas and xarray arrays: convert them first.

    See Also
    --------
    active_count : The number of the other elements.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.sparsity(np.array([-1.0, 0.0, 2.0, -4.0]))
    0.75
    """
    fraction = _core.sparsity(x, axis)
    return _of_any_layout("sparsity", x, axis, float) if fraction is NotImplemented else fraction


@overload
def dead_units(x: ArrayLike, /, axis: None) -> bool: ...
@overload
def dead_units(x: ArrayLike, /, axis: int | tuple[int, ...] = 0) -> Any: ...
def dead_units(x: ArrayLike, /, axis: _Axes = 0) -> Any:
    """Find the units that are never active in a batch: ``all(x <= 0)``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output. NaN is active, because relu keeps it.
    axis : int, tuple of int, or None, default 0
        The axes of the batch: ``(0, 2, 3)`` finds the dead channels of images in the order NCHW.

    Returns
    -------
    dead : ndarray of bool, or bool
        True for each unit without an active element; all units are dead in an empty batch.

    Raises
    ------
    numpy.exceptions.AxisError
        If `axis` is out of range.
    TypeError
        If `x` is not an array of integers or floats, or `axis` is a list.
        Also for masked, dask, pandas and xarray arrays: convert them first.

    See Also
    --------
    activity : Logs dead units while a network runs.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.dead_units(np.array([[-1.0, 2.0], [0.0, -3.0]]))
    array([ True, False])
    """
    dead = _core.dead_units(x, axis)
    return _of_any_layout("dead_units", x, axis, bool) if dead is NotImplemented else dead


def active_count_from_mask(
    mask: NDArray[np.uint8], /, shape: int | tuple[int, ...] | None = None, axis: _Axes = None
) -> Any:
    """Count the active elements of a saved mask: its bits that are set.

    Parameters
    ----------
    mask : ndarray of uint8
        The bits of !(x <= 0) in C order: ``np.packbits(..., bitorder="little")``.
    shape : int or tuple of int, optional
        The shape of x. Without it all bits are counted.
    axis : int, tuple of int, or None, default None
        The axes to count along; None for all. Others need the shape.

    Returns
    -------
    count : int, or ndarray of intp
        As :func:`active_count` gives it for x.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If `mask` is no array of uint8, or there is an axis but no shape.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `mask` is not contiguous, not one-dimensional, or not of the length that fits the shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> mask = np.packbits([0, 1, 1, 0, 1, 1], bitorder="little")
    >>> fr.active_count_from_mask(mask), fr.active_count_from_mask(mask, (2, 3), axis=0)
    (4, array([0, 2, 2]))
    """
    if axis is None:
        count = _core.active_count_of_mask(mask, shape)
        if count is not NotImplemented:
            return count
    name = "active_count_from_mask"
    if shape is not None:
        return _scalar_if_all(_MaskOf(name, mask, shape).counts(axis), axis, int)
    if axis is not None:
        raise TypeError(f"{name}: axis {axis} means nothing without a shape")
    _check_mask(name, mask, None)
    mask = dense(mask)
    return answered(name, _core.active_count_of_mask(mask, None), mask)


def sparsity_from_mask(
    mask: NDArray[np.uint8], /, shape: int | tuple[int, ...], axis: _Axes = None
) -> Any:
    """Share of elements that are not active in a saved mask: ``1 - set bits / number``.

    Parameters
    ----------
    mask : ndarray of uint8
        The bits of !(x <= 0) in C order: ``np.packbits(..., bitorder="little")``.
    shape : int or tuple of int
        The shape of x.
    axis : int, tuple of int, or None, default None
        The axes to count along; None for all.

    Returns
    -------
    share : float, or ndarray of float64
        As :func:`sparsity` gives it for x.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If `mask` is no array of uint8.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `mask` is not contiguous, not one-dimensional, or not of the length that fits the shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.sparsity_from_mask(np.packbits([0, 1, 0, 0], bitorder="little"), 4)
    0.75
    """
    if axis is None and shape is not None:
        share = _core.sparsity_of_mask(mask, shape)
        if share is not NotImplemented:
            return share
    name = "sparsity_from_mask"
    bits = _MaskOf(name, mask, shape)
    axes = normalized(name, axis, len(bits.shape))
    number = prod(bits.shape[axis] for axis in axes)
    return _scalar_if_all(_made_shares(bits.counts(axis), number), axis, float)


def dead_units_from_mask(
    mask: NDArray[np.uint8], /, shape: int | tuple[int, ...], axis: _Axes = 0
) -> Any:
    """Find the units of which no bit is set in a saved mask.

    Parameters
    ----------
    mask : ndarray of uint8
        The bits of !(x <= 0) in C order: ``np.packbits(..., bitorder="little")``.
    shape : int or tuple of int
        The shape of x.
    axis : int, tuple of int, or None, default 0
        The axes of the batch.

    Returns
    -------
    dead : ndarray of bool, or bool
        As :func:`dead_units` gives it for x.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If `mask` is no array of uint8.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `mask` is not contiguous, not one-dimensional, or not of the length that fits the shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.dead_units_from_mask(np.packbits([0, 1, 0, 0], bitorder="little"), (2, 2))
    array([ True, False])
    """
    dead = _core.dead_units_of_mask(mask, shape, axis)
    if dead is not NotImplemented:
        return dead
    name = "dead_units_from_mask"
    bits = _MaskOf(name, mask, shape)
    axes = normalized(name, axis, len(bits.shape))
    dead = answered(name, _core.dead_units_of_mask(bits.mask, bits.shape, axes), bits.mask)
    return _scalar_if_all(dead, axis, bool)


def _scalar_if_all(result: Any, axis: _Axes, kind: type) -> Any:
    return kind(result) if axis is None else result[()]


def _made_shares(counts: NDArray[np.intp], number: int) -> NDArray[np.float64]:
    """Turn counts into the shares of what is not counted, in the same memory."""
    shares = counts.view(np.float64)
    if not number:
        shares.fill(np.nan)
        return shares
    counted, share = counts.reshape(-1), shares.reshape(-1)  # views: counts are in C order
    for begin in range(0, counts.size, _CONVERTED_AT_ONCE):
        part = slice(begin, begin + _CONVERTED_AT_ONCE)
        share[part] = 1 - counted[part] / number
    return shares


def _of_any_layout(name: str, x: ArrayLike, axis: _Axes, kind: type) -> Any:
    array = numbers(name, x)
    axes = normalized(name, axis, array.ndim)
    return _scalar_if_all(_reduced(name, getattr(_core, name), array, axes), axis, kind)


def _reduced(name: str, function: Callable[..., Any], x: _Array, axes: tuple[int, ...]) -> _Array:
    """Call one of the extension's functions, which reduces the axes, for any layout.

    The array is passed in the order in which its elements lie in memory.
    """
    order = order_in_memory(x)
    view = x.transpose(order)[
        tuple(
            slice(None, None, -1) if axis in axes and x.strides[axis] < 0 else slice(None)
            for axis in order
        )
    ]
    grouping = grouped(view.shape, [place for place, axis in enumerate(order) if axis in axes])
    placed = grouping.place(view).reshape(grouping.groups)
    result: _Array = answered(name, function(placed, (1, 3)), placed)
    kept = [axis for axis in order if axis not in axes]
    ordered = result.reshape([x.shape[axis] for axis in kept]).transpose(np.argsort(kept))
    return np.ascontiguousarray(ordered).reshape(remaining(x.shape, axes))


def _check_mask(name: str, mask: Any, shape: tuple[int, ...] | None) -> None:
    if carries_more(mask):
        refuse(name, "mask", mask)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
        given = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"{name}: a mask is an array of uint8, not {given}")
    if mask.ndim != 1 or not mask.flags.c_contiguous:
        given = "non-contiguous " * (not mask.flags.c_contiguous)
        message = f"a mask is one-dimensional and contiguous, not {given}of shape {mask.shape}"
        raise ValueError(f"{name}: {message}")
    if shape is not None and mask.size != (fitting := -(-prod(shape) // _BITS)):
        raise ValueError(
            f"{name}: a mask for shape {shape} has {fitting} bytes, this one has {mask.size}"
        )


def _as_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Return an integer or a sequence of them as a shape, as NumPy does; no bools, therefore."""
    try:
        lengths = (shape,) if _is_index(shape) else tuple(shape)
        if any(isinstance(n, (bool, np.bool)) for n in lengths):
            raise TypeError
        checked = tuple(map(operator.index, lengths))
    except TypeError:
        message = f"{name}: shape must be an integer or a tuple of integers, not {shape!r}"
        raise TypeError(message) from None
    if any(n < 0 for n in checked):
        raise ValueError(f"{name}: shape {checked} has a negative length")
    if len(checked) > _MOST_AXES or prod(n for n in checked if n) > _LARGEST_SIZE:
        raise ValueError(f"{name}: no array has so many axes or elements as shape {checked}")
    return checked


def _is_index(shape: Any) -> bool:
    if isinstance(shape, np.bool):
        return True  # a single value, about which NumPy before 2.3 only warns
    try:
        operator.index(shape)
    except TypeError:
        return False
    return True


class _MaskOf:
    """A mask, and the shape of what it was made of."""

    def __init__(self, name: str, mask: _Array, shape: int | tuple[int, ...]) -> None:
        self.name = name
        self.shape = _as_shape(name, shape)
        self.number = prod(self.shape)
        _check_mask(name, mask, self.shape)
        self.mask = dense(mask)

    def counts(self, axis: _Axes) -> NDArray[np.intp]:
        axes = normalized(self.name, axis, len(self.shape))
        if len(axes) == len(self.shape):
            return self.count_all()
        if axes == tuple(range(len(axes))):
            return self.count_columns(len(axes))
        return self.counts_of(self.unpacked(0, self.number).reshape(self.shape), axes)

    def count_all(self) -> NDArray[np.intp]:
        """Count without the unused bits of the last byte."""
        count = _core.active_count_of_mask(self.mask, self.number)
        return np.array(answered(self.name, count, self.mask), np.intp)

    def counts_of(self, unpacked: _Array, axes: tuple[int, ...]) -> NDArray[np.intp]:
        return _reduced(self.name, _core.active_count, unpacked, axes)

    def count_columns(self, axes: int) -> NDArray[np.intp]:
        """Count along the first axes, some rows or a part of one row at a time."""
        counts = np.zeros(self.shape[axes:], np.intp)
        of_columns, columns = counts.reshape(-1), counts.size
        if columns <= _UNPACKED_AT_ONCE:
            at_once = _UNPACKED_AT_ONCE // max(columns, 1) * columns
            for begin in range(0, self.number, at_once or 1):
                rows = self.unpacked(begin, min(begin + at_once, self.number))
                of_columns += self.counts_of(rows.reshape(-1, columns), (0,))
            return counts
        for row in range(0, self.number, columns):
            for begin in range(0, columns, _UNPACKED_AT_ONCE):
                end = min(begin + _UNPACKED_AT_ONCE, columns)
                of_columns[begin:end] += self.unpacked(row + begin, row + end)
        return counts

    def unpacked(self, begin: int, end: int) -> _Array:
        """Give the bits from `begin` to `end`, a byte each."""
        first = begin // _BITS
        packed = self.mask[first : -(-end // _BITS)]
        bits = np.unpackbits(packed, count=end - first * _BITS, bitorder="little")
        return bits[begin - first * _BITS :]
