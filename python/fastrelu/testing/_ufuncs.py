"""The ufuncs, held against the reference.

Every ufunc x dtype x instruction set x layout, through the fast path, through NumPy's generic
path (`where=True`), into `out=` and in place. Beside the bits it checks dtype, shape, memory around
the results and floating-point warnings: a sum or a product may warn where NumPy's own does, and
nothing else may.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np

from fastrelu import _core, reference
from fastrelu.testing import cases
from fastrelu.testing._results import Row, recorded
from fastrelu.testing.cases import LAYOUTS, Array, Layout

BLOCKS = range(0, 1 << 32, 1 << 16)
"""All float32 patterns, so many at once that the temporaries stay in a core's own cache."""
_DENSE = LAYOUTS["dense"]
_STEP = 3
"""One of so many lengths and alignments is run by default: odd, to meet every tail of a vector."""
_MOST_PER_SETTING = 1 << 13
"""Values that are run with each of many parameters: only dtypes of one byte have more."""
_USUAL = {"min_val": 1, "max_val": 6, "threshold": 1, "value": 2, "zero_point": 3}
"""Parameters that every dtype can hold, where there is no default or not every dtype holds it."""


@np.errstate(all="ignore")
def open_nans(function: str, inputs: Sequence[Any], actual: Array, expected: Array) -> Array:
    """Say where two results are NaNs whose bits are not promised, flat.

    Arithmetic may give a NaN any sign and payload. What it passed on without touching keeps both,
    except for the quiet bit.

    >>> x = np.array([np.nan, -np.inf])
    >>> open_nans("relu", [x], x, x), open_nans("hardswish", [x], x, x)
    (array([False, False]), array([ True, False]))
    """
    nowhere = np.zeros(expected.size, np.bool_)
    if reference.arithmetic(function) == "selects" or not cases.is_float(expected.dtype):
        return nowhere
    call = inspect.signature(getattr(reference, function)).bind(*inputs)
    call.apply_defaults()
    kept = _passed_on_nan(function, *call.arguments.values())
    if function == "leaky_relu_derivative":
        if reference.product_dtype(expected.dtype) == expected.dtype:
            return nowhere
        kept = np.False_  # a slope's payload need not fit into a narrow float
    open_: Array = np.ravel(np.isnan(actual) & np.isnan(expected))
    touched = ~np.ravel(np.broadcast_to(kept, expected.shape))
    return open_ & (touched | cases.same_nan_bits(actual, expected))


def _passed_on_nan(function: str, *inputs: Any) -> Any:
    """Say where a function that computes gives a NaN of its first input."""
    if function in ("leaky_relu", "leaky_relu_backward"):
        *arrays, slope = inputs
        # A product with a number keeps a NaN; which of two it keeps is the processor's choice.
        return np.isnan(arrays[0]) & (reference.positive(arrays[-1]) | ~np.isnan(slope))
    if function == "softshrink_backward":
        return np.isnan(inputs[0])
    return np.False_


