"""What the measurements say: ratios, geometric means, and the cells that are lost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import exp, log
from pathlib import Path
from typing import Any

from cells import Cell
from contenders import LIMIT, OURS
from situations import Row

_NO_PEERS = (OURS, LIMIT)


@dataclass(frozen=True)
class Result:
    """The medians of one cell, in seconds by "peer: code"."""

    cell: Cell
    threads: int
    seconds: dict[str, float]

    @cached_property
    def ours(self) -> float:
        """Our time."""
        return self.best_of(OURS)[1]

    def peers(self) -> list[str]:
        """Name those that computed the cell."""
        return [each for each in dict.fromkeys(map(_peer, self.seconds)) if each not in _NO_PEERS]

    def best_of(self, *peers: str) -> tuple[str, float]:
        """Return the code and the time of the fastest way of these peers."""
        mine = ((name, time) for name, time in self.seconds.items() if _peer(name) in peers)
        return min(mine, key=lambda item: item[1])

    @cached_property
    def best(self) -> tuple[str, float]:
        """The fastest peer's way."""
        return self.best_of(*self.peers())

    @cached_property
    def ratio(self) -> float:
        """How many times as long as fastrelu the best peer takes."""
        return self.best[1] / self.ours

    @cached_property
    def limit(self) -> float | None:
        """The time of the fastest copy, if the cell has one that moves its bytes."""
        return (
            self.best_of(LIMIT)[1] if any(_peer(each) == LIMIT for each in self.seconds) else None
        )

    @property
    def share(self) -> float | None:
        """The share of the limit's speed that fastrelu reaches."""
        return None if self.limit is None else self.limit / self.ours


@dataclass(frozen=True)
class Run:
    """All cells on one number of threads."""

    threads: int
    results: list[Result]
    situations: list[Row]

    def peers(self) -> list[str]:
        """Name all that computed any cell, in the order they first appear."""
        return list(dict.fromkeys(peer for each in self.results for peer in each.peers()))

    def ratios(self, peer: str) -> list[float]:
        """Return the peer's time over fastrelu's in every cell that it has."""
        return [each.best_of(peer)[1] / each.ours for each in self.results if peer in each.peers()]

    def lost(self) -> list[Result]:
        """Return the cells where a peer is faster, the worst first."""
        return sorted((each for each in self.results if each.ratio < 1), key=lambda e: e.ratio)


@dataclass(frozen=True)
class Report:
    """Everything that one call of report.py measured."""

    machine: dict[str, str]
    command: str
    runs: list[Run]


def loaded(file: Path) -> Report:
    """Read what report.py saved."""
    data: dict[str, Any] = json.loads(file.read_text())
    return Report(data["machine"], data["command"], [_run(each) for each in data["runs"]])


def _run(data: dict[str, Any]) -> Run:
    results = [
        Result(Cell(**each["cell"]), data["threads"], each["seconds"]) for each in data["results"]
    ]
    return Run(data["threads"], results, [Row(*each) for each in data["situations"]])


def geometric_mean(numbers: Iterable[float]) -> float:
    """Return the mean that ratios have."""
    logarithms = [log(each) for each in numbers]
    return exp(sum(logarithms) / len(logarithms))


def _peer(name: str) -> str:
    return name.partition(": ")[0]
