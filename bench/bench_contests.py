"""The contests under pytest-benchmark; README.md says how to run them."""

from __future__ import annotations

from typing import Any

import pytest
from contests import CONTESTS, Contest

RACES = {
    f"{contest.name}: {name}": (contest, name) for contest in CONTESTS for name in contest.calls
}


@pytest.mark.parametrize(("contest", "name"), RACES.values(), ids=RACES)
def bench(benchmark: Any, contest: Contest, name: str) -> None:
    contest.check()
    benchmark.group = contest.name
    benchmark.name = name
    benchmark(contest.calls[name])
