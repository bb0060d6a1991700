"""What `verify` found."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastrelu import _terminal


@dataclass(frozen=True)
class Failure:
    """The first thing that was wrong with a function for one dtype on one instruction set."""

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
        """Say it in one line."""
        what = f"{self.function} {self.dtype} on {self.isa}, {self.case}: {self.problem}"
        if not self.inputs:
            return what
        bits = f"({', '.join(self.inputs)}): expected {self.expected}, got {self.actual}"
        return f"{what} at {self.index} for {bits}"


@dataclass
class Row:
    """What was found for one function and dtype, per instruction set."""

    function: str
    dtype: str
    compared: dict[str, int]
    failures: dict[str, Failure] = field(default_factory=dict)

    def cell(self, isa: str) -> str:
        """Say in one word what was found on one instruction set."""
        return "DIFFERS" if isa in self.failures else f"{self.compared[isa]:,}"


@dataclass(frozen=True, repr=False)
class Verification:
    """The result of `verify`: true if nothing differed."""

    isas: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The first failure of each function, dtype and instruction set that has one."""
        return tuple(failure for row in self.rows for failure in row.failures.values())

    @property
    def ok(self) -> bool:
        """Whether nothing differed."""
        return not self.failures

    @property
    def compared(self) -> int:
        """How many results were compared."""
        return sum(sum(row.compared.values()) for row in self.rows)

    def __bool__(self) -> bool:
        """Whether nothing differed."""
        return self.ok

    def __repr__(self) -> str:
        """Sum it up in one line."""
        verdict = "ok" if self.ok else f"{len(self.failures)} DIFFER, the first: {self.failures[0]}"
        done = f"{self.compared:,} results on {', '.join(self.isas)} in {self.seconds:.1f} s"
        return f"<Verification of {done}: {verdict}>"

    def print_table(self) -> None:
        """Print one row per function and dtype, with the results compared on each ISA."""
        columns = ("function", "dtype", *self.isas)
        rows = [(row.function, row.dtype, *map(row.cell, self.isas)) for row in self.rows]
        _terminal.table("Results compared bit for bit with the reference", columns, rows)
