"""Dead units
==========

Dead relu units stay dead; the units of a leaky twin come back.

A unit is dead if its sum is 0 or below for every image: relu's gradient is then 0 for all of them,
so that no step can change the unit's weights. Large steps and large negative biases cause that.
Here both are too large on purpose. The biases begin at -2, with which more than nine units of ten
are dead before the first step, and the learning rate of 2 kills most of the others.

leaky relu lets a share of the gradient through where the sum is below 0. Its network begins with
the same weights, and sees the same batches. How fast its units come back depends on the slope:
with 0.1 most do within a few epochs, with the default of 0.01 few do, and slowly.

Writes one picture. Needs scikit-learn for its digits::

    python docs/examples/dead_units.py --output FOLDER
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads make such small products slower

import fastrelu as fr
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.datasets import load_digits

EPOCHS, BATCHES, UNITS = 25, 28, 128
RATE, FIRST_BIAS = 2.0, -2.0
SLOPES = {"relu": 0.0, "leaky relu, slope 0.01": 0.01, "leaky relu, slope 0.1": 0.1}
STYLES = (
    {"color": "#0072B2", "marker": "o"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#E69F00", "marker": "D", "markersize": 5, "linestyle": "-."},
)


def train(slope: float) -> tuple[list[float], list[float]]:
    """Train one network; return the share of dead units and the accuracy before each epoch."""
    digits = load_digits()
    images, labels = (digits.data / 16).astype(np.float32), digits.target
    rng = np.random.default_rng(0)  # the same for every slope
    hidden, output = (
        (rng.standard_normal(shape) * np.sqrt(2 / shape[0])).astype(np.float32)
        for shape in ((images.shape[1], UNITS), (UNITS, 10))
    )
    hidden_bias, output_bias = np.full(UNITS, FIRST_BIAS, np.float32), np.zeros(10, np.float32)
    dead, accuracy = [], []
    for _ in range(EPOCHS + 1):
        sums = images @ hidden + hidden_bias
        guesses = (fr.leaky_relu(sums, slope) @ output + output_bias).argmax(axis=1)
        dead.append(fr.dead_units(sums).mean())
        accuracy.append((guesses == labels).mean())
        for batch in np.array_split(rng.permutation(len(images)), BATCHES):
            sums = images[batch] @ hidden + hidden_bias
            active = fr.leaky_relu(sums, slope)
            _, grad = fr.cross_entropy(active @ output + output_bias, labels[batch])
            grad *= RATE / len(batch)
            grad_sums = fr.leaky_relu_backward(grad @ output.T, sums, slope)
            output -= active.T @ grad
            output_bias -= grad.sum(axis=0)
            hidden -= images[batch].T @ grad_sums
            hidden_bias -= grad_sums.sum(axis=0)
    return dead, accuracy


def draw(histories: dict[str, tuple[list[float], list[float]]]) -> Figure:
    """Draw the share of dead units and the accuracy of all networks over time."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    titles = (f"Dead units of {UNITS}", "Accuracy on the training images")
    for axes, title, number in zip(panels, titles, (0, 1), strict=True):
        for (name, history), style in zip(histories.items(), STYLES, strict=True):
            axes.plot(history[number], label=name, **style)
        axes.set(title=title, xlabel="epochs trained", ylim=(-0.03, 1.03))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main() -> None:
    """Train the networks, print how they end, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    path = parser.parse_args().output / "dead_units.png"
    histories = {name: train(slope) for name, slope in SLOPES.items()}
    for name, (dead, accuracy) in histories.items():
        print(
            f"{name}: {dead[0]:.0%} dead at first, {dead[-1]:.0%} at last; {accuracy[-1]:.0%} right"
        )
    draw(histories).savefig(path, dpi=80)
    print(f"{path}: dead units and accuracy over {EPOCHS} epochs")


if __name__ == "__main__":
    main()
