"""Tables of 256 entries: quantised functions, looked up by bytes."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastrelu import _core
from fastrelu._layout import answered, check_out, dense, plain

_ENTRIES = 256
_ENTRY_SIZES = (1, 2, 4, 8)
_USER_DEFINED = 2  # what dtype.isbuiltin says of a dtype of ml_dtypes


def apply_table(x: ArrayLike, table: ArrayLike, /, out: NDArray[Any] | None = None) -> Any:
    """Entry of a table for each byte: ``y[i] = table[x[i]]``, the byte of `x` read as uint8.

    Parameters
    ----------
    x : array_like of a dtype of one byte
        int8, uint8 or a one-byte dtype of the package ml_dtypes; not bool. Of any shape.
    table : array_like of 256 elements
        Numbers of 1, 2, 4 or 8 bytes. Entry i belongs to the value whose byte is i: a negative int8
        q is at ``256 + q``. `make_table` makes such tables.
    out : ndarray, optional
        Where the result goes, instead of a new array: of the shape of `x` and the dtype of `table`.
        It may be `x`.

    Returns
    -------
    y : ndarray or scalar
        Of the shape of `x` and the dtype of `table`; a scalar if `x` is one.

    Raises
    ------
    TypeError
        If `x` or `table` is of another dtype, or `out` of another than `table`.
        Also if an argument carries more than its elements: a masked, dask, pandas or xarray array,
        or an ndarray of another class than memmap and recarray.
    ValueError
        If `table` has not 256 entries in one dimension, or `out` has another shape than `x` or is
        read-only.

    See Also
    --------
    make_table : The table of any function on quantised numbers.

    Notes
    -----
    Entries of one byte are looked up a vector at a time where the processor can shuffle bytes
    (AVX2, AVX-512, NEON); wider ones, as for dequantising, one by one.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> table = fr.make_table(fr.leaky_relu, input=(0.5, 0), output=(0.01, 0))
    >>> fr.apply_table(np.array([-100, -2, 0, 1], dtype=np.int8), table)
    array([-50,  -1,   0,  50], dtype=int8)
    """
    result = _core.apply_table(x, table, out)
    return _apply_to_any_layout(x, table, out) if result is NotImplemented else result


def make_table(
    function: Callable[[NDArray[np.float64]], ArrayLike],
    input: tuple[float, int],
    output: tuple[float, int],
    dtype: DTypeLike = np.int8,
) -> NDArray[Any]:
    """Table of a function on quantised numbers: ``q' = clip(rint(f(x) / scale') + zero_point')``.

    There, ``x = (q - zero_point) * scale``, for each of the 256 values q of `dtype`.

    Parameters
    ----------
    function : callable
        Takes an array of 256 float64 and returns as many numbers: a ufunc of NumPy or fastrelu, or
        any function that works element by element.
    input, output : (scale, zero_point)
        How the numbers that go in and those that come out are quantised: a finite scale above 0,
        and an integer in the range of `dtype`.
    dtype : int8 or uint8, default int8
        The dtype of the quantised numbers.

    Returns
    -------
    table : ndarray
        256 entries of `dtype`, indexed by byte, as `apply_table` takes them: the entry of a
        negative q is at ``256 + q``.

    Raises
    ------
    TypeError
        If `dtype` is neither int8 nor uint8, or `function` returns something else than real
        numbers.
    ValueError
        If a scale or a zero point is out of its range, or `function` returns another shape or a
        NaN.

    See Also
    --------
    apply_table : Looks the entries up.

    Notes
    -----
    Computed in float64. Halves are rounded to even, and results beyond the range of `dtype`,
    infinities too, become its nearest end: the rules of ONNX's QuantizeLinear and of PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
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
    y = _values(function, x.copy())
    if np.isnan(y).any():
        first = int(np.isnan(y).argmax())
        raise ValueError(f"make_table: function gives NaN for {x[first]} (q = {codes[first]})")
    scale, zero_point = _quantisation("output", output, limits)
    with np.errstate(over="ignore", under="ignore"):
        quantised = np.rint(y / scale) + zero_point
    return np.asarray(np.clip(quantised, limits.min, limits.max).astype(dtype))


def _apply_to_any_layout(x: ArrayLike, table: ArrayLike, out: NDArray[Any] | None) -> Any:
    x, table = plain("apply_table", "x", x), plain("apply_table", "table", table)
    _check_indices(x)
    _check_table(table)
    table = dense(table)
    if out is not None:
        check_out("apply_table", out, x.shape, table.dtype)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))  # as it lies in memory
    bytes_of_x = x.view(np.uint8).transpose(order)
    flat = dense(bytes_of_x).reshape(-1)
    looked_up = answered("apply_table", _core.apply_table(flat, table, None), flat, table)
    result = looked_up.reshape(bytes_of_x.shape).transpose(np.argsort(order))
    if out is None:
        return result[()]
    np.copyto(out, result)
    return out


def _check_indices(x: NDArray[Any]) -> None:
    is_number = x.dtype.kind in "iu" or x.dtype.isbuiltin == _USER_DEFINED
    if x.dtype.itemsize != 1 or not is_number:
        raise TypeError(f"apply_table takes an x of numbers of one byte, not {x.dtype}")


def _check_table(table: NDArray[Any]) -> None:
    is_plain = table.dtype.kind in "biufc" or table.dtype.isbuiltin == _USER_DEFINED
    if table.dtype.itemsize not in _ENTRY_SIZES or not is_plain or table.dtype.hasobject:
        raise TypeError(f"apply_table takes a table of numbers of up to 8 bytes, not {table.dtype}")
    if table.shape != (_ENTRIES,):
        raise ValueError(f"apply_table: the table must have shape (256,), not {table.shape}")


def _quantisation(name: str, pair: tuple[float, int], limits: np.iinfo[Any]) -> tuple[float, int]:
    try:
        scale, zero_point = pair
    except (TypeError, ValueError):
        raise ValueError(f"make_table: {name} must be (scale, zero_point), not {pair!r}") from None
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"make_table: {name}'s scale must be finite and above 0, not {scale!r}")
    if not _is_in_range(zero_point, limits):
        raise ValueError(
            f"make_table: {name}'s zero point must be an integer from {limits.min} to "
            f"{limits.max}, not {zero_point!r}"
        )
    return float(scale), operator.index(zero_point)


def _is_in_range(zero_point: object, limits: np.iinfo[Any]) -> bool:
    try:
        return limits.min <= operator.index(zero_point) <= limits.max  # type: ignore[arg-type]
    except TypeError:
        return False


def _values(
    function: Callable[[NDArray[np.float64]], ArrayLike], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    y = plain("make_table", "function(x)", function(x))
    if y.shape != x.shape:
        raise ValueError(f"make_table: function gives shape {y.shape} for an x of shape {x.shape}")
    if not np.can_cast(y.dtype, np.float64, "same_kind"):
        raise TypeError(f"make_table: function gives {y.dtype}, not real numbers")
    return y.astype(np.float64)
