"""The last layer
==============

The last layer: softmax with cross entropy. And the hidden layer: why it needs an activation.

A network sorts points of three spirals. Its last layer gives three scores, and then

* softmax makes probabilities: positive, with the sum 1. Cross entropy is minus the logarithm of
  that of the right class. The gradient of both together is simple: the probabilities, less 1 for
  the right class. It is near -1 where the network is sure and wrong. `fr.cross_entropy` computes
  both from the scores, so that scores of 1000 overflow nowhere;
* sigmoid with a squared error makes three numbers between 0 and 1, whose sum may be anything. Its
  gradient vanishes where the network is sure and wrong. A network that begins so, sure of the first
  class, learns much later;
* nothing, with a squared error, makes any numbers. A score that is right by far is punished, too.
  Gradients grow with the scores, so that the learning rate is a tenth here.

Two layers without an activation between them are one: their product is a matrix, and what they tell
apart is divided by straight lines. They do as well as no hidden layer at all, which is logistic
regression. With relu between them the same two layers follow the spirals.

Writes one picture::

    python docs/examples/last_layer.py --output FOLDER
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads make such small products slower

import fastrelu as fr
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

POINTS, CLASSES, UNITS, STEPS, RATE, ENOUGH = 200, 3, 64, 1500, 1.0, 0.95
SPAN = 20  # steps, of which the picture shows the mean
SURE = 10, 0, 0  # biases of the scores: sure of the first class
COLORS = "#0072B2", "#E69F00", "#009E73"


def softmax_gradient(scores, labels):
    """Return the gradient of cross entropy."""
    return fr.cross_entropy(scores, labels)[1]


def sigmoid_gradient(scores, labels):
    """Return the gradient of sigmoid's squared error."""
    return fr.sigmoid_backward(2 * (fr.sigmoid(scores) - np.eye(CLASSES)[labels]), scores)


def plain_gradient(scores, labels):
    """Return the gradient of the scores' squared error."""
    return 2 * (scores - np.eye(CLASSES)[labels])


class End(NamedTuple):
    """What a last layer makes of scores; its loss has the gradient of that name."""

    output: Callable[[Any], Any]
    gradient: Callable[[Any, Any], Any]
    rate: float
    style: dict[str, Any]


ENDS = {
    "softmax, cross entropy": End(fr.softmax, softmax_gradient, RATE, {"color": "#0072B2"}),
    "sigmoid, squared error": End(
        fr.sigmoid, sigmoid_gradient, RATE, {"color": "#D55E00", "linestyle": "--"}
    ),
    "nothing, squared error": End(
        np.asarray, plain_gradient, RATE / 10, {"color": "#009E73", "linestyle": "-."}
    ),
}
HIDDEN = {"none": None, "no activation": lambda sums: sums, "relu": fr.relu}


def spirals() -> tuple[np.ndarray, np.ndarray]:
    """Return points of three spirals, and the number of each point's spiral."""
    rng = np.random.default_rng(0)
    radius = np.tile(np.linspace(0.05, 1, POINTS), CLASSES)
    labels = np.repeat(np.arange(CLASSES), POINTS)
    noise = 0.18 * rng.standard_normal(len(labels))
    angle = 4.2 * radius + 2 * np.pi * labels / CLASSES + noise
    return (radius * [np.sin(angle), np.cos(angle)]).T, labels


