"""Measure everything and write the report: ``python bench/report.py [--quick] [--output docs]``.

Two processes, one after the other, race all cells: one with every package on one thread, one on all
cores. OUTPUT/bench.md gets the tables, OUTPUT/bench.png the plots, OUTPUT/bench.json the medians.
With ``--only training`` they race what training needs, and the rest stays as it was measured.
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
from typing import Any

import machine
import peers
from cells import CONTIGUOUS, SIZES, Cell
from contenders import LIMIT, OURS
from fastrelu._idioms import IN_PLACE
from measure import TRAINING
from plots import draw
from results import Report, Result, Run, Trained, geometric_mean, loaded, peer_of
from training import BESIDE, NUMPY, PEERS, Asked

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


_TRAINERS = (NUMPY, *(each.name for each in PEERS))
_TRAINING_INTRODUCTION = """\
Written by `{command}`; bench/contests.py has everybody's code.
A package's column is the time of its fastest way over fastrelu's. "Measured" stands beside what was
asked before anything was built, and comes from the same race; what misses it is **bold**.
"""


def main() -> None:
    """Measure, write, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="few cells, within two minutes")
    parser.add_argument(
        "--only", choices=[TRAINING], help="this part alone; the others stay as bench.json has them"
    )
    parser.add_argument("--again", action="store_true", help="write from the last run's bench.json")
    args = parser.parse_args()
    saved = args.output / "bench.json"
    if not args.again:
        if args.only and not saved.exists():
            parser.error(f"--only: {saved} with the rest of the report is not there")
        measured = _only_training(saved, args.quick) if args.only else _measured(args.quick)
        saved.write_text(json.dumps(measured, indent=0) + "\n")
    report = loaded(saved)
    (args.output / "bench.md").write_text("\n".join(_text(report)) + "\n")
    draw(report, args.output / "bench.png")
    print(f"{args.output}: bench.md, bench.png, bench.json")


def _measured(quick: bool) -> dict[str, Any]:
    command = f"python bench/report.py{' --quick' * quick}"
    runs = _runs(["--quick"] * quick)
    return {"machine": machine.facts(), "command": command, "runs": runs}


def _only_training(saved: Path, quick: bool) -> dict[str, Any]:
    """Return what was saved, with the contests of training measured anew.

    Raises
    ------
    SystemExit
        If the rest is of another machine, or of other versions of anything.
    """
    data: dict[str, Any] = json.loads(saved.read_text())
    facts = machine.facts()
    other = [name for name, fact in facts.items() if data["machine"].get(name) != fact]
    if other:
        sys.exit(f"--only: {saved} was measured with another {', another '.join(other)}")
    options = ["--only", TRAINING, *["--quick"] * quick]
    new = {run["threads"]: run[TRAINING] for run in _runs(options)}
    for run in data["runs"]:
        run[TRAINING] = new[run["threads"]]
    return data | {"training_command": " ".join(["python bench/report.py", *options])}


def _runs(options: Sequence[str]) -> list[dict[str, Any]]:
    """Start measure.py on one thread, then on all."""
    measure = Path(__file__).with_name("measure.py")
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in dict.fromkeys((1, peers.cores())):
            file = Path(folder) / f"{threads}.json"
            command = [sys.executable, str(measure), str(file), "--threads", str(threads)]
            subprocess.run([*command, *options], check=True, env=peers.environment(threads))
            runs.append(json.loads(file.read_text()))
    return runs


def _text(report: Report) -> Iterator[str]:
    yield "# The benchmark"
    yield ""
    yield _INTRODUCTION.format(command=report.command)
    yield from _table(["", ""], [[name, value] for name, value in report.machine.items()])
    for run in report.runs:
        yield f"## Against every peer, all on {_threads(run)}"
        yield ""
        yield from _against_peers(run)
    yield from _training(report)
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


def _training(report: Report) -> Iterator[str]:
    yield "## What training needs"
    yield ""
    yield _TRAINING_INTRODUCTION.format(command=report.training_command)
    for run in report.runs:
        yield f"### All on {_threads(run)}"
        yield ""
        yield from _table(
            ["elements", "call", "time", *_TRAINERS, "asked", "measured"],
            [row for each in run.training for row in _training_rows(each)],
        )
        yield _missed(run)
        yield ""
    yield "Results that are not fastrelu's byte for byte:"
    yield ""
    yield from _differences(report.runs[0])
    yield ""


def _training_rows(contest: Trained) -> Iterator[list[str]]:
    """Yield one row, or one for each bound."""
    name, time = contest.ours
    by_name = [
        _ratio(contest.ratio(each)) if each in contest.labels() else "" for each in _TRAINERS
    ]
    first = [_size(contest), f"`{_code(name)}`", _time(time), *by_name]
    bounds = [_bound(contest, each) for each in contest.asked] or [["", ""]]
    for bound in bounds:
        yield [*first, *bound]


def _bound(contest: Trained, asked: Asked) -> list[str]:
    if asked.against not in contest.labels():
        return [asked.words, "absent"]
    name, _ = contest.best_of(asked.against)
    against = f"`{_code(name)}`" if asked.against in (BESIDE, LIMIT) else asked.against
    ratio = contest.ratio(asked.against)
    figure = f"{asked.figure(ratio):.2f}"
    return [f"{asked.words}: {against}", figure if asked.met(ratio) else f"**{figure}**"]


def _size(contest: Trained) -> str:
    shape = f"{contest.shape[0]:,}" if len(contest.shape) == 1 else f"{contest.shape}"
    return shape if contest.dtype == "float32" else f"{shape} {contest.dtype}"


def _missed(run: Run) -> str:
    missed = [
        f"{each.title}, {_size(each)} ({' '.join(_bound(each, bound))})"
        for each in run.training
        for bound in each.missed()
    ]
    asked = sum(len(each.asked) for each in run.training)
    return f"Missed, {len(missed)} of {asked}: {'; '.join(missed) or 'none'}."


def _differences(run: Run) -> Iterator[str]:
    """Say who differs why, each once."""
    found: dict[str, dict[str, None]] = {}
    for each in run.training:
        for name, why in each.differs.items():
            if name in each.seconds:
                found.setdefault(why, {})[f"{peer_of(name)} in {each.title}"] = None
    for why, who in found.items():
        yield f"* {why}: {', '.join(who)}"


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


def _code(name: str) -> str:
    return name.partition(": ")[2]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    main()
