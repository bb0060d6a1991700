"""Ufuncs with ``out=``, for more kinds of buffers, in PyTorch's notation: a trailing underscore."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastrelu._layout import Array, carries_more, refuse, renamed
from fastrelu._ufuncs import leaky_relu, leaky_relu_backward, relu, relu_backward

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from fastrelu._ufuncs._types import Numbers

__all__ = ["leaky_relu_", "leaky_relu_backward_", "relu_", "relu_backward_"]

_Buffer = TypeVar("_Buffer", bound="Buffer | Array")


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
    """View a buffer as an array that a ufunc can write to, or raise why that is impossible."""
    array = buffer if isinstance(buffer, np.ndarray) else _view(buffer, function)
    if not array.flags.writeable:
        raise ValueError(_advice(function, f"this {type(buffer).__name__} is read-only"))
    return array


def _writable_floats(buffer: Any, function: str) -> Array:
    """Do the same for a function whose result is float64 for integers."""
    array = _writable(buffer, function)
    if array.dtype.kind in "iu":
        kind = f"this {type(buffer).__name__} of {array.dtype}"
        raise TypeError(_advice(function, f"{kind} cannot hold the result, which is float64"))
    return array


def _advice(function: str, why: str) -> str:
    advice = f"use y = fastrelu.{function}(...)"
    return f"{function}_ overwrites its first argument, but {why}; {advice}"


def _view(buffer: Any, function: str) -> Array:
    kind = type(buffer).__name__
    try:
        view = memoryview(buffer)
    except ValueError as error:  # a memoryview that has been released
        raise ValueError(f"{function}_: {error}") from None
    except TypeError:
        raise TypeError(_advice(function, f"a {kind} has no buffer to write to")) from None
    mmap = sys.modules.get("mmap")  # nobody has an mmap without having imported it
    if isinstance(buffer, bytes | bytearray) or (mmap and isinstance(buffer, mmap.mmap)):
        cure = "give it one: np.frombuffer(buffer, dtype=...)"
        raise TypeError(f"{function}_: a {kind} has no element type; {cure}")
    if carries_more(buffer):
        refuse(f"{function}_", "the first argument", buffer)
    try:
        array = np.asarray(view, copy=False)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        message = f"{function}_: NumPy cannot view a buffer of format {view.format!r}"
        raise TypeError(f"{message}: {error}") from error
    # NumPy keeps a view of the same object, unless it has copied the elements.
    if not (isinstance(array.base, memoryview) and array.base.obj is view.obj):
        raise TypeError(_advice(function, f"NumPy only copies a buffer of format {view.format!r}"))
    return array
