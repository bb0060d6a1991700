"""Counts of active elements, and dead units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu import _core
from fastrelu._layout import answered, grouped, normalized, numbers, order_in_memory, remaining

__all__ = ["active_count", "dead_units", "sparsity"]

_Array = NDArray[Any]
_Axes = int | tuple[int, ...] | None


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
    Mask.active_count : The same from a saved mask.

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


def _scalar_if_all(result: Any, axis: _Axes, kind: type) -> Any:
    return kind(result) if axis is None else result[()]


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
