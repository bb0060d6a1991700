"""Race the cells in this process, with all packages on a number of threads; write JSON.

report.py starts it once per number of threads, for most packages read that when they are imported.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import sleep
from typing import Any

import contests
import limits
import peers
import situations
import training
from cells import CONTIGUOUS, LARGEST, SHARED, Cell, all_cells, quick_cells
from contenders import Copies, Fastrelu, NumPy, Peer, times_of
from fastrelu._terminal import progress

TRAINING = "training"
ROUNDS, QUICK_ROUNDS = 11, 5
PAUSE = 0.002
"""Seconds for the threads of other packages, which spin for a while, to fall asleep."""


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=[TRAINING])
    args = parser.parse_args()
    if args.threads == 1:
        peers.pin_to_one_core()
    run: dict[str, Any] = {"threads": args.threads, "results": [], "situations": []}
    if args.only is None:
        run |= measured(args.threads, args.quick)
    run[TRAINING] = trained(args.threads, args.quick)
    args.file.write_text(json.dumps(run))


@contextmanager
def everybody(threads: int) -> Iterator[list[Peer]]:
    """Give fastrelu, NumPy, the limits and all peers that are installed."""
    installed = _installed(threads, peers.CLASSES)
    with limits.compiled(threads) as loops:
        yield [Fastrelu(), NumPy(), *installed, Copies(loops)]


@contextmanager
def trainers(threads: int) -> Iterator[dict[str, training.Package]]:
    """Give all who take part in the contests of what training needs."""
    _installed(threads, training.PEERS)
    with limits.compiled(threads) as loops:
        yield training.packages(threads, loops)


def trained(threads: int, quick: bool) -> list[dict[str, Any]]:
    """Race what training needs."""
    chosen = contests.quick_contests() if quick else contests.all_contests()
    chosen = [each for each in chosen if threads == 1 or each.elements >= SHARED]
    rounds = QUICK_ROUNDS if quick else training.ROUNDS
    before = _pause if threads > 1 else None
    results = []
    label = f"race {len(chosen)} contests on {_threads(threads)}"
    with trainers(threads) as packages, progress(label, len(chosen)) as advance:
        for contest in chosen:
            times = training.times_of(contest, packages, rounds, before=before)
            seconds = {name: each.median for name, each in times.items()}
            results.append(training.record(contest) | {"seconds": seconds})
            advance(1)
    return results


def measured(threads: int, quick: bool) -> dict[str, Any]:
    """Race every cell; time the situations in the run on all threads."""
    cells = _chosen(threads, quick)
    results = []
    label = f"race {len(cells)} cells on {_threads(threads)}"
    with everybody(threads) as entrants, progress(label, len(cells)) as advance:
        for cell in cells:
            results.append(
                {"cell": asdict(cell), "seconds": _seconds(cell, entrants, threads, quick)}
            )
            advance(1)
    rows: list[situations.Row] = []
    if threads > 1:
        rows += situations.threads()
        rows += situations.first_calls(processes=3 if quick else situations.PROCESSES)
    return {"results": results, "situations": rows}


def _installed(threads: int, classes: Sequence[type[Peer]]) -> list[Peer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages, while they are imported
        return list(peers.installed(threads, classes))


def _threads(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def _chosen(threads: int, quick: bool) -> list[Cell]:
    cells = quick_cells() if quick else all_cells()
    if threads > 1:
        # Where nobody shares the work, the run on one thread has said all.
        cells = [each for each in cells if each.size >= SHARED]
    # Data of one dtype and size are made once, if their cells follow each other.
    return sorted(cells, key=lambda each: (each.layout != CONTIGUOUS, each.dtype, each.size))


def _seconds(cell: Cell, entrants: list[Peer], threads: int, quick: bool) -> dict[str, float]:
    rounds = QUICK_ROUNDS if quick or cell.size == LARGEST else ROUNDS
    before = _pause if threads > 1 else None
    times = times_of(cell, entrants, rounds=rounds, before=before)
    return {name: each.median for name, each in times.items()}


def _pause(_: str) -> None:
    sleep(PAUSE)


if __name__ == "__main__":
    main()
