"""Gradients whose norm is bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import ArrayLike

from fastrelu import _core, _layout
from fastrelu._layout import Array
from fastrelu._ufuncs import leaky_relu_backward

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["clip_grad_norm_"]

_NAME = "clip_grad_norm_"
_BLOCK = 512
"""Elements whose squares are added first (sum_block in C++): an array may be cut there alone."""
_PIECE = 1 << 18
"""Elements that are copied at once from an array that the extension does not take as it lies.

A transposed array of (64, 65536) float32 took 42 ms with a quarter of it, 15 with this."""
_OVERLAP_WORK = 10_000
"""What a look for common elements may cost; where it would cost more, arrays overlap."""
_WIDE = np.dtype(np.float64).itemsize
_LEAST_SUM = 2.0**-900
"""A smaller sum may lack squares that are below the smallest float64."""
_POWER = 2.0**600
"""Gradients up to 2^1024 divided by it, and from 2^-1074 on times it, have squares in float64."""


def clip_grad_norm_(
    grads: Buffer | Array | Iterable[Buffer | Array], /, max_norm: float | np.number[Any]
) -> float:
    """Scale gradients in place to a norm of at most `max_norm`: ``g *= min(1, max_norm / norm)``.

    The norm is that of all elements of all arrays together, ``sqrt(sum(g**2))``, so that the
    direction of the gradient stays (Pascanu, Mikolov and Bengio, 2013).

    Parameters
    ----------
    grads : writable buffer of floats, or iterable of them
        The gradients: one array or several, each as for :func:`relu_`, and of any float dtype.
    max_norm : float, 0 or above
        Infinity scales nothing and only computes the norm; 0 makes all gradients 0.

    Returns
    -------
    norm : float
        The norm before scaling; 0.0 without elements. If it is NaN or infinity, no gradient is
        changed.

    Raises
    ------
    TypeError
        If a gradient has no buffer, as a list or a number, does not hold floats, or carries more
        than its elements; if `max_norm` is not one real number.
    ValueError
        If a gradient is read-only, if two of them share memory, because it would be scaled twice,
        or if `max_norm` is negative or NaN.

        All errors are raised before anything is written.

    Notes
    -----
    An infinite or NaN norm leaves no direction to keep: skip that step. PyTorch's function
    multiplies by 0 or NaN then, which destroys what would show where it came from. A norm beyond
    the range of float64 is infinity as well.

    Squares are added in float64 (longdouble in longdouble), in the order of
    :func:`relu_backward_with_bias` with ``axis=None``, then the sums of the arrays in their order.
    So the norm has the same bits for every number of threads, instruction set and memory layout.
    Where the sum overflows or is below 2**-900, it is that of ``g * 2**-600`` or ``g * 2**600``.

    The scale is ``max_norm / norm`` in float64, rounded to float32 for float32 and narrower floats;
    PyTorch adds 1e-6 to the norm. The product is rounded once (that of narrower floats to float32
    first), and its exponent does not underflow before. Nothing is reported to `numpy.errstate`.

    Examples
    --------
    >>> weights, bias = np.array([[3.0, 0.0]]), np.array([4.0])
    >>> fr.clip_grad_norm_([weights, bias], 1)
    5.0
    >>> weights, bias
    (array([[0.6, 0. ]]), array([0.8]))
    """
    limit = _limit(max_norm)
    arrays = _gradients(grads)
    _check_apart(arrays)
    with np.errstate(all="ignore"):
        norm = _norm(arrays)
        if limit < norm < math.inf:
            for array in arrays:
                _scale(array, limit, norm)
    return norm


def _limit(max_norm: ArrayLike) -> float:
    if type(max_norm) is not float:
        number = _layout.numbers(_NAME, max_norm, "max_norm")
        if number.ndim:
            given = f"an array of shape {number.shape}"
            raise TypeError(f"{_NAME}: max_norm must be one number, not {given}")
        max_norm = float(number)
    if not max_norm >= 0:
        raise ValueError(f"{_NAME}: max_norm ({max_norm}) must be 0 or above")
    return max_norm


def _gradients(grads: Any) -> list[Array]:
    if isinstance(grads, list | tuple):
        return [_gradient(each, index) for index, each in enumerate(grads)]
    if _layout.carries_more(grads):
        _layout.refuse(_NAME, "grads", grads)
    if isinstance(grads, np.ndarray) or _has_buffer(grads):
        return [_gradient(grads)]
    if isinstance(grads, Iterable):
        return _gradients(list(grads))
    kind = type(grads).__name__
    raise TypeError(f"{_NAME}: grads must be an array or an iterable of arrays, not {kind}")


def _has_buffer(grads: Any) -> bool:
    try:
        memoryview(grads)
    except TypeError:
        return False
    except ValueError:  # a memoryview that has been released
        return True
    return True


def _gradient(buffer: Any, index: int | None = None) -> Array:
    name = "grads" if index is None else f"grads[{index}]"
    array = _layout.writable(_NAME, name, buffer, "pass a copy of it, and use that")
    if _layout.carries_more(array):
        _layout.refuse(_NAME, name, array)
    if not _layout.is_float(array.dtype):
        raise TypeError(f"{_NAME}: {name} must hold floats, not {array.dtype}; pass a float array")
    return np.asarray(array)  # the extension takes no np.memmap as it is


def _check_apart(arrays: list[Array]) -> None:
    """Refuse arrays that share elements."""
    are_different = len({*map(id, arrays)}) == len(arrays)
    if are_different and (len(arrays) == 1 or all(each.flags.owndata for each in arrays)):
        return
    places = sorted((*byte_bounds(each), index) for index, each in enumerate(arrays) if each.size)
    before: list[tuple[int, int]] = []  # that reach as far as the next one begins
    for first, last, index in places:
        before = [each for each in before if each[0] > first]
        for _, other in before:
            pair = arrays[other], arrays[index]
            if np.may_share_memory(*pair, max_work=_OVERLAP_WORK):  # type: ignore[arg-type]
                one, two = sorted((other, index))
                why = "which would be scaled twice; pass each gradient once"
                raise ValueError(f"{_NAME}: grads[{one}] and grads[{two}] share memory, {why}")
        before.append((last, index))


def _norm(arrays: list[Array]) -> float:
    sums = [_sum_of_squares(each) for each in arrays]
    total, factor = _added(sums), 1.0
    if total < _LEAST_SUM or total == math.inf:
        factor = _POWER if total < 1 else 1 / _POWER
        total = _added(map(_sum_times_power, arrays, sums, repeat(factor)))
    return float(np.sqrt(total)) / factor


def _added(sums: Iterable[Any]) -> Any:
    total: Any = 0.0
    for each in sums:
        total = total + each
    return total


def _sum_times_power(array: Array, total: Any, factor: float) -> Any:
    """Add the squares of ``array * factor``; those of narrower floats did not leave the range."""
    is_wide = array.dtype.itemsize >= _WIDE
    return _sum_in_pieces(array, factor) if is_wide else total * factor * factor


def _sum_of_squares(array: Array) -> Any:
    total = _core.sum_of_squares(array, None)
    return _sum_in_pieces(array, 1) if total is NotImplemented else total


def _sum_in_pieces(array: Array, factor: float) -> Any:
    """Add the squares of ``array * factor`` in the same order, whatever the array's layout."""
    buffer = np.empty(min(array.size, _PIECE) + _BLOCK, array.dtype.type)
    total: Any = 0.0
    filled = 0
    for piece in _pieces(array):
        end = filled + piece.size
        _multiply(piece, factor, buffer[filled:end].reshape(piece.shape))
        whole = end - end % _BLOCK
        blocks = _core.sum_of_squares(buffer[:whole].reshape(-1, _BLOCK), 1)
        total = _added([total, *_layout.answered(_NAME, blocks, array)])
        filled = end - whole
        buffer[:filled] = buffer[whole:end].copy()
    return total + _layout.answered(_NAME, _core.sum_of_squares(buffer[:filled], None), array)