class Function:
    """A ufunc, its reference, and its inputs: arrays of data, then parameters."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ufunc = getattr(_core, name)
        self.reference = getattr(reference, name)
        self.arithmetic = reference.arithmetic(name)
        inputs = inspect.signature(self.reference).parameters.values()
        self.inputs = tuple(each.name for each in inputs)
        self.arrays = tuple(each.name for each in inputs if each.kind is each.POSITIONAL_ONLY)
        self.parameters = self.inputs[len(self.arrays) :]
        self.required = tuple(each.name for each in inputs if each.default is each.empty)
        self.usual = {each.name: _USUAL.get(each.name, each.default) for each in inputs}

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Say whether it has a loop for arrays of that dtype."""
        try:
            self.ufunc.resolve_dtypes((dtype,) * self.ufunc.nin + (None,))
        except TypeError:
            return False
        return True

    def verify(self, row: Row, dtype: np.dtype[Any], complete: bool) -> None:
        """Compare its results for one dtype."""
        for case in _cases(self, dtype, complete):
            expectation = _Expectation(self, case.inputs(), case.parameters)
            row.run(partial(_compare, expectation, case))

    def verify_patterns(self, row: Row, start: int) -> None:
        """Compare its results for the block of float32 patterns that begins with `start`."""
        x = np.arange(start, start + BLOCKS.step, dtype=np.uint32)
        # An odd factor makes the gradients run through all patterns too, in another order.
        gradient = x * np.uint32(0x9E3779B1)
        inputs = tuple(each.view(np.float32) for each in (gradient, x)[-len(self.arrays) :])
        row.run(partial(_compare_patterns, _Expectation(self, inputs, ()), start))

    def parameter_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of an array of parameters that does not change that of the result."""
        return cases.slope_dtype(dtype) if self.arithmetic == "multiplies" else dtype


@dataclass(frozen=True)
class _Case:
    """Flat values for the arrays, the layouts to put them in, and parameters if not left out."""

    values: tuple[Array, ...]
    layouts: tuple[Layout, ...]
    parameters: tuple[Any, ...] = ()
    every_way: bool = True
    """Whether the call is also made in place, with ``out=`` and with ``where=``."""

    def inputs(self) -> tuple[Array, ...]:
        placed = zip(self.values, self.layouts, strict=True)
        return tuple(layout.place(values) for values, layout in placed)

    def empty_out(self, dtype: np.dtype[Any]) -> Array:
        return self.layouts[-1].empty(self.values[-1].size, dtype)

    def __str__(self) -> str:
        layouts = " and ".join(dict.fromkeys(each.name for each in self.layouts))
        parameters = "".join(f", parameter {_described(each)}" for each in self.parameters)
        return f"{self.values[-1].size} values, {layouts}{parameters}"


class _Expectation:
    """The reference's result for one call, and what a kernel's result may differ in."""

    def __init__(self, function: Function, inputs: tuple[Array, ...], parameters: tuple[Any, ...]):
        self.function, self.inputs, self.parameters = function, inputs, parameters
        self.result = function.reference(*inputs, *parameters)
        self.bits = cases.bits(self.result)

    @cached_property
    def warnings(self) -> set[str]:
        """The floating-point errors of the sums and products that the result is made of."""
        found: set[str] = set()
        if self.function.arithmetic != "selects":
            with recorded(found):
                inspect.unwrap(self.function.reference)(*self.inputs, *self.parameters)
        return found

    @cached_property
    def optional_warnings(self) -> set[str]:
        """What multiplying kept values by 1 and rounding the slope to a narrow dtype report."""
        found: set[str] = set()
        if self.function.arithmetic == "selects":
            return found
        with recorded(found):
            for each in self.inputs:
                reference.product(each.astype(self.result.dtype), 1)
            if self.function.name == "leaky_relu_derivative":
                slope = np.asarray(self.parameters[0] if self.parameters else 0.01)
                wide = slope.astype(reference.product_dtype(self.result.dtype))
                reference.product(wide, 1).astype(self.result.dtype)
        return found

    def difference(self, actual: Array) -> dict[str, Any] | None:
        """Find where the bits first differ beyond what is allowed, as fields of a `Failure`."""
        differs = cases.bits(actual) != self.bits
        if not differs.any():
            return None
        differs = differs if differs.ndim == 1 else differs.any(axis=1)
        inputs = (*self.inputs, *self.parameters)
        differs &= ~open_nans(self.function.name, inputs, actual, np.asarray(self.result))
        if not differs.any():
            return None
        index = np.unravel_index(int(differs.argmax()), self.result.shape)
        operands = np.broadcast_arrays(*inputs, self.result)[:-1]
        return {
            "problem": "wrong bits",
            "index": tuple(int(each) for each in index),
            "inputs": tuple(cases.hexadecimal(each[index]) for each in operands),
            "expected": cases.hexadecimal(np.asarray(self.result)[index]),
            "actual": cases.hexadecimal(np.asarray(actual)[index]),
        }


def _compare(expected: _Expectation, case: _Case) -> tuple[int, dict[str, Any]]:
    """Make one call in all ways that the case asks for."""
    compared = 0
    for way, args, keywords in _calls(expected, case):
        problem = _problem(expected, args, keywords)
        if problem:
            return compared, {"case": f"{case}, {way}", **problem}
        compared += expected.result.size
    return compared, {}


def _compare_patterns(expected: _Expectation, start: int) -> tuple[int, dict[str, Any]]:
    """Make one call; its warnings are only checked where there may be none, which is quick."""
    out = np.full(4 * expected.result.size, cases.CANARY, np.uint8).view(np.float32)
    warnings: set[str] = set()
    with recorded(warnings):
        expected.function.ufunc(*expected.inputs, out=out)
    problem = expected.difference(out) or {}
    if warnings and expected.function.arithmetic == "selects":
        problem = {"problem": f"warned {sorted(warnings)}"}
    return out.size, {"case": f"block at {start:#010x}", **problem} if problem else {}


def _calls(expected: _Expectation, case: _Case) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield ways to make one call: a description, the inputs and the keywords."""
    inputs, parameters, result = expected.inputs, case.parameters, expected.result
    yield "plain call", (*inputs, *parameters), {}
    if not case.every_way:
        return
    yield "where=True", (*inputs, *parameters), {"where": True}
    out = case.empty_out(result.dtype)
    yield "out=", (*inputs, *parameters), {"out": out}
    yield "out=, where=True", (*inputs, *parameters), {"out": out, "where": True}
    if parameters:
        by_keyword = dict(zip(expected.function.parameters, parameters, strict=True))
        yield "parameters by keyword", inputs, by_keyword
    for position, each in enumerate(inputs):
        if each.dtype == result.dtype:
            fresh = case.inputs()
            yield f"in place of input {position}", (*fresh, *parameters), {"out": fresh[position]}


