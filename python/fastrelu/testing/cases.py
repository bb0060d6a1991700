"""Inputs that matter, in one place for verify, the tests and the benchmarks.

Values come as flat arrays; a layout lays them out in memory. Everything works from the dtype's own
bit format, so that a dtype of another package (bfloat16, float8) needs no entry here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastrelu import _core
from fastrelu.reference import product_dtype

Array = NDArray[Any]

WIDEST_VECTOR = 64  # bytes in the widest vector of any instruction set
MOST_VECTORS_AT_ONCE = 4  # in the unrolled body of a kernel
LARGE = 2 << 20  # bytes: no core's own cache holds them twice, so results are streamed and shared
MOST_VALUES = 1 << 19  # in one array: the reference takes its time with floats of one byte
FEW_PATTERNS = 2  # bytes: all patterns of a dtype of at most that size are run, always
GUARD = 64  # bytes in front of and behind the values of every layout, so that a stray store is seen
CANARY = 0xA5  # fills the guards, and all else that a layout leaves free

_SMOOTH_WITH_ALPHA = ("elu", "celu")
_WIDEST_INTEGER = 8
_EXTENDED_FRACTION = 63
_EXTENDED_BYTES = 10
_BIG_END_FIRST = -1 if sys.byteorder == "little" else 1


def is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is a float, NumPy's or another package's."""
    return dtype.kind not in "iu"


class Format(NamedTuple):
    """Patterns of a binary float as integers: sign, exponent and fraction, without gaps."""

    sign: int  # which alone is -0.0
    smallest_normal: int  # the lowest bit of the exponent
    infinity: int  # all bits of the exponent; everything above is NaN
    one: int
    quiet: int  # the bit that tells a quiet NaN from a signalling one


def format_of(dtype: DTypeLike) -> Format:
    """Where a float keeps its bits."""
    dtype = np.dtype(dtype)
    if dtype == np.longdouble:
        fraction = int(np.finfo(dtype).nmant)
    else:
        one, two = map(int, bits(np.array([1, 2]).astype(dtype)))
        fraction = (two - one).bit_length() - 1
    sign = 1 << (15 + fraction if _is_extended(dtype) else 8 * dtype.itemsize - 1)
    lowest = 1 << fraction
    infinity = sign - lowest
    return Format(sign, lowest, infinity, infinity >> fraction >> 1 << fraction, lowest >> 1)


def bits(values: Any) -> Array:
    """Return each value's bits in C order: an integer, or the bytes in use (longdouble)."""
    flat = np.ravel(values)
    if flat.itemsize <= _WIDEST_INTEGER:
        return flat.view(f"u{flat.dtype.itemsize}")
    used = _EXTENDED_BYTES if _is_extended(flat.dtype) else flat.itemsize
    return np.ascontiguousarray(flat).view(np.uint8).reshape(flat.size, flat.itemsize)[:, :used]


def hexadecimal(value: Any) -> str:
    """Write the bits of one value, as in ``0x7fc00000``."""
    return "0x" + np.ascontiguousarray(bits(value)).tobytes()[::_BIG_END_FIRST].hex()


def differing(actual: Any, expected: Any, ignored: Any = 0) -> NDArray[np.bool_]:
    """Say where the bits differ, except for those of `ignored`, flat."""
    wrong = (bits(actual) | ignored) != (bits(expected) | ignored)
    return np.asarray(wrong if wrong.ndim == 1 else wrong.any(axis=1))


def same_nan_bits(actual: Array, expected: Array) -> NDArray[np.bool_]:
    """Say where two NaNs have the same sign and payload; the quiet bit may differ."""
    quiet = from_patterns([format_of(expected.dtype).quiet], expected.dtype)
    return ~differing(actual, expected, bits(quiet))


def from_patterns(patterns: Iterable[int], dtype: DTypeLike) -> Array:
    """Make the values that have these bit patterns (`Format`'s for floats)."""
    dtype = np.dtype(dtype)
    if _is_extended(dtype):
        patterns = ((each >> 63) << 64 | each & ((1 << 63) - 1) for each in patterns)
    stored = (each.to_bytes(dtype.itemsize, sys.byteorder) for each in patterns)
    return _values(b"".join(stored), dtype)


