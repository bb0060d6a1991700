"""Fused training
==============

Train with masks and with fused steps: what it saves, and what stays the same.

A hidden layer adds a bias, applies relu, and keeps what its backward pass will need. Three ways to
do that train the same network on the same batches:

* NumPy: two passes forward and three back. It keeps the sums, four bytes an element.
* Masks: one pass adds the bias, applies relu and makes a mask, one bit an element; the gradient
  needs no more. All weights and losses have the same bytes as with NumPy.
* Fused: bias and relu are one pass over the product, in its own memory. Backward, one pass gives
  the gradient and its sum for the bias. It needs nothing but relu's output, which the next layer
  keeps anyway. fastrelu adds the bias gradients in float64 and rounds them once, so that they are
  more exact than NumPy's, and the losses differ in their last digits.

Times are of the steps of the hidden layer alone, without the matrix products around them, on one
thread. Writes one picture::

    python docs/examples/fused_training.py --output FOLDER
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads make such small products slower

import fastrelu as fr
import numpy as np
from matplotlib.figure import Figure

BATCH, INPUTS, UNITS, CLASSES, STEPS, RATE = 256, 64, 1024, 10, 60, 0.1
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"


class Way(NamedTuple):
    """How a hidden layer goes forward and back; `forward` also returns what `backward` needs."""

    forward: Callable[[Any, Any], tuple[Any, Any]]  # product, bias -> output, kept
    backward: Callable[[Any, Any, Any], tuple[Any, Any]]  # gradient, kept, output -> gradients
    color: str


def numpy_forward(product, bias):
    """Add the bias, then select; keep the sums."""
    sums = product + bias
    return np.maximum(sums, 0), sums


def numpy_backward(grad, sums, output):
    """Multiply by the mask, then sum over the batch."""
    grad = grad * (sums > 0)
    return grad, grad.sum(axis=0)


def mask_forward(product, bias):
    """Add the bias and select in one pass, in place; keep one bit an element."""
    return fr.add_relu_with_mask(product, bias, out=product)


def mask_backward(grad, mask, output):
    """Go back by the bits alone."""
    grad = fr.relu_backward_from_mask(grad, mask)
    return grad, grad.sum(axis=0)


def fused_forward(product, bias):
    """Add the bias and select in one pass, in place; keep nothing."""
    return fr.add_relu(product, bias, out=product), None


def fused_backward(grad, nothing, output):
    """Compute both gradients in one pass, in place."""
    return fr.relu_backward_with_bias(grad, output, axis=0, out=grad)


WAYS = {
    "NumPy": Way(numpy_forward, numpy_backward, BLUE),
    "masks": Way(mask_forward, mask_backward, ORANGE),
    "fused": Way(fused_forward, fused_backward, GREEN),
}


class Trained(NamedTuple):
    """What a training left: its losses, all weights, seconds a step, and bytes kept in it."""

    losses: np.ndarray
    weights: list[np.ndarray]
    seconds: float
    kept: int


def train(way: Way) -> Trained:
    """Train a network of one hidden layer to name the largest of ten hidden sums."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((INPUTS, CLASSES), np.float32)
    hidden = rng.standard_normal((INPUTS, UNITS), np.float32) * np.float32((2 / INPUTS) ** 0.5)
    output = rng.standard_normal((UNITS, CLASSES), np.float32) * np.float32((2 / UNITS) ** 0.5)
    bias = np.zeros(UNITS, np.float32)
    losses, seconds = [], []
    for _ in range(STEPS):
        inputs = rng.standard_normal((BATCH, INPUTS), np.float32)
        labels = (inputs @ truth).argmax(axis=1)
        product = inputs @ hidden

        start = perf_counter()
        active, kept = way.forward(product, bias)
        forward = perf_counter() - start

        powers = np.exp(active @ output)
        grad = powers / powers.sum(axis=1, keepdims=True)
        losses.append(-np.log(grad[np.arange(BATCH), labels]).mean())
        grad[np.arange(BATCH), labels] -= 1
        grad /= BATCH
        grad_active = grad @ output.T

        start = perf_counter()
        grad_sums, grad_bias = way.backward(grad_active, kept, active)
        seconds.append(forward + perf_counter() - start)

        output -= RATE * (active.T @ grad)
        hidden -= RATE * (inputs.T @ grad_sums)
        bias -= RATE * grad_bias
    kept_bytes = 0 if kept is None else kept.nbytes
    return Trained(np.array(losses), [hidden, bias, output], float(np.median(seconds)), kept_bytes)


def draw(trained: dict[str, Trained]) -> Figure:
    """Draw time, kept bytes and losses of the three ways."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    time, kept, loss = figure.subplots(1, 3)
    colors = [way.color for way in WAYS.values()]
    seconds = [1e6 * each.seconds for each in trained.values()]
    time.bar_label(time.bar(list(trained), seconds, color=colors), fmt="{:.0f}")
    time.set(title="Hidden layer, forward and back", ylabel="us a batch", ymargin=0.1)
    sizes = [each.kept / 1024 for each in trained.values()]
    kept.bar_label(kept.bar(list(trained), sizes, color=colors), fmt="{:,.0f}")
    kept.set(title="Kept for backward, beside the output", ylabel="KiB a batch", ymargin=0.1)
    for width, (name, each) in zip((7, 4, 1.5), trained.items(), strict=True):
        loss.plot(each.losses, color=WAYS[name].color, linewidth=width, label=name)
    loss.set(title="Loss: the curves lie on each other", xlabel="step", ylim=(0, None))
    loss.legend()
    return figure


def main() -> None:
    """Train all three ways, compare and print, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    path = parser.parse_args().output / "fused_training.png"
    with fr.num_threads(1):  # as NumPy has
        trained = {name: train(way) for name, way in WAYS.items()}
    for name, each in trained.items():
        print(f"{name}: {1e6 * each.seconds:.0f} us a batch; {each.kept:,} bytes kept")
    plain, masks, fused = trained.values()
    same = all(map(np.array_equal, map(bits, plain.weights), map(bits, masks.weights)))
    same = same and np.array_equal(bits(plain.losses), bits(masks.losses))
    print(f"masks: all weights and losses have the same bytes as NumPy's: {same}")
    largest = np.max(np.abs(fused.losses / plain.losses - 1))
    print(f"fused: losses differ from NumPy's by a factor of at most 1 + {largest:.0e}")
    draw(trained).savefig(path, dpi=80)
    print(f"{path}: time, kept bytes and losses")


def bits(array: np.ndarray) -> np.ndarray:
    """Return the bits of float32 numbers as integers, which tell -0.0 from 0.0."""
    return array.view(np.uint32)


if __name__ == "__main__":
    main()
