"""What the tests share: the registry as parameters, and comparison by bytes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, cases, reference

ISAS = fr.available_isas()
LINE = 64
"""Bytes in a cache line, and in the widest vector."""


@cache
def takes_slope(ufunc: np.ufunc) -> bool:
    return "negative_slope" in inspect.signature(oracle(ufunc)).parameters


def multiplies(ufunc: np.ufunc) -> bool:
    """Whether its result can be a product with the slope: a derivative only selects it."""
    return takes_slope(ufunc) and not ufunc.__name__.endswith("_derivative")


def array_count(ufunc: np.ufunc) -> int:
    return ufunc.nin - takes_slope(ufunc)


def oracle(ufunc: np.ufunc) -> Callable[..., Any]:
    return getattr(reference, ufunc.__name__)


@dataclass(frozen=True)
class Loop:
    """One row of a ufunc's table of types."""

    ufunc: np.ufunc
    types: str

    def __str__(self) -> str:
        return (
            f"{self.ufunc.__name__}-{'-'.join(dict.fromkeys(d.type.__name__ for d in self.inputs))}"
        )

    @property
    def inputs(self) -> tuple[np.dtype, ...]:
        return tuple(np.dtype(char) for char in self.types.split("->")[0])

    @property
    def arrays(self) -> tuple[np.dtype, ...]:
        return self.inputs[: array_count(self.ufunc)]

    @property
    def out(self) -> np.dtype:
        return np.dtype(self.types.split("->")[1])

    def sample(self, n: int, seed: int = 0, *, slopes: bool = False) -> list[np.ndarray]:
        """`n` values for each array, and for the slope if wanted."""
        dtypes = self.inputs if slopes else self.arrays
        return [_sample(dtype.char, n, seed + k).copy() for k, dtype in enumerate(dtypes)]

    def samples(self, n: int, seed: int = 0) -> Iterator[list[np.ndarray]]:
        """Inputs with the slope left out and, where there is one, with an array of slopes."""
        yield self.sample(n, seed)
        if takes_slope(self.ufunc):
            yield self.sample(n, seed, slopes=True)

    def same_dtype(self) -> list[int]:
        """The operands that can be overwritten by the result."""
        return [k for k, dtype in enumerate(self.inputs) if dtype == self.out]


@lru_cache(64)
def _sample(char: str, n: int, seed: int) -> np.ndarray:
    return cases.sample(char, n, seed)  # by character: int64 and longlong are equal


UFUNCS = _core.ufuncs
_ALL_LOOPS = [Loop(ufunc, types) for ufunc in UFUNCS for types in ufunc.types]
LOOPS = [loop for loop in _ALL_LOOPS if loop.arrays[0] == loop.out]
"""Those that keep the dtype of their arrays; the others take integers to float64."""
DTYPES = list({dtype.char: dtype for loop in LOOPS for dtype in loop.arrays}.values())


def _each(name: str, values: Sequence[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        name, values, ids=lambda each: getattr(each, "__name__", str(each))
    )


every_ufunc = _each("ufunc", UFUNCS)
every_leaky_ufunc = _each("ufunc", [u for u in UFUNCS if takes_slope(u)])
every_loop = _each("loop", LOOPS)
every_loop_of_two_arrays = _each("loop", [each for each in LOOPS if len(each.arrays) == 2])
every_relu_loop = _each("loop", [each for each in LOOPS if not takes_slope(each.ufunc)])
every_leaky_loop = _each("loop", [each for each in LOOPS if takes_slope(each.ufunc)])
every_product_loop = _each("loop", [each for each in LOOPS if multiplies(each.ufunc)])
every_widening_loop = _each("loop", [each for each in _ALL_LOOPS if each not in LOOPS])


def differing(actual: Any, expected: Any) -> np.ndarray:
    """Where the bits differ, flat."""
    wrong = cases.bits(actual) != cases.bits(expected)
    return wrong if wrong.ndim == 1 else wrong.any(axis=1)


def wrong_values(ufunc: np.ufunc, actual: Any, expected: Any, args: Any) -> np.ndarray:
    """Where the result is not what the edge contract promises, flat.

    A NaN that leaky's product made, or a narrow float of a slope, may be any NaN; one that it kept
    may differ in the quiet bit.
    """
    wrong = differing(actual, expected)
    is_narrow = reference.product_dtype(expected.dtype) != expected.dtype
    if not (wrong.any() and takes_slope(ufunc) and (multiplies(ufunc) or is_narrow)):
        return wrong
    *arrays, slope = args if len(args) == ufunc.nin else (*args, 0.01)
    *arrays, slope, _ = np.broadcast_arrays(*arrays, slope, expected)
    kept = np.isnan(arrays[0]) & ((arrays[-1] > 0) | ~np.isnan(slope)) & multiplies(ufunc)
    allowed = ~np.ravel(kept) | cases.same_nan_bits(np.asarray(actual), np.asarray(expected))
    return wrong & ~(np.ravel(np.isnan(actual) & np.isnan(expected)) & allowed)


def assert_as_promised(ufunc: np.ufunc, actual: Any, *args: Any, expected: Any = None) -> None:
    """Hold one result against the reference: type, dtype, shape and bits."""
    if expected is None:
        expected = oracle(ufunc)(*args)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    wrong = wrong_values(ufunc, actual, expected, args)
    if wrong.any():
        at = np.unravel_index(int(wrong.argmax()), expected.shape)
        operands = np.broadcast_arrays(*args, expected)[:-1]
        given = ", ".join(cases.hexadecimal(each[at]) for each in operands)
        bits = [cases.hexadecimal(np.asarray(each)[at]) for each in (expected, actual)]
        pytest.fail(
            f"{ufunc.__name__} at {at} of {expected.shape}, {wrong.sum()} differ: "
            f"({given}) should give {bits[0]}, gave {bits[1]}"
        )


def assert_same_bytes(actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert not differing(actual, expected).any()


def reported(call: Callable[[], Any]) -> set[str]:
    """The floating-point errors that a call reports, as NumPy names them."""
    kinds: set[str] = set()
    with np.errstate(all="call", call=lambda kind, flags: kinds.add(kind)):
        call()
    return kinds


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, with these variables set."""
    env = {k: v for k, v in os.environ.items() if k != "FASTRELU_ISA"} | environment
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )


def signalling_nan(dtype: Any = np.float32) -> np.ndarray:
    return cases.from_patterns([cases.format_of(dtype).infinity + 1], dtype)


@contextmanager
def recorded_warnings(found: list[tuple[type, str]]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    found += [(each.category, str(each.message)) for each in caught]
