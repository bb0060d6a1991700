"""Progress and tables for the command line: by rich where it is installed, else in plain text.

Progress goes to stderr and results to stdout, so that results can be piped. A stream that is no
terminal gets plain text even with rich: it would be cut to a width that nobody asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from time import perf_counter
from typing import TextIO

from fastrelu._extras import require

_BAR_WIDTH = 30
_LINE_WIDTH = 79
_REDRAW_SECONDS = 0.1


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a task of `total` steps has come, for the duration of a ``with`` block.

    Parameters
    ----------
    description : str
        What is being done, in a few words.
    total : int
        The number of steps after which the task is complete.

    Yields
    ------
    callable
        ``advance(n)``, to be called when `n` more steps are done.
    """
    show = _rich_progress if _rich_serves(sys.stderr) else _plain_progress
    with show(description, total) as advance:
        yield advance


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to stdout; columns whose cells all start like a number go to the right.

    Parameters
    ----------
    title : str
        The line above the table.
    columns : sequence of str
        The headings.
    rows : iterable of sequences of str
        The cells, one sequence per row and one cell per column.
    """
    cells = [tuple(row) for row in rows]
    numeric = [
        bool(cells) and all(_starts_like_a_number(row[index]) for row in cells)
        for index in range(len(columns))
    ]
    show = _rich_table if _rich_serves(sys.stdout) else _plain_table
    show(title, columns, cells, numeric)


def _rich_serves(stream: TextIO) -> bool:
    return stream.isatty() and find_spec("rich") is not None


def _starts_like_a_number(cell: str) -> bool:
    return cell.lstrip("+-")[:1].isdigit()


@contextmanager
def _rich_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    rich = require("rich.progress", "cli")
    bar = rich.Progress(
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left"),
        rich.TimeRemainingColumn(),
        console=require("rich.console", "cli").Console(stderr=True),
    )
    with bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def _plain_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    line = _PlainLine(description, total)
    try:
        yield line.advance
    finally:
        line.finish()


class _PlainLine:
    """One line that is redrawn in place on a terminal, and written once, at the end, elsewhere."""

    def __init__(self, description: str, total: int) -> None:
        self._description = description
        self._total = total
        self._done = 0
        self._start = perf_counter()
        self._next_redraw = self._start
        self._live = sys.stderr.isatty()

    def advance(self, steps: int) -> None:
        self._done += steps
        if self._live and perf_counter() >= self._next_redraw:
            self._write("\r", "")
            self._next_redraw = perf_counter() + _REDRAW_SECONDS

    def finish(self) -> None:
        self._write("\r" if self._live else "", "\n")

    def _write(self, before: str, after: str) -> None:
        text = self._text()
        # A shorter line must wipe out the longer one that it is drawn over.
        sys.stderr.write(before + (text.ljust(_LINE_WIDTH) if self._live else text) + after)
        sys.stderr.flush()

    def _text(self) -> str:
        share = min(self._done / self._total, 1.0) if self._total else 1.0
        elapsed = perf_counter() - self._start
        left = _clock(elapsed / share - elapsed) if share else "-:--:--"
        bar = ("#" * round(_BAR_WIDTH * share)).ljust(_BAR_WIDTH, ".")
        return f"{self._description} [{bar}] {share:4.0%}  {_clock(elapsed)}  left {left}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _rich_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> None:
    grid = require("rich.table", "cli").Table(title=title, title_justify="left", title_style="bold")
    for heading, right in zip(columns, numeric, strict=True):
        grid.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    # Cells are data: "[0]" is not markup and ":x:" is no emoji.
    console = require("rich.console", "cli").Console(markup=False, emoji=False, highlight=False)
    console.print(grid)


def _plain_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    print(title)
    for row in (columns, rule, *rows):
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  " + "  ".join(aligned).rstrip())
    print()
