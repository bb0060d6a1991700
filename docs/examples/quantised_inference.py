"""Quantised inference
===================

Activations of quantised numbers: without a way through floats.

A quantised network computes with bytes: the number q stands for ``scale * (q - zero_point)``. A
dense layer multiplies int8 numbers and adds in int32; its result is rounded to a byte again. Then
comes the activation. The long way is to make floats of the bytes, to call the function, and to
round its result to bytes. There are only 256 bytes, so that a table of 256 results does the same:
`fr.make_table` makes it once, and `fr.apply_table` looks bytes up. relu needs not even a table,
`fr.relu_quantized` compares with the zero point.

This example compares both with the long way, byte by byte. It times them, beside what NumPy can do
with bytes alone: to index the table, or to take a maximum. Then a network of random hidden units
reads digits, in floats and quantised.

Writes one picture. Needs scikit-learn for its digits::

    python docs/examples/quantised_inference.py --output FOLDER
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from timeit import repeat

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads make such small products slower

import fastrelu as fr
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

UNITS, HELD_OUT, ELEMENTS = 512, 360, 1 << 18
INPUT, OUTPUT = (8 / 127, 0), (8 / 255, -116)  # scale and zero point before hardswish, and after it
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
WAYS = ("by floats", "NumPy, bytes alone", "fastrelu, bytes alone")


def quantise(x: np.ndarray, scale: float, zero_point: int, dtype: type = np.int8) -> np.ndarray:
    """Round numbers to bytes: halves to even, and to the nearest end what is out of range."""
    info = np.iinfo(dtype)
    return np.clip(np.rint(x / scale) + zero_point, info.min, info.max).astype(dtype)


def dequantise(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the numbers that bytes stand for."""
    return (q.astype(np.float64) - zero_point) * scale


def long_way(q: np.ndarray) -> np.ndarray:
    """Compute hardswish of bytes by floats."""
    return quantise(fr.hardswish(dequantise(q, *INPUT)), *OUTPUT)


def long_relu(q: np.ndarray) -> np.ndarray:
    """Compute relu of uint8 with zero point 128 by floats."""
    return quantise(np.maximum(dequantise(q, 0.05, 128), 0), 0.05, 128, np.uint8)


def milliseconds(call: Callable[[], np.ndarray]) -> float:
    """Return the least time of a call."""
    return 1e3 * min(repeat(call, number=3, repeat=7)) / 3


def read_digits(table: np.ndarray) -> tuple[float, float]:
    """Return the accuracy on held-out digits in floats, and with a quantised hidden layer."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, UNITS)) / 8
    images = digits.data - digits.data.mean().round()  # whole numbers from -5 to 11: bytes already
    hidden = fr.hardswish(images @ weights / 8)
    targets = np.eye(10)[digits.target]
    learned = np.linalg.lstsq(hidden[HELD_OUT:], targets[HELD_OUT:], rcond=1e-3)[0]

    weights_scale = np.abs(weights).max() / 127
    weight_bytes = quantise(weights, weights_scale, 0)
    sums = images.astype(np.int32) @ weight_bytes.astype(np.int32)
    hidden_bytes = fr.apply_table(quantise(sums * (weights_scale / 8), *INPUT), table)
    both = hidden, dequantise(hidden_bytes, *OUTPUT)
    right = [(each @ learned).argmax(axis=1) == digits.target for each in both]
    return right[0][:HELD_OUT].mean(), right[1][:HELD_OUT].mean()


def draw(table: np.ndarray, times: dict[str, list[float]]) -> Figure:
    """Draw the table beside the exact function, and the times."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    curve, bars = figure.subplots(1, 2)
    q = np.arange(-128, 128).astype(np.int8)
    x = dequantise(q, *INPUT)
    values = dequantise(fr.apply_table(q, table), *OUTPUT)
    curve.plot(x, fr.hardswish(x), color=ORANGE, linewidth=5, label="hardswish")
    curve.step(x, values, where="mid", color=BLUE, linewidth=1.2, label="its table of 256 bytes")
    curve.set(title="hardswish of int8, near 0", xlim=(-4, 0.7), ylim=(-0.45, 0.5))
    curve.set(xlabel="x = scale (q - zero point)", ylabel="result")
    curve.legend()
    y = np.arange(len(times))
    for number, (way, color) in enumerate(zip(WAYS, (ORANGE, GREEN, BLUE), strict=True)):
        lengths = [each[number] for each in times.values()]
        drawn = bars.barh(y + 0.27 * (1 - number), lengths, 0.27, color=color, label=way)
        bars.bar_label(drawn, fmt="{:.3f}", padding=3)
    bars.set(title=f"Time for {ELEMENTS:,} bytes, on one thread", xlabel="ms", xmargin=0.15)
    bars.set_yticks(y, list(times))
    bars.legend(loc="lower right")
    return figure


def main() -> None:
    """Compare, time, read digits, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the picture")
    path = parser.parse_args().output / "quantised_inference.png"
    table = fr.make_table(fr.hardswish, input=INPUT, output=OUTPUT)
    signed = np.random.default_rng(0).integers(-128, 128, ELEMENTS, np.int8)
    unsigned = signed.view(np.uint8)
    same = np.array_equal(fr.apply_table(signed, table), long_way(signed))
    print(f"apply_table gives the same bytes as hardswish by floats: {same}")
    same = np.array_equal(fr.relu_quantized(unsigned, 128), long_relu(unsigned))
    print(f"relu_quantized gives the same bytes as relu by floats: {same}")
    zero = np.uint8(128)
    calls = {
        "relu, uint8": (
            lambda: long_relu(unsigned),
            lambda: np.maximum(unsigned, zero),
            lambda: fr.relu_quantized(unsigned, zero),
        ),
        "hardswish, int8": (
            lambda: long_way(signed),
            lambda: table[signed.view(np.uint8)],
            lambda: fr.apply_table(signed, table),
        ),
    }
    with fr.num_threads(1):  # as NumPy has
        times = {name: [milliseconds(call) for call in each] for name, each in calls.items()}
    for name, each in times.items():
        print(name, *(f"{way} {ms:.3f} ms" for way, ms in zip(WAYS, each, strict=True)), sep="; ")
    in_floats, quantised = read_digits(table)
    print(f"digits read correctly: {in_floats:.1%} in floats, {quantised:.1%} quantised")
    draw(table, times).savefig(path, dpi=80)
    print(f"{path}: the table, and the times")


if __name__ == "__main__":
    main()
