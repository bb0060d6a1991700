"""What interleaved cells cannot show: a process's first call, more threads, a busy machine.

Each function returns rows of (situation, contender, median seconds, 99th percentile or None).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import fastrelu as fr
import numpy as np
from cells import LARGEST
from fastrelu._race import Call, race
from peers import cores

PROCESSES = 7
TURNS = 200
THREADED_SIZES = (262_144, 1_048_576, 4_194_304)
"""1, 4 and 16 MiB of float32."""
_MIB = 1 << 20

_FIRST_CALL = """
import numpy as np, fastrelu as fr
from fastrelu._race import call_of, once
x = np.random.default_rng(0).standard_normal({size}, np.float32)
print(once(call_of({code!r}, {{"np": np, "fr": fr, "x": x}})))
"""


class Row(NamedTuple):
    """One line of the report."""

    situation: str
    contender: str
    median: float
    percentile_99: float | None


def first_calls(size: int = LARGEST, processes: int = PROCESSES) -> Iterator[Row]:
    """Time the first call ever in new processes, which take turns."""
    codes = ("fr.relu(x)", "x.copy()", "np.maximum(x, 0)")
    seconds: dict[str, list[float]] = {code: [] for code in codes}
    for _ in range(processes):
        for code in codes:
            run = subprocess.run(
                [sys.executable, "-c", _FIRST_CALL.format(size=size, code=code)],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds[code].append(float(run.stdout))
    for code, each in seconds.items():
        yield Row(f"first call of a process, {_mib(size)}", code, median(each), None)


def threads() -> Iterator[Row]:
    """Race two threads against one, on an idle machine and with all cores busy."""
    for size in THREADED_SIZES:
        yield from _threads(size, f"{_mib(size)}, idle machine")
    with all_cores_busy():
        for size in THREADED_SIZES:
            yield from _threads(size, f"{_mib(size)}, all cores busy")
    fr.set_num_threads(cores())


@contextmanager
def all_cores_busy() -> Iterator[None]:
    """Keep one other process per core computing."""
    spinning = [
        subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=-1)
        for _ in range(cores())
    ]
    try:
        for process in spinning:
            assert process.stdout is not None
            process.stdout.readline()  # it runs
        yield
    finally:
        for process in spinning:
            process.kill()
            process.communicate()


def _threads(size: int, situation: str) -> Iterator[Row]:
    x = np.random.default_rng(0).standard_normal(size, np.float32)
    out = np.empty_like(x)
    contenders: dict[str, Call] = {"np.copyto(out, x)": lambda: np.copyto(out, x)}
    counts = {f"fr.relu(x, out=out), threads: {count}": count for count in (1, 2)}
    contenders |= dict.fromkeys(counts, lambda: fr.relu(x, out=out))

    def before(name: str) -> None:
        """Set the number of threads, and let whatever that entails happen in an untimed call."""
        fr.set_num_threads(counts.get(name, 1))
        contenders[name]()

    for name, times in race(contenders, rounds=TURNS, seconds=0, before=before).items():
        yield Row(situation, name, times.median, times.percentile(99))


def _mib(size: int) -> str:
    return f"{size * 4 // _MIB} MiB"