def _values(stored: bytes, dtype: np.dtype[Any]) -> Array:
    """View bytes as values; x87's have a bit 63, which must say that the exponent is not 0."""
    each_byte = np.frombuffer(bytearray(stored), np.uint8)
    if _is_extended(dtype):
        words = each_byte.reshape(-1, dtype.itemsize)
        has_exponent = (words[:, 8] != 0) | (words[:, 9] & 0x7F != 0)
        words[:, 7] = np.where(has_exponent, words[:, 7] | 0x80, words[:, 7] & 0x7F)
    return each_byte.view(dtype)


def special_values(dtype: DTypeLike) -> Array:
    """Zeros, ones, denormals, extremes, NaNs and their neighbours; of 8 bits, all values."""
    dtype = np.dtype(dtype)
    return _special_values(dtype, dtype.char).copy()


@cache
def _special_values(dtype: np.dtype[Any], char: str) -> Array:  # int64 and longlong are equal
    if dtype.itemsize == 1:
        return every_pattern(dtype)
    return from_patterns(_special_floats(dtype) if is_float(dtype) else _special_ints(dtype), dtype)


def supported_dtypes() -> tuple[np.dtype[Any], ...]:
    """Return every dtype that some function has a loop for, those of ml_dtypes among them."""
    loops = (loop for ufunc in _core.ufuncs for loop in ufunc.types)
    found = [np.dtype(character) for character in dict.fromkeys(loop[0] for loop in loops)]
    for each in vars(import_module("ml_dtypes")).values() if find_spec("ml_dtypes") else ():
        if isinstance(each, type) and issubclass(each, np.generic):
            with suppress(TypeError):
                found.append(_core.relu(np.empty(0, each)).dtype)
    return tuple(found)


def every_pattern(dtype: DTypeLike) -> Array:
    """Return all values of a dtype of at most `FEW_PATTERNS` bytes."""
    dtype = np.dtype(dtype)
    values: Array = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    if dtype.itemsize > 1 or not is_float(dtype):
        return values
    back = values.astype(np.float32).astype(dtype)  # a float of six bits leaves two of them unused
    return values[~differing(back, values) | np.isnan(values)]


def every_lane(dtype: DTypeLike) -> Array:
    """Repeat the special values until each has been in every lane of an unrolled body."""
    specials = special_values(dtype)
    odd = np.resize(specials, specials.size | 1)
    return np.resize(odd, odd.size * values_at_once(dtype))


def sample(dtype: DTypeLike, n: int, seed: int = 0) -> Array:
    """`n` values, half of them random bit patterns and half special values, well mixed."""
    dtype = np.dtype(dtype)
    random = np.random.default_rng(seed)
    if dtype.itemsize == 1:
        return random.choice(special_values(dtype), n)
    values = _values(random.bytes(n * dtype.itemsize), dtype)
    special = random.integers(2, size=n, dtype=np.bool_)
    values[special] = random.choice(special_values(dtype), np.count_nonzero(special))
    return values


def slopes(dtype: DTypeLike) -> tuple[Any, ...]:
    """Scalar slopes for an `x` of this dtype, those of another dtype among them."""
    wide = slope_dtype(dtype)
    limits, kind = np.finfo(wide), wide.type if wide == np.longdouble else float
    extremes = kind(limits.smallest_subnormal), kind(limits.max)
    python = (0.01, 0.2, 0.0, -0.0, 1.0, 2, -0.5, math.inf, -math.inf, math.nan)
    return (*python, *extremes, np.float32(0.25), np.float64(0.2))


