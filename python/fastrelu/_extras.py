"""Optional dependencies: imported on first use, and named with their cure when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` of this package installs.

    Parameters
    ----------
    module : str
        The absolute name of the module, such as ``"sklearn.datasets"``.
    extra : str
        The extra in ``fastrelu[extra]`` that brings it.

    Returns
    -------
    types.ModuleType
        The module itself, not its top-level package.

    Raises
    ------
    ImportError
        If the module, or one that it needs, is missing. The message says which command installs it.

    Examples
    --------
    >>> require("math", "demo").sqrt(4.0)
    2.0
    >>> require("no_such_module", "demo")
    Traceback (most recent call last):
        ...
    ImportError: no_such_module is not installed; this installs it: pip install 'fastrelu[demo]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed; this installs it: pip install 'fastrelu[{extra}]'",
            name=error.name,
        ) from error
