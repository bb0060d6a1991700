"""How a function of the extension gets the face that NumPy cannot know: signature and docstring."""

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

Returns
-------
"""
_SHARED_ERRORS = """
Raises
------
TypeError
    If an argument is bool, complex, or no number at all.
ValueError
    If the shapes do not broadcast.
"""
_PLACE_OF_ERRORS = r"\nRaises\n------\n|(?=\n(?:See Also|Notes|Examples)\n---)"


def ufunc(declaration: Callable[..., Any]) -> Any:
    """Give the extension's ufunc of that name the signature and docstring of its declaration.

    A declaration has what is the function's own. The keywords that all ufuncs take, and the errors
    that all of them raise, are added here, so that `help` shows the whole.
    """
    function = getattr(_core, declaration.__name__)
    own = inspect.signature(declaration)
    function.__module__ = "fastrelu"
    function.__signature__ = own.replace(parameters=[*own.parameters.values(), *_KEYWORDS])
    if declaration.__doc__:  # not so under python -OO
        text = inspect.cleandoc(declaration.__doc__)
        text = text.replace("\nReturns\n-------\n", _SHARED_PARAMETERS, 1)
        text = re.sub(_PLACE_OF_ERRORS, _SHARED_ERRORS, text, count=1)
        function.__doc__ = f"{declaration.__name__}{function.__signature__}\n\n{text}"
    return function
