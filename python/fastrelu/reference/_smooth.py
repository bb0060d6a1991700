"""The smooth functions: the real number that the formula gives, rounded once to the dtype.

`x` is a float64, or a longdouble: that is computed with NumPy's functions, to a few units in the
last place. `t` is `|x|` and `E` is `e^-t` throughout, so that nothing overflows or cancels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastrelu.reference._dtypes import (
    cast,
    is_narrow_float,
    one,
    positive,
    product,
    product_promoted,
    smooth,
    wide,
)
from fastrelu.reference._functions import rounded
from fastrelu.reference._reals import (
    LARGEST,
    Array,
    Pair,
    Real,
    choose,
    constant,
    exp,
    expm1,
    factor,
    log1p,
    magnitude,
    mills,
    real,
)

Formula: TypeAlias = Callable[[Array], Real]

_BLOCK = 1 << 13  # numbers at once, so that what they take stays in a cache
_SCALE = Fraction("1.0507009873554804934193349852946")
_ALPHA = Fraction("1.6732632423543772848170429916717")
_CUBIC = Fraction("0.044715")
_SQRT_8_OVER_PI = Fraction("1.5957691216057307117597842397375274739034345246597386306637033")
_DENSITY_AT_0 = "0.39894228040143267793994605993438186847585863116493465766592583"


def _public(formula: Formula) -> Callable[[ArrayLike], Any]:
    """Make the function of arrays from that of real numbers."""

    @smooth
    @functools.wraps(formula)
    def function(x: ArrayLike, /) -> Any:
        return _evaluated(formula, cast(x, product_promoted(x)))[()]

    return function


def _evaluated(formula: Formula, x: Array) -> Array:
    """Round the formula's values to the dtype of `x`; NaN stays as it is."""
    if is_narrow_float(x.dtype):
        patterns, places = np.unique(x.view(f"u{x.dtype.itemsize}"), return_inverse=True)
        return _values(formula, patterns.view(x.dtype))[places].reshape(x.shape)
    return _values(formula, np.ravel(x)).reshape(x.shape)


def _values(formula: Formula, x: Array) -> Array:
    blocks = (x[begin : begin + _BLOCK] for begin in range(0, x.size, _BLOCK))
    return np.concatenate([x[:0], *(_block(formula, each) for each in blocks)])


def _block(formula: Formula, x: Array) -> Array:
    numbers: Array = x.astype(np.longdouble if x.dtype == np.longdouble else np.float64)
    largest: Any = np.finfo(numbers.dtype).max
    value = formula(np.clip(np.where(np.isnan(x), 1, numbers), -largest, largest))
    if isinstance(value, Pair):
        value = value.to_double() if x.dtype == np.float64 else value.to_odd()
    value = np.where((x == 0) & (value == 0), numbers, value)  # the sign of 0
    value = np.where(np.isinf(numbers) & (np.abs(value) > LARGEST), value * np.inf, value)
    return np.where(np.isnan(x), x, rounded(value, x.dtype))


@_public
def sigmoid(x: Array, /) -> Real:
    """`1 / (1 + e^-x)`."""
    return _logistic(x < 0, magnitude(x))


@_public
def sigmoid_derivative(x: Array, /) -> Real:
    """`sigmoid(x) sigmoid(-x) = E / (1 + E)^2`."""
    e = exp(-magnitude(x))
    return e / ((1 + e) * (1 + e))


@_public
def tanh(x: Array, /) -> Real:
    """`tanh(x) = sign(x) -m / (m + 2)`, where `m = e^-2t - 1`."""
    m = expm1(np.abs(x) * -2)
    return m / (m + 2) * np.copysign(1, -x)


@_public
def tanh_derivative(x: Array, /) -> Real:
    """`1 - tanh(x)^2 = 4 E^2 / (1 + E^2)^2`."""
    e = exp(magnitude(x) * -2)
    return 4 * e / ((1 + e) * (1 + e))


@_public
def silu(x: Array, /) -> Real:
    """`x sigmoid(x)`."""
    return factor(x) * _logistic(x < 0, magnitude(x))


@_public
def silu_derivative(x: Array, /) -> Real:
    """`sigmoid(x) (1 + x sigmoid(-x))`."""
    return _logistic_derivative(x < 0, magnitude(x), magnitude(x))


@_public
def gelu(x: Array, /) -> Real:
    """`x Phi(x)`, where `Phi` is the normal distribution."""
    return factor(x) * _normal(x, 0)


@_public
def gelu_derivative(x: Array, /) -> Real:
    """`Phi(x) + x phi(x)`, where `phi(x) = e^(-x^2 / 2) / sqrt(2 pi)`."""
    return _normal(x, 1)


