"""What training needs under pytest-benchmark: ``pytest bench -k "relu6-float32-64-"``.

As in bench_cells.py, the figures are those of interleaved rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import peers
import pytest
from contenders import LIMIT, OURS
from contests import all_contests
from fastrelu._race import Times
from measure import trainers
from replay import Replay, replayed
from training import BESIDE, NUMPY, PEERS, Contest, Package, prepared, times_of

LABELS = (OURS, BESIDE, NUMPY, *(each.name for each in PEERS), LIMIT)


class Races:
    """Races each contest once for all its benchmarks, which follow each other."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self.packages = packages
        self._last: tuple[str, dict[str, Times]] | None = None

    def times(self, contest: Contest) -> dict[str, Times]:
        """Return the rounds of all entrants of a contest."""
        if self._last is None or self._last[0] != contest.name:
            self._last = contest.name, times_of(contest, self.packages)
        return self._last[1]


@pytest.fixture(scope="session")
def trained() -> Iterator[Races]:
    with trainers(peers.cores()) as packages:
        yield Races(packages)


@pytest.mark.benchmark(timer=replayed)
@pytest.mark.parametrize("label", LABELS)  # on top: it varies fastest
@pytest.mark.parametrize("contest", all_contests(), ids=lambda contest: contest.name)
def bench(benchmark: Any, trained: Races, contest: Contest, label: str) -> None:
    if label not in (contest.ours.label, *(each.label for each in contest.others)):
        pytest.skip(f"{label} has no such call")
    if not benchmark.enabled:
        benchmark(prepared, contest, trained.packages)
        return
    its = {
        code: one for code, one in trained.times(contest).items() if code.startswith(f"{label}: ")
    }
    if not its:
        pytest.skip(f"{label}: {peers.absences.get(label, 'has no such call')}")
    code, times = min(its.items(), key=lambda item: item[1].median)
    benchmark.group = contest.name
    benchmark.name = code
    replay = Replay(times.rounds)
    benchmark.pedantic(replay.play, setup=replay.rewind, rounds=len(times.rounds))
