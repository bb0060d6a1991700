"""The smooth functions by mpmath, and rounding by integers: nothing is shared with the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from mpmath import mp, mpf

DIGITS = 120
SCALE, ALPHA = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log1p(mp.exp(x))


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def cubic(x):
    return 2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)


def cubic_slope(x):
    return 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mpf("0.044715") * x**2)


def silu_derivative(x):
    return sigmoid(x) * (1 + x * sigmoid(-x))


def gelu_derivative(x):
    return normal(x) + x * mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def gelu_tanh_derivative(x):
    z = cubic(x)
    return sigmoid(z) * (1 + x * cubic_slope(x) * sigmoid(-z))


def mish_derivative(x):
    return mp.tanh(softplus(x)) + x * mp.sech(softplus(x)) ** 2 * sigmoid(x)


FUNCTIONS: dict[str, Callable[[mpf], mpf]] = {
    "sigmoid": sigmoid,
    "sigmoid_derivative": lambda x: sigmoid(x) * sigmoid(-x),
    "tanh": mp.tanh,
    "tanh_derivative": lambda x: mp.sech(x) ** 2,
    "silu": lambda x: x * sigmoid(x),
    "silu_derivative": silu_derivative,
    "gelu": lambda x: x * normal(x),
    "gelu_derivative": gelu_derivative,
    "gelu_tanh": lambda x: x * sigmoid(cubic(x)),
    "gelu_tanh_derivative": gelu_tanh_derivative,
    "mish": lambda x: x * mp.tanh(softplus(x)),
    "mish_derivative": mish_derivative,
    "softplus": softplus,
    "softplus_derivative": sigmoid,
    "log_sigmoid": lambda x: -softplus(-x),
    "log_sigmoid_derivative": lambda x: sigmoid(-x),
    "selu": lambda x: mpf(SCALE) * (x if x > 0 else mpf(ALPHA) * mp.expm1(x)),
    "selu_derivative": lambda x: mpf(SCALE) * (1 if x > 0 else mpf(ALPHA) * mp.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "softsign_derivative": lambda x: 1 / (1 + abs(x)) ** 2,
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "elu_derivative": lambda x: mpf(1) if x > 0 else mp.exp(x),
}

FORMATS = {  # bits, exponent of the smallest number, exponent of the first that is too large
    "float16": (11, -24, 16),
    "bfloat16": (8, -133, 128),
    "float32": (24, -149, 128),
    "float64": (53, -1074, 1024),
}


def value(name: str, x: float) -> mpf:
    """The real number, with `DIGITS` digits."""
    with mp.workdps(DIGITS):
        return FUNCTIONS[name](mpf(x))


def rounded(number: mpf, format: str) -> float:
    """The nearest number of the format, ties to even."""
    bits, smallest, limit = FORMATS[format]
    with mp.workdps(DIGITS):
        unit = mpf(2) ** max(mp.frexp(number)[1] - bits, smallest)
        whole = int(mp.nint(number / unit))
        nearest = whole * unit
        return float(mp.inf * mp.sign(nearest) if abs(nearest) >= mpf(2) ** limit else nearest)


def results(name: str, x: Iterable[float], format: str = "float32") -> np.ndarray:
    """The correctly rounded results as float64; a zero has the sign of what was rounded."""
    numbers = [value(name, float(each)) for each in x]
    rounded_ones = np.array([rounded(each, format) for each in numbers])
    return np.copysign(rounded_ones, [-1 if each < 0 else 1 for each in numbers])


def distance(name: str, x: float, result: float) -> float:
    """How far a result is from the real number, in units of its last place as a float64."""
    real = value(name, x)
    with mp.workdps(DIGITS):
        unit = mpf(2) ** max(mp.frexp(real)[1] - 53, -1074)
        return float(abs(mpf(result) - real) / unit)
