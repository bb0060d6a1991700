"""Every picture of the package, by matplotlib (extra `plot`), without touching its global state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastrelu._extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .bench import Row

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


SPEEDS = {"a copy": "copy", "NumPy's fastest idiom": "theirs", "fastrelu": "ours"}
SPEED_LINES: dict[str, dict[str, Any]] = {
    "a copy": {"color": "#9A9A9A", "linewidth": 5, "alpha": 0.55, "marker": "o"},
    "NumPy's fastest idiom": {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    "fastrelu": {"color": "#0072B2", "marker": "o"},
}
SPEED_COLUMNS = 2
INK = "#333333"
AXIS = "#9A9A9A"
FAINT = "#E3E3E3"


def draw_speeds(rows: Sequence[Row], path: str) -> None:
    """Draw time per element against size: fastrelu, the fastest idiom of NumPy, and a copy.

    Parameters
    ----------
    rows : sequence of Row
        What ``python -m fastrelu bench`` measured.
    path : str
        The PNG file to write.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    panels = list(dict.fromkeys((row.cell.function, row.cell.dtype, row.cell.mode) for row in rows))
    columns = min(len(panels), SPEED_COLUMNS)
    lines = -(-len(panels) // columns)
    figure = new_figure(6.5 * columns, 3.9 * lines)
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(lines, columns, number)
        function, dtype, mode = panel
        prepare(axes, f"{function}, {dtype.name}, {mode}", "elements")
        axes.set_ylabel("time per element, ns", color=INK)
        axes.set(xscale="log", yscale="log")
        shown = [row for row in rows if row.cell[:2] + row.cell[3:] == panel]
        shown.sort(key=lambda row: row.cell.size)
        for label, field in SPEEDS.items():
            axes.plot(
                [row.cell.size for row in shown],
                [getattr(row, field) / row.cell.size * 1e9 for row in shown],
                label=label,
                **SPEED_LINES[label],
            )
        show_legend(axes, loc="upper right")
    figure.savefig(path, dpi=120)


def new_figure(width: float, height: float, h_pad: float = 0.12) -> Figure:
    """Make an empty figure of that size in inches, which can be saved as PNG."""
    figure: Figure = require("matplotlib.figure", "plot").Figure(
        figsize=(width, height),
        layout=require("matplotlib.layout_engine", "plot").ConstrainedLayoutEngine(
            w_pad=0.12, h_pad=h_pad
        ),
    )
    require("matplotlib.backends.backend_agg", "plot").FigureCanvasAgg(figure)
    return figure


def prepare(axes: Axes, title: str, xlabel: str) -> None:
    """Give a panel its title, the name of its abscissa, a grid, and no frame.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The panel.
    title, xlabel : str
        The texts above and below.
    """
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=10)
    axes.set_xlabel(xlabel, color=INK)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=FAINT, labelcolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(AXIS)


def show_legend(axes: Axes, **place: Any) -> None:
    """Explain the lines of a panel.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The panel.
    **place
        As for ``Axes.legend``: `loc`, `ncols`.
    """
    axes.legend(**place, frameon=False, labelcolor=INK, fontsize=9.5)
