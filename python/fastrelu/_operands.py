"""Arguments of the functions that are no ufuncs: checked, and laid out as the extension takes them.

The extension takes plain arrays that are dense in C order, and returns NotImplemented for others.
"""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike, DTypeLike, NDArray

_USER_DEFINED = 2
"""What `numpy.dtype.isbuiltin` says of a dtype that another package registered."""


def is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is one of NumPy's floats, or another package's, such as bfloat16."""
    return dtype.kind == "f" or (
        dtype.isbuiltin == _USER_DEFINED
        and np.can_cast(dtype, np.float32)
        and not np.can_cast(dtype, np.int64)
    )


def dense(values: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return the values as a plain array, dense in C order: themselves if they are one."""
    array = np.asarray(values, dtype)
    plain = np.dtype(array.dtype.type)
    if array.dtype.metadata and plain.itemsize == array.itemsize:  # not so for text
        array = array.view(plain)
    native = array.dtype if array.dtype.isnative else array.dtype.newbyteorder()
    return np.require(array, native, ["C_CONTIGUOUS", "ALIGNED"])


def numbers(function: str, values: ArrayLike) -> NDArray[Any]:
    """Return an array of integers or floats; TypeError if the values are something else."""
    array = np.asarray(values)
    if not (array.dtype.kind in "iu" or is_float(array.dtype)):
        raise TypeError(f"{function} takes integers and floats, not {array.dtype}")
    return array


def axis_of(array: NDArray[Any], axis: SupportsIndex) -> int:
    """Return the axis counted from the first; AxisError if there is none such."""
    return normalize_axis_index(operator.index(axis), array.ndim)


def check_out(
    function: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Refuse, before anything is written, an `out` that the result cannot go into as it is."""
    array = check_place(function, out, shape)
    if array.dtype != dtype and array.dtype.newbyteorder() != dtype:
        raise TypeError(f"{function}: out has dtype {array.dtype}, but the result has {dtype}")
    return array


def check_place(
    function: str, out: Any, shape: tuple[int, ...], like: str = "the result"
) -> NDArray[Any]:
    """Refuse an `out` that is no array, cannot be written, or has another shape than `like`."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{function}: out must be an array, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{function}: out has shape {out.shape}, but {like} has {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{function}: out is read-only")
    return out
