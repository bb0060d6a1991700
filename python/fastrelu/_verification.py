"""Hold every kernel against the NumPy reference, bit for bit.

Every function x dtype x instruction set x layout, through the fast path, through NumPy's generic
path (`where=True`), into `out=` and in place. Beside the bits it checks dtype, shape, memory around
the results and floating-point warnings: a product may warn where NumPy's own product warns, and
nothing else may.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrelu import _core, _terminal, cases, reference
from fastrelu.cases import LAYOUTS, Array, Layout

EXHAUSTIVE_FUNCTIONS = ("relu", "relu_backward", "leaky_relu")
EXHAUSTIVE_BLOCK = 1 << 16
"""Patterns at once: about 2 MiB of temporaries, which stay in a core's own cache."""
_PATTERNS = 1 << 32
_DENSE = LAYOUTS["dense"]


@dataclass(frozen=True)
class Failure:
    """The first thing that was wrong with a function for one dtype on one instruction set."""

    function: str
    dtype: str
    isa: str
    case: str
    problem: str
    index: tuple[int, ...] = ()
    inputs: tuple[str, ...] = ()
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        """Say it in one line."""
        what = f"{self.function} {self.dtype} on {self.isa}, {self.case}: {self.problem}"
        if not self.inputs:
            return what
        bits = f"({', '.join(self.inputs)}): expected {self.expected}, got {self.actual}"
        return f"{what} at {self.index} for {bits}"


@dataclass
class Row:
    """What was found for one function and dtype, per instruction set."""

    function: str
    dtype: str
    compared: dict[str, int]
    failures: dict[str, Failure] = field(default_factory=dict)

    def cell(self, isa: str) -> str:
        """Say in one word what was found on one instruction set."""
        return "DIFFERS" if isa in self.failures else f"{self.compared[isa]:,}"


@dataclass(frozen=True, repr=False)
class Verification:
    """The result of `verify`: true if nothing differed."""

    isas: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The first failure of each function, dtype and instruction set that has one."""
        return tuple(failure for row in self.rows for failure in row.failures.values())

    @property
    def ok(self) -> bool:
        """Whether nothing differed."""
        return not self.failures

    @property
    def compared(self) -> int:
        """How many results were compared."""
        return sum(sum(row.compared.values()) for row in self.rows)

    def __bool__(self) -> bool:
        """Whether nothing differed."""
        return self.ok

    def __repr__(self) -> str:
        """Sum it up in one line."""
        verdict = "ok" if self.ok else f"{len(self.failures)} DIFFER, the first: {self.failures[0]}"
        done = f"{self.compared:,} results on {', '.join(self.isas)} in {self.seconds:.1f} s"
        return f"<Verification of {done}: {verdict}>"

    def print_table(self) -> None:
        """Print one row per function and dtype, with the results compared on each ISA."""
        columns = ("function", "dtype", *self.isas)
        rows = [(row.function, row.dtype, *map(row.cell, self.isas)) for row in self.rows]
        _terminal.table("Results compared bit for bit with the reference", columns, rows)


@contextmanager
def forced_isa(name: str) -> Iterator[None]:
    """Run every function on the instruction set `name` inside a ``with`` block.

    The whole process switches, so this is for tests and measurements in one thread.

    Raises
    ------
    ValueError
        If this processor cannot run `name`, or it is no instruction set.

    Examples
    --------
    >>> import fastrelu as fr
    >>> from fastrelu._verification import forced_isa
    >>> with forced_isa("scalar"):
    ...     fr.isa()
    'scalar'
    """
    previous = _core.use_isa(name)
    try:
        yield
    finally:
        _core.use_isa(previous)


def run(
    functions: Iterable[str] | None,
    dtypes: Iterable[DTypeLike] | None,
    isas: Iterable[str] | None,
    exhaustive: bool,
    progress: bool,
) -> Verification:
    """Do what `fastrelu.verify` says."""
    start = perf_counter()
    isas = _known("instruction set", isas, _core.available_isas())
    chosen = [_Function(name) for name in _known("function", functions, _registry())]
    pairs = [(each, dtype) for each in chosen for dtype in _dtypes(dtypes)]
    with _progress(progress, "verify", len(pairs)) as advance:
        rows = [_verify_pair(function, dtype, isas, advance) for function, dtype in pairs]
    if exhaustive:
        rows += _verify_exhaustively(chosen, isas, progress)
    return Verification(isas, tuple(rows), perf_counter() - start)


def supported_dtypes() -> tuple[np.dtype[Any], ...]:
    """Every dtype that some function has a loop for: what one takes, all take."""
    characters = (loop[0] for ufunc in _core.ufuncs for loop in ufunc.types)
    return (*(np.dtype(each) for each in dict.fromkeys(characters)), *_dtypes_of_ml_dtypes())


def _dtypes_of_ml_dtypes() -> Iterator[np.dtype[Any]]:
    """Yield those that relu takes; none if the package is not installed."""
    if find_spec("ml_dtypes") is None:
        return
    for scalar_type in vars(import_module("ml_dtypes")).values():
        if isinstance(scalar_type, type) and issubclass(scalar_type, np.generic):
            with suppress(TypeError):
                yield _core.relu(np.empty(0, scalar_type)).dtype


class _Function:
    """A ufunc, its reference and what tells the two families apart."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ufunc = _registry()[name]
        self.reference = getattr(reference, name)
        self.takes_slope = "negative_slope" in inspect.signature(self.reference).parameters
        self.multiplies = self.takes_slope and not name.endswith("_derivative")
        self.data_inputs = self.ufunc.nin - self.takes_slope


