"""Measure everything and write the report: ``python bench/report.py [--quick] [--output docs]``.

Two processes, one after the other, race all cells: one with every package on one thread, one on all
cores. OUTPUT/bench.md gets the tables, OUTPUT/bench.png the plots, OUTPUT/bench.json the medians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import machine
import peers
from cells import CONTIGUOUS, SIZES, Cell
from contenders import OURS
from fastrelu._idioms import IN_PLACE
from plots import draw
from results import Report, Result, Run, geometric_mean, loaded

REASONS = Path(__file__).with_name("reasons.toml")
_SMALL = 64
_SMALL_CALLS = (OURS, "limit: np.", "limit: x.", "NumPy", "PyTorch")
_WHOLE = 100
"""Ratios from here on are shown without decimals."""

_INTRODUCTION = """\
Written by `{command}`: medians of interleaved rounds, net of the call of an empty function. Every
result was checked against fastrelu's before any clock started. Ratios are the other's time over
fastrelu's: above 1, fastrelu is the faster one.

The limit moves the same bytes and computes nothing; beside fresh results it is `x.copy()`, which
moves two thirds of the bytes of a backward function. In place, leaky functions run with slope 1,
for any other would wear the numbers out, and relu finds no negative number after its first call.
"""


def main() -> None:
    """Measure, write, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="few cells, within two minutes")
    parser.add_argument("--again", action="store_true", help="write from the last run's bench.json")
    args = parser.parse_args()
    saved = args.output / "bench.json"
    if not args.again:
        saved.write_text(json.dumps(_measured(args.quick), indent=0) + "\n")
    report = loaded(saved)
    (args.output / "bench.md").write_text("\n".join(_text(report)) + "\n")
    draw(report, args.output / "bench.png")
    print(f"{args.output}: bench.md, bench.png, bench.json")


def _measured(quick: bool) -> dict[str, object]:
    measure = Path(__file__).with_name("measure.py")
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in dict.fromkeys((1, peers.cores())):
            file = Path(folder) / f"{threads}.json"
            command = [sys.executable, str(measure), str(file), "--threads", str(threads)]
            command += ["--quick"] * quick
            subprocess.run(command, check=True, env=peers.environment(threads))
            runs.append(json.loads(file.read_text()))
    command_line = f"python bench/report.py{' --quick' * quick}"
    return {"machine": machine.facts(), "command": command_line, "runs": runs}


def _text(report: Report) -> Iterator[str]:
    yield "# The benchmark"
    yield ""
    yield _INTRODUCTION.format(command=report.command)
    yield from _table(["", ""], [[name, value] for name, value in report.machine.items()])
    for run in report.runs:
        yield f"## Against every peer, all on {_threads(run)}"
        yield ""
        yield from _against_peers(run)
    yield from _small_calls(report.runs[0])
    yield from _situations(report.runs[-1])
    for run in report.runs:
        yield from _lost(run)
    for run in report.runs:
        yield from _cells(run)


def _against_peers(run: Run) -> Iterator[str]:
    rows = [_summary(peer, run.ratios(peer)) for peer in run.peers()]
    rows.sort(key=lambda row: float(row[2]))
    best = _summary("**the best of them in each cell**", [each.ratio for each in run.results])
    yield from _table(
        ["against", "cells", "geometric mean", "smallest", "largest", "below 1"], [best, *rows]
    )


def _summary(name: str, ratios: Sequence[float]) -> list[str]:
    below = sum(each < 1 for each in ratios)
    mean = geometric_mean(ratios)
    return [name, str(len(ratios)), *map(_ratio, (mean, min(ratios), max(ratios))), str(below)]


def _small_calls(run: Run) -> Iterator[str]:
    yield "## Small calls"
    yield ""
    rows = [
        [f"{result.cell.size}", f"`{name}`", _time(time), _ratio(time / result.ours)]
        for result in run.results
        if _is_small_call(result.cell)
        for name, time in sorted(result.seconds.items(), key=lambda item: item[1])
        if name.startswith(_SMALL_CALLS) and "from_numpy" not in name
    ]
    yield from _table(["elements", "call", "time", "ratio"], rows)


def _is_small_call(cell: Cell) -> bool:
    return cell.size <= _SMALL and cell.dtype == "float32" and cell.mode != IN_PLACE


def _situations(run: Run) -> Iterator[str]:
    yield "## First calls, threads, and a busy machine"
    yield ""
    rows = [
        [each.situation, f"`{each.contender}`", _time(each.median), _time(each.percentile_99)]
        for each in run.situations
    ]
    yield from _table(["situation", "call", "median", "99th percentile"], rows)


def _lost(run: Run) -> Iterator[str]:
    lost = run.lost()
    yield f"## Where fastrelu is not the fastest, all on {_threads(run)}"
    yield ""
    yield f"{len(lost)} of {len(run.results)} cells."
    yield ""
    rows = [
        [
            each.cell.name,
            f"`{each.best[0]}`",
            *map(_time, (each.best[1], each.ours)),
            _ratio(each.ratio),
            _percent(each.share),
            _reason(each),
        ]
        for each in lost
    ]
    columns = ["cell", "fastest", "time", "fastrelu", "ratio", "share of the limit", "reason"]
    yield from _table(columns, rows)


def _reason(result: Result) -> str:
    """Find the first entry of reasons.toml that the cell, its winner and the run match."""
    what = f"{result.cell.name} {result.best[0]}"
    threads = "one" if result.threads == 1 else "all"
    for each in tomllib.loads(REASONS.read_text()).get("reason", []):
        if fnmatchcase(what, each["cells"]) and each.get("threads", threads) == threads:
            return str(each["why"])
    return ""


def _cells(run: Run) -> Iterator[str]:
    yield f"## Every cell, all on {_threads(run)}"
    yield ""
    yield "fastrelu's time; the best peer's ratio and name; the share of the limit's speed."
    yield ""
    flat = [each for each in run.results if each.cell.layout == CONTIGUOUS]
    sizes = [size for size in SIZES if any(each.cell.size == size for each in flat)]
    yield from _table(
        ["function, dtype, mode", *(f"{size:,}" for size in sizes)],
        [
            [", ".join(key), *(_entry(size, group) for size in sizes)]
            for key, group in _grouped(flat, lambda c: (c.function, c.dtype, c.mode))
        ],
    )
    shaped = [each for each in run.results if each.cell.layout != CONTIGUOUS]
    sizes = [size for size in SIZES if any(each.cell.size == size for each in shaped)]
    yield from _table(
        ["layout, function, mode (float32)", *(f"{size:,}" for size in sizes)],
        [
            [", ".join(key), *(_entry(size, group) for size in sizes)]
            for key, group in _grouped(shaped, lambda c: (c.layout, c.function, c.mode))
        ],
    )


def _grouped(
    results: Sequence[Result], key: Callable[[Cell], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Result]]]:
    groups: dict[tuple[str, ...], list[Result]] = {}
    for each in results:
        groups.setdefault(key(each.cell), []).append(each)
    return sorted(groups.items())


def _entry(size: int, results: Sequence[Result]) -> str:
    for each in results:
        if each.cell.size == size:
            peer = each.best[0].partition(":")[0]
            share = "" if each.share is None else f", {_percent(each.share)}"
            return f"{_time(each.ours)}, {_ratio(each.ratio)} {peer}{share}"
    return ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _threads(run: Run) -> str:
    return "one thread" if run.threads == 1 else f"{run.threads} threads"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.0f} ns"


def _ratio(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= _WHOLE else f"{ratio:.2f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    main()