def _pieces(array: Array) -> Iterator[Array]:
    """Cut an array into parts of at most _PIECE elements that follow each other in C order."""
    if array.size <= _PIECE:
        yield array
    elif len(array) == 1:
        yield from _pieces(array[0])
    else:
        rows = max(_PIECE // (array.size // len(array)), 1)
        for first in range(0, len(array), rows):
            yield from _pieces(array[first : first + rows])


def _scale(array: Array, limit: float, norm: float) -> None:
    """Multiply by ``limit / norm``, and never by a factor that is subnormal."""
    (top, up), (bottom, down) = math.frexp(limit), math.frexp(norm)
    exponent = up - down
    # What a first factor makes subnormal becomes 0 by the last one, and so would the product.
    least, step = (-1000, 512) if array.dtype.itemsize >= _WIDE else (-100, 64)
    while exponent < least:
        _multiply(array, 2.0**-step, array)
        exponent += step
    _multiply(array, math.ldexp(top / bottom, exponent), array)


def _multiply(array: Array, factor: float, out: Array) -> None:
    """Compute ``array * factor``: several times as fast as NumPy on arrays that lie otherwise."""
    below_0 = np.array(-1, array.dtype)  # NaN where there are no signs: not positive either
    leaky_relu_backward(array, below_0, factor, out=out)
