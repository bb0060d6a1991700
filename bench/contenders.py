"""Who takes part in a cell, and the check of every result before any clock starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import fastrelu as fr
import numpy as np
from cells import CONTIGUOUS, STEADY_SLOPE, Array, Cell, operands
from fastrelu._idioms import (
    FRESH,
    FUNCTIONS,
    IN_PLACE,
    OUT,
    Operands,
    idioms,
    own,
    require_close,
    takes_slope,
    tolerance_of,
)
from fastrelu._race import Call, Times, call_of, race
from limits import Limits, kinds, repeats

OURS = "fastrelu"
LIMIT = "limit"
FEW = 1_024
"""Elements up to which an allocation is what a fresh result costs."""


@dataclass
class Task:
    """One cell with its arrays, which can be put back as they were."""

    cell: Cell
    operands: Operands
    expected: Array = field(init=False)
    _originals: list[tuple[Array, Array]] = field(init=False)

    def __post_init__(self) -> None:  # noqa: D105
        given = self.operands
        self._originals = [
            (each, each.copy(order="K")) for each in (given.x, given.g) if each is not None
        ]
        ufunc = FUNCTIONS[self.cell.function]
        arguments = [each for each in (given.g, given.x, given.slope) if each is not None]
        self.expected = ufunc(*arguments)

    @cached_property
    def names(self) -> dict[str, Any]:
        """What the names in the code of contenders mean."""
        return self.operands.names()

    @property
    def target(self) -> Array:
        """The array that the result goes to, when it is not a fresh one."""
        return self.operands.target(self.cell.mode)

    @property
    def is_dense(self) -> bool:
        """Whether other packages can hold the same arrays as their own."""
        return self.operands.x.flags.c_contiguous and self.operands.out.flags.c_contiguous

    def restore(self) -> None:
        """Put all arrays back as they were."""
        for array, original in self._originals:
            array[...] = original
        self.operands.out[...] = 77


@dataclass
class Contender:
    """A way to compute a cell.

    `result` finds the result, given what the call returned (None: a limit, which computes nothing);
    `tolerance` is relative; each call does the work `repeats` times.
    """

    peer: str
    code: str
    call: Call
    result: Callable[[Any], Array] | None
    tolerance: float = 0.0
    repeats: int = 1

    @property
    def name(self) -> str:
        """The name in reports."""
        return f"{self.peer}: {self.code}"


class Peer(Protocol):
    """A package that can do the same work."""

    name: str

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield its ways to compute the task, none if it cannot."""


def contender(peer: str, task: Task, code: str, names: dict[str, Any], **more: Any) -> Contender:
    """Make a contender that returns or writes a NumPy array."""
    result = np.asarray if task.cell.mode == FRESH else lambda _: task.target
    return Contender(peer, code, call_of(code, names), more.pop("result", result), **more)


class Fastrelu:
    """The ufuncs of fastrelu."""

    name = OURS

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield the ufunc's call."""
        names = task.names | {"fr": fr, "slope": task.operands.slope}
        yield contender(OURS, task, own(task.cell.function, task.cell.mode), names)


class NumPy:
    """The idioms, and copies as the limit of fresh results."""

    name = "NumPy"

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield every idiom that keeps the dtype."""
        cell, given = task.cell, task.operands
        for code in idioms(cell.function, cell.mode, given.x.dtype):
            yield contender(
                self.name,
                task,
                code,
                task.names,
                tolerance=tolerance_of(cell.function, given.x.dtype),
            )


class Copies:
    """The limits: NumPy's own copies, and compiled loops where there is a compiler."""

    name = LIMIT

    def __init__(self, limits: Limits | None) -> None:
        self._limits = limits

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield what moves the bytes of the task."""
        for code in self._numpy_codes(task):
            yield Contender(LIMIT, code, call_of(code, task.names), None)
        if self._limits is None or not (task.is_dense and task.cell.layout == CONTIGUOUS):
            return
        given = task.operands
        to = task.target
        a = given.x
        b = given.x if given.g is None else given.g
        for kind in kinds(task.cell.mode, given.g is not None):
            for name, call in self._limits.calls(kind, to, a, b):
                yield Contender(LIMIT, name, call, None, repeats=repeats(to))

    def _numpy_codes(self, task: Task) -> list[str]:
        mode = task.cell.mode
        if mode == FRESH:
            return ["x.copy()", *["np.empty_like(x)"] * (task.operands.x.size <= FEW)]
        # A copy moves two thirds of what a backward function does, which the loops move exactly.
        reads_two = task.operands.g is not None
        return ["np.copyto(out, x)"] if mode == OUT and not (reads_two and self._limits) else []


def check(task: Task, entrant: Contender) -> None:
    """Raise `WrongResultError` unless the contender's result is what fastrelu gives."""
    if entrant.result is not None:
        actual = np.asarray(entrant.result(entrant.call()))
        require_close(f"{task.cell.name}: {entrant.name}", actual, task.expected, entrant.tolerance)
    task.restore()


def prepared(cell: Cell, peers: Iterable[Peer]) -> list[Contender]:
    """Make all contenders of a cell, every result checked."""
    peers = list(peers)
    task = Task(cell, operands(cell))
    entrants = _checked(task, peers)
    if cell.mode == IN_PLACE and takes_slope(cell.function):
        task = Task(cell, operands(cell, STEADY_SLOPE))
        entrants = _checked(task, peers)
    return entrants


def times_of(cell: Cell, peers: Iterable[Peer], **how: Any) -> dict[str, Times]:
    """Race all contenders of a cell."""
    entrants = {each.name: each for each in prepared(cell, peers)}
    raced = race({name: each.call for name, each in entrants.items()}, **how)
    return {
        name: Times(tuple(each / entrants[name].repeats for each in times.rounds))
        for name, times in raced.items()
    }


def _checked(task: Task, peers: Iterable[Peer]) -> list[Contender]:
    entrants = []
    for peer in peers:
        for entrant in peer.contenders(task):
            check(task, entrant)
            entrants.append(entrant)
    return entrants
