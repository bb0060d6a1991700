"""The main job: train on real digits with NumPy's idioms and with fastrelu, byte for byte alike.

Copies of one small multilayer perceptron learn in lock-step. They share every line of code but the
step of a hidden layer, a `Step` record, which NumPy's idioms take on one side and fastrelu on the
other; with ``--fused``, masks and fused functions on a third. At every step the activations and the
gradients of all sides are compared as bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastrelu._arguments import picture, whole_number
from fastrelu._extras import require
from fastrelu._large import report_fusions, report_idioms
from fastrelu._lockstep import Plan, Training, train
from fastrelu._perceptron import LAYERS, Digits, Network
from fastrelu._same import DifferenceError
from fastrelu._steps import ACTIVATIONS, MASKED_PRODUCT, unfused
from fastrelu._terminal import table
from fastrelu.plot import Curves, draw

EPOCHS = 40
ELEMENTS = (1 << 20, 1 << 23)
HELD_OUT = 360


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the demo's options to `parser`, whose result goes to `main`."""
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        default=EPOCHS,
        metavar="N",
        help="passes over the training set (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="seed of the split, the weights and the large arrays (default: %(default)s)",
    )
    parser.add_argument(
        "--elements",
        type=whole_number(1),
        nargs="+",
        default=ELEMENTS,
        metavar="N",
        help=f"sizes of the large arrays (default: {' '.join(map(str, ELEMENTS))})",
    )
    parser.add_argument(
        "--fused",
        action="store_true",
        help="train with masks and fused steps, too, and time them",
    )
    parser.add_argument(
        "--plot",
        type=picture,
        metavar="FILE.png",
        help="draw the functions, their derivatives, the training curves and the activity log",
    )


def main(args: argparse.Namespace) -> int:
    """Run the demo with the options that `configure` declared; return the exit status."""
    return run(
        epochs=args.epochs,
        seed=args.seed,
        plot=args.plot,
        elements=args.elements,
        fused=args.fused,
    )


def run(
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    plot: str | None = None,
    elements: Sequence[int] = ELEMENTS,
    fused: bool = False,
) -> int:
    """Train with NumPy and with fastrelu, compare every byte, and print what each took.

    Parameters
    ----------
    epochs : int
        Passes over the training set.
    seed : int
        Seed of the split, the weights and the large arrays.
    plot : str, optional
        The PNG file to draw.
    elements : sequence of int
        Sizes of the large arrays that idioms and functions are timed on at the end.
    fused : bool
        Whether masks and fused steps take part.

    Returns
    -------
    int
        0, or 1 if anything differed; the first difference is then on stderr.

    Raises
    ------
    ImportError
        If an extra is missing, before any work is done.
    """
    digits = _load_digits(seed)
    if plot is not None:
        require("matplotlib", "plot")
    try:
        plan = Plan(epochs, seed, fused, watched=plot is not None)
        trained = {name: train(name, digits, plan) for name in ACTIVATIONS}
        _report_training(trained, digits, fused=fused)
        if plot is not None:
            draw({name: _curves(training) for name, training in trained.items()}, plot)
            print(
                f"{plot}: the functions, their derivatives, the training curves and the activity "
                "log, which takes fastrelu some of the time above\n"
            )
        report_idioms(elements, seed)
        if fused:
            report_fusions(elements, seed)
    except DifferenceError as difference:
        print(f"fastrelu and NumPy differ: {difference}", file=sys.stderr)
        return 1
    return 0


def _curves(training: Training) -> Curves:
    return Curves(training.networks[-1].history, training.activity)


def _load_digits(seed: int) -> Digits:
    images, labels = require("sklearn.datasets", "demo").load_digits(return_X_y=True)
    images = (images / images.max()).astype(np.float32)
    held_out, kept = np.split(np.random.default_rng(seed).permutation(len(labels)), [HELD_OUT])
    return Digits(images[kept], labels[kept], images[held_out], labels[held_out])


def _report_training(trained: dict[str, Training], digits: Digits, *, fused: bool) -> None:
    table(
        f"{len(digits.labels):,} digits to learn from, {HELD_OUT} held out; "
        "all activations and gradients had the same bytes at every step",
        [
            "activation",
            "by",
            "accuracy",
            *(f"dead, layer {n}" for n in range(1, len(LAYERS) - 1)),
            *(["saved"] if fused else []),
            "time",
            "speed",
        ],
        [
            [
                name,
                network.step.by,
                f"{network.history[-1].accuracy:.1%}",
                *(f"{share:.1%}" for share in network.history[-1].dead),
                *([f"{training.saved[network.step.by]:,} bytes"] if fused else []),
                f"{network.watch.seconds:.3f} s",
                f"{training.networks[0].watch.seconds / network.watch.seconds:.1f}x",
            ]
            for name, training in trained.items()
            for network in training.networks
        ],
    )
    timed = "steps alone: bias, activation, both gradients" if fused else "activations alone"
    print(f"accuracy: on held-out digits; time: in {timed}, forward and backward")
    print("dead: units never active, that is with no sum above 0, on any training image")
    if fused:
        print(
            "saved: for the backward pass of one batch, beside the activations, which the next "
            "layer needs;\nweighted sums, or for leaky relu fused one bit each; relu fused goes "
            "back by its activations alone"
        )
    print(f"{_negative_zeros(trained['relu'].networks[0], digits)}\n")
    if fused:
        _report_bias_gradients(trained)


def _report_bias_gradients(trained: dict[str, Training]) -> None:
    table(
        "bias gradients: errors where the two differ, against the exact sum, "
        "in units in the last place",
        ["activation", "bias gradients", "that differ", "by", "mean error", "largest error"],
        [
            [
                name,
                f"{training.bias_gradients.compared:,}",
                f"{training.bias_gradients.differing:,}",
                by,
                f"{errors.mean:,.2f}",
                f"{errors.largest:,.2f}",
            ]
            for name, training in trained.items()
            for by, errors in training.bias_gradients.summary().items()
        ],
    )
    for name, training in trained.items():
        if not training.bias_gradients.differing:
            compared = training.bias_gradients.compared
            print(f"{name}: all {compared:,} bias gradients had the same bytes\n")


def _negative_zeros(network: Network, digits: Digits) -> str:
    """Say what a product with the mask makes of the gradients of `network`, on all digits."""
    forward = network.forward(digits.images)
    selected, multiplied = (
        np.concatenate([each.sums.ravel() for each in gradients[:-1]])
        for gradients in (
            variant.backward(forward, digits.labels)
            for variant in (network, replace(network, step=unfused(MASKED_PRODUCT)))
        )
    )
    same_bits = selected.view(np.uint32) == multiplied.view(np.uint32)
    count = np.count_nonzero((selected == multiplied) & ~same_bits)
    return (
        f"the common g * (x > 0): {count:,} of {selected.size:,} gradients are -0.0 "
        "where selecting gives +0.0: equal under == only, not in their bytes"
    )
