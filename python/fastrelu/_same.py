"""Comparison of NumPy's results with fastrelu's as bytes, for the demo."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class DifferenceError(Exception):
    """The two sides do not hold the same bytes."""


def require_same(
    what: str, expected: NDArray[Any], actual: NDArray[Any], by: str = "fastrelu"
) -> None:
    """Raise `DifferenceError` unless both arrays have one dtype, one shape and the same bytes.

    Parameters
    ----------
    what : str
        What is compared, for the message.
    expected, actual : numpy.ndarray
        NumPy's result, and the other one.
    by : str
        Whose result `actual` is.
    """
    if (expected.dtype, expected.shape) != (actual.dtype, actual.shape):
        raise DifferenceError(
            f"{what}: NumPy gives {expected.dtype}{expected.shape}, "
            f"{by} {actual.dtype}{actual.shape}"
        )
    bits = f"u{expected.itemsize}"
    differing = expected.view(bits) != actual.view(bits)
    if differing.any():
        place = np.unravel_index(differing.argmax(), differing.shape)
        index = ", ".join(map(str, place))
        raise DifferenceError(
            f"{what}, element [{index}]: "
            f"NumPy gives {expected[place]!s} ({expected.view(bits)[place]:#x}), "
            f"{by} {actual[place]!s} ({actual.view(bits)[place]:#x})"
        )
