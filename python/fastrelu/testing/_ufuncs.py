"""The ufuncs, held against the reference.

Each call is made plainly, on NumPy's generic path (`where=True`), into `out=` and in place. Checked
are bits, dtype, shape, memory around the results and floating-point warnings: a sum or a product
may warn where NumPy's own does, a smooth function of results that are too small or too large, and
nothing else may.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.resources import files
from itertools import chain
from typing import Any

import numpy as np

from fastrelu import _core, reference
from fastrelu.testing import cases
from fastrelu.testing._results import Call, Row, recorded
from fastrelu.testing.cases import LAYOUTS, Array, Layout

BLOCKS = range(0, 1 << 32, 1 << 16)
"""All float32 patterns, so many at once that the temporaries stay in a core's own cache."""
_DENSE = LAYOUTS["dense"]
_STEP = 3  # one of so many lengths is run by default: odd, to meet every tail of a vector
_MOST_PER_SETTING = 1 << 13  # values that meet many parameters: dtypes of one byte have more
_USUAL = {"min_val": 1, "max_val": 6, "threshold": 1, "value": 2, "zero_point": 3}
"""Parameters that every dtype can hold, where there is no default or not every dtype holds it."""


_LONG_ULPS = 1 << 14
"""How far a longdouble may be off: errors of the C library grow with the exponent of e^x."""
_WITHIN_1_3 = ("sigmoid", "tanh", "silu", "selu", "soft", "log_sigmoid", "elu", "celu")
_WITHIN_2 = ("silu_", "selu_", "softsign_")  # their derivatives
_PRODUCTS = {"elu": 1, "elu_derivative": 1, "elu_backward": 2, "celu": 1}
SMOOTH_KINDS = ("sigmoid", "celu_backward")
"""Smooth functions that have all steps: others differ from them in the curve alone."""
_FEW = 40
_SMOOTH_FLOATS = (np.float16, np.float32, np.float64)
"""Dtypes with a formula of their own, or a table. longdouble is the C library's."""
_WIDE = (np.dtype(np.float64), np.dtype(np.longdouble))
_STEPS = ("sigmoid_backward_from_output", "tanh_backward_from_output")
"""Smooth functions that are so by name alone: their steps are exact in every dtype."""


def may_differ(function: str, inputs: Sequence[Any], actual: Array, expected: Array) -> Array:
    """Say where two results keep the promise although their bits differ, flat.

    These are NaNs (`open_nans`), and smooth functions in float64 and longdouble, which may be a few
    units in the last place away.

    >>> y = np.array([1.0, 1.0])
    >>> may_differ("tanh", [y], y + [2**-52, 2**-50], y)
    array([ True, False])
    """
    return open_nans(function, inputs, actual, expected) | _is_close(function, actual, expected)


@np.errstate(all="ignore")
def _is_close(function: str, actual: Array, expected: Array) -> Array:
    dtype = expected.dtype
    if reference.arithmetic(function) != "smooth" or function in _STEPS or dtype not in _WIDE:
        return np.zeros(expected.size, np.bool_)
    ulps = _LONG_ULPS if dtype == np.longdouble else _ulps(function)
    is_near = np.abs(actual - expected) <= ulps * np.spacing(np.abs(expected))
    return np.ravel(is_near & (np.signbit(actual) == np.signbit(expected)))


def _ulps(function: str) -> int:
    """Return how many units in the last place of the reference's result a float64 may be away.

    The reference has half a unit of the 1.3 or 2 that are promised. A product at most doubles it,
    as the exponent may become smaller, and is rounded.
    """
    ulps = 1 if function.startswith(_WITHIN_1_3) and not function.startswith(_WITHIN_2) else 2
    for _ in range(_PRODUCTS.get(function, function.endswith("_backward"))):
        ulps = 2 * ulps + 1
    return ulps


@np.errstate(all="ignore")
def open_nans(function: str, inputs: Sequence[Any], actual: Array, expected: Array) -> Array:
    """Say where two results are NaNs whose bits are not promised, flat.

    Arithmetic may give a NaN any sign and payload. What it passed on without touching keeps both,
    except for the quiet bit.

    >>> x = np.array([np.nan, -np.inf])
    >>> open_nans("relu", [x], x, x), open_nans("hardswish", [x], x, x)
    (array([False, False]), array([ True, False]))
    """
    wide = reference.product_dtype(expected.dtype)
    is_chosen = function == "leaky_relu_derivative" and wide == expected.dtype
    selects = reference.arithmetic(function) == "selects" or is_chosen
    if selects or not cases.is_float(expected.dtype):
        return np.zeros(expected.size, np.bool_)
    call = inspect.signature(getattr(reference, function)).bind(*inputs)
    call.apply_defaults()
    passes_on: Any = function == "softshrink_backward"
    if reference.arithmetic(function) == "smooth" and "grad_output" not in call.arguments:
        passes_on = ~np.isnan(call.arguments.get("alpha", 1))
    if function in ("leaky_relu", "leaky_relu_backward"):
        *_, x, slope = call.args
        # A product with a number keeps a NaN; which of two it keeps is the processor's choice.
        passes_on = reference.positive(x) | ~np.isnan(slope)
    kept = np.ravel(np.broadcast_to(np.isnan(call.args[0]) & passes_on, expected.shape))
    nans: Array = np.ravel(np.isnan(actual) & np.isnan(expected))
    return nans & (~kept | cases.same_nan_bits(actual, expected))


