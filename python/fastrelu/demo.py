"""The main job: train on real digits with NumPy's idioms and with fastrelu, byte for byte alike.

Two copies of one small multilayer perceptron learn in lock-step. They share every line of code but
the activation, an `Activation` record that holds NumPy's idioms on one side and fastrelu on the
other. At every step the activations and the gradients of both sides are compared as bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import fastrelu as fr
from fastrelu import reference
from fastrelu._arguments import picture, whole_number
from fastrelu._extras import require
from fastrelu._perceptron import LAYERS, Activation, Array, Digits, Network, new_network, timed
from fastrelu._terminal import progress, table
from fastrelu._verification import supported_dtypes
from fastrelu.plot import draw

EPOCHS = 40
ELEMENTS = (1 << 20, 1 << 23)
NARROW = ("float16", "bfloat16", "float8_e4m3fn", "int8")
ROUNDS = 5
SLOPE = 0.01

BATCH = 64
HELD_OUT = 360


class Idiom(NamedTuple):
    """What people write in NumPy, as text and as code."""

    text: str
    compute: Callable[..., Array]


class DifferenceError(Exception):
    """The two sides do not hold the same bytes."""


# Keyed by the function of fastrelu that gives the same bits; s in the texts is SLOPE.
IDIOMS = {
    "relu": Idiom("np.maximum(x, 0)", lambda x: np.maximum(x, 0)),
    "relu_derivative": Idiom("(x > 0).astype(x.dtype)", lambda x: (x > 0).astype(x.dtype)),
    "relu_backward": Idiom("np.where(x <= 0, 0, g)", lambda g, x: np.where(x <= 0, 0, g)),
    "leaky_relu": Idiom("np.where(x > 0, x, s * x)", lambda x: np.where(x > 0, x, SLOPE * x)),
    "leaky_relu_derivative": Idiom(
        # Two Python numbers would give float64.
        "np.where(x > 0, one, s)",
        lambda x: np.where(x > 0, x.dtype.type(1), x.dtype.type(SLOPE)),
    ),
    "leaky_relu_backward": Idiom(
        "np.where(x > 0, g, s * g)", lambda g, x: np.where(x > 0, g, SLOPE * g)
    ),
}

SIDES = {
    "relu": (
        Activation("NumPy", IDIOMS["relu"].compute, IDIOMS["relu_backward"].compute),
        Activation("fastrelu", fr.relu, fr.relu_backward_),
    ),
    "leaky relu": (
        Activation("NumPy", IDIOMS["leaky_relu"].compute, IDIOMS["leaky_relu_backward"].compute),
        Activation("fastrelu", fr.leaky_relu, fr.leaky_relu_backward_),
    ),
}

MASKED_PRODUCT = Activation("NumPy", IDIOMS["relu"].compute, lambda g, x: g * (x > 0))


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
        "--plot",
        type=picture,
        metavar="FILE.png",
        help="draw the functions, their derivatives and the training curves",
    )


def main(args: argparse.Namespace) -> int:
    """Run the demo with the options that `configure` declared; return the exit status."""
    return run(epochs=args.epochs, seed=args.seed, plot=args.plot, elements=args.elements)


def run(
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    plot: str | None = None,
    elements: Sequence[int] = ELEMENTS,
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
        trained = {name: _train(name, digits, epochs, seed) for name in SIDES}
        _report_training(trained, digits)
        if plot is not None:
            draw({name: sides[-1].history for name, sides in trained.items()}, plot)
            print(f"{plot}: the functions, their derivatives and the training curves\n")
        _report_large(elements, seed)
    except DifferenceError as difference:
        print(f"fastrelu and NumPy differ: {difference}", file=sys.stderr)
        return 1
    return 0


def _train(name: str, digits: Digits, epochs: int, seed: int) -> list[Network]:
    """Train NumPy's and fastrelu's network in lock-step, in that order."""
    networks = [new_network(activation, seed) for activation in SIDES[name]]
    order = list(networks)
    rng = np.random.default_rng(seed)
    steps = -(-len(digits.labels) // BATCH)
    with progress(f"train with {name}", epochs * steps) as advance:
        for epoch in range(1, epochs + 1):
            for batch in np.array_split(rng.permutation(len(digits.labels)), steps):
                images, labels = digits.images[batch], digits.labels[batch]
                order.reverse()  # neither side always finds the caches warmed by the other
                learned = {n.activation.by: n.learn(images, labels) for n in order}
                for what, expected in learned["NumPy"].items():
                    actual = learned["fastrelu"][what]
                    _require_same(f"{name}, epoch {epoch}, {what}", expected, actual)
                advance(1)
            for network in order:
                network.evaluate(digits)
    return networks


def _load_digits(seed: int) -> Digits:
    images, labels = require("sklearn.datasets", "demo").load_digits(return_X_y=True)
    images = (images / images.max()).astype(np.float32)
    held_out, kept = np.split(np.random.default_rng(seed).permutation(len(labels)), [HELD_OUT])
    return Digits(images[kept], labels[kept], images[held_out], labels[held_out])


def _require_same(what: str, expected: Array, actual: Array) -> None:
    """Raise `DifferenceError` unless both arrays have one dtype, one shape and the same bytes."""
    if (expected.dtype, expected.shape) != (actual.dtype, actual.shape):
        raise DifferenceError(
            f"{what}: NumPy gives {expected.dtype}{expected.shape}, "
            f"fastrelu {actual.dtype}{actual.shape}"
        )
    bits = f"u{expected.itemsize}"
    differing = expected.view(bits) != actual.view(bits)
    if differing.any():
        place = np.unravel_index(differing.argmax(), differing.shape)
        index = ", ".join(map(str, place))
        raise DifferenceError(
            f"{what}, element [{index}]: "
            f"NumPy gives {expected[place]!s} ({expected.view(bits)[place]:#x}), "
            f"fastrelu {actual[place]!s} ({actual.view(bits)[place]:#x})"
        )


def _report_training(trained: dict[str, list[Network]], digits: Digits) -> None:
    table(
        f"{len(digits.labels):,} digits to learn from, {HELD_OUT} held out; "
        "all activations and gradients had the same bytes at every step",
        [
            "activation",
            "by",
            "accuracy",
            *(f"dead, layer {n}" for n in range(1, len(LAYERS) - 1)),
            "time",
            "speed",
        ],
        [
            [
                name,
                network.activation.by,
                f"{network.history[-1].accuracy:.1%}",
                *(f"{share:.1%}" for share in network.history[-1].dead),
                f"{network.seconds:.3f} s",
                f"{sides[0].seconds / network.seconds:.1f}x",
            ]
            for name, sides in trained.items()
            for network in sides
        ],
    )
    print("accuracy: on held-out digits; time: in activations alone, forward and backward")
    print("dead: units never active, that is with no sum above 0, on any training image")
    print(f"{_negative_zeros(trained['relu'][0], digits)}\n")


def _negative_zeros(network: Network, digits: Digits) -> str:
    """Say what a product with the mask makes of the gradients of `network`, on all digits."""
    forward = network.forward(digits.images)
    selected, multiplied = (
        np.concatenate([gradient.ravel() for gradient in gradients[:-1]])
        for gradients in (
            variant.backward(forward, digits.labels)
            for variant in (network, replace(network, activation=MASKED_PRODUCT))
        )
    )
    same_bits = selected.view(np.uint32) == multiplied.view(np.uint32)
    count = np.count_nonzero((selected == multiplied) & ~same_bits)
    return (
        f"the common g * (x > 0): {count:,} of {selected.size:,} gradients are -0.0 "
        "where selecting gives +0.0: equal under == only, not in their bytes"
    )


def _report_large(elements: Sequence[int], seed: int) -> None:
    cells = [(count, dtype) for count in elements for dtype in _large_dtypes(count, elements)]
    total = sum(count * dtype.itemsize for count, dtype in cells) * len(IDIOMS)
    with progress("time large arrays", total) as advance:
        rows = [row for count, dtype in cells for row in _large_rows(count, dtype, seed, advance)]
    table(
        f"fresh results from random signs; medians of {ROUNDS} interleaved rounds; s = {SLOPE}",
        ["elements", "dtype", "NumPy idiom", "ms", "fastrelu", "ms", "speed"],
        rows,
    )


def _large_dtypes(count: int, elements: Sequence[int]) -> list[np.dtype[Any]]:
    """Choose float32 and float64, and at the smallest size all that a user might have in arrays.

    NumPy takes seconds for the largest arrays of narrow floats.
    """
    usual: list[np.dtype[Any]] = [np.dtype(np.float32), np.dtype(np.float64)]
    if count > min(elements):
        return usual
    return usual + [each for each in supported_dtypes() if each.name in NARROW]


def _large_rows(
    count: int, dtype: np.dtype[Any], seed: int, advance: Callable[[int], None]
) -> Iterator[list[str]]:
    rng = np.random.default_rng(seed)
    # Adding +0.0 turns -0.0 into +0.0: np.maximum(-0.0, 0) may be either, by processor.
    x, g = ((3 * rng.standard_normal(count) + 0.0).astype(dtype) for _ in range(2))
    for name, idiom in IDIOMS.items():
        if name.startswith("leaky") and dtype.kind in "iu":
            continue  # the idiom computes in float64; so does fastrelu, and returns it
        function = getattr(fr, name)
        operands = (g, x) if name.endswith("_backward") else (x,)
        # NumPy's idioms round the slope to a narrow dtype and lose some dtypes altogether.
        expected = getattr(reference, name) if dtype.name in NARROW else idiom.compute
        _require_same(f"{name}, {count:,} x {dtype}", expected(*operands), function(*operands))
        rounds = [
            [timed(contender, *operands)[1] for contender in (idiom.compute, function)]
            for _ in range(ROUNDS)
        ]
        theirs, ours = map(median, zip(*rounds, strict=True))
        yield [
            f"{count:,}",
            dtype.name,
            idiom.text,
            f"{1e3 * theirs:.2f}",
            f"fr.{name}",
            f"{1e3 * ours:.2f}",
            f"{theirs / ours:.1f}x",
        ]
        advance(count * dtype.itemsize)
