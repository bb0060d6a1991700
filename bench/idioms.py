"""The one list: what fastrelu, NumPy's users and other packages write for each function.

A cell is one question: function, dtype, shape, layout and mode (new, out, inplace). A row is one
answer to it: a peer, and a lambda whose parameters name the cell's arrays (see `MAKERS`). Peers get
their own arrays under the same names: PyTorch and TensorFlow tensors, JAX device arrays. Numba's
lambda takes the dtype and gives the formula of one element. peers.py runs all of them.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from math import isqrt, prod
from operator import setitem
from pathlib import Path
from types import CodeType
from typing import Any, cast

import fastrelu as fr
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

# Other packages, which peers.py imports when their first row is needed.
torch = F = aten = jax = jnp = jax_nn = tf = special = cast(Any, None)
prange: Any = range

OURS, BESIDE, NUMPY, LIMIT = "fastrelu", "fastrelu otherwise", "NumPy", "limit"
NEW, OUT, IN_PLACE = "new", "out", "inplace"

REALS = ("float32", "float64", "float16")
HALVES = ("float16", "bfloat16")
FLOATS = (*REALS, "bfloat16")
NUMBERS = (*FLOATS, "int8", "int32")
DTYPES = {  # all that a peer computes
    "Numba": ("float32", "float64", "int8", "int32"),
    "numexpr": ("float32", "float64", "int32"),
    "SciPy": ("float32", "float64"),
    "JAX": NUMBERS,
    "ONNX Runtime": (*REALS, "int8", "int32"),
    "OpenVINO": ("float32",),
}
MODES = {  # of peers that have no in place, whose arrays have no strides either
    **dict.fromkeys(("JAX", "TensorFlow"), (NEW,)),
    **dict.fromkeys(("ONNX Runtime", "OpenVINO"), (NEW, OUT)),
}

SLOPE = 0.2
SIZES: tuple[Shape, ...] = ((64,), (1_024,), (16_384,), (262_144,), (4_194_304,), (33_554_432,))
FLAT: tuple[Shape, ...] = ((64,), (16_384,), (262_144,), (4_194_304,))
MATRICES: tuple[Shape, ...] = ((8, 8), (64, 256), (256, 1_024), (4_096, 1_024))
ROWS: tuple[Shape, ...] = ((64, 10), (1, 1_000), (256, 1_000), (4_096, 1_000))
QUICK_SIZES = (65_536, 256_000, 262_144)
IMAGES: tuple[Shape, ...] = ((1, 4, 4, 4), (1, 64, 16, 16), (4, 64, 32, 32), (16, 64, 64, 64))
LARGE: tuple[Shape, ...] = ((2**24,),)

ONE_ROUNDING = 2.0**-22
SMOOTH = 2.0**-18
"""What roundings one after the other, and differences of numbers close to each other, add up to.

fastrelu alone rounds once. gelu and its approximation by tanh are eight times as far apart."""
SUM = 1e-4
RNG = np.random.default_rng()


@dataclass(frozen=True, eq=False)
class Row:
    """How a peer computes a cell.

    Its result may differ from fastrelu's by `tolerance` times the largest number; signs of zeros do
    not count. `dtypes`, if given, are the only ones for which one would write it like this.
    """

    peer: str
    how: Any
    tolerance: float = 0.0
    dtypes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The code that runs."""
        return text_of(self.how)

    @property
    def name(self) -> str:
        """The name in tables and in the JSON file."""
        return f"{self.peer}: {self.text}"


