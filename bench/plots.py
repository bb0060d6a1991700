"""The picture of the report: time against size, share of the limit, speed-up per peer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cells import CONTIGUOUS
from contenders import FEW
from fastrelu._idioms import OUT
from fastrelu.plot import AXIS, FAINT, INK, new_figure, prepare, show_legend
from results import Report, Result, Run, geometric_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FUNCTIONS = ("relu", "relu_backward", "leaky_relu", "leaky_relu_backward")
DTYPE = "float32"
_NANO = 1e-9

# Okabe and Ito's colours, told apart by every common kind of colour vision; and by their dashes.
_LINES = {
    "limit": {"color": AXIS, "linewidth": 5, "alpha": 0.55},
    "NumPy": {"color": "#D55E00", "linestyle": "--", "marker": "s", "markersize": 4},
    "best other peer": {"color": "#009E73", "linestyle": "-.", "marker": "^", "markersize": 5},
    "fastrelu": {"color": "#0072B2", "linewidth": 2, "marker": "o", "markersize": 4.5},
}
_FUNCTION_LINES = (
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
)
_BARS = ("#0072B2", "#E69F00")


def draw(report: Report, path: Path) -> None:
    """Write the picture as a PNG file."""
    figure = new_figure(13, 12.5, h_pad=0.14)
    panels = figure.subplot_mosaic("ab;cd;sp", height_ratios=[1, 1, 1.25])
    alone = report.runs[0]
    for key, function in zip("abcd", FUNCTIONS, strict=True):
        _draw_times(panels[key], function, _series(alone, function))
    show_legend(panels["a"], loc="upper right")
    _draw_shares(panels["s"], alone)
    _draw_peers(panels["p"], report.runs)
    figure.savefig(path, dpi=110)


def _series(run: Run, function: str) -> list[Result]:
    chosen = [
        each
        for each in run.results
        if (each.cell.function, each.cell.dtype, each.cell.layout, each.cell.mode)
        == (function, DTYPE, CONTIGUOUS, OUT)
    ]
    return sorted(chosen, key=lambda each: each.cell.size)


def _draw_times(axes: Axes, function: str, results: Sequence[Result]) -> None:
    prepare(axes, f"{function}, {DTYPE}, out=, one thread", "elements")
    axes.set_ylabel("time per element, ns", color=INK)
    axes.set(xscale="log", yscale="log")
    for label, style in _LINES.items():
        points = [
            (each.cell.size, time / each.cell.size / _NANO)
            for each in results
            if (time := _time(each, label)) is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, **style)


def _time(result: Result, label: str) -> float | None:
    if label == "limit":
        return result.limit
    peers = {
        "fastrelu": ["fastrelu"],
        "NumPy": ["NumPy"],
        "best other peer": [each for each in result.peers() if each != "NumPy"],
    }[label]
    return result.best_of(*peers)[1] if peers else None


def _draw_shares(axes: Axes, run: Run) -> None:
    prepare(axes, f"Speed as a share of the limit, {DTYPE}, out=, one thread", "elements")
    axes.set_ylabel("a copy of the same bytes = 100%", color=INK)
    axes.set_xscale("log")
    axes.axhline(100, color=AXIS, linewidth=1.2, zorder=1)
    for function, style in zip(FUNCTIONS, _FUNCTION_LINES, strict=True):
        points = [
            (each.cell.size, 100 * each.share)
            for each in _series(run, function)
            if each.share is not None and each.cell.size >= FEW
        ]
        if points:
            axes.plot(*zip(*points, strict=True), label=function, markersize=4.5, **style)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:g}%")
    show_legend(axes, loc="best")


def _draw_peers(axes: Axes, runs: Sequence[Run]) -> None:
    prepare(axes, "How many times faster than each peer", "geometric mean over all cells")
    names = [each for each in runs[0].peers() if any(run.ratios(each) for run in runs)]
    names.sort(key=lambda name: -geometric_mean(runs[0].ratios(name)))
    height = 0.8 / len(runs)
    for number, run in enumerate(runs):
        rows = [(row, run.ratios(name)) for row, name in enumerate(names) if run.ratios(name)]
        means = [geometric_mean(ratios) for _, ratios in rows]
        bars = axes.barh(
            [row + (number - (len(runs) - 1) / 2) * height for row, _ in rows],
            [mean - 1 for mean in means],
            height,
            left=1,
            color=_BARS[number],
            label="one thread" if run.threads == 1 else f"{run.threads} threads",
        )
        axes.bar_label(bars, [f"{mean:.1f}" for mean in means], padding=3, color=INK, fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=1)
    axes.grid(visible=False, axis="y")
    axes.grid(color=FAINT, axis="x")
    axes.margins(x=0.12)
    show_legend(axes, loc="lower right")
