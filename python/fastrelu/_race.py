"""Interleaved timing: the one place that holds a clock.

Contenders take turns, round by round, so that whatever else the machine does hits all alike. Their
times are net of the call of an empty function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from timeit import Timer
from typing import Any, TypeAlias

Call: TypeAlias = Callable[[], Any]
Clock: TypeAlias = Callable[[], float]

ROUNDS = 11
SECONDS_PER_ROUND = 0.002
FEWEST_ROUNDS = 3
"""Rounds that even the slowest contender takes part in."""

_GROWTH = 8
_PATIENCE = 8
"""Rounds' worth of time that one call may take before its contender sits rounds out."""
_LEAST = 1e-9
"""What a time is that the clock cannot tell from an empty call."""


@dataclass(frozen=True)
class Times:
    """Seconds per call, one figure per round, net of an empty call."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round's time."""
        return median(self.rounds)

    def percentile(self, percent: float) -> float:
        """Return the smallest time that at least `percent` per cent of the rounds stay within."""
        rank = -int(-len(self.rounds) * percent // 100)
        return sorted(self.rounds)[max(rank, 1) - 1]


def call_of(code: str, names: Mapping[str, Any]) -> Call:
    """Make a function without parameters of an expression or of statements.

    The text in a report is then the code that ran, and every contender costs the same empty call.

    Parameters
    ----------
    code : str
        An expression, whose value the function returns, or statements on one line.
    names : mapping of str to object
        What the names in `code` mean.

    Returns
    -------
    callable

    Examples
    --------
    >>> call_of("x + 1", {"x": 2})()
    3
    >>> values = [3]
    >>> call_of("values[0] = 4", {"values": values})()
    >>> values
    [4]
    """
    scope = dict(names)
    # Only code of this project comes here, never a user's.
    exec(f"def call(): {'return ' if _is_expression(code) else ''}{code}", scope)  # noqa: RUF100
    call: Call = scope.pop("call")  # a scope that held it would be a cycle, and keep large arrays
    return call


def race(
    contenders: Mapping[str, Call],
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS_PER_ROUND,
    before: Callable[[str], Any] | None = None,
    clock: Clock = perf_counter,
) -> dict[str, Times]:
    """Time all contenders in interleaved rounds.

    Parameters
    ----------
    contenders : mapping of str to callable
        What to call, by name.
    rounds : int
        How often each contender has its turn. One whose single call takes many times `seconds`
        sits some rounds out, but never so many that fewer than `FEWEST_ROUNDS` are left.
    seconds : float
        How long a turn takes; calls are repeated to fill it. With 0 a turn is one call.
    before : callable, optional
        Called with the contender's name before each of its turns: to prepare for it, or to wait
        until the threads of the one before sleep.
    clock : callable
        As `time.perf_counter`.

    Returns
    -------
    dict of str to Times
        In the order of `contenders`.

    Examples
    --------
    >>> times = race({"sum": lambda: sum(range(100))}, rounds=3, seconds=1e-4)
    >>> len(times["sum"].rounds), times["sum"].median > 0
    (3, True)
    """
    empty = _Runner("", _empty, seconds, rounds, clock)
    runners = [_Runner(name, call, seconds, rounds, clock) for name, call in contenders.items()]
    order = [empty, *runners]
    for number in range(rounds):
        for runner in order:
            if number % runner.stride == 0:
                if before is not None and runner is not empty:
                    before(runner.name)
                runner.run()
        order.reverse()  # no contender always finds the caches that the same other one left
    cost = median(empty.rounds)
    return {
        runner.name: Times(tuple(max(each - cost, _LEAST) for each in runner.rounds))
        for runner in runners
    }


def once(call: Call, clock: Clock = perf_counter) -> float:
    """Return the seconds of a single call, for what only happens the first time."""
    return Timer(call, timer=clock).timeit(1)


def _is_expression(code: str) -> bool:
    try:
        compile(code, "<contender>", "eval")
    except SyntaxError:
        return False
    return True


def _empty() -> None:
    """Cost what the timing of any call costs."""


class _Runner:
    """One contender: how often it is called per turn, how often it has a turn, what that took."""

    def __init__(self, name: str, call: Call, seconds: float, rounds: int, clock: Clock) -> None:
        self.name = name
        self._timer = Timer(call, timer=clock)
        self._timer.timeit(1)  # the first call pays for what later ones find ready
        loops, elapsed = self._calibrate(seconds)
        self._loops = max(1, int(loops * seconds / elapsed)) if elapsed else loops
        patience = seconds * _PATIENCE
        wanted = int(elapsed / loops / patience) if patience else 1
        self.stride = max(1, min(wanted, (rounds - 1) // (FEWEST_ROUNDS - 1)))
        self.rounds: list[float] = []

    def run(self) -> None:
        if self._loops > 1:
            self._timer.timeit(1)  # another contender had the caches
        self.rounds.append(self._timer.timeit(self._loops) / self._loops)

    def _calibrate(self, seconds: float) -> tuple[int, float]:
        """Return a number of calls that fills a good part of a turn, and what it took."""
        loops = 1
        while (elapsed := self._timer.timeit(loops)) < seconds / _GROWTH:
            loops *= _GROWTH
        return loops, elapsed
