"""Every picture of the package, by matplotlib (extra `plot`), without touching its global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

import fastrelu as fr
from fastrelu._extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._lockstep import Activity
    from ._perceptron import Epoch
    from .bench import Row

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Curves(NamedTuple):
    """How a network trained: what it reached after each epoch, and what its units did."""

    history: Sequence[Epoch]
    activity: Activity


class Style(NamedTuple):
    """How one activation looks in every panel, and where it lies."""

    line: dict[str, Any]
    markers: dict[str, Any]
    zorder: float


# Where both coincide, which they mostly do, the thin one lies on the broad one and both are seen.
# Blue and orange are told apart by every common kind of colour vision, and in grey.
STYLES = {
    "relu": Style(
        line={"color": "#0072B2", "linewidth": 1.7},
        markers={"marker": "o", "markersize": 4.5},
        zorder=4,
    ),
    "leaky relu": Style(
        line={"color": "#F3BC55", "linewidth": 5},
        markers={
            "marker": "D",
            "markersize": 8,
            "markerfacecolor": "white",
            "markeredgecolor": "#E69F00",
            "markeredgewidth": 1.5,
        },
        zorder=2,
    ),
}
DRAWN_SLOPE = 0.1  # the default, 0.01, would lie on the axis
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

# Both functions and their derivatives are straight on each piece; the derivatives jump between.
PIECES = (np.array([-10.0, 0.0]), np.array([np.nextafter(0.0, 1.0), 10.0]))
SERIES = np.arange(-10.0, 11.0)


def draw(trained: Mapping[str, Curves], path: str) -> None:
    """Draw the functions with their derivatives, and below them how networks trained with them.

    Parameters
    ----------
    trained : mapping of str to Curves
        How the networks with ``"relu"`` and with ``"leaky relu"`` trained.
    path : str
        The PNG file to write.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    figure = new_figure(13, 12.6)
    # Six columns: two panels of three above, three panels of two below.
    panels = figure.subplot_mosaic("vvvddd;llaauu;sssrrr", height_ratios=[1.15, 1, 1])
    _draw_functions(panels["v"], panels["d"])
    histories = {name: curves.history for name, curves in trained.items()}
    _draw_training(panels["l"], panels["a"], panels["u"], histories)
    activities = {name: curves.activity for name, curves in trained.items()}
    _draw_activity(panels["s"], panels["r"], activities)
    figure.savefig(path, dpi=150)


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


def _draw_functions(values: Axes, derivatives: Axes) -> None:
    prepare(values, "The functions on the series -10 to 10", "x")
    prepare(derivatives, "Their derivatives: the left-hand value holds at x = 0", "x")
    _draw_function(values, "relu", "relu", fr.relu)
    _draw_function(derivatives, "relu", "relu", fr.relu_derivative)
    leaky = f"leaky relu, drawn with slope {DRAWN_SLOPE}"
    _draw_function(values, "leaky relu", leaky, lambda x: fr.leaky_relu(x, DRAWN_SLOPE))
    _draw_function(
        derivatives, "leaky relu", leaky, lambda x: fr.leaky_relu_derivative(x, DRAWN_SLOPE)
    )
    # An open end: the right-hand value is not the one at 0.
    derivatives.scatter(0, 1, s=60, facecolor="white", edgecolor=INK, zorder=9)
    derivatives.set_yticks([0, DRAWN_SLOPE, 0.5, 1])
    derivatives.yaxis.set_major_formatter("{x:g}")
    for axes in (values, derivatives):
        axes.set_xticks(np.arange(-10, 11, 5))
        axes.axvline(0, color=AXIS, linewidth=0.9, zorder=1)
    show_legend(values, loc="upper left")
    show_legend(derivatives, loc="center left")


def _draw_function(axes: Axes, name: str, label: str, function: Callable[[Array], Array]) -> None:
    line, markers, zorder = STYLES[name]
    for piece in PIECES:
        axes.plot(piece, function(piece), zorder=zorder, **line)
    axes.plot(SERIES, function(SERIES), zorder=zorder + 1, **line | markers | {"linestyle": ""})
    axes.plot([], [], label=label, **line | markers)


def _draw_training(
    loss: Axes, accuracy: Axes, dead: Axes, histories: Mapping[str, Sequence[Epoch]]
) -> None:
    prepare(loss, "Training loss", "epoch")
    prepare(accuracy, "Accuracy on held-out digits", "epoch")
    prepare(dead, "Dead units: active on no image", "epoch")
    for name, history in histories.items():
        _draw_curve(loss, name, name, [epoch.loss for epoch in history])
        share = f"{name}, {history[-1].accuracy:.1%} at the end"
        _draw_curve(accuracy, name, share, [100 * epoch.accuracy for epoch in history])
    _draw_layers(dead, {name: [epoch.dead for epoch in each] for name, each in histories.items()})
    loss.set_yscale("log")
    # Room for the legend.
    low, high = accuracy.get_ylim()
    accuracy.set_ylim(low - 0.2 * (high - low), high)
    accuracy.yaxis.set_major_formatter("{x:g}%")
    for axes in (loss, accuracy):
        axes.locator_params(axis="x", integer=True)
    show_legend(loss, loc="upper right")
    show_legend(accuracy, loc="lower right")


def _draw_activity(active: Axes, dead: Axes, activities: Mapping[str, Activity]) -> None:
    nans = sum(activity.nans for activity in activities.values())
    prepare(active, f"Activity log: active share, {f'{nans:,}' if nans else 'no'} NaN", "step")
    prepare(dead, "Activity log: units active in no step of the epoch", "epoch")
    _draw_layers(active, {name: activity.active for name, activity in activities.items()})
    _draw_layers(dead, {name: activity.dead for name, activity in activities.items()})


def _draw_layers(axes: Axes, shares: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Draw, for each network and each epoch or step, one share per hidden layer."""
    for name, times in shares.items():
        for number, layer in enumerate(zip(*times, strict=True)):
            _draw_curve(axes, name, "_" if number else name, [100 * share for share in layer])
    _name_layers(axes, list(shares.values()))
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])  # room for the legend
    axes.yaxis.set_major_formatter("{x:g}%")
    axes.locator_params(axis="x", integer=True)
    show_legend(axes, loc="upper right", ncols=2)


def _draw_curve(axes: Axes, name: str, label: str, numbers: Sequence[float]) -> None:
    line, markers, zorder = STYLES[name]
    visible = line if len(numbers) > 1 else line | markers
    axes.plot(range(1, len(numbers) + 1), numbers, label=label, zorder=zorder, **visible)


def _name_layers(axes: Axes, shares: Sequence[Sequence[Sequence[float]]]) -> None:
    """Write each hidden layer's name behind the ends of its curves."""
    ends = np.mean([times[-1] for times in shares], axis=0)
    for number, share in enumerate(ends, start=1):
        axes.annotate(
            f"layer {number}",
            (len(shares[0]), 100 * share),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9.5,
        )


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
