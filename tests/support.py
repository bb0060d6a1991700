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
from fastrelu import _core, reference
from fastrelu.testing import cases, may_differ
from fastrelu.testing.cases import differing

ISAS = fr.available_isas()
ENDS = tuple(dict.fromkeys((ISAS[0], ISAS[-1])))
"""The best and the plainest: enough for what is the same code on all of them."""
_OF_ANOTHER_PACKAGE = 2  # what dtype.isbuiltin says of a dtype of ml_dtypes
LINE = 64
"""Bytes in a cache line, and in the widest vector."""


def without_sanitizer(reason: str) -> pytest.MarkDecorator:
    """Mark a test that AddressSanitizer cannot run, and say why."""
    return pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason=reason)


asks_too_much = without_sanitizer("it ends a process that asks for more memory than there is")


@cache
def input_names(ufunc: np.ufunc) -> tuple[str, ...]:
    return tuple(inspect.signature(oracle(ufunc)).parameters)


@cache
def defaults(ufunc: np.ufunc) -> dict[str, Any]:
    """The inputs that may be left out, and what they are then."""
    inputs = inspect.signature(oracle(ufunc)).parameters.values()
    return {each.name: each.default for each in inputs if each.default is not each.empty}


@cache
def parameter_names(ufunc: np.ufunc) -> tuple[str, ...]:
    """The inputs that can be given by keyword: those that are not arrays of data."""
    inputs = inspect.signature(oracle(ufunc)).parameters.values()
    return tuple(each.name for each in inputs if each.kind is not each.POSITIONAL_ONLY)


def takes_slope(ufunc: np.ufunc) -> bool:
    return "negative_slope" in defaults(ufunc)


def not_negative(ufunc: np.ufunc) -> str:
    """The name of the parameter that may not be below 0; empty if there is none."""
    return next(iter(cases.not_negative(parameter_names(ufunc))), "")


def is_bounded(ufunc: np.ufunc) -> bool:
    """Whether it refuses parameters on the wrong side of 0."""
    return bool(not_negative(ufunc) or cases.positive(parameter_names(ufunc), ufunc.__name__))


def array_count(ufunc: np.ufunc) -> int:
    """The inputs that must be given: arrays of data, and parameters that have no default."""
    return ufunc.nin - len(defaults(ufunc))


def data_count(ufunc: np.ufunc) -> int:
    """The inputs that are not parameters."""
    return ufunc.nin - len(parameter_names(ufunc))


def arithmetic(ufunc: np.ufunc) -> str:
    return reference.arithmetic(ufunc.__name__)


def gives_floats(ufunc: np.ufunc) -> bool:
    """Whether integers become float64, and a parameter may be wider than narrow floats."""
    return arithmetic(ufunc) in ("multiplies", "smooth")


def computes(ufunc: np.ufunc) -> bool:
    """Whether its result can be a sum or a product: leaky_relu's derivative only selects one.

    What smooth functions may report depends on their results alone (test_smooth.py).
    """
    return reports_as_numpy(ufunc) and not ufunc.__name__.endswith("_derivative")


def reports_as_numpy(ufunc: np.ufunc) -> bool:
    """Whether NumPy's sums and products report what it reports."""
    return arithmetic(ufunc) in ("adds", "multiplies")


def legal(ufunc: np.ufunc, inputs: Sequence[Any]) -> list[Any]:
    """The inputs, changed where the function would refuse them."""
    return cases.legal(input_names(ufunc)[: len(inputs)], inputs, ufunc.__name__)


def repeated(ufunc: np.ufunc, array: Any) -> list[Any]:
    """The same array for every input that must be given, except those that the function refuses."""
    names = input_names(ufunc)[: array_count(ufunc)]
    bounds = cases.not_negative(names)
    return [_without_sign(array) if name in bounds else array for name in names]


def _without_sign(array: Any) -> Any:
    try:
        return np.abs(array)
    except TypeError:  # no numbers: these are refused, whatever they are
        return array