class Network:
    """A layer of scores, and a hidden layer before it, unless there is none."""

    def __init__(self, hidden: Callable[[Any], Any] | None, biases: Any = (0, 0, 0)):
        rng = np.random.default_rng(1)  # the same for all
        self.hidden = hidden
        width = UNITS if hidden else 2
        self.first, self.first_bias = rng.standard_normal((2, UNITS)), np.zeros(UNITS)
        self.last = rng.standard_normal((width, CLASSES)) / np.sqrt(width)
        self.last_bias = np.array(biases, np.float64)

    def forward(self, points: np.ndarray) -> tuple[Any, Any, np.ndarray]:
        """Return the hidden sums, their activation, and the scores."""
        sums = points @ self.first + self.first_bias
        active = self.hidden(sums) if self.hidden else points
        return sums, active, active @ self.last + self.last_bias

    def train(self, end: End, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Train with all points at each step; return the accuracy before each."""
        right = []
        for _ in range(STEPS):
            sums, active, scores = self.forward(points)
            right.append((scores.argmax(axis=1) == labels).mean())
            grad = end.gradient(scores, labels) * (end.rate / len(points))
            grad_sums = grad @ self.last.T
            self.last -= active.T @ grad
            self.last_bias -= grad.sum(axis=0)
            if self.hidden:
                if self.hidden is fr.relu:
                    grad_sums = fr.relu_backward(grad_sums, sums)
                self.first -= points.T @ grad_sums
                self.first_bias -= grad_sums.sum(axis=0)
        return np.array(right)


def check_cross_entropy() -> None:
    """Print what softmax and cross entropy promise."""
    logits = np.random.default_rng(2).standard_normal((CLASSES, CLASSES))
    labels = np.arange(CLASSES)
    shares, grad = fr.softmax(logits), fr.cross_entropy(logits, labels)[1]
    print(f"sums of probabilities: 1, with an error of {np.abs(shares.sum(axis=1) - 1).max():.0e}")
    error = np.abs(grad - (shares - np.eye(CLASSES))).max()
    print(f"gradient: probabilities less 1 for the right class, with an error of {error:.0e}")
    scores = np.array([[1000.0, -1000.0]])
    (loss,), (grad,) = fr.cross_entropy(scores, np.array([1]))
    with np.errstate(over="ignore", invalid="ignore"):
        plain = np.exp(scores) / np.exp(scores).sum()
    print(f"scores 1000 and -1000, the second is right: loss {loss:g}, gradient {grad}")
    print(f"probabilities {fr.softmax(scores)[0]}; exp and division alone give {plain[0]}")


def draw_regions(panels: Any, networks: dict[str, Network], rates: dict[str, float]) -> None:
    """Draw what each network makes of the plane, and the points."""
    points, labels = spirals()
    ticks = np.linspace(-1.15, 1.15, 300)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    for axes, (name, network) in zip(panels, networks.items(), strict=True):
        regions = network.forward(grid)[2].argmax(axis=-1)
        axes.pcolormesh(
            ticks, ticks, regions, cmap=ListedColormap(COLORS), alpha=0.35, vmin=0, vmax=2
        )
        axes.scatter(*points.T, s=9, c=np.array(COLORS)[labels], edgecolor="white", linewidth=0.3)
        axes.set(
            title=f"Hidden layer: {name}, {rates[name]:.0%} right",
            xticks=[],
            yticks=[],
            aspect="equal",
        )


def draw_ends(panels: Any, networks: dict[str, Network], late: dict[str, np.ndarray]) -> None:
    """Draw the gradient of each last layer, its learning from a bad start, and sums of outputs."""
    gradient, learning, total = panels
    score = np.linspace(-10, 10, 401)
    scores = np.stack([score, *np.zeros((CLASSES - 1, len(score)))], axis=1)
    ticks = np.linspace(-1.15, 1.15, 100)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    for name, (output, backward, _, style) in ENDS.items():
        grad = backward(scores, np.zeros(len(score), int))[:, 0]
        gradient.plot(score, grad, label=name, linewidth=2, **style)
        means = late[name].reshape(-1, SPAN).mean(axis=1)
        learning.plot(np.arange(SPAN / 2, STEPS, SPAN), means, linewidth=2, **style)
        sums = np.sort(output(networks[name].forward(grid)[2]).sum(axis=1))
        total.plot(np.linspace(0, 1, len(sums)), sums, linewidth=2, **style)
    gradient.set(title="Gradient of the right class's score", xlabel="its score", ylim=(-1.5, 1.5))
    learning.set(title="Accuracy from a bad start", xlabel=f"step, in means of {SPAN}")
    learning.yaxis.set_major_formatter(PercentFormatter(1))
    total.set(title="Sum of the three outputs", xlabel="share of the plane below")
    total.xaxis.set_major_formatter(PercentFormatter(1))
    for axes in panels:
        axes.grid(alpha=0.3)


def main() -> None:
    """Train, print, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    path = parser.parse_args().output / "last_layer.png"
    check_cross_entropy()
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(2, 3)
    points, labels = spirals()

    networks = {name: Network(hidden) for name, hidden in HIDDEN.items()}
    softmax_end = ENDS["softmax, cross entropy"]
    rates = {name: each.train(softmax_end, points, labels)[-1] for name, each in networks.items()}
    for name, rate in rates.items():
        print(f"hidden layer: {name}; {rate:.1%} right")
    draw_regions(panels[0], networks, rates)

    networks = {name: Network(fr.relu) for name in ENDS}
    late = {}
    for name, end in ENDS.items():
        soon = networks[name].train(end, points, labels)
        late[name] = Network(fr.relu, SURE).train(end, points, labels)
        steps = [int((each >= ENOUGH).argmax()) for each in (soon, late[name])]
        print(
            f"{name}: {ENOUGH:.0%} right after {steps[0]} steps, from a bad start after {steps[1]}"
        )
    draw_ends(panels[1], networks, late)
    handles = panels[1][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=80)
    print(f"{path}: what hidden and last layers make of three spirals")


if __name__ == "__main__":
    main()
