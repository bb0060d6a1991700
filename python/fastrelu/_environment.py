"""Environment variables: read once, at import.

A value that makes no sense is ignored, with a RuntimeWarning. Where the program turns warnings into
errors (``python -W error``), the import raises that warning instead, and may be tried again.
FASTRELU_ISA alone is not read here: a wrong name there is an ImportError.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PACKAGE = os.path.dirname(__file__)


def read(name: str, parse: Callable[[str], T]) -> T | None:
    """Return what the environment variable `name` says; None if it is not set, or empty.

    Parameters
    ----------
    name : str
        The name of the variable.
    parse : callable
        Takes its text, without spaces around it; raises ValueError, with what it should have been,
        if that makes no sense. A RuntimeWarning then points at the line that imports the package.

    Returns
    -------
    object or None
        What `parse` returns.

    Examples
    --------
    >>> import os
    >>> os.environ["FASTRELU_EXAMPLE"] = " 12 "
    >>> read("FASTRELU_EXAMPLE", int)
    12
    >>> del os.environ["FASTRELU_EXAMPLE"]
    >>> read("FASTRELU_EXAMPLE", int) is None
    True
    """
    text = os.environ.get(name, "")
    if not text.strip():
        return None
    try:
        return parse(text.strip())
    except ValueError as error:
        _warn(f"{name}={_printable(text)} is ignored: {error}")
        return None


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser for `read` that takes whole numbers from `minimum` to `maximum`.

    Examples
    --------
    >>> whole_number(1, 8)("4")
    4
    >>> whole_number(1, 8)("9")
    Traceback (most recent call last):
        ...
    ValueError: not a whole number from 1 to 8
    """

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if not minimum <= number <= maximum:
            raise ValueError(f"not a whole number from {minimum} to {maximum}")
        return number

    return parse


def _printable(text: str) -> str:
    """Replace bytes that are no text, which Python decodes to surrogates, by their numbers."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _warn(message: str) -> None:
    """Warn at the innermost line outside of this package and of the import system."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
        frame = frame.f_back
    warnings.warn_explicit(message, RuntimeWarning, frame.f_code.co_filename, frame.f_lineno)
