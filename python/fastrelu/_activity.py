"""Activity logs: calls are counted where they are made, while a log is open."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from fastrelu import _core
from fastrelu._layout import Axes, integer

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager

__all__ = ["ActivityLog", "ActivityRow", "activity"]

_HEADINGS = ("where", "function", "calls", "elements", "active", "dead units", "NaN")
_TEXT_COLUMNS = 2
_NO_AXIS = 64  # which no array has: then the extension marks no units


class ActivityRow(NamedTuple):
    """What one function did at one place.

    `where` is the label of the block, or ``file:line`` of the call. `elements`, `active` and `nan`
    are the numbers of elements, of active ones, and of NaN results in all `calls`. `units` is the
    number of places along the axes other than the batch, and `dead_units` the number of those that
    no call found active. Both are None if `units` differed, or without the memory to mark them.
    """

    where: str
    function: str
    calls: int
    elements: int
    active: int
    nan: int
    units: int | None
    dead_units: int | None

    @property
    def active_share(self) -> float:
        """The share of elements that were active; NaN if there were none."""
        return self.active / self.elements if self.elements else float("nan")

    def _cells(self) -> tuple[str, ...]:
        path, colon, line = self.where.rpartition(":")
        where = f"{os.path.basename(path)}:{line}" if colon and line.isdigit() else self.where
        numbers = f"{self.calls:,}", f"{self.elements:,}", f"{self.active_share:.1%}"
        dead = "?" if self.units is None else f"{self.dead_units:,} of {self.units:,}"
        return where, self.function, *numbers, dead, f"{self.nan:,}"


class ActivityLog:
    """The log of `activity`: one row per place and function, in the order of their first calls.

    Iterating yields the `rows`; ``str`` makes a table of them and says how many calls it `missed`.
    """

    def __init__(self, axes: list[int] | None) -> None:
        self._is_one_unit = axes is None
        self._log = _core.new_activity_log([_NO_AXIS] if axes is None else axes)
        self._history: list[tuple[ActivityRow, ...]] = []

    @property
    def rows(self) -> tuple[ActivityRow, ...]:
        """The rows since the log was opened or cleared."""
        return self._rows(_core.activity_rows(self._log))

    @property
    def missed(self) -> int:
        """The number of calls that are in no row, because there was no memory to count them."""
        return _core.missed_activity(self._log)

    @property
    def history(self) -> tuple[tuple[ActivityRow, ...], ...]:
        """The rows of each step, as `step` returned them."""
        return tuple(self._history)

    def step(self) -> tuple[ActivityRow, ...]:
        """End a step; return its rows, which count since the previous one, and add to `history`.

        `rows` goes on counting. A call that another thread has under way counts in `rows` alone.
        """
        rows = self._rows(_core.step_activity(self._log))
        self._history.append(rows)
        return rows

    def _rows(self, counted: list[tuple[Any, ...]]) -> tuple[ActivityRow, ...]:
        rows = [ActivityRow(*row[:6], *(None if n < 0 else n for n in row[6:])) for row in counted]
        if self._is_one_unit:
            rows = [row._replace(units=1, dead_units=int(row.active == 0)) for row in rows]
        return tuple(rows)

    def clear(self) -> None:
        """Forget all rows and the history."""
        _core.clear_activity(self._log)
        self._history.clear()

    @contextmanager
    def label(self, name: str) -> Iterator[None]:
        """Count the calls inside of a ``with`` block under a name instead of their file and line.

        Equal names share their rows. The innermost of nested blocks counts.
        """
        if not isinstance(name, str):
            raise TypeError(f"label: name must be a str, not {type(name).__name__}")
        name = sys.intern(str(name))
        logs = _core.activity_logs.get(())
        entered = tuple((log, name if log is self._log else label) for log, label in logs)
        token = _core.activity_logs.set(entered)
        try:
            yield
        finally:
            _core.activity_logs.reset(token)

    def __iter__(self) -> Iterator[ActivityRow]:
        """Go through the rows."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __str__(self) -> str:
        """Make a table, one line per row."""
        lines = [_HEADINGS, *(row._cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        columns = [f"{{:{'<' if i < _TEXT_COLUMNS else '>'}{n}}}" for i, n in enumerate(widths)]
        table = ["  ".join(columns).format(*cells).rstrip() for cells in lines]
        if missed := self.missed:
            table.append(f"not counted, for lack of memory: {missed:,}")
        return "\n".join(table)

    def __repr__(self) -> str:
        """Summarize the log."""
        return f"<ActivityLog of {len(self)} rows, {len(self._history)} steps>"


def activity(axis: Axes = 0) -> _GeneratorContextManager[ActivityLog]:
    """Log what rectifiers do inside of a ``with`` block: active share, dead units and NaN.

    Every call of relu, leaky_relu and the other forward functions is counted where it is made, by
    the name of its ufunc also in place or with a mask. An element is active if ``not x <= 0``, or,
    in leaky_relu, if ``x > 0``; for functions of several operands or with more bounds, if the
    result is ``not <= 0``. Results and errors are the same as without a log.

    Parameters
    ----------
    axis : int, tuple of int, or None, default 0
        The axes of the batch: a unit is a place along the other axes, and it is dead if no element
        of any call was active there. ``axis=(0, 2, 3)`` makes units of the channels of NCHW arrays;
        with None each array is one unit.

    Returns
    -------
    context manager of an `ActivityLog`, which has an `ActivityRow` for each place and function

    Raises
    ------
    TypeError
        If `axis` is of another type.

    Notes
    -----
    The log counts the calls of its context (see ``contextvars``): of the thread that entered the
    block, and of asyncio tasks that were created inside of it. Threads that are started inside
    begin with an empty context, so that their calls are not counted, unless they run in
    ``contextvars.copy_context()`` (as those of ``asyncio.to_thread`` do). Calls with ``where=``,
    methods such as ``relu.at``, and results that are not plain numbers are not counted. Calls that
    another package makes with plain arrays on behalf of its own are counted.

    Counting never makes a call fail. Without memory for them, a row lacks its units, or the call is
    not counted and is one of `ActivityLog.missed`. Dense arrays in C order are counted while they
    are computed. Other layouts, integers in leaky_relu and the functions of several operands take a
    separate pass. Without a log, calls cost nothing more.

    Examples
    --------
    >>> x = np.array([[-1.0, 2.0, -3.0, 4.0], [5.0, -6.0, -7.0, 8.0]])
    >>> with fr.activity() as log:
    ...     with log.label("hidden"):
    ...         y = fr.relu(x)
    >>> print(log)
    where   function  calls  elements  active  dead units  NaN
    hidden  relu          1         8   50.0%      1 of 4    0

    For a plot over training steps, end each of them:

    >>> with fr.activity() as log:
    ...     for bias in (0.0, -2.0, -4.0):
    ...         y = fr.relu(x + bias)
    ...         rows = log.step()
    >>> [[row.active_share for row in step] for step in log.history]
    [[0.5], [0.375], [0.25]]
    """
    if axis is None:
        return _logging(None)
    given, kind = axis if isinstance(axis, tuple) else (axis,), "an int, a tuple of ints or None"
    return _logging([integer("activity", "axis", each, kind) for each in given])


@contextmanager
def _logging(axes: list[int] | None) -> Iterator[ActivityLog]:
    log = ActivityLog(axes)
    token = _core.activity_logs.set((*_core.activity_logs.get(()), (log._log, None)))
    _core.start_observing()
    try:
        yield log
    finally:
        _core.stop_observing()
        _core.close_activity(log._log)
        _core.activity_logs.reset(token)
