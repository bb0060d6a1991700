"""Time every contest in interleaved rounds; print medians and ratios: ``python bench/ratios.py``.

Rounds are interleaved so that whatever else the machine does hits all contenders alike.
"""

from __future__ import annotations

from statistics import median
from timeit import Timer

from contests import CONTESTS, Call, Contest

ROUNDS = 40
SECONDS_PER_ROUND = 0.005


def _empty() -> None:
    """Cost what the timing of any call costs."""


def _seconds(calls: dict[str, Call]) -> dict[str, float]:
    timers = {name: Timer(call) for name, call in calls.items()}
    loops = {
        name: max(1, int(SECONDS_PER_ROUND / timer.timeit(1))) for name, timer in timers.items()
    }
    rounds = [
        {name: timer.timeit(loops[name]) / loops[name] for name, timer in timers.items()}
        for _ in range(ROUNDS)
    ]
    return {name: median(times[name] for times in rounds) for name in calls}


def report(contest: Contest) -> None:
    """Print one contest: microseconds and how many times fastrelu's, net of an empty call."""
    contest.check()
    seconds = _seconds({"empty": _empty, **contest.calls})
    empty = seconds.pop("empty")
    ours = next(iter(seconds.values())) - empty
    print(f"\n{contest.name}")
    for name, time in seconds.items():
        print(f"  {name:<32}{(time - empty) * 1e6:10.3f} us{(time - empty) / ours:8.2f}x")


if __name__ == "__main__":
    for contest in CONTESTS:
        report(contest)
