"""How many threads calls may use."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from fastrelu import _core, _environment, _system

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager


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
    _core.set_num_threads(_checked(n))


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
    return _limited(_checked(n))


@contextmanager
def _limited(n: int) -> Iterator[None]:
    before = _core.get_num_threads()
    _core.set_num_threads(n)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def _checked(n: SupportsIndex) -> int:
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


def describe() -> str:
    """Say how many threads there are and who said so, for `show_config`."""
    now = _core.get_num_threads()
    if now == _NUMBER_AT_IMPORT:
        return f"{now} ({_SOURCE_AT_IMPORT})"
    return f"{now} (set by the program; at import {_NUMBER_AT_IMPORT}, {_SOURCE_AT_IMPORT})"


def _read_environment() -> tuple[int, str]:
    parse = _environment.whole_number(1, _core.max_threads)
    for name, parse_variable in (
        ("FASTRELU_NUM_THREADS", parse),
        ("OMP_NUM_THREADS", lambda text: parse(text.split(",")[0])),  # one per nested level
    ):
        if number := _environment.read(name, parse_variable):
            return number, name
    return min(_system.CORES, _core.max_threads), "the cores of this process"


_NUMBER_AT_IMPORT, _SOURCE_AT_IMPORT = _read_environment()
_core.set_num_threads(_NUMBER_AT_IMPORT)
