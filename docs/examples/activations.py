"""Activations and their derivatives
=================================

relu, leaky relu and smooth activations, and their derivatives.

relu keeps positive numbers and makes all others 0; its derivative is 1 or 0. leaky relu multiplies
the others by a slope instead, which is then its derivative there. At 0 both derivatives have the
value from the left: 0, or the slope. The default slope, 0.01, could not be told from 0 in a
picture, so that 0.1 is drawn.

elu, softplus, gelu and silu are nearly relu for large numbers, and have no corner at 0. gelu and
silu fall below 0 before they rise. sigmoid and tanh approach a constant on both sides, so that
their derivatives approach 0: see why_relu.py for what follows.

Writes two pictures of relu and leaky relu, as lines and as points, of the whole numbers from -10 to
10 and of those from -5 to 10, and one picture of all functions::

    python docs/examples/activations.py --output FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fastrelu as fr
import numpy as np
from matplotlib.figure import Figure

SLOPE = 0.1
FUNCTIONS = {
    "relu": (),
    "elu": (),
    "gelu": (),
    "sigmoid": (),
    "leaky_relu": (SLOPE,),
    "softplus": (),
    "silu": (),
    "tanh": (),
}
BLUE, ORANGE = "#0072B2", "#E69F00"


def draw(first: int, last: int) -> Figure:
    """Draw both functions and their derivatives on the whole numbers from `first` to `last`."""
    x = np.arange(first, last + 1, dtype=np.float64)
    curves = (
        ("The functions", fr.relu(x), fr.leaky_relu(x, SLOPE), "default"),
        # A step reaches back to the point before, so that the value at 0 is the one from the left.
        (
            "Their derivatives",
            fr.relu_derivative(x),
            fr.leaky_relu_derivative(x, SLOPE),
            "steps-pre",
        ),
    )
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey="col")
    for (title, relu, leaky, style), lines, points in zip(curves, *panels, strict=True):
        lines.plot(
            x, leaky, color=ORANGE, linewidth=6, drawstyle=style, label=f"leaky relu, slope {SLOPE}"
        )
        lines.plot(x, relu, color=BLUE, linewidth=1.8, drawstyle=style, label="relu")
        points.scatter(
            x,
            leaky,
            s=90,
            marker="D",
            color="white",
            edgecolor=ORANGE,
            linewidth=2,
            label=f"leaky relu, slope {SLOPE}",
        )
        points.scatter(x, relu, s=18, color=BLUE, label="relu")
        lines.set_title(title)
        points.set_xlabel("x")
        for axes in (lines, points):
            axes.grid(alpha=0.3)
            axes.legend(loc="center right" if style == "steps-pre" else "upper left")
    return figure


def draw_all() -> Figure:
    """Draw each function and its derivative from -10 to 10."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    panels = figure.subplots(2, 4, sharex=True, sharey=True)
    x = np.linspace(-10, 10, 2001)
    for axes, (name, parameters) in zip(panels.flat, FUNCTIONS.items(), strict=True):
        function, derivative = getattr(fr, name), getattr(fr, f"{name}_derivative")
        axes.plot(x, derivative(x, *parameters), color=ORANGE, linewidth=4, label="derivative")
        axes.plot(x, function(x, *parameters), color=BLUE, linewidth=1.8, label="function")
        axes.set(title=", slope ".join(map(str, (name, *parameters))), ylim=(-1.6, 4))
        axes.grid(alpha=0.3)
    panels[0, 0].legend(loc="upper left")
    return figure


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the pictures")
    folder = parser.parse_args().output
    for first, last in ((-10, 10), (-5, 10)):
        path = folder / f"activations_from_{first}.png"
        draw(first, last).savefig(path, dpi=80)
        print(f"{path}: relu and leaky relu from {first} to {last}")
    path = folder / "activations.png"
    draw_all().savefig(path, dpi=80)
    print(f"{path}: {', '.join(FUNCTIONS)}")


if __name__ == "__main__":
    main()
