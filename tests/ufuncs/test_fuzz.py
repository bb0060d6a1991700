"""Random calls: fastrelu's short way and NumPy's generic one, methods, and functions beside ufuncs.

A bounded run, the same each time, belongs to the suite. `FASTRELU_FUZZ=long python -m pytest
tests/ufuncs/test_fuzz.py` draws many more examples, others each time. An example that fails becomes
a test of its own.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import fastrelu as fr
import guarded
import numpy as np
import pytest
from both_ways import assert_both_ways_agree, content
from fastrelu import _core, reference
from fastrelu.testing import _functions, _shares, cases, supported_dtypes
from support import (
    KINDS,
    UFUNCS,
    arithmetic,
    array_count,
    asks_too_much,
    assert_as_promised,
    beyond_doubt,
    data_count,
    every_kind,
    every_ufunc,
    input_names,
    oracle,
    parameter_names,
    run_python,
    step_of,
)

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXTENT = os.environ.get("FASTRELU_FUZZ", "")
LONG = EXTENT == "long"


def bounded(max_examples: int) -> settings:
    """So many examples, always the same; in a long run many more, and others each time."""
    times = {"long": 200, "short": 1 / 4}.get(EXTENT, 1)
    return settings(
        derandomize=not LONG,
        deadline=None,
        database=None,
        max_examples=int(max_examples * times),
        print_blob=LONG,
        suppress_health_check=list(HealthCheck),
    )


MEMORY = 16 << 10
"""Bytes that the arrays of a call are cut from: wherever they like, so they overlap."""
DTYPES = list(dict.fromkeys(supported_dtypes()))
LONGDOUBLE = np.dtype(np.longdouble)


class Subclass(np.ndarray):
    """An array of another type that does nothing of its own."""


class HasArray:
    """No array, but it makes one of itself."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.array, dtype, copy=copy)


class RefusesUfuncs:
    __array_ufunc__ = None


def read_only(array: np.ndarray) -> np.ndarray:
    array = array[...]
    array.flags.writeable = False
    return array


CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda array: array,
    "subclass": lambda array: array.view(Subclass),
    "masked": np.ma.asarray,
    "read-only": read_only,
    "list": lambda array: array.tolist(),
    "scalar": lambda array: array[(0,) * array.ndim] if array.size else array,
    "number": lambda array: array[(0,) * array.ndim].item() if array.size else 1,
    "bools": lambda array: np.ones(array.shape, np.bool_),
    "objects": lambda array: array.astype(object),
    "texts": lambda array: np.full(array.shape, "1"),
    "__array__": HasArray,
    "refuses": lambda array: RefusesUfuncs(),
    "none": lambda array: None,
    "text": lambda array: "1",
}
NUMBERS: list[Any] = [
    *(1e300, -1e300, 1e-300, 0.1, 0.0, math.inf, math.nan, 2**70, 300, 3, -1, 0, True, 1j),
    *(np.float64(1e300), np.float64(0.1), np.float32(1e-40), np.int64(2**40), np.uint8(200)),
]