@dataclass(frozen=True, eq=False)
class Cell:
    """One question; `rows` are its answers, ours first."""

    function: str
    dtype: str
    shape: Shape
    layout: str
    mode: str
    rows: tuple[Row, ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def where(self) -> str:
        """Everything but function and mode: dtype, shape, and layout unless it is dense."""
        return " ".join(filter(None, (self.dtype, "x".join(map(str, self.shape)), self.layout)))

    @property
    def group(self) -> str:
        """The heading in pytest-benchmark's output."""
        return f"{self.function} {self.where} {self.mode}"

    @property
    def id(self) -> str:
        """What ``pytest -k`` sees.

        pytest looks for parts of words, so "relu" is the function relu alone, and the other names
        leave it out: leaky_relu_backward is leaky_backward; bfloat16 is bf16.
        """
        words = [SHORT.get(each, each) for each in self.function.split("_")]
        name = "_".join(each for each in words if each != "relu") or "relu"
        where = self.where.replace("bfloat16", "bf16").replace(" ", "-")
        return f"{name}-{where}-{self.mode}"

    def named_rows(self) -> Iterator[tuple[str, Row]]:
        """Yield the rows with their ids; "fr" is fastrelu, whose name contains "relu"."""
        seen: dict[str, int] = {}
        for row in self.rows:
            peer = "fr" if row.peer in (OURS, BESIDE) else row.peer.replace(" ", "")
            seen[peer] = seen.get(peer, 0) + 1
            yield f"{self.id}-{peer}" + (f"-{seen[peer]}" if seen[peer] > 1 else ""), row

    def arrays(self) -> dict[str, Any]:
        """Make all arrays and numbers that the rows name."""
        names = dict.fromkeys(each for row in self.rows for each in names_of(row.how))
        return {name: MAKERS[name](self) for name in names}


SHORT = {"relu6": "six", "prelu": "parametric", "rrelu": "randomized", "crelu": "concatenated"}


def text_of(how: Any) -> str:
    """Return the body of a lambda, or what else says how."""
    if not callable(how):  # numexpr's formula, or the nodes of a model
        return how if isinstance(how, str) else ", ".join(node for node, *_ in how)
    code = how.__code__
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    if code.co_varnames == ("t",) and inner:  # Numba's: the lambda in the lambda
        code = inner[0]
    if code.co_name != "<lambda>":
        return f"{code.co_name}({', '.join(names_of(how))})"
    spans = [each for each in code.co_positions() if each[2] != each[3]]
    start = min((line, column) for line, _, column, _ in spans)
    end = max((line, column) for _, line, _, column in spans)
    inside = (
        each for each in _lambda_bodies(code.co_filename) if each[0] <= start and end <= each[1]
    )
    return max(inside)[2]


@cache
def _lambda_bodies(file: str) -> list[tuple[tuple[int, int], tuple[int, int], str]]:
    """Return where the body of each lambda in a file starts and ends, and its text."""
    tree = ast.parse(Path(file).read_text())
    bodies = [each.body for each in ast.walk(tree) if isinstance(each, ast.Lambda)]
    return [
        ((each.lineno, each.col_offset), (each.end_lineno or 0, each.end_col_offset or 0), text)
        for each in bodies
        for text in [ast.unparse(each)]
    ]


def names_of(how: Any) -> tuple[str, ...]:
    """Name the arrays that a row takes."""
    if isinstance(how, str):
        return tuple(dict.fromkeys(re.findall(r"\b(?!where)[a-z]+", how)))
    if not callable(how):
        return ()
    names = how.__code__.co_varnames[: how.__code__.co_argcount]
    return names_of(how(np.float32)) if names == ("t",) else tuple(n for n in names if n != "ops")


def cells() -> Iterator[Cell]:
    """Yield every cell."""
    for function in FUNCTIONS:
        yield from function.cells()


def quick_cells() -> Iterator[Cell]:
    """Yield a selection that takes a minute: one size of each function, and relu of 64."""
    for cell in cells():
        if cell.size in QUICK_SIZES or (cell.function == "relu" and cell.size == FLAT[0][0]):
            yield cell


class Function:
    """One function: its rows by mode, ours first, and the shapes, dtypes and layouts of its cells.

    The name is that of the function that our row calls, unless another is given.
    """

    def __init__(
        self,
        *new: Row,
        name: str = "",
        out: Sequence[Row] = (),
        in_place: Sequence[Row] = (),
        every: Sequence[Row] = (),
        shapes: Sequence[Shape] = FLAT,
        dtypes: Sequence[str] = ("float32",),
        layouts: Sequence[str] = (),
    ) -> None:
        self.name = name or new[0].text.removeprefix("fr.").partition("(")[0]
        self.shapes, self.dtypes, self.layouts = shapes, dtypes, layouts
        self._rows = {NEW: new, OUT: out, IN_PLACE: in_place}
        self._every = every

    def cells(self) -> Iterator[Cell]:
        """Yield all shapes of the first dtype, no very large ones of others; then the layouts."""
        for dtype in self.dtypes:
            shapes = self.shapes
            if dtype != self.dtypes[0]:
                shapes = [each for each in shapes if each in FLAT] or [self.shapes[-2]]
            for shape in shapes:
                yield from self.asked(dtype, shape)
        for layout in self.layouts:
            for shape in (262_144,), (4_194_304,):
                yield from (
                    cell for cell in self.asked("float32", shape, layout) if cell.mode == OUT
                )

    def asked(self, dtype: str, shape: Shape, layout: str = "") -> Iterator[Cell]:
        """Yield the cells of one dtype, shape and layout: one for each mode."""
        for mode, rows in self._rows.items():
            if rows:
                chosen = [row for row in (*rows, *self._every) if _is_of(row, dtype, layout, mode)]
                yield Cell(self.name, dtype, shape, layout, mode, tuple(chosen))


def _is_of(row: Row, dtype: str, layout: str, mode: str) -> bool:
    has_dtype = dtype in (row.dtypes or DTYPES.get(row.peer, (dtype,)))
    return has_dtype and mode in MODES.get(row.peer, (mode,)) and not (layout and row.peer in MODES)


ours, beside, numpy = partial(Row, OURS), partial(Row, BESIDE), partial(Row, NUMPY)
pytorch, numba, numexpr = partial(Row, "PyTorch"), partial(Row, "Numba"), partial(Row, "numexpr")
jitted, tensorflow = partial(Row, "JAX"), partial(Row, "TensorFlow")
scipy = partial(Row, "SciPy")
onnx, openvino, limit = partial(Row, "ONNX Runtime"), partial(Row, "OpenVINO"), partial(Row, LIMIT)

RELU = Function(
    ours(lambda x: fr.relu(x)),
    numpy(lambda x: np.maximum(x, 0)),
    numpy(lambda x: np.where(x > 0, x, 0)),
    numpy(lambda x: x * (x > 0)),
    pytorch(lambda x: torch.relu(x)),
    limit(lambda x: x.copy()),
    out=[
        ours(lambda x, out: fr.relu(x, out=out)),
        numpy(lambda x, out: np.maximum(x, 0, out=out)),
        numpy(lambda x, out: np.multiply(x, x > 0, out=out)),
        pytorch(lambda x, out: torch.clamp_min(x, 0, out=out)),
        limit(lambda x, out: np.copyto(out, x)),
    ],
    in_place=[
        ours(lambda x: fr.relu(x, out=x)),
        numpy(lambda x: np.maximum(x, 0, out=x)),
        numpy(lambda x: setitem(x, x < 0, 0)),
        pytorch(lambda x: torch.relu_(x)),
    ],
    every=[
        numba(lambda t: lambda x: x if x > t(0) else t(0)),
        numexpr("where(x > zero, x, zero)"),
        jitted(lambda x: jnp.maximum(x, 0)),
        onnx((("Relu", "x", "y"),)),
        openvino(lambda ops, x: ops.relu(x)),
        tensorflow(lambda x: tf.nn.relu(x)),
    ],
    shapes=SIZES,
    dtypes=NUMBERS,
    layouts=("every_second", "padded_rows", "transposed", "transposing", "reversed"),
)
RELU_BACKWARD = Function(
    ours(lambda g, x: fr.relu_backward(g, x)),
    numpy(lambda g, x: g * (x > 0)),
    numpy(lambda g, x: np.where(x > 0, g, 0)),
    pytorch(lambda g, x: aten.threshold_backward(g, x, 0)),
    limit(lambda x: x.copy()),
    out=[
        ours(lambda g, x, out: fr.relu_backward(g, x, out=out)),
        numpy(lambda g, x, out: np.multiply(g, x > 0, out=out)),
        pytorch(lambda g, x, out: aten.threshold_backward.grad_input(g, x, 0, grad_input=out)),
        limit(lambda x, out: np.copyto(out, x)),
    ],
    in_place=[
        ours(lambda g, x: fr.relu_backward(g, x, out=g)),
        numpy(lambda g, x: np.multiply(g, x > 0, out=g)),
        numpy(lambda g, x: setitem(g, x <= 0, 0)),
        pytorch(lambda g, x: aten.threshold_backward.grad_input(g, x, 0, grad_input=g)),
    ],
    every=[
        numba(lambda t: lambda g, x: g if x > t(0) else t(0)),
        numexpr("where(x > zero, g, zero)"),
        jitted(lambda g, x: jnp.where(x > 0, g, 0)),
        onnx((("Greater", "x zero", "m"), ("Where", "m g zero", "y"))),
        openvino(lambda ops, g, x, zero: ops.select(ops.greater(x, zero), g, zero)),
        tensorflow(lambda g, x: tf.raw_ops.ReluGrad(gradients=g, features=x)),
    ],
    shapes=SIZES,
    dtypes=NUMBERS,
    layouts=("every_second", "padded_rows", "transposed", "transposing", "mixed_orders"),
)
LEAKY_RELU = Function(
    ours(lambda x, slope: fr.leaky_relu(x, slope)),
    numpy(lambda x, slope: np.where(x > 0, x, slope * x), dtypes=REALS),
    numpy(lambda x, slope: np.maximum(x, slope * x), dtypes=REALS),
    numpy(lambda x, s: np.where(x > 0, x, s * x), dtypes=("bfloat16",)),
    numpy(lambda x, s: np.maximum(x, s * x), dtypes=("bfloat16",)),
    pytorch(lambda x, slope: F.leaky_relu(x, slope)),
    limit(lambda x: x.copy()),
    out=[
        ours(lambda x, slope, out: fr.leaky_relu(x, slope, out=out)),
        numpy(lambda x, s, out: np.maximum(x, np.multiply(x, s, out=out), out=out)),
        numpy(lambda x, s, out: np.copyto(out, np.where(x > 0, x, s * x))),
        pytorch(lambda x, slope, out: aten.leaky_relu.out(x, slope, out=out)),
        limit(lambda x, out: np.copyto(out, x)),
    ],
    in_place=[
        ours(lambda x, slope: fr.leaky_relu(x, slope, out=x)),
        numpy(lambda x, s: np.maximum(x, s * x, out=x)),
        numpy(lambda x, s: np.multiply(x, s, out=x, where=x <= 0)),
        pytorch(lambda x, slope: F.leaky_relu_(x, slope)),
    ],
    every=[
        numba(lambda t: lambda x, s: x if x > t(0) else x * s),
        numexpr("where(x > zero, x, s * x)"),
        jitted(lambda x, s: jnp.where(x > 0, x, x * s)),
        onnx((("LeakyRelu", "x", "y"),)),
        openvino(lambda ops, x, s: ops.prelu(x, s)),
        tensorflow(lambda x, slope: tf.nn.leaky_relu(x, slope)),
    ],
    shapes=SIZES,
    dtypes=FLOATS,
)
LEAKY_RELU_BACKWARD = Function(
    ours(lambda g, x, slope: fr.leaky_relu_backward(g, x, slope)),
    numpy(lambda g, x, slope: np.where(x > 0, g, slope * g), dtypes=REALS),
    numpy(lambda g, x, one, s: g * np.where(x > 0, one, s)),
    pytorch(lambda g, x, slope: aten.leaky_relu_backward(g, x, slope, False)),
    limit(lambda x: x.copy()),
    out=[
        ours(lambda g, x, slope, out: fr.leaky_relu_backward(g, x, slope, out=out)),
        numpy(lambda g, x, one, s, out: np.multiply(g, np.where(x > 0, one, s), out=out)),
        numpy(lambda g, x, s, out: np.copyto(np.multiply(g, s, out=out), g, where=x > 0)),
        pytorch(
            lambda g, x, slope, out: aten.leaky_relu_backward.grad_input(
                g, x, slope, False, grad_input=out
            )
        ),
        limit(lambda x, out: np.copyto(out, x)),
    ],
    in_place=[
        ours(lambda g, x, slope: fr.leaky_relu_backward(g, x, slope, out=g)),
        numpy(lambda g, x, one, s: np.multiply(g, np.where(x > 0, one, s), out=g)),
        numpy(lambda g, x, s: np.multiply(g, s, out=g, where=x <= 0)),
        pytorch(
            lambda g, x, slope: aten.leaky_relu_backward.grad_input(
                g, x, slope, False, grad_input=g
            )
        ),
    ],
    every=[
        numba(lambda t: lambda g, x, s: g if x > t(0) else g * s),
        numexpr("where(x > zero, g, s * g)"),
        jitted(lambda g, x, s: jnp.where(x > 0, g, g * s)),
        onnx((("Greater", "x zero", "m"), ("Mul", "g s", "p"), ("Where", "m g p", "y"))),
        openvino(
            lambda ops, g, x, s, zero: ops.select(ops.greater(x, zero), g, ops.multiply(g, s))
        ),
        tensorflow(
            lambda g, x, slope: tf.raw_ops.LeakyReluGrad(gradients=g, features=x, alpha=slope)
        ),
    ],
    shapes=SIZES,
    dtypes=FLOATS,
)
DERIVATIVES = [
    Function(
        ours(lambda x: fr.relu_derivative(x)),
        numpy(lambda x: (x > 0).astype(x.dtype)),
        numpy(lambda x, one, zero: np.where(x > 0, one, zero)),
        every=[numba(lambda t: lambda x: t(1) if x > t(0) else t(0))],
    ),
    Function(
        ours(lambda x, slope: fr.leaky_relu_derivative(x, slope)),
        numpy(lambda x, one, s: np.where(x > 0, one, s)),
        every=[numba(lambda t: lambda x, s: t(1) if x > t(0) else s)],
    ),
    Function(
        ours(lambda x, slopes: fr.leaky_relu(x, slopes)),
        numpy(lambda x, slopes: np.where(x > 0, x, slopes * x)),
        pytorch(lambda x, slopes: torch.where(x > 0, x, slopes * x)),
        jitted(lambda x, slopes: jnp.where(x > 0, x, slopes * x)),
        every=[numba(lambda t: lambda x, slopes: x if x > t(0) else slopes * x)],
        shapes=IMAGES,
        name="leaky_relu_per_channel",
    ),
]

FUSED = [
    Function(
        ours(lambda x, y: fr.add_relu(x, y)),
        numpy(lambda x, y: np.maximum(x + y, 0)),
        numpy(lambda x, y: np.maximum(s := x + y, 0, out=s)),
        pytorch(lambda x, y: torch.relu_(x + y)),
        jitted(lambda x, y: jnp.maximum(x + y, 0)),
        every=[numba(lambda t: lambda x, y: t(max(x + y, t(0))), dtypes=("float32",))],
        dtypes=("float32", "float16", "int8"),
    ),
    Function(
        ours(lambda x, row: fr.add_relu(x, row)),
        numpy(lambda x, row: np.maximum(x + row, 0)),
        pytorch(lambda x, row: torch.relu_(x + row)),
        numba(lambda t: lambda x, row: x + row if x + row > t(0) else t(0)),
        jitted(lambda x, row: jnp.maximum(x + row, 0)),
        in_place=[
            ours(lambda x, row: fr.add_relu(x, row, out=x)),
            numpy(lambda x, row: np.maximum(np.add(x, row, out=x), 0, out=x)),
            pytorch(lambda x, row: x.add_(row).relu_()),
        ],
        shapes=((64, 256), (256, 1_024), (2**14, 2**10)),
        name="add_relu_bias",
    ),
    Function(
        ours(lambda x, y: fr.add_leaky_relu(x, y, 0.2)),
        numpy(lambda x, y: np.where((s := x + y) > 0, s, s * 0.2)),
        numpy(lambda x, y: np.maximum(s := x + y, s * 0.2, out=s)),
        pytorch(lambda x, y: F.leaky_relu_(x + y, 0.2)),
        numba(lambda t: lambda x, y: x + y if x + y > t(0) else (x + y) * t(0.2)),
        jitted(lambda x, y: jnp.where(x + y > 0, x + y, (x + y) * 0.2), ONE_ROUNDING),
    ),
    Function(
        ours(lambda x, scale, shift: fr.scale_shift_relu(x, scale, shift)),
        numpy(lambda x, scale, shift: np.maximum(x * scale + shift, 0)),
        numpy(lambda x, scale, shift: np.maximum(np.add(s := x * scale, shift, out=s), 0, out=s)),
        pytorch(lambda x, scale, shift: (x * scale).add_(shift).relu_()),
        numba(lambda t: lambda x, scale, shift: max(x * scale + shift, t(0)), ONE_ROUNDING),
        jitted(lambda x, scale, shift: jnp.maximum(x * scale + shift, 0), ONE_ROUNDING),
        shapes=IMAGES,
    ),
]


def _bounded(mine: Row, low: float, high: float) -> Function:
    return Function(
        mine,
        numpy(lambda x: np.clip(x, low, high)),
        numpy(lambda x: np.minimum(np.maximum(x, low), high)),
        pytorch(lambda x: F.hardtanh(x, low, high)),
        numba(lambda t: lambda x: t(low) if x <= t(low) else t(high) if x >= t(high) else x),
        jitted(lambda x: jnp.clip(x, low, high)),
        dtypes=("float32", "float16", "int8"),
    )


def _bounded_backward(mine: Row, low: float, high: float) -> Function:
    return Function(
        mine,
        numpy(lambda g, x: np.where((x > low) & (x < high), g, 0)),
        numpy(lambda g, x: g * ((x > low) & (x < high))),
        pytorch(lambda g, x: aten.hardtanh_backward(g, x, low, high)),
        numba(lambda t: lambda g, x: t(0) if x <= t(low) or x >= t(high) else g),
        jitted(lambda g, x: jnp.where((x > low) & (x < high), g, 0)),
    )


def _threshold(mine: Row, least: float, value: float) -> Function:
    return Function(
        mine,
        numpy(lambda x: np.where(x > least, x, value)),
        pytorch(lambda x: F.threshold(x, least, value)),
        numba(lambda t: lambda x: t(value) if x <= t(least) else x),
        jitted(lambda x: jnp.where(x > least, x, value)),
    )


def _threshold_backward(mine: Row, least: float) -> Function:
    return Function(
        mine,
        numpy(lambda g, x: np.where(x > least, g, 0)),
        numpy(lambda g, x: g * (x > least)),
        pytorch(lambda g, x: aten.threshold_backward(g, x, least)),
        numba(lambda t: lambda g, x: t(0) if x <= t(least) else g),
        jitted(lambda g, x: jnp.where(x > least, g, 0)),
    )


BOUNDED = [
    _bounded(ours(lambda x: fr.relu6(x)), 0, 6),
    _bounded_backward(ours(lambda g, x: fr.relu6_backward(g, x)), 0, 6),
    _bounded(ours(lambda x: fr.clipped_relu(x, 4)), 0, 4),
    _bounded_backward(ours(lambda g, x: fr.clipped_relu_backward(g, x, 4)), 0, 4),
    _bounded(ours(lambda x: fr.hardtanh(x)), -1, 1),
    _bounded_backward(ours(lambda g, x: fr.hardtanh_backward(g, x)), -1, 1),
    _threshold(ours(lambda x: fr.thresholded_relu(x)), 1, 0),
    _threshold_backward(ours(lambda g, x: fr.thresholded_relu_backward(g, x)), 1),
    _threshold(ours(lambda x: fr.threshold(x, 0.5, -2.0)), 0.5, -2.0),
    _threshold_backward(ours(lambda g, x: fr.threshold_backward(g, x, 0.5)), 0.5),
]

HARD = [
    Function(
        ours(lambda x: fr.squared_relu(x)),
        numpy(lambda x: np.square(np.maximum(x, 0))),
        numpy(lambda x: np.square(r := np.maximum(x, 0), out=r)),
        pytorch(lambda x: torch.relu(x).square_()),
        numba(lambda t: lambda x: t(0) if x <= t(0) else x * x),
        jitted(lambda x: jnp.square(jnp.maximum(x, 0))),
    ),
    Function(
        ours(lambda g, x: fr.squared_relu_backward(g, x)),
        numpy(lambda g, x: g * (2 * np.maximum(x, 0))),
        pytorch(lambda g, x: torch.relu(x).mul_(2).mul_(g)),
        numba(lambda t: lambda g, x: t(0) if x <= t(0) else g * (x + x)),
        jitted(lambda g, x: jnp.where(x > 0, g * (x + x), 0)),
    ),
    Function(
        ours(lambda x: fr.hardsigmoid(x)),
        numpy(lambda x: np.clip(x + 3, 0, 6) / 6),
        pytorch(lambda x: F.hardsigmoid(x), ONE_ROUNDING),
        numba(lambda t: lambda x: min(max(x + t(3), t(0)), t(6)) / t(6), ONE_ROUNDING),
        jitted(lambda x: jax_nn.hard_sigmoid(x), ONE_ROUNDING),
    ),
    Function(
        ours(lambda g, x: fr.hardsigmoid_backward(g, x)),
        numpy(lambda g, x: np.where((x > -3) & (x < 3), g * (1 / 6), 0)),
        pytorch(lambda g, x: aten.hardsigmoid_backward(g, x)),
        numba(lambda t: lambda g, x: g * t(1 / 6) if t(-3) < x < t(3) else t(0)),
        jitted(lambda g, x: jnp.where((x > -3) & (x < 3), g * (1 / 6), 0)),
    ),
    Function(
        ours(lambda x: fr.hardswish(x)),
        numpy(lambda x: x * np.clip(x + 3, 0, 6) / 6, ONE_ROUNDING),
        pytorch(lambda x: F.hardswish(x), ONE_ROUNDING),
        numba(lambda t: lambda x: x if x >= t(3) else x * max(x + t(3), t(0)) / t(6), ONE_ROUNDING),
        jitted(lambda x: jax_nn.hard_swish(x), ONE_ROUNDING),
    ),
    Function(
        ours(lambda g, x: fr.hardswish_backward(g, x)),
        numpy(
            lambda g, x: np.where(x <= -3, 0, np.where(x < 3, g * (x / 3 + 0.5), g)), ONE_ROUNDING
        ),
        pytorch(lambda g, x: aten.hardswish_backward(g, x), ONE_ROUNDING),
        numba(
            lambda t: (
                lambda g, x: t(0) if x <= t(-3) else g * (x / t(3) + t(0.5)) if x < t(3) else g
            ),
            ONE_ROUNDING,
        ),
        jitted(
            lambda g, x: jnp.where(x <= -3, 0, jnp.where(x < 3, g * (x / 3 + 0.5), g)), ONE_ROUNDING
        ),
    ),
    Function(
        ours(lambda x: fr.softshrink(x)),
        numpy(lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)),
        numpy(lambda x: x - np.clip(x, -0.5, 0.5)),
        pytorch(lambda x: F.softshrink(x)),
        numba(
            lambda t: lambda x: x - t(0.5) if x > t(0.5) else x + t(0.5) if x < t(-0.5) else t(0)
        ),
        jitted(lambda x: x - jnp.clip(x, -0.5, 0.5)),
    ),
    Function(
        ours(lambda g, x: fr.softshrink_backward(g, x)),
        numpy(lambda g, x: np.where(np.abs(x) > 0.5, g, 0)),
        numpy(lambda g, x: g * (np.abs(x) > 0.5)),
        pytorch(lambda g, x: aten.softshrink_backward(g, x, 0.5)),
        numba(lambda t: lambda g, x: g if x > t(0.5) or x < t(-0.5) else t(0)),
        jitted(lambda g, x: jnp.where(jnp.abs(x) > 0.5, g, 0)),
    ),
]


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # selu's
GELU_1, GELU_3 = (8 / np.pi) ** 0.5, (8 / np.pi) ** 0.5 * 0.044715  # gelu_tanh's


