"""The runtime, one for the process: environment variables, threads, recycled memory.

Environment variables are read once, at import. An invalid value causes a RuntimeWarning and is
ignored; an import that raises the warning (``python -W error``) may be tried again. FASTRELU_ISA is
not read here: an unknown name there raises ImportError.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

import numpy as np

from fastrelu import _core, _system
from fastrelu._layout import integer
from fastrelu._version import __version__

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager

__all__ = [
    "RecycleInfo",
    "available_isas",
    "get_num_threads",
    "isa",
    "num_threads",
    "recycle_info",
    "set_num_threads",
    "set_recycle_limit",
    "show_config",
    "trim",
]

_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}


def isa() -> str:
    """Return the instruction set in use: the first of `available_isas`, or ``FASTRELU_ISA``.

    Examples
    --------
    >>> fr.isa() in fr.available_isas()
    True
    """
    return _core.isa()


def available_isas() -> tuple[str, ...]:
    """Return the instruction sets that this processor can run, best first: all give the same bits.

    They are some of ``"avx512"``, ``"avx2"``, ``"sse2"``, ``"neon"`` and ``"scalar"``.

    Examples
    --------
    >>> fr.available_isas()[-1]
    'scalar'
    """
    return _core.available_isas()


def get_num_threads() -> int:
    """Return the number of threads that calls may use, the caller's included.

    `set_num_threads` or `num_threads` set it. At import it is the value of the environment variable
    ``FASTRELU_NUM_THREADS``, else the first number in ``OMP_NUM_THREADS``, else the number of cores
    that this process may use (its affinity and the CPU quota of its control groups).

    Examples
    --------
    >>> fr.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def set_num_threads(n: SupportsIndex) -> None:
    """Let calls use up to `n` threads from now on, in the whole process; the bits stay the same.

    Parameters
    ----------
    n : int
        From 1 (every call runs on its caller's thread alone) to 1024. More than there are cores is
        legal. Threads that are no longer needed are kept asleep.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an integer, or is a bool; if it is out of range.

    Examples
    --------
    >>> with fr.num_threads(1):  # which restores the number
    ...     fr.set_num_threads(2)
    ...     fr.get_num_threads()
    2
    """
    _core.set_num_threads(_checked_number("set_num_threads", n))


def num_threads(n: SupportsIndex) -> _GeneratorContextManager[None]:
    """Let calls use up to `n` threads inside of a ``with`` block, or of a decorated function.

    The number holds for the whole process, and the previous one is restored on exit. Such blocks
    may be nested; if they overlap in several threads, the last exit decides.

    Parameters
    ----------
    n : int, as for `set_num_threads`, with its errors

    Returns
    -------
    context manager, and decorator

    Examples
    --------
    >>> with fr.num_threads(1):
    ...     fr.get_num_threads()
    1
    """
    return _limited(_checked_number("num_threads", n))


@contextmanager
def _limited(n: int) -> Iterator[None]:
    before = _core.get_num_threads()
    _core.set_num_threads(n)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def _checked_number(function: str, n: SupportsIndex) -> int:
    number = integer(function, "n", n)
    if not 1 <= number <= _core.max_threads:
        raise ValueError(f"{function}: n must be 1 to {_core.max_threads}, not {number}")
    return number


class RecycleInfo(NamedTuple):
    """The bytes that may be cached and are cached, and the number of cached blocks.

    ``reused`` is the number of results so far that took a cached block, ``mapped`` of those that
    took new memory from the system.
    """

    limit: int
    held: int
    blocks: int
    reused: int
    mapped: int


def recycle_info() -> RecycleInfo:
    """Report the memory that is cached for reuse by large results.

    A fresh result of 1 MiB or more is an array as any other (it owns its data, ``resize`` is
    legal), but its memory is cached when it is freed, and a later result of about that size takes
    it. This saves the page faults, which are half the time of a large result. A data-memory handler
    other than NumPy's default takes precedence: it allocates the results instead. ``tracemalloc``
    sees the arrays, but not the cache.

    Examples
    --------
    >>> y = fr.relu(np.ones(1_000_000, np.float32))
    >>> del y
    >>> fr.recycle_info().held >= 4_000_000
    True
    """
    return RecycleInfo(*_core.recycle_info())


