"""Recycled memory for large results."""

from __future__ import annotations

import operator
import re
import sys
from typing import NamedTuple, SupportsIndex

from fastrelu import _core, _environment, _system

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


def describe() -> str:
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


_limit = _environment.read("FASTRELU_RECYCLE_LIMIT", parse_bytes)
set_recycle_limit(_system.MEMORY // 16 if _limit is None else _limit)
