"""What is raced against what: the NumPy idioms, and the limit, on the same data.

A contest is a group of calls that do the same work (or less: the limits do). Each call gets ready
once and is then timed; `check` holds its result against fastrelu's before any clock starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import fastrelu as fr
import numpy as np
from numpy.typing import NDArray

Call = Callable[[], Any]


@dataclass(frozen=True)
class Contest:
    """Calls by name; `limits` names those that move the same bytes but compute nothing."""

    name: str
    calls: dict[str, Call]
    limits: frozenset[str]

    def check(self) -> None:
        """Raise AssertionError unless every contender that computes gives the same values."""
        results = [np.array(call()) for name, call in self.calls.items() if name not in self.limits]
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])


def _normal(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(n, dtype=np.float32)


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


def in_cache() -> Contest:
    """Sixteen thousand elements into a given array."""
    x = _normal(16_384)
    y = np.empty_like(x)
    return Contest(
        "relu, 16384 float32, out=",
        {
            "fastrelu.relu(x, out=y)": partial(fr.relu, x, out=y),
            "np.maximum(x, 0, out=y)": partial(np.maximum, x, 0, out=y),
            "np.copyto(y, x)": partial(np.copyto, y, x),
        },
        frozenset({"np.copyto(y, x)"}),
    )


def leaky() -> Contest:
    """Leaky ReLU against the idiom whose branches mispredict."""
    x = _normal(262_144)
    return Contest(
        "leaky_relu, 262144 float32, new result",
        {
            "fastrelu.leaky_relu(x, 0.01)": partial(fr.leaky_relu, x, 0.01),
            "np.where(x > 0, x, 0.01 * x)": lambda: np.where(x > 0, x, 0.01 * x),
            "x.copy()": x.copy,
        },
        frozenset({"x.copy()"}),
    )


CONTESTS = [small_call(), in_cache(), leaky()]
