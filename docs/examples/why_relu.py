"""Why relu?
=========

Why relu, and not sigmoid: the gradient that reaches the first layer, and the time.

Backward, each layer multiplies the gradient by the derivative of its activation. sigmoid's is at
most 1/4, so that 20 layers leave next to nothing of it: the gradient vanishes, and the first layers
do not learn. relu's is 1 for every positive sum, however large. The others, about half, pass
nothing; weights that are larger by the square root of 2 (He) make up for them.

The example reads digits with networks of 20 hidden layers, which differ in their activation alone,
and in the usual size of their first weights: Glorot's for sigmoid and tanh, He's for relu and leaky
relu. It prints and draws

* the norm of the gradient of each layer's weights, before and after training;
* the share of sums that are saturated: the derivative is below 1% of its maximum there. It depends
  on the size of the sums for sigmoid and tanh, and does not for relu and leaky relu;
* the time of each activation, forward and backward, on one thread.

tanh learns as well as relu here: its derivative is 1 at 0, and the first weights keep the sums
small. It loses that where sums grow, and it takes more time. sigmoid fails without one saturated
sum: 1/4 is enough. Other ways to keep gradients alive, such as normalised layers and residual
connections, are not shown. A unit whose sum is never positive is dead: see dead_units.py.

Writes one picture. Needs scikit-learn for its digits::

    python docs/examples/why_relu.py --output FOLDER
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from timeit import repeat
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads make such small products slower

import fastrelu as fr
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.datasets import load_digits

LAYERS, UNITS, BATCH, STEPS, RATE, SLOPE = 20, 64, 64, 600, 0.01, 0.1
TIMED_SHAPE = 256, 1024
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"


class Activation(NamedTuple):
    """A function of fastrelu; `gain` / inputs is the variance of a layer's first weights."""

    function: Callable[[Any], Any]
    backward: Callable[[Any, Any], Any]
    derivative: Callable[[Any], Any]
    gain: int
    style: dict[str, Any]


def named(name: str, gain: int, style: dict[str, Any], **parameters: float) -> Activation:
    """Return the functions of one name."""
    parts = (getattr(fr, name + suffix) for suffix in ("", "_backward", "_derivative"))
    return Activation(*(partial(part, **parameters) for part in parts), gain, style)


ACTIVATIONS = {
    "relu": named("relu", 2, {"color": BLUE, "marker": "o"}),
    f"leaky relu, slope {SLOPE}": named(
        "leaky_relu", 2, {"color": ORANGE, "marker": "D"}, negative_slope=SLOPE
    ),
    "tanh": named("tanh", 1, {"color": GREEN, "marker": "^"}),
    "sigmoid": named("sigmoid", 1, {"color": RED, "marker": "s"}),
}


class Passed(NamedTuple):
    """What one pass over images gives: gradients of all weights and biases, sums, accuracy."""

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    sums: list[np.ndarray]
    accuracy: float


def pass_through(activation, images, labels, weights, biases) -> Passed:
    """Go forward and back once."""
    active, sums = [images], []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        sums.append(active[-1] @ weight + bias)
        active.append(activation.function(sums[-1]))
    logits = active[-1] @ weights[-1] + biases[-1]
    grad = fr.cross_entropy(logits, labels)[1] / len(labels)
    grad_weights, grad_biases = [active[-1].T @ grad], [grad.sum(axis=0)]
    for layer in reversed(range(LAYERS)):
        grad = activation.backward(grad @ weights[layer + 1].T, sums[layer])
        grad_weights.append(active[layer].T @ grad)
        grad_biases.append(grad.sum(axis=0))
    accuracy = (logits.argmax(axis=1) == labels).mean()
    return Passed(grad_weights[::-1], grad_biases[::-1], sums, accuracy)


def train(activation: Activation) -> tuple[Passed, Passed]:
    """Train a network; return what a pass over all images gives before and after."""
    digits = load_digits()
    images, labels = digits.data - digits.data.mean(axis=0), digits.target
    images = (images / images.std()).astype(np.float32)
    rng = np.random.default_rng(0)  # the same for every activation
    sizes = [images.shape[1], *[UNITS] * LAYERS, 10]
    weights = [
        (rng.standard_normal(shape) * np.sqrt(activation.gain / shape[0])).astype(np.float32)
        for shape in pairwise(sizes)
    ]
    biases = [np.zeros(size, np.float32) for size in sizes[1:]]
    first = pass_through(activation, images, labels, weights, biases)
    for _ in range(STEPS):
        batch = rng.integers(len(images), size=BATCH)
        passed = pass_through(activation, images[batch], labels[batch], weights, biases)
        for each, grad in zip(weights + biases, passed.weights + passed.biases, strict=True):
            np.subtract(each, RATE * grad, out=each)
    return first, pass_through(activation, images, labels, weights, biases)


