"""How kernels are run on each instruction set, and the result of `verify`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastrelu import _core

_FAILURES_SHOWN = 20
_Item = TypeVar("_Item")


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
        bits = f"({', '.join(self.inputs)}): expected {self.expected}, got {self.actual}"
        return f"{what} at {self.index} for {bits}" if self.inputs else what


class Call(NamedTuple):
    """One call of a kernel: what it is, the number of its results, and how to judge them."""

    case: tuple[Any, ...]
    size: int
    make: Callable[[], Any]
    # Takes results and floating-point errors, returns fields of a `Failure` if it is one.
    problem: Callable[[Any, set[str]], dict[str, Any] | None]

    def failure(self) -> dict[str, Any] | None:
        """Make the call, and say what is wrong with it."""
        warnings: set[str] = set()
        try:
            with recorded(warnings):
                result = self.make()
        except Exception as error:
            return {"problem": f"raised {type(error).__name__}: {error}"}
        return self.problem(result, warnings)


@dataclass
class Row:
    """The number of results compared, and the failures, of one function and dtype by ISA."""

    function: str
    dtype: str
    compared: dict[str, int]
    failures: dict[str, Failure] = field(default_factory=dict)
    digest: str = ""  # the SHA-256 of the results, where they are hashed

    def run(self, calls: Callable[[], Iterator[Call]]) -> None:
        """Make these calls on each instruction set that has not failed yet."""
        for isa in [each for each in self.compared if each not in self.failures]:
            with forced_isa(isa):
                for call in calls():
                    self.compared[isa] += call.size
                    if fields := call.failure():
                        case = ", ".join(map(str, call.case))
                        self.failures[isa] = Failure(self.function, self.dtype, isa, case, **fields)
                        break


@dataclass(frozen=True, repr=False)
class Verification:
    """The result of `fastrelu.verify`: true if nothing differed."""

    isas: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float
    left_out: str = ""  # the cases that were not run

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
        left_out = [f"left out: {self.left_out}"] if self.left_out else []
        failures = map(str, self.failures[:_FAILURES_SHOWN])
        return "\n".join([*failures, f"{done} in {self.seconds:.1f} s: {verdict}", *left_out])

    def print_table(self) -> None:
        """Print one line per function: its dtypes, the results compared, and the verdict."""
        for name in dict.fromkeys(row.function for row in self.rows):
            own = replace(self, rows=tuple(row for row in self.rows if row.function == name))
            verdict = "ok" if own else "DIFFERS"
            print(f"{name:<32}{len(own.rows):>3} dtypes {own.compared:>16,} results  {verdict}")
            for row in own.rows:
                if row.digest:
                    print(f"  {row.dtype}: SHA-256 {row.digest}")


def shown(what: str, items: Sequence[_Item], show: bool = True) -> Iterator[_Item]:
    """Show on stderr how far the iteration has come: by rich where it is installed."""
    tracked: Iterable[_Item] = items
    if show and find_spec("rich"):
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import track  # noqa: PLC0415

        tracked, show = track(items, what, console=Console(stderr=True)), False
    for done, item in enumerate(tracked):
        if show and done % (len(items) // 10 + 1) == 0:
            print(f"{what}: {done} of {len(items)}", file=sys.stderr)
        yield item