@dataclass(frozen=True)
class _Case:
    """Flat values for the data inputs, the layouts to put them in, and a slope if not left out."""

    values: tuple[Array, ...]
    layouts: tuple[Layout, ...]
    slope: tuple[Any, ...] = ()

    def inputs(self) -> tuple[Array, ...]:
        placed = zip(self.values, self.layouts, strict=True)
        return tuple(layout.place(values) for values, layout in placed)

    def empty_out(self, dtype: np.dtype[Any]) -> Array:
        return self.layouts[-1].empty(self.values[-1].size, dtype)

    def __str__(self) -> str:
        layouts = " and ".join(dict.fromkeys(each.name for each in self.layouts))
        slope = "".join(f", slope {_described(each)}" for each in self.slope)
        return f"{self.values[-1].size} values, {layouts}{slope}"


class _Expectation:
    """The reference's result for one call, and what a kernel's result may differ in."""

    def __init__(self, function: _Function, inputs: tuple[Array, ...], slope: tuple[Any, ...]):
        self.function, self.inputs, self.slope = function, inputs, slope
        self.result = function.reference(*inputs, *slope)
        self.bits = cases.bits(self.result)

    @cached_property
    def warnings(self) -> set[str]:
        """The floating-point errors of the casts and products that the result is made of."""
        dtype = self.result.dtype
        with np.errstate(all="ignore"):
            slope = np.asarray(self._slope).astype(reference.product_dtype(dtype))
            x, slopes = np.broadcast_arrays(self.inputs[-1], slope)
            uses_slope = ~reference.positive(x)
        found: set[str] = set()
        with _recorded(found):
            cast = [each.astype(dtype, copy=False) for each in self.inputs]
            if self.function.multiplies:
                reference.product(cast[0][uses_slope], slopes[uses_slope])
        return found

    @cached_property
    def tolerated_warnings(self) -> set[str]:
        """What multiplying kept values by 1 and rounding the slope to a narrow dtype report."""
        found: set[str] = set()
        with _recorded(found):
            if self.function.multiplies:
                reference.product(self.inputs[0].astype(self.result.dtype), 1)
            elif self.function.takes_slope:
                slope = np.asarray(self._slope).astype(reference.product_dtype(self.result.dtype))
                reference.product(slope, 1).astype(self.result.dtype)
        return found

    def difference(self, actual: Array) -> dict[str, Any] | None:
        """Find where the bits first differ beyond what is allowed, as fields of a `Failure`."""
        differs = cases.bits(actual) != self.bits
        if not differs.any():
            return None
        differs = differs if differs.ndim == 1 else differs.any(axis=1)
        if self.function.takes_slope:
            differs &= ~self._is_allowed_nan(actual)
        if not differs.any():
            return None
        index = np.unravel_index(int(differs.argmax()), self.result.shape)
        operands = np.broadcast_arrays(*self.inputs, *self.slope, self.result)[:-1]
        return {
            "problem": "wrong bits",
            "index": tuple(int(each) for each in index),
            "inputs": tuple(cases.hexadecimal(each[index]) for each in operands),
            "expected": cases.hexadecimal(np.asarray(self.result)[index]),
            "actual": cases.hexadecimal(np.asarray(actual)[index]),
        }

    @np.errstate(invalid="ignore")
    def _is_allowed_nan(self, actual: Array) -> Array:
        both: Array = np.ravel(np.isnan(actual) & np.isnan(self.result))
        allowed = cases.same_nan_bits(actual, self.result)
        is_narrow = reference.product_dtype(self.result.dtype) != self.result.dtype
        if self.function.multiplies or is_narrow:  # a slope's payload need not fit into it
            made = ~np.isnan(self.inputs[0]) | np.isnan(self._slope)
            allowed = allowed | np.ravel(np.broadcast_to(made, self.result.shape))
        return both & allowed

    @property
    def _slope(self) -> Any:
        return self.slope[0] if self.slope else 0.01


