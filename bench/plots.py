"""The picture of the report: time against size for four functions, and speed-up over each peer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from idioms import LIMIT, NUMPY, OURS, OUT
from results import Result, Run, geometric_mean

FUNCTIONS = ("relu", "relu_backward", "leaky_relu", "leaky_relu_backward")
# Okabe and Ito's colours, told apart by every common kind of colour vision; and by their dashes.
_LINES = {
    "a copy of x": {"color": "0.6", "linewidth": 5, "alpha": 0.55},
    "NumPy": {"color": "#D55E00", "linestyle": "--", "marker": "s", "markersize": 4},
    "best other package": {"color": "#009E73", "linestyle": "-.", "marker": "^", "markersize": 5},
    "fastrelu": {"color": "#0072B2", "linewidth": 2, "marker": "o", "markersize": 4.5},
}
_BARS = ("#0072B2", "#E69F00")


def draw(runs: Sequence[Run], path: Path) -> None:
    """Write the picture as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(13, 12), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic("ab;cd;pp", height_ratios=[1, 1, 1.1])
    for key, function in zip("abcd", FUNCTIONS, strict=True):
        _draw_times(panels[key], function, runs[0].results)
    panels["a"].legend(frameon=False)
    _draw_peers(panels["p"], runs)
    figure.savefig(path, dpi=90)


def _draw_times(axes: Any, function: str, results: Sequence[Result]) -> None:
    axes.set_title(f"{function}, float32, out=, one thread")
    axes.set(xlabel="elements", ylabel="nanoseconds per element", xscale="log", yscale="log")
    axes.grid(alpha=0.3)
    chosen = [each for each in results if each.what == f"{function} {OUT}"]
    cells = [(each, each.where.split()) for each in chosen]
    for label, style in _LINES.items():
        points = [
            (int(words[1]), time / int(words[1]))
            for each, words in cells
            if words[0] == "float32"
            and len(words) == 2  # noqa: PLR2004 - dense
            and (time := _time(each, label)) is not None
        ]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), label=label, **style)


def _time(result: Result, label: str) -> float | None:
    others = [each for each in result.peers() if each != NUMPY]
    peers = {"a copy of x": [LIMIT], "NumPy": [NUMPY], "fastrelu": [OURS]}.get(label, others)
    times = [time for peer in peers if (time := result.fastest(peer)[1])]
    return min(times, default=None)


def _draw_peers(axes: Any, runs: Sequence[Run]) -> None:
    axes.set_title("How many times faster: geometric mean over all cells, against each fastest way")
    names = sorted(runs[0].peers(), key=lambda name: -geometric_mean(runs[0].ratios(name)))
    height = 0.8 / len(runs)
    for number, run in enumerate(runs):
        rows = [(row, geometric_mean(run.ratios(name))) for row, name in enumerate(names)]
        bars = axes.barh(
            [row + (number - (len(runs) - 1) / 2) * height for row, _ in rows],
            [mean - 1 for _, mean in rows],
            height,
            left=1,
            color=_BARS[number],
            label=run.threads,
        )
        axes.bar_label(bars, [f"{mean:.1f}" for _, mean in rows], padding=3, fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="0.2", linewidth=1)
    axes.margins(x=0.12)
    axes.legend(loc="lower right", frameon=False)