def _smooth(
    mine: Row,
    *others: Row,
    dtypes: Sequence[str] = ("float32",),
    shapes: Sequence[Shape] = FLAT,
) -> Function:
    others = tuple(replace(each, tolerance=SMOOTH) for each in others)
    return Function(mine, *others, dtypes=dtypes, shapes=shapes)


SMOOTH_FORWARD = [
    _smooth(
        ours(lambda x: fr.sigmoid(x)),
        numpy(lambda x: 1 / (1 + np.exp(-x)), dtypes=("float32", "float64")),
        numpy(lambda x: (1 / (1 + np.exp(-x.astype("f")))).astype(x.dtype), dtypes=HALVES),
        scipy(lambda x: special.expit(x)),
        pytorch(lambda x: torch.sigmoid(x)),
        numba(lambda t: lambda x: t(1) / (t(1) + math.exp(-x))),
        jitted(lambda x: jax_nn.sigmoid(x)),
        onnx((("Sigmoid", "x", "y"),)),
        openvino(lambda ops, x: ops.sigmoid(x)),
        tensorflow(lambda x: tf.nn.sigmoid(x)),
        dtypes=FLOATS,
    ),
    _smooth(
        ours(lambda x: fr.tanh(x)),
        numpy(lambda x: np.tanh(x)),
        pytorch(lambda x: torch.tanh(x)),
        numba(lambda t: lambda x: math.tanh(x)),
        jitted(lambda x: jnp.tanh(x)),
        onnx((("Tanh", "x", "y"),)),
        openvino(lambda ops, x: ops.tanh(x)),
        tensorflow(lambda x: tf.nn.tanh(x)),
        dtypes=FLOATS,
    ),
    _smooth(
        ours(lambda x: fr.silu(x)),
        numpy(lambda x: x / (1 + np.exp(-x)), dtypes=("float32", "float64")),
        numpy(lambda x: (x / (1 + np.exp(-x.astype("f")))).astype(x.dtype), dtypes=HALVES),
        scipy(lambda x: x * special.expit(x)),
        pytorch(lambda x: F.silu(x)),
        numba(lambda t: lambda x: x / (t(1) + math.exp(-x))),
        jitted(lambda x: jax_nn.silu(x)),
        onnx((("Sigmoid", "x", "p"), ("Mul", "x p", "y"))),
        openvino(lambda ops, x: ops.swish(x)),
        tensorflow(lambda x: tf.nn.silu(x)),
        dtypes=FLOATS,
    ),
    _smooth(
        ours(lambda x: fr.gelu(x)),
        numpy(lambda x: x * normal(x)),
        scipy(lambda x: x * special.ndtr(x)),
        pytorch(lambda x: F.gelu(x)),
        numba(lambda t: lambda x: x * (t(1) + math.erf(x * t(0.5**0.5))) / t(2)),
        jitted(lambda x: jax_nn.gelu(x, approximate=False)),
        onnx((("Gelu", "x", "y"),), dtypes=("float32", "float16")),
        openvino(lambda ops, x: ops.gelu(x, "erf")),
        tensorflow(lambda x: tf.nn.gelu(x)),
        dtypes=FLOATS,
    ),
    _smooth(
        ours(lambda x: fr.gelu_tanh(x)),
        numpy(lambda x: x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2),
        numpy(lambda x: x / (1 + np.exp(-x * (GELU_1 + GELU_3 * x * x)))),
        pytorch(lambda x: F.gelu(x, approximate="tanh")),
        numba(lambda t: lambda x: x / (t(1) + math.exp(-x * (t(GELU_1) + t(GELU_3) * x * x)))),
        jitted(lambda x: jax_nn.gelu(x)),
        onnx((("Gelu", "x", "y", {"approximate": "tanh"}),)),
        openvino(lambda ops, x: ops.gelu(x, "tanh")),
        tensorflow(lambda x: tf.nn.gelu(x, approximate=True)),
    ),
    _smooth(
        ours(lambda x: fr.mish(x)),
        numpy(lambda x: x * np.tanh(np.logaddexp(x, 0))),
        numpy(lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        pytorch(lambda x: F.mish(x)),
        numba(lambda t: lambda x: x * math.tanh(math.log1p(math.exp(x)))),
        jitted(lambda x: jax_nn.mish(x)),
        onnx((("Mish", "x", "y"),)),
        openvino(lambda ops, x: ops.mish(x)),
        tensorflow(lambda x: x * tf.nn.tanh(tf.nn.softplus(x))),
    ),
    _smooth(
        ours(lambda x: fr.softplus(x)),
        numpy(lambda x: np.logaddexp(x, 0)),
        numpy(lambda x: np.log1p(np.exp(x))),
        scipy(lambda x: special.softplus(x)),
        pytorch(lambda x: F.softplus(x)),
        numba(lambda t: lambda x: max(x, t(0)) + math.log1p(math.exp(-abs(x)))),
        jitted(lambda x: jax_nn.softplus(x)),
        onnx((("Softplus", "x", "y"),)),
        openvino(lambda ops, x: ops.softplus(x)),
        tensorflow(lambda x: tf.nn.softplus(x)),
    ),
    _smooth(
        ours(lambda x: fr.log_sigmoid(x)),
        numpy(lambda x: -np.logaddexp(0, -x)),
        numpy(lambda x: -np.log1p(np.exp(-x))),
        scipy(lambda x: special.log_expit(x)),
        pytorch(lambda x: F.logsigmoid(x)),
        numba(lambda t: lambda x: min(x, t(0)) - math.log1p(math.exp(-abs(x)))),
        jitted(lambda x: jax_nn.log_sigmoid(x)),
        onnx((("Neg", "x", "n"), ("Softplus", "n", "p"), ("Neg", "p", "y"))),
        tensorflow(lambda x: tf.math.log_sigmoid(x)),
    ),
    _smooth(
        ours(lambda x: fr.selu(x)),
        numpy(lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x))),
        pytorch(lambda x: F.selu(x)),
        numba(lambda t: lambda x: t(SCALE) * (x if x > 0 else t(ALPHA) * math.expm1(x))),
        jitted(lambda x: jax_nn.selu(x)),
        onnx((("Selu", "x", "y"),)),
        openvino(lambda ops, x: ops.selu(x, np.float32(ALPHA), np.float32(SCALE))),
        tensorflow(lambda x: tf.nn.selu(x)),
    ),
    _smooth(
        ours(lambda x: fr.elu(x)),
        numpy(lambda x: np.where(x > 0, x, np.expm1(x))),
        numpy(lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        pytorch(lambda x: F.elu(x)),
        numba(lambda t: lambda x: x if x > 0 else math.expm1(x)),
        jitted(lambda x: jax_nn.elu(x)),
        onnx((("Elu", "x", "y"),)),
        openvino(lambda ops, x: ops.elu(x, 1.0)),
        tensorflow(lambda x: tf.nn.elu(x)),
    ),
    _smooth(
        ours(lambda x: fr.celu(x)),
        numpy(lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0))),
        pytorch(lambda x: F.celu(x)),
        numba(lambda t: lambda x: max(x, t(0)) + math.expm1(min(x, t(0)))),
        jitted(lambda x: jax_nn.celu(x)),
        onnx((("Celu", "x", "y"),)),
    ),
    _smooth(
        ours(lambda x: fr.softsign(x)),
        numpy(lambda x: x / (1 + np.abs(x))),
        pytorch(lambda x: F.softsign(x)),
        numba(lambda t: lambda x: x / (t(1) + abs(x))),
        jitted(lambda x: jax_nn.soft_sign(x)),
        onnx((("Softsign", "x", "y"),)),
        openvino(lambda ops, x: ops.softsign(x)),
        tensorflow(lambda x: tf.nn.softsign(x)),
    ),
]

