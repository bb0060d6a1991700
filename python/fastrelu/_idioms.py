"""What people write in NumPy for each function: the code that benchmarks run, and show.

In the texts `x` is the input, `g` the gradient, `s` the slope as a number or array of their dtype,
`out` the array to write to; `zero`, `one`, `three` and `six` are 0-d arrays of the dtype, `zeros`
is as large as x.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrelu import _core, reference
from fastrelu.testing.cases import bits, format_of, is_float

Array = NDArray[Any]

FRESH, OUT, IN_PLACE = MODES = ("fresh", "out=", "in place")
_IDIOMS = {
    "relu": {
        FRESH: ["np.maximum(x, 0)", "np.maximum(x, zero)", "np.maximum(x, zeros)"],
        OUT: [
            "np.maximum(x, 0, out=out)",
            "np.maximum(x, zero, out=out)",
            "np.maximum(x, zeros, out=out)",
        ],
        IN_PLACE: ["np.maximum(x, zero, out=x)", "np.maximum(x, zeros, out=x)", "x[x < 0] = 0"],
    },
    "relu_derivative": {
        FRESH: ["(x > 0).astype(x.dtype)"],
        OUT: ["np.copyto(out, x > 0)"],
        IN_PLACE: ["np.copyto(x, x > 0)"],
    },
    "relu_backward": {
        FRESH: ["g * (x > 0)", "np.where(x > 0, g, zero)"],
        OUT: ["np.multiply(g, x > 0, out=out)"],
        IN_PLACE: ["np.multiply(g, x > 0, out=g)", "g[x <= 0] = 0"],
    },
    "leaky_relu": {
        FRESH: ["np.maximum(x, s * x)", "np.where(x > 0, x, s * x)"],
        OUT: ["np.maximum(x, np.multiply(x, s, out=out), out=out)"],
        IN_PLACE: ["np.maximum(x, s * x, out=x)", "np.multiply(x, s, out=x, where=x <= 0)"],
    },
    "leaky_relu_derivative": {
        FRESH: ["np.where(x > 0, one, s)"],
        OUT: ["np.copyto(out, np.where(x > 0, one, s))"],
        IN_PLACE: ["np.copyto(x, np.where(x > 0, one, s))"],
    },
    "leaky_relu_backward": {
        FRESH: ["np.where(x > 0, g, s * g)", "g * np.where(x > 0, one, s)"],
        OUT: [
            "np.copyto(np.multiply(g, s, out=out), g, where=x > 0)",
            "np.multiply(g, np.where(x > 0, one, s), out=out)",
        ],
        IN_PLACE: [
            "np.multiply(g, s, out=g, where=x <= 0)",
            "np.multiply(g, np.where(x > 0, one, s), out=g)",
        ],
    },
    "relu6": {
        FRESH: ["np.clip(x, 0, 6)", "np.minimum(np.maximum(x, zero), six)"],
        OUT: [
            "np.clip(x, 0, 6, out=out)",
            "np.minimum(np.maximum(x, zero, out=out), six, out=out)",
        ],
        IN_PLACE: ["np.clip(x, 0, 6, out=x)", "np.minimum(np.maximum(x, zero, out=x), six, out=x)"],
    },
    "relu6_backward": {
        FRESH: ["g * ((x > 0) & (x < 6))", "np.where((x > 0) & (x < 6), g, zero)"],
        OUT: ["np.multiply(g, (x > 0) & (x < 6), out=out)"],
        IN_PLACE: ["np.multiply(g, (x > 0) & (x < 6), out=g)", "g[(x <= 0) | (x >= 6)] = 0"],
    },
    "squared_relu": {
        FRESH: ["np.square(np.maximum(x, 0))", "np.square(np.maximum(x, zero))"],
        OUT: ["np.square(np.maximum(x, zero, out=out), out=out)"],
        IN_PLACE: ["np.square(np.maximum(x, zero, out=x), out=x)"],
    },
    "hardsigmoid": {
        FRESH: ["np.clip(x + 3, 0, 6) / 6", "np.minimum(np.maximum(x + three, zero), six) / six"],
        OUT: ["np.divide(np.minimum(np.maximum(x + three, zero), six), six, out=out)"],
        IN_PLACE: ["np.divide(np.minimum(np.maximum(x + three, zero), six), six, out=x)"],
    },
    "hardswish": {
        FRESH: [
            "x * np.clip(x + 3, 0, 6) / 6",
            "x * np.minimum(np.maximum(x + three, zero), six) / six",
        ],
        OUT: ["np.divide(x * np.minimum(np.maximum(x + three, zero), six), six, out=out)"],
        IN_PLACE: ["np.divide(x * np.minimum(np.maximum(x + three, zero), six), six, out=x)"],
    },
}

FUNCTIONS: dict[str, np.ufunc] = {name: getattr(_core, name) for name in _IDIOMS}

_NARROWER_THAN = np.dtype(np.float32).itemsize
_WEAK_NUMBER = re.compile(r"[,+/] \d")
"""A Python number, which takes the floats of another package to another dtype."""
_UNITS = {"hardsigmoid": 2, "hardswish": 3}
"""By how many units of the last place NumPy is off, for it rounds each step."""


class WrongResultError(Exception):
    """Somebody computed other values than fastrelu."""


def takes_slope(function: str) -> bool:
    """Say whether the function of that name has a slope."""
    return "negative_slope" in inspect.signature(getattr(reference, function)).parameters


def takes_gradient(function: str) -> bool:
    """Say whether the function of that name takes a gradient before x."""
    return "grad_output" in inspect.signature(getattr(reference, function)).parameters


def keeps_integers(function: str) -> bool:
    """Say whether the function of that name gives integers for integers."""
    return reference.arithmetic(function) != "multiplies"


@dataclass
class Operands:
    """What a contender is called with; `g` and `slope` are None for functions without."""

    x: Array
    g: Array | None
    slope: float | Array | None
    out: Array

    def target(self, mode: str) -> Array:
        """Return the array that this mode writes to, when it is not a fresh one."""
        overwritten = self.x if self.g is None else self.g
        return self.out if mode == OUT else overwritten

    def names(self) -> dict[str, Any]:
        """Say what the names in the idioms mean."""
        dtype = self.x.dtype
        return {
            "np": np,
            "x": self.x,
            "g": self.g,
            "out": self.out,
            "s": None if self.slope is None else np.asarray(self.slope, dtype)[()],
            "zero": np.zeros((), dtype),
            "one": np.ones((), dtype),
            "three": np.full((), 3, dtype),
            "six": np.full((), 6, dtype),
            "zeros": np.zeros_like(self.x),
        }


def idioms(function: str, mode: str, dtype: np.dtype[Any]) -> Iterator[str]:
    """Yield NumPy's ways to compute a function, the most natural one first."""
    weak_numbers_do = dtype.isbuiltin == 1
    for code in _IDIOMS.get(function, {}).get(mode, []):
        if weak_numbers_do or _WEAK_NUMBER.search(code) is None:
            yield code


