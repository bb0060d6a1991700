"""fastrelu's functions for HIPS autograd, which differentiates programs that use NumPy.

The functions have the names and inputs of fastrelu's. They take and return what autograd traces,
so ``autograd.grad`` goes through them in reverse, ``autograd.make_jvp`` forward, and again through
what these give, for derivatives of any order. What they compute, and their gradients with respect
to x, have the bytes of fastrelu's functions, except that autograd itself adds up the gradients of
what was broadcast; second derivatives are plain formulas. There is no ``out``, as autograd keeps
what was computed.

They are the ufuncs with a ``_backward`` and those of sums, ``prelu``, ``rrelu``, ``crelu``,
``softmax``, ``log_softmax``, and ``cross_entropy``, which returns the losses alone. Parameters have
gradients, too. softmax and its relatives go in reverse only.

Examples
--------
>>> import autograd
>>> from fastrelu.autograd import gelu, leaky_relu
>>> autograd.elementwise_grad(gelu)(np.array([0.0, 8.0]))
array([0.5, 1. ])
>>> float(autograd.grad(leaky_relu, 1)(-3.0, 0.1))  # with respect to the slope
-3.0
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import fastrelu as fr
from fastrelu import _ufuncs

try:
    _np: Any = import_module("autograd.numpy")
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("try: pip install 'fastrelu[autograd]'") from error

_extend: Any = import_module("autograd.extend")
_unbroadcast: Any = import_module("autograd.numpy.numpy_vjps").unbroadcast_f
_untraced: Any = import_module("autograd.tracer").getval
_primitive, _defvjp = _extend.primitive, _extend.defvjp
_own: Any = import_module(__name__)  # where the functions stand that are added below

_Rule = Callable[..., Any]  # (change or gradient, *inputs) -> its product with a derivative


def _traced(function: Any, rules: dict[str, _Rule]) -> Any:
    """Make a function of arrays that autograd traces, element by element.

    `rules` has the derivative with respect to each input; where it has none, the derivative is 0.
    """

    def backward(index: int, rule: _Rule) -> Any:
        return lambda ans, *args: _unbroadcast(args[index], lambda grad: rule(grad, *args))

    def forward(rule: _Rule) -> Any:
        return lambda change, ans, *args: rule(change, *args) + _np.zeros_like(ans)  # its shape

    ufunc_inputs = [*inspect.signature(function).parameters.values()][: function.nin]
    signature = inspect.Signature(ufunc_inputs)
    found = [(i, rules[name]) for i, name in enumerate(signature.parameters) if name in rules]
    primitive = _primitive(function)
    every = range(function.nin)
    vjps = {i: backward(i, rule) for i, rule in found}
    jvps = {i: forward(rule) for i, rule in found}
    _defvjp(primitive, *map(vjps.get, every))
    _extend.defjvp(primitive, *map(jvps.get, every))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        inputs = signature.bind(*args, **kwargs)  # autograd traces no keywords
        inputs.apply_defaults()
        return primitive(*inputs.args)

    call.__module__, call.__doc__ = __name__, f"fastrelu.{function.__name__} for autograd."
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _times(slope: Callable[..., Any]) -> _Rule:
    return lambda change, *args: change * slope(*args)


def _exp_below_0(x: Any) -> Any:
    return _np.exp(_np.minimum(x, 0))


def _sigmoid_slope(x: Any) -> Any:
    return _own.sigmoid_derivative(x)


def _celu_by_alpha(z: Any) -> Any:
    return _np.where(z > 0, 0, _own.elu(z) - z * _exp_below_0(z))


def _gelu_tanh_second(x: Any) -> Any:
    inner, outer = 0.044715, sqrt(2 / pi)
    u = _own.tanh(outer * (x + inner * x**3))
    u_x = (1 - u * u) * outer * (1 + 3 * inner * x * x)
    u_xx = (1 - u * u) * outer * 6 * inner * x - 2 * u * u_x * outer * (1 + 3 * inner * x * x)
    return u_x + x * u_xx / 2


def _mish_second(x: Any) -> Any:
    w, s = _own.tanh(_own.softplus(x)), _own.sigmoid(x)
    w_x = (1 - w * w) * s
    return 2 * w_x + x * (w_x * (1 - s) - 2 * w * w_x * s)


_PARAMETER_SLOPES: dict[str, dict[str, Callable[..., Any]]] = {
    "celu": {"alpha": lambda x, alpha: _celu_by_alpha(x / alpha)},
    "clipped_relu": {"max_val": lambda x, max_val: x >= max_val},
    "elu": {"alpha": lambda x, alpha: _np.where(x > 0, 0, _own.elu(x))},
    "hardtanh": {
        "min_val": lambda x, min_val, max_val: x <= min_val,
        "max_val": lambda x, min_val, max_val: x >= max_val,
    },
    "leaky_relu": {"negative_slope": lambda x, negative_slope: _np.where(x > 0, 0, x)},
    "softshrink": {"lambd": lambda x, lambd: -_np.sign(_own.softshrink(x, lambd))},
    "threshold": {"value": lambda x, threshold, value: x <= threshold},
}
"""The derivatives with respect to parameters that are not 0."""

_SECOND: dict[str, dict[str, Callable[..., Any]]] = {
    "celu": {
        "x": lambda x, alpha: _np.where(x > 0, 0, _exp_below_0(x / alpha) / alpha),
        "alpha": lambda x, alpha: _np.where(x > 0, 0, -x / alpha**2 * _exp_below_0(x / alpha)),
    },
    "elu": {
        "x": lambda x, alpha: _np.where(x > 0, 0, alpha * _exp_below_0(x)),
        "alpha": lambda x, alpha: _np.where(x > 0, 0, _exp_below_0(x)),
    },
    "gelu": {"x": lambda x: (2 - x * x) * _np.exp(-x * x / 2) / sqrt(2 * pi)},
    "gelu_tanh": {"x": _gelu_tanh_second},
    "hardswish": {"x": lambda x: _np.where(abs(x) < 3, 1 / 3, 0)},  # noqa: PLR2004
    "leaky_relu": {"negative_slope": lambda x, negative_slope: _np.where(x > 0, 0, 1)},
    "log_sigmoid": {"x": lambda x: -_sigmoid_slope(x)},
    "mish": {"x": _mish_second},
    "selu": {"x": lambda x: _np.where(x > 0, 0, _own.selu_derivative(x))},
    "sigmoid": {"x": lambda x: _sigmoid_slope(x) * (1 - 2 * _own.sigmoid(x))},
    "silu": {"x": lambda x: _sigmoid_slope(x) * (2 + x * (1 - 2 * _own.sigmoid(x)))},
    "softplus": {"x": _sigmoid_slope},
    "softsign": {"x": lambda x: -2 * _np.sign(x) / (1 + abs(x)) ** 3},
    "squared_relu": {"x": lambda x: _np.where(x > 0, 2, 0)},
    "tanh": {"x": lambda x: -2 * _own.tanh(x) * _own.tanh_derivative(x)},
}
"""The derivatives of the first derivative, with respect to all inputs, that are not 0."""


def _add(name: str, rules: dict[str, _Rule]) -> None:
    setattr(_own, name, _traced(getattr(_ufuncs, name), rules))
    __all__.append(name)


def _add_activation(name: str) -> None:
    """Add a function, its gradient and, if fastrelu has one, its derivative."""
    backward, derivative = f"{name}_backward", f"{name}_derivative"
    nin = getattr(_ufuncs, backward).nin - 1  # threshold's gradient does not depend on its value
    slopes, seconds = _PARAMETER_SLOPES.get(name, {}), _SECOND.get(name, {})
    rules = {each: _times(slope) for each, slope in slopes.items()}
    _add(name, rules | {"x": lambda change, *args: getattr(_own, backward)(change, *args[:nin])})
    rules = {
        each: lambda change, grad_output, *args, slope=slope: change * grad_output * slope(*args)
        for each, slope in seconds.items()
    }
    rules["grad_output"] = lambda change, grad_output, *args: getattr(_own, backward)(change, *args)
    _add(backward, rules)
    if derivative in _ufuncs.__all__:
        _add(derivative, {each: _times(slope) for each, slope in seconds.items()})


def _through_sum(change: Any, x: Any, y: Any) -> Any:
    return _own.relu_backward(change, x + y)


def _through_leaky_sum(change: Any, x: Any, y: Any, slope: Any) -> Any:
    return _own.leaky_relu_backward(change, x + y, slope)


def _through_scaled(change: Any, x: Any, scale: Any, shift: Any) -> Any:
    return _own.relu_backward(change, x * scale + shift)


def prelu(x: Any, weight: Any, /, axis: int | None = 1) -> Any:
    """:func:`fastrelu.prelu` for autograd."""
    if axis is not None and _np.ndim(weight) == 1 and _np.size(weight) > 1:
        after = _np.ndim(x) - axis % _np.ndim(x) - 1
        weight = _np.reshape(weight, (-1,) + (1,) * after)
    return _own.leaky_relu(x, weight)


def rrelu(x: Any, /, lower: float = 1 / 8, upper: float = 1 / 3, **options: Any) -> Any:
    """:func:`fastrelu.rrelu` for autograd; `options` are its `rng` and `training`."""
    _, slopes = fr.rrelu_with_slopes(_untraced(x), lower, upper, **options)
    return _own.leaky_relu(x, slopes)


def crelu(x: Any, /, axis: int = 1) -> Any:
    """:func:`fastrelu.crelu` for autograd."""
    return _np.concatenate([_own.relu(x), _own.relu(-x)], axis)


def softmax(x: Any, /, axis: Any = -1) -> Any:
    """:func:`fastrelu.softmax` for autograd."""
    return _softmax(x, axis)


def log_softmax(x: Any, /, axis: Any = -1) -> Any:
    """:func:`fastrelu.log_softmax` for autograd."""
    return _log_softmax(x, axis)


def cross_entropy(logits: Any, labels: Any, /, axis: int = -1) -> Any:
    """Return the losses of :func:`fastrelu.cross_entropy`, for autograd."""
    return _cross_entropy(logits, labels, axis)


def _sum(x: Any, axis: Any) -> Any:
    return _np.sum(x, axis, keepdims=True)


_softmax, _log_softmax = _primitive(fr.softmax), _primitive(fr.log_softmax)
_softmax_backward = _primitive(fr.softmax_backward)
_log_softmax_backward = _primitive(fr.log_softmax_backward)
_cross_entropy = _primitive(lambda x, labels, axis: fr.cross_entropy(x, labels, axis)[0])
_cross_entropy_slopes = _primitive(lambda x, labels, axis: fr.cross_entropy(x, labels, axis)[1])

_defvjp(_softmax, lambda y, x, axis: lambda g: _softmax_backward(g, y, axis))
_defvjp(_log_softmax, lambda y, x, axis: lambda g: _log_softmax_backward(g, y, axis))
_defvjp(
    _softmax_backward,
    lambda ans, g, y, axis: lambda h: _softmax_backward(h, y, axis),
    lambda ans, g, y, axis: lambda h: h * (g - _sum(g * y, axis)) - g * _sum(h * y, axis),
)
_defvjp(
    _log_softmax_backward,
    lambda ans, g, y, axis: lambda h: h - _sum(h * _np.exp(y), axis),
    lambda ans, g, y, axis: lambda h: -h * _np.exp(y) * _sum(g, axis),
)
_defvjp(
    _cross_entropy,
    lambda ans, x, labels, axis: (
        lambda g: _np.expand_dims(g, axis) * _cross_entropy_slopes(x, labels, axis)
    ),
)
_defvjp(
    _cross_entropy_slopes,
    lambda ans, x, labels, axis: lambda h: _softmax_backward(h, _softmax(x, axis), axis),
)

__all__ = ["crelu", "cross_entropy", "log_softmax", "prelu", "rrelu", "softmax"]
for _name in _ufuncs.__all__:
    if f"{_name}_backward" in _ufuncs.__all__:
        _add_activation(_name)
_add("add_relu", dict.fromkeys(("x", "y"), _through_sum))
_add(
    "add_leaky_relu",
    {
        "x": _through_leaky_sum,
        "y": _through_leaky_sum,
        "negative_slope": lambda change, x, y, slope: change * _np.where(x + y > 0, 0, x + y),
    },
)
_add(
    "scale_shift_relu",
    {
        "x": lambda change, x, scale, shift: _through_scaled(change, x, scale, shift) * scale,
        "scale": lambda change, x, scale, shift: _through_scaled(change, x, scale, shift) * x,
        "shift": _through_scaled,
    },
)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Those of ``__all__`` that were added above."""
