"""Ufuncs with ``out=``, for more kinds of buffers, in PyTorch's notation: a trailing underscore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastrelu import _layout
from fastrelu._layout import Array, carries_more, refuse, renamed
from fastrelu._ufuncs import leaky_relu, leaky_relu_backward, relu, relu_backward

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fastrelu._ufuncs._types import Numbers

__all__ = ["leaky_relu_", "leaky_relu_backward_", "relu_", "relu_backward_"]

_Buffer = TypeVar("_Buffer", bound="Buffer | Array")
_FIRST = "its first argument"


def relu_(x: _Buffer, /) -> _Buffer:
    """Rectified linear unit in place: ``x = +0 if x <= 0 else x``.

    Parameters
    ----------
    x : writable buffer of integers or floats
        An ndarray of any strides, an ``array.array`` or a typed ``memoryview``. Overwritten.

    Returns
    -------
    x : the argument itself

    Raises
    ------
    TypeError
        If `x` has no buffer, as a list or a number, or no element type, as a ``bytearray``, or does
        not hold integers or floats.
    ValueError
        If `x` is read-only.

    Examples
    --------
    >>> from array import array
    >>> fr.relu_(array("f", [-1.0, 2.0]))
    array('f', [0.0, 2.0])
    """
    array = _writable(x, "relu")
    try:
        relu(array, out=array)
    except (TypeError, ValueError) as error:
        raise renamed("relu_", error) from error
    return x


def leaky_relu_(x: _Buffer, /, negative_slope: Numbers = 0.01) -> _Buffer:
    """Leaky rectified linear unit in place: ``x = x if x > 0 else x * negative_slope``.

    Parameters
    ----------
    x : writable buffer of floats, as for :func:`relu_`
    negative_slope : array_like of integers or floats, default 0.01
        Slope for ``x <= 0``: one number, or an array that broadcasts to the shape of `x`.

    Returns
    -------
    x : the argument itself

    Raises
    ------
    TypeError, ValueError
        As for :func:`relu_`. TypeError too if `x` holds integers, because the result is float64, or
        if `negative_slope` carries more than its elements and `x` does not; ValueError too if it
        does not broadcast.

    Examples
    --------
    >>> fr.leaky_relu_(np.array([-2.0, 3.0]), 0.5)
    array([-1.,  3.])
    """
    array = _writable_floats(x, "leaky_relu")
    if type(negative_slope) is not float:
        _check("leaky_relu_", "negative_slope", negative_slope, array)
    try:
        leaky_relu(array, negative_slope, out=array)
    except (TypeError, ValueError) as error:
        raise renamed("leaky_relu_", error) from error
    return x


def relu_backward_(grad_output: _Buffer, x: Numbers, /) -> _Buffer:
    """Gradient through :func:`relu` in place: ``grad_output = +0 if x <= 0 else grad_output``.

    Parameters
    ----------
    grad_output : writable buffer of integers or floats
        Gradient of the loss with respect to relu's output. Overwritten with that of its input.
    x : array_like of integers or floats
        relu's input or its output. It must broadcast to the shape of `grad_output`.

    Returns
    -------
    grad_output : the first argument itself

    Raises
    ------
    TypeError, ValueError
        As for :func:`relu_`. TypeError too if `x` carries more than its elements and `grad_output`
        does not; ValueError too if `x` does not broadcast.

    Examples
    --------
    >>> fr.relu_backward_(np.array([5.0, np.nan, 7.0]), np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 7.])
    """
    array = _writable(grad_output, "relu_backward")
    if type(x) is not np.ndarray:
        _check("relu_backward_", "x", x, array)
    try:
        relu_backward(array, x, out=array)
    except (TypeError, ValueError) as error:
        raise renamed("relu_backward_", error) from error
    return grad_output


def leaky_relu_backward_(
    grad_output: _Buffer, x: Numbers, /, negative_slope: Numbers = 0.01
) -> _Buffer:
    """Gradient through :func:`leaky_relu` in place: ``grad_output *= 1 if x > 0 else slope``.

    Parameters
    ----------
    grad_output : writable buffer of floats, as for :func:`relu_backward_`
    x, negative_slope : array_like of integers or floats
        leaky_relu's input and its slope. They must broadcast to the shape of `grad_output`.

    Returns
    -------
    grad_output : the first argument itself

    Raises
    ------
    TypeError, ValueError
        As for :func:`leaky_relu_`, for both other arguments.

    Examples
    --------
    >>> fr.leaky_relu_backward_(np.array([1.0, 1.0]), np.array([-2.0, 3.0]), 0.5)
    array([0.5, 1. ])
    """
    array = _writable_floats(grad_output, "leaky_relu_backward")
    if type(x) is not np.ndarray:
        _check("leaky_relu_backward_", "x", x, array)
    if type(negative_slope) is not float:
        _check("leaky_relu_backward_", "negative_slope", negative_slope, array)
    try:
        leaky_relu_backward(array, x, negative_slope, out=array)
    except (TypeError, ValueError) as error:
        raise renamed("leaky_relu_backward_", error) from error
    return grad_output


def _check(function: str, name: str, values: Numbers, array: Array) -> None:
    """Refuse another argument that carries more, unless the overwritten array is of its kind."""
    if carries_more(values) and not isinstance(array, type(values)):
        refuse(function, name, values)


def _writable(buffer: Any, function: str) -> Array:
    """Return a buffer as an array that a ufunc can write to, or raise why that is impossible."""
    if isinstance(buffer, np.ndarray) and buffer.flags.writeable:
        return buffer
    return _layout.writable(f"{function}_", _FIRST, buffer, _cure(function))


def _writable_floats(buffer: Any, function: str) -> Array:
    """Do the same for a function whose result is float64 for integers."""
    array = _writable(buffer, function)
    if array.dtype.kind in "iu":
        kind = f"this {type(buffer).__name__} of {array.dtype}"
        why = f"{kind} cannot hold the result, which is float64"
        raise TypeError(_layout.overwrites(f"{function}_", _FIRST, why, _cure(function)))
    return array


def _cure(function: str) -> str:
    return f"use y = fastrelu.{function}(...)"
