"""A small multilayer perceptron in plain NumPy, for the demo: any activation, momentum SGD."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple, ParamSpec, TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
P = ParamSpec("P")
R = TypeVar("R")

LAYERS = (64, 512, 256, 10)
LEARNING_RATE = np.float32(0.05)
MOMENTUM = np.float32(0.9)


class Activated(NamedTuple):
    """A hidden layer's activations, and what its backward pass needs: these, or something else."""

    activations: Array
    saved: Array

    @property
    def extra_bytes(self) -> int:
        """What is kept beside the activations, which the next layer needs in any case."""
        return 0 if self.saved is self.activations else self.saved.nbytes


class Gradients(NamedTuple):
    """The gradients of the mean loss at a layer's weighted sums, and at its biases."""

    sums: Array
    biases: Array


class Step(NamedTuple):
    """What a hidden layer does beside its matrix products; both may overwrite their first argument.

    `forward` takes the inputs' product with the weights, and the biases; `backward` the gradient
    of the activations, and what `forward` saved.
    """

    by: str
    forward: Callable[[Array, Array], Activated]
    backward: Callable[[Array, Array], Gradients]


class Epoch(NamedTuple):
    """What a network has reached after an epoch; `dead` has one share per hidden layer."""

    loss: float
    accuracy: float
    dead: tuple[float, ...]


class Digits(NamedTuple):
    """Images of handwritten digits and what they show, for training and held out."""

    images: Array
    labels: Array
    held_out_images: Array
    held_out_labels: Array


class Stopwatch:
    """The seconds that some functions take, together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return `function` with its time taken."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            start = perf_counter()
            result = function(*args, **kwargs)
            self.seconds += perf_counter() - start
            return result

        return timed


class Layer:
    """The weights and biases of one fully connected layer, with their momentum."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        scale = np.float32(np.sqrt(2 / inputs))
        self.weights = scale * rng.standard_normal((inputs, outputs), dtype=np.float32)
        self.biases = np.zeros(outputs, np.float32)
        self._velocities = (np.zeros_like(self.weights), np.zeros_like(self.biases))

    def learn(self, inputs: Array, gradients: Gradients) -> None:
        """Take one step of momentum SGD."""
        slopes = (inputs.T @ gradients.sums, gradients.biases)
        parameters = (self.weights, self.biases)
        for parameter, velocity, slope in zip(parameters, self._velocities, slopes, strict=True):
            velocity[:] = MOMENTUM * velocity - LEARNING_RATE * slope
            parameter[:] += velocity

    def copy_from(self, other: Layer) -> None:
        """Take over the weights, the biases and the momentum of `other`."""
        for mine, its in zip(self._state(), other._state(), strict=True):
            mine[:] = its

    def _state(self) -> tuple[Array, ...]:
        return (self.weights, self.biases, *self._velocities)


class Forward(NamedTuple):
    """A forward pass: the products and activations of each hidden layer, and the logits."""

    inputs: Array
    products: list[Array]
    hidden: list[Activated]
    logits: Array

    @property
    def layer_inputs(self) -> list[Array]:
        """What each layer, the last one too, was given."""
        return [self.inputs, *(each.activations for each in self.hidden)]


class Learned(NamedTuple):
    """What happened to a network in one batch; for each hidden layer, first layer first."""

    products: list[Array]
    activations: list[Array]
    gradients: list[Gradients]
    extra_bytes: int


@dataclass
class Network:
    """A multilayer perceptron, trained by the steps that it is given.

    `watch` is theirs, for those who time them or a part of them. The forward pass enters
    `label("layer 1")` and so on around the step of each hidden layer.
    """

    step: Step
    layers: list[Layer]
    watch: Stopwatch = field(default_factory=Stopwatch)
    label: Callable[[str], AbstractContextManager[Any]] = nullcontext
    history: list[Epoch] = field(default_factory=list)

    def forward(self, images: Array) -> Forward:
        """Compute the logits, keeping what the backward pass needs."""
        inputs, products, hidden = images, [], []
        for number, layer in enumerate(self.layers[:-1], start=1):
            product = inputs @ layer.weights
            products.append(product.copy())  # to compare; the step may overwrite it
            with self.label(f"layer {number}"):
                hidden.append(self.step.forward(product, layer.biases))
            inputs = hidden[-1].activations
        last = self.layers[-1]
        return Forward(images, products, hidden, inputs @ last.weights + last.biases)

    def backward(self, forward: Forward, labels: Array) -> list[Gradients]:
        """Return each layer's gradients, first layer first."""
        gradient = np.exp(_log_softmax(forward.logits))
        gradient[np.arange(len(labels)), labels] -= 1
        gradient /= np.float32(len(labels))
        gradients = [Gradients(gradient, gradient.sum(axis=0))]
        for layer, hidden in zip(self.layers[:0:-1], forward.hidden[::-1], strict=True):
            gradient = gradients[0].sums @ layer.weights.T
            gradients.insert(0, self.step.backward(gradient, hidden.saved))
        return gradients

    def learn(self, images: Array, labels: Array) -> Learned:
        """Learn from one batch."""
        forward = self.forward(images)
        gradients = self.backward(forward, labels)
        for layer, inputs, each in zip(self.layers, forward.layer_inputs, gradients, strict=True):
            layer.learn(inputs, each)
        return Learned(
            forward.products,
            [each.activations for each in forward.hidden],
            gradients[:-1],
            sum(each.extra_bytes for each in forward.hidden),
        )

    def copy_from(self, other: Network) -> None:
        """Take over all that `other` has learnt."""
        for mine, its in zip(self.layers, other.layers, strict=True):
            mine.copy_from(its)

    def evaluate(self, digits: Digits) -> None:
        """Add an epoch to the history."""
        forward = self.forward(digits.images)
        chosen = _log_softmax(forward.logits)[np.arange(len(digits.labels)), digits.labels]
        guesses = self.forward(digits.held_out_images).logits.argmax(axis=1)
        self.history.append(
            Epoch(
                loss=float(-chosen.mean()),
                accuracy=float((guesses == digits.held_out_labels).mean()),
                dead=tuple(_never_positive(each.activations) for each in forward.hidden),
            )
        )


def new_layers(seed: int) -> list[Layer]:
    """Draw the same weights for every network."""
    rng = np.random.default_rng(seed)
    return [Layer(n, m, rng) for n, m in pairwise(LAYERS)]


def _never_positive(activations: Array) -> float:
    """Return the share of units without a sum above 0: relu and leaky relu keep the sign."""
    return 1 - float((activations > 0).any(axis=0).mean())


def _log_softmax(logits: Array) -> Array:
    shifted: Array = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
