"""How a function of the extension gets the face that NumPy cannot know: signature and docstring.

A declaration says what is the function's own. The rest is added here, so that `help` shows the
whole: the keywords and errors of all ufuncs and, where the declaration does not describe them, the
parameters and the result in the usual words.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from fastrelu import _core

_DEFAULTS = dict(where=True, casting="same_kind", order="K", dtype=None, subok=True, signature=None)
_KEYWORDS = [
    Parameter("out", Parameter.POSITIONAL_OR_KEYWORD, default=None),
    *(Parameter(name, Parameter.KEYWORD_ONLY, default=_DEFAULTS[name]) for name in _DEFAULTS),
]
_SHARED_PARAMETERS = """\
out : ndarray, None, or tuple of one of them, optional
    Where the result goes, instead of a new array. It may be an input: that works in place.
where, casting, order, dtype, subok, signature
    As for every NumPy ufunc.
"""
_SHARED_ERRORS = """\
TypeError
    If an argument is bool, complex, or no number at all.
ValueError
    If the shapes do not broadcast.
"""
_SECTIONS = ["Parameters", "Returns", "Raises", "See Also", "Notes", "Examples"]


def ufunc(declaration: Callable[..., Any]) -> Any:
    """Give the extension's ufunc of that name the signature and docstring of its declaration."""
    function = getattr(_core, declaration.__name__)
    own = inspect.signature(declaration)
    function.__module__ = "fastrelu"
    function.__signature__ = own.replace(parameters=[*own.parameters.values(), *_KEYWORDS])
    if declaration.__doc__:  # not so under python -OO
        text = _whole(function, [*own.parameters.values()], inspect.cleandoc(declaration.__doc__))
        function.__doc__ = f"{declaration.__name__}{function.__signature__}\n\n{text}"
    return function


def _whole(function: Any, parameters: list[Parameter], text: str) -> str:
    """Add to a docstring what it does not say, and order its sections as numpydoc does."""
    summary, *parts = re.split(r"^(\w[\w ]+)\n-+\n", text, flags=re.M)
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    own = said.get("Parameters", "").rstrip()
    described = ", ".join(re.findall(r"^(\w[\w, ]*) :", own, re.M)).split(", ")
    usual = [_usual(function, each) for each in parameters if each.name not in described]
    said["Parameters"] = "\n".join([*usual, *own.splitlines(), _SHARED_PARAMETERS])
    said.setdefault("Returns", _usual_result(function, parameters))
    said["Raises"] = _SHARED_ERRORS + said.get("Raises", "")
    ordered = sorted(said, key=_SECTIONS.index)
    whole = [f"{name}\n{'-' * len(name)}\n{said[name].rstrip()}" for name in ordered]
    return "\n\n".join([summary.rstrip(), *whole])


def _usual(function: Any, parameter: Parameter) -> str:
    """Describe a parameter in the usual words; KeyError if there are none for its name."""
    forward, is_gradient, _ = function.__name__.partition("_backward")
    words = {"x": "Input of any shape."}
    if is_gradient:
        words = {
            "grad_output": f"Gradient of the loss with respect to {forward}'s output.",
            "x": f"{forward}'s input. It must broadcast with `grad_output`.",
            "y": f"{forward}'s output. It must broadcast with `grad_output`.",
        }
        words.setdefault(parameter.name, "That of the forward pass: one number, or an array.")
    default = "" if parameter.default is parameter.empty else f", default {parameter.default}"
    type_line = f"{parameter.name} : array_like of integers or floats{default}"
    return f"{type_line}\n    {words[parameter.name]}"


def _usual_result(function: Any, parameters: list[Parameter]) -> str:
    """Describe the result in the usual words: the sentences that hold for the function."""
    forward, is_gradient, _ = function.__name__.partition("_backward")
    names, last = ", ".join(each.name for each in parameters), parameters[-1]
    several = len(parameters) > 1
    multiplies = "b" * function.nin + "->b" not in function.types  # int8 does not give int8
    scales = multiplies and last.kind is Parameter.POSITIONAL_OR_KEYWORD
    sentences = {
        f"Gradient of the loss with respect to {forward}'s input.": is_gradient,
        "Of the shape and dtype of `x`; a scalar if `x` is one.": not several,
        f"Of the broadcast shape, and of the dtype ``np.result_type({names})``.": several,
        "Python numbers keep the dtype of the arrays.": several,
        "But a Python float turns integers into float64.": several and not multiplies,
        "Integers give float64.": multiplies,
        f"Floats narrower than float32 keep their dtype if float32 can hold `{last.name}`.": scales,
    }
    return "\n    ".join(["ndarray or scalar", *(each for each in sentences if sentences[each])])
