"""Where functions run, what they take, and what they report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastrelu import _core


@contextmanager
def forced_isa(name: str) -> Iterator[None]:
    """Run every function on the instruction set `name` inside a ``with`` block.

    The whole process switches, so this is for tests and measurements in one thread.

    Raises
    ------
    ValueError
        If this processor cannot run `name`, or it is no instruction set.

    Examples
    --------
    >>> import fastrelu as fr
    >>> from fastrelu.testing import forced_isa
    >>> with forced_isa("scalar"):
    ...     fr.isa()
    'scalar'
    """
    previous = _core.use_isa(name)
    try:
        yield
    finally:
        _core.use_isa(previous)


def supported_dtypes() -> tuple[np.dtype[Any], ...]:
    """Every dtype that some function has a loop for."""
    characters = (loop[0] for ufunc in _core.ufuncs for loop in ufunc.types)
    return (*(np.dtype(each) for each in dict.fromkeys(characters)), *_dtypes_of_ml_dtypes())


def _dtypes_of_ml_dtypes() -> Iterator[np.dtype[Any]]:
    """Yield those that relu takes; none if the package is not installed."""
    if find_spec("ml_dtypes") is None:
        return
    for scalar_type in vars(import_module("ml_dtypes")).values():
        if isinstance(scalar_type, type) and issubclass(scalar_type, np.generic):
            with suppress(TypeError):
                yield _core.relu(np.empty(0, scalar_type)).dtype


@contextmanager
def recorded(kinds: set[str]) -> Iterator[None]:
    """Collect the kinds of floating-point errors instead of warning about them."""
    with np.errstate(all="call", call=lambda kind, flags: kinds.add(kind)):
        yield
