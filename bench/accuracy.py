"""Count the results that are not the nearest float: ``python bench/accuracy.py [--output docs]``.

OUTPUT gets accuracy.md. The rows are those of idioms.py, each package's first; the truth is that of
`fastrelu.reference`. A gradient is that of the number 1, so it is the derivative.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import peers
import report
from fastrelu import reference
from idioms import FLOATS, SMOOTH_BACKWARD, SMOOTH_FORWARD, Array, Cell, dtype_called
from idioms import names_of as inputs_of

STEP = 4_099
"""A prime, so the sample of float32 has all kinds of low bits."""
STEP_OF_FLOAT64 = 16
NARROW = ("float16", "bfloat16")
USUAL = 2.0**-8, 2.0**7
MANY = 10_000
_INTRODUCTION = f"""\
# Who rounds correctly?

Written by `python bench/accuracy.py`. "8.50%, 2" says: 8.50 % of a package's results are not the
float nearest to the real number, and the worst of them is 2 units in the last place away from it.

* The share is that of inputs from 1/256 to 128 of either sign. The worst is that of all inputs.
* Inputs are all finite numbers of 16 bits, and every {STEP:,}th bit pattern of float32. Those of
  float64 are every {STEP_OF_FLOAT64}th of these, followed by random bits.
* The truth is that of `fastrelu.reference`: computed with pairs of doubles, and rounded once.
* A gradient is that of the number 1. bench/idioms.py has the code; each package's first way counts.
* NaN instead of a number is more units away than infinity. Both zeros are the same.

A list below each table says for which inputs half of the bits of a result, or more, are wrong.
"""
Outcome = tuple[str, str]
"""The entry in the table, and for which inputs half of the bits are wrong, or nothing."""


def main() -> None:
    """Compare, write, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="FOLDER")
    file = parser.parse_args().output / "accuracy.md"
    machine = report.machine()
    peers.hold_to(1)
    with np.errstate(all="ignore"):
        file.write_text("\n".join(text(machine, peers.Peers(1))) + "\n")
    print(file)


def text(machine: dict[str, str], everybody: peers.Peers) -> Iterator[str]:
    """Yield the lines of accuracy.md."""
    yield _INTRODUCTION
    yield from report.table(["", ""], [[name, value] for name, value in machine.items()])
    for dtype in FLOATS:
        yield f"## {dtype}\n"
        yield from _of_dtype(dtype, everybody)


def _of_dtype(dtype: str, everybody: peers.Peers) -> Iterator[str]:
    x = sample(dtype)
    found: dict[str, dict[str, Outcome]] = {}
    for function in [*SMOOTH_FORWARD, *SMOOTH_BACKWARD]:
        cell = next(function.asked(dtype, x.shape))
        if {*inputs_of(cell.rows[0].how)} <= {"g", "x"}:
            found[function.name] = outcomes(cell, x, everybody)
    names = [name for name in peers.PEERS if any(name in each for each in found.values())]
    nothing: Outcome = ("", "")
    yield from report.table(
        ["", *names],
        [
            [f"`{function}`", *(each.get(name, nothing)[0] for name in names)]
            for function, each in found.items()
        ],
    )
    for name in names:
        far = {function: each.get(name, nothing)[1] for function, each in found.items()}
        parts = [f"`{function}` {where}" for function, where in far.items() if where]
        if parts:
            yield f"* {name}: {'; '.join(parts)}."
    yield ""


def outcomes(cell: Cell, x: Array, everybody: peers.Peers) -> dict[str, Outcome]:
    """Compare the first row of each peer with the truth."""
    arrays: dict[str, Any] = {"x": x, "g": np.ones_like(x)}
    exact = getattr(reference, cell.function)(*(arrays[i] for i in inputs_of(cell.rows[0].how)))
    found: dict[str, Outcome] = {}
    for row in cell.rows:
        if row.peer not in found:
            try:
                _, (result, *_) = everybody.computed(cell, row, arrays)
            except peers.AbsentError as absent:
                print(f"{cell.function} {cell.dtype}: {absent}")
                continue
            found[row.peer] = outcome(x, result.astype(x.dtype, copy=False), exact)
    return found


def outcome(x: Array, result: Array, exact: Array) -> Outcome:
    """Compare results with the exact ones."""
    units = distance(result, exact)
    usual = (np.abs(x) >= USUAL[0]) & (np.abs(x) < USUAL[1])
    share, worst = (units[usual] != 0).mean(), int(units.argmax())
    one, two = np.ones(1, x.dtype), np.full(1, 2, x.dtype)
    wrong = x[units > isqrt(int(distance(two, one)[0]))]
    where = (
        f"from {wrong.min():.3g} to {wrong.max():.3g} "
        f"({x[worst]:.3g} gives {result[worst]:.3g}, not {exact[worst]:.3g})"
        if wrong.size
        else ""
    )
    largest = f"{units[worst]:,}" if units[worst] < MANY else f"{float(units[worst]):.0e}"
    return (f"{share:.2%}, {largest}" if units[worst] else "0"), where


def distance(a: Array, b: Array) -> Array:
    """Count the floats from `a` to `b`; both zeros are one, and NaN is beyond infinity."""
    left, right = _ordered(a), _ordered(b)
    return np.where(left > right, left - right, right - left).view(np.uint64)


def _ordered(values: Array) -> Array:
    bits = values.view(f"i{values.itemsize}").astype(np.int64)
    lowest = -(2 ** (8 * values.itemsize - 1))
    return np.where(bits < 0, lowest - bits, bits)


def sample(dtype: str) -> Array:
    """Return all finite 16-bit floats, every `STEP`-th float32, or a part of those as float64."""
    if dtype in NARROW:
        x = np.arange(2**16, dtype=np.uint16).view(dtype_called(dtype))
    else:
        x = np.arange(0, 2**32, STEP, dtype=np.uint32).view(np.float32)
    x = x[np.isfinite(x)]
    if dtype == "float64":
        x = x[::STEP_OF_FLOAT64].astype(np.float64)
        x.view(np.uint64)[:] |= np.random.default_rng(0).integers(0, 2**29, x.size, np.uint64)
    return x


if __name__ == "__main__":
    main()
