"""Counts of active elements, and dead units."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from fastrelu import _core, _layout
from fastrelu._layout import Array, Axes

__all__ = ["active_count", "dead_units", "sparsity"]


@overload
def active_count(x: ArrayLike, /, axis: None = None) -> int: ...
@overload
def active_count(x: ArrayLike, /, axis: int | tuple[int, ...]) -> Any: ...
def active_count(x: ArrayLike, /, axis: Axes = None) -> Any:
    """Count the active elements, those that relu keeps, NaN too: ``sum(!(x <= 0))``.

    Parameters
    ----------
    x : array_like of integers or floats, relu's input or its output
    axis : int, tuple of int, or None, default None, to count along; None for all

    Returns
    -------
    count : int, or ndarray of intp
        An int if `axis` is None, else an array (a scalar if no axis remains).

    Raises
    ------
    TypeError
        If `x` does not hold integers or floats, or carries more; if `axis` is a list.
    ValueError
        If `axis` is out of range (AxisError).

    Examples
    --------
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
def sparsity(x: ArrayLike, /, axis: Axes = None) -> Any:
    """Fraction of inactive elements: ``1 - active_count(x) / number``.

    Parameters
    ----------
    x, axis
        As for :func:`active_count`.

    Returns
    -------
    fraction : float, or ndarray of float64, as for :func:`active_count`
        NaN without a warning if there are no elements.

    Raises
    ------
    TypeError, ValueError
        As for :func:`active_count`.

    Examples
    --------
    >>> fr.sparsity(np.array([-1.0, 0.0, 2.0, -4.0]))
    0.75
    """
    fraction = _core.sparsity(x, axis)
    return _of_any_layout("sparsity", x, axis, float) if fraction is NotImplemented else fraction


@overload
def dead_units(x: ArrayLike, /, axis: None) -> bool: ...
@overload
def dead_units(x: ArrayLike, /, axis: int | tuple[int, ...] = 0) -> Any: ...
def dead_units(x: ArrayLike, /, axis: Axes = 0) -> Any:
    """Find the units that are never active in a batch: ``all(x <= 0)``.

    Parameters
    ----------
    x
        As for :func:`active_count`.
    axis : int, tuple of int, or None, default 0
        The axes of the batch: ``(0, 2, 3)`` finds the dead channels of images in the order NCHW.

    Returns
    -------
    dead : ndarray of bool, or bool
        True for each unit without an active element; all units are dead in an empty batch.

    Raises
    ------
    TypeError, ValueError
        As for :func:`active_count`.

    Examples
    --------
    >>> fr.dead_units(np.array([[-1.0, 2.0], [0.0, -3.0]]))
    array([ True, False])
    """
    dead = _core.dead_units(x, axis)
    return _of_any_layout("dead_units", x, axis, bool) if dead is NotImplemented else dead


def _of_any_layout(name: str, x: ArrayLike, axis: Axes, kind: type) -> Any:
    array = _layout.numbers(name, x)
    result = _reduced(name, array, _layout.normalized(name, axis, array.ndim))
    return kind(result) if axis is None else result[()]


def _reduced(name: str, x: Array, axes: tuple[int, ...]) -> Array:
    """Call the extension's function of that name for the axes in their order in memory."""
    order = _layout.order_in_memory(x)
    steps = (-1 if axis in axes and x.strides[axis] < 0 else None for axis in order)
    view = x.transpose(order)[tuple(slice(None, None, step) for step in steps)]
    places = [place for place, axis in enumerate(order) if axis in axes]
    grouping = _layout.grouped(view.shape, places)
    placed = grouping.place(view).reshape(grouping.groups)
    result: Array = _layout.answered(name, getattr(_core, name)(placed, (1, 3)), placed)
    kept = [axis for axis in order if axis not in axes]
    ordered = result.reshape([x.shape[axis] for axis in kept]).transpose(np.argsort(kept))
    return np.ascontiguousarray(ordered).reshape(_layout.remaining(x.shape, axes))
