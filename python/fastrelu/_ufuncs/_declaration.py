"""How a function of the extension gets the face that NumPy cannot know: signature and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastrelu import _core


def ufunc(declaration: Callable[..., Any]) -> Any:
    """Give the extension's ufunc of that name the signature and docstring of its declaration.

    A declaration has what is the function's own. The keywords that all ufuncs take, and the errors
    that all of them raise, are added here, so that `help` shows the whole.
    """
    function = getattr(_core, declaration.__name__)
    function.__module__ = "fastrelu"
    function.__signature__ = _complete_signature(inspect.signature(declaration))
    if declaration.__doc__:  # not so under python -OO
        text = _complete_docstring(inspect.cleandoc(declaration.__doc__))
        function.__doc__ = f"{declaration.__name__}{function.__signature__}\n\n{text}"
    return function


_KEYWORDS = [
    inspect.Parameter("out", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None),
    *(
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in {
            "where": True,
            "casting": "same_kind",
            "order": "K",
            "dtype": None,
            "subok": True,
            "signature": None,
        }.items()
    ),
]
"""What every ufunc takes after its inputs."""
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
_RETURNS = "\nReturns\n-------\n"
_RAISES = "\nRaises\n------\n"
_AFTER_RAISES = ("\nSee Also\n", "\nNotes\n", "\nExamples\n")


def _complete_signature(own: inspect.Signature) -> inspect.Signature:
    return own.replace(parameters=[*own.parameters.values(), *_KEYWORDS])


def _complete_docstring(text: str) -> str:
    text = text.replace(_RETURNS, _SHARED_PARAMETERS + _RETURNS, 1)
    if _RAISES not in text:
        at = min(text.index(each) for each in _AFTER_RAISES if each in text)
        text = text[:at] + _RAISES + text[at:]
    return text.replace(_RAISES, _RAISES + _SHARED_ERRORS, 1)