def own(function: str, mode: str) -> str:
    """Return the call of fastrelu's function; `slope` in it is the number as the user has it."""
    arguments = ["g"] * takes_gradient(function) + ["x"] + ["slope"] * takes_slope(function)
    target = {OUT: "out", IN_PLACE: arguments[0]}.get(mode)
    return f"fr.{function}({', '.join(arguments + ([f'out={target}'] if target else []))})"


def tolerance_of(function: str, dtype: np.dtype[Any]) -> float:
    """Return the relative tolerance for those who round what fastrelu does not.

    That is the slope, to a narrow dtype, and the steps of formulas of several; fastrelu rounds the
    result alone.
    """
    if not is_float(dtype):
        return 0.0
    is_narrow = dtype.itemsize < _NARROWER_THAN
    units = _UNITS.get(function, 2 if is_narrow and takes_slope(function) else 0)
    return float(units * 2.0 ** -format_of(dtype).fraction)


def require_close(what: str, actual: Array, expected: Array, tolerance: float = 0.0) -> None:
    """Raise `WrongResultError` unless dtype and shape are the same, and the values close."""
    if (actual.dtype, actual.shape) != (expected.dtype, expected.shape):
        raise WrongResultError(
            f"{what} gives {actual.dtype}{actual.shape}, fastrelu {expected.dtype}{expected.shape}"
        )
    # Bits first: to compare narrow floats takes NumPy a hundred times as long.
    suspects = bits(actual) != bits(expected)
    suspects = suspects.reshape(expected.size, -1).any(axis=1)
    left, right = (each.ravel()[suspects].astype(np.float64) for each in (actual, expected))
    wrong = np.abs(left - right) > tolerance * np.abs(right)
    if wrong.any():
        at = int(wrong.argmax())
        raise WrongResultError(f"{what} gives {left[at]}, fastrelu {right[at]}")
