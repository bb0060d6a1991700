"""pytest-benchmark over the list of idioms.py: one group is one question, its rows the answers.

Run it with ``pytest bench -k "relu and float32 and 64 and out"``; README.md has more to type.
"""

from __future__ import annotations

from typing import Any

import idioms
import peers
import pytest

ROWS = [
    pytest.param(cell, row, id=name) for cell in idioms.cells() for name, row in cell.named_rows()
]


@pytest.mark.benchmark(warmup=True, warmup_iterations=100)  # calibrated on warm calls
@pytest.mark.filterwarnings("default")  # other packages' warnings fail no row
@pytest.mark.parametrize(("cell", "row"), ROWS)
def test_speed(benchmark: Any, packages: peers.Peers, cell: idioms.Cell, row: idioms.Row) -> None:
    try:
        call, args = packages.prepared(cell, row)
    except peers.AbsentError as absent:
        pytest.skip(str(absent))
    benchmark.group, benchmark.name = cell.group, row.name
    benchmark(call, *args)
