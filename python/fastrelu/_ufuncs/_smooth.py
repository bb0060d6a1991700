"""Sigmoid, tanh and the rectifiers without a kink: correctly rounded, each with its gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastrelu._ufuncs._declaration import ufunc

_ROUNDED = """\
Of float32, float16, bfloat16 and floats of one byte {what} correctly rounded: the real
number, rounded once. So all processors give the same bits. Of float64 the error is below 2 units in
the last place, and the bits are the same everywhere, too. longdouble is computed by the C library.
NaN stays NaN, with its sign and payload. Nothing is reported, except underflow of a result that is
subnormal or 0.
"""
_PRODUCT = """\
The derivative is {derivative}, rounded to the dtype of the
arrays; the product with `grad_output` is rounded once. What that product raises is reported.
"""


def _smooth(declaration: Callable[..., Any]) -> Any:
    """Declare a function of x, perhaps with a slope `alpha`, or its derivative."""
    has_alpha = "alpha" in inspect.signature(declaration).parameters
    what = "the exponential is" if has_alpha else "the result is"
    return ufunc(_with_notes(declaration, _ROUNDED.format(what=what)))


def _gradient(declaration: Callable[..., Any]) -> Any:
    """Declare the gradient through a function, from its input or its output."""
    forward, _, from_output = declaration.__name__.partition("_backward")
    derivative = "computed in float64" if from_output else f"that of :func:`{forward}_derivative`"
    return ufunc(_with_notes(declaration, _PRODUCT.format(derivative=derivative)))


def _with_notes(declaration: Callable[..., Any], notes: str) -> Callable[..., Any]:
    """Add to the notes of a docstring, which stand before its examples."""
    if declaration.__doc__:  # not so under python -OO
        text, examples = inspect.cleandoc(declaration.__doc__).split("Examples\n--------\n")
        text += "" if "Notes\n-----\n" in text else "Notes\n-----\n"
        declaration.__doc__ = f"{text}{notes}\nExamples\n--------\n{examples}"
    return declaration


@_smooth
def sigmoid(x, /):
    """Logistic function, element by element: ``1 / (1 + e^-x)``.

    Notes
    -----
    The limits are 0 and 1. `scipy.special.expit` is one unit in the last place off for a third of
    all float32 inputs, and gives 0 below -88.7.

    Examples
    --------
    >>> fr.sigmoid(np.array([-2.0, 0.0, 2.0]))
    array([0.11920292, 0.5       , 0.88079708])
    """


@_smooth
def sigmoid_derivative(x, /):
    """Derivative of :func:`sigmoid`: ``s * (1 - s)`` with ``s = sigmoid(x)``.

    Examples
    --------
    >>> fr.sigmoid_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.10499359, 0.25      , 0.10499359])
    """


@_gradient
def sigmoid_backward(grad_output, x, /):
    """Gradient through :func:`sigmoid`: ``grad_output * sigmoid_derivative(x)``.

    Examples
    --------
    >>> fr.sigmoid_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.31498076, 0.75      , 0.31498076])
    """


@_gradient
def sigmoid_backward_from_output(grad_output, y, /):
    """Gradient through :func:`sigmoid`, from its output: ``grad_output * (y * (1 - y))``.

    Notes
    -----
    Near the limits of `y` it is less precise than :func:`sigmoid_backward`, which needs the input.

    Examples
    --------
    >>> fr.sigmoid_backward_from_output(np.array([3.0, 3.0, 3.0]), np.array([0.25, 0.5, 1.0]))
    array([0.5625, 0.75  , 0.    ])
    """


@_smooth
def tanh(x, /):
    """Hyperbolic tangent, element by element: ``(e^x - e^-x) / (e^x + e^-x)``.

    Notes
    -----
    The limits are -1 and 1; -0.0 stays -0.0. `numpy.tanh` is one unit in the last place off for an
    eighth of all float32 inputs, and its bits depend on the processor.

    Examples
    --------
    >>> fr.tanh(np.array([-2.0, 0.0, 2.0]))
    array([-0.96402758,  0.        ,  0.96402758])
    """


@_smooth
def tanh_derivative(x, /):
    """Derivative of :func:`tanh`: ``1 - tanh(x)^2``.

    Examples
    --------
    >>> fr.tanh_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.07065082, 1.        , 0.07065082])
    """


@_gradient
def tanh_backward(grad_output, x, /):
    """Gradient through :func:`tanh`: ``grad_output * tanh_derivative(x)``.

    Examples
    --------
    >>> fr.tanh_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.21195247, 3.        , 0.21195247])
    """


@_gradient
def tanh_backward_from_output(grad_output, y, /):
    """Gradient through :func:`tanh`, from its output: ``grad_output * ((1 - y) * (1 + y))``.

    Notes
    -----
    Near the limits of `y` it is less precise than :func:`tanh_backward`, which needs the input.

    Examples
    --------
    >>> fr.tanh_backward_from_output(np.array([3.0, 3.0, 3.0]), np.array([-0.5, 0.0, 1.0]))
    array([2.25, 3.  , 0.  ])
    """


@_smooth
def silu(x, /):
    """Sigmoid linear unit, also called swish, element by element: ``x / (1 + e^-x)``.

    Notes
    -----
    The limit at minus infinity is -0.0, the limit from below; PyTorch gives NaN there. The smallest
    value is -0.278, at -1.278 (Elfwing et al., 2018; Ramachandran et al., 2017).

    Examples
    --------
    >>> fr.silu(np.array([-2.0, 0.0, 2.0]))
    array([-0.23840584,  0.        ,  1.76159416])
    """


@_smooth
def silu_derivative(x, /):
    """Derivative of :func:`silu`: ``s * (1 + x * (1 - s))`` with ``s = sigmoid(x)``.

    Examples
    --------
    >>> fr.silu_derivative(np.array([-2.0, 0.0, 2.0]))
    array([-0.09078425,  0.5       ,  1.09078425])
    """


@_gradient
def silu_backward(grad_output, x, /):
    """Gradient through :func:`silu`: ``grad_output * silu_derivative(x)``.

    Examples
    --------
    >>> fr.silu_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([-0.27235275,  1.5       ,  3.27235275])
    """


@_smooth
def gelu(x, /):
    """Gaussian error linear unit, element by element: ``x * (1 + erf(x / sqrt(2))) / 2``.

    Notes
    -----
    The limit at minus infinity is -0.0, the limit from below; PyTorch gives NaN there. It is
    PyTorch's default, ``approximate="none"`` (Hendrycks and Gimpel, 2016).

    Examples
    --------
    >>> fr.gelu(np.array([-2.0, 0.0, 2.0]))
    array([-0.04550026,  0.        ,  1.95449974])
    """


@_smooth
def gelu_derivative(x, /):
    """Derivative of :func:`gelu`: ``P(x) + x * P'(x)``, `P` the normal distribution.

    Examples
    --------
    >>> fr.gelu_derivative(np.array([-2.0, 0.0, 2.0]))
    array([-0.0852318,  0.5      ,  1.0852318])
    """


@_gradient
def gelu_backward(grad_output, x, /):
    """Gradient through :func:`gelu`: ``grad_output * gelu_derivative(x)``.

    Examples
    --------
    >>> fr.gelu_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([-0.2556954,  1.5      ,  3.2556954])
    """


@_smooth
def gelu_tanh(x, /):
    """GELU as GPT-2 approximates it: ``x * sigmoid(sqrt(8 / pi) * (x + 0.044715 x^3))``.

    Notes
    -----
    The same function is ``x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2``, PyTorch's
    ``approximate="tanh"`` and JAX's default. The limit at minus infinity is -0.0.

    Examples
    --------
    >>> fr.gelu_tanh(np.array([-2.0, 0.0, 2.0]))
    array([-0.04540231,  0.        ,  1.95459769])
    """


@_smooth
def gelu_tanh_derivative(x, /):
    """Derivative of :func:`gelu_tanh`: ``s + x * s * (1 - s) * z'``, ``s = sigmoid(z)``.

    Examples
    --------
    >>> fr.gelu_tanh_derivative(np.array([-2.0, 0.0, 2.0]))
    array([-0.08609926,  0.5       ,  1.08609926])
    """


@_gradient
def gelu_tanh_backward(grad_output, x, /):
    """Gradient through :func:`gelu_tanh`: ``grad_output * gelu_tanh_derivative(x)``.

    Examples
    --------
    >>> fr.gelu_tanh_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([-0.25829777,  1.5       ,  3.25829777])
    """


@_smooth
def mish(x, /):
    """Self-regularised rectifier, element by element: ``x * tanh(log(1 + e^x))``.

    Notes
    -----
    The limit at minus infinity is -0.0, the limit from below (Misra, 2019).

    Examples
    --------
    >>> fr.mish(np.array([-2.0, 0.0, 2.0]))
    array([-0.25250148,  0.        ,  1.94395896])
    """


@_smooth
def mish_derivative(x, /):
    """Derivative of :func:`mish`: ``t + x * (1 - t^2) * sigmoid(x)``, `t` its tanh.

    Examples
    --------
    >>> fr.mish_derivative(np.array([-2.0, 0.0, 2.0]))
    array([-0.10835509,  0.6       ,  1.06931793])
    """


@_gradient
def mish_backward(grad_output, x, /):
    """Gradient through :func:`mish`: ``grad_output * mish_derivative(x)``.

    Examples
    --------
    >>> fr.mish_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([-0.32506528,  1.8       ,  3.2079538 ])
    """


@_smooth
def softplus(x, /):
    """Smooth rectifier, element by element: ``log(1 + e^x)``.

    Notes
    -----
    It is ``numpy.logaddexp(x, 0)`` (Dugas et al., 2001).

    Examples
    --------
    >>> fr.softplus(np.array([-2.0, 0.0, 2.0]))
    array([0.12692801, 0.69314718, 2.12692801])
    """


@_smooth
def softplus_derivative(x, /):
    """Derivative of :func:`softplus`: ``sigmoid(x)``.

    Examples
    --------
    >>> fr.softplus_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.11920292, 0.5       , 0.88079708])
    """


@_gradient
def softplus_backward(grad_output, x, /):
    """Gradient through :func:`softplus`: ``grad_output * softplus_derivative(x)``.

    Examples
    --------
    >>> fr.softplus_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.35760877, 1.5       , 2.64239123])
    """


@_smooth
def log_sigmoid(x, /):
    """Logarithm of the sigmoid, element by element: ``-log(1 + e^-x)``.

    Notes
    -----
    ``-softplus(-x)``. The limit at infinity is -0.0, the limit from below.

    Examples
    --------
    >>> fr.log_sigmoid(np.array([-2.0, 0.0, 2.0]))
    array([-2.12692801, -0.69314718, -0.12692801])
    """


@_smooth
def log_sigmoid_derivative(x, /):
    """Derivative of :func:`log_sigmoid`: ``sigmoid(-x)``.

    Examples
    --------
    >>> fr.log_sigmoid_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.88079708, 0.5       , 0.11920292])
    """


@_gradient
def log_sigmoid_backward(grad_output, x, /):
    """Gradient through :func:`log_sigmoid`: ``grad_output * log_sigmoid_derivative(x)``.

    Examples
    --------
    >>> fr.log_sigmoid_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([2.64239123, 1.5       , 0.35760877])
    """


@_smooth
def selu(x, /):
    """Scaled exponential linear unit: ``scale * x if x > 0 else scale * alpha * (e^x - 1)``.

    Notes
    -----
    `scale` is 1.0507009873554804934193349852946 and `alpha` 1.6732632423543772848170429916717, with
    which layers normalise themselves (Klambauer et al., 2017).

    Examples
    --------
    >>> fr.selu(np.array([-2.0, 0.0, 2.0]))
    array([-1.52016647,  0.        ,  2.10140197])
    """


@_smooth
def selu_derivative(x, /):
    """Derivative of :func:`selu`: ``scale if x > 0 else scale * alpha * e^x``.

    Examples
    --------
    >>> fr.selu_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.23793287, 1.75809934, 1.05070099])
    """


@_gradient
def selu_backward(grad_output, x, /):
    """Gradient through :func:`selu`: ``grad_output * selu_derivative(x)``.

    Examples
    --------
    >>> fr.selu_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.71379862, 5.27429802, 3.15210296])
    """


@_smooth
def softsign(x, /):
    """Softsign, element by element: ``x / (1 + |x|)``.

    Notes
    -----
    The limits are -1 and 1; -0.0 stays -0.0.

    Examples
    --------
    >>> fr.softsign(np.array([-2.0, 0.0, 2.0]))
    array([-0.66666667,  0.        ,  0.66666667])
    """


@_smooth
def softsign_derivative(x, /):
    """Derivative of :func:`softsign`: ``1 / (1 + |x|)^2``.

    Examples
    --------
    >>> fr.softsign_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.11111111, 1.        , 0.11111111])
    """


@_gradient
def softsign_backward(grad_output, x, /):
    """Gradient through :func:`softsign`: ``grad_output * softsign_derivative(x)``.

    Examples
    --------
    >>> fr.softsign_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.33333333, 3.        , 0.33333333])
    """


@_smooth
def elu(x, /, alpha=1):
    """Exponential linear unit: ``x if x > 0 else alpha * (e^x - 1)``.

    Parameters
    ----------
    alpha : array_like of integers or floats, default 1
        One number, or an array that broadcasts with `x`.

    Notes
    -----
    The product with `alpha` is rounded once more: with ``alpha=1`` the result itself is correctly
    rounded (Clevert et al., 2016).

    Examples
    --------
    >>> fr.elu(np.array([-2.0, 0.0, 2.0]))
    array([-0.86466472,  0.        ,  2.        ])
    >>> fr.elu(np.array([-2.0, 0.0, 2.0]), alpha=0.5)
    array([-0.43233236,  0.        ,  2.        ])
    """


@_smooth
def elu_derivative(x, /, alpha=1):
    """Derivative of :func:`elu`: ``1 if x > 0 else alpha * e^x``.

    Parameters
    ----------
    alpha : array_like of integers or floats, default 1
        One number, or an array that broadcasts with `x`.

    Examples
    --------
    >>> fr.elu_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.13533528, 1.        , 1.        ])
    """


@_gradient
def elu_backward(grad_output, x, /, alpha=1):
    """Gradient through :func:`elu`: ``grad_output * elu_derivative(x, alpha)``.

    Examples
    --------
    >>> fr.elu_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.40600585, 3.        , 3.        ])
    """


@_smooth
def celu(x, /, alpha=1):
    """Continuously differentiable ELU: ``x if x > 0 else alpha * (e^(x / alpha) - 1)``.

    Parameters
    ----------
    alpha : array_like of integers or floats, default 1
        A number above 0, or an array of such.

    Raises
    ------
    ValueError
        If `alpha` is not above 0 everywhere. Nothing has been written then.

    Notes
    -----
    The quotient ``x / alpha`` is rounded first, and the product with `alpha` once more (Barron,
    2017).

    Examples
    --------
    >>> fr.celu(np.array([-2.0, 0.0, 2.0]))
    array([-0.86466472,  0.        ,  2.        ])
    >>> fr.celu(np.array([-2.0, 0.0, 2.0]), alpha=0.5)
    array([-0.49084218,  0.        ,  2.        ])
    """


@_smooth
def celu_derivative(x, /, alpha=1):
    """Derivative of :func:`celu`: ``1 if x > 0 else e^(x / alpha)``.

    Parameters
    ----------
    alpha : array_like of integers or floats, default 1
        A number above 0, or an array of such.

    Raises
    ------
    ValueError
        If `alpha` is not above 0 everywhere. Nothing has been written then.

    Examples
    --------
    >>> fr.celu_derivative(np.array([-2.0, 0.0, 2.0]))
    array([0.13533528, 1.        , 1.        ])
    """


@_gradient
def celu_backward(grad_output, x, /, alpha=1):
    """Gradient through :func:`celu`: ``grad_output * celu_derivative(x, alpha)``.

    Raises
    ------
    ValueError
        If `alpha` is not above 0 everywhere. Nothing has been written then.

    Examples
    --------
    >>> fr.celu_backward(np.array([3.0, 3.0, 3.0]), np.array([-2.0, 0.0, 2.0]))
    array([0.40600585, 3.        , 3.        ])
    """
