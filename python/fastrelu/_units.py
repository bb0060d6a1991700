"""How many elements are active, and which units never are."""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu import _core
from fastrelu._axes import grouped, normalized, remaining
from fastrelu._operands import dense
from fastrelu._ufuncs import relu

_Array = NDArray[Any]
_Axes = int | tuple[int, ...] | None

_BITS = 8
_UNPACKED_AT_ONCE = 1 << 18
"""Elements of a mask that are unpacked at a time, a byte each: they stay in the cache."""


def active_count(x: ArrayLike, /, axis: _Axes = None) -> Any:
    """Count the active elements, those that relu keeps: ``sum(!(x <= 0))``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output. NaN is active, as relu keeps it.
    axis : int, tuple of int, or None, default None
        The axes to count along; None for all.

    Returns
    -------
    count : int, or ndarray of intp
        An int if `axis` is None, else an array (a scalar if no axis remains).

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If `x` is bool, complex, or no number at all.

    See Also
    --------
    sparsity : The share of the others.
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
    if count is not NotImplemented:
        return count
    x = np.asarray(x)
    return _scalar_if_all(_counts(x, normalized(axis, x.ndim)), axis, int)


def sparsity(x: ArrayLike, /, axis: _Axes = None) -> Any:
    """Share of elements that are not active: ``1 - active_count(x) / number``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output. NaN is active, as relu keeps it.
    axis : int, tuple of int, or None, default None
        The axes to count along; None for all.

    Returns
    -------
    share : float, or ndarray of float64
        A float if `axis` is None, else an array (a scalar if no axis remains). Of no elements it is
        NaN, without a warning.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If `x` is bool, complex, or no number at all.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.sparsity(np.array([-1.0, 0.0, 2.0, -4.0]))
    0.75
    """
    share = _core.sparsity(x, axis)
    if share is not NotImplemented:
        return share
    x = np.asarray(x)
    axes = normalized(axis, x.ndim)
    return _scalar_if_all(_share(_counts(x, axes), x.shape, axes), axis, float)


def dead_units(x: ArrayLike, /, axis: _Axes = 0) -> Any:
    """Find the units that never fire over a batch: ``all(x <= 0)``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output. NaN is active, as relu keeps it.
    axis : int, tuple of int, or None, default 0
        The axes of the batch: ``(0, 2, 3)`` finds the dead channels of images in the order NCHW.

    Returns
    -------
    dead : ndarray of bool, or bool
        For each unit whether no element of it is active; over an empty batch none is.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    TypeError
        If `x` is bool, complex, or no number at all.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.dead_units(np.array([[-1.0, 2.0], [0.0, -3.0]]))
    array([ True, False])
    """
    dead = _core.dead_units(x, axis)
    if dead is not NotImplemented:
        return dead
    x = np.asarray(x)
    return _scalar_if_all(_counts(x, normalized(axis, x.ndim)) == 0, axis, bool)


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
    return _core.active_count_of_mask(dense(mask), None)


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
    bits = _MaskOf("sparsity_from_mask", mask, shape)
    axes = normalized(axis, len(bits.shape))
    return _scalar_if_all(_share(bits.counts(axis), bits.shape, axes), axis, float)


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
    bits = _MaskOf("dead_units_from_mask", mask, shape)
    axes = normalized(axis, len(bits.shape))
    return _scalar_if_all(_core.dead_units_of_mask(bits.mask, bits.shape, axes), axis, bool)


def _scalar_if_all(result: Any, axis: _Axes, kind: type) -> Any:
    return kind(result) if axis is None else result[()]


def _share(counts: _Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> _Array:
    number = prod(shape[axis] for axis in axes)
    return 1 - counts / number if number else np.full(counts.shape, np.nan)


def _counts(x: _Array, axes: tuple[int, ...]) -> NDArray[np.intp]:
    """Count along the axes, in the order in which the elements lie in memory."""
    relu(np.empty(0, x.dtype))  # raises what is wrong with the dtype
    shape = remaining(x.shape, axes)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    view = x.transpose(order)[
        tuple(
            slice(None, None, -1) if axis in axes and x.strides[axis] < 0 else slice(None)
            for axis in order
        )
    ]
    grouping = grouped(view.shape, [place for place, axis in enumerate(order) if axis in axes])
    placed = grouping.place(view).reshape(grouping.groups)
    counts = _core.active_count(placed, (1, 3))
    kept = [axis for axis in order if axis not in axes]
    ordered = counts.reshape([x.shape[axis] for axis in kept]).transpose(np.argsort(kept))
    return np.ascontiguousarray(ordered, np.intp).reshape(shape)


def _check_mask(name: str, mask: Any, shape: tuple[int, ...] | None) -> None:
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


class _MaskOf:
    """A mask, and the shape of what it was made of."""

    def __init__(self, name: str, mask: _Array, shape: int | tuple[int, ...]) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(map(operator.index, shape))
        if any(n < 0 for n in self.shape):
            raise ValueError(f"{name}: shape {self.shape} has a negative length")
        self.number = prod(self.shape)
        _check_mask(name, mask, self.shape)
        self.mask = dense(mask)

    def counts(self, axis: _Axes) -> NDArray[np.intp]:
        axes = normalized(axis, len(self.shape))
        if len(axes) == len(self.shape):
            return self.count_all()
        if axes == tuple(range(len(axes))):
            return self.count_columns(len(axes))
        return _counts(self.unpacked(0, self.number).reshape(self.shape), axes)

    def count_all(self) -> NDArray[np.intp]:
        """Count without the unused bits of the last byte."""
        return np.asarray(_core.active_count_of_mask(self.mask, self.number), np.intp)

    def count_columns(self, axes: int) -> NDArray[np.intp]:
        """Count along the first axes, some rows at a time."""
        columns = prod(self.shape[axes:])
        counts = np.zeros(columns, np.intp)
        at_once = max(_UNPACKED_AT_ONCE // max(columns, 1), 1) * columns
        for begin in range(0, self.number, at_once or 1):
            end = min(begin + at_once, self.number)
            counts += _counts(self.unpacked(begin, end).reshape(-1, columns), (0,))
        return counts.reshape(self.shape[axes:])

    def unpacked(self, begin: int, end: int) -> _Array:
        """Give the bits from `begin` to `end`, a byte each."""
        first = begin // _BITS
        packed = self.mask[first : -(-end // _BITS)]
        bits = np.unpackbits(packed, count=end - first * _BITS, bitorder="little")
        return bits[begin - first * _BITS :]
