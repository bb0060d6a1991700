"""The demo's large arrays: idioms against fastrelu, compared as bytes first, then timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastrelu as fr
from fastrelu import reference
from fastrelu._perceptron import Array
from fastrelu._race import call_of, race
from fastrelu._same import require_same
from fastrelu._steps import SLOPE
from fastrelu._terminal import progress, table
from fastrelu.testing import supported_dtypes

NARROW = ("float16", "bfloat16", "float8_e4m3fn", "int8")
COLUMNS = 1024
ROUNDS = 5

# Keyed by the function of fastrelu that gives the same bits. `s` is SLOPE in the array's dtype, and
# `one` its 1: two Python numbers would give float64.
IDIOMS = {
    "relu": "np.maximum(x, 0)",
    "relu_derivative": "(x > 0).astype(x.dtype)",
    "relu_backward": "np.where(x <= 0, 0, g)",
    "leaky_relu": "np.where(x > 0, x, s * x)",
    "leaky_relu_derivative": "np.where(x > 0, one, s)",
    "leaky_relu_backward": "np.where(x > 0, g, s * g)",
}


class Fusion(NamedTuple):
    """Statements that compute the same `t`, in several passes and in one."""

    unfused: str
    fused: str


FUSIONS = (
    Fusion("t = np.maximum(x + b, 0)", "t = fr.add_relu(x, b)"),
    Fusion("np.add(x, b, out=t); np.maximum(t, 0, out=t)", "fr.add_relu(x, b, out=t)"),
    Fusion("fr.relu(x, out=t)", "fr.relu_with_mask(x, t, mask)"),
    Fusion("fr.relu_backward(g, x, out=t)", "fr.relu_backward_from_mask(g, mask, out=t)"),
    Fusion(
        "t = np.where(x <= 0, 0, g); sums = t.sum(axis=0)",
        "t, sums = fr.relu_backward_with_bias(g, x)",
    ),
)


def report_idioms(elements: Sequence[int], seed: int) -> None:
    """Print what NumPy's idioms and fastrelu take for arrays of these sizes.

    Parameters
    ----------
    elements : sequence of int
        How many elements the arrays have. The smallest ones come in narrow dtypes, too, where NumPy
        takes seconds for the largest.
    seed : int
        Seed of the arrays.

    Raises
    ------
    DifferenceError
        If fastrelu's bytes are not the idiom's, or for narrow dtypes the reference's.
    """
    cells = [(count, dtype) for count in elements for dtype in _dtypes(count, elements)]
    total = sum(count * dtype.itemsize for count, dtype in cells) * len(IDIOMS)
    with progress("time large arrays", total) as advance:
        rows = [row for count, dtype in cells for row in _idiom_rows(count, dtype, seed, advance)]
    table(
        f"fresh results from random signs; medians of {ROUNDS} interleaved rounds; s = {SLOPE}",
        ["elements", "dtype", "NumPy idiom", "ms", "fastrelu", "ms", "speed"],
        rows,
    )


def report_fusions(elements: Sequence[int], seed: int) -> None:
    """Print what several passes and the fused calls take for float32 arrays of these sizes.

    Parameters
    ----------
    elements : sequence of int
        How many elements the arrays have, in rows of 1,024.
    seed : int
        Seed of the arrays.

    Raises
    ------
    DifferenceError
        If a fused call's bytes are not those of the several passes.
    """
    shapes = [(-(-count // COLUMNS), min(count, COLUMNS)) for count in elements]
    total = sum(rows * columns for rows, columns in shapes) * len(FUSIONS)
    with progress("time fused calls", total) as advance:
        rows = [row for shape in shapes for row in _fusion_rows(shape, seed, advance)]
    table(
        f"float32, b one row; medians of {ROUNDS} interleaved rounds",
        ["shape", "unfused", "ms", "fused", "ms", "speed"],
        rows,
    )
    for rows_, columns in shapes:
        x_bytes, mask_bytes = 4 * rows_ * columns, -(-rows_ * columns // 8)
        print(
            f"{rows_} x {columns}: relu_backward needs the {x_bytes:,} bytes of x, "
            f"relu_backward_from_mask {mask_bytes:,} bytes of mask"
        )
    print()


def _dtypes(count: int, elements: Sequence[int]) -> list[np.dtype[Any]]:
    """Choose float32 and float64, and at the smallest size all that a user might have in arrays."""
    usual: list[np.dtype[Any]] = [np.dtype(np.float32), np.dtype(np.float64)]
    if count > min(elements):
        return usual
    return usual + [each for each in supported_dtypes() if each.name in NARROW]


def _idiom_rows(
    count: int, dtype: np.dtype[Any], seed: int, advance: Callable[[int], None]
) -> Iterator[list[str]]:
    rng = np.random.default_rng(seed)
    x, g = (_random(rng, (count,), dtype) for _ in range(2))
    one, slope = dtype.type(1), dtype.type(SLOPE)
    names = {"np": np, "fr": fr, "x": x, "g": g, "s": slope, "one": one}
    for name, idiom in IDIOMS.items():
        if name.startswith("leaky") and dtype.kind in "iu":
            continue  # the idiom computes in float64; so does fastrelu, and returns it
        operands = (g, x) if name.endswith("_backward") else (x,)
        ours = f"fr.{name}({', '.join('gx'[-len(operands) :])})"
        # NumPy's idioms round the slope to a narrow dtype and lose some dtypes altogether.
        expected = (
            getattr(reference, name)(*operands) if dtype.name in NARROW else call_of(idiom, names)()
        )
        require_same(f"{name}, {count:,} x {dtype}", expected, call_of(ours, names)())
        yield [f"{count:,}", dtype.name, *_raced(idiom, ours, names, shown=f"fr.{name}")]
        advance(count * dtype.itemsize)


def _fusion_rows(
    shape: tuple[int, int], seed: int, advance: Callable[[int], None]
) -> Iterator[list[str]]:
    rng = np.random.default_rng(seed)
    x, g, b = (_random(rng, each, np.dtype(np.float32)) for each in (shape, shape, shape[1:]))
    names = {"np": np, "fr": fr, "x": x, "g": g, "b": b}
    names |= {"t": np.empty_like(x), "mask": fr.relu_with_mask(x)[1]}
    for unfused, fused in FUSIONS:
        expected, actual = (_left_by(code, names) for code in (unfused, fused))
        what = f"{fused}, {shape[0]} x {shape[1]}"
        require_same(what, expected["t"], actual["t"])
        if "sums" in actual:  # NumPy's own are less exact
            require_same(
                f"{what}, sums", reference.relu_backward_with_bias(g, x)[1], actual["sums"]
            )
        yield [f"{shape[0]} x {shape[1]}", *_raced(unfused, fused, names)]
        advance(x.size)


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    # Adding +0.0 turns -0.0 into +0.0: np.maximum(-0.0, 0) may be either, by processor.
    values: Array = (3 * rng.standard_normal(shape) + 0.0).astype(dtype)
    return values


def _left_by(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run statements on a fresh `t`; return the names that they leave."""
    scope = names | {"t": np.full_like(names["t"], np.nan)}
    exec(code, scope)
    return scope


def _raced(theirs: str, ours: str, names: dict[str, Any], shown: str = "") -> list[str]:
    calls = {code: call_of(code, names) for code in (theirs, ours)}
    times = {code: each.median for code, each in race(calls, rounds=ROUNDS, seconds=0).items()}
    return [
        theirs,
        f"{1e3 * times[theirs]:.2f}",
        shown or ours,
        f"{1e3 * times[ours]:.2f}",
        f"{times[theirs] / times[ours]:.1f}x",
    ]
