"""Smooth functions of float64, against real numbers: errors in units in the last place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import fastrelu as fr
import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath")
mp, mpf = mpmath.mp, mpmath.mpf

Real = Any  # mpmath has no types
PRECISION = 200
INF = np.inf

# The formulas below stand without bounds, branches and series of their own, except where that many
# bits would not hold them.


def sigmoid(x: Real) -> Real:
    return 1 / (1 + mp.exp(-x))


def log1p_exp(x: Real) -> Real:
    return mp.log1p(mp.exp(x))


def gelu_tanh_argument(x: Real) -> Real:
    return 2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)


def gelu_tanh_slope(x: Real) -> Real:
    return 2 * mp.sqrt(2 / mp.pi) * (x + 3 * mpf("0.044715") * x**3)


def lower_tail(x: Real) -> Real:
    if abs(x) > 1000:  # mpmath's erfc fails for huge numbers
        return mpf(x > 0)
    return mp.erfc(-x / mp.sqrt(2)) / 2


def density(x: Real) -> Real:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def tanh_of_softplus(x: Real) -> Real:
    e = mp.exp(x)
    return e * (e + 2) / (e * (e + 2) + 2)


def swish_derivative(z: Real, slope: Real) -> Real:
    """Return the derivative of x sigmoid(z(x)), where `slope` is x z'(x)."""
    return sigmoid(z) * (1 + slope * sigmoid(-z))


SCALE = mpf(float("1.0507009873554804934193349852946"))
SCALE_ALPHA = mpf(float("1.7580993408473768599402175208123"))

FUNCTIONS: dict[str, Callable[[Real], Real]] = {
    "sigmoid": sigmoid,
    "tanh": mp.tanh,
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * lower_tail(x),
    "gelu_tanh": lambda x: x * sigmoid(gelu_tanh_argument(x)),
    "mish": lambda x: x * tanh_of_softplus(x),
    "softplus": log1p_exp,
    "log_sigmoid": lambda x: -log1p_exp(-x),
    "selu": lambda x: SCALE * x if x > 0 else SCALE_ALPHA * mp.expm1(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "sigmoid_derivative": lambda x: sigmoid(x) * sigmoid(-x),
    "tanh_derivative": lambda x: 4 * sigmoid(2 * x) * sigmoid(-2 * x),
    "silu_derivative": lambda x: swish_derivative(x, x),
    "gelu_derivative": lambda x: lower_tail(x) + x * density(x),
    "gelu_tanh_derivative": lambda x: swish_derivative(gelu_tanh_argument(x), gelu_tanh_slope(x)),
    "mish_derivative": lambda x: (
        tanh_of_softplus(x) + x * sigmoid(x) * (1 - tanh_of_softplus(x) ** 2)
    ),
    "softplus_derivative": sigmoid,
    "log_sigmoid_derivative": lambda x: sigmoid(-x),
    "selu_derivative": lambda x: SCALE if x > 0 else SCALE_ALPHA * mp.exp(x),
    "softsign_derivative": lambda x: 1 / (1 + abs(x)) ** 2,
    "elu_derivative": lambda x: mpf(1) if x > 0 else mp.exp(x),
}
TIGHT, LOOSE = 1.3, 2.0
LOOSELY_BOUND = {"gelu", "gelu_tanh", "mish", "softsign_derivative"} | {
    f"{name}_derivative" for name in ("silu", "gelu", "gelu_tanh", "mish")
}

ROOTS = {
    "silu_derivative": -1.2784645427610737951,
    "gelu_derivative": -0.7517915247935018553,
    "gelu_tanh_derivative": -0.7524614220710162626,
    "mish_derivative": -1.1924312145170748713,
}
# Where results become subnormal, and then 0.
TAILS = {
    "tanh_derivative": (354, 373),
    "gelu": (37, 38.7),
    "gelu_derivative": (37, 38.8),
    "gelu_tanh": (20.9, 21.7),
    "gelu_tanh_derivative": (20.9, 21.7),
    "softsign_derivative": (1e152, 2e162),
}


def points(name: str) -> np.ndarray:
    rng = np.random.default_rng(sum(name.encode()))

    def signed(x: np.ndarray) -> np.ndarray:
        return np.asarray(x * rng.choice([-1.0, 1.0], len(x)))

    low, high = TAILS.get(name, (700, 760))
    parts = [
        rng.normal(0, 3, 500),
        rng.uniform(-40, 40, 300),
        np.linspace(-6, 6, 193),
        signed(10 ** rng.uniform(-20, 2.9, 400)),
        signed(10 ** rng.uniform(-323, 308, 150)),
        signed(np.ldexp(1.0, rng.integers(-1074, -1022, 50))),
        signed(rng.uniform(low, high, 300)),
        signed(rng.uniform(18, 19, 200)),  # 1 - e^-2x comes to 1
        signed(rng.uniform(36, 38, 200)),  # 1 + e^-x
    ]
    if name in ROOTS:
        root = ROOTS[name]
        parts.append(root + signed(10 ** rng.uniform(-16, -0.5, 400)))
        parts.append(root + np.arange(-50, 51) * np.spacing(root))
    x = np.concatenate(parts)
    return x[x != -INF]


def computed(name: str, x: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(getattr(fr, name)(np.asarray(x, np.float64)))


@cache
def smallest_unit() -> Real:
    return mpf(2) ** -1074


def error_in_units(value: float, exact: Real) -> float:
    """Return the distance in units of the last place of a float64 next to `exact`."""
    unit = smallest_unit()
    if exact:
        unit = max(unit, mpf(2) ** (mp.frexp(exact)[1] - 53))
    return float(abs(mpf(value) - exact) / unit)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_within_the_bound(name: str) -> None:
    bound = LOOSE if name in LOOSELY_BOUND else TIGHT
    x = points(name)
    with mp.workprec(PRECISION):
        exact = [FUNCTIONS[name](mpf(float(value))) for value in x]
        finite = np.array([abs(value) <= np.finfo(float).max for value in exact])
        errors = [
            error_in_units(float(value), real)
            for value, real, counts in zip(computed(name, x), exact, finite, strict=True)
            if counts
        ]
    worst = int(np.argmax(errors))
    assert len(errors) > 1900
    assert errors[worst] < bound, (x[finite][worst].hex(), errors[worst])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_fade_into_the_limits(name: str) -> None:
    """Beyond the last input that makes a difference, results are those at infinity."""
    x = np.array([1.0, 4.0, 1e3, 1e100, 1e300]) * 770.0
    for side, limit in zip((-x, x), computed(name, [-INF, INF]), strict=True):
        y = computed(name, side[4:] if "softsign" in name else side[1:])
        if np.isfinite(limit):
            assert y.tobytes() == np.full(len(y), limit).tobytes()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_comes_back(name: str) -> None:
    words = [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001, 0xFFFFFFFFFFFFFFFF]
    x = np.array(words, np.uint64).view(np.float64)
    assert computed(name, x).tobytes() == x.tobytes()


@pytest.mark.parametrize("bits", ["", "64"])
def test_the_constants_are_those_that_the_script_prints(bits: str) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, str(root / f"tests/smooth/fit{bits}.py")]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert printed == (root / f"csrc/kernels/coefficients{bits}.h").read_text()
