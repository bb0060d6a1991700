"""Interleaved timing: contenders take turns, so that what else the machine does hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from timeit import Timer
from typing import Any

Call = Callable[[], Any]

ROUNDS = 11
SECONDS = 0.002
FEWEST_ROUNDS = 3
_PATIENCE = 8
"""Turns' worth of time that one call may take before its contender sits rounds out."""
_LEAST = 1e-9
"""A time that the clock cannot tell from an empty call."""


def race(
    calls: Mapping[str, Call],
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    before: Callable[[], Any] | None = None,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, float]:
    """Return the median seconds of one call of each contender, net of an empty call.

    A turn repeats the call for `seconds`; with 0 it is one call. A contender whose single call
    takes many turns' time sits rounds out, but takes part in `FEWEST_ROUNDS`. `before` is called
    before each turn.
    """
    empty = _Contender(_nothing, seconds, rounds, clock)
    contenders = {name: _Contender(call, seconds, rounds, clock) for name, call in calls.items()}
    order = [empty, *contenders.values()]
    for number in range(rounds):
        for each in order:
            if number % each.stride == 0:
                if before is not None:
                    before()
                each.run()
        order.reverse()  # no contender always finds the caches as the same other one left them
    cost = median(empty.turns)
    return {name: max(median(each.turns) - cost, _LEAST) for name, each in contenders.items()}


def _nothing() -> None:
    """Cost what the timing of any call costs."""


class _Contender:
    """How often a call is repeated in a turn, how often it has a turn, and what the turns took."""

    def __init__(self, call: Call, seconds: float, rounds: int, clock: Callable[[], float]) -> None:
        self._timer = Timer(call, timer=clock)
        self._timer.timeit(1)  # the first call pays for what later ones find ready
        repeats, elapsed = 1, self._timer.timeit(1)
        while elapsed < seconds / 8:
            repeats *= 8
            elapsed = self._timer.timeit(repeats)
        self._repeats = max(1, int(repeats * seconds / elapsed)) if elapsed else repeats
        wanted = int(elapsed / repeats / (seconds * _PATIENCE)) if seconds else 1
        self.stride = max(1, min(wanted, (rounds - 1) // (FEWEST_ROUNDS - 1)))
        self.turns: list[float] = []

    def run(self) -> None:
        if self._repeats > 1:
            self._timer.timeit(1)  # another contender had the caches
        self.turns.append(self._timer.timeit(self._repeats) / self._repeats)
