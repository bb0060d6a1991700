"""The runtime, one for the process: environment variables, threads, recycled memory.

Environment variables are read once, at import. An invalid value causes a RuntimeWarning and is
ignored. If the program turns warnings into errors (``python -W error``), the import raises the
warning instead and may be tried again. FASTRELU_ISA is not read here: an unknown name there raises
ImportError.
"""

from __future__ import annotations

import operator
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, TypeVar

import numpy as np

from fastrelu import _core, _system
from fastrelu._version import __version__

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager

T = TypeVar("T")

_PACKAGE = os.path.dirname(__file__)


def read_variable(name: str, parse: Callable[[str], T]) -> T | None:
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
    >>> read_variable("FASTRELU_EXAMPLE", int)
    12
    >>> del os.environ["FASTRELU_EXAMPLE"]
    >>> read_variable("FASTRELU_EXAMPLE", int) is None
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
    """Return a parser for `read_variable` that takes whole numbers from `minimum` to `maximum`.

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


def get_num_threads() -> int:
    """Return the number of threads that calls may use, the caller's included.

    Returns
    -------
    int
        What `set_num_threads` or `num_threads` said last; at import, what the environment variable
        ``FASTRELU_NUM_THREADS`` says, else the first number in ``OMP_NUM_THREADS``, else the number
        of cores that this process may use (its affinity and the CPU quota of its control groups).

    Examples
    --------
    >>> import fastrelu as fr
    >>> fr.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def set_num_threads(n: SupportsIndex) -> None:
    """Let calls use up to `n` threads from now on, in the whole process.

    The results are the same, bit for bit, for any number.

    Parameters
    ----------
    n : int
        From 1 (every call runs on its caller's thread alone) to 1024. More than there are cores is
        legal. Threads that are no longer needed are kept asleep.

    Raises
    ------
    TypeError
        If `n` is not an integer; a bool is none.
    ValueError
        If it is out of range.

    See Also
    --------
    num_threads : For the length of a ``with`` block.

    Examples
    --------
    >>> import fastrelu as fr
    >>> before = fr.get_num_threads()
    >>> fr.set_num_threads(2)
    >>> fr.get_num_threads()
    2
    >>> fr.set_num_threads(before)
    """
    _core.set_num_threads(_checked_number(n))


def num_threads(n: SupportsIndex) -> _GeneratorContextManager[None]:
    """Let calls use up to `n` threads inside of a ``with`` block, or of a decorated function.

    The number holds for the whole process, for calls from other threads too; the number of before
    comes back at the end.

    Parameters
    ----------
    n : int
        From 1 to 1024, as for `set_num_threads`.

    Returns
    -------
    context manager
        Which is a decorator, too.

    Raises
    ------
    TypeError
        If `n` is not an integer; a bool is none.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> import fastrelu as fr
    >>> with fr.num_threads(1):
    ...     fr.get_num_threads()
    1
    """
    return _limited(_checked_number(n))


@contextmanager
def _limited(n: int) -> Iterator[None]:
    before = _core.get_num_threads()
    _core.set_num_threads(n)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def _checked_number(n: SupportsIndex) -> int:
    if isinstance(n, bool | np.bool_):  # which older NumPys take for an index, with a warning
        raise TypeError("the number of threads must be an int, not bool")
    try:
        number = operator.index(n)
    except TypeError:
        name = type(n).__name__
        raise TypeError(f"the number of threads must be an int, not {name}") from None
    if not 1 <= number <= _core.max_threads:
        raise ValueError(f"the number of threads must be 1 to {_core.max_threads}, not {number}")
    return number


def _describe_threads() -> str:
    """Say how many threads there are and who said so, for `show_config`."""
    now = _core.get_num_threads()
    if now == _NUMBER_AT_IMPORT:
        return f"{now} ({_SOURCE_AT_IMPORT})"
    return f"{now} (set by the program; at import {_NUMBER_AT_IMPORT}, {_SOURCE_AT_IMPORT})"


def _threads_at_import() -> tuple[int, str]:
    parse = whole_number(1, _core.max_threads)
    for name, parse_variable in (
        ("FASTRELU_NUM_THREADS", parse),
        ("OMP_NUM_THREADS", lambda text: parse(text.split(",")[0])),  # one per nested level
    ):
        if number := read_variable(name, parse_variable):
            return number, name
    return min(_system.CORES, _core.max_threads), "the cores of this process"


_NUMBER_AT_IMPORT, _SOURCE_AT_IMPORT = _threads_at_import()
_core.set_num_threads(_NUMBER_AT_IMPORT)


_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}


class RecycleInfo(NamedTuple):
    """What `recycle_info` returns.

    Attributes
    ----------
    limit : int
        Bytes that may be put aside at most.
    held : int
        Bytes put aside now.
    blocks : int
        Number of blocks that hold them.
    reused : int
        Results so far that took a block put aside.
    mapped : int
        Results so far that took new memory from the system.
    """

    limit: int
    held: int
    blocks: int
    reused: int
    mapped: int


