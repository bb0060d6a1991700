"""Round every function of `exact.FUNCTIONS` correctly for all 2**32 float32 inputs.

    cd tests && nice python -m smooth.run [NAME...]

This takes GCC on x86-64, mpmath and half a minute for each function. It writes

* hard/NAME.f32: the inputs whose real value lies within 2**-44 of it from a number at which
  rounding changes, as little-endian float32 in the order of their bits. Whatever computes with a
  smaller error than that is right for all inputs if it is right for these. Where terms cancel, near
  the root of a derivative, it is 2**-44 of the terms.
* python/fastrelu/testing/digests.txt: the SHA-256 of all results.
"""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mpmath import mp, mpf
from smooth import exact

HERE = Path(__file__).resolve().parent
DIGESTS = HERE.parents[1] / "python" / "fastrelu" / "testing" / "digests.txt"
COMPILER = ("g++", "-std=gnu++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")
BLOCK = 1 << 22
ROOM = 1 << 16  # for hard inputs in a block
TAIL = 16.0  # from here on every function approaches its limit from one side
HEADER = """\
# SHA-256 of the correctly rounded float32 results for all bit patterns 0 to 0xffffffff in this
# order: 2**32 float32, little-endian. The result for a NaN is the same NaN, quiet (bit 22 set).
# elu and elu_derivative: alpha is 1. Written by tests/smooth/run.py.
"""


class Reference:
    """reference.cpp, compiled."""

    def __init__(self, folder: str) -> None:
        target = Path(folder) / "reference.so"
        sources = [str(HERE / "reference.cpp"), "-o", str(target)]
        subprocess.run([*COMPILER, "-shared", "-fPIC", *sources], check=True)
        self.compiled = ctypes.CDLL(str(target))
        self.compiled.smooth_results.restype = ctypes.c_long

    def results(self, name: str, first: int, count: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
        """The results for so many bit patterns from the first on, and those that are hard."""
        y = np.empty(count, np.float32)
        listed, undecided = np.empty(ROOM, np.uint32), np.empty(ROOM, np.uint8)
        block = ctypes.c_uint32(first), ctypes.c_uint32(count)
        arrays = [ctypes.c_void_p(each.ctypes.data) for each in (y, listed, undecided)]
        found = self.compiled.smooth_results(name.encode(), *block, *arrays, ctypes.c_long(ROOM))
        assert found >= 0, name
        hard = listed[:found].copy()
        open_ones = hard[undecided[:found] != 0]
        if open_ones.size:
            print(f"  {name}: mpmath decides {open_ones.size}")
            y[open_ones - np.uint32(first)] = exact.results(name, open_ones.view(np.float32))
        return y, hard

    def value(self, name: str, x: float) -> mpf:
        pieces = (ctypes.c_double * 3)()
        assert self.compiled.smooth_value(name.encode(), ctypes.c_float(x), pieces) == 0
        return mp.fsum(map(mpf, pieces))


def check_accuracy(reference: Reference, name: str) -> None:
    """The error in 113 bits, which reference.cpp takes to be below 2**-96."""
    random = np.random.default_rng(1)
    x = np.concatenate([random.normal(0, 4, 300), random.uniform(-100, 20, 100)])
    with mp.workdps(exact.DIGITS):
        for each in x.astype(np.float32).tolist():
            real = exact.value(name, each)
            error = abs(reference.value(name, each) - real)
            assert error < mpf(2) ** -98 * abs(real) + mpf(2) ** -200, (name, each)


class Tail:
    """The results towards one infinity: they must be monotone, and reach a finite limit before it.

    A bound in a formula that is too near would end in a plateau at another number.
    """

    def __init__(self) -> None:
        self.last = np.empty(0, np.float32)
        self.rises = self.falls = False

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        values = np.concatenate([self.last, y])
        self.rises |= bool((values[1:] > values[:-1]).any())
        self.falls |= bool((values[1:] < values[:-1]).any())
        assert not (self.rises and self.falls), x[0]
        if np.isinf(x[0]) and np.isfinite(y[0]):
            assert y[0].tobytes() == self.last.tobytes(), x[0]
        self.last = values[-1:]


def run(reference: Reference, name: str) -> str:
    """All results of a function: writes its hard list, returns the digest."""
    check_accuracy(reference, name)
    digest, hard = hashlib.sha256(), []
    tails = Tail(), Tail()
    for first in range(0, 1 << 32, BLOCK):
        y, found = reference.results(name, first)
        x = np.arange(first, first + BLOCK, dtype=np.uint32).view(np.float32)
        in_tail = np.abs(x) >= TAIL  # not NaN
        if in_tail.any():
            tails[first >> 31].add(x[in_tail], y[in_tail])
        digest.update(y.astype("<f4", copy=False))
        hard.append(found)
    np.concatenate(hard).astype("<u4").tofile(HERE / "hard" / f"{name}.f32")
    return digest.hexdigest()


def write(digests: dict[str, str]) -> None:
    known = dict(reversed(line.split()) for line in lines() if not line.startswith("#"))
    known |= digests
    rows = [f"{known[name]}  {name}\n" for name in exact.FUNCTIONS if name in known]
    DIGESTS.write_text(HEADER + "".join(rows))


def lines() -> list[str]:
    return DIGESTS.read_text().splitlines() if DIGESTS.exists() else []


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reference = Reference(folder)
        for name in names or exact.FUNCTIONS:
            start = time.monotonic()
            write({name: run(reference, name)})
            count = (HERE / "hard" / f"{name}.f32").stat().st_size // 4
            print(f"{name}: {count} hard inputs, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
