"""Give scikit-learn's `MLPClassifier` and `MLPRegressor` all activations of one array.

Their names are those of fastrelu's functions, as in ``MLPClassifier(activation="gelu")``; functions
with parameters have their defaults. What scikit-learn can do without fastrelu keeps its bytes:
``"relu"`` becomes fastrelu's, which gives the same; ``"logistic"`` and ``"tanh"`` stay
scikit-learn's, and fastrelu's correctly rounded ones are ``"sigmoid"`` and ``"fastrelu_tanh"``.

The change holds in the whole process, and in no other: worker processes, such as those of
``GridSearchCV(n_jobs=2)``, must call `install`, too.

Examples
--------
>>> import fastrelu.sklearn
>>> from sklearn.neural_network import MLPRegressor
>>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
>>> with fastrelu.sklearn.installed():
...     network = MLPRegressor(activation="gelu", solver="lbfgs", random_state=0)
...     bool(network.fit(x, x.ravel() ** 2).score(x, x.ravel() ** 2) > 0.99)
True
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import Parameter
from typing import Any

import fastrelu as fr
from fastrelu import _ufuncs

try:
    _version: str = import_module("sklearn").__version__
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("try: pip install 'fastrelu[sklearn]'") from error

__all__ = ["activations", "install", "installed", "uninstall"]

_TESTED = ("1.5", "1.6", "1.7", "1.8", "1.9")
_SAME_FROM_OUTPUT = ("relu", "relu6", "hardtanh", "thresholded_relu", "leaky_relu")
_TAKEN = {"tanh": "fastrelu_tanh"}  # names that scikit-learn has for other bytes
_Pair = tuple[Callable[[Any], None], Callable[[Any, Any], None]]

_replaced: dict[str, _Pair] = {}  # scikit-learn's own functions; empty if nothing is installed
_inputs: dict[int, tuple[Any, Any]] = {}  # what an array held before its activation, by the array


def activations() -> tuple[str, ...]:
    """Return the names that `install` gives to ``activation=``.

    Examples
    --------
    >>> from fastrelu.sklearn import activations
    >>> activations()[:4]
    ('celu', 'elu', 'gelu', 'gelu_tanh')
    """
    return tuple(_TAKEN.get(name, name) for name in _functions())


def install() -> None:
    """Give scikit-learn the activations; do nothing if it has them.

    Raises
    ------
    ImportError
        If this version of scikit-learn has not been tested. Nothing has been changed then.
    """
    if _replaced:
        return
    if ".".join(_version.split(".")[:2]) not in _TESTED:
        raise ImportError(
            f"fastrelu.sklearn was tested with scikit-learn {_TESTED[0]} to {_TESTED[-1]}, not "
            f"with {_version}; try: pip install 'scikit-learn=={_TESTED[-1]}.*'"
        )
    forward, backward, allowed = _tables()
    _replaced["relu"] = forward["relu"], backward["relu"]
    for name, function in zip(activations(), _functions(), strict=True):
        pair = _from_output if function in _SAME_FROM_OUTPUT else _from_input
        forward[name], backward[name] = pair(function)
    allowed.options = allowed.options.union(activations())


def uninstall() -> None:
    """Give scikit-learn its own functions back; do nothing if it has them."""
    if not _replaced:
        return
    forward, backward, allowed = _tables()
    added = {*activations()} - {*_replaced}
    allowed.options = allowed.options - added
    for name in added:
        del forward[name], backward[name]
    for name, pair in _replaced.items():
        forward[name], backward[name] = pair
    _replaced.clear()


@contextmanager
def installed() -> Iterator[None]:
    """Have the activations inside a ``with`` block; afterwards all is as it was before."""
    was_installed = bool(_replaced)
    install()
    try:
        yield
    finally:
        if not was_installed:
            uninstall()


def _functions() -> list[str]:
    """Name the ufuncs that need one array, and have a gradient."""
    every = _ufuncs.__all__
    return [name for name in every if f"{name}_backward" in every and _needs_one(name)]


def _needs_one(name: str) -> bool:
    inputs = inspect.signature(getattr(_ufuncs, name)).parameters.values()
    return [each.default for each in inputs].count(Parameter.empty) == 1


def _tables() -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Find scikit-learn's activations, their derivatives, and the constraint on their names.

    All classes of networks share the one constraint.
    """
    network = import_module("sklearn.neural_network._multilayer_perceptron")
    (allowed,) = network.BaseMultilayerPerceptron._parameter_constraints["activation"]
    return network.ACTIVATIONS, network.DERIVATIVES, allowed


def _from_output(name: str) -> _Pair:
    """Return activation and derivative as scikit-learn calls them: in place, from the output."""
    function, gradient = getattr(fr, name), getattr(fr, f"{name}_backward")
    return lambda x: function(x, out=x), lambda y, delta: gradient(delta, y, out=delta)


def _from_input(name: str) -> _Pair:
    """Return the same for a function whose gradient needs the input.

    scikit-learn passes the derivative the very array that the activation has overwritten: a copy of
    its input is kept for as long as the array lives.
    """
    function, gradient = getattr(fr, name), getattr(fr, f"{name}_backward")

    def activate(x: Any) -> None:
        key = id(x)
        _inputs[key] = weakref.ref(x, lambda _: _inputs.pop(key, None)), x.copy()
        function(x, out=x)

    def differentiate(y: Any, delta: Any) -> None:
        gradient(delta, _inputs[id(y)][1], out=delta)

    return activate, differentiate
