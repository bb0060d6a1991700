"""Lookup tables with one entry for each byte, for quantised functions."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastrelu import _core, _layout
from fastrelu._layout import Array

__all__ = ["apply_table", "make_table"]

_Entry = TypeVar("_Entry", bound=np.generic)

_ENTRIES = 256


@overload
def apply_table(x: Array, table: NDArray[_Entry], /, out: None = None) -> NDArray[_Entry]: ...
@overload
def apply_table(x: ArrayLike, table: ArrayLike, /, out: Array | None = None) -> Any: ...
def apply_table(x: ArrayLike, table: ArrayLike, /, out: Array | None = None) -> Any:
    """Entry of a table for each byte: ``y[i] = table[x[i]]``, the byte of `x` read as uint8.

    Entries of one byte are looked up a vector at a time where the processor can shuffle bytes
    (AVX2, AVX-512, NEON), wider ones, as for dequantising, one by one.

    Parameters
    ----------
    x : array_like of int8, uint8 or a one-byte dtype of the package ml_dtypes, of any shape
    table : array_like of 256 numbers of 1, 2, 4 or 8 bytes
        Entry i belongs to the value whose byte is i: a negative int8 q is at ``256 + q``.
        `make_table` makes such tables.
    out : ndarray of the shape of `x` and the dtype of `table`, optional; it may be `x`

    Returns
    -------
    y : ndarray, or scalar if `x` is one, of the shape of `x` and the dtype of `table`

    Raises
    ------
    TypeError
        If a dtype is not one of these, or an argument carries more than its elements.
    ValueError
        If `table` or `out` has another shape, or `out` is read-only.

    Examples
    --------
    >>> table = fr.make_table(fr.leaky_relu, input=(0.5, 0), output=(0.01, 0))
    >>> fr.apply_table(np.array([-100, -2, 0, 1], dtype=np.int8), table)
    array([-50,  -1,   0,  50], dtype=int8)
    """
    y = _core.apply_table(x, table, out)
    return _apply_to_any_layout(x, table, out) if y is NotImplemented else y


def make_table(
    function: Callable[[NDArray[np.float64]], ArrayLike],
    input: tuple[float, int],
    output: tuple[float, int],
    dtype: DTypeLike = np.int8,
) -> NDArray[Any]:
    """Table of a function on quantised numbers: ``q' = clip(rint(f(x) / scale') + zero_point')``.

    For each of the 256 values q of `dtype`, ``x = (q - zero_point) * scale``. All is computed in
    float64, with the rules of ONNX's QuantizeLinear and of PyTorch: halves are rounded to even, and
    results beyond the range, infinities included, become its limits.

    Parameters
    ----------
    function : callable
        Takes an array of 256 float64 and returns as many numbers: a ufunc, for example.
    input, output : (scale, zero_point)
        A finite scale above 0, and an integer in the range of `dtype`.
    dtype : int8 or uint8, the dtype of the quantised numbers, default int8

    Returns
    -------
    table : ndarray of 256 entries of `dtype`, indexed by byte, as `apply_table` takes them

    Raises
    ------
    TypeError
        If an argument is of another type, or `function` does not return real numbers.
    ValueError
        If a scale or a zero point is out of range, or `function` returns another shape or a NaN.

    Examples
    --------
    >>> table = fr.make_table(np.tanh, input=(1 / 32, 0), output=(1 / 128, 0))
    >>> table[[0, 1, 32, 127, 128, 255]]
    array([   0,    4,   97,  127, -128,   -4], dtype=int8)
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.int8, np.uint8):
        raise TypeError(f"make_table: dtype must be int8 or uint8, not {dtype}")
    limits = np.iinfo(dtype)
    codes = np.arange(_ENTRIES, dtype=np.uint8).view(dtype)
    scale, zero_point = _quantisation("input", input, limits)
    with np.errstate(over="ignore", under="ignore"):
        x = (codes.astype(np.float64) - zero_point) * scale
    y = _layout.plain("make_table", "function(x)", function(x.copy()))
    if y.shape != x.shape:
        raise ValueError(f"make_table: function gives shape {y.shape} for an x of shape {x.shape}")
    if not np.can_cast(y.dtype, np.float64, "same_kind"):
        raise TypeError(f"make_table: function gives {y.dtype}, not real numbers")
    y = y.astype(np.float64)
    if np.isnan(y).any():
        first = int(np.isnan(y).argmax())
        raise ValueError(f"make_table: function gives NaN for {x[first]} (q = {codes[first]})")
    scale, zero_point = _quantisation("output", output, limits)
    with np.errstate(over="ignore", under="ignore"):
        quantised = np.rint(y / scale) + zero_point
    return np.asarray(np.clip(quantised, limits.min, limits.max).astype(dtype))


def _apply_to_any_layout(x: ArrayLike, table: ArrayLike, out: Array | None) -> Any:
    x, table = _layout.plain("apply_table", "x", x), _layout.plain("apply_table", "table", table)
    if x.dtype.itemsize != 1 or not _is_number(x.dtype, "iu"):
        cure = "pass for example np.asarray(x, np.uint8)"
        raise TypeError(f"apply_table: x must hold numbers of one byte, not {x.dtype}; {cure}")
    if table.dtype.itemsize not in (1, 2, 4, 8) or not _is_number(table.dtype, "biufc"):
        fitting = "table must hold numbers of 1, 2, 4 or 8 bytes"
        raise TypeError(f"apply_table: {fitting}, not {table.dtype}")
    if table.shape != (_ENTRIES,):
        raise ValueError(f"apply_table: table must have shape (256,), not {table.shape}")
    table = _layout.dense(table)
    _layout.check_out("apply_table", out, x.shape, table.dtype)
    order = _layout.order_in_memory(x)
    bytes_of_x = x.view(np.uint8).transpose(order)
    flat = _layout.dense(bytes_of_x).reshape(-1)
    y = _layout.answered("apply_table", _core.apply_table(flat, table, None), flat, table)
    return _layout.delivered(y.reshape(bytes_of_x.shape).transpose(np.argsort(order)), out)


def _is_number(dtype: np.dtype[Any], kinds: str) -> bool:
    return dtype.kind in kinds or (_layout.is_user_defined(dtype) and not dtype.hasobject)


def _quantisation(name: str, pair: tuple[float, int], limits: np.iinfo[Any]) -> tuple[float, int]:
    try:
        scale, zero_point = pair
    except (TypeError, ValueError):
        raise ValueError(f"make_table: {name} must be (scale, zero_point), not {pair!r}") from None
    if not (isfinite(scale) and scale > 0):
        raise ValueError(f"make_table: {name}'s scale must be finite and above 0, not {scale!r}")
    zero_point = _layout.integer("make_table", f"{name}'s zero point", zero_point)
    if not limits.min <= zero_point <= limits.max:
        fitting = f"an integer from {limits.min} to {limits.max}"
        raise ValueError(f"make_table: {name}'s zero point must be {fitting}, not {zero_point}")
    return float(scale), zero_point
