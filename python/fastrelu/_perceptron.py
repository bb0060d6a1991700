"""A small multilayer perceptron in plain NumPy, for the demo: any activation, momentum SGD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

LAYERS = (64, 512, 256, 10)
LEARNING_RATE = np.float32(0.05)
MOMENTUM = np.float32(0.9)


class Activation(NamedTuple):
    """An activation as one library computes it; `backward` may overwrite the gradient it gets."""

    by: str
    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]


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


class Layer:
    """The weights and biases of one fully connected layer, with their momentum."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        scale = np.float32(np.sqrt(2 / inputs))
        self.weights = scale * rng.standard_normal((inputs, outputs), dtype=np.float32)
        self.biases = np.zeros(outputs, np.float32)
        self._velocities = (np.zeros_like(self.weights), np.zeros_like(self.biases))

    def learn(self, inputs: Array, gradient: Array) -> None:
        """Take one step of momentum SGD; `gradient` is that of the layer's weighted sums."""
        slopes = (inputs.T @ gradient, gradient.sum(axis=0))
        parameters = (self.weights, self.biases)
        for parameter, velocity, slope in zip(parameters, self._velocities, slopes, strict=True):
            velocity[:] = MOMENTUM * velocity - LEARNING_RATE * slope
            parameter[:] += velocity


class Forward(NamedTuple):
    """A forward pass: each layer's inputs, each hidden layer's weighted sums, and the logits."""

    inputs: list[Array]
    sums: list[Array]
    logits: Array


@dataclass
class Network:
    """A multilayer perceptron that keeps count of the time its activation takes."""

    activation: Activation
    layers: list[Layer]
    history: list[Epoch] = field(default_factory=list)
    seconds: float = 0.0

    def forward(self, images: Array) -> Forward:
        """Compute the logits, keeping what the backward pass needs."""
        inputs, sums = [images], []
        for layer in self.layers[:-1]:
            sums.append(inputs[-1] @ layer.weights + layer.biases)
            inputs.append(self._timed(self.activation.forward, sums[-1]))
        return Forward(inputs, sums, inputs[-1] @ self.layers[-1].weights + self.layers[-1].biases)

    def backward(self, forward: Forward, labels: Array) -> list[Array]:
        """Return the gradient of the mean loss at each layer's weighted sums, first layer first."""
        gradient = np.exp(_log_softmax(forward.logits))
        gradient[np.arange(len(labels)), labels] -= 1
        gradient /= np.float32(len(labels))
        gradients = [gradient]
        for layer, sums in zip(self.layers[:0:-1], forward.sums[::-1], strict=True):
            gradient = self._timed(self.activation.backward, gradient @ layer.weights.T, sums)
            gradients.insert(0, gradient)
        return gradients

    def learn(self, images: Array, labels: Array) -> dict[str, Array]:
        """Learn from one batch; return what both sides must agree on, in order of computation.

        The weighted sums are there so that a matrix product that differs is not blamed on the
        activation.
        """
        forward = self.forward(images)
        gradients = self.backward(forward, labels)
        for layer, inputs, gradient in zip(self.layers, forward.inputs, gradients, strict=True):
            layer.learn(inputs, gradient)
        hidden = range(1, len(self.layers))
        return (
            {f"weighted sums of layer {n}": forward.sums[n - 1] for n in hidden}
            | {f"activations of layer {n}": forward.inputs[n] for n in hidden}
            | {f"gradients of layer {n}": gradients[n - 1] for n in reversed(hidden)}
        )

    def evaluate(self, digits: Digits) -> None:
        """Add an epoch to the history."""
        forward = self.forward(digits.images)
        chosen = _log_softmax(forward.logits)[np.arange(len(digits.labels)), digits.labels]
        guesses = self.forward(digits.held_out_images).logits.argmax(axis=1)
        self.history.append(
            Epoch(
                loss=float(-chosen.mean()),
                accuracy=float((guesses == digits.held_out_labels).mean()),
                dead=tuple(1 - float((sums > 0).any(axis=0).mean()) for sums in forward.sums),
            )
        )

    def _timed(self, function: Callable[..., Array], *operands: Array) -> Array:
        result, seconds = timed(function, *operands)
        self.seconds += seconds
        return result


def new_network(activation: Activation, seed: int) -> Network:
    """Draw the same weights for every activation."""
    rng = np.random.default_rng(seed)
    return Network(activation, [Layer(n, m, rng) for n, m in pairwise(LAYERS)])


def timed(function: Callable[..., Array], *operands: Array) -> tuple[Array, float]:
    """Return what `function` returns, and the seconds that it took."""
    start = perf_counter()
    result = function(*operands)
    return result, perf_counter() - start


def _log_softmax(logits: Array) -> Array:
    shifted: Array = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
