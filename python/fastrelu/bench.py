"""The quick benchmark: fastrelu against NumPy's idioms and a copy, for a user without pytest.

``python -m fastrelu bench``; the repository's bench/ has other packages and more cells.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import product
from math import inf
from typing import Any, NamedTuple

import numpy as np

import fastrelu as fr
from fastrelu._arguments import picture, whole_number
from fastrelu._extras import require
from fastrelu._idioms import (
    FRESH,
    FUNCTIONS,
    OUT,
    Array,
    Operands,
    WrongResultError,
    idioms,
    keeps_integers,
    own,
    require_close,
    takes_gradient,
    takes_slope,
    tolerance_of,
)
from fastrelu._race import Call, call_of, race
from fastrelu._terminal import progress, table
from fastrelu.plot import draw_speeds
from fastrelu.testing import supported_dtypes

MAIN = ("relu", "relu_backward", "leaky_relu", "leaky_relu_backward")
SIZES = (64, 16_384, 1 << 20)
DTYPES = ("float32",)
SECONDS = 0.2
SLOPE = 0.2

_COPIES = {FRESH: "x.copy()", OUT: "np.copyto(out, x)"}
_ROUNDS = 9


class Cell(NamedTuple):
    """One function on arrays of one dtype and size."""

    function: str
    dtype: np.dtype[Any]
    size: int
    mode: str


class Row(NamedTuple):
    """What a cell's contenders took: seconds per call."""

    cell: Cell
    ours: float
    idiom: str
    theirs: float
    copy: float

    @property
    def speed_up(self) -> float:
        """How many times as long as fastrelu the fastest idiom takes."""
        return self.theirs / self.ours


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`, whose result goes to `main`."""
    parser.add_argument(
        "--function",
        action="append",
        choices=list(FUNCTIONS),
        metavar="NAME",
        help=f"instead of {' '.join(MAIN)} (may be repeated): %(choices)s",
    )
    parser.add_argument(
        "--dtype",
        action="append",
        metavar="NAME",
        help=f"instead of {' '.join(DTYPES)} (may be repeated): %(choices)s",
        choices=list(_dtypes()),
    )
    parser.add_argument(
        "--size",
        type=whole_number(1),
        nargs="+",
        default=SIZES,
        metavar="N",
        help=f"elements of the arrays (default: {' '.join(map(str, SIZES))})",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=SECONDS,
        metavar="S",
        help="time for each line of the table (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="threads that fastrelu may use (default: as many as it finds)",
    )
    parser.add_argument(
        "--plot", type=picture, metavar="FILE.png", help="draw time per element against size"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the table")


def main(args: argparse.Namespace) -> int:
    """Race with the options that `configure` declared; return the exit status.

    Raises
    ------
    ImportError
        If an extra is missing, before any work is done.
    """
    if args.plot is not None:
        require("matplotlib", "plot")
    cells = list(_cells(args.function, args.dtype or DTYPES, args.size))
    if not cells:
        print("nothing to race: these functions turn integers into float64", file=sys.stderr)
        return 2
    try:
        with fr.num_threads(args.threads or fr.get_num_threads()):
            rows = _rows(cells, args.seconds, quiet=args.quiet)
    except WrongResultError as difference:
        print(difference, file=sys.stderr)
        return 1
    except (MemoryError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    _print(rows)
    if args.plot is not None:
        draw_speeds(rows, args.plot)
        print(f"{args.plot}: time per element against size")
    return 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _dtypes() -> dict[str, np.dtype[Any]]:
    """Return those that NumPy's idioms know how to handle, by name."""
    numbers = (each for each in supported_dtypes() if each.kind in "iuf" or each.name == "bfloat16")
    return {dtype.name: dtype for dtype in numbers}


def _cells(
    functions: Sequence[str] | None, dtypes: Sequence[str], sizes: Sequence[int]
) -> Iterator[Cell]:
    by_name = _dtypes()
    for function, name, mode, size in product(functions or MAIN, dtypes, (FRESH, OUT), sizes):
        if by_name[name].kind not in "iu" or keeps_integers(function):
            yield Cell(function, by_name[name], size, mode)


def _rows(cells: Sequence[Cell], seconds: float, *, quiet: bool) -> list[Row]:
    with nullcontext(lambda _: None) if quiet else progress("race", len(cells)) as advance:
        rows = []
        for cell in cells:
            rows.append(_raced(cell, seconds))
            advance(1)
    return rows


def _raced(cell: Cell, seconds: float) -> Row:
    given = _operands(cell)
    names = given.names() | {"fr": fr, "slope": given.slope}
    mine, copy = own(cell.function, cell.mode), _COPIES[cell.mode]
    codes = [mine, copy, *idioms(cell.function, cell.mode, cell.dtype)]
    calls = {code: call_of(code, names) for code in codes}
    for code in codes[2:]:
        _check(cell, given, code, calls[mine], calls[code])
    times = race(calls, rounds=_ROUNDS, seconds=seconds / (len(codes) * _ROUNDS))
    medians = {code: each.median for code, each in times.items()}
    ours, copied = medians.pop(mine), medians.pop(copy)
    idiom, theirs = min(medians.items(), key=lambda item: item[1])
    return Row(cell, ours, idiom, theirs, copied)


def _operands(cell: Cell) -> Operands:
    rng = np.random.default_rng(0)

    def values() -> Array:
        normal = 20 * rng.standard_normal(cell.size)
        # Products stay normal numbers, integers stay in range.
        signed: Array = np.clip(normal + np.copysign(1, normal), -100, 100)
        return (abs(signed) if cell.dtype.kind == "u" else signed).astype(cell.dtype)

    x = values()
    gradient = values() if takes_gradient(cell.function) else None
    slope = SLOPE if takes_slope(cell.function) else None
    return Operands(x, gradient, slope, np.empty_like(x))


def _check(cell: Cell, given: Operands, code: str, ours: Call, theirs: Call) -> None:
    """Raise `WrongResultError` unless both calls give the same values."""

    def result_of(call: Call) -> Array:
        given.out[...] = 77  # what another call wrote must not pass for this one's result
        result = call()
        return given.out.copy() if cell.mode == OUT else np.asarray(result)

    tolerance = tolerance_of(cell.function, cell.dtype)
    require_close(f"{code} in {cell.dtype}", result_of(theirs), result_of(ours), tolerance)


def _print(rows: Sequence[Row]) -> None:
    table(
        f"medians of interleaved rounds, random signs; s = {SLOPE}",
        ["elements", "dtype", "fastrelu", "us", "fastest idiom", "us", "speed-up", "copy, us"],
        [
            [
                f"{row.cell.size:,}",
                row.cell.dtype.name,
                own(row.cell.function, row.cell.mode),
                _microseconds(row.ours),
                row.idiom,
                _microseconds(row.theirs),
                f"{row.speed_up:.1f}x",
                _microseconds(row.copy),
            ]
            for row in rows
        ],
    )
    print(
        "copy: x.copy() beside fresh results, np.copyto(out, x) beside out=; "
        "backward functions move half as much again"
    )


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.3f}"
