"""How kernels are run on each instruction set, and the result of `verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastrelu import _core

_FAILURES_SHOWN = 20


@contextmanager
def forced_isa(name: str) -> Iterator[None]:
    """Run every function on the instruction set `name` inside a ``with`` block.

    The whole process switches, so this is for tests and measurements in one thread.

    Raises
    ------
    ValueError
        If there is no such instruction set, or this processor cannot run it.

    Examples
    --------
    >>> import fastrelu as fr
    >>> from fastrelu.testing import forced_isa
    >>> with forced_isa("scalar"):
    ...     fr.isa()
    'scalar'
    """
    previous = _core.use_isa(name)
    try:
        yield
    finally:
        _core.use_isa(previous)


@contextmanager
def recorded(kinds: set[str]) -> Iterator[None]:
    """Collect the kinds of floating-point errors instead of warning about them."""
    with np.errstate(all="call", call=lambda kind, flags: kinds.add(kind)):
        yield


@dataclass(frozen=True)
class Failure:
    """The first difference of a function for one dtype on one instruction set."""

    function: str
    dtype: str
    isa: str
    case: str
    problem: str
    index: tuple[int, ...] = ()
    inputs: tuple[str, ...] = ()
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        """Describe it in one line."""
        what = f"{self.function} {self.dtype} on {self.isa}, {self.case}: {self.problem}"
        if not self.inputs:
            return what
        bits = f"({', '.join(self.inputs)}): expected {self.expected}, got {self.actual}"
        return f"{what} at {self.index} for {bits}"


class Call(NamedTuple):
    """One call of a kernel, and how to judge it."""

    case: tuple[Any, ...]
    size: int
    """The number of results that are compared."""
    make: Callable[[], Any]
    problem: Callable[[Any, set[str]], dict[str, Any] | None]
    """Of the result and the floating-point errors: fields of a `Failure`, if it is one."""


@dataclass
class Row:
    """The number of results compared, and the failures, of one function and dtype by ISA."""

    function: str
    dtype: str
    compared: dict[str, int]
    failures: dict[str, Failure] = field(default_factory=dict)

    def run(self, calls: Callable[[], Iterator[Call]]) -> None:
        """Make these calls on each instruction set that has not failed yet."""
        for isa in (each for each in self.compared if each not in self.failures):
            with forced_isa(isa):
                for call in calls():
                    self.compared[isa] += call.size
                    if problem := _problem(call):
                        case = ", ".join(map(str, call.case))
                        failure = Failure(self.function, self.dtype, isa, case, **problem)
                        self.failures[isa] = failure
                        break


def _problem(call: Call) -> dict[str, Any] | None:
    warnings: set[str] = set()
    try:
        with recorded(warnings):
            result = call.make()
    except Exception as error:
        return {"problem": f"raised {type(error).__name__}: {error}"}
    return call.problem(result, warnings)


@dataclass(frozen=True, repr=False)
class Verification:
    """The result of `verify`: true if nothing differed."""

    isas: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float
    left_out: str = ""
    """The cases that were not run; empty after a complete run."""

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The first failure of each function, dtype and instruction set that has one."""
        return tuple(failure for row in self.rows for failure in row.failures.values())

    @property
    def compared(self) -> int:
        """The number of results compared."""
        return sum(sum(row.compared.values()) for row in self.rows)

    def __bool__(self) -> bool:
        """Whether nothing differed."""
        return not self.failures

    def __repr__(self) -> str:
        """List the first failures, the number of results compared, and the cases left out."""
        verdict = "all bits agree" if self else f"{len(self.failures)} differences"
        done = f"{self.compared:,} results compared on {', '.join(self.isas)}"
        lines = [*map(str, self.failures[:_FAILURES_SHOWN])]
        lines.append(f"{done} in {self.seconds:.1f} s: {verdict}")
        return "\n".join([*lines, f"left out: {self.left_out}"] if self.left_out else lines)

    def print_table(self) -> None:
        """Print one line per function: its dtypes, the results compared, and the verdict."""
        for name in dict.fromkeys(row.function for row in self.rows):
            rows = [row for row in self.rows if row.function == name]
            compared = sum(sum(row.compared.values()) for row in rows)
            verdict = "DIFFERS" if any(row.failures for row in rows) else "ok"
            print(f"{name:<32}{len(rows):>3} dtypes {compared:>16,} results  {verdict}")