class Function:
    """A ufunc, its reference, and its inputs: arrays of data, then parameters."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ufunc, self.reference = getattr(_core, name), getattr(reference, name)
        self.arithmetic = reference.arithmetic(name)
        inputs = inspect.signature(self.reference).parameters.values()
        self.arrays = tuple(each.name for each in inputs if each.kind is each.POSITIONAL_ONLY)
        self.defaults = {each.name: each.default for each in inputs if each.name not in self.arrays}
        self.parameters = tuple(self.defaults)

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
            row.run(case.calls)

    def verify_patterns(self, row: Row, start: int) -> None:
        """Compare its results for the block of float32 patterns that begins with `start`."""
        x = np.arange(start, start + BLOCKS.step, dtype=np.uint32)
        # An odd factor makes the gradients run through all patterns too, in another order.
        values = [x * np.uint32(0x9E3779B1), x][-len(self.arrays) :]
        case = _case(self, [each.view(np.float32) for each in values])
        row.run(partial(case.one_call, f"block at {start:#010x}"))

    def hash_patterns(self, row: Row, start: int, add: Callable[[Array], None]) -> None:
        """Give a hash its results for the block of float32 patterns that begins with `start`.

        Those of the first instruction set are added. All others must be the same.
        """
        x = np.arange(start, start + BLOCKS.step, dtype=np.uint32).view(np.float32)
        first: list[Array] = []

        def problem(actual: Array, warnings: set[str]) -> dict[str, Any] | None:
            if warnings - {"underflow", "overflow"}:
                return {"problem": f"warned {sorted(warnings)}"}
            if first and not np.array_equal(actual.view(np.uint32), first[0].view(np.uint32)):
                return {"problem": "the results are not those of the first instruction set"}
            if not first:
                add(actual.astype("<f4", copy=False))
                first.append(actual)
            return None

        call = Call((f"block at {start:#010x}",), x.size, partial(self.ufunc, x), problem)
        row.run(partial(iter, [call]))

    def verify_digest(self, row: Row, digest: str) -> None:
        """Compare the SHA-256 of its results for all float32 patterns."""
        is_right = row.digest == digest
        fields = None if is_right else {"problem": f"the results have SHA-256 {row.digest}"}
        call = Call((f"SHA-256 {digest}",), 0, str, lambda result, warnings: fields)
        row.run(partial(iter, [call]))


def digests() -> dict[str, str]:
    """Return, by function, the SHA-256 of all results in float32 (testing/digests.txt)."""
    rows = (files("fastrelu.testing") / "digests.txt").read_text().splitlines()
    return {row.split()[1]: row.split()[0] for row in rows if not row.startswith("#")}


@dataclass(frozen=True)
class _Case:
    """Flat values for the arrays, the layouts to put them in, and parameters if not left out."""

    function: Function
    values: tuple[Array, ...]
    layouts: tuple[Layout, ...]
    parameters: tuple[Any, ...] = ()
    every_way: bool = True
    """Whether the call is also made in place, with ``out=`` and with ``where=``."""

    def __str__(self) -> str:
        layouts = " and ".join(dict.fromkeys(each.name for each in self.layouts))
        text = f"{self.values[-1].size} values, {layouts}"
        for each in self.parameters:
            kind = getattr(each, "shape", ()) and f"array of {each.dtype} {each.shape}"
            text += f", parameter {kind or repr(each)}"
        return text

    def place(self) -> tuple[Array, ...]:
        return tuple(map(Layout.place, self.layouts, self.values))

    @cached_property
    def arrays(self) -> tuple[Array, ...]:
        return self.place()

    @cached_property
    def inputs(self) -> tuple[Any, ...]:
        return (*self.arrays, *self.parameters)

    @cached_property
    def result(self) -> Any:
        """The reference's."""
        return self.function.reference(*self.inputs)

    @cached_property
    def warnings(self) -> tuple[set[str], set[str]]:
        """The floating-point errors that must be reported, and those that may be.

        Kept values may be multiplied by 1, and a slope may be rounded to a narrow dtype.
        """
        made: set[str] = set()
        optional: set[str] = set()
        if self.function.arithmetic == "smooth":
            optional |= self._warnings_of_results()
        elif self.function.arithmetic != "selects":
            with recorded(made):
                inspect.unwrap(self.function.reference)(*self.inputs)
        if self.function.arithmetic != "selects":
            with recorded(optional):
                for each in self.arrays:
                    reference.product(each.astype(self.result.dtype), 1)
                if self.function.name == "leaky_relu_derivative":
                    slope = np.asarray(self.parameters[0] if self.parameters else 0.01)
                    wide = slope.astype(reference.product_dtype(self.result.dtype))
                    reference.product(wide, 1).astype(self.result.dtype)
        return made - optional, made | optional

    @np.errstate(all="ignore")
    def _warnings_of_results(self) -> set[str]:
        """Say what a smooth function may report, which depends on its results.

        Products with infinities and NaNs are invalid also where the dtype of the result has none.
        For longdouble it is what the C library reports of its own steps.
        """
        result = np.asarray(self.result)
        smallest_normal = cases.format_of(result.dtype).smallest_normal
        smallest = cases.from_patterns([smallest_normal], result.dtype).astype(np.longdouble)
        values = np.abs(result.astype(np.longdouble))
        operands = [np.asarray(each).astype(np.longdouble) for each in self.inputs]
        has_product = len(operands) > 1
        is_free = result.dtype == np.longdouble
        is_narrow = has_product and result.dtype.itemsize == 1  # multiplied in float32
        may = {
            "underflow": is_free | is_narrow | (values < smallest),
            "overflow": is_free | is_narrow | np.isinf(values),
            "invalid value": has_product & ~np.isfinite(np.concatenate([*map(np.ravel, operands)])),
        }
        return {kind for kind, is_there in may.items() if np.any(is_there)}

    def calls(self) -> Iterator[Call]:
        """Yield one call in all ways that the case asks for."""
        yield self._call("plain call", self.inputs)
        if not self.every_way:
            return
        yield self._call("where=True", self.inputs, where=True)
        out = self.layouts[-1].empty(self.values[-1].size, self.result.dtype)
        yield self._call("out=", self.inputs, out)
        yield self._call("out=, where=True", self.inputs, out, where=True)
        if self.parameters:
            named = dict(zip(self.function.parameters, self.parameters, strict=True))
            yield self._call("parameters by keyword", self.arrays, **named)
        for position, each in enumerate(self.arrays):
            if each.dtype == self.result.dtype:
                fresh = (*self.place(), *self.parameters)
                yield self._call(f"in place of input {position}", fresh, fresh[position])

    def _call(
        self, way: str, inputs: tuple[Any, ...], out: Array | None = None, **keywords: Any
    ) -> Call:
        given = {} if out is None else {"out": out}
        make = partial(self.function.ufunc, *inputs, **given, **keywords)
        return Call((self, way), self.result.size, make, partial(self._problem, out))

    def one_call(self, name: str) -> Iterator[Call]:
        """Yield one call; warnings are only checked where there may be none, which is quick."""
        out = np.full(self.result.nbytes, cases.CANARY, np.uint8).view(self.result.dtype)
        make = partial(self.function.ufunc, *self.inputs, out=out)
        yield Call((name,), out.size, make, self._quick_problem)

    def _quick_problem(self, actual: Array, warnings: set[str]) -> dict[str, Any] | None:
        if warnings and self.function.arithmetic == "selects":
            return {"problem": f"warned {sorted(warnings)}"}
        return self._difference(actual)

    def _problem(self, out: Array | None, actual: Any, warnings: set[str]) -> dict[str, Any] | None:
        """Find what is wrong with one result, as fields of a `Failure`."""
        kind = type(self.result) if out is None else np.ndarray
        if type(actual) is not kind or (out is not None and actual is not out):
            return {"problem": f"returned {type(actual).__name__}, expected {kind.__name__}"}
        if (actual.dtype, actual.shape) != (self.result.dtype, self.result.shape):
            return {"problem": f"returned {actual.dtype} of shape {actual.shape}"}
        required, allowed = self.warnings
        if not required <= warnings <= allowed:
            return {"problem": f"warned {sorted(warnings)}, expected {sorted(allowed)}"}
        fields = self._difference(actual)
        if not fields and out is not None and not cases.guards_intact(out):
            return {"problem": "wrote outside of the result"}
        return fields

    def _difference(self, actual: Array) -> dict[str, Any] | None:
        """Find where the bits first differ beyond what is allowed, as fields of a `Failure`."""
        wrong = cases.differing(actual, self.result)
        if wrong.any():
            expected = np.asarray(self.result)
            wrong &= ~may_differ(self.function.name, self.inputs, actual, expected)
        if not wrong.any():
            return None
        index = np.unravel_index(int(wrong.argmax()), self.result.shape)
        operands = np.broadcast_arrays(*self.inputs, self.result, actual)
        *inputs, theirs, ours = (cases.hexadecimal(each[index]) for each in operands)
        fields = {"problem": "wrong bits", "expected": theirs, "actual": ours}
        return {**fields, "index": tuple(map(int, index)), "inputs": tuple(inputs)}


