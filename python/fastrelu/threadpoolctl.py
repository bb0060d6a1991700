"""Let threadpoolctl see and control fastrelu's threads: import this module once.

Examples
--------
>>> import threadpoolctl
>>> import fastrelu.threadpoolctl
>>> with threadpoolctl.threadpool_limits(1, user_api="fastrelu"):
...     fr.get_num_threads()
1
>>> with threadpoolctl.threadpool_limits(1):  # BLAS, OpenMP and fastrelu
...     fr.get_num_threads()
1
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastrelu import _core
from fastrelu._version import __version__

try:
    _threadpoolctl: Any = import_module("threadpoolctl")
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("try: pip install 'fastrelu[threadpoolctl]'") from error

__all__ = ["FastreluController"]


class FastreluController(_threadpoolctl.LibController):  # type: ignore[misc]  # no types
    """Find the extension among all loaded libraries, by its name and its exported functions."""

    user_api = "fastrelu"
    internal_api = "fastrelu"
    filename_prefixes = ("_core.",)
    check_symbols = ("fastrelu_get_num_threads", "fastrelu_set_num_threads")

    def get_num_threads(self) -> int:
        """Return the number of threads that calls may use."""
        return int(self.dynlib.fastrelu_get_num_threads())

    def set_num_threads(self, num_threads: int) -> None:
        """Set the number of threads that calls may use; out of range, the nearest legal number."""
        self.dynlib.fastrelu_set_num_threads(max(1, min(num_threads, _core.max_threads)))

    def get_version(self) -> str:
        """Return the version of the package."""
        return __version__


_threadpoolctl.register(FastreluController)