def _verify_pair(
    function: _Function,
    dtype: np.dtype[Any],
    isas: tuple[str, ...],
    advance: Callable[[int], None],
) -> Row:
    row = Row(function.name, dtype.type.__name__, dict.fromkeys(isas, 0))
    for case in _cases(function, dtype):
        expectation = _Expectation(function, case.inputs(), case.slope)
        for isa in isas:
            if isa not in row.failures:
                with forced_isa(isa):
                    _verify_case(row, isa, case, expectation)
    advance(1)
    return row


def _verify_case(row: Row, isa: str, case: _Case, expectation: _Expectation) -> None:
    for path, args, keywords in _calls(expectation, case):
        fields = _problem(expectation, args, keywords)
        if fields:
            label = f"{case}, {path}"
            row.failures[isa] = Failure(row.function, row.dtype, isa, label, **fields)
            return
        row.compared[isa] += expectation.result.size


def _calls(expected: _Expectation, case: _Case) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Make one call in every way: a description, the inputs and the keywords."""
    inputs, slope, result = expected.inputs, case.slope, expected.result
    yield "plain call", (*inputs, *slope), {}
    yield "where=True", (*inputs, *slope), {"where": True}
    out = case.empty_out(result.dtype)
    yield "out=", (*inputs, *slope), {"out": out}
    yield "out=, where=True", (*inputs, *slope), {"out": out, "where": True}
    if slope:
        yield "slope by keyword", inputs, {"negative_slope": slope[0]}
    for position, each in enumerate(inputs):
        if each.dtype == result.dtype:
            fresh = case.inputs()
            yield f"in place of input {position}", (*fresh, *slope), {"out": fresh[position]}


def _problem(expected: _Expectation, args: Any, keywords: dict[str, Any]) -> dict[str, Any] | None:
    """Find what is wrong with one call, as fields of a `Failure`."""
    warnings: set[str] = set()
    try:
        with _recorded(warnings):
            actual = expected.function.ufunc(*args, **keywords)
    except Exception as error:
        return {"problem": f"raised {type(error).__name__}: {error}"}
    out = keywords.get("out")
    kind = np.ndarray if out is not None else type(expected.result)
    if type(actual) is not kind or (out is not None and actual is not out):
        return {"problem": f"returned {type(actual).__name__}, not the {kind.__name__} expected"}
    if (actual.dtype, actual.shape) != (expected.result.dtype, expected.result.shape):
        return {"problem": f"returned {actual.dtype} of shape {actual.shape}"}
    if not expected.warnings <= warnings <= expected.warnings | expected.tolerated_warnings:
        return {"problem": f"warned {sorted(warnings)}, expected {sorted(expected.warnings)}"}
    fields = expected.difference(actual)
    if not fields and out is not None and not cases.guards_intact(out):
        return {"problem": "wrote outside of the result"}
    return fields


def _cases(function: _Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    yield from _special_cases(function, dtype)
    for n in cases.lengths(dtype):
        yield _sampled(function, dtype, n, _DENSE)
    for offset, layout in enumerate(cases.alignments(dtype)):
        yield _sampled(function, dtype, 2 * cases.values_at_once(dtype) + offset, layout)
    for layout in LAYOUTS.values():
        yield from _layout_cases(function, dtype, layout)
    for layout in (_DENSE, LAYOUTS["offset"]):
        yield _sampled(function, dtype, cases.large_length(dtype), layout)
    if function.takes_slope:
        yield from _slope_cases(function, dtype)


def _special_cases(function: _Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    yield _shuffled(function, cases.every_lane(dtype))
    if dtype.itemsize <= cases.FEW_PATTERNS:
        yield _shuffled(function, cases.every_pattern(dtype))
    if function.data_inputs > 1:
        specials = cases.special_values(dtype)
        pairs = np.tile(specials, specials.size), np.repeat(specials, specials.size)
        yield _Case(pairs, (_DENSE, _DENSE))


def _layout_cases(function: _Function, dtype: np.dtype[Any], layout: Layout) -> Iterator[_Case]:
    same_shape = LAYOUTS[{0: "dense", -1: "0-d"}.get(layout.rows, "rows")]
    for n in (5, 40, 3 * cases.values_at_once(dtype) + 13):
        yield _sampled(function, dtype, n, layout)
        if function.data_inputs > 1 and layout != same_shape:
            yield _sampled(function, dtype, n, same_shape, layout)
            yield _sampled(function, dtype, n, layout, same_shape)


def _slope_cases(function: _Function, dtype: np.dtype[Any]) -> Iterator[_Case]:
    case = _shuffled(function, cases.every_lane(dtype))
    for slope in (*cases.slopes(dtype), np.array(0.3, cases.slope_dtype(dtype))):
        yield replace(case, slope=(slope,))
    specials = cases.special_values(cases.slope_dtype(dtype))
    for layout in (LAYOUTS["rows"], LAYOUTS["Fortran"], LAYOUTS["sliced rows"]):
        rows, columns = layout.rows, specials.size
        case = _sampled(function, dtype, rows * columns, layout)
        for shape in ((rows, 1), (columns,), (rows, columns)):
            yield replace(case, slope=(np.resize(specials, shape),))


def _sampled(function: _Function, dtype: np.dtype[Any], n: int, *layouts: Layout) -> _Case:
    """Draw `n` values per input; one layout serves all inputs."""
    inputs = range(function.data_inputs)
    values = tuple(cases.sample(dtype, n, seed=n + each) for each in inputs)
    return _Case(values, layouts if len(layouts) == len(inputs) else layouts * len(inputs))


def _shuffled(function: _Function, values: Array) -> _Case:
    """Take the values as `x`, and in another order as every input before it."""
    random = np.random.default_rng(values.size)
    others = [random.permutation(values) for _ in range(function.data_inputs - 1)]
    return _Case((*others, values), (_DENSE,) * function.data_inputs)


def _verify_exhaustively(
    functions: list[_Function], isas: tuple[str, ...], progress: bool
) -> list[Row]:
    chosen = [each for each in functions if each.name in EXHAUSTIVE_FUNCTIONS]
    with _progress(progress, "all 2^32 float32 patterns", len(chosen) * _PATTERNS) as advance:
        return [_verify_all_patterns(each, isas, advance) for each in chosen]


def _verify_all_patterns(
    function: _Function,
    isas: tuple[str, ...],
    advance: Callable[[int], None],
    stop: int = _PATTERNS,
) -> Row:
    row = Row(function.name, "float32, all", dict.fromkeys(isas, 0))
    offsets = np.arange(EXHAUSTIVE_BLOCK, dtype=np.uint32)
    out = np.empty(EXHAUSTIVE_BLOCK, np.float32)
    for start in range(0, stop, EXHAUSTIVE_BLOCK):
        x = offsets + np.uint32(start)
        # An odd factor makes the gradients run through all patterns too, in another order.
        gradient = x * np.uint32(0x9E3779B1)
        inputs = tuple(each.view(np.float32) for each in (gradient, x)[-function.data_inputs :])
        expectation = _Expectation(function, inputs, ())
        for isa in (each for each in isas if each not in row.failures):
            warnings: set[str] = set()
            out.view(np.uint8).fill(cases.CANARY)
            with forced_isa(isa), _recorded(warnings):
                function.ufunc(*inputs, out=out)
            fields = expectation.difference(out)
            if warnings and not function.multiplies:
                fields = {"problem": f"warned {sorted(warnings)}"}
            row.compared[isa] += out.size
            if fields:
                case = f"block at {start:#010x}"
                row.failures[isa] = Failure(row.function, row.dtype, isa, case, **fields)
        advance(EXHAUSTIVE_BLOCK)
    return row


def _registry() -> dict[str, Any]:
    return {ufunc.__name__: ufunc for ufunc in _core.ufuncs}


def _dtypes(wanted: Iterable[DTypeLike] | None) -> tuple[np.dtype[Any], ...]:
    return supported_dtypes() if wanted is None else tuple(np.dtype(each) for each in wanted)


def _known(what: str, wanted: Iterable[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    chosen = known if wanted is None else tuple(wanted)
    for name in chosen:
        if name not in known:
            raise ValueError(f"no {what} {name!r} here; there is {', '.join(known)}")
    return chosen


def _progress(show: bool, what: str, total: int) -> Any:
    return _terminal.progress(what, total) if show else nullcontext(lambda steps: None)


@contextmanager
def _recorded(kinds: set[str]) -> Iterator[None]:
    """Collect the kinds of floating-point errors instead of warning about them."""
    with np.errstate(all="call", call=lambda kind, flags: kinds.add(kind)):
        yield


def _described(slope: Any) -> str:
    return f"array of {slope.dtype} {slope.shape}" if isinstance(slope, np.ndarray) else repr(slope)