def settings(
    names: Sequence[str], dtype: DTypeLike, function: str = ""
) -> tuple[tuple[Any, ...], ...]:
    """Legal scalars for the parameters of those names, or pairs, for arrays of this dtype."""
    dtype = np.dtype(dtype)
    if "negative_slope" in names:
        return tuple((each,) for each in slopes(dtype))
    if function.startswith(_SMOOTH_WITH_ALPHA):
        wide = slope_dtype(dtype)
        return tuple(
            (each,) for each in slopes(dtype) if _are_legal(names, (each,), wide, function)
        )
    if "lambd" in names:
        dtype = slope_dtype(dtype)
    numbers: tuple[Any, ...]
    if is_float(dtype):
        tiny = from_patterns([1], dtype)[0]
        numbers = (0.5, 6, 1.0, 0.0, -0.0, -1.5, math.inf, -math.inf, math.nan, tiny)
    else:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        numbers = tuple(dict.fromkeys(each for each in (6, 0, 1, -1, high, low) if each >= low))
    shifts = (0, 1, -1, 3) if len(names) > 1 else (0,)
    pairs = (zip(numbers, numbers[k:] + numbers[:k], strict=True) for k in shifts)
    found = (each[: len(names)] for each in chain.from_iterable(pairs))
    return tuple(each for each in found if _are_legal(names, each, dtype))


def _are_legal(
    names: Sequence[str], setting: Sequence[Any], dtype: np.dtype[Any], function: str = ""
) -> bool:
    """Say so of numbers, and of what the dtype makes of them: some floats have no infinity."""
    given = [np.asarray(each) for each in setting]
    with np.errstate(all="ignore"):
        for values in (given, [each.astype(dtype) for each in given]):
            wide = [each.astype(np.longdouble) for each in values]
            if not np.array_equal(wide, legal(names, wide, function), equal_nan=True):
                return False
    return True


def legal(names: Sequence[str], values: Sequence[Array], function: str = "") -> list[Array]:
    """Change operands where a function of these names would not take them together.

    A `max_val` alone and celu's `alpha` become positive; `min_val` and `max_val` change places.
    """
    operand = dict(zip(names, values, strict=True))
    with np.errstate(all="ignore"):
        for name in not_negative(operand):
            bound = operand[name]
            opposite = -bound if is_float(bound.dtype) else ~bound
            operand[name] = np.where(bound < bound.dtype.type(0), opposite, bound)
        for name in positive(operand, function):
            bound = np.asarray(operand[name])
            zero, one = bound.dtype.type(0), bound.dtype.type(1)
            operand[name] = np.where(bound < zero, -bound, np.where(bound == zero, one, bound))
        if "min_val" in operand:
            low, high = operand["min_val"], operand["max_val"]
            wrong = low > high
            operand["min_val"] = np.where(wrong, high, low)
            operand["max_val"] = np.where(wrong, low, high)
    return list(operand.values())


def not_negative(names: Iterable[str]) -> set[str]:
    """Return those of a function's parameters that may not be below 0."""
    return set() if "min_val" in names else {"max_val", "lambd"}.intersection(names)


def positive(names: Iterable[str], function: str) -> set[str]:
    """Return those of a function's parameters that must be above 0."""
    return {"alpha"}.intersection(names) if function.startswith("celu") else set()


def slope_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the widest dtype of slope that does not change the dtype of leaky's result."""
    dtype = np.dtype(dtype)
    return product_dtype(dtype) if is_float(dtype) else np.dtype(np.float64)


def values_at_once(dtype: DTypeLike) -> int:
    """How many values the unrolled body of the widest instruction set handles at once."""
    return MOST_VECTORS_AT_ONCE * WIDEST_VECTOR // np.dtype(dtype).itemsize


def lengths(dtype: DTypeLike) -> range:
    """Every length from nothing to one unrolled body and 3 more."""
    return range(values_at_once(dtype) + 4)