def recycle_info() -> RecycleInfo:
    """Say how much memory is put aside for large results, and how often it was reused.

    A fresh result of 1 MiB or more is an array as any other (it owns its data, ``resize`` is
    legal), but its memory is put aside when it is freed, and a later result of about that size
    takes it. This saves the page faults, which are half the time of a large result. Where a
    data-memory handler other than NumPy's default is set, it allocates the results instead.

    ``tracemalloc`` sees the arrays, but not what is put aside.

    Returns
    -------
    RecycleInfo
        A named tuple: limit, held, blocks, reused, mapped.

    See Also
    --------
    set_recycle_limit : How much may be put aside.
    trim : Gives it back.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> x = np.ones(1_000_000, np.float32)
    >>> y = fr.relu(x)
    >>> del y
    >>> fr.recycle_info().held >= x.nbytes
    True
    """
    return RecycleInfo(*_core.recycle_info())


def set_recycle_limit(bytes: SupportsIndex) -> None:
    """Limit the memory that is put aside for large results; 0 turns recycling off.

    At first the limit is ``FASTRELU_RECYCLE_LIMIT`` from the environment, in bytes or with a suffix
    (``512M``; K, M and G are powers of 1024), else a sixteenth of the memory that this process may
    use: the machine's or its control group's.

    Above the limit the oldest blocks go back to the system first. Blocks that nobody used for 10
    seconds go back at the next large result, made or freed. There are never more than 256 of them.
    All go back before a fork, so that a child starts with none; `subprocess` leaves them alone.

    Parameters
    ----------
    bytes : int
        The limit. Memory in use by arrays does not count.

    Raises
    ------
    TypeError
        If `bytes` is not an integer.
    ValueError
        If `bytes` is negative.

    See Also
    --------
    recycle_info : The limit, and what is put aside.

    Examples
    --------
    >>> import fastrelu as fr
    >>> before = fr.recycle_info().limit
    >>> fr.set_recycle_limit(0)
    >>> fr.recycle_info().held
    0
    >>> fr.set_recycle_limit(before)
    """
    limit = operator.index(bytes)
    if limit < 0:
        raise ValueError(f"the recycle limit must not be negative, but it is {limit}")
    _core.set_recycle_limit(min(limit, sys.maxsize))


def trim() -> int:
    """Give all memory that is put aside for large results back to the system.

    Returns
    -------
    int
        The bytes given back.

    See Also
    --------
    recycle_info : What is put aside.

    Examples
    --------
    >>> import fastrelu as fr
    >>> freed = fr.trim()
    >>> fr.trim()
    0
    """
    return _core.trim()


def _describe_recycling() -> str:
    """Say in a few words what is held, for `show_config`."""
    info = recycle_info()
    if info.limit == 0:
        return "off"
    return f"{_readable(info.held)} of {_readable(info.limit)} held"


def parse_bytes(text: str) -> int:
    """Read a number of bytes such as ``1048576``, ``1024K`` or ``1M``.

    Parameters
    ----------
    text : str
        A whole number, not negative, and possibly K, M or G in either case.

    Returns
    -------
    int
        The bytes.

    Raises
    ------
    ValueError
        If it is anything else.

    Examples
    --------
    >>> parse_bytes("512M")
    536870912
    """
    match = re.fullmatch(r"\s*([0-9]+)([KMG]?)\s*", text.upper())
    if match is None:
        raise ValueError("it must be a number of bytes, such as 536870912 or 512M")
    return int(match[1]) << _UNITS[match[2]]


def _readable(size: int) -> str:
    value, units = float(size), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:  # noqa: PLR2004
        value, units = value / 1024, units[1:]
    return f"{value:.3g} {units[0]}" if size else "0"


_limit = read_variable("FASTRELU_RECYCLE_LIMIT", parse_bytes)
set_recycle_limit(_system.MEMORY // 16 if _limit is None else _limit)


def show_config() -> None:
    """Print the version, the compiler, what calls run on, and the versions of NumPy and Python.

    Instruction sets are those *compiled* into this build, those *available* on this processor
    (best first), and the one *active* now: the best, or what ``FASTRELU_ISA`` says. *threads* is
    what `get_num_threads` returns, and where the number comes from; *recycling* what of
    `recycle_info` people ask for.

    Examples
    --------
    >>> import fastrelu as fr
    >>> fr.show_config()  # doctest: +ELLIPSIS
    fastrelu   ...
    """
    import platform  # noqa: PLC0415

    facts = {
        "fastrelu": __version__,
        "compiler": _core.compiler,
        "compiled": " ".join(_core.compiled_isas()),
        "available": " ".join(_core.available_isas()),
        "active": _core.isa(),
        "threads": _describe_threads(),
        "recycling": _describe_recycling(),
        "NumPy": np.__version__,
        "Python": f"{platform.python_version()} on {platform.machine()}",
    }
    for name, value in facts.items():
        print(f"{name:<10} {value}")
