"""Exploding gradients
===================

Exploding gradients, and what clipping their norm mends.

A recurrent network multiplies by the same weights at every step, so that its gradient does, too, on
the way back: weights that are a little too large make it grow without bound, and weights that are
too small make it vanish. Here a network of relu units reads 20 pairs, a number and a mark, and
answers the sum of the two numbers that are marked. Its recurrent weights begin as 1.1 times the
identity, a tenth too large.

* Without clipping, one step along a huge gradient throws the weights far away, and the loss rises
  by 39 powers of ten. It ends with every unit dead (see dead_units.py). The network then gives the
  same answer every time; the loss of the best such answer is 1/6.
* With a hundredth of the rate the network survives, and has learned less than that constant yet.
* With clipping it learns at the full rate: a gradient whose norm is above 1 is divided by its norm,
  all arrays together, so that its direction stays.

Clipping bounds the step; it does not mend the cause. Gradients stay large: more than half of the
steps are clipped. Nor does it help gradients that vanish: it multiplies all of a gradient by one
number, and leaves a norm below 1 alone. A gradient that has overflowed to inf or NaN has no
direction left; fastrelu leaves it as it is, and a program should leave out that step.

Writes one picture::

    python docs/examples/exploding_gradients.py --output FOLDER
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads make such small products slower

import fastrelu as fr
import numpy as np
from matplotlib.figure import Figure

PAIRS, UNITS, BATCH, STEPS, RATE, MAX_NORM, FIRST_SCALE = 20, 32, 64, 1000, 0.1, 1.0, 1.1
SPAN = 20  # steps, of which the picture shows the median
SCALES = {0.5: "#56B4E9", 0.8: "#0072B2", 1.1: "#E69F00", 1.5: "#D55E00"}


class Run(NamedTuple):
    """How a network is trained and drawn."""

    rate: float
    max_norm: float
    style: dict[str, Any]


RUNS = {
    "not clipped": Run(RATE, np.inf, {"color": "#D55E00"}),
    "not clipped, rate / 100": Run(RATE / 100, np.inf, {"color": "#E69F00"}),
    "clipped": Run(RATE, MAX_NORM, {"color": "#0072B2"}),
}


class Passed(NamedTuple):
    """What one pass gives; `norms` are of the gradient of the units, the last step's first."""

    loss: float
    grads: list[np.ndarray]
    norms: list[float]
    dead: float


def draw_batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of shape (PAIRS, BATCH, 2), and the sums of the numbers that are marked."""
    pairs = rng.random((PAIRS, BATCH, 2))
    pairs[:, :, 1] = 0
    sample, half = np.arange(BATCH), PAIRS // 2
    marked = rng.integers(half, size=BATCH), rng.integers(half, PAIRS, size=BATCH)
    for place in marked:
        pairs[place, sample, 1] = 1
    return pairs, sum(pairs[place, sample, 0] for place in marked)


def first_weights(scale: float) -> list[np.ndarray]:
    """Return weights of the input, of the units, their biases, output weights and bias."""
    rng = np.random.default_rng(1)
    inputs, outputs = 0.3 * rng.standard_normal((2, UNITS)), 0.1 * rng.standard_normal(UNITS)
    return [inputs, scale * np.eye(UNITS), np.zeros(UNITS), outputs, np.zeros(1)]


def pass_through(weights: list[np.ndarray], pairs: np.ndarray, target: np.ndarray) -> Passed:
    """Go forward through all pairs, and back."""
    inputs, recurrent, bias, outputs, output_bias = weights
    hidden = [np.zeros((BATCH, UNITS))]
    for pair in pairs:
        hidden.append(fr.add_relu(pair @ inputs + hidden[-1] @ recurrent, bias))
    error = hidden[-1] @ outputs + output_bias - target
    grad_error = 2 * error / BATCH
    grads = [np.zeros_like(each) for each in weights[:3]]
    grads += [hidden[-1].T @ grad_error, grad_error.sum(keepdims=True)]
    grad_hidden, norms = np.outer(grad_error, outputs), []
    for step in reversed(range(PAIRS)):
        norms.append(float(np.linalg.norm(grad_hidden)))
        grad_sums, grad_bias = fr.relu_backward_with_bias(grad_hidden, hidden[step + 1], axis=0)
        grads[0] += pairs[step].T @ grad_sums
        grads[1] += hidden[step].T @ grad_sums
        grads[2] += grad_bias
        grad_hidden = grad_sums @ recurrent.T
    dead = fr.dead_units(np.concatenate(hidden)).mean()
    return Passed(float(np.square(error).mean()), grads, norms, dead)


def train(run: Run) -> np.ndarray:
    """Train a network; return the loss, the gradient's norm and the dead units of each step."""
    rng = np.random.default_rng(2)  # the same batches for every run
    weights = first_weights(FIRST_SCALE)
    history = []
    for _ in range(STEPS):
        passed = pass_through(weights, *draw_batch(rng))
        norm = fr.clip_grad_norm_(passed.grads, run.max_norm)
        history.append((passed.loss, norm, passed.dead))
        for weight, grad in zip(weights, passed.grads, strict=True):
            np.subtract(weight, run.rate * grad, out=weight)
    return np.array(history).T


