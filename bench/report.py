"""Race every cell and write the report: ``python bench/report.py [--quick] [--output docs]``.

Two processes, one after the other, race all cells: one with every package on one thread, one on all
cores. OUTPUT gets bench.json with the medians, bench.md with the tables, bench.png with the plots.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import fastrelu as fr
import numpy as np
import peers
from fastrelu import _core
from idioms import LIMIT, OURS, Cell, cells, quick_cells
from plots import draw
from race import ROUNDS, race
from results import Result, Run, geometric_mean, kept, runs_of, save

SHARED = 16_384
"""From this many elements on some package may use more than one thread."""
LARGE, FEW_ROUNDS = 16_777_216, 5
PAUSE = 0.002
"""Seconds for the threads of other packages, which spin for a while, to fall asleep."""
_INTRODUCTION = """\
# The benchmark

Written by `{command}`: medians of interleaved rounds, net of the call of an empty function. Every
result was checked before any clock started. Ratios are the other's time over fastrelu's: above 1,
fastrelu is faster. A package's ratio is that of its fastest way; bench/idioms.py has the code of
all ways, bench.json the time of each.

"limit" is NumPy's copy of x, which reads half of what a backward function reads. In place, the
leaky functions run with slope 1, for any other would wear the numbers out, and relu finds no
negative number after its first call.
"""


def main() -> None:
    """Measure, write, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="few cells, within two minutes")
    parser.add_argument("--again", action="store_true", help="write from the last run's bench.json")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)  # THREADS FILE: in this process
    args = parser.parse_args()
    if args.run:
        Path(args.run[1]).write_text(json.dumps(measured(int(args.run[0]), args.quick)))
        return
    saved = args.output / "bench.json"
    if not args.again:
        save(measured_by_processes(args.quick), saved)
    data = json.loads(saved.read_text())
    (args.output / "bench.md").write_text("\n".join(text(data)) + "\n")
    draw(runs_of(data), args.output / "bench.png")
    print(f"{args.output}: bench.json, bench.md, bench.png")


def measured_by_processes(quick: bool) -> dict[str, Any]:
    """Run this file on one thread, then on all: packages read their threads when imported."""
    options = ["--quick"] * quick
    facts, times = machine(), {}
    absent: dict[str, None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for threads in dict.fromkeys((1, peers.cores())):
            file = Path(folder) / "run.json"
            command = [sys.executable, __file__, "--run", str(threads), str(file), *options]
            subprocess.run(command, check=True)
            run = json.loads(file.read_text())
            times[f"{threads} thread{'s' * (threads > 1)}"] = run["nanoseconds"]
            absent |= dict.fromkeys(run["absent"])
    shown = " ".join(["python bench/report.py", *options])
    return {"command": shown, "machine": facts, "absent": [*absent], "nanoseconds": times}


def measured(threads: int, quick: bool) -> dict[str, Any]:
    """Race every cell with all packages on a number of threads."""
    peers.hold_to(threads)
    everybody = peers.Peers(threads)
    absent: dict[str, None] = {}
    results, function = [], ""
    for cell in quick_cells() if quick else cells():
        if threads > 1 and cell.size < SHARED:
            continue  # nobody shares the work: the run on one thread has said all
        if cell.function != function:
            function = cell.function
            print(f"{threads} thread(s): {function}", file=sys.stderr, flush=True)
        results.append(_raced(cell, everybody, absent, quick))
    return {"absent": [*absent], "nanoseconds": kept(results)}


def _raced(cell: Cell, everybody: peers.Peers, absent: dict[str, None], quick: bool) -> Result:
    calls = {}
    for row in cell.rows:
        try:
            call, args = everybody.prepared(cell, row)
        except peers.AbsentError as error:
            absent[str(error)] = None
            continue
        calls[row.name] = partial(call, *args)
    rounds = FEW_ROUNDS if quick or cell.size >= LARGE else ROUNDS
    before = partial(sleep, PAUSE) if fr.get_num_threads() > 1 else None
    seconds = race(calls, rounds=rounds, before=before)
    times = {name: each * 1e9 for name, each in seconds.items()}
    return Result(f"{cell.function} {cell.mode}", cell.where, times)


def machine() -> dict[str, str]:
    """Return what figures are worth nothing without; no date, no host name."""
    release = platform.release().partition("-")[0]
    versions = {each.packages[0]: name for name, each in peers.PEERS.items() if each.packages}
    return {
        "processor": f"{_processor()}, {peers.cores()} cores, {platform.machine()}",
        "load": f"{os.getloadavg()[0]:.1f} when it started",
        "system": f"{platform.system()} {release}, {' '.join(platform.libc_ver())}",
        "fastrelu": f"{fr.__version__}, {fr.isa()}, {_core.compiler}",
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        **{name: peers.version_of(package) or "absent" for package, name in versions.items()},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (each.partition(":")[2].strip() for each in lines if each.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def text(data: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of bench.md."""
    yield _INTRODUCTION.format(command=data["command"])
    yield from table(["", ""], [[name, value] for name, value in data["machine"].items()])
    runs = runs_of(data)
    for run in runs:
        yield f"## Against every package, all on {run.threads}\n"
        yield from _against(run)
    for run in runs:
        yield f"## Where fastrelu is not the fastest, all on {run.threads}\n"
        yield from _lost(run)
    for run in runs:
        yield f"## Every cell, all on {run.threads}\n"
        yield from _every_cell(run)


def _against(run: Run) -> Iterator[str]:
    best = [each.ratio(*each.peers()) for each in run.results if each.peers()]
    rows = [_summary(peer, run.ratios(peer)) for peer in run.peers()]
    rows.sort(key=lambda row: float(row[2]))
    head = ["against", "cells", "geometric mean", "smallest", "largest", "below 1"]
    yield from table(head, [_summary("**the best of them in each cell**", best), *rows])


def _summary(name: str, ratios: Sequence[float]) -> list[str]:
    figures = (geometric_mean(ratios), min(ratios), max(ratios))
    return [name, str(len(ratios)), *map(_ratio, figures), str(sum(each < 1 for each in ratios))]


def _lost(run: Run) -> Iterator[str]:
    lost = [each for each in run.results if each.peers() and each.ratio(*each.peers()) < 1]
    rows = []
    for each in sorted(lost, key=lambda each: each.ratio(*each.peers())):
        (code, time), (_, ours) = each.fastest(*each.peers()), each.fastest(OURS)
        what = f"{each.what} {each.where}"
        rows.append([what, f"`{code}`", _time(time), _time(ours), _ratio(time / ours)])
    yield from table(["cell", "fastest", "its time", "fastrelu", "ratio"], rows)


def _every_cell(run: Run) -> Iterator[str]:
    names = [*(each for each in peers.PEERS if each in run.peers()), LIMIT]
    rows = []
    for each in run.results:
        code, time = each.fastest(OURS)
        ratios = [_ratio(each.ratio(name)) for name in names]
        rows.append([f"`{code.partition(': ')[2]}`", each.where, _time(time), *ratios])
    yield from table(["call", "dtype and shape", "time", *names], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(each.replace('|', chr(92) + '|') for each in row)} |"
    yield ""


def _time(nanoseconds: float) -> str:
    for unit, scale in (("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def _ratio(ratio: float) -> str:
    if not ratio:
        return ""
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2f}"  # noqa: PLR2004


if __name__ == "__main__":
    main()