SMOOTH_DERIVATIVES = [
    _smooth(
        ours(lambda x: fr.sigmoid_derivative(x)),
        numpy(lambda x: (s := 1 / (1 + np.exp(-x))) * (1 - s)),
    ),
    _smooth(ours(lambda x: fr.tanh_derivative(x)), numpy(lambda x: 1 - np.tanh(x) ** 2)),
    _smooth(
        ours(lambda x: fr.silu_derivative(x)),
        numpy(lambda x: (s := 1 / (1 + np.exp(-x))) * (1 + x * (1 - s))),
    ),
    _smooth(
        ours(lambda x: fr.gelu_derivative(x)),
        numpy(lambda x: normal(x) + x * np.exp(x * x * -0.5) / (2 * np.pi) ** 0.5),
    ),
    _smooth(ours(lambda x: fr.gelu_tanh_derivative(x)), numpy(lambda x: gelu_tanh_slope(x))),
    _smooth(
        ours(lambda x: fr.mish_derivative(x)),
        numpy(lambda x: (t := np.tanh(np.log1p(np.exp(x)))) + x * (1 - t * t) / (1 + np.exp(-x))),
    ),
    _smooth(ours(lambda x: fr.softplus_derivative(x)), numpy(lambda x: 1 / (1 + np.exp(-x)))),
    _smooth(ours(lambda x: fr.log_sigmoid_derivative(x)), numpy(lambda x: 1 / (1 + np.exp(x)))),
    _smooth(
        ours(lambda x: fr.selu_derivative(x)),
        numpy(lambda x: np.where(x > 0, x.dtype.type(SCALE), SCALE * ALPHA * np.exp(x))),
    ),
    _smooth(
        ours(lambda x: fr.elu_derivative(x)),
        numpy(lambda x: np.where(x > 0, x.dtype.type(1), np.exp(x))),
    ),
    _smooth(ours(lambda x: fr.celu_derivative(x)), numpy(lambda x: np.exp(np.minimum(x, 0)))),
    _smooth(ours(lambda x: fr.softsign_derivative(x)), numpy(lambda x: 1 / (1 + np.abs(x)) ** 2)),
]

