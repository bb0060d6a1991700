"""The main job: train scikit-learn's network with its own relu and with fastrelu's.

The network is `MLPClassifier` on the digits, without and with `fastrelu.sklearn`. The demo compares
the bytes of all weights, and times both; then NumPy's idioms.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from timeit import Timer
from typing import Any
from unittest.mock import patch

import numpy as np

import fastrelu as fr
from fastrelu.testing._results import shown

HIDDEN, FITS = (256, 128), 5
SIZES, ROUNDS, SECONDS = (64, 4096, 65536, 1 << 20), 7, 0.004
IDIOMS = {  # what people write with NumPy, and the call of fastrelu that takes its place
    "np.maximum(x, 0)": "relu(x)",
    "np.maximum(x, s * x)": "leaky_relu(x, s)",
    "np.where(x > 0, x, s * x)": "leaky_relu(x, s)",
    "g * (x > 0)": "relu_backward(g, x)",
    "np.where(x > 0, g, s * g)": "leaky_relu_backward(g, x, s)",
    "np.maximum(x + g, 0)": "add_relu(x, g)",
}
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # Okabe and Ito's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` takes."""
    number: dict[str, Any] = {"type": _positive, "metavar": "N"}
    parser.add_argument("--epochs", **number, default=20, help="of each training (default: 20)")
    sizes = f"sizes of the arrays to time (default: {' '.join(map(str, SIZES))})"
    parser.add_argument("--elements", **number, nargs="+", default=SIZES, help=sizes)
    parser.add_argument("--plot", type=_picture, metavar="FILE.png", help="draw the results")


def run(options: argparse.Namespace) -> int:
    """Run the demo; return 0, or 2 if a package does not fit. It exits with 1 if bytes differ."""
    try:
        digits = import_module("sklearn.datasets").load_digits()
        with import_module("fastrelu.sklearn").installed():  # it refuses versions of scikit-learn
            pass
        if options.plot:
            import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0].replace("sklearn", "scikit-learn")
        print(f"{package} is not installed; try: pip install {package}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(error, file=sys.stderr)
        return 2
    with fr.num_threads(1), import_module("threadpoolctl").threadpool_limits(1):
        times = train(digits, options.epochs)
        speeds = time_idioms(options.elements)
    if options.plot:
        _draw(times, options.elements, speeds).savefig(options.plot, dpi=90)
        print(f"\n{options.plot}: the functions, their derivatives and the times")
    return 0


def train(digits: Any, epochs: int) -> dict[str, list[float]]:
    """Train both ways, compare all bytes; return the seconds of a training, and those in relu."""
    ways = {"scikit-learn": nullcontext, "fastrelu": import_module("fastrelu.sklearn").installed}
    fits: dict[str, list[tuple[Any, float, float]]] = {name: [] for name in ways}
    for _ in shown("train scikit-learn's network", range(FITS)):
        for name, way in ways.items():
            with way():
                fits[name].append(_fit(digits, epochs))
        own, ours = (each[-1][0] for each in fits.values())
        _require_same("weights and biases of scikit-learn's network", own, ours)
    times = {name: [median(fit[k] for fit in each) for k in (1, 2)] for name, each in fits.items()}
    print(f"scikit-learn's network: all {ours.size:,} weights and biases have the same bytes")
    rows = [
        [f"{name:12}", f"{total:6.3f} s", f"{1e3 * relu:5.1f} ms", f"{relu / total:5.1%}"]
        for name, (total, relu) in times.items()
    ]
    title = f"MLPClassifier, {epochs} epochs, medians of {FITS} trainings, on one thread"
    _table(title, ["relu by     ", "training", " in relu", "share"], rows)
    return times


def _fit(digits: Any, epochs: int) -> tuple[Any, float, float]:
    """Train; return all parameters, the seconds, and those in relu and its derivative."""
    in_relu: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., None]:
        def call(*arrays: Any) -> None:
            start = perf_counter()
            function(*arrays)
            in_relu.append(perf_counter() - start)

        return call

    neural = import_module("sklearn.neural_network")
    network = neural.MLPClassifier(HIDDEN, max_iter=epochs, n_iter_no_change=epochs, random_state=0)
    activations, derivatives = neural._base.ACTIVATIONS, neural._base.DERIVATIVES
    with (
        patch.dict(activations, relu=timed(activations["relu"])),  # both are restored at the end
        patch.dict(derivatives, relu=timed(derivatives["relu"])),
        warnings.catch_warnings(action="ignore"),  # so few epochs do not converge
    ):
        seconds = Timer(lambda: network.fit(np.float32(digits.data / 16), digits.target)).timeit(1)
    if network.n_iter_ < epochs:
        raise KeyboardInterrupt  # scikit-learn caught it, and stopped
    parameters = [each.ravel() for each in network.coefs_ + network.intercepts_]
    return np.concatenate(parameters), seconds, sum(in_relu)


