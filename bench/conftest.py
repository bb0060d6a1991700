"""``pytest bench --threads N``: all packages on N threads, on one unless told."""

from __future__ import annotations

from collections.abc import Iterator

import fastrelu as fr
import peers
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--threads", type=int, default=1, help="threads for every package of bench/")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("threads") < 1:
        raise pytest.UsageError("--threads: give a number from 1 on")


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Iterator[peers.Peers]:
    threads, before = request.config.getoption("threads"), fr.get_num_threads()
    peers.hold_to(threads)
    yield peers.Peers(threads)
    fr.set_num_threads(before)
