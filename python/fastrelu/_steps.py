"""The ways to take the demo's hidden layers forward and back: NumPy's idioms, fastrelu, fused."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import fastrelu as fr
from fastrelu._perceptron import (
    Activated,
    Array,
    Gradients,
    Network,
    Step,
    Stopwatch,
    new_layers,
)

SLOPE = 0.01
NUMPY, FASTRELU, FUSED = "NumPy", "fastrelu", "fused"


class Activation(NamedTuple):
    """An activation as one library computes it; `backward` may overwrite the gradient it gets."""

    by: str
    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]


# These idioms give fastrelu's bits; others do not, as the next one shows.
ACTIVATIONS = {
    "relu": (
        Activation(NUMPY, lambda x: np.maximum(x, 0), lambda g, x: np.where(x <= 0, 0, g)),
        Activation(FASTRELU, fr.relu, fr.relu_backward_),
    ),
    "leaky relu": (
        Activation(
            NUMPY,
            lambda x: np.where(x > 0, x, SLOPE * x),
            lambda g, x: np.where(x > 0, g, SLOPE * g),
        ),
        Activation(FASTRELU, fr.leaky_relu, fr.leaky_relu_backward_),
    ),
}
MASKED_PRODUCT = Activation(NUMPY, lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0))


def unfused(activation: Activation) -> Step:
    """Return the textbook's step: bias, activation and sum apart, the weighted sums saved."""

    def forward(product: Array, biases: Array) -> Activated:
        sums = product + biases
        return Activated(activation.forward(sums), saved=sums)

    def backward(gradient: Array, sums: Array) -> Gradients:
        at_sums = activation.backward(gradient, sums)
        return Gradients(at_sums, at_sums.sum(axis=0))

    return Step(activation.by, forward, backward)


def _fused_relu_forward(product: Array, biases: Array) -> Activated:
    activations = fr.add_relu(product, biases, out=product)
    return Activated(activations, saved=activations)


def _fused_relu_backward(gradient: Array, activations: Array) -> Gradients:
    return Gradients(*fr.relu_backward_with_bias(gradient, activations, axis=0, out=gradient))


def _masked_leaky_relu_forward(product: Array, biases: Array) -> Activated:
    product += biases
    return Activated(*fr.leaky_relu_with_mask(product, SLOPE, out=product))


def _masked_leaky_relu_backward(gradient: Array, mask: Array) -> Gradients:
    at_sums = fr.leaky_relu_backward_from_mask(gradient, mask, SLOPE, out=gradient)
    return Gradients(at_sums, at_sums.sum(axis=0))


FUSED_STEPS = {
    "relu": Step(FUSED, _fused_relu_forward, _fused_relu_backward),
    "leaky relu": Step(FUSED, _masked_leaky_relu_forward, _masked_leaky_relu_backward),
}


def networks(name: str, seed: int, *, fused: bool) -> list[Network]:
    """Make equal networks that differ in who computes the activation `name`: NumPy's comes first.

    Their watches take the time of whole steps if one of them is fused, else of activations alone.
    """
    if fused:
        steps = [*map(unfused, ACTIVATIONS[name]), FUSED_STEPS[name]]
        return [_with_steps_timed(step, seed) for step in steps]
    return [_with_activation_timed(activation, seed) for activation in ACTIVATIONS[name]]


def _with_steps_timed(step: Step, seed: int) -> Network:
    watch = Stopwatch()
    timed = Step(step.by, watch.on(step.forward), watch.on(step.backward))
    return Network(timed, new_layers(seed), watch)


def _with_activation_timed(activation: Activation, seed: int) -> Network:
    watch = Stopwatch()
    timed = Activation(activation.by, watch.on(activation.forward), watch.on(activation.backward))
    return Network(unfused(timed), new_layers(seed), watch)