@_public
def gelu_tanh(x: Array, /) -> Real:
    """`x (1 + tanh(u)) / 2 = x sigmoid(2 u)`, where `u = sqrt(2 / pi) (x + 0.044715 x^3)`."""
    return factor(x) * _logistic(x < 0, _cubic(x, 1))


@_public
def gelu_tanh_derivative(x: Array, /) -> Real:
    """`sigmoid(2 u) (1 + 2 x u' sigmoid(-2 u))`."""
    return _logistic_derivative(x < 0, _cubic(x, 1), _cubic(x, 3))


@_public
def mish(x: Array, /) -> Real:
    """`x tanh(log(1 + e^x)) = x n / (n + 2)`, where `n = e^2x + 2 e^x`."""
    e = exp(-magnitude(x))
    n = e * (e + 2)
    return factor(x) * choose(x < 0, n / (n + 2), (1 + 2 * e) / (1 + 2 * e + 2 * e * e))


@_public
def mish_derivative(x: Array, /) -> Real:
    """`n / (n + 2) + 4 x (e^2x + e^x) / (n + 2)^2`."""
    t = magnitude(x)
    e = exp(-t)
    d = e * (e + 2) + 2
    below = e * ((e + 2) * d - 4 * t * (e + 1)) / (d * d)
    a = 1 + 2 * e
    b = a + 2 * e * e
    above = (a * b + 4 * t * (1 + e) * e * e) / (b * b)
    return choose(x < 0, below, above)


@_public
def softplus(x: Array, /) -> Real:
    """`log(1 + e^x) = max(x, 0) + log(1 + E)`."""
    rest = log1p(exp(-magnitude(x)))
    return choose(x > 0, real(x) + rest, rest)


@_public
def softplus_derivative(x: Array, /) -> Real:
    """`sigmoid(x)`."""
    return _logistic(x < 0, magnitude(x))


@_public
def log_sigmoid(x: Array, /) -> Real:
    """`-softplus(-x)`."""
    rest = log1p(exp(-magnitude(x)))
    return -choose(x < 0, rest - real(x), rest)


@_public
def log_sigmoid_derivative(x: Array, /) -> Real:
    """`sigmoid(-x)`."""
    return _logistic(x > 0, magnitude(x))


@_public
def selu(x: Array, /) -> Real:
    """`scale x if x > 0 else scale alpha (e^x - 1)`."""
    below = constant(_SCALE * _ALPHA, x) * expm1(np.minimum(x, 0))
    return choose(x > 0, constant(_SCALE, x) * factor(x), below)


@_public
def selu_derivative(x: Array, /) -> Real:
    """`scale if x > 0 else scale alpha e^x`."""
    below = constant(_SCALE * _ALPHA, x) * exp(real(np.minimum(x, 0)))
    return choose(x > 0, constant(_SCALE, x), below)


@_public
def softsign(x: Array, /) -> Real:
    """`x / (1 + |x|)`."""
    return factor(x) / (1 + factor(np.abs(x)))


@_public
def softsign_derivative(x: Array, /) -> Real:
    """`1 / (1 + |x|)^2`."""
    d = 1 + factor(np.abs(x))
    return 1 / d / d


def _logistic(negative: Array, z: Real) -> Real:
    """`sigmoid(-z if negative else z)`."""
    e = exp(-z)
    return choose(negative, e, 1) / (1 + e)


def _logistic_derivative(negative: Array, z: Real, w: Real) -> Real:
    """`s + w s (1 - s)`, where `s = sigmoid(z)`, and 1 minus that if negative."""
    e = exp(-z)
    below = e * ((1 + e) - w) / ((1 + e) * (1 + e))
    return choose(negative, below, 1 - below)


def _cubic(x: Array, power: int) -> Real:
    """`z = sqrt(8 / pi) (t + 0.044715 t^3)`, and `t z'` if the power is 3."""
    t = magnitude(x)
    linear, cubic = constant(_SQRT_8_OVER_PI, x), constant(_SQRT_8_OVER_PI * _CUBIC * power, x)
    return t * (linear + cubic * (t * t))


def _normal(x: Array, slope: int) -> Real:
    """`Phi(x) + slope x phi(x)`."""
    near, t, ratio = mills(x)
    if slope:
        ratio = choose(near, ratio + t, ratio - t)
    part = constant(_DENSITY_AT_0, x) * exp(t * t * -0.5) * ratio
    return choose(near, 0.5 + choose(x < 0, -part, part), choose(x < 0, part, 1 - part))


def _backward(derivative: Callable[[ArrayLike], Any]) -> Callable[[ArrayLike, ArrayLike], Any]:
    """Make the function that multiplies with the rounded derivative."""

    def backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
        dtype = product_promoted(grad_output, x)
        return product(cast(grad_output, dtype), derivative(cast(x, dtype)))[()]

    backward.__name__ = derivative.__name__.replace("derivative", "backward")
    backward.__doc__ = f"`grad_output * {derivative.__name__}(x)`, both rounded to the dtype."
    return smooth(backward)