def _cases(function: Function, dtype: np.dtype[Any], complete: bool) -> Iterator[_Case]:
    """Yield all cases, or half a minute's: each kernel and each layout, not each with each."""
    has_all = function.name in SMOOTH_KINDS and dtype in (np.int8, np.float32, np.longdouble)
    if function.arithmetic == "smooth" and not has_all and not complete:
        has_own_values = dtype in _SMOOTH_FLOATS
        some = _sampled(function, dtype, _FEW, _DENSE)
        case = _shuffled(function, cases.every_lane(dtype)) if has_own_values else some
        yield replace(case, every_way=False)
        return
    share_a_loop = not complete and dtype.itemsize == 1 and cases.is_float(dtype)
    several_bodies = 3 * cases.values_at_once(dtype) + 13
    for n in (5, 40, several_bodies) if complete else (several_bodies,):
        for case in _layout_cases(function, dtype, n):
            is_uniform = len(set(case.layouts)) == 1
            if is_uniform or not share_a_loop:
                yield replace(case, every_way=complete or is_uniform)
    others = [_special_cases(function, dtype), _parameter_cases(function, dtype)]
    if not share_a_loop:
        others.append(_dense_cases(function, dtype, 1 if complete else _STEP))
    large = ("dense", "offset") if complete else ("offset",) * (dtype == np.float32)
    n = cases.large_length(dtype)
    others.append(_sampled(function, dtype, n, LAYOUTS[name]) for name in large)
    for case in chain.from_iterable(others):
        yield replace(case, every_way=complete)


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
        values = cases.special_values(dtype)
        pairs = [np.tile(values, values.size), np.repeat(values, values.size)]  # or as many triples
        random = np.random.default_rng(values.size)
        others = [random.choice(values, pairs[0].size) for _ in function.arrays[2:]]
        yield _case(function, [*others, *pairs])


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
    names = function.parameters
    wide = cases.slope_dtype(dtype) if function.arithmetic in ("multiplies", "smooth") else dtype
    usual = tuple(np.array(_USUAL.get(name, function.defaults[name]), wide) for name in names)
    for setting in (*cases.settings(names, dtype, function.name), usual):
        yield replace(case, parameters=setting)
    random = np.random.default_rng(dtype.itemsize)
    specials = cases.special_values(wide)
    for layout in (LAYOUTS["rows"], LAYOUTS["Fortran"], LAYOUTS["sliced rows"]):
        rows, columns = layout.rows, specials.size
        case = _sampled(function, dtype, rows * columns, layout)
        for shape in ((rows, 1), (columns,), (rows, columns)):
            values = [np.resize(random.permutation(specials), shape) for _ in names]
            legal = cases.legal(names, values, function.name)
            yield replace(case, parameters=tuple(legal))


def _sampled(function: Function, dtype: np.dtype[Any], n: int, *layouts: Layout) -> _Case:
    """Draw `n` values per array; the last layout serves `x`, the first all others."""
    values = [cases.sample(dtype, n, seed=n + each) for each in range(len(function.arrays))]
    others = (layouts[0],) * (len(values) - 1)
    return replace(_case(function, values), layouts=(*others, layouts[-1]))


def _shuffled(function: Function, values: Array) -> _Case:
    """Take the values as the last array, and in another order as every array before it."""
    random = np.random.default_rng(values.size)
    return _case(function, [*(random.permutation(values) for _ in function.arrays[1:]), values])


def _case(function: Function, values: Sequence[Array]) -> _Case:
    """Make a case of dense arrays, and of parameters only where they cannot be left out."""
    is_needed = values[0].dtype.kind == "u" and "min_val" in function.parameters  # there is no -1
    parameters = tuple(
        _USUAL.get(name, default)
        for name, default in function.defaults.items()
        if is_needed or default is inspect.Parameter.empty
    )
    return _Case(function, tuple(values), (_DENSE,) * len(values), parameters)