SMOOTH_BACKWARD = [
    _smooth(
        ours(lambda g, x: fr.sigmoid_backward(g, x)),
        numpy(lambda g, x: g * (s := 1 / (1 + np.exp(-x))) * (1 - s)),
        pytorch(lambda g, x: aten.sigmoid_backward(g, torch.sigmoid(x))),
        jitted(lambda g, x: jax.vjp(jax_nn.sigmoid, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, squashed: fr.sigmoid_backward_from_output(g, squashed)),
        numpy(lambda g, squashed: g * squashed * (1 - squashed)),
        pytorch(lambda g, squashed: aten.sigmoid_backward(g, squashed)),
    ),
    _smooth(
        ours(lambda g, x: fr.tanh_backward(g, x)),
        numpy(lambda g, x: g * (1 - np.tanh(x) ** 2)),
        pytorch(lambda g, x: aten.tanh_backward(g, torch.tanh(x))),
        jitted(lambda g, x: jax.vjp(jnp.tanh, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, squashed: fr.tanh_backward_from_output(g, squashed)),
        numpy(lambda g, squashed: g * (1 - squashed**2)),
        pytorch(lambda g, squashed: aten.tanh_backward(g, squashed)),
    ),
    _smooth(
        ours(lambda g, x: fr.silu_backward(g, x)),
        numpy(lambda g, x: g * (s := 1 / (1 + np.exp(-x))) * (1 + x * (1 - s))),
        pytorch(lambda g, x: aten.silu_backward(g, x)),
        jitted(lambda g, x: jax.vjp(jax_nn.silu, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.gelu_backward(g, x)),
        numpy(lambda g, x: g * (normal(x) + x * np.exp(x * x * -0.5) / (2 * np.pi) ** 0.5)),
        scipy(lambda g, x: g * (special.ndtr(x) + x * np.exp(x * x * -0.5) / (2 * np.pi) ** 0.5)),
        pytorch(lambda g, x: aten.gelu_backward(g, x)),
        jitted(lambda g, x: jax.vjp(partial(jax_nn.gelu, approximate=False), x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.gelu_tanh_backward(g, x)),
        numpy(lambda g, x: g * gelu_tanh_slope(x)),
        pytorch(lambda g, x: aten.gelu_backward(g, x, approximate="tanh")),
        jitted(lambda g, x: jax.vjp(jax_nn.gelu, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.mish_backward(g, x)),
        numpy(
            lambda g, x: (
                g * ((t := np.tanh(np.log1p(np.exp(x)))) + x * (1 - t * t) / (1 + np.exp(-x)))
            )
        ),
        pytorch(lambda g, x: aten.mish_backward(g, x)),
        jitted(lambda g, x: jax.vjp(jax_nn.mish, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.softplus_backward(g, x)),
        numpy(lambda g, x: g / (1 + np.exp(-x))),
        scipy(lambda g, x: g * special.expit(x)),
        pytorch(lambda g, x: aten.softplus_backward(g, x, 1, 20)),
        jitted(lambda g, x: jax.vjp(jax_nn.softplus, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.log_sigmoid_backward(g, x)),
        numpy(lambda g, x: g / (1 + np.exp(x))),
        scipy(lambda g, x: g * special.expit(-x)),
        pytorch(lambda g, x: aten.log_sigmoid_backward(g, x, torch.exp(-x.abs()))),
        jitted(lambda g, x: jax.vjp(jax_nn.log_sigmoid, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.selu_backward(g, x)),
        numpy(lambda g, x: g * np.where(x > 0, x.dtype.type(SCALE), SCALE * ALPHA * np.exp(x))),
        pytorch(lambda g, x: aten.elu_backward(g, ALPHA, SCALE, 1, False, x)),
        jitted(lambda g, x: jax.vjp(jax_nn.selu, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.elu_backward(g, x)),
        numpy(lambda g, x: np.where(x > 0, g, g * np.exp(x))),
        pytorch(lambda g, x: aten.elu_backward(g, 1, 1, 1, False, x)),
        jitted(lambda g, x: jax.vjp(jax_nn.elu, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.celu_backward(g, x)),
        numpy(lambda g, x: g * np.exp(np.minimum(x, 0))),
        pytorch(lambda g, x: aten.elu_backward(g, 1, 1, 1, False, x)),
        jitted(lambda g, x: jax.vjp(jax_nn.celu, x)[1](g)[0]),
    ),
    _smooth(
        ours(lambda g, x: fr.softsign_backward(g, x)),
        numpy(lambda g, x: g / (1 + np.abs(x)) ** 2),
        pytorch(lambda g, x: g / (1 + x.abs()).square_()),
        jitted(lambda g, x: jax.vjp(jax_nn.soft_sign, x)[1](g)[0]),
    ),
]
SMOOTH_FUNCTIONS = [*SMOOTH_FORWARD, *SMOOTH_DERIVATIVES, *SMOOTH_BACKWARD]


_along_rows = partial(_smooth, dtypes=("float32", "float64"), shapes=ROWS)

SHARES = [
    _along_rows(
        ours(lambda x: fr.softmax(x)),
        numpy(lambda x: (e := np.exp(x - x.max(-1, keepdims=True))) / e.sum(-1, keepdims=True)),
        scipy(lambda x: special.softmax(x, -1)),
        pytorch(lambda x: torch.softmax(x, -1)),
        jitted(lambda x: jax_nn.softmax(x)),
        onnx((("Softmax", "x", "y"),)),
        openvino(lambda ops, x: ops.softmax(x, 1)),
        tensorflow(lambda x: tf.nn.softmax(x)),
    ),
    _along_rows(
        ours(lambda x: fr.log_softmax(x)),
        numpy(
            lambda x: (s := x - x.max(-1, keepdims=True)) - np.log(np.exp(s).sum(-1, keepdims=True))
        ),
        scipy(lambda x: special.log_softmax(x, -1)),
        pytorch(lambda x: torch.log_softmax(x, -1)),
        jitted(lambda x: jax_nn.log_softmax(x)),
        onnx((("LogSoftmax", "x", "y"),)),
        openvino(lambda ops, x: ops.log_softmax(x, 1)),
        tensorflow(lambda x: tf.nn.log_softmax(x)),
    ),
    _along_rows(
        ours(lambda g, shares: fr.softmax_backward(g, shares)),
        numpy(lambda g, shares: shares * (g - (g * shares).sum(-1, keepdims=True))),
        pytorch(lambda g, shares: aten._softmax_backward_data(g, shares, -1, g.dtype)),
        jitted(lambda g, shares: shares * (g - (g * shares).sum(-1, keepdims=True))),
    ),
    _along_rows(
        ours(lambda g, logs: fr.log_softmax_backward(g, logs)),
        numpy(lambda g, logs: g - np.exp(logs) * g.sum(-1, keepdims=True)),
        pytorch(lambda g, logs: aten._log_softmax_backward_data(g, logs, -1, g.dtype)),
        jitted(lambda g, logs: g - jnp.exp(logs) * g.sum(-1, keepdims=True)),
    ),
    _along_rows(
        ours(lambda x, labels: fr.cross_entropy(x, labels)),
        numpy(lambda x, labels: loss_and_gradient(x, labels)),
        pytorch(lambda x, labels: torch_loss_and_gradient(x, labels)),
        jitted(lambda x, labels: jax_loss_and_gradient(x, labels)),
    ),
]


def loss_and_gradient(x: Array, labels: Array) -> Any:
    """Compute the cross entropy of each row, and its gradient, in NumPy."""
    right = np.arange(len(x)), labels
    shifted = x - x.max(-1, keepdims=True)
    gradient = np.exp(shifted)
    total = gradient.sum(-1, keepdims=True)
    gradient /= total
    gradient[right] -= 1
    return np.log(total[:, 0]) - shifted[right], gradient


def torch_loss_and_gradient(x: Any, labels: Any) -> Any:
    """Run the steps of PyTorch's ``cross_entropy(reduction="none")`` and of its backward pass."""
    logs = torch.log_softmax(x, -1)
    loss, weight = aten.nll_loss_forward(logs, labels, None, 0, -100)
    grad = aten.nll_loss_backward(torch.ones_like(loss), logs, labels, None, 0, -100, weight)
    return loss, aten._log_softmax_backward_data(grad, logs, -1, x.dtype)


def jax_loss_and_gradient(x: Any, labels: Any) -> Any:
    """Compute them in JAX, whose derivative is that of log_softmax."""
    logs, pull = jax.vjp(jax_nn.log_softmax, x)
    onehot = jax_nn.one_hot(labels, x.shape[-1], dtype=x.dtype)
    loss = -jnp.take_along_axis(logs, labels[:, None], -1)[:, 0]
    return loss, pull(-onehot)[0]


def normal(x: Array) -> Array:
    """Give the normal distribution, whose error function NumPy has not."""
    return (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / 2**0.5)) / 2


def gelu_tanh_slope(x: Array) -> Array:
    """Differentiate gelu's approximation by tanh."""
    t = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x))
    return (1 + t + x * (1 - t * t) * (2 / np.pi) ** 0.5 * (1 + 0.134145 * x * x)) / 2


def summed(terms: Any) -> Any:
    """Sum images over all but their channels."""
    return terms.sum((0, 2, 3))


def packed(condition: Array) -> Array:
    """Keep one bit of each element, as fastrelu's masks do."""
    return np.packbits(condition, bitorder="little")


def unpacked(bits: Array, like: Array) -> Array:
    """Give each element its bit back, as 0 or 1."""
    return np.unpackbits(bits, count=like.size, bitorder="little").reshape(like.shape)


def count_active(x: Array) -> int:
    """Count what relu passes on, as one writes it for Numba, whose own `prange` it then is."""
    count = 0
    for i in prange(x.size):
        count += not x[i] <= 0
    return count


MASKS = [
    Function(
        ours(lambda x: fr.relu_with_mask(x)),
        beside(lambda x: fr.relu(x)),
        numpy(lambda x: (np.maximum(x, 0), packed(x > 0))),
        pytorch(lambda x: (torch.relu(x), x > 0)[:1]),
        shapes=FLAT + LARGE,
        dtypes=("float32", "float16", "int8"),
    ),
    Function(
        ours(lambda g, mask: fr.relu_backward_from_mask(g, mask)),
        beside(lambda g, x: fr.relu_backward(g, x)),
        numpy(lambda g, bits: np.where(unpacked(bits, g), g, 0)),
        numpy(lambda g, bits: g * unpacked(bits, g)),
        in_place=[
            ours(lambda g, mask: fr.relu_backward_from_mask(g, mask, out=g)),
            beside(lambda g, x: fr.relu_backward(g, x, out=g)),
            numpy(lambda g, bits: np.multiply(g, unpacked(bits, g), out=g)),
        ],
        shapes=FLAT + LARGE,
        dtypes=("float32", "float16"),
    ),
    Function(
        ours(lambda x: fr.leaky_relu_with_mask(x, 0.2)),
        numpy(lambda x: (np.where(x > 0, x, x * 0.2), packed(x > 0))),
        pytorch(lambda x: (F.leaky_relu(x, 0.2), x > 0)[:1]),
    ),
    Function(
        ours(lambda g, leaky_mask: fr.leaky_relu_backward_from_mask(g, leaky_mask, 0.2)),
        numpy(lambda g, bits: np.where(unpacked(bits, g), g, g * 0.2)),
    ),
    Function(
        ours(lambda x, row: fr.add_relu_with_mask(x, row)),
        numpy(lambda x, row: (s := np.maximum(x + row, 0), packed(s > 0))),
        shapes=MATRICES,
    ),
    Function(
        ours(lambda x, row: fr.add_leaky_relu_with_mask(x, row, 0.2)),
        numpy(lambda x, row: (np.where((s := x + row) > 0, s, s * 0.2), packed(s > 0))),
        shapes=MATRICES,
    ),
    Function(
        ours(lambda g, x: fr.leaky_relu_backward_from_output(g, x, 0.2)),
        numpy(lambda g, x: np.where(x > 0, g, g * 0.2)),
        pytorch(lambda g, x: aten.leaky_relu_backward(g, x, 0.2, True)),
        numba(lambda t: lambda g, x: g if x > t(0) else g * t(0.2)),
        jitted(lambda g, x: jnp.where(x > 0, g, g * 0.2)),
    ),
]

PARAMETERS = [
    Function(
        ours(lambda g, x: fr.relu_backward_with_bias(g, x)),
        numpy(lambda g, x: (s := np.where(x > 0, g, 0), s.sum(0)), SUM),
        numpy(lambda g, x: (s := g * (x > 0), s.sum(0)), SUM),
        pytorch(lambda g, x: (s := aten.threshold_backward(g, x, 0), s.sum(0)), SUM),
        jitted(lambda g, x: (s := jnp.where(x > 0, g, 0), s.sum(0)), SUM),
        shapes=MATRICES,
    ),
    Function(
        ours(lambda x, weight: fr.prelu(x, weight)),
        numpy(lambda x, slopes: np.where(x > 0, x, slopes * x)),
        pytorch(lambda x, weight: F.prelu(x, weight)),
        jitted(lambda x, slopes: jnp.where(x > 0, x, slopes * x)),
        shapes=IMAGES,
    ),
    Function(
        ours(lambda g, x, weight: fr.prelu_backward(g, x, weight)),
        numpy(
            lambda g, x, slopes: (
                np.where(x > 0, g, slopes * g),
                summed(np.where(x > 0, 0, g * x)),
            ),
            SUM,
        ),
        pytorch(
            lambda g, x, slopes: (
                (s := aten._prelu_kernel_backward(g, x, slopes))[0],
                summed(s[1]),
            ),
            SUM,
        ),
        jitted(
            lambda g, x, slopes: (
                jnp.where(x > 0, g, slopes * g),
                summed(jnp.where(x > 0, 0, g * x)),
            ),
            SUM,
        ),
        shapes=(*IMAGES, (32, 64, 56, 56)),
    ),
    # Each call is given its gradients by a copy: those that have been clipped are not scaled again.
    Function(
        ours(lambda x: fr.clip_grad_norm_(x, math.inf)),
        numpy(lambda x: np.sqrt(np.square(x).sum()), SUM),
        numpy(lambda x: np.linalg.norm(x), SUM),
        pytorch(lambda x: torch.linalg.vector_norm(x), SUM),
        jitted(lambda x: jnp.linalg.norm(x), SUM),
        out=[
            ours(lambda x, out: (np.copyto(out, x), fr.clip_grad_norm_(out, 1), out)[2]),
            numpy(
                lambda x, out: (
                    np.copyto(out, x),
                    np.multiply(out, min(1, 1 / np.linalg.norm(out)), out=out),
                )[1],
                SUM,
            ),
            pytorch(
                lambda x, out: out.copy_(x).mul_(
                    (1 / (torch.linalg.vector_norm(out) + 1e-6)).clamp(max=1)
                ),
                SUM,
            ),
        ],
        shapes=FLAT + LARGE,
    ),
    Function(
        ours(lambda x: fr.rrelu(x), 1 / 3),
        numpy(
            lambda x: np.where(x > 0, x, x * RNG.uniform(1 / 8, 1 / 3, x.shape).astype(x.dtype)),
            1 / 3,
        ),
        pytorch(lambda x: F.rrelu(x, training=True), 1 / 3),
    ),
]

COUNTS = [
    Function(
        ours(lambda x: fr.active_count(x)),
        numpy(lambda x: np.count_nonzero(x > 0)),
        numpy(lambda x: (x > 0).sum()),
        pytorch(lambda x: torch.count_nonzero(x > 0)),
        numba(count_active),
        jitted(lambda x: jnp.count_nonzero(x > 0)),
        shapes=(*FLAT, (2**26,)),
        dtypes=("float32", "float16", "int8"),
    ),
    Function(
        ours(lambda x: fr.active_count(x, axis=0)),
        numpy(lambda x: np.count_nonzero(x > 0, axis=0)),
        pytorch(lambda x: torch.count_nonzero(x > 0, dim=0)),
        jitted(lambda x: jnp.count_nonzero(x > 0, axis=0)),
        shapes=MATRICES,
        name="active_count_per_unit",
    ),
    Function(
        ours(lambda rectified: fr.sparsity(rectified)),
        numpy(lambda rectified: 1 - np.count_nonzero(rectified > 0) / rectified.size),
        numpy(lambda rectified: np.mean(rectified <= 0)),
        pytorch(lambda rectified: 1 - int(torch.count_nonzero(rectified > 0)) / rectified.numel()),
        jitted(
            lambda rectified: 1 - jnp.count_nonzero(rectified > 0) / rectified.size, ONE_ROUNDING
        ),
        shapes=FLAT + LARGE,
    ),
    Function(
        ours(lambda layer: fr.dead_units(layer)),
        numpy(lambda layer: ~(layer > 0).any(0)),
        numpy(lambda layer: np.max(layer, 0) <= 0),
        pytorch(lambda layer: (layer <= 0).all(0)),
        jitted(lambda layer: (layer <= 0).all(0)),
        shapes=MATRICES,
    ),
    Function(
        ours(lambda mask: mask.active_count()),
        numpy(lambda x, bits: int(np.bitwise_count(bits).sum())),
        numpy(lambda x, bits: np.count_nonzero(np.unpackbits(bits))),
        name="active_count_from_mask",
    ),
    Function(
        ours(lambda mask: mask.dead_units()),
        numpy(lambda x, bits: ~unpacked(bits, x).any(0)),
        shapes=MATRICES,
        name="dead_units_from_mask",
    ),
    Function(
        ours(lambda x: logged(partial(fr.relu, x), 100)),
        beside(lambda x: repeated(partial(fr.relu, x), 100)),
        shapes=((256, 256), (1_024, 1_024)),
        name="activity_log",
    ),
]

TABLES = [
    Function(
        ours(lambda x: fr.relu_quantized(x, np.int8(5))),
        numpy(lambda x: np.maximum(x, 5)),
        numpy(lambda x: np.maximum(x, np.int8(5))),
        pytorch(lambda x: torch.clamp_min(x, 5)),
        numba(lambda t: lambda x: t(5) if x <= t(5) else x),
        jitted(lambda x: jnp.maximum(x, np.int8(5))),
        dtypes=("int8",),
    ),
    Function(
        ours(lambda x, table: fr.apply_table(x, table)),
        numpy(lambda x, table: np.take(table, x.view(np.uint8))),
        numpy(lambda x, table: table[x.view(np.uint8)]),
        jitted(lambda x, table: jnp.take(table, x.view(np.uint8))),
        dtypes=("int8",),
    ),
    Function(
        ours(lambda x: fr.crelu(x)),
        numpy(lambda x: np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], 1)),
        numpy(lambda x: np.maximum(s := np.concatenate([x, -x], 1), 0, out=s)),
        pytorch(lambda x: torch.cat([x, -x], 1).relu_()),
        jitted(lambda x: jnp.maximum(jnp.concatenate([x, -x], 1), 0)),
        shapes=IMAGES,
    ),
    Function(
        ours(lambda twice, x: fr.crelu_backward(twice, x)),
        numpy(lambda left, right, x: left * (x > 0) - right * (x < 0)),
        numpy(lambda left, right, x: np.where(x > 0, left, np.where(x < 0, -right, 0))),
        pytorch(lambda left, right, x: torch.where(x > 0, left, -right)),
        jitted(lambda left, right, x: jnp.where(x > 0, left, -right)),
        shapes=IMAGES,
    ),
    Function(
        ours(lambda x: fr.maxout(x, 4)),
        numpy(lambda x: x.reshape(len(x), -1, 4, *x.shape[2:]).max(2)),
        pytorch(lambda x: x.reshape(len(x), -1, 4, *x.shape[2:]).amax(2)),
        jitted(lambda x: x.reshape(len(x), -1, 4, *x.shape[2:]).max(2)),
        shapes=IMAGES,
        dtypes=("float32", "float16"),
    ),
    Function(
        ours(lambda pooled, x: fr.maxout_backward(pooled, x, 4)),
        numpy(lambda pooled, x: scattered(pooled, x.reshape(len(x), -1, 4, *x.shape[2:]))),
        shapes=IMAGES,
    ),
]


def scattered(g: Array, pools: Array) -> Array:
    """Give the gradient of each pool to its largest element."""
    gx = np.zeros_like(pools)
    np.put_along_axis(gx, pools.argmax(2)[:, :, None], g[:, :, None], 2)
    return gx.reshape(len(gx), -1, *gx.shape[3:])


def repeated(call: Callable[[], Any], times: int) -> Any:
    """Call some times."""
    for _ in range(times - 1):
        call()
    return call()


def logged(call: Callable[[], Any], times: int) -> Any:
    """Call some times under an activity log."""
    with fr.activity():
        return repeated(call, times)


FUNCTIONS = [
    *(RELU, RELU_BACKWARD, LEAKY_RELU, LEAKY_RELU_BACKWARD, *DERIVATIVES),
    *(*FUSED, *BOUNDED, *HARD, *SMOOTH_FUNCTIONS, *SHARES, *MASKS, *PARAMETERS, *COUNTS, *TABLES),
]


@lru_cache(6)
def _values(shape: Shape, dtype: str, seed: int) -> Array:
    """Make numbers of random signs, away from zero, lest a product becomes subnormal."""
    values = 3 * np.random.default_rng(seed).standard_normal(shape, np.float32)
    values += np.copysign(np.float32(0.1), values)
    values = np.clip(20 * values, -100, 100) if dtype.startswith("int") else values
    return values.astype(dtype_called(dtype))


def dtype_called(name: str) -> np.dtype[Any]:
    """Return the dtype of that name, NumPy's or that of ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes  # noqa: PLC0415 - only these cells need it

        name = ml_dtypes.bfloat16
    return np.dtype(name)


def _laid(values: Array, layout: str, name: str) -> Array:
    """Lay out a copy of x, g or out as the cell's layout says."""
    size, dtype = values.size, values.dtype
    if layout == "every_second" and name != "out":
        wide = np.zeros(2 * size, dtype)
        wide[::2] = values
        return wide[::2]
    if layout == "padded_rows":
        wide = np.zeros((size // 256, 272), dtype)
        wide[:, :256] = values.reshape(-1, 256)
        return wide[:, :256]
    if layout == "reversed" and name != "out":
        return values[::-1].copy()[::-1]
    in_order = {"transposed": "x g out", "transposing": "x g", "mixed_orders": "x"}
    if layout in in_order:
        square = values.reshape(isqrt(size), -1)
        return square.copy(order="F" if name in in_order[layout].split() else "C")
    return values.copy()


def _like_x(name: str, seed: int) -> Callable[[Cell], Array]:
    return lambda cell: _laid(_values(cell.shape, cell.dtype, seed), cell.layout, name)


def _number(value: float) -> Callable[[Cell], Any]:
    return lambda cell: dtype_called(cell.dtype).type(value)


def _channel(low: float, high: float, shape: Shape = (-1,)) -> Callable[[Cell], Array]:
    values = np.random.default_rng(3).uniform(low, high, 1_024)
    return lambda cell: values[: cell.shape[1]].astype(cell.dtype).reshape(shape)


def _layer(cell: Cell) -> Array:
    """One unit of eight is dead."""
    values = _values(cell.shape, cell.dtype, 0).copy()
    values[:, ::8] = -1
    return values


def _seeded(cell: Cell, channels: int) -> Array:
    return _values((cell.shape[0], channels, *cell.shape[2:]), cell.dtype, 1).copy()


def _x(cell: Cell) -> Array:
    return _values(cell.shape, cell.dtype, 0)


MAKERS: dict[str, Callable[[Cell], Any]] = {
    "x": _like_x("x", 0),
    "y": _like_x("x", 1),
    "squashed": lambda cell: fr.sigmoid(_x(cell)),
    "shares": lambda cell: fr.softmax(_x(cell)),
    "logs": lambda cell: fr.log_softmax(_x(cell)),
    "labels": lambda cell: np.random.default_rng(3).integers(cell.shape[-1], size=cell.shape[0]),
    "rectified": lambda cell: np.maximum(_x(cell), 0),
    "g": _like_x("g", 2),
    "out": lambda cell: _laid(np.full(cell.size, 77, dtype_called(cell.dtype)), cell.layout, "out"),
    "zero": _number(0),
    "one": _number(1),
    "slope": lambda _: SLOPE,
    "s": _number(SLOPE),
    "slopes": _channel(0.05, 0.5, (-1, 1, 1)),
    "weight": _channel(0.05, 0.5),
    "scale": _channel(0.5, 1.5, (-1, 1, 1)),
    "shift": _channel(-1, 1, (-1, 1, 1)),
    "row": lambda cell: _values(cell.shape[-1:], cell.dtype, 1).copy(),
    "layer": _layer,
    "mask": lambda cell: fr.relu_with_mask(_x(cell))[1],
    "leaky_mask": lambda cell: fr.leaky_relu_with_mask(_x(cell), SLOPE)[1],
    "bits": lambda cell: packed(_x(cell) > 0),
    "twice": lambda cell: _seeded(cell, 2 * cell.shape[1]),
    "left": lambda cell: _seeded(cell, 2 * cell.shape[1])[:, : cell.shape[1]],
    "right": lambda cell: _seeded(cell, 2 * cell.shape[1])[:, cell.shape[1] :],
    "pooled": lambda cell: _seeded(cell, cell.shape[1] // 4),
    "table": lambda cell: np.arange(256, dtype=np.uint8)[::-1].copy().view(cell.dtype),
}
"""What the names in the lambdas mean."""