def beyond_doubt(ufunc: np.ufunc, name: str, values: np.ndarray) -> np.ndarray:
    """What an input of that name takes whatever the others are: each bound on its side of 0."""
    if cases.positive([name], ufunc.__name__):
        return cases.legal([name], [values], ufunc.__name__)[0]
    if name not in ("min_val", "max_val", "lambd"):
        return values
    if values.dtype.kind == "u":
        top = values.dtype.type(1 << 8 * values.itemsize - 1)
        return values & ~top if name == "min_val" else values | top
    with np.errstate(all="ignore"):
        zero = values.dtype.type(0)
        wrong = values > zero if name == "min_val" else values < zero
        return np.where(wrong, ~values if values.dtype.kind == "i" else -values, values)


def oracle(ufunc: np.ufunc) -> Callable[..., Any]:
    return getattr(reference, ufunc.__name__)


def step_of(ufunc: np.ufunc) -> Callable[..., Any]:
    """What a fold does with two operands again and again.

    A smooth function itself: in float64 it may be a few units in the last place away from the
    reference, and more with each step.
    """
    return ufunc if arithmetic(ufunc) == "smooth" else oracle(ufunc)


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
        """Of the inputs that must be given: with unsigned numbers also a bound that would be -1."""
        without_default = self.inputs[0].kind == "u" and -1 in defaults(self.ufunc).values()
        return self.inputs if without_default else self.inputs[: array_count(self.ufunc)]

    @property
    def out(self) -> np.dtype:
        return np.dtype(self.types.split("->")[1])

    def sample(self, n: int, seed: int = 0, *, whole: bool = False) -> list[np.ndarray]:
        """`n` values for each array, and for what may be left out if the `whole` is wanted."""
        dtypes = self.inputs if whole else self.arrays
        values = [sampled(dtype, n, seed + k) for k, dtype in enumerate(dtypes)]
        return legal(self.ufunc, values)

    def samples(self, n: int, seed: int = 0) -> Iterator[list[np.ndarray]]:
        """Inputs without what may be left out and, where there is such, with arrays for it."""
        yield self.sample(n, seed)
        if len(self.arrays) < len(self.inputs):
            yield self.sample(n, seed, whole=True)

    def specials(self, seed: int = 0, *, whole: bool = False) -> list[np.ndarray]:
        """Special values for each array, each in every lane of an unrolled body."""
        random = np.random.default_rng(seed)
        lanes = [cases.every_lane(dtype) for dtype in (self.inputs if whole else self.arrays)]
        return legal(self.ufunc, [*(random.permutation(each) for each in lanes[:-1]), lanes[-1]])

    def same_dtype(self) -> list[int]:
        """The operands that can be overwritten by the result."""
        return [k for k, dtype in enumerate(self.inputs) if dtype == self.out]


def sampled(dtype: np.dtype, n: int, seed: int) -> np.ndarray:
    """`cases.sample`, which is drawn once for what follows each other."""
    return _sample(dtype.char, n, seed).copy()


@lru_cache(64)
def _sample(char: str, n: int, seed: int) -> np.ndarray:
    return cases.sample(char, n, seed)  # by character: int64 and longlong are equal


UFUNCS = _core.ufuncs
INTERNAL = {"negated_relu", "crelu_gradient"}
"""What other functions are made of; the package does not export them."""
_ALL_LOOPS = [Loop(ufunc, types) for ufunc in UFUNCS for types in ufunc.types]
_KEEPING = [loop for loop in _ALL_LOOPS if loop.inputs[0] == loop.out]
DTYPES = list({loop.out.char: loop.out for loop in _KEEPING}.values())


def _first_of_each_kernel(loops: list[Loop]) -> list[Loop]:
    """C's integers can be one dtype, with one kernel: test_dtypes sees that all lead there."""
    return list({(each.ufunc, each.inputs[0].str): each for each in reversed(loops)}.values())[::-1]


LOOPS = _first_of_each_kernel(_KEEPING)
"""Those that keep the dtype of their arrays; the others take integers to float64."""


COMPUTING_LOOPS = [u for u in LOOPS if computes(u.ufunc) and u.out.kind == "f"]

_SMOOTH_KINDS = {"sigmoid", "elu", "celu_derivative", "gelu_backward", "celu_backward"}
"""One smooth function for each way through the loop that all of them share: the curve alone, with
a step behind it, with one before it and one behind it, a product with the gradient, all of that."""


def stands_for_its_kind(ufunc: np.ufunc) -> bool:
    """Whether it runs where the question is how elements are reached, not what becomes of them."""
    return arithmetic(ufunc) != "smooth" or ufunc.__name__ in _SMOOTH_KINDS