def norms(passed: Passed) -> list[float]:
    """Return the norm of the gradient of each hidden layer's weights."""
    return [float(np.linalg.norm(grad)) for grad in passed.weights[:LAYERS]]


def saturated(activation: Activation, sums: Any) -> float:
    """Return the share of sums where the derivative is below 1% of its maximum."""
    most = activation.derivative(np.linspace(-5, 5, 1001)).max()
    return float((np.abs(activation.derivative(np.asarray(sums))) < 0.01 * most).mean())


def time_all() -> dict[str, tuple[float, float]]:
    """Return the least time of each activation, forward and backward, in microseconds."""
    x, grad = np.random.default_rng(0).standard_normal((2, *TIMED_SHAPE), np.float32)
    out = np.empty_like(x)
    calls = {}
    for name in ("softmax", "gelu", "sigmoid", "tanh", "relu"):
        forward, backward = getattr(fr, name), getattr(fr, f"{name}_backward")
        kept = forward(x) if name == "softmax" else x  # what backward needs
        calls[name] = partial(forward, x, out=out), partial(backward, grad, kept, out=out)
    with fr.num_threads(1):
        return {
            name: tuple(1e6 * min(repeat(call, number=1, repeat=15)) for call in pair)
            for name, pair in calls.items()
        }


def draw(
    trained: dict[str, tuple[Passed, Passed]], times: dict[str, tuple[float, float]]
) -> Figure:
    """Draw gradients, saturation and times."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    (before, after), (share, bars) = figure.subplots(2, 2)
    before.sharey(after)
    deviations = np.logspace(-1, 2, 25)
    normal = np.random.default_rng(0).standard_normal(20_000)
    for name, passes in trained.items():
        style = ACTIVATIONS[name].style
        for axes, passed in zip((before, after), passes, strict=True):
            axes.semilogy(np.arange(1, LAYERS + 1), norms(passed), label=name, **style)
        shares = [saturated(ACTIVATIONS[name], each * normal) for each in deviations]
        share.semilogx(deviations, shares, label=name, **style)
    before.set(title="Gradient of each layer's weights, at first", ylabel="norm")
    after.set(title=f"Gradient after {STEPS} steps", ylabel="norm")
    for axes in (before, after):
        axes.set(xlabel="hidden layer", xticks=[1, 5, 10, 15, 20])
    share.set(
        title="Sums whose derivative is below 1% of its maximum",
        xlabel="standard deviation of the sums",
    )
    share.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (before, after, share):
        axes.grid(alpha=0.3)
    before.legend(loc="lower right")
    y = np.arange(len(times))
    for number, (way, color) in enumerate((("forward", BLUE), ("backward", ORANGE))):
        ratios = [each[number] / times["relu"][number] for each in times.values()]
        drawn = bars.barh(y + 0.38 * (0.5 - number), ratios, 0.38, color=color, label=way)
        bars.bar_label(drawn, fmt="{:.1f}", padding=3)
    bars.set(title="Time, relu = 1", xmargin=0.12)
    bars.set_yticks(y, list(times))
    bars.legend(loc="upper right")
    return figure


def main() -> None:
    """Train, time, print, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    path = parser.parse_args().output / "why_relu.png"
    trained = {name: train(activation) for name, activation in ACTIVATIONS.items()}
    for name, (before, after) in trained.items():
        for when, passed in (("at first", before), (f"after {STEPS} steps", after)):
            first, *_, last = norms(passed)
            print(
                f"{name}, {when}: gradient {first:.1e} in layer 1, {last:.1e} in layer {LAYERS}; "
                f"{saturated(ACTIVATIONS[name], passed.sums):.0%} saturated; "
                f"{passed.accuracy:.0%} right"
            )
    times = time_all()
    for name, pair in times.items():
        ratios = [each / relu for each, relu in zip(pair, times["relu"], strict=True)]
        print(f"time of {name}: {ratios[0]:.1f} forward, {ratios[1]:.1f} backward (relu: 1)")
    draw(trained, times).savefig(path, dpi=80)
    print(f"{path}: gradients, saturation and times")


if __name__ == "__main__":
    main()
