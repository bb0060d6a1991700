"""Arrays as functions that reduce them take them: dense, in four groups of axes."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrelu._operands import axis_of, dense

Array = NDArray[Any]


class Grouping(NamedTuple):
    """The axes of an array as outer, rows, runs and length: rows and length are reduced."""

    order: tuple[int, ...]
    """The array's axes in the order of their groups."""
    groups: tuple[int, int, int, int]
    """The product of each group."""
    kept: tuple[int, ...]
    """The shape of what remains, without axes of length 1."""

    def place(self, array: Array, dtype: np.dtype[Any] | None = None) -> Array:
        """Lay an array out as the groups: the array itself, if it lies so already."""
        return dense(array.transpose(self.order), dtype)

    def undo(self, placed: Array) -> Array:
        """Give what `place` returned, or an array like it, the order of axes from before."""
        return placed.transpose(np.argsort(self.order))


def grouped(shape: tuple[int, ...], reduced: Iterable[int]) -> Grouping:
    """Group the axes, some of which are reduced, without changing the order of either kind.

    Examples
    --------
    >>> grouped((32, 64, 56, 56), (0, 2, 3)).groups
    (1, 32, 64, 3136)
    """
    gone = {axis for axis, n in enumerate(shape) if n == 1}.union(reduced)
    kept = [axis for axis in range(len(shape)) if axis not in gone]
    last = kept[-1] if kept else -1
    rows = [axis for axis in sorted(gone) if axis < last and shape[axis] != 1]
    outer = [axis for axis in kept if rows and axis < rows[0]]
    runs = [axis for axis in kept if axis not in outer]
    length = [axis for axis in sorted(gone) if axis not in rows]
    parts = (outer, rows, runs, length)
    sizes = [prod(shape[axis] for axis in part) for part in parts]
    return Grouping(
        tuple(axis for part in parts for axis in part),
        (sizes[0], sizes[1], sizes[2], sizes[3]),
        tuple(shape[axis] for axis in kept),
    )


def normalized(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Name the axes by numbers from 0 on, all of them for None; AxisError if there is no such."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(axis_of(function, ndim, each) for each in given)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{function}: repeated axis in {axis}")
    return axes


def broadcast(shape: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return what two shapes broadcast to, or None.

    ``np.broadcast_shapes`` takes no more than 32 axes; arrays have up to 64.
    """
    ndim = max(len(shape), len(other))
    pairs = list(zip(padded(shape, ndim), padded(other, ndim), strict=True))
    if any(n != m and 1 not in (n, m) for n, m in pairs):
        return None
    return tuple(m if n == 1 else n for n, m in pairs)


def padded(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Put axes of length 1 in front, as broadcasting does."""
    return (1,) * (ndim - len(shape)) + shape


def remaining(shape: tuple[int, ...], reduced: Iterable[int]) -> tuple[int, ...]:
    """Return the shape without the axes that are reduced."""
    gone = set(reduced)
    return tuple(n for axis, n in enumerate(shape) if axis not in gone)
