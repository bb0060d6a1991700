"""The encodings of one-byte floats, derived from the casts of the dtype: called from C++."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

_INFINITY = 0x7F800000


class Rounding(NamedTuple):
    """How floats of one sign round: piece i begins at the bits ``first[i]`` and has ``code[i]``."""

    first: NDArray[np.uint32]
    code: NDArray[np.uint8]
    nan: int


class Encoding(NamedTuple):
    """The value and the rank of each code, and how positive and negative floats round to codes."""

    values: NDArray[np.float32]
    ranks: NDArray[np.uint8]
    roundings: tuple[Rounding, Rounding]


def describe(dtype: DTypeLike) -> Encoding:
    """Find out how a one-byte float dtype encodes its values and rounds float32 to them."""
    dtype = np.dtype(dtype)
    with np.errstate(all="ignore"):
        values = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)
        roundings = _rounding(dtype, values, 0), _rounding(dtype, values, 1 << 31)
    ranks = np.unique(values, return_inverse=True)[1].astype(np.uint8)  # NaNs are one, and last
    return Encoding(values, ranks, roundings)


def _rounding(dtype: np.dtype[Any], values: NDArray[np.float32], sign: int) -> Rounding:
    """Bisect between neighbouring values, all at once, for the first float that rounds up."""
    magnitudes = np.unique(np.abs(values[np.isfinite(values)]).view(np.uint32)).astype(np.int64)
    low = np.unique(np.append(0, magnitudes))
    high = np.append(low[1:], _INFINITY)
    code = _round(dtype, low, sign)
    while (high - low > 1).any():
        middle = (low + high) // 2
        stays = _round(dtype, middle, sign) == code
        low, high = np.where(stays, middle, low), np.where(stays, high, middle)
    first = np.append(0, high).astype(np.uint32)
    codes = np.append(code, _round(dtype, np.array([_INFINITY]), sign))
    return Rounding(first, codes, int(_round(dtype, np.array([_INFINITY | 1 << 22]), sign)[0]))


def _round(dtype: np.dtype[Any], magnitudes: NDArray[Any], sign: int) -> NDArray[np.uint8]:
    floats = (magnitudes | sign).astype(np.uint32).view(np.float32)
    return floats.astype(dtype).view(np.uint8)
