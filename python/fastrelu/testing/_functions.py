"""The functions beside the ufuncs, held against the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

import fastrelu as fr
from fastrelu import reference
from fastrelu.testing import _shares, cases
from fastrelu.testing._results import Call, Row
from fastrelu.testing.cases import LAYOUTS, Array, Layout

# Batch, channels and positions; the last is shared between threads.
SHAPES = ((0, 4, 3), (1, 4, 1), (3, 4, 5), (9, 4, 67), (130, 4, 33), (16, 4, 4099))
FEW_ELEMENTS = 20_000  # more of them are run dense only
_OF_SOFTMAX = (np.int8, np.float16, np.float32, np.float64)  # of which all shapes are run
_FEW_NUMBERS = 10_000  # more of them are run along the last axis only
_SLOPE = 0.3


class Operands:
    """Values of one dtype and shape, and what goes with them."""

    def __init__(
        self, dtype: np.dtype[Any], shape: tuple[int, ...], layout: Layout, axis: int = -1
    ) -> None:
        self.dtype, self.shape, self.layout, self.axis = dtype, shape, layout, axis
        self.x, self.gradient = self.values(0), self.values(1)
        self.weight = np.linspace(-0.5, 0.5, shape[1]).astype(cases.slope_dtype(dtype))

    def values(self, seed: int) -> Array:
        """Draw values, laid out in memory as asked."""
        return self._placed(cases.sample(self.dtype, prod(self.shape), seed))

    def logits(self, seed: int = 0) -> Array:
        """Draw numbers for softmax, laid out in memory as asked."""
        return self._placed(_shares.logits(self.dtype, self.shape, seed).ravel())

    def labels(self) -> Array:
        """Draw a class for each sample."""
        classes = np.random.default_rng(5).integers(self.shape[self.axis], size=self.shape)
        return np.asarray(classes.take(0, self.axis))

    def result(self, name: str) -> Array:
        """Compute the reference's result for a gradient, laid out in memory as asked."""
        y = np.asarray(getattr(reference, name)(self.logits(), self.axis))
        return self._placed(y.ravel())

    def _placed(self, flat: Array) -> Array:
        if self.layout.order == "F":
            return np.asfortranarray(flat.reshape(self.shape))
        return self.layout.place(flat).reshape(self.shape)

    def mask(self, kind: str) -> fr.Mask:
        """One bit for each element."""
        bits = np.random.default_rng(2).integers(2, size=self.x.size, dtype=np.uint8)
        return fr.Mask(np.packbits(bits, bitorder="little"), self.shape, kind)


# By name, in the order in which they are verified.
ARGUMENTS: dict[str, Callable[[Operands], tuple[Any, ...]]] = {
    "relu_with_mask": lambda o: (o.x,),
    "leaky_relu_with_mask": lambda o: (o.x, _SLOPE),
    "add_relu_with_mask": lambda o: (o.x, cases.sample(o.dtype, o.shape[-1], 4)),
    "add_leaky_relu_with_mask": lambda o: (o.x, o.gradient, -_SLOPE),
    "relu_backward_from_mask": lambda o: (o.gradient, o.mask("relu")),
    "leaky_relu_backward_from_mask": lambda o: (o.gradient, o.mask("leaky_relu"), _SLOPE),
    "leaky_relu_backward_from_output": lambda o: (o.gradient, o.x, _SLOPE),
    "relu_backward_with_bias": lambda o: (o.gradient, o.x, (0, 2)),
    "clip_grad_norm_": lambda o: ([o.logits(1), o.logits(2)[..., ::-1]], 1.5),
    "prelu": lambda o: (o.x, o.weight),
    "prelu_backward": lambda o: (o.gradient, o.x, o.weight),
    "crelu": lambda o: (o.x,),
    "crelu_backward": lambda o: (np.concatenate([o.gradient, o.x[::-1]], 1), o.x),
    "maxout": lambda o: (o.x, 2),
    "maxout_backward": lambda o: (np.ascontiguousarray(o.gradient[:, ::2]), o.x, 2),
    "softmax": lambda o: (o.logits(), o.axis),
    "log_softmax": lambda o: (o.logits(), o.axis),
    "softmax_backward": lambda o: (o.logits(1), o.result("softmax"), o.axis),
    "log_softmax_backward": lambda o: (o.logits(1), o.result("log_softmax"), o.axis),
    "cross_entropy": lambda o: (o.logits(), o.labels(), o.axis),
    "apply_table": lambda o: (o.x, np.random.default_rng(3).permutation(256).astype(np.uint8)),
    "active_count": lambda o: (o.x, 0),
    "sparsity": lambda o: (o.x, (0, 2)),
    "dead_units": lambda o: (o.x, 0),
}


