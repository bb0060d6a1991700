"""What is raced against what: the NumPy idioms, and the limit, on the same data.

A contest is a group of calls that do the same work (or less: the limits do). Each call gets ready
once and is then timed; `check` holds its result against fastrelu's before any clock starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import fastrelu as fr
import numpy as np
from numpy.typing import NDArray

Call = Callable[[], Any]

_ROUNDING = 0.02
"""Two roundings of bfloat16, the coarsest dtype in a contest that is not exact."""


@dataclass(frozen=True)
class Contest:
    """Calls by name; `limits` names those that move the same bytes but compute nothing.

    Contenders that are not `exact` may differ by a rounding of the dtype.
    """

    name: str
    calls: dict[str, Call]
    limits: frozenset[str]
    exact: bool = True

    def check(self) -> None:
        """Raise AssertionError unless every contender that computes gives the same values."""
        results = [np.array(call()) for name, call in self.calls.items() if name not in self.limits]
        first = results[0].astype(np.float64)
        for result in results[1:]:
            tolerance = 0 if self.exact else _ROUNDING
            np.testing.assert_allclose(result.astype(np.float64), first, rtol=tolerance, atol=0)


def _normal(n: int, dtype: Any = np.float32) -> NDArray[Any]:
    return (50 * np.random.default_rng(0).standard_normal(n)).astype(dtype)


def _optional(name: str) -> list[Any]:
    """Give the dtype of ml_dtypes of that name, if the package is installed."""
    return [getattr(import_module("ml_dtypes"), name)] if find_spec("ml_dtypes") else []


def _called(dtype: Any) -> str:
    return np.dtype(dtype).name


def small_call() -> Contest:
    """One call on 64 elements: all overhead."""
    x = _normal(64)
    return Contest(
        "relu, 64 float32, new result",
        {
            "fastrelu.relu(x)": partial(fr.relu, x),
            "np.maximum(x, 0)": partial(np.maximum, x, 0),
            "np.empty_like(x)": partial(np.empty_like, x),
        },
        frozenset({"np.empty_like(x)"}),
    )


def relu_into(n: int, dtype: Any) -> Contest:
    """Relu into a given array, against the idiom and a copy of the same bytes."""
    x = _normal(n, dtype)
    y = np.empty_like(x)
    zero = x.dtype.type(0)  # a Python 0 takes float8 and bfloat16 to another dtype
    return Contest(
        f"relu, {n} {_called(dtype)}, out=",
        {
            "fastrelu.relu(x, out=y)": partial(fr.relu, x, out=y),
            "np.maximum(x, 0, out=y)": partial(np.maximum, x, zero, out=y),
            "np.copyto(y, x)": partial(np.copyto, y, x),
        },
        frozenset({"np.copyto(y, x)"}),
    )


def leaky(dtype: Any) -> Contest:
    """Leaky ReLU against the idiom whose branches mispredict."""
    x = _normal(262_144, dtype)
    return Contest(
        f"leaky_relu, 262144 {_called(dtype)}, new result",
        {
            "fastrelu.leaky_relu(x, 0.01)": partial(fr.leaky_relu, x, 0.01),
            "np.where(x > 0, x, 0.01 * x)": lambda: np.where(x > 0, x, 0.01 * x),
            "x.copy()": x.copy,
        },
        frozenset({"x.copy()"}),
        # NumPy rounds the slope to a narrow dtype first, fastrelu the product alone.
        exact=x.itemsize >= np.dtype(np.float32).itemsize,
    )


def backward(dtype: Any) -> Contest:
    """Race the gradient against the product with a mask."""
    x = _normal(262_144, dtype)
    g = x[::-1].copy()
    return Contest(
        f"relu_backward, 262144 {_called(dtype)}, new result",
        {
            "fastrelu.relu_backward(g, x)": partial(fr.relu_backward, g, x),
            "g * (x > 0)": lambda: g * (x > 0),
            "g.copy()": g.copy,
        },
        frozenset({"g.copy()"}),
    )


_BFLOAT16 = _optional("bfloat16")

CONTESTS = [
    small_call(),
    relu_into(16_384, np.float32),
    *(
        relu_into(262_144, dtype)
        for dtype in (np.float32, np.float16, *_BFLOAT16, *_optional("float8_e4m3fn"), np.int8)
    ),
    *(leaky(dtype) for dtype in (np.float32, np.float16, *_BFLOAT16)),
    *(backward(dtype) for dtype in (np.float32, np.float16, *_BFLOAT16)),
]
