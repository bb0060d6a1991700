"""Training in lock-step: equal networks learn from the same batches, compared at every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import NamedTuple

import numpy as np

from fastrelu._perceptron import Array, Digits, Gradients, Learned, Network
from fastrelu._same import DifferenceError, require_same
from fastrelu._steps import networks
from fastrelu._terminal import progress

BATCH = 64

_EPSILON = float(np.finfo(np.float64).eps)


class Errors(NamedTuple):
    """How far some sums are from the exact ones, in units in the last place."""

    mean: float
    largest: float


@dataclass
class BiasGradients:
    """Two ways to sum the gradients of the biases, held against the exact sums."""

    compared: int = 0
    errors: dict[str, list[float]] = field(default_factory=dict)
    """By whom, and for each sum that differs between the two."""

    @property
    def differing(self) -> int:
        """How many sums are not the same bytes."""
        return max(map(len, self.errors.values()), default=0)

    def summary(self) -> dict[str, Errors]:
        """Return the errors of both ways in the sums that differ."""
        return {
            by: Errors(sum(errors) / len(errors), max(errors))
            for by, errors in self.errors.items()
            if errors
        }

    def compare(self, where: str, terms: Array, sums: dict[str, Array]) -> None:
        """Hold two ways to sum the rows of `terms` against each other, and the exact sums.

        Raises
        ------
        DifferenceError
            If the last one does not give the sum in float64, rounded once.
        """
        first, last = sums.values()
        self.compared += first.size
        differing = np.flatnonzero(first.view(np.uint32) != last.view(np.uint32))
        columns = terms[:, differing].astype(np.float64)
        exact = np.array([fsum(column) for column in columns.T.tolist()])
        unit = np.spacing(abs(exact).astype(np.float32)).astype(np.float64)
        for by, each in sums.items():
            error = abs(each[differing] - exact)
            self.errors.setdefault(by, []).extend((error / unit).tolist())
        allowed = unit + len(columns) * _EPSILON * abs(columns).sum(axis=0)
        for index in np.flatnonzero(~(error <= allowed))[:1]:
            raise DifferenceError(
                f"{where}, element [{differing[index]}]: "
                f"the exact sum is {exact[index]!r}, {by} {each[differing[index]]!s}"
            )


@dataclass
class Training:
    """Networks that learnt together, NumPy's first, and what they showed on the way."""

    networks: list[Network]
    saved: dict[str, int]
    """By whom: the bytes that the largest batch keeps for the backward pass."""
    bias_gradients: BiasGradients

    def compare(self, where: str, learned: Mapping[str, Learned]) -> None:
        """Compare what all sides did with the same batch; `learned` says it by their names."""
        for by, each in learned.items():
            self.saved[by] = max(self.saved.get(by, 0), each.extra_bytes)
        first, *others = (learned[network.step.by] for network in self.networks)
        for network, other in zip(self.networks[1:], others, strict=True):
            for (what, expected), actual in zip(
                _in_order(first).items(), _in_order(other).values(), strict=True
            ):
                require_same(f"{where}, {what}", expected, actual, network.step.by)
        self._compare_bias_gradients(where, first.gradients, others[-1].gradients)

    def _compare_bias_gradients(
        self, where: str, first: Sequence[Gradients], last: Sequence[Gradients]
    ) -> None:
        names = [self.networks[0].step.by, self.networks[-1].step.by]
        for number, pair in enumerate(zip(first, last, strict=True), start=1):
            sums = dict(zip(names, (each.biases for each in pair), strict=True))
            what = f"{where}, bias gradients of layer {number}"
            self.bias_gradients.compare(what, pair[0].sums, sums)

    def share(self) -> None:
        """Let all go on with what the last network has learnt."""
        for network in self.networks[:-1]:
            network.copy_from(self.networks[-1])


def train(name: str, digits: Digits, *, epochs: int, seed: int, fused: bool) -> Training:
    """Train with the activation `name`, computed in each way that there is.

    Parameters
    ----------
    name : str
        ``"relu"`` or ``"leaky relu"``.
    digits : Digits
        What to learn.
    epochs : int
        Passes over the training set.
    seed : int
        Seed of the weights and the batches.
    fused : bool
        Whether masks and fused steps take part. Their sums are more exact, so that the others
        would learn something else; they take over what the fused side learns after each batch.

    Returns
    -------
    Training
        The networks, and what was counted.

    Raises
    ------
    DifferenceError
        If anything differs but sums, or if a fused sum is not exact.
    """
    training = Training(networks(name, seed, fused=fused), {}, BiasGradients())
    order = list(training.networks)
    rng = np.random.default_rng(seed)
    steps = -(-len(digits.labels) // BATCH)
    with progress(f"train with {name}", epochs * steps) as advance:
        for epoch in range(1, epochs + 1):
            for batch in np.array_split(rng.permutation(len(digits.labels)), steps):
                images, labels = digits.images[batch], digits.labels[batch]
                order.reverse()  # neither side always finds the caches warmed by the other
                learned = {n.step.by: n.learn(images, labels) for n in order}
                training.compare(f"{name}, epoch {epoch}", learned)
                if fused:
                    training.share()
                advance(1)
            for network in order:
                network.evaluate(digits)
    return training


def _in_order(learned: Learned) -> dict[str, Array]:
    """Name what all sides must agree on, in order of computation.

    The products are there so that one that differs is not blamed on the activation.
    """
    hidden = range(1, len(learned.activations) + 1)
    return (
        {f"products of layer {n}": learned.products[n - 1] for n in hidden}
        | {f"activations of layer {n}": learned.activations[n - 1] for n in hidden}
        | {f"gradients of layer {n}": learned.gradients[n - 1].sums for n in reversed(hidden)}
    )