sigmoid_backward = _backward(sigmoid_derivative)
tanh_backward = _backward(tanh_derivative)
silu_backward = _backward(silu_derivative)
gelu_backward = _backward(gelu_derivative)
gelu_tanh_backward = _backward(gelu_tanh_derivative)
mish_backward = _backward(mish_derivative)
softplus_backward = _backward(softplus_derivative)
log_sigmoid_backward = _backward(log_sigmoid_derivative)
selu_backward = _backward(selu_derivative)
softsign_backward = _backward(softsign_derivative)


@smooth
def elu(x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`x if x > 0 else alpha * (e^x - 1)`, both rounded to the dtype."""
    x = cast(x, product_promoted(x, parameter=alpha))
    return _where_positive(x, x, _evaluated(expm1, _not_positive(x)), alpha)


@smooth
def elu_derivative(x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`1 if x > 0 else alpha * e^x`, both rounded to the dtype."""
    x = cast(x, product_promoted(x, parameter=alpha))
    return _where_positive(x, one(x), _exponential(x), alpha)


@smooth
def elu_backward(grad_output: ArrayLike, x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`grad_output * elu_derivative(x, alpha)`, both rounded to the dtype."""
    dtype = product_promoted(grad_output, x, parameter=alpha)
    return product(cast(grad_output, dtype), elu_derivative(cast(x, dtype), alpha))[()]


@smooth
def celu(x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`x if x > 0 else alpha * (e^(x / alpha) - 1)`, each step rounded to the dtype."""
    x = cast(x, product_promoted(x, parameter=alpha))
    return _where_positive(x, x, _evaluated(expm1, _divided(x, alpha, "celu")), alpha)


@smooth
def celu_derivative(x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`1 if x > 0 else e^(x / alpha)`, both rounded to the dtype."""
    x = cast(x, product_promoted(x, parameter=alpha))
    return _where_positive(x, one(x), _exponential(_divided(x, alpha, "celu_derivative")), 1)


@smooth
def celu_backward(grad_output: ArrayLike, x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`grad_output * celu_derivative(x, alpha)`, both rounded to the dtype."""
    dtype = product_promoted(grad_output, x, parameter=alpha)
    x = cast(x, dtype)
    slope = _where_positive(x, one(x), _exponential(_divided(x, alpha, "celu_backward")), 1)
    return product(cast(grad_output, dtype), slope)[()]


def _where_positive(x: Array, kept: Any, values: Array, alpha: ArrayLike) -> Any:
    """`kept if x > 0 else values * alpha`; what is kept takes no part in the product."""
    alpha = np.where(positive(x), 1, cast(alpha, wide(x).dtype))
    return np.where(positive(x), kept, product(values, alpha))[()]


def _not_positive(x: Array) -> Array:
    return np.where(positive(x), cast(0, x.dtype), x)


def _exponential(x: Array) -> Array:
    return _evaluated(lambda numbers: exp(real(numbers)), _not_positive(x))


def _divided(x: Array, alpha: ArrayLike, function: str) -> Array:
    """`x / alpha` where `x < 0`, divided as products are multiplied."""
    given = np.asarray(alpha)
    for value in given[given <= 0].flat:
        raise ValueError(f"{function}: alpha ({float(value)}) is not above 0")
    is_negative = positive(-x)
    divisors = np.where(is_negative, cast(alpha, wide(x).dtype), 1)  # may be 0 by rounding
    quotients = cast(wide(x) / divisors, x.dtype)
    return np.where(is_negative, quotients, x)


@smooth
def sigmoid_backward_from_output(grad_output: ArrayLike, y: ArrayLike, /) -> Any:
    """`grad_output * (y * (1 - y))`, in float64 or wider up to the product with the gradient."""
    grad_output, y, numbers = _with_output(grad_output, y)
    return product(grad_output, rounded(numbers * (1 - numbers), y.dtype))[()]


@smooth
def tanh_backward_from_output(grad_output: ArrayLike, y: ArrayLike, /) -> Any:
    """`grad_output * ((1 - y) * (1 + y))`, in float64 or wider up to that with the gradient."""
    grad_output, y, numbers = _with_output(grad_output, y)
    return product(grad_output, rounded((1 - numbers) * (1 + numbers), y.dtype))[()]


def _with_output(grad_output: ArrayLike, y: ArrayLike) -> tuple[Array, Array, Array]:
    """Both in the dtype of the result, and `y` as it is computed with."""
    dtype = product_promoted(grad_output, y)
    y = cast(y, dtype)
    wider = np.longdouble if dtype == np.longdouble else np.float64
    return cast(grad_output, dtype), y, y.astype(wider)
