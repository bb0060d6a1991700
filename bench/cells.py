"""What is raced of relu and leaky relu: function x dtype x size x layout x mode.

A cell is one such combination; `operands` makes its arrays. Values are random normal with random
signs, kept away from zero, so that products stay normal numbers and branches mispredict.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from math import isqrt
from typing import Any

import numpy as np
from fastrelu._idioms import (
    FRESH,
    IN_PLACE,
    MODES,
    OUT,
    Operands,
    takes_gradient,
    takes_slope,
)
from numpy.typing import NDArray

Array = NDArray[Any]

FUNCTIONS = (
    "relu",
    "relu_derivative",
    "relu_backward",
    "leaky_relu",
    "leaky_relu_derivative",
    "leaky_relu_backward",
)
SLOPE = 0.2
STEADY_SLOPE = 1.0
"""For calls in place: any other would turn the numbers into subnormals or zeros, call by call."""

CONTIGUOUS = "contiguous"
SIZES = (1, 64, 1_024, 16_384, 262_144, 4_194_304, 33_554_432)
SMALL, LARGE = 262_144, 4_194_304
"""The elements of a layout: 1 and 16 MiB of float32."""
SHARED = 16_384
"""From this many elements on some peer may use more than one thread."""
LARGEST = SIZES[-1]
_INTEGER_SIZES = (64, 16_384, 262_144, 4_194_304)

_ROW, _PADDED_ROW = 256, 272
_CHANNELS = 64


@dataclass(frozen=True)
class Cell:
    """One combination; its name can be selected by ``pytest -k``."""

    function: str
    dtype: str
    size: int
    layout: str
    mode: str

    @property
    def name(self) -> str:
        """Give the cell's name: readable, and unique."""
        mode = self.mode.rstrip("=").replace(" ", "_")
        layout = self.layout.replace(" ", "_")
        return f"{self.function}-{self.dtype}-{self.size}-{layout}-{mode}"


def dtype_called(name: str) -> np.dtype[Any]:
    """Return the dtype of that name, NumPy's or that of ml_dtypes."""
    return np.dtype(getattr(import_module("ml_dtypes"), name) if name == "bfloat16" else name)


def all_cells() -> list[Cell]:
    """Return the cells of the full report."""
    return [*_contiguous(), *_layouts(), *_slopes()]


def quick_cells() -> list[Cell]:
    """Return a small selection: every function, every mode, one layout."""
    sizes = (64, 16_384, 262_144)
    cells = [
        Cell(function, "float32", size, CONTIGUOUS, mode)
        for function, size, mode in itertools.product(_main_functions(), sizes, (FRESH, OUT))
    ]
    cells += [Cell("relu", name, 262_144, CONTIGUOUS, OUT) for name in _dtypes()[1:]]
    return [*cells, Cell("relu", "float32", SMALL, F_INTO_C, OUT)]


def operands(cell: Cell, slope: float = SLOPE) -> Operands:
    """Make the arrays of a cell, those to be written to filled with nonsense."""
    lay_x, lay_g, lay_out = _LAYOUTS[cell.layout]
    dtype = dtype_called(cell.dtype)
    x = lay_x(_values(cell.size, dtype, 0))
    g = lay_g(_values(cell.size, dtype, 1)) if takes_gradient(cell.function) else None
    out = lay_out(np.full(cell.size, 77, dtype))
    slopes = None
    if takes_slope(cell.function):
        slopes = _slope_array(cell.layout, x.shape, dtype) if _is_slope(cell.layout) else slope
    return Operands(x, g, slopes, out)


def _main_functions() -> list[str]:
    return [name for name in FUNCTIONS if not name.endswith("_derivative")]


def _dtypes() -> list[str]:
    narrow = ["bfloat16"] if find_spec("ml_dtypes") else []
    return ["float32", "float64", "float16", *narrow, "int8", "int32"]


def _contiguous() -> Iterator[Cell]:
    for function, dtype in itertools.product(FUNCTIONS, _dtypes()):
        is_integer = dtype.startswith("int")
        if is_integer and takes_slope(function):
            continue  # float64 comes out: another dtype's job
        for size, mode in itertools.product(SIZES, MODES):
            if function.endswith("_derivative"):
                chosen = dtype == "float32" and size in (64, SMALL) and mode == OUT
            elif is_integer:
                chosen = size in _INTEGER_SIZES or (dtype == "int8" and size == LARGEST)
            elif dtype in ("float16", "bfloat16") and size == LARGEST:
                chosen = mode == OUT  # NumPy takes up to a second for a call
            else:
                chosen = True
            if chosen:
                yield Cell(function, dtype, size, CONTIGUOUS, mode)


