"""A clock that plays recorded rounds back to pytest-benchmark.

All contenders of a cell are raced together, interleaved, before the first of them is reported.
Each contender's benchmark then plays its own rounds back: one call of the target is one round, and
this clock, set as the benchmark's timer, says that it took what the round took.
"""

from __future__ import annotations

from collections.abc import Iterable


class Replay:
    """The recorded rounds of one contender, in seconds."""

    def __init__(self, rounds: Iterable[float]) -> None:
        self._rounds = iter(rounds)

    def rewind(self) -> None:
        """Set the clock to zero, so that a difference of two readings is a round to the bit."""
        _clock.now = 0.0

    def play(self) -> None:
        """Let one round pass."""
        _clock.now += next(self._rounds)


class _Clock:
    now = 0.0


_clock = _Clock()


def replayed() -> float:
    """Return the seconds played back since `Replay.rewind`."""
    return _clock.now