def large_length(dtype: DTypeLike) -> int:
    """Return a length beyond the caches that ends in a tail."""
    return min(LARGE // np.dtype(dtype).itemsize, MOST_VALUES) + 3


@dataclass(frozen=True)
class Layout:
    """A way to lay flat values out in memory, guards around them."""

    name: str
    bytes_off: int = 0  # from the start of a cache line to the first value
    values_off: int = 0  # the same, in values
    step: int = 1
    rows: int = 0  # 0 means one dimension, -1 none: only the first value is used
    order: str = "C"
    spare: int = 0  # values between two lines in memory

    def place(self, values: Array) -> Array:
        """Make an array in this layout that holds the values, or as many as fill its rows."""
        array = self.empty(values.size, values.dtype)
        array[...] = values[: array.size].reshape(array.shape)
        return array

    def empty(self, n: int, dtype: np.dtype[Any]) -> Array:
        """Make an array in this layout for up to `n` values, filled with canaries."""
        if self.rows < 0:
            return self._memory(1, dtype).reshape(())
        if self.rows == 0:
            return self._memory(n * abs(self.step), dtype)[:: self.step]
        columns = n // self.rows
        lines, length = (columns, self.rows) if self.order == "F" else (self.rows, columns)
        pitch = length + self.spare
        matrix = self._memory(lines * pitch, dtype).reshape(lines, pitch)[:, :length]
        return matrix.T if self.order == "F" else matrix

    def _memory(self, n: int, dtype: np.dtype[Any]) -> Array:
        size, shift = n * dtype.itemsize, self.bytes_off + self.values_off * dtype.itemsize
        buffer = np.full(size + 3 * GUARD + shift, CANARY, np.uint8)
        start = GUARD + -buffer.ctypes.data % GUARD + shift
        return buffer[start : start + size].view(dtype)


_LAYOUTS = (
    Layout("dense"),
    Layout("offset", values_off=1),
    Layout("misaligned", bytes_off=1),
    Layout("stride 2", step=2),
    Layout("stride 3", step=3),
    Layout("reversed", step=-1),
    Layout("rows", rows=5),
    Layout("Fortran", rows=5, order="F"),
    Layout("sliced rows", rows=5, spare=2),
    Layout("sliced Fortran", rows=5, order="F", spare=2),
    Layout("0-d", rows=-1),
)
LAYOUTS = {layout.name: layout for layout in _LAYOUTS}


def alignments(dtype: DTypeLike) -> Iterator[Layout]:
    """Yield dense layouts that start at every value of a cache line."""
    for offset in range(WIDEST_VECTOR // np.dtype(dtype).itemsize):
        yield Layout(f"dense from value {offset} of a cache line", values_off=offset)


def guards_intact(array: Array) -> bool:
    """Say whether the memory around a `Layout`'s array is untouched. Overwrites the array."""
    memory = array
    while isinstance(memory.base, np.ndarray):
        memory = memory.base
    array[...] = np.frombuffer(bytes([CANARY]) * array.itemsize, array.dtype)
    return bool((memory == CANARY).all())


def _special_floats(dtype: np.dtype[Any]) -> list[int]:
    sign, smallest_normal, infinity, one, quiet = format_of(dtype)
    largest = infinity - 1
    numbers = [0, 1, 2, 3, smallest_normal - 1, smallest_normal, smallest_normal + 1]
    numbers += [one - 1, one, one + 1, one + smallest_normal, largest - 1, largest, infinity]
    # Their products with usual slopes are denormal, are rounded from denormal or overflow.
    numbers += [smallest_normal * power + odd for power in (3, 7, 8) for odd in (0, 1)]
    numbers += [(one + infinity) // 2, one // 2, one - quiet, one + quiet]
    nans = [infinity + 1, infinity + quiet - 1, infinity + quiet, infinity + quiet + 1]
    nans += [infinity + quiet // 2 + 1, sign - 1]
    return [s | each for s in (0, sign) for each in (*numbers, *nans)]


def _special_ints(dtype: np.dtype[Any]) -> list[int]:
    width = 8 * dtype.itemsize
    powers = [1 << bit for bit in (0, 1, width // 2, width - 2, width - 1)]
    near = {power + off for power in powers for off in (-1, 0, 1)}
    return sorted(near | {(1 << width) - 1 - each for each in near})


def _is_extended(dtype: np.dtype[Any]) -> bool:
    """Say whether it is x87's 80-bit format: explicit integer bit, bytes of padding."""
    return dtype == np.longdouble and np.finfo(np.longdouble).nmant == _EXTENDED_FRACTION