class Function:
    """A function of the package and its reference."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.call, self.reference = getattr(fr, name), getattr(reference, name)
        if name.endswith("_"):
            self.call, self.reference = _on_copies(self.call), _on_copies(self.reference)
        self.computes = reference.arithmetic(name) != "selects"
        self.arguments = ARGUMENTS[name]
        self.axes = _shares.AXES if name in _shares.ARRAYS else _shares.AXES[:1]

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
        few = len(self.axes) > 1 and dtype not in _OF_SOFTMAX and not complete
        large = {"dense"} if complete or dtype == np.float32 else set()
        layouts = "dense", "offset", "stride 2", "Fortran"
        some = product(SHAPES[2:4], layouts[:1], self.axes) if few else ()
        for shape, layout, axis in some or product(SHAPES, layouts, self.axes):
            is_simple = layout == "dense" and prod(shape) < _FEW_NUMBERS
            is_left_out = axis != self.axes[0] and not is_simple and not complete
            if (prod(shape) < FEW_ELEMENTS or layout in large) and shape[axis] and not is_left_out:
                arguments = self.arguments(Operands(dtype, shape, LAYOUTS[layout], axis))
                expected = _arrays(self.reference(*map(bare, arguments)))
                size = sum(each.size for each in expected)
                make = partial(self.call, *arguments)
                problem = partial(self._problem, arguments, expected)
                along = (f"axis {axis}",) if len(self.axes) > 1 else ()
                row.run(partial(iter, [Call((shape, layout, *along), size, make, problem)]))

    @np.errstate(invalid="ignore")
    def _problem(
        self, arguments: tuple[Any, ...], expected: list[Array], result: Any, warnings: set[str]
    ) -> Any:
        """Say what is wrong; a NaN that arithmetic made may be any."""
        if warnings and not self.computes:
            return {"problem": f"warned {sorted(warnings)}"}
        for number, (ours, theirs) in enumerate(zip(_arrays(result), expected, strict=True)):
            if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
                return {"problem": f"result {number} is {ours.dtype} of shape {ours.shape}"}
            wrong = cases.differing(ours, theirs)
            if self.computes and cases.is_float(ours.dtype):
                wrong &= ~np.ravel(np.isnan(ours) & np.isnan(theirs))
            if wrong.any() and self.name in _shares.ARRAYS:
                wrong &= ~_shares.is_near(self.name, arguments, number, ours, theirs)
            if wrong.any():
                at = int(wrong.argmax())
                bits = [cases.hexadecimal(np.ravel(each)[at]) for each in (theirs, ours)]
                where = f"result {number}, element {at}"
                return {"problem": f"{where}: expected {bits[0]}, got {bits[1]}"}
        return None


def _on_copies(overwrites: Any) -> Any:
    """Let a function overwrite copies of the same layout, and return them too."""

    @wraps(overwrites)
    def call(arrays: list[Array], *rest: Any) -> tuple[Any, ...]:
        copies = [_copy_of(each) for each in arrays]
        return (overwrites(copies, *rest), *copies)

    return call


def _copy_of(array: Array) -> Array:
    """Copy an array with its strides."""
    first, last = byte_bounds(array)
    memory, offset = np.empty(last - first, np.uint8), array.ctypes.data - first
    copy = np.ndarray(array.shape, array.dtype, memory.data, offset, array.strides)
    copy[...] = array
    return copy


def _arrays(results: Any) -> list[Array]:
    return [np.asarray(bare(e)) for e in (results if isinstance(results, tuple) else (results,))]


def bare(value: Any) -> Any:
    """Give the bits of a mask, which is all that the reference knows of masks."""
    return value.bits if isinstance(value, fr.Mask) else value
