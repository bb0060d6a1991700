"""Training in lock-step: equal networks learn from the same batches, compared at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import fsum
from typing import NamedTuple

import numpy as np

import fastrelu as fr
from fastrelu._activity import ActivityLog, ActivityRow
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
        """How many finite sums are not the same bytes."""
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
        same_bits = first.view(np.uint32) == last.view(np.uint32)
        differing = np.flatnonzero(~same_bits & np.isfinite(terms).all(axis=0))
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
                f"the exact sum is {exact[index]!s}, {by} {each[differing[index]]!s}"
            )


@dataclass
class Activity:
    """What the activity log says of each hidden layer of a network while it learns."""

    active: list[tuple[float, ...]] = field(default_factory=list)
    """For each step, the share of active results."""
    dead: list[tuple[float, ...]] = field(default_factory=list)
    """For each epoch, the share of units that were active in no step of it."""
    nans: int = 0

    def add(self, log: ActivityLog, layers: Sequence[str]) -> None:
        """Add an epoch, each step of which `log` has in its history, under the names of layers."""
        for step in log.history:
            rows = {row.where: row for row in step}
            self.active.append(tuple(rows[layer].active_share for layer in layers))
        rows = {row.where: row for row in log}
        self.dead.append(tuple(_dead_share(rows[layer]) for layer in layers))
        self.nans += sum(rows[layer].nan for layer in layers)


@dataclass
class Training:
    """Networks that learn together, NumPy's first, and what they show on the way."""

    networks: list[Network]
    saved: dict[str, int] = field(default_factory=dict)
    """By whom: the bytes that the largest batch keeps for the backward pass."""
    bias_gradients: BiasGradients = field(default_factory=BiasGradients)
    activity: Activity = field(default_factory=Activity)
    """Of the last network, if it was watched."""

    def __post_init__(self) -> None:
        # Turned round at every step: nobody always finds the caches warmed by the same other one.
        self._order = list(self.networks)

    def learn(self, where: str, digits: Digits, batch: Array) -> None:
        """Let all learn from the same images, and compare what they did."""
        images, labels = digits.images[batch], digits.labels[batch]
        self._order.reverse()
        learned = {each.step.by: each.learn(images, labels) for each in self._order}
        for by, each in learned.items():
            self.saved[by] = max(self.saved.get(by, 0), each.extra_bytes)
        self._compare(where, learned)

    def share(self) -> None:
        """Let all go on with what the last network has learnt."""
        for network in self.networks[:-1]:
            network.copy_from(self.networks[-1])

    @contextmanager
    def watch(self) -> Iterator[Callable[[], object]]:
        """Log an epoch of the last network; yields what ends each of its steps."""
        network = self.networks[-1]
        with fr.activity() as log:
            network.label = log.label
            try:
                yield log.step
            finally:
                network.label = nullcontext
        self.activity.add(log, [f"layer {n}" for n in range(1, len(network.layers))])

    def _compare(self, where: str, learned: Mapping[str, Learned]) -> None:
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


class Plan(NamedTuple):
    """How to train."""

    epochs: int
    seed: int
    """Of the weights and the batches."""
    fused: bool
    """Whether masks and fused steps take part.

    Their sums are more exact, so that the others would learn something else: they take over what
    the fused side learns after each batch.
    """
    watched: bool
    """Whether the activity log runs along, which takes the watched network some time."""


def train(name: str, digits: Digits, plan: Plan) -> Training:
    """Train with the activation `name`, computed in each way that there is.

    Parameters
    ----------
    name : str
        ``"relu"`` or ``"leaky relu"``.
    digits : Digits
        What to learn.
    plan : Plan
        How to train.

    Returns
    -------
    Training
        The networks, and what was counted.

    Raises
    ------
    DifferenceError
        If anything differs but sums, or if a fused sum is not exact.
    """
    training = Training(networks(name, plan.seed, fused=plan.fused))
    rng = np.random.default_rng(plan.seed)
    steps = -(-len(digits.labels) // BATCH)
    with progress(f"train with {name}", plan.epochs * steps) as advance:
        for epoch in range(1, plan.epochs + 1):
            batches = np.array_split(rng.permutation(len(digits.labels)), steps)
            with training.watch() if plan.watched else nullcontext(_unwatched) as end_step:
                for batch in batches:
                    training.learn(f"{name}, epoch {epoch}", digits, batch)
                    if plan.fused:
                        training.share()
                    end_step()
                    advance(1)
            for network in training.networks:
                network.evaluate(digits)
    return training


def _unwatched() -> None:
    """End a step that nobody logs."""


def _dead_share(row: ActivityRow) -> float:
    return row.dead_units / row.units if row.units and row.dead_units else 0.0


def _in_order(learned: Learned) -> dict[str, Array]:
    """Name what all sides must agree on, in order of computation.

    The products are there so that one that differs is not blamed on the activation.
    """
    forward = enumerate(zip(learned.products, learned.activations, strict=True), start=1)
    named: dict[str, Array] = {}
    for n, (product, activations) in forward:
        named |= {f"products of layer {n}": product, f"activations of layer {n}": activations}
    for n in range(len(learned.gradients), 0, -1):
        named[f"gradients of layer {n}"] = learned.gradients[n - 1].sums
    return named
