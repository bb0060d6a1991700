"""Arguments of functions that are not ufuncs: checked, and laid out for the extension.

The extension computes on plain arrays that are dense in C order. For other arguments it returns
NotImplemented; the function then checks them, lays them out and calls the extension again. Such a
function calls the extension directly, because a decorator that did so would double the time of a
small call.

What an array carries besides its elements is never dropped: functions call ufuncs, which keep it,
or refuse such arrays. Of NumPy's own classes they take those that only add ways to access the
elements. Other subclasses of ndarray are refused, because nobody can know what they add. Objects
that merely give their elements (``__array__``, a buffer, a sequence) are taken, as NumPy does.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple, NoReturn, SupportsIndex

import numpy as np
from numpy.exceptions import AxisError
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Axes = int | tuple[int, ...] | None
Shape = tuple[int, ...]

_CARRY_NOTHING = (np.ndarray, np.memmap, np.recarray)


def is_user_defined(dtype: np.dtype[Any]) -> bool:
    """Say whether another package registered the dtype, as ml_dtypes does."""
    return dtype.isbuiltin == 2  # noqa: PLR2004


def is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is one of NumPy's floats, or another package's, such as bfloat16."""
    return dtype.kind == "f" or (
        is_user_defined(dtype)
        and np.can_cast(dtype, np.float32)
        and not np.can_cast(dtype, np.int64)
    )


def carries_more(values: object) -> bool:
    """Say whether it is an array that may carry more than its elements."""
    kind = type(values)
    if isinstance(values, np.ndarray):
        return kind not in _CARRY_NOTHING
    return hasattr(kind, "__array_ufunc__")


def refuse(
    function: str, name: str, values: object, why: str = "of which only the elements would be kept"
) -> NoReturn:
    """Raise TypeError for an argument that carries more than the function can keep."""
    kind = f"{type(values).__module__}.{type(values).__qualname__}"
    raise TypeError(f"{function}: {name} is a {kind}, {why}; pass {_advice(name, values)}")


def _advice(name: str, values: object) -> str:
    numpy_ma = sys.modules.get("numpy.ma")  # nobody has a masked array without it
    if numpy_ma and isinstance(values, numpy_ma.MaskedArray):
        return f"{name}.filled(value), or the elements that are not masked: {name}.compressed()"
    if hasattr(type(values), "to_numpy"):
        return f"{name}.to_numpy()"
    is_lazy = type(values).__module__.partition(".")[0] == "dask"
    return f"{name}.compute()" if is_lazy else f"np.asarray({name})"


def plain(function: str, name: str, values: ArrayLike) -> Array:
    """Return an argument as an array; TypeError if it carries more than its elements."""
    if carries_more(values):
        refuse(function, name, values)
    return np.asarray(values)


def writable(function: str, name: str, buffer: Any, cure: str) -> Array:
    """Return a buffer as an array that can be written to, or raise why that is impossible."""
    array = buffer if isinstance(buffer, np.ndarray) else _view(function, name, buffer, cure)
    if not array.flags.writeable:
        why = f"this {type(buffer).__name__} is read-only"
        raise ValueError(overwrites(function, name, why, cure))
    return array


def overwrites(function: str, name: str, why: str, cure: str) -> str:
    """Say that an argument cannot be overwritten, why, and what to do instead."""
    return f"{function} overwrites {name}, but {why}; {cure}"


def _view(function: str, name: str, buffer: Any, cure: str) -> Array:
    kind = type(buffer).__name__
    try:
        view = memoryview(buffer)
    except ValueError as error:  # a memoryview that has been released
        raise ValueError(f"{function}: {error}") from None
    except TypeError:
        why = f"a {kind} has no buffer to write to"
        raise TypeError(overwrites(function, name, why, cure)) from None
    mmap = sys.modules.get("mmap")  # nobody has an mmap without having imported it
    if isinstance(buffer, bytes | bytearray) or (mmap and isinstance(buffer, mmap.mmap)):
        with_type = "give it one: np.frombuffer(buffer, dtype=...)"
        raise TypeError(f"{function}: a {kind} has no element type; {with_type}")
    if carries_more(buffer):
        refuse(function, name, buffer)
    try:
        array = np.asarray(view, copy=False)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        message = f"{function}: NumPy cannot view a buffer of format {view.format!r}"
        raise TypeError(f"{message}: {error}") from error
    # NumPy keeps a view of the same object, unless it has copied the elements.
    if not (isinstance(array.base, memoryview) and array.base.obj is view.obj):
        why = f"NumPy only copies a buffer of format {view.format!r}"
        raise TypeError(overwrites(function, name, why, cure))
    return array


def numbers(function: str, values: ArrayLike, name: str = "x") -> Array:
    """Return an argument as an array of integers or floats; TypeError if it is something else."""
    array = plain(function, name, values)
    if array.dtype.kind in "iu" or is_float(array.dtype):
        return array
    cure = f"np.real({name})" if array.dtype.kind == "c" else f"np.asarray({name}, np.float32)"
    fitting = f"{name} must hold integers or floats, not {array.dtype}"
    raise TypeError(f"{function}: {fitting}; pass for example {cure}")


def answered(function: str, result: Any, *arrays: Array) -> Any:
    """Return what the extension gave for arrays that are laid out: only dtypes can be wrong."""
    if result is NotImplemented:
        dtypes = " and ".join(str(array.dtype) for array in arrays)
        raise TypeError(f"{function} does not support {dtypes}; convert it, for example to float32")
    return result