def _problem(expected: _Expectation, args: Any, keywords: dict[str, Any]) -> dict[str, Any] | None:
    """Find what is wrong with one call, as fields of a `Failure`."""
    warnings: set[str] = set()
    try:
        with recorded(warnings):
            actual = expected.function.ufunc(*args, **keywords)
    except Exception as error:
        return {"problem": f"raised {type(error).__name__}: {error}"}
    out = keywords.get("out")
    kind = np.ndarray if out is not None else type(expected.result)
    if type(actual) is not kind or (out is not None and actual is not out):
        return {"problem": f"returned {type(actual).__name__}, not the {kind.__name__} expected"}
    if (actual.dtype, actual.shape) != (expected.result.dtype, expected.result.shape):
        return {"problem": f"returned {actual.dtype} of shape {actual.shape}"}
    if (
        not expected.warnings - expected.optional_warnings
        <= warnings
        <= (expected.warnings | expected.optional_warnings)
    ):
        return {"problem": f"warned {sorted(warnings)}, expected {sorted(expected.warnings)}"}
    fields = expected.difference(actual)
    if not fields and out is not None and not cases.guards_intact(out):
        return {"problem": "wrote outside of the result"}
    return fields


def _cases(function: Function, dtype: np.dtype[Any], complete: bool) -> Iterator[_Case]:
    return _all_cases(function, dtype) if complete else _few_cases(function, dtype)


