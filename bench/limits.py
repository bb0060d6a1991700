"""What memory allows, compiled on demand from limits.cpp: copies and loops of the same bytes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from fastrelu._idioms import FRESH, IN_PLACE, Array
from fastrelu._race import Call

SOURCE = Path(__file__).with_name("limits.cpp")
READ = "one read"
KINDS = (
    "memcpy",
    "streaming copy",
    "read-modify-write",
    "two reads, one write",
    "two reads, one write, streaming",
    READ,
)
_ENOUGH_BYTES = 1 << 20
"""Moving this much takes so long that the cost of a foreign call does not show."""


class Limits:
    """The compiled loops, on one thread and on a number of threads."""

    def __init__(self, library: Path, threads: int) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.limit_open.argtypes = [ctypes.c_size_t]
        self._library.limit_open.restype = ctypes.c_void_p
        self._library.limit_run.argtypes = [
            ctypes.c_void_p,
            ctypes.c_int,
            *3 * [ctypes.c_void_p],
            *2 * [ctypes.c_size_t],
        ]
        self._library.limit_close.argtypes = [ctypes.c_void_p]
        self._pools = {each: self._library.limit_open(each) for each in sorted({1, threads})}

    def close(self) -> None:
        """End the threads."""
        for pool in self._pools.values():
            self._library.limit_close(pool)

    def calls(self, kind: str, to: Array, a: Array, b: Array) -> Iterator[tuple[str, Call]]:
        """Yield, per number of threads, a call that moves the bytes of `to` `repeats(to)` times."""
        for threads, pool in self._pools.items():
            name = kind if threads == 1 else f"{kind}, {threads} threads"
            yield (
                name,
                partial(
                    self._library.limit_run,
                    pool,
                    KINDS.index(kind),
                    *(each.ctypes.data for each in (to, a, b)),
                    to.nbytes,
                    repeats(to),
                ),
            )


def repeats(array: Array) -> int:
    """Say how often one `Limits.run` does its work."""
    return max(1, _ENOUGH_BYTES // max(array.nbytes, 1024))


def kinds(mode: str, reads_two: bool) -> tuple[str, ...]:
    """Name the loops that move the bytes of a function in a mode; a fresh result needs more."""
    if mode == FRESH:
        return ()
    if reads_two:
        return KINDS[3:4] if mode == IN_PLACE else KINDS[3:5]
    return KINDS[2:3] if mode == IN_PLACE else KINDS[:2]


def compiler() -> str | None:
    """Return the C++ compiler: ``CXX``, or the system's, or None."""
    return os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")


@contextmanager
def compiled(threads: int) -> Iterator[Limits | None]:
    """Compile the loops, or yield None on a machine without a compiler."""
    program = compiler()
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "limits.so"
        _compile(program, library)
        limits = Limits(library, threads)
        try:
            yield limits
        finally:
            limits.close()


def _compile(program: str, library: Path) -> None:
    options = ["-std=c++17", "-O3", "-fPIC", "-shared", "-pthread"]
    command = [*program.split(), *options, str(SOURCE), "-o", str(library)]
    # Not every compiler knows the processor that it runs on.
    tuned = subprocess.run([*command, "-march=native"], check=False, capture_output=True)
    if tuned.returncode:
        subprocess.run(command, check=True)
