"""The functions beside the ufuncs, held against the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

import fastrelu as fr
from fastrelu import reference
from fastrelu.testing import cases
from fastrelu.testing._results import Row, recorded
from fastrelu.testing.cases import LAYOUTS, Array, Layout

Arguments = tuple[Any, ...]

SHAPES = ((0, 4, 3), (1, 4, 1), (3, 4, 5), (9, 4, 67), (130, 4, 33), (16, 4, 4099))
"""Batch, channels and positions; the last is shared between threads."""
FEW_ELEMENTS = 20_000
"""More of them are run dense only."""
_SLOPE = 0.3


class Operands:
    """Values of one dtype and shape, and what goes with them."""

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...], layout: Layout) -> None:
        self.dtype, self.shape, self.layout = dtype, shape, layout
        self.x, self.gradient = self.values(0), self.values(1)

    def values(self, seed: int) -> Array:
        """Draw values, laid out in memory as asked."""
        flat = cases.sample(self.dtype, int(np.prod(self.shape)), seed)
        if self.layout.order == "F":
            return np.asfortranarray(flat.reshape(self.shape))
        return self.layout.place(flat).reshape(self.shape)

    def mask(self, kind: str) -> fr.Mask:
        """One bit for each element."""
        bits = np.random.default_rng(2).integers(2, size=self.x.size, dtype=np.uint8)
        return fr.Mask(np.packbits(bits, bitorder="little"), self.shape, kind)

    @property
    def bias(self) -> Array:
        """One number for each place of the last axis."""
        return cases.sample(self.dtype, self.shape[-1], 4)

    @property
    def weight(self) -> Array:
        """One slope for each channel."""
        return np.linspace(-0.5, 0.5, self.shape[1]).astype(cases.slope_dtype(self.dtype))

    @property
    def pooled_gradient(self) -> Array:
        """A gradient of half as many channels."""
        return np.ascontiguousarray(self.gradient[:, ::2])

    @property
    def doubled_gradient(self) -> Array:
        """A gradient of twice as many channels."""
        return np.concatenate([self.gradient, self.x[::-1]], axis=1)

    @property
    def table(self) -> Array:
        """An entry for each byte."""
        return np.random.default_rng(3).permutation(256).astype(np.uint8)


ARGUMENTS: dict[str, Callable[[Operands], Arguments]] = {
    "relu_with_mask": lambda o: (o.x,),
    "leaky_relu_with_mask": lambda o: (o.x, _SLOPE),
    "add_relu_with_mask": lambda o: (o.x, o.bias),
    "add_leaky_relu_with_mask": lambda o: (o.x, o.gradient, -_SLOPE),
    "relu_backward_from_mask": lambda o: (o.gradient, o.mask("relu")),
    "leaky_relu_backward_from_mask": lambda o: (o.gradient, o.mask("leaky_relu"), _SLOPE),
    "leaky_relu_backward_from_output": lambda o: (o.gradient, o.x, _SLOPE),
    "relu_backward_with_bias": lambda o: (o.gradient, o.x, (0, 2)),
    "prelu": lambda o: (o.x, o.weight),
    "prelu_backward": lambda o: (o.gradient, o.x, o.weight),
    "crelu": lambda o: (o.x,),
    "crelu_backward": lambda o: (o.doubled_gradient, o.x),
    "maxout": lambda o: (o.x, 2),
    "maxout_backward": lambda o: (o.pooled_gradient, o.x, 2),
    "apply_table": lambda o: (o.x, o.table),
    "active_count": lambda o: (o.x, 0),
    "sparsity": lambda o: (o.x, (0, 2)),
    "dead_units": lambda o: (o.x, 0),
}
"""By name, in the order in which they are verified."""


class Function:
    """A function of the package and its reference."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.call, self.reference = getattr(fr, name), getattr(reference, name)
        self.computes = reference.arithmetic(name) != "selects"
        self.arguments = ARGUMENTS[name]

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Say whether it takes arrays of that dtype."""
        try:
            with np.errstate(all="ignore"):
                self.call(*self.arguments(Operands(dtype, SHAPES[1], LAYOUTS["dense"])))
        except TypeError:
            return False
        return True

    def verify(self, row: Row, dtype: np.dtype[Any], complete: bool) -> None:
        """Compare all results for one dtype."""
        for operands in _operands(dtype, complete):
            arguments = self.arguments(operands)
            with np.errstate(all="ignore"):
                expected = _arrays(self.reference(*map(bare, arguments)))
            row.run(partial(_compare, self, operands, arguments, expected))


def _operands(dtype: np.dtype[Any], complete: bool) -> Iterator[Operands]:
    for shape, name in product(SHAPES, ("dense", "offset", "stride 2", "Fortran")):
        is_large = np.prod(shape) >= FEW_ELEMENTS
        if not is_large or (name == "dense" and (complete or dtype == np.float32)):
            yield Operands(dtype, shape, LAYOUTS[name])


def _compare(
    function: Function, operands: Operands, arguments: Arguments, expected: list[Array]
) -> tuple[int, dict[str, Any]]:
    """Make one call on the active instruction set."""
    problem = _problem(function, arguments, expected)
    if problem:
        return 0, {"case": f"{operands.shape}, {operands.layout.name}", "problem": problem}
    return sum(each.size for each in expected), {}


def _problem(function: Function, arguments: Arguments, expected: list[Array]) -> str:
    """Say what is wrong with a call; nothing if it is right."""
    warnings: set[str] = set()
    try:
        with recorded(warnings):
            actual = _arrays(function.call(*arguments))
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    if warnings and not function.computes:
        return f"warned {sorted(warnings)}"
    differences = (
        _difference(number, ours, theirs, function.computes)
        for number, (ours, theirs) in enumerate(zip(actual, expected, strict=True))
    )
    return next(filter(None, differences), "")


def _difference(number: int, ours: Array, theirs: Array, computes: bool) -> str:
    """Say where one of a call's results first differs; a NaN that arithmetic made may be any."""
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return f"result {number} is {ours.dtype} of shape {ours.shape}"
    wrong = cases.bits(ours) != cases.bits(theirs)
    wrong = wrong if wrong.ndim == 1 else wrong.any(axis=1)
    if wrong.any() and computes and cases.is_float(ours.dtype):
        with np.errstate(invalid="ignore"):
            wrong &= ~np.ravel(np.isnan(ours) & np.isnan(theirs))
    if not wrong.any():
        return ""
    at = int(wrong.argmax())
    expected, actual = (cases.hexadecimal(np.ravel(each)[at]) for each in (theirs, ours))
    return f"result {number}, element {at}: expected {expected}, got {actual}"


def _arrays(results: Any) -> list[Array]:
    each_result = results if isinstance(results, tuple) else (results,)
    return [np.asarray(bare(each)) for each in each_result]


def bare(value: Any) -> Any:
    """Give the bits of a mask, which is all that the reference knows of masks."""
    return value.bits if isinstance(value, fr.Mask) else value