def renamed(function: str, error: Exception) -> Exception:
    """Return an error of a ufunc as one of the function that called it; others as they are."""
    if isinstance(error, TypeError):
        ufunc, colon, text = str(error).partition(": ")
        text = text if colon and ufunc.isidentifier() else str(error)
        if "not supported for the input types" in text:  # which does not say what is
            text = "all arguments must hold integers or floats; pass for example np.real(x) of a "
            text += "complex x, and np.asarray(x, np.float32) of others"
        return TypeError(f"{function}: {text}")
    return ValueError(f"{function}: {error}") if type(error) is ValueError else error


def call_ufunc(function: str, ufunc: np.ufunc, *inputs: Any, out: Any = None) -> Any:
    """Call a ufunc; errors name the function that calls it."""
    try:
        return ufunc(*inputs, out=out)
    except (TypeError, ValueError) as error:
        raise renamed(function, error) from error


def dense(values: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """Return the values as a plain array, dense in C order: themselves if they are one."""
    array = np.asarray(values, dtype)
    plain = np.dtype(array.dtype.type)
    if array.dtype.metadata and plain.itemsize == array.itemsize:  # not so for text
        array = array.view(plain)
    native = array.dtype if array.dtype.isnative else array.dtype.newbyteorder()
    return np.require(array, native, ["C_CONTIGUOUS", "ALIGNED"])


def integer(function: str, name: str, value: object, kind: str = "an int") -> int:
    """Return an argument as an int; TypeError for all others, bool included."""
    if not isinstance(value, bool | np.bool):  # older NumPys take it for an index, with a warning
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise TypeError(f"{function}: {name} must be {kind}, not {type(value).__name__}")


def axis_of(function: str, ndim: int, axis: SupportsIndex, kind: str = "an int") -> int:
    """Return the axis, counted from the first; AxisError if it is out of range."""
    index = integer(function, "axis", axis, kind)
    if -ndim <= index < ndim:
        return index % ndim
    fitting = f"pass one from {-ndim} to {ndim - 1}" if ndim else "pass an array that has axes"
    given = f"axis {index} is out of bounds for array of dimension {ndim}"
    raise AxisError(f"{function}: {given}; {fitting}")


def normalized(function: str, axis: Axes, ndim: int) -> tuple[int, ...]:
    """Return the axes, counted from the first; None means all. AxisError if out of range."""
    if axis is None:
        return tuple(range(ndim))
    kind = "an int, a tuple of ints or None"
    given = axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(axis_of(function, ndim, each, kind) for each in given)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{function}: axis {axis} names an axis twice")
    return axes


def check_out(function: str, out: Any, shape: Shape, dtype: Any, casting: Any = "equiv") -> None:
    """Refuse, before anything is written, an `out` that the result does not fit."""
    check_place(function, out, shape)
    if out is not None and not np.can_cast(dtype, out.dtype, casting):
        raise TypeError(f"{function}: out has dtype {out.dtype}, but the result has {dtype}")


def check_place(function: str, out: Any, shape: Shape, like: str = "the result") -> None:
    """Refuse an `out` that is neither None nor a writable array of the shape of `like`."""
    if out is None:
        return
    if carries_more(out):
        refuse(function, "out", out)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{function}: out must be an ndarray, not {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"{function}: out has shape {out.shape}, but {like} has {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{function}: out is read-only; pass an array that may be overwritten")


def delivered(result: Array, out: Array | None) -> Any:
    """Copy a result to `out` if there is one; else return it, a scalar if it has no axes."""
    if out is None:
        return result if result.ndim else result[()]
    np.copyto(out, result)
    return out


def order_in_memory(array: Array) -> list[int]:
    """Return the axes in the order in which the elements lie in memory."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


class Grouping(NamedTuple):
    """The axes of an array as outer, rows, runs and length: rows and length are reduced."""

    order: tuple[int, ...]  # the array's axes, group by group
    groups: tuple[int, ...]  # the product of each group

    def place(self, array: Array, dtype: np.dtype[Any] | None = None) -> Array:
        """Lay an array out as the groups: the array itself, if it lies so already."""
        return dense(array.transpose(self.order), dtype)

    def undo(self, placed: Array) -> Array:
        """Restore the order of axes from before `place`."""
        return placed.transpose(np.argsort(self.order))


def grouped(shape: Shape, reduced: Iterable[int]) -> Grouping:
    """Group the axes, some of which are reduced, without changing the order of either kind.

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
    groups = tuple(prod(shape[axis] for axis in part) for part in parts)
    return Grouping(tuple(axis for part in parts for axis in part), groups)


def broadcast(shape: Shape, other: Shape) -> Shape | None:
    """Return what two shapes broadcast to, or None; of up to 64 axes, where NumPy takes 32."""
    ndim = max(len(shape), len(other))
    pairs = list(zip(padded(shape, ndim), padded(other, ndim), strict=True))
    fits = all(n == m or 1 in (n, m) for n, m in pairs)
    return tuple(m if n == 1 else n for n, m in pairs) if fits else None


def padded(shape: Shape, ndim: int) -> Shape:
    """Put axes of length 1 in front, as broadcasting does."""
    return (1,) * (ndim - len(shape)) + shape


def remaining(shape: Shape, reduced: Iterable[int]) -> Shape:
    """Return the shape without the axes that are reduced."""
    gone = set(reduced)
    return tuple(n for axis, n in enumerate(shape) if axis not in gone)
