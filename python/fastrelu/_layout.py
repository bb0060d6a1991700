"""Arguments of the functions that are not ufuncs: checked, and laid out for the extension.

The extension takes plain arrays that are dense in C order, and returns NotImplemented for others.

An array may carry more than its elements: a mask, labels, units, a graph of what is still to be
computed. Ufuncs keep it. The other functions of this package either go through ufuncs or refuse
such arrays; they never drop it. Of NumPy's own classes they take those that add nothing but ways
to reach the elements: ndarray, memmap and recarray. What other subclasses of ndarray add cannot
be known, so these are refused too. Objects that merely give their elements (``__array__``, a
buffer, a sequence) are taken as array_like, as by NumPy.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple, NoReturn, SupportsIndex

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]

_USER_DEFINED = 2
"""What `numpy.dtype.isbuiltin` says of a dtype that another package registered."""


def is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is one of NumPy's floats, or another package's, such as bfloat16."""
    return dtype.kind == "f" or (
        dtype.isbuiltin == _USER_DEFINED
        and np.can_cast(dtype, np.float32)
        and not np.can_cast(dtype, np.int64)
    )


_CARRY_NOTHING = (np.ndarray, np.memmap, np.recarray)


def carries_more(values: object) -> bool:
    """Say whether it is an array that may carry more than its elements; see above."""
    kind = type(values)
    if isinstance(values, np.ndarray):
        return kind not in _CARRY_NOTHING
    return hasattr(kind, "__array_ufunc__")


def refuse(
    function: str,
    name: str,
    values: object,
    why: str = "and this function keeps nothing but the elements of an array",
) -> NoReturn:
    """Raise TypeError for an argument that carries more than the function can keep."""
    kind = type(values)
    raise TypeError(
        f"{function}: {name} is a {kind.__module__}.{kind.__qualname__}, {why}; "
        f"pass {_advice(name, values)}"
    )


def _advice(name: str, values: object) -> str:
    numpy_ma = sys.modules.get("numpy.ma")  # nobody has a masked array without it
    if numpy_ma and isinstance(values, numpy_ma.MaskedArray):
        return f"{name}.filled(value), or the elements that are not masked: {name}.compressed()"
    if hasattr(type(values), "to_numpy"):
        return f"{name}.to_numpy()"
    is_lazy = type(values).__module__.partition(".")[0] == "dask"
    return f"{name}.compute()" if is_lazy else f"np.asarray({name})"


def plain(function: str, name: str, values: ArrayLike) -> NDArray[Any]:
    """Return an argument as an array; TypeError if it carries more than its elements."""
    if carries_more(values):
        refuse(function, name, values)
    return np.asarray(values)


def answered(function: str, result: Any, *arrays: NDArray[Any]) -> Any:
    """Return what the extension gave for arrays that are laid out; TypeError if it refused them.

    Nothing but their dtypes can be wrong with them then.
    """
    if result is NotImplemented:
        dtypes = " and ".join(str(array.dtype) for array in arrays)
        raise TypeError(f"{function} takes integers and floats, not {dtypes}")
    return result


def renamed(function: str, error: Exception) -> Exception:
    """Return a ufunc's TypeError or ValueError as one of the function that called the ufunc.

    Exceptions of other classes, such as those of other packages, are returned as they are.
    """
    if isinstance(error, TypeError):
        return TypeError(f"{function}: {error}")
    return ValueError(f"{function}: {error}") if type(error) is ValueError else error


def dense(values: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return the values as a plain array, dense in C order: themselves if they are one."""
    array = np.asarray(values, dtype)
    plain = np.dtype(array.dtype.type)
    if array.dtype.metadata and plain.itemsize == array.itemsize:  # not so for text
        array = array.view(plain)
    native = array.dtype if array.dtype.isnative else array.dtype.newbyteorder()
    return np.require(array, native, ["C_CONTIGUOUS", "ALIGNED"])


def numbers(function: str, values: ArrayLike, name: str = "x") -> NDArray[Any]:
    """Return an argument as an array of integers or floats; TypeError if it is something else."""
    array = plain(function, name, values)
    if not (array.dtype.kind in "iu" or is_float(array.dtype)):
        raise TypeError(f"{function} takes integers and floats, not {array.dtype}")
    return array


def axis_of(function: str, ndim: int, axis: SupportsIndex) -> int:
    """Return the axis counted from the first; AxisError if there is none such."""
    try:
        index = operator.index(axis)
    except TypeError:
        raise TypeError(f"{function}: axis must be an integer, not {type(axis).__name__}") from None
    return normalize_axis_index(index, ndim, function)


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
    if carries_more(out):
        refuse(function, "out", out)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{function}: out must be an array, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{function}: out has shape {out.shape}, but {like} has {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{function}: out is read-only")
    return out


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