KINDS = [u for u in UFUNCS if stands_for_its_kind(u)]
KINDS_OF_LOOPS = [u for u in LOOPS if stands_for_its_kind(u.ufunc)]


def dtypes_of(ufunc: np.ufunc) -> list[np.dtype]:
    """The dtypes that its arrays can have and keep."""
    return [loop.out for loop in _KEEPING if loop.ufunc is ufunc]


def usual_dtype(ufunc: np.ufunc) -> np.dtype:
    return np.dtype(np.float32 if takes_floats(ufunc) else np.int32)


def takes_floats(ufunc: np.ufunc) -> bool:
    return any(dtype.kind == "f" for dtype in dtypes_of(ufunc))


def parametrized(name: str, values: Sequence[Any]) -> pytest.MarkDecorator:
    """Run a test on each of the values: on none for which it would have nothing to assert."""
    return pytest.mark.parametrize(
        name, values, ids=lambda each: getattr(each, "__name__", str(each))
    )


every_ufunc = parametrized("ufunc", UFUNCS)
every_public_ufunc = parametrized("ufunc", [u for u in UFUNCS if u.__name__ not in INTERNAL])
every_float_ufunc = parametrized("ufunc", [u for u in UFUNCS if takes_floats(u)])
every_leaky_ufunc = parametrized("ufunc", [u for u in UFUNCS if takes_slope(u)])
every_ufunc_with_parameters = parametrized("ufunc", [u for u in UFUNCS if parameter_names(u)])
every_loop = parametrized("loop", LOOPS)
every_kind = parametrized("ufunc", KINDS)
every_kind_of_float = parametrized("ufunc", [u for u in KINDS if takes_floats(u)])
every_kind_of_loop = parametrized("loop", KINDS_OF_LOOPS)
every_kind_of_arrays = parametrized("loop", [u for u in KINDS_OF_LOOPS if len(u.arrays) > 1])
every_kind_with_parameters = parametrized(
    "loop", [u for u in KINDS_OF_LOOPS if parameter_names(u.ufunc)]
)
every_selecting_loop = parametrized("loop", [u for u in LOOPS if arithmetic(u.ufunc) == "selects"])
every_leaky_loop = parametrized("loop", [each for each in LOOPS if takes_slope(each.ufunc)])
every_loop_with_parameters = parametrized(
    "loop", [each for each in LOOPS if parameter_names(each.ufunc)]
)
every_product_loop = parametrized(
    "loop", [u for u in LOOPS if takes_slope(u.ufunc) and computes(u.ufunc)]
)
every_computing_loop = parametrized("loop", COMPUTING_LOOPS)
every_loop_that_may_report = parametrized("loop", [u for u in LOOPS if reports_as_numpy(u.ufunc)])
every_widening_loop = parametrized(
    "loop",
    [
        each
        for each in _first_of_each_kernel([each for each in _ALL_LOOPS if each not in _KEEPING])
        if stands_for_its_kind(each.ufunc)
    ],
)


def wrong_values(ufunc: np.ufunc, actual: Any, expected: Any, args: Any) -> np.ndarray:
    """Where the result is not what the edge contract promises, flat."""
    wrong = differing(actual, expected)
    if wrong.any():
        wrong &= ~may_differ(ufunc.__name__, args, np.asarray(actual), np.asarray(expected))
    return wrong


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


def has_signalling_nan(values: Any) -> bool:
    if not isinstance(values, np.ndarray | np.generic):
        return False
    if values.dtype.kind != "f" and values.dtype.isbuiltin != _OF_ANOTHER_PACKAGE:
        return False
    native = np.ravel(values).astype(values.dtype.newbyteorder("="))
    with np.errstate(invalid="ignore"):
        nans = native[np.isnan(native)]
    quiet = cases.from_patterns([cases.format_of(nans.dtype).quiet], nans.dtype)
    is_quiet = cases.bits(nans) & cases.bits(quiet) != 0
    return bool(np.any(~(is_quiet if is_quiet.ndim == 1 else is_quiet.any(axis=1))))


@contextmanager
def recorded_warnings(found: list[tuple[type, str]]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    found += [(each.category, str(each.message)) for each in caught]
