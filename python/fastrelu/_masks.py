"""Masks: one bit an element instead of the input, from the forward pass for the backward pass."""

from __future__ import annotations

from math import prod
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastrelu import _core, _layout, _ufuncs
from fastrelu._counts import active_count
from fastrelu._layout import Array, Axes, Shape
from fastrelu._ufuncs import leaky_relu_backward

__all__ = [
    "Mask",
    "add_leaky_relu_with_mask",
    "add_relu_with_mask",
    "leaky_relu_backward_from_mask",
    "leaky_relu_backward_from_output",
    "leaky_relu_with_mask",
    "relu_backward_from_mask",
    "relu_with_mask",
]

_Bits = NDArray[np.uint8]

_UNPACKED_AT_ONCE = 1 << 18  # elements, a byte each: they stay in the cache


class Mask(_core.Mask):
    """One bit for each element of an array: all that the gradient needs to know of it.

    :func:`relu_with_mask` and its siblings make masks, and the gradients take them. Saved bits can
    be wrapped again. The arguments are read-only attributes; the elements of `bits` may change, so
    that a mask is not hashable.

    Parameters
    ----------
    bits : ndarray of uint8
        ``np.packbits(active, bitorder="little")``: the elements in C order, the first in the lowest
        bit of the first byte; the unused bits of the last byte are 0. One axis, contiguous. The
        mask keeps the array itself, not a copy.
    shape : int or tuple of int, the shape of the array that the bits are of
    kind : {"relu", "leaky_relu"}, default "relu"
        What a set bit says: relu's ``not x <= 0``, or leaky relu's ``x > 0``. They differ on NaN.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `bits` does not have one axis, contiguous memory, the length that `shape` needs and zeros
        in its unused bits; if no array has that shape; or if there is no such kind.

    Examples
    --------
    >>> y, mask = fr.relu_with_mask(np.array([[-1.0, 2.0], [-3.0, 4.0]]))
    >>> mask
    Mask(array([10], dtype=uint8), shape=(2, 2), kind='relu')
    >>> mask == fr.Mask(mask.bits.copy(), (2, 2)) == fr.Mask.from_bool(mask.to_bool())
    True
    >>> mask.active_count(), mask.sparsity(), mask.dead_units()
    (2, 0.5, array([ True, False]))
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # bits may change

    def __new__(
        cls, bits: _Bits, shape: SupportsIndex | tuple[SupportsIndex, ...], kind: str = "relu"
    ) -> Mask:
        """Check all arguments."""
        try:
            lengths = np.broadcast_to(np.uint8(0), shape).shape  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            fitting = "shape must be that of an array, an integer or a tuple of integers"
            raise type(error)(f"Mask: {fitting}, not {shape!r}: {error}") from None
        if not isinstance(kind, str):
            raise TypeError(f"Mask: kind must be a str, not {type(kind).__name__}")
        if kind not in ("relu", "leaky_relu"):
            raise ValueError(f"Mask: kind must be 'relu' or 'leaky_relu', not {kind!r}")
        _check_bits("Mask", "bits", bits, lengths)
        unused = -prod(lengths) % 8
        if unused and bits[-1] >> (8 - unused):
            fitting = 'the bits must be those of np.packbits(..., bitorder="little")'
            given = f"the last {unused} bits are not 0, but an array of shape {lengths}"
            raise ValueError(f"Mask: {given} does not use them; {fitting}")
        return super().__new__(cls, _layout.dense(bits), lengths, kind)

    @classmethod
    def from_bool(cls, active: ArrayLike, kind: str = "relu") -> Mask:
        """Pack an array of bools into a mask of its shape; `kind` is as for :class:`Mask`.

        Raises
        ------
        TypeError
            If `active` holds other elements, or carries more than them.
        """
        array = _layout.plain("Mask.from_bool", "active", active)
        if array.dtype != np.bool_:
            cure = "pass a comparison, for example x > 0"
            raise TypeError(f"Mask.from_bool: active holds {array.dtype}, not bool; {cure}")
        return cls(np.packbits(array.ravel(), bitorder="little"), array.shape, kind)

    def to_bool(self) -> NDArray[np.bool_]:
        """Unpack the bits into a new array of bools, of the mask's shape."""
        return self._unpacked(0, prod(self.shape)).view(np.bool_).reshape(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the bits take."""
        return self.bits.nbytes

    def active_count(self, axis: Axes = None) -> Any:
        """Count the bits that are set (leaky_relu sets none for NaN), as :func:`active_count`."""
        axes = _layout.normalized("Mask.active_count", axis, len(self.shape))
        counts = self._counted(axes, np.intp)
        return int(counts) if axis is None else counts[()]

    def sparsity(self, axis: Axes = None) -> Any:
        """Return ``1 - active_count / number`` of the bits; `axis` is as for :func:`sparsity`."""
        axes = _layout.normalized("Mask.sparsity", axis, len(self.shape))
        shares = self._counted(axes, np.float64)
        number = prod(self.shape[each] for each in axes)
        with np.errstate(invalid="ignore"):  # in place: there may be many units
            shares /= -float(number)
        shares += 1
        return float(shares) if axis is None else shares[()]

    def dead_units(self, axis: Axes = 0) -> Any:
        """Find the units of which no bit is set; `axis` is as for :func:`dead_units`."""
        name = "Mask.dead_units"
        axes = _layout.normalized(name, axis, len(self.shape))
        dead = self._answered(name, _core.dead_units_of_mask(self, axes))
        return bool(dead) if axis is None else dead[()]

    def _counted(self, axes: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Count along the axes: with leading ones, some rows at a time, which are unpacked."""
        if len(axes) == len(self.shape):
            return np.array(self._answered("Mask", _core.active_count_of_mask(self)), dtype)
        counts = np.zeros(_layout.remaining(self.shape, axes), dtype)
        if axes != tuple(range(len(axes))):
            counts[...] = active_count(self.to_bool().view(np.uint8), axes)
        elif number := prod(self.shape):
            columns = counts.size
            at_once = max(_UNPACKED_AT_ONCE // columns, 1) * columns
            for begin in range(0, number, at_once):
                rows = self._unpacked(begin, min(begin + at_once, number)).reshape(-1, columns)
                row = rows[0] if len(rows) == 1 else active_count(rows, 0)
                counts += row.reshape(counts.shape)
        return counts

    def _answered(self, name: str, result: Any) -> Any:
        if result is NotImplemented:  # somebody has changed the array
            _check_bits(name, "bits", self.bits, self.shape)
        return _layout.answered(name, result, self.bits)

    def _unpacked(self, begin: int, end: int) -> _Bits:
        """Return the bits from `begin` to `end`, a byte each."""
        first = begin // 8
        _check_bits("Mask", "bits", self.bits, self.shape)
        packed = self.bits[first : -(-end // 8)]
        return np.unpackbits(packed, count=end - first * 8, bitorder="little")[begin - first * 8 :]

    def __eq__(self, other: object) -> bool:
        """Compare kind, shape and bits."""
        if not isinstance(other, Mask):
            return NotImplemented
        same = (self.kind, self.shape) == (other.kind, other.shape)
        return same and np.array_equal(self.bits, other.bits)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the arguments of the class."""
        return type(self), (self.bits, self.shape, self.kind)

    def __repr__(self) -> str:
        """Show the arguments of the class."""
        return f"Mask({self.bits!r}, shape={self.shape}, kind={self.kind!r})"


_core.set_mask_class(Mask)


def relu_with_mask(
    x: ArrayLike, /, out: Array | None = None, mask: Mask | _Bits | None = None
) -> tuple[Any, Mask]:
    """Compute :func:`relu` and its mask at once: the bit of an element is ``not x <= 0``.

    The mask is all that :func:`relu_backward_from_mask` needs to know of `x`. The bit of NaN is 1.

    Parameters
    ----------
    x : array_like of integers or floats, of any shape
    out : ndarray of the shape of `x`, optional, where `y` goes; it may be `x`
    mask : Mask or ndarray of uint8, optional
        Where the bits go, instead of new memory: a mask of this function and of the shape of `x`,
        which is returned again, or memory for a new mask, one axis of ``ceil(x.size / 8)`` bytes.

    Returns
    -------
    y : ndarray or scalar, the result of :func:`relu`
    mask : Mask, whose bits are ``np.packbits(~(x <= 0), bitorder="little")``

    Raises
    ------
    TypeError
        If `mask` is neither a mask nor an array of uint8, if another argument does not hold
        integers or floats, or if one carries more than its elements.
    ValueError
        If `mask` is of another function, shape or length, or not contiguous, `out` has another
        shape, one of them is read-only, or they share memory. Nothing has been written then.

    Examples
    --------
    >>> y, mask = fr.relu_with_mask(np.array([-1.0, 2.0, 0.0, np.nan]))
    >>> y, mask.bits
    (array([ 0.,  2.,  0., nan]), array([10], dtype=uint8))
    """
    r: tuple[Any, Mask] = _core.relu_with_mask(x, out, mask)
    return _with_mask(_ufuncs.relu, (x,), (), out, mask) if r is NotImplemented else r


def leaky_relu_with_mask(
    x: ArrayLike,
    /,
    negative_slope: ArrayLike = 0.01,
    out: Array | None = None,
    mask: Mask | _Bits | None = None,
) -> tuple[Any, Mask]:
    """Compute :func:`leaky_relu` and its mask at once: the bit of an element is ``x > 0``.

    The bit of NaN is 0: its gradient takes the slope.

    Parameters
    ----------
    x, out, mask
        As for :func:`relu_with_mask`.
    negative_slope : array_like of integers or floats, default 0.01
        Slope for ``x <= 0``: one number, or an array that broadcasts to the shape of `x`.

    Returns
    -------
    y : ndarray or scalar, the result of :func:`leaky_relu`
    mask : Mask, whose bits are ``np.packbits(x > 0, bitorder="little")``

    Raises
    ------
    TypeError, ValueError
        As for :func:`relu_with_mask`; ValueError too if the slope does not broadcast.

    Examples
    --------
    >>> y, mask = fr.leaky_relu_with_mask(np.array([-1.0, 2.0, 0.0, np.nan]), 0.5)
    >>> y, mask.bits
    (array([-0.5,  2. ,  0. ,  nan]), array([2], dtype=uint8))
    """
    result: tuple[Any, Mask] = _core.leaky_relu_with_mask(x, negative_slope, out, mask)
    if result is NotImplemented:
        return _with_mask(_ufuncs.leaky_relu, (x,), (negative_slope,), out, mask)
    return result


def add_relu_with_mask(
    x: ArrayLike, y: ArrayLike, /, out: Array | None = None, mask: Mask | _Bits | None = None
) -> tuple[Any, Mask]:
    """Compute :func:`add_relu` and its mask in one pass: the bit of an element is ``not s <= 0``.

    `s` is ``x + y``, rounded to the dtype of the result: a layer with a bias, or the end of a
    residual block. The gradient of `x` is also that of a `y` of the same shape; for a bias it is
    summed over the batch.

    Parameters
    ----------
    x, mask
        As for :func:`relu_with_mask`.
    y : array_like of integers or floats
        The addend, of the shape of `x`, or such that it broadcasts to it, as a bias does.
    out : ndarray, optional, as for :func:`relu_with_mask`; it may be a `y` of the shape of `x`

    Returns
    -------
    result : ndarray or scalar, the result of :func:`add_relu`
    mask : Mask of kind "relu", for :func:`relu_backward_from_mask`

    Raises
    ------
    TypeError, ValueError
        As for :func:`relu_with_mask`; ValueError too if `y` does not broadcast to the shape of `x`.

    Examples
    --------
    >>> y, mask = fr.add_relu_with_mask(np.array([-1.0, 2.0, 3.0]), np.array([0.5, 0.5, -3.5]))
    >>> y, fr.relu_backward_from_mask(np.ones(3), mask)
    (array([0. , 2.5, 0. ]), array([0., 1., 0.]))
    """
    r: tuple[Any, Mask] = _core.add_relu_with_mask(x, y, out, mask)
    return _with_mask(_ufuncs.add_relu, (x, y), (), out, mask) if r is NotImplemented else r


def add_leaky_relu_with_mask(
    x: ArrayLike,
    y: ArrayLike,
    /,
    negative_slope: ArrayLike = 0.01,
    out: Array | None = None,
    mask: Mask | _Bits | None = None,
) -> tuple[Any, Mask]:
    """Compute :func:`add_leaky_relu` and its mask in one pass: the bit of an element is ``s > 0``.

    `s` is ``x + y``, rounded to the dtype of the arrays.

    Parameters
    ----------
    x, y, out, mask
        As for :func:`add_relu_with_mask`.
    negative_slope
        As for :func:`leaky_relu_with_mask`.

    Returns
    -------
    result : ndarray or scalar, the result of :func:`add_leaky_relu`
    mask : Mask of kind "leaky_relu", for :func:`leaky_relu_backward_from_mask`

    Raises
    ------
    TypeError, ValueError
        As for :func:`add_relu_with_mask`; ValueError too if the slope does not broadcast.

    Examples
    --------
    >>> y, mask = fr.add_leaky_relu_with_mask(np.array([-1.0, 2.0, 3.0]), 0.5, 0.25)
    >>> y, fr.leaky_relu_backward_from_mask(np.ones(3), mask, 0.25)
    (array([-0.125,  2.5  ,  3.5  ]), array([0.25, 1.  , 1.  ]))
    """
    result: tuple[Any, Mask] = _core.add_leaky_relu_with_mask(x, y, negative_slope, out, mask)
    if result is NotImplemented:
        return _with_mask(_ufuncs.add_leaky_relu, (x, y), (negative_slope,), out, mask)
    return result


def relu_backward_from_mask(grad_output: ArrayLike, mask: Mask, /, out: Array | None = None) -> Any:
    """Gradient through :func:`relu` from its mask: ``grad_output if bit else +0``.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to relu's output, of the shape that `x` had.
    mask : Mask of that shape, from :func:`relu_with_mask` or :func:`add_relu_with_mask`
    out : ndarray, optional, where the result goes; it may be `grad_output`

    Returns
    -------
    grad_x : ndarray or scalar, of the shape and dtype of `grad_output`
        The same bits as :func:`relu_backward` gives from relu's input or output, NaN included.

    Raises
    ------
    TypeError
        If `mask` is not a :class:`Mask`, or if another argument does not hold integers or floats,
        or carries more than its elements.
    ValueError
        If `mask` is leaky_relu's or has another shape than `grad_output`, or if `out` is read-only
        or has another shape. Nothing has been written then.

    Examples
    --------
    >>> y, mask = fr.relu_with_mask([-1.0, 2.0, 3.0])
    >>> fr.relu_backward_from_mask(np.array([np.nan, 5.0, 6.0]), mask)
    array([0., 5., 6.])
    """
    result = _core.relu_backward_from_mask(grad_output, mask, out)
    if result is NotImplemented:
        return _from_mask(_ufuncs.relu_backward, grad_output, mask, (), out)
    return result


def leaky_relu_backward_from_mask(
    grad_output: ArrayLike,
    mask: Mask,
    /,
    negative_slope: ArrayLike = 0.01,
    out: Array | None = None,
) -> Any:
    """Gradient through :func:`leaky_relu` from its mask: ``grad_output * (1 if bit else slope)``.

    Parameters
    ----------
    grad_output, out
        As for :func:`relu_backward_from_mask`.
    mask : Mask of that shape, from :func:`leaky_relu_with_mask` or :func:`add_leaky_relu_with_mask`
    negative_slope : array_like of integers or floats, default 0.01
        The slope of the forward pass: one number, or an array that broadcasts to that shape.

    Returns
    -------
    grad_x : ndarray or scalar, of the dtype that :func:`leaky_relu` gives for `grad_output`
        The same bits as :func:`leaky_relu_backward` gives from leaky_relu's input.

    Raises
    ------
    TypeError, ValueError
        As for :func:`relu_backward_from_mask`; ValueError too if the slope does not broadcast.

    Examples
    --------
    >>> y, mask = fr.leaky_relu_with_mask([-1.0, 2.0, 3.0], 0.5)
    >>> fr.leaky_relu_backward_from_mask(np.array([4.0, 5.0, 6.0]), mask, 0.5)
    array([2., 5., 6.])
    """
    result = _core.leaky_relu_backward_from_mask(grad_output, mask, negative_slope, out)
    if result is NotImplemented:
        return _from_mask(leaky_relu_backward, grad_output, mask, (negative_slope,), out)
    return result


def leaky_relu_backward_from_output(
    grad_output: ArrayLike,
    y: ArrayLike,
    /,
    negative_slope: ArrayLike = 0.01,
    out: Array | None = None,
) -> Any:
    """Gradient through :func:`leaky_relu` from `y`: ``grad_output * (1 if y > 0 else slope)``.

    Parameters
    ----------
    grad_output, y : array_like of integers or floats
        Gradient of the loss with respect to leaky_relu's output, and that output.
    negative_slope : array_like of integers or floats, default 0.01
        The slope of the forward pass, 0 or above: one number, or an array that broadcasts.
    out : ndarray, optional, where the result goes; it may be an input

    Returns
    -------
    grad_x : ndarray or scalar, the same bits as of :func:`leaky_relu_backward` from the input

    Raises
    ------
    TypeError
        If an argument does not hold integers or floats, or `negative_slope` carries more than its
        elements. The other arguments may: the result keeps it.
    ValueError
        If a slope is negative or NaN, because then the output does not tell the sign of the input
        (PyTorch refuses it too), or if the shapes do not broadcast. Nothing has been written then.

    Examples
    --------
    >>> y = fr.leaky_relu(np.array([-1.0, 2.0, 3.0]), 0.5)
    >>> fr.leaky_relu_backward_from_output(np.array([4.0, 5.0, 6.0]), y, 0.5)
    array([2., 5., 6.])
    """
    if not (type(negative_slope) is float and negative_slope >= 0):
        _refuse_negative(negative_slope)
    try:
        gradient: Any = leaky_relu_backward  # for any type: it tells which fit
        return gradient(grad_output, y, negative_slope, out=out)
    except (TypeError, ValueError) as error:
        raise _layout.renamed("leaky_relu_backward_from_output", error) from error


def _refuse_negative(slope: ArrayLike) -> None:
    values = _layout.plain("leaky_relu_backward_from_output", "negative_slope", slope)
    if values.dtype.kind not in "iufV":
        return  # leaky_relu_backward says what is wrong with it
    with np.errstate(invalid="ignore"):
        legal = values >= 0
    if not np.all(legal):
        where = np.unravel_index(int(np.argmin(legal)), values.shape)
        place = f" at {tuple(map(int, where))}" if where else ""
        raise ValueError(
            f"leaky_relu_backward_from_output: negative_slope is {values[where]!s}{place}, but "
            "only from slopes of 0 and above does the output tell the sign of the input; use "
            "leaky_relu_backward with leaky_relu's input, or leaky_relu_backward_from_mask"
        )


def _with_mask(
    ufunc: np.ufunc, summands: tuple[Any, ...], slopes: tuple[Any, ...], out: Any, mask: Any
) -> tuple[Any, Mask]:
    """Compute the result and the mask for any layout, dtype and slope: `out` is written last."""
    function, kind = f"{ufunc.__name__}_with_mask", ufunc.__name__.removeprefix("add_")
    arrays = [_layout.numbers(function, each, "xy"[i]) for i, each in enumerate(summands)]
    shape = arrays[0].shape
    _check_shapes(function, {"x": arrays[0], "y": arrays[-1]}, slopes, out)
    place = _place_of_bits(function, mask, kind, shape, out)
    pairs = zip(summands, arrays, strict=True)
    inputs = [given if isinstance(given, (int, float)) else array for given, array in pairs]
    if len(inputs) == 1:
        bits = _packed(function, arrays[0], kind)
        result = _layout.call_ufunc(function, ufunc, *inputs, *slopes, out=out)
    else:
        result = _layout.call_ufunc(function, ufunc, *inputs, *slopes)
        sums = result if kind == "relu" else _sums(inputs[0], inputs[1], result.dtype)
        bits = _packed(function, sums, kind)
        _layout.check_out(function, out, shape, result.dtype, "same_kind")
        result = result if out is None else _layout.delivered(result, out)
    if place is None:
        return result, Mask(bits, shape, kind)
    place[...] = bits
    return result, mask if isinstance(mask, Mask) else Mask(place, shape, kind)


@np.errstate(all="ignore")
def _sums(x: ArrayLike, y: ArrayLike, dtype: np.dtype[Any]) -> Any:
    """Add as `add_leaky_relu` does: integers wrap, floats are rounded to the result's dtype."""
    if not all(np.asarray(each).dtype.kind in "iu" for each in (x, y)):
        # Before np.add, which takes no bfloat16 with a number or with float16.
        x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    return np.add(x, y)


def _packed(function: str, values: Array, kind: str) -> _Bits:
    placed = _layout.dense(values)
    bits: _Bits = _layout.answered(function, _core.pack_mask(placed, kind != "relu"), placed)
    return bits


def _from_mask(ufunc: np.ufunc, grad: Any, mask: Any, slopes: tuple[Any, ...], out: Any) -> Any:
    """Compute the gradient for any layout, dtype and slope."""
    function, kind = f"{ufunc.__name__}_from_mask", ufunc.__name__.removesuffix("_backward")
    values = _layout.numbers(function, grad, "grad_output")
    _check_shapes(function, {"grad_output": values}, slopes, out)
    _check_mask(function, mask, kind, values.shape, "grad_output")
    flat = _core.Mask.__new__(Mask, mask.bits, (values.size,), "relu")
    if kind == "relu" and not _has_zero(values.dtype):
        line = _layout.dense(values).ravel()
        line = _layout.answered(function, _core.relu_backward_from_mask(line, flat, None), line)
        return _layout.delivered(line.reshape(values.shape), out)
    grad = grad if isinstance(grad, (int, float)) else values
    gate = _gate(function, flat, values)
    return _layout.call_ufunc(function, ufunc, grad, gate, *slopes, out=out)


def _has_zero(dtype: np.dtype[Any]) -> bool:
    """Say whether some value closes a gate: float8_e8m0fnu has only positive ones."""
    return not _layout.is_float(dtype) or bool(dtype.type(0) == 0)


def _gate(function: str, mask: Mask, like: Array) -> Array:
    """Make an x for the gradient: 1 where the bit is set, elsewhere not positive."""
    gate = np.ones(like.size, np.dtype(like.dtype.type))
    if _has_zero(gate.dtype):
        _layout.answered(function, _core.relu_backward_from_mask(gate, mask, gate), gate)
    else:
        gate[~mask.to_bool()] = np.nan
    return gate.reshape(like.shape)


def _check_shapes(function: str, arrays: dict[str, Array], slopes: Any, out: Any) -> None:
    """Refuse an `out` of another shape than the first array, and what does not broadcast to it."""
    first, shape = next((name, array.shape) for name, array in arrays.items())
    for name, values in [*arrays.items(), *(("negative_slope", each) for each in slopes)]:
        if _layout.carries_more(values):
            _layout.refuse(function, name, values)
        if _layout.broadcast(shape, np.shape(values)) != shape:
            given = f"{name} of shape {np.shape(values)}"
            fitting = f"does not broadcast to the shape of {first}, {shape}"
            raise ValueError(f"{function}: {given} {fitting}")
    _layout.check_place(function, out, shape, first)


def _place_of_bits(function: str, mask: Any, kind: str, shape: Shape, out: Any) -> Any:
    """Return the memory for the bits, None for new memory; refuse a `mask` that is neither."""
    if mask is None:
        return None
    bits = mask.bits if isinstance(mask, Mask) else mask
    if isinstance(mask, Mask):
        _check_mask(function, mask, kind, shape, "x")
    else:
        _check_bits(function, "mask", mask, shape)
    if not bits.flags.writeable:
        raise ValueError(f"{function}: mask is read-only; pass memory that may be overwritten")
    if out is not None and np.may_share_memory(bits, out):
        raise ValueError(f"{function}: mask and out share memory; pass memory of its own for mask")
    return bits


def _check_bits(function: str, name: str, bits: Any, shape: Shape) -> None:
    """Refuse what cannot be the bits of an array of that shape."""
    if _layout.carries_more(bits):
        _layout.refuse(function, name, bits)
    size, wrong = -(-prod(shape) // 8), ""
    kind: type[Exception] = ValueError
    if not isinstance(bits, np.ndarray):
        wrong, kind = f"is a {type(bits).__name__}, not an ndarray", TypeError
    elif bits.dtype != np.uint8:
        pack = " (fr.Mask.from_bool(active, kind) packs it)" * (bits.dtype == np.bool_)
        wrong, kind = f"holds {bits.dtype}{pack}", TypeError
    elif bits.ndim != 1:
        wrong = f"has {bits.ndim} axes, not one"
    elif bits.size != size:
        wrong = f"has {bits.size} bytes"
    elif not bits.flags.c_contiguous:
        wrong = "is not contiguous"
    if wrong:
        fitting = f"the bits of an array of shape {shape} are {size} contiguous bytes of uint8"
        raise kind(f"{function}: {name} {wrong}; {fitting}")


def _check_mask(function: str, mask: Any, kind: str, shape: Shape, of: str) -> None:
    """Refuse what is not a mask of that kind and shape."""
    if _layout.carries_more(mask):
        _layout.refuse(function, "mask", mask)
    makers = f"pass the mask that {kind}_with_mask or add_{kind}_with_mask gave"
    if not isinstance(mask, Mask):
        is_bool = isinstance(mask, np.ndarray) and mask.dtype == np.bool_
        wrap = "fr.Mask.from_bool(active, kind)" if is_bool else "fr.Mask(bits, shape, kind)"
        given = "an array of bool" if is_bool else f"a {type(mask).__name__}"
        cure = f"{makers}, or wrap saved bits: {wrap}"
        raise TypeError(f"{function}: mask is {given}, not a Mask; {cure}")
    if mask.kind != kind:
        given = f"mask is of kind {mask.kind!r}, but this function takes {kind!r}"
        raise ValueError(f"{function}: {given}: their bits differ on NaN; {makers}")
    if mask.shape != shape:
        given = f"mask is of an array of shape {mask.shape}, but {of} has shape {shape}"
        cure = "pass the mask of the same array, or wrap its bits again: fr.Mask(bits, shape, kind)"
        raise ValueError(f"{function}: {given}; {cure}")
    _check_bits(function, "mask.bits", mask.bits, shape)