def set_recycle_limit(limit: SupportsIndex | str) -> None:
    """Limit the memory that is cached for reuse by large results; 0 turns the cache off.

    At first the limit is ``FASTRELU_RECYCLE_LIMIT`` from the environment, else a sixteenth of the
    memory that this process may use (the machine's or its control group's). Above the limit the
    oldest blocks are freed first. Blocks unused for 10 seconds are freed when the next large result
    is made or freed. There are never more than 256 blocks. All are freed before a fork, so that a
    child starts with none; `subprocess` does not free them.

    Parameters
    ----------
    limit : int or str
        Bytes, or text as in the environment variable: ``"512M"``, where K, M and G are powers of
        1024. Memory in use by arrays does not count.

    Raises
    ------
    TypeError, ValueError
        If `limit` is neither an integer nor text, or is a bool; if it is negative, or text that is
        not a number of bytes.

    Examples
    --------
    >>> before = fr.recycle_info().limit
    >>> fr.set_recycle_limit("512M")
    >>> fr.recycle_info().limit
    536870912
    >>> fr.set_recycle_limit(before)
    """
    if isinstance(limit, str):
        try:
            size = _parse_bytes(limit)
        except ValueError as error:
            raise ValueError(f"set_recycle_limit: limit is {limit!r}, {error}") from None
    else:
        size = integer("set_recycle_limit", "limit", limit, "an int or text such as '512M'")
    if size < 0:
        raise ValueError(f"set_recycle_limit: limit must not be negative, but is {size}")
    _core.set_recycle_limit(min(size, sys.maxsize))


def trim() -> int:
    """Free all memory that is cached for reuse by large results; return its bytes.

    Examples
    --------
    >>> freed = fr.trim()
    >>> fr.trim()
    0
    """
    return _core.trim()


def show_config() -> None:
    """Print the version, the compiler, what calls run on, and the versions of NumPy and Python.

    Instruction sets are those *compiled* into this build, those *available* on this processor and
    the *active* one (`isa`). *threads* has the source of the number, too; *recycling* is the cached
    and the allowed size.

    Examples
    --------
    >>> fr.show_config()  # doctest: +ELLIPSIS
    fastrelu   ...
    """
    import platform  # noqa: PLC0415

    cache, threads, source = recycle_info(), _core.get_num_threads(), _SOURCE_AT_IMPORT
    if threads != _THREADS_AT_IMPORT:
        source = f"set by the program; at import {_THREADS_AT_IMPORT}, {source}"
    used = f"{_readable(cache.held)} of {_readable(cache.limit)} held"
    facts = {
        "fastrelu": __version__,
        "compiler": _core.compiler,
        "compiled": " ".join(_core.compiled_isas()),
        "available": " ".join(_core.available_isas()),
        "active": _core.isa(),
        "threads": f"{threads} ({source})",
        "recycling": used if cache.limit else "off",
        "NumPy": np.__version__,
        "Python": f"{platform.python_version()} on {platform.machine()}",
    }
    for name, value in facts.items():
        print(f"{name:<10} {value}")


def _readable(size: int) -> str:
    value, units = float(size), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:  # noqa: PLR2004
        value, units = value / 1024, units[1:]
    return f"{value:.3g} {units[0]}" if size else "0"


def _read_variable(name: str, parse: Callable[[str], int]) -> int | None:
    """Return the value of an environment variable; None if it is not set, empty or invalid."""
    text = os.environ.get(name, "")
    try:
        return parse(text.strip()) if text.strip() else None
    except ValueError as error:
        # Bytes that are not text, which Python decodes to surrogates, appear as \xff.
        printable = os.fsencode(text).decode("utf-8", "backslashreplace")
        _warn(f"{name}={printable} is ignored: {error}")
        return None


def _warn(message: str) -> None:
    """Warn at the innermost line outside of this package and of the import system."""
    frame, inner = sys._getframe(1), (os.path.dirname(__file__), "<frozen importlib")
    while frame.f_back and frame.f_code.co_filename.startswith(inner):
        frame = frame.f_back
    warnings.warn_explicit(message, RuntimeWarning, frame.f_code.co_filename, frame.f_lineno)


def _parse_bytes(text: str) -> int:
    match = re.fullmatch(r"\s*([0-9]{1,20})([KMG]?)\s*", text.upper())
    if match is None:
        raise ValueError("not a number of bytes, such as 536870912 or 512M")
    return int(match[1]) << _SHIFTS[match[2]]


def _parse_threads(text: str) -> int:
    number = int(text) if re.fullmatch(r"\s*[0-9]{1,20}\s*", text) else 0
    if not 1 <= number <= _core.max_threads:
        raise ValueError(f"not a whole number from 1 to {_core.max_threads}")
    return number


def _threads_of_environment() -> tuple[int, str]:
    if number := _read_variable("FASTRELU_NUM_THREADS", _parse_threads):
        return number, "FASTRELU_NUM_THREADS"
    first = _read_variable("OMP_NUM_THREADS", lambda text: _parse_threads(text.split(",")[0]))
    if first:  # of one per nested level
        return first, "OMP_NUM_THREADS"
    return min(_system.CORES, _core.max_threads), "the cores of this process"


_THREADS_AT_IMPORT, _SOURCE_AT_IMPORT = _threads_of_environment()
_core.set_num_threads(_THREADS_AT_IMPORT)
_limit = _read_variable("FASTRELU_RECYCLE_LIMIT", _parse_bytes)
set_recycle_limit(_system.MEMORY // 16 if _limit is None else _limit)