def draw(back: dict[float, list[float]], trained: dict[str, np.ndarray]) -> Figure:
    """Draw the gradient on its way back, losses, and norms of gradients."""
    figure = Figure(figsize=(12.5, 4.5), layout="constrained")
    way, loss, norm = figure.subplots(1, 3)
    for scale, norms in back.items():
        way.semilogy(norms, color=SCALES[scale], marker="o", markersize=4, label=f"{scale} I")
    way.set(title="Gradient of the units, at first", xlabel="steps back", ylabel="norm")
    way.legend(title="recurrent weights")
    for name, histories in trained.items():
        for axes, history in zip((loss, norm), histories, strict=False):
            medians = np.median(history.reshape(-1, SPAN), axis=1)
            x = np.arange(SPAN / 2, STEPS, SPAN)
            axes.semilogy(x, medians, label=name, linewidth=2, **RUNS[name].style)
    for axes, history in ((loss, 0), (norm, 1)):
        most = max(histories[history].max() for histories in trained.values())
        axes.text(0.27, 0.93, f"from {most:.0e}", transform=axes.transAxes)
    below = {"xytext": (0, -13), "textcoords": "offset points"}
    loss.axhline(1 / 6, color="black", linestyle=":")
    loss.annotate("a constant: 1/6", (0, 1 / 6), **below)
    norm.axhline(MAX_NORM, color="black", linestyle=":")
    norm.annotate("max_norm", (STEPS, MAX_NORM), ha="right", **below)
    loss.set(title=f"Loss, median of {SPAN} steps", xlabel="step", ylim=(0.03, 30))
    norm.set(title="Norm of the whole gradient, not yet clipped", xlabel="step", ylim=(0.03, 1000))
    for axes in (way, loss, norm):
        axes.grid(alpha=0.3)
    figure.legend(*loss.get_legend_handles_labels(), loc="outside lower right", ncols=3)
    return figure


def main() -> None:
    """Train, print, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    path = parser.parse_args().output / "exploding_gradients.png"
    batch = draw_batch(np.random.default_rng(0))
    back = {scale: pass_through(first_weights(scale), *batch).norms for scale in SCALES}
    for scale, norms in back.items():
        change = norms[-1] / norms[0]
        print(f"recurrent weights {scale} I: {PAIRS - 1} steps back, gradient times {change:.1e}")
    trained = {name: train(run) for name, run in RUNS.items()}
    for name, (losses, norms, dead) in trained.items():
        above = (norms > MAX_NORM).mean()
        print(
            f"{name}: loss at most {losses.max():.0e}, at last {losses[-50:].mean():.3f}; "
            f"norm at most {norms.max():.0e}, above {MAX_NORM:g} at {above:.0%} of steps; "
            f"{dead[-1]:.0%} of units dead"
        )
    draw(back, trained).savefig(path, dpi=80)
    print(f"{path}: gradients, and losses with and without clipping")


if __name__ == "__main__":
    main()
