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
from training import Asked

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
        return [each for each in dict.fromkeys(map(peer_of, self.seconds)) if each not in _NO_PEERS]

    def best_of(self, *peers: str) -> tuple[str, float]:
        """Return the code and the time of the fastest way of these peers."""
        mine = ((name, time) for name, time in self.seconds.items() if peer_of(name) in peers)
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
            self.best_of(LIMIT)[1] if any(peer_of(each) == LIMIT for each in self.seconds) else None
        )

    @property
    def share(self) -> float | None:
        """The share of the limit's speed that fastrelu reaches."""
        return None if self.limit is None else self.limit / self.ours


@dataclass(frozen=True)
class Trained:
    """The medians of one contest of what training needs, in seconds by "label: code"."""

    title: str
    dtype: str
    shape: tuple[int, ...]
    asked: list[Asked]
    differs: dict[str, str]
    seconds: dict[str, float]

    @property
    def ours(self) -> tuple[str, float]:
        """Our code and time."""
        return self.best_of(OURS)

    def labels(self) -> list[str]:
        """Name all who took part."""
        return list(dict.fromkeys(map(peer_of, self.seconds)))

    def ratio(self, label: str) -> float:
        """Return how many times as long as fastrelu somebody takes."""
        return self.best_of(label)[1] / self.ours[1]

    def missed(self) -> list[Asked]:
        """Return the bounds that were measured and not kept."""
        measured = (each for each in self.asked if each.against in self.labels())
        return [each for each in measured if not each.met(self.ratio(each.against))]

    def best_of(self, label: str) -> tuple[str, float]:
        """Return the code and the time of somebody's fastest way."""
        mine = ((name, time) for name, time in self.seconds.items() if peer_of(name) == label)
        return min(mine, key=lambda item: item[1])


@dataclass(frozen=True)
class Run:
    """All cells on one number of threads."""

    threads: int
    results: list[Result]
    situations: list[Row]
    training: list[Trained]

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
    training_command: str
    runs: list[Run]


def loaded(file: Path) -> Report:
    """Read what report.py saved."""
    data: dict[str, Any] = json.loads(file.read_text())
    runs = [_run(each) for each in data["runs"]]
    command = data["command"]
    return Report(data["machine"], command, data.get("training_command", command), runs)


def _run(data: dict[str, Any]) -> Run:
    results = [
        Result(Cell(**each["cell"]), data["threads"], each["seconds"]) for each in data["results"]
    ]
    trained = [
        Trained(
            **each
            | {"shape": tuple(each["shape"]), "asked": [Asked(**bound) for bound in each["asked"]]}
        )
        for each in data.get("training", [])  # older files have none
    ]
    return Run(data["threads"], results, [Row(*each) for each in data["situations"]], trained)


def geometric_mean(numbers: Iterable[float]) -> float:
    """Return the mean that ratios have."""
    logarithms = [log(each) for each in numbers]
    return exp(sum(logarithms) / len(logarithms))


def peer_of(name: str) -> str:
    """Return the peer of a name in reports, "peer: code"."""
    return name.partition(": ")[0]