@dataclass(frozen=True)
class Cut:
    """An array in the call's memory."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    container: str = "array"

    def build(self, memory: np.ndarray) -> Any:
        array = np.ndarray(self.shape, self.dtype, memory, self.offset, self.strides)
        return CONTAINERS[self.container](array)


def seldom(draw: Any, of: int = 8) -> bool:
    return draw(st.integers(0, of - 1)) == of - 1


@st.composite
def shapes(draw: Any) -> tuple[int, ...]:
    """From no axis to five, seldom up to 64; few elements, or one long axis."""
    kind = draw(st.sampled_from(["small", "small", "small", "long", "axes"]))
    if kind == "long":
        return (draw(st.integers(0, 300)),)
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 2, 3, 3, 4, 5]), max_size=5)))
    while math.prod(shape) > 300:
        shape = shape[1:]
    if kind == "axes" and seldom(draw, 3):
        shape = (1,) * draw(st.integers(0, 64 - len(shape))) + shape
    return shape


@st.composite
def cuts(
    draw: Any,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    *,
    plain: bool = False,
    distinct: bool = False,
) -> Cut:
    """An array of that shape, in any layout; `distinct`: with a place for each element."""
    size = dtype.itemsize
    axes = list(range(len(shape)))
    layout = draw(st.sampled_from(["C", "C", "C", "F", "permuted", "stepped", "odd"]))
    order = {"C": axes[::-1], "F": axes}.get(layout)
    if order is None:
        order = draw(st.permutations(axes)) if len(axes) < 6 else axes[::-1]
    gap = draw(st.sampled_from([1, 2, 3])) if layout == "stepped" else 1
    is_exact = dtype == LONGDOUBLE or layout != "odd"
    strides, step = [0] * len(shape), size * gap + (0 if is_exact else 1)
    for axis in order:
        is_kept = layout in "CF" or shape[axis] == 1
        factors = [1, 1, 1, -1, 1 if distinct else 0]
        strides[axis] = step if is_kept else step * draw(st.sampled_from(factors))
        step *= max(shape[axis], 1)
    reach = [(side - 1) * stride for side, stride in zip(shape, strides, strict=True) if side > 0]
    low, high = -sum(x for x in reach if x < 0), sum(x for x in reach if x > 0) + size
    unit = size if is_exact else 1
    first = -(-low // unit)
    offset = unit * draw(st.integers(first, first + draw(st.sampled_from([0, 0, 1, 8, 60]))))
    assert offset + high <= MEMORY
    container = "array"
    if not plain and seldom(draw):
        container = draw(st.sampled_from(list(CONTAINERS)))
    return Cut(dtype, shape, tuple(strides), offset, container)


@st.composite
def dtypes_beside(draw: Any, main: np.dtype[Any]) -> np.dtype[Any]:
    """Mostly the same, seldom in foreign byte order, seldom another.

    Not with longdoubles: they have bytes without a meaning, which others would show.
    """
    if main == LONGDOUBLE or not seldom(draw):
        return main
    other = draw(st.sampled_from([main.newbyteorder(), *DTYPES]))
    return main if other == LONGDOUBLE else other


@st.composite
def broadcasting(draw: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that fits, mostly the same; seldom one that does not."""
    if not seldom(draw, 4):
        return shape
    shape = tuple(1 if draw(st.booleans()) else side for side in shape)
    if seldom(draw, 4):
        return (*shape, 2)[-64:]
    return shape[draw(st.integers(0, len(shape))) :]


def memory_of(dtype: np.dtype[Any], seed: int) -> np.ndarray:
    """Values of a dtype, as bytes; anew each time."""
    return _values(dtype, seed).view(np.uint8).copy()


