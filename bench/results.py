"""What was measured, as docs/bench.json keeps it, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log, nan
from pathlib import Path
from typing import Any

from idioms import BESIDE, LIMIT, OURS

_NO_PEERS = (OURS, BESIDE, LIMIT)


@dataclass(frozen=True)
class Result:
    """One cell: nanoseconds by row, "peer: code"; `what` is "relu out", `where` "float32 64"."""

    what: str
    where: str
    times: dict[str, float]

    def peers(self) -> list[str]:
        """Name those that computed the cell."""
        return [each for each in dict.fromkeys(map(_peer_of, self.times)) if each not in _NO_PEERS]

    def fastest(self, *peers: str) -> tuple[str, float]:
        """Return the fastest row of these peers and its time; 0 if they have none."""
        mine = [(row, time) for row, time in self.times.items() if _peer_of(row) in peers]
        return min(mine, key=lambda item: item[1], default=("", 0.0))

    def ratio(self, *peers: str) -> float:
        """Return how many times as long as fastrelu the fastest of these peers takes."""
        return self.fastest(*peers)[1] / self.fastest(OURS)[1]


@dataclass(frozen=True)
class Run:
    """All cells on one number of threads, "1 thread"."""

    threads: str
    results: list[Result]

    def peers(self) -> list[str]:
        """Name all that computed any cell."""
        return list(dict.fromkeys(peer for each in self.results for peer in each.peers()))

    def ratios(self, peer: str) -> list[float]:
        """Return the peer's time over fastrelu's in every cell that it has."""
        return [each.ratio(peer) for each in self.results if peer in each.peers()]


def save(data: dict[str, Any], file: Path) -> None:
    """Write a line for each row, which has all its dtypes and sizes."""
    text = json.dumps(data, indent=1)
    text = text.replace("{\n     ", "{").replace("\n     ", " ").replace("\n    }", "}")
    file.write_text(text + "\n")


def runs_of(data: dict[str, Any]) -> list[Run]:
    """Turn what is kept by row into results by cell."""
    return [Run(threads, _results(kept)) for threads, kept in data["nanoseconds"].items()]


def kept(results: Sequence[Result]) -> dict[str, dict[str, dict[str, float]]]:
    """Turn results by cell into what is kept: by function and mode, row, dtype and size."""
    by_row: dict[str, dict[str, dict[str, float]]] = {}
    for each in results:
        for row, time in each.times.items():
            by_row.setdefault(each.what, {}).setdefault(row, {})[each.where] = float(f"{time:.3g}")
    return by_row


def _results(kept: dict[str, dict[str, dict[str, float]]]) -> list[Result]:
    found: dict[tuple[str, str], Result] = {}
    for what, rows in kept.items():
        for row, times in rows.items():
            for where, time in times.items():
                found.setdefault((what, where), Result(what, where, {})).times[row] = time
    return list(found.values())


def geometric_mean(numbers: Iterable[float]) -> float:
    """Return the mean that ratios have."""
    logarithms = [log(each) for each in numbers]
    return exp(sum(logarithms) / len(logarithms)) if logarithms else nan


def _peer_of(row: str) -> str:
    return row.partition(": ")[0]