def time_idioms(sizes: Sequence[int]) -> dict[str, list[float]]:
    """Compare and time NumPy's idioms; return how many times faster fastrelu is at each size."""
    speeds: dict[str, list[float]] = {idiom: [] for idiom in IDIOMS}
    rows = []
    for size in shown("time NumPy's idioms", sizes):
        x, g = np.random.default_rng(0).standard_normal((2, size), np.float32)
        names = vars(fr) | {"np": np, "x": x, "g": g, "s": 0.01}
        for idiom, call in IDIOMS.items():
            code = f"{idiom} + 0"  # g * (x > 0) leaves -0.0
            _require_same(code, eval(code, names), eval(call, names))
            timers = [Timer(code, globals=names) for code in (idiom, call)]
            counts = [1 + int(SECONDS / timer.timeit(1)) for timer in timers]
            turns = [*zip(timers, counts, strict=True)] * ROUNDS
            seconds = [timer.timeit(count) / count for timer, count in turns]
            a, b = min(seconds[::2]), min(seconds[1::2])
            speeds[idiom].append(a / b)
            cells = f"{size:8}", f"{idiom:25}", f"{1e6 * a:7.1f}", f"{call.split('(')[0]:19}"
            rows.append([*cells, f"{1e6 * b:6.2f}", f"{a / b:4.3g}x"])
    title = f"float32, s = 0.01, new results of the same bytes, best of {ROUNDS}, on one thread"
    headings = ["elements", f"{'NumPy':25}", "     us", f"{'fastrelu':19}", "    us", "speed"]
    _table(title, headings, rows)
    return speeds


def _draw(times: dict[str, Any], sizes: Sequence[int], speeds: dict[str, Any]) -> Any:
    """Draw the functions, their derivatives, the time that training spends in relu, and speeds."""
    figure = import_module("matplotlib.figure").Figure(figsize=(13, 8), layout="constrained")
    (values, slopes), (training, speed) = figure.subplots(2, 2)
    x = np.arange(-10.0, 11)
    broad = {"linewidth": 5, "marker": "D", "markersize": 9, "label": "leaky_relu, slope 0.1"}
    for axes, suffix, style in ((values, "", "default"), (slopes, "_derivative", "steps-pre")):
        leaky, relu = (getattr(fr, name + suffix) for name in ("leaky_relu", "relu"))
        axes.plot(x, leaky(x, 0.1), color=COLOURS[1], drawstyle=style, **broad)
        axes.plot(x, relu(x), "o-", color=COLOURS[0], drawstyle=style, label="relu")
        axes.set(title=f"fr.relu{suffix} and fr.leaky_relu{suffix}", xlabel="x")
        axes.legend(loc="center left")
    bars = training.barh([*times], [1e3 * relu for _, relu in times.values()], color=COLOURS)
    shares = [f"{relu / total:.1%} of {total:.2f} s" for total, relu in times.values()]
    training.bar_label(bars, shares, padding=4)
    training.set(title="Training: time in relu and its derivative", xlabel="ms", xmargin=0.4)
    for (idiom, ratios), colour in zip(speeds.items(), COLOURS, strict=True):
        speed.plot(sizes, ratios, "o-", color=colour, label=idiom)
    speed.set(title="Times as fast as NumPy", xlabel="elements", xscale="log", yscale="log")
    speed.set_yticks([1, 10, 100], ["1", "10", "100"])
    speed.legend(bbox_to_anchor=(1, 1), title="NumPy's idiom")
    return figure


def _require_same(what: str, expected: Any, actual: Any) -> None:
    if (expected.dtype, expected.tobytes()) != (actual.dtype, actual.tobytes()):
        sys.exit(f"{what}: fastrelu gives other bytes")


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}", *map("  ".join, [headings, *rows]), sep="\n")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def _picture(text: str) -> str:
    if not text.endswith(".png") or not Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a .png file in a folder that exists")
    return text