def _all_cases(function: Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    yield from _special_cases(function, dtype)
    yield from _dense_cases(function, dtype, 1)
    for n in (5, 40, _several_bodies(dtype)):
        yield from _layout_cases(function, dtype, n)
    for layout in (_DENSE, LAYOUTS["offset"]):
        yield _sampled(function, dtype, cases.large_length(dtype), layout)
    yield from _parameter_cases(function, dtype)


def _few_cases(function: Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    """Yield cases for half a minute in all: each kernel and each layout, not each with each."""
    share_a_loop = dtype.itemsize == 1 and cases.is_float(dtype)
    for case in _layout_cases(function, dtype, _several_bodies(dtype)):
        is_uniform = len(set(case.layouts)) == 1
        if is_uniform or not share_a_loop:
            yield replace(case, every_way=is_uniform)
    plain = [_special_cases(function, dtype), _parameter_cases(function, dtype)]
    if not share_a_loop:
        plain.append(_dense_cases(function, dtype, _STEP))
    if dtype == np.float32:
        large = _sampled(function, dtype, cases.large_length(dtype), LAYOUTS["offset"])
        plain.append(iter([large]))
    for case in chain.from_iterable(plain):
        yield replace(case, every_way=False)


def _several_bodies(dtype: np.dtype[Any]) -> int:
    return 3 * cases.values_at_once(dtype) + 13


def _dense_cases(function: Function, dtype: np.dtype[Any], step: int) -> Iterator[_Case]:
    for n in cases.lengths(dtype)[::step]:
        yield _sampled(function, dtype, n, _DENSE)
    for offset, layout in list(enumerate(cases.alignments(dtype)))[::step]:
        yield _sampled(function, dtype, 2 * cases.values_at_once(dtype) + offset, layout)


def _special_cases(function: Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    yield _shuffled(function, cases.every_lane(dtype))
    if dtype.itemsize <= cases.FEW_PATTERNS:
        yield _shuffled(function, cases.every_pattern(dtype))
    if len(function.arrays) > 1:
        yield _case(function, dtype, _against_each_other(function, cases.special_values(dtype)))


def _against_each_other(function: Function, values: Array) -> list[Array]:
    """Pair each value with each, or as many triples."""
    pairs = [np.tile(values, values.size), np.repeat(values, values.size)]
    random = np.random.default_rng(values.size)
    return [*(random.choice(values, pairs[0].size) for _ in function.arrays[2:]), *pairs]


def _layout_cases(function: Function, dtype: np.dtype[Any], n: int) -> Iterator[_Case]:
    for layout in LAYOUTS.values():
        same_shape = LAYOUTS[{0: "dense", -1: "0-d"}.get(layout.rows, "rows")]
        yield _sampled(function, dtype, n, layout)
        if len(function.arrays) > 1 and layout != same_shape:
            yield _sampled(function, dtype, n, same_shape, layout)
            yield _sampled(function, dtype, n, layout, same_shape)


def _parameter_cases(function: Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    if not function.parameters:
        return
    case = _shuffled(function, cases.every_lane(dtype)[:_MOST_PER_SETTING])
    names, wide = function.parameters, function.parameter_dtype(dtype)
    for setting in cases.settings(names, dtype):
        yield replace(case, parameters=setting)
    yield replace(case, parameters=tuple(np.array(function.usual[each], wide) for each in names))
    random = np.random.default_rng(dtype.itemsize)
    specials = cases.special_values(wide)
    for layout in (LAYOUTS["rows"], LAYOUTS["Fortran"], LAYOUTS["sliced rows"]):
        rows, columns = layout.rows, specials.size
        case = _sampled(function, dtype, rows * columns, layout)
        for shape in ((rows, 1), (columns,), (rows, columns)):
            values = [np.resize(random.permutation(specials), shape) for _ in names]
            yield replace(case, parameters=tuple(cases.legal(names, values)))


def _sampled(function: Function, dtype: np.dtype[Any], n: int, *layouts: Layout) -> _Case:
    """Draw `n` values per array; the last layout serves `x`, the first all others."""
    values = [cases.sample(dtype, n, seed=n + each) for each in range(len(function.arrays))]
    others = (layouts[0],) * (len(values) - 1)
    return replace(_case(function, dtype, values), layouts=(*others, layouts[-1]))


def _shuffled(function: Function, values: Array) -> _Case:
    """Take the values as the last array, and in another order as every array before it."""
    random = np.random.default_rng(values.size)
    others = [random.permutation(values) for _ in function.arrays[1:]]
    return _case(function, values.dtype, [*others, values])


def _case(function: Function, dtype: np.dtype[Any], values: Sequence[Array]) -> _Case:
    """Make a case of dense arrays, and of parameters only where they cannot be left out."""
    needed = set(function.parameters) & set(function.required)
    if dtype.kind == "u" and "min_val" in function.parameters:
        needed = set(function.parameters)  # there is no -1
    parameters = tuple(function.usual[each] for each in function.parameters if each in needed)
    return _Case(tuple(values), (_DENSE,) * len(values), parameters)


def _described(slope: Any) -> str:
    return f"array of {slope.dtype} {slope.shape}" if isinstance(slope, np.ndarray) else repr(slope)
