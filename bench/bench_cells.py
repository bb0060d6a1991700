"""Every cell under pytest-benchmark: ``pytest bench -k "relu-float32-64-"``.

The figures are those of interleaved rounds, net of an empty call; see replay.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peers
import pytest
from cells import Cell, all_cells
from contenders import LIMIT, Peer, prepared, times_of
from fastrelu._race import Times
from measure import everybody
from replay import Replay, replayed

NAMES = ("fastrelu", "NumPy", *(each.name for each in peers.CLASSES), LIMIT)


class Races:
    """Races each cell once for all its benchmarks, which follow each other."""

    def __init__(self, entrants: list[Peer]) -> None:
        self.entrants = entrants
        self._last: tuple[Cell, dict[str, Times]] | None = None

    def times(self, cell: Cell) -> dict[str, Times]:
        """Return the rounds of all contenders of a cell."""
        if self._last is None or self._last[0] != cell:
            self._last = cell, times_of(cell, self.entrants)
        return self._last[1]


@pytest.fixture(scope="session")
def races() -> Iterator[Races]:
    with everybody(peers.cores()) as entrants:
        yield Races(entrants)


@pytest.mark.benchmark(timer=replayed)
@pytest.mark.parametrize("name", NAMES)  # on top: it varies fastest
@pytest.mark.parametrize("cell", all_cells(), ids=lambda cell: cell.name)
def bench(benchmark: Any, races: Races, cell: Cell, name: str) -> None:
    if not benchmark.enabled:
        benchmark(prepared, cell, [each for each in races.entrants if each.name == name])
        return
    mine = {code: its for code, its in races.times(cell).items() if code.startswith(f"{name}: ")}
    if not mine:
        pytest.skip(f"{name}: {peers.absences.get(name, 'has no such call')}")
    code, times = min(mine.items(), key=lambda item: item[1].median)
    benchmark.group = cell.name
    benchmark.name = code
    benchmark.extra_info["medians"] = {each: its.median for each, its in mine.items()}
    replay = Replay(times.rounds)
    benchmark.pedantic(replay.play, setup=replay.rewind, rounds=len(times.rounds))