def _layouts() -> Iterator[Cell]:
    for layout, size in itertools.product(_STRIDED, (SMALL, LARGE)):
        for function in ("relu", "relu_backward"):
            if layout == MIXED_INPUTS and function == "relu":
                continue
            yield Cell(function, "float32", size, layout, OUT)
            if layout in (EVERY_SECOND, ROWS_OF_WIDER, TRANSPOSED):
                yield Cell(function, "float32", size, layout, FRESH)
                yield Cell(function, "float32", size, layout, IN_PLACE)


def _slopes() -> Iterator[Cell]:
    for layout, size in itertools.product(_SLOPED, (SMALL, LARGE)):
        for function, mode in itertools.product(
            ("leaky_relu", "leaky_relu_backward"), (FRESH, OUT)
        ):
            yield Cell(function, "float32", size, layout, mode)


@lru_cache(2)
def _values(size: int, dtype: np.dtype[Any], seed: int) -> Array:
    values = 20 * np.random.default_rng(seed).standard_normal(size, np.float32)
    values += np.copysign(np.float32(1), values)
    return np.clip(values, -100, 100).astype(dtype)


Layout = Callable[[Array], Array]


def _flat(values: Array) -> Array:
    return values.copy()


def _every_second(values: Array) -> Array:
    wide = np.zeros(2 * values.size, values.dtype)
    wide[::2] = values
    return wide[::2]


def _every_second_column(values: Array) -> Array:
    wide = np.zeros((values.size // _ROW, 2 * _ROW), values.dtype)
    wide[:, ::2] = values.reshape(-1, _ROW)
    return wide[:, ::2]


def _rows_of_wider(values: Array) -> Array:
    wide = np.zeros((values.size // _ROW, _PADDED_ROW), values.dtype)
    wide[:, :_ROW] = values.reshape(-1, _ROW)
    return wide[:, :_ROW]


def _transposed(values: Array) -> Array:
    return np.asfortranarray(_square(values))


def _square(values: Array) -> Array:
    return values.reshape(isqrt(values.size), -1).copy()


def _reversed(values: Array) -> Array:
    return values[::-1].copy()[::-1]


def _rows(values: Array) -> Array:
    return values.reshape(-1, _ROW).copy()


def _nchw(values: Array) -> Array:
    side = isqrt(values.size // _CHANNELS // 4)
    return values.reshape(4, _CHANNELS, side, side).copy()


def _nhwc(values: Array) -> Array:
    side = isqrt(values.size // _CHANNELS // 4)
    return values.reshape(4, side, side, _CHANNELS).copy()


def _slope_array(layout: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    shapes = {
        PER_ROW: (shape[0], 1),
        PER_COLUMN: (1, shape[-1]),
        NCHW: (1, _CHANNELS, 1, 1),
        NHWC: (_CHANNELS,),
    }
    return np.random.default_rng(2).uniform(0.05, 0.5, shapes[layout]).astype(dtype)


def _is_slope(layout: str) -> bool:
    return layout in _SLOPED


EVERY_SECOND = "x[::2]"
EVERY_SECOND_COLUMN = "x[:, ::2]"
ROWS_OF_WIDER = "rows of a wider array"
TRANSPOSED = "all F-ordered"
F_INTO_C = "F-ordered into C-ordered"
MIXED_INPUTS = "inputs of different order"
REVERSED = "x[::-1]"
PER_ROW, PER_COLUMN = "slope per row", "slope per column"
NCHW, NHWC = "slope per channel NCHW", "slope per channel NHWC"

# How x, the gradient and out lie in memory.
_LAYOUTS: dict[str, tuple[Layout, Layout, Layout]] = {
    CONTIGUOUS: (_flat, _flat, _flat),
    EVERY_SECOND: (_every_second, _every_second, _flat),
    EVERY_SECOND_COLUMN: (_every_second_column, _every_second_column, _rows),
    ROWS_OF_WIDER: (_rows_of_wider, _rows_of_wider, _rows_of_wider),
    TRANSPOSED: (_transposed, _transposed, _transposed),
    F_INTO_C: (_transposed, _transposed, _square),
    MIXED_INPUTS: (_transposed, _square, _square),
    REVERSED: (_reversed, _reversed, _flat),
    PER_ROW: (_rows, _rows, _rows),
    PER_COLUMN: (_rows, _rows, _rows),
    NCHW: (_nchw, _nchw, _nchw),
    NHWC: (_nhwc, _nhwc, _nhwc),
}
_SLOPED = (PER_ROW, PER_COLUMN, NCHW, NHWC)
_STRIDED = tuple(name for name in _LAYOUTS if name not in (CONTIGUOUS, *_SLOPED))