@cache
def _values(dtype: np.dtype[Any], seed: int) -> np.ndarray:
    return cases.sample(dtype, MEMORY // dtype.itemsize, seed)


@dataclass
class Call:
    """A call, whose arguments are made anew from memory that is filled anew."""

    main: np.dtype[Any]
    seed: int
    arguments: list[Any]
    keywords: dict[str, Any] = field(default_factory=dict)
    in_place: int | None = None
    """The argument that is `out`, too."""

    def make(self) -> tuple[list[Any], dict[str, Any]]:
        memory = memory_of(self.main, self.seed)
        made = [_built(each, memory) for each in self.arguments]
        keywords = {name: _built(value, memory) for name, value in self.keywords.items()}
        if self.in_place is not None:
            keywords["out"] = made[self.in_place]
        return made, keywords


def _built(value: Any, memory: np.ndarray) -> Any:
    if isinstance(value, tuple):
        return tuple(_built(each, memory) for each in value)
    return value.build(memory) if isinstance(value, Cut) else value


@cache
def _takes(ufunc: np.ufunc) -> list[np.dtype[Any]]:
    """The dtypes of arrays that it takes, whatever becomes of them."""
    found = []
    for dtype in DTYPES:
        try:
            ufunc(*[np.ones(1, dtype)] * ufunc.nin)
        except TypeError:
            continue
        found.append(dtype)
    return found


def numbers_for(draw: Any, ufunc: np.ufunc, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """A number for each of its parameters, such as it takes beside arrays of that dtype."""
    names = parameter_names(ufunc)
    return draw(st.sampled_from(cases.settings(names, dtype, ufunc.__name__))) if names else ()


OTHER_KEYWORDS: list[dict[str, Any]] = [
    {"casting": "no"},
    {"casting": "same_kind"},
    {"casting": "unsafe"},
    {"casting": "wrong"},
    {"order": "F"},
    {"order": "C"},
    {"order": "A"},
    {"order": "X"},
    {"subok": False},
    {"dtype": "f4"},
    {"dtype": "f8"},
    {"dtype": "i1"},
    {"dtype": None},
    {"dtype": "O"},
    {"dtype": ">f4"},
    {"signature": "ff->f"},
    {"axis": 0},
    {"keepdims": True},
    {"negative_slope": 0.5},
    {"max_val": 3},
    {"lambd": 3},
    {"no_such": 1},
]


@st.composite
def ufunc_calls(draw: Any, ufunc: np.ufunc) -> Call:
    main = draw(st.sampled_from(_takes(ufunc)))
    shape = draw(shapes())

    def operand() -> Any:
        if ufunc.nin > 1 and seldom(draw, 6):
            return draw(st.sampled_from(NUMBERS))
        return draw(cuts(draw(dtypes_beside(main)), draw(broadcasting(shape))))

    arguments: list[Any] = [operand() for _ in range(data_count(ufunc))]
    keywords: dict[str, Any] = {}
    names = parameter_names(ufunc)
    if names and not seldom(draw, 4):  # numbers, some of them by keyword
        numbers = numbers_for(draw, ufunc, main)
        given_ = draw(st.integers(0 if array_count(ufunc) == data_count(ufunc) else 1, len(names)))
        by_position = draw(st.integers(0, given_))
        arguments += numbers[:by_position]
        keywords.update(list(zip(names, numbers, strict=True))[by_position:given_])
    elif names:
        arguments += [operand() for _ in names]
    if seldom(draw, 40):
        arguments = arguments[:-1] if draw(st.booleans()) else [*arguments, operand(), operand()]
    call = Call(main, draw(st.integers(0, 3)), arguments, keywords)
    where_to = draw(st.sampled_from(["new", "new", "own", "own", "in place", "odd"]))
    out = draw(cuts(draw(dtypes_beside(main)), shape, distinct=True))
    if where_to == "own":
        keywords["out"] = draw(st.sampled_from([out, out, (out,)]))
        if len(arguments) == ufunc.nin and seldom(draw, 4):
            arguments.append(keywords.pop("out"))
    elif where_to == "in place":
        call.in_place = draw(st.integers(0, data_count(ufunc) - 1))
        call.in_place = min(call.in_place, len(arguments) - 1) if arguments else None
    elif where_to == "odd":
        keywords["out"] = draw(st.sampled_from([None, (None,), (), (out, out), 1, "out", [out]]))
    if seldom(draw):
        keywords |= draw(st.sampled_from(OTHER_KEYWORDS))
    return call


@every_kind
@bounded(60)
@given(data=st.data())
def test_short_and_generic_way_agree(ufunc, data):
    call = data.draw(ufunc_calls(ufunc))
    assert_both_ways_agree(ufunc, call.make)


@every_ufunc
@bounded(25)
@given(data=st.data())
@np.errstate(all="ignore")
def test_reference_agrees(ufunc, data):
    """Arrays anywhere, of any order of bytes, the result over them: as if inputs were copied."""
    main = data.draw(st.sampled_from(_takes(ufunc)))
    shape = data.draw(shapes())
    dtype = main.newbyteorder() if main != LONGDOUBLE and seldom(data.draw, 4) else main
    arrays = [data.draw(cuts(dtype, shape, plain=True)) for _ in range(data_count(ufunc))]
    numbers = numbers_for(data.draw, ufunc, main)
    memory = memory_of(main, data.draw(st.integers(0, 3)))
    inputs = [each.build(memory) for each in arrays]
    copies = [each.astype(main, order="C") for each in inputs]
    expected = np.asarray(oracle(ufunc)(*copies, *numbers))
    kept = memory.copy()
    assert_as_promised(
        ufunc, np.asarray(ufunc(*inputs, *numbers)), *copies, *numbers, expected=expected
    )
    assert (memory == kept).all()
    if expected.dtype == main:
        out = data.draw(cuts(main, shape, plain=True, distinct=True)).build(memory)
        ufunc(*inputs, *numbers, out=out)
        assert_as_promised(ufunc, out, *copies, *numbers, expected=expected)


def _used(array: np.ndarray) -> list[int]:
    """The strides that matter: one of 0 gives several elements one place."""
    return [step for side, step in zip(array.shape, array.strides, strict=True) if side > 1]


@every_kind
@bounded(15)
@given(data=st.data())
@np.errstate(all="ignore")
def test_where_is_a_choice_between_result_and_out(ufunc, data):
    main = data.draw(st.sampled_from(_takes(ufunc)))
    shape = data.draw(shapes())
    memory = memory_of(main, data.draw(st.integers(0, 3)))
    inputs = [
        data.draw(cuts(main, shape, plain=True)).build(memory) for _ in range(data_count(ufunc))
    ]
    numbers = numbers_for(data.draw, ufunc, main)
    mask = np.random.default_rng(data.draw(st.integers(0, 9))).random(shape) < 0.5
    expected = np.asarray(ufunc(*inputs, *numbers))
    out = np.asarray(cases.sample(expected.dtype, expected.size, 5).reshape(shape))
    before = out.copy()
    assert ufunc(*inputs, *numbers, out=out, where=mask) is out
    any_nan = arithmetic(ufunc) != "selects"
    assert content(out, any_nan) == content(np.where(mask, expected, before), any_nan)


# Methods: what a loop in Python gives.

FOLDS = [each for each in KINDS if each.nin == 2]
every_fold = pytest.mark.parametrize("ufunc", FOLDS, ids=lambda each: each.__name__)


@cache
def _homogeneous(ufunc: np.ufunc) -> list[np.dtype[Any]]:
    """The dtypes that both inputs and the result can have."""
    loops = [each for each in ufunc.types if len(set(each) - set("->")) == 1]
    return list(dict.fromkeys(np.dtype(each[0]) for each in loops))


@st.composite
def folded_arrays(draw: Any, ufunc: np.ufunc) -> tuple[np.ndarray, np.ndarray]:
    """The memory, and an array in it with at least one axis."""
    main = draw(st.sampled_from(_homogeneous(ufunc)))
    shape = draw(shapes()) or (3,)
    memory = memory_of(main, draw(st.integers(0, 3)))
    x = draw(cuts(main, shape, plain=True)).build(memory)
    x[...] = without_refusal(ufunc, x)
    return memory, x


def without_refusal(ufunc: np.ufunc, values: np.ndarray) -> np.ndarray:
    *_, name = input_names(ufunc)
    return beyond_doubt(ufunc, name, values)


def folded(ufunc: np.ufunc, x: np.ndarray) -> list[np.ndarray]:
    """What accumulate gives along the first axis."""
    rows = [x[:1]]
    for k in range(1, len(x)):
        rows.append(np.asarray(step_of(ufunc)(rows[-1], x[k : k + 1]), x.dtype))
    return rows


def assert_same(ufunc: np.ufunc, actual: Any, expected: Any) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    any_nan = arithmetic(ufunc) != "selects"
    assert content(actual, any_nan) == content(expected, any_nan)


@every_fold
@bounded(40)
@given(data=st.data())
@np.errstate(all="ignore")
def test_accumulate_and_reduce(ufunc, data):
    memory, x = data.draw(folded_arrays(ufunc))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    along = np.moveaxis(x.copy(), axis, 0)
    if not len(along):
        return
    rows = folded(ufunc, along)
    accumulated = np.moveaxis(np.concatenate(rows), 0, axis)
    reduced = rows[-1][0]
    assert_same(ufunc, ufunc.accumulate(x, axis), accumulated)
    assert_same(ufunc, ufunc.reduce(x, axis), reduced)
    kept = ufunc.reduce(x, axis, keepdims=True)
    assert_same(ufunc, kept, np.expand_dims(reduced, axis))
    out = data.draw(cuts(x.dtype, x.shape, plain=True, distinct=True)).build(memory)
    ufunc.accumulate(x, axis, out=out)
    assert_same(ufunc, out, accumulated)


@every_fold
@bounded(20)
@given(data=st.data())
@np.errstate(all="ignore")
def test_reduceat(ufunc, data):
    _, x = data.draw(folded_arrays(ufunc))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    along = np.moveaxis(x, axis, 0)
    if not len(along):
        return
    begins = data.draw(st.lists(st.integers(0, len(along) - 1), min_size=1, max_size=5))
    ends = [*begins[1:], len(along)]
    parts = [
        folded(ufunc, along[begin : max(end, begin + 1)])[-1]
        for begin, end in zip(begins, ends, strict=True)
    ]
    expected = np.moveaxis(np.concatenate(parts), 0, axis)
    assert_same(ufunc, ufunc.reduceat(x, begins, axis), expected)


@every_fold
@bounded(20)
@given(data=st.data())
@np.errstate(all="ignore")
def test_outer_and_at(ufunc, data):
    memory, x = data.draw(folded_arrays(ufunc))
    y = data.draw(cuts(x.dtype, (data.draw(st.integers(0, 5)),), plain=True)).build(memory)
    y = without_refusal(ufunc, y)
    if x.ndim < 60:
        assert_same(ufunc, ufunc.outer(x, y), step_of(ufunc)(x[..., None], y))
    if not len(x) or 0 in _used(x) or x.ndim > 30:  # from 33 axes on, np.add.at crashes, too
        return
    index = data.draw(st.lists(st.integers(-len(x), len(x) - 1), max_size=9))
    other = data.draw(cuts(x.dtype, (len(index), *x.shape[1:]), plain=True)).build(memory)
    other = without_refusal(ufunc, other.copy())
    expected = x.copy()
    for k, value in zip(index, other, strict=True):
        expected[k] = step_of(ufunc)(expected[k], value)
    ufunc.at(x, index, other)
    assert_same(ufunc, x, expected)
    if x.ndim == 1:
        before = x.copy()
        fr.relu.at(x, index)
        before[index] = reference.relu(before[index])
        assert_same(fr.relu, x, before)


# Functions beside the ufuncs. Results of softmax are near those of the reference, not the same:
# tests/functions/test_softmax.py lays it out.

OVERWRITING = {"clip_grad_norm_"}  # test_clipping.py has its layouts and containers
NAMES = [name for name in _functions.ARGUMENTS if name not in {*_shares.ARRAYS, *OVERWRITING}]


@cache
def _dtypes_of(name: str) -> list[np.dtype[Any]]:
    return [dtype for dtype in DTYPES if _functions.Function(name).takes(dtype)]


def relaid(draw: Any, array: np.ndarray, container: str = "array") -> Any:
    """The same values in any layout, and seldom in foreign byte order."""
    dtype = array.dtype
    if dtype != LONGDOUBLE and seldom(draw):
        dtype = dtype.newbyteorder()
    cut = draw(cuts(dtype, array.shape, plain=True, distinct=True))
    memory = np.zeros(MEMORY, np.uint8)
    cut.build(memory)[...] = array
    return replace(cut, container=container).build(memory)


@st.composite
def function_calls(draw: Any, name: str) -> list[Any]:
    """The arguments of a call as `verify` makes them, of any shape."""
    dtype = draw(st.sampled_from(_dtypes_of(name)))
    shape = draw(st.tuples(st.integers(0, 5), st.sampled_from([2, 4]), st.integers(0, 9)))
    operands = _functions.Operands(dtype, shape, cases.LAYOUTS["dense"])
    return list(_functions.ARGUMENTS[name](operands))


def results(value: Any) -> list[np.ndarray]:
    return [
        np.asarray(_functions.bare(each))
        for each in (value if isinstance(value, tuple) else (value,))
    ]


def assert_same_results(name: str, actual: Any, expected: Any) -> None:
    computes = reference.arithmetic(name) != "selects"
    for ours, theirs in zip(results(actual), results(expected), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert content(ours, computes) == content(theirs, computes)


every_function = pytest.mark.parametrize("name", NAMES)


@every_function
@bounded(25)
@given(data=st.data())
@np.errstate(all="ignore")
def test_functions_take_any_layout(name, data):
    arguments = data.draw(function_calls(name))
    expected = getattr(reference, name)(*map(_functions.bare, arguments))
    laid = [
        relaid(data.draw, each, data.draw(st.sampled_from(["array", "array", "read-only"])))
        if isinstance(each, np.ndarray) and not (each.dtype == np.uint8 and each.ndim == 1)
        else each
        for each in arguments
    ]
    kept = [np.array(_functions.bare(each)) for each in laid]
    assert_same_results(name, getattr(fr, name)(*laid), expected)
    for before, after in zip(kept, laid, strict=True):
        assert content(before) == content(np.asarray(_functions.bare(after)))


TAKING_OUT = [each for each in NAMES if "out" in inspect.signature(getattr(fr, each)).parameters]


@pytest.mark.parametrize("name", TAKING_OUT)
@bounded(25)
@given(data=st.data())
@np.errstate(all="ignore")
def test_functions_write_into_any_layout(name, data):
    """The result over an input, too: as if that had been copied, or ValueError and nothing done."""
    arguments = data.draw(function_calls(name))
    expected = getattr(reference, name)(*map(_functions.bare, arguments))
    first = results(expected)[0]
    memory = memory_of(arguments[0].dtype, 1)
    cut = data.draw(cuts(arguments[0].dtype, arguments[0].shape, plain=True, distinct=True))
    source = cut.build(memory)
    source[...] = arguments[0]
    out = data.draw(cuts(first.dtype, first.shape, plain=True, distinct=True)).build(memory)
    kept = memory.copy()
    try:
        found = getattr(fr, name)(source, *arguments[1:], out=out)
    except ValueError:
        assert (memory == kept).all()
        assert np.shares_memory(source, out)
    else:
        assert results(found)[0] is out
        assert_same_results(name, found, expected)
        out[...] = np.ndarray(out.shape, out.dtype, kept, cut_offset(out, memory), out.strides)
        assert (memory == kept).all()  # nothing was written beside it


def cut_offset(array: np.ndarray, memory: np.ndarray) -> int:
    return array.ctypes.data - memory.ctypes.data


@every_function
@bounded(12)
@given(data=st.data())
@np.errstate(all="ignore")
def test_functions_keep_what_arrays_carry_or_refuse(name, data):
    """An object with `__array__` is what it makes; nothing else is taken for a plain array."""
    arguments = data.draw(function_calls(name))
    call = getattr(fr, name)
    at = data.draw(st.sampled_from([k for k in (0, 1) if _is_data(arguments, k)]))
    container = data.draw(st.sampled_from(["__array__", "masked", "refuses"]))
    changed = [*arguments]
    if container == "__array__":
        changed[at] = HasArray(arguments[at])
        assert_same_results(name, call(*changed), call(*arguments))
    elif container == "refuses":
        changed[at] = RefusesUfuncs()
        with pytest.raises(TypeError):
            call(*changed)
    else:
        hidden = np.random.default_rng(0).random(arguments[at].shape) < 0.5
        changed[at] = np.ma.array(arguments[at], mask=hidden)
        try:
            found = call(*changed)
        except TypeError as error:
            assert "asked" in str(error) or "mask" in str(error).lower()
        else:
            assert all(isinstance(each, np.ma.MaskedArray) for each in _as_tuple(found))


def _is_data(arguments: list[Any], k: int) -> bool:
    is_array = k < len(arguments) and isinstance(arguments[k], np.ndarray)
    return is_array and arguments[k].shape == arguments[0].shape


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


# Private functions, in a process of their own: it may not end.


@asks_too_much
def test_private_functions_do_not_crash(tmp_path):
    path = tmp_path / "note"
    path.write_bytes(bytes(guarded.NOTE_BYTES))
    folders = [str(Path(__file__).parents[0]), str(Path(__file__).parents[1])]
    process = run_python(
        f"import sys; sys.path[:0] = {folders!r}; import faulthandler; "
        f"faulthandler.enable(); import test_fuzz; test_fuzz.call_private_functions({str(path)!r})"
    )
    assert process.returncode == 0, f"{guarded.read_note(path)}\n{process.stderr[-3000:]}"


def call_private_functions(path: str) -> None:
    """Call all of `_core`, and methods of ufuncs, with what nobody would."""
    names = [name for name in dir(_core) if callable(getattr(_core, name)) and name[0] != "_"]
    methods = ("reduce", "accumulate", "reduceat", "outer", "at")
    names += [f"{ufunc.__name__}.{method}" for ufunc in UFUNCS for method in methods]
    called = guarded.Note(path)
    random = np.random.default_rng(None if LONG else 0)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        for _ in range(1_000_000 if LONG else 50_000):
            name = names[random.integers(len(names))]
            arguments = nearly_right(name, random)
            arrays = [each for each in arguments if isinstance(each, np.ndarray)]
            if name.endswith(".at") and any(each.ndim > 32 for each in arrays):
                continue  # crashes with np.add, too
            out = {"out": arguments.pop()} if arguments and random.random() < 0.2 else {}
            called.begin(f"{name}({', '.join(map(in_short, arguments))}, {in_short(out)})")
            with contextlib.suppress(Exception):
                attrgetter(name)(_core)(*arguments, **out)


def in_short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.strides}"
    return repr(value)[:40]


def nearly_right(name: str, random: np.random.Generator) -> list[Any]:
    """What the function takes, with something strange in some places."""
    dtype = some_dtype(random)
    x = np.ones((2, 4)).astype(dtype)
    wide = np.float64 if dtype == SCALED else cases.slope_dtype(dtype)
    values = {"x": x, "w": np.ones(4, wide), "y": np.ones((2, 2)).astype(dtype)}
    values |= {
        "m": np.ones(1, np.uint8),
        "k": fr.Mask(np.ones(1, np.uint8), (2, 4), random.choice(["relu", "leaky_relu"])),
        "t": np.ones(256).astype(dtype),
        "i": np.ones((2, 4), np.int8),
    }
    values |= {"n": None, "0": 0, "1": 1, "2": 2, "s": 0.5, "g": (1, 2, 4, 1), "h": (2, 4)}
    values |= {"a": "relu", "l": [0], "b": True}
    wanted = PRIVATE.get(name, "x" * random.integers(6))
    arguments = [values[each] for each in wanted]
    if random.random() < 0.1:
        arguments.append(None)
    if random.random() < 0.1:
        return [strange(random)] * len(arguments)
    return [strange(random) if random.random() < 0.25 else each for each in arguments]


SCALED = np._core._multiarray_umath._get_sfloat_dtype()(1.0)
"""A dtype without a type number, made as NumPy's newer ones are."""
PRIVATE = {
    "relu_with_mask": "xnn",
    "leaky_relu_with_mask": "xsnn",
    "add_relu_with_mask": "xxnk",
    "add_leaky_relu_with_mask": "xxsnm",
    "relu_backward_from_mask": "xkn",
    "leaky_relu_backward_from_mask": "xksn",
    "Mask": "mha",
    "pack_mask": "xb",
    "relu_backward_with_bias": "xx0n",
    "prelu_backward": "xxw1n",
    "backward_with_sums": "axxwng",
    "lay_out_weight": "xw1",
    "active_count": "x0",
    "sparsity": "x0",
    "dead_units": "x0",
    "active_count_of_mask": "k",
    "dead_units_of_mask": "k0",
    "apply_table": "itn",
    "maxout": "x21n",
    "maxout_backward": "yx21n",
    "new_activity_log": "l",
}
"""The arguments that functions beside the ufuncs take today; a letter for each, see above."""


def some_dtype(random: np.random.Generator) -> np.dtype[Any]:
    if random.random() < 0.5:
        return np.dtype(np.float32)
    return SCALED if random.random() < 0.1 else DTYPES[random.integers(len(DTYPES))]


def strange(random: np.random.Generator) -> Any:
    """An argument: mostly an array, of few shapes and dtypes, so that they meet."""
    if random.random() < 0.35:
        return STRANGE[random.integers(len(STRANGE))]
    shape = SHAPES_THAT_MEET[random.integers(len(SHAPES_THAT_MEET))]
    array = np.ones(shape).astype(some_dtype(random))
    kind = random.random()
    if kind < 0.1:
        return array[..., ::-1] if array.ndim else array
    if kind < 0.2:
        return array.T
    return read_only(array) if kind < 0.25 else array


SHAPES_THAT_MEET = [(), (0,), (1,), (2,), (8,), (8,), (2, 4), (2, 4), (0, 3), (2, 0, 3), (1,) * 40]
STRANGE: list[Any] = [
    *(None, True, 0, 1, 2, -1, 8, 2**31, 2**63, -(2**63) - 1, 0.5, math.nan, "relu", "\0", b"x"),
    *(
        (),
        (0,),
        (1, -1),
        (0, 0),
        (2, 4),
        (1, 1, 8, 1),
        (1, 2, 4, 1),
        (2**62, 4),
        [0],
        [],
        {},
        object(),
    ),
    *(np.float32(1), np.int8(3), np.True_, np.array(None), np.array("x"), np.zeros(3, "f4,i4")),
    *(
        np.zeros((0, 2**50), np.int8),
        np.zeros((0, 2**62), np.int8),
        np.zeros(8, bool),
        np.zeros(8, complex),
        np.zeros(1, np.uint8),
    ),
    *(np.zeros(8).astype(SCALED), np.ma.zeros(8, np.float32), memoryview(b"12345678"), np.ndarray),
    np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (2, 4), (0, 0)),
]
