"""The methods of ufuncs of two inputs give what a plain loop in Python gives."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import forced_isa
from support import (
    ISAS,
    KINDS,
    UFUNCS,
    differing,
    gives_floats,
    legal,
    parameter_names,
    repeated,
    step_of,
    takes_floats,
)

ml_dtypes = pytest.importorskip("ml_dtypes")

LENGTHS = range(131)
SOME_LENGTHS = (1, 2, 5, 16, 17, 33, 64, 130)
SHIFTS = (-70, -17, -16, -9, -4, -3, -2, -1, 0, 1, 2, 3, 4, 9, 16, 17, 70)
NUMPYS = [np.dtype(char) for char in "bBhHiIqQefdg"]
OTHERS = [np.dtype(getattr(ml_dtypes, name)) for name in ("bfloat16", "float8_e4m3fn")]


class Case(NamedTuple):
    """A ufunc, and the dtype of an array that it takes as both inputs."""

    ufunc: np.ufunc
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{self.ufunc.__name__}-{self.dtype.name}"

    @property
    def has_accumulate(self) -> bool:
        """NumPy wants one dtype for all operands: where a half type has a float32 beside it, no."""
        is_wider = gives_floats(self.ufunc) and bool(parameter_names(self.ufunc))
        return not (is_wider and (self.dtype in OTHERS or self.dtype == np.float16))


BINARY = [ufunc for ufunc in KINDS if ufunc.nin == 2]
ALL = [
    Case(ufunc, dtype)
    for ufunc in BINARY
    for dtype in NUMPYS + OTHERS
    if dtype.kind in "iu" or takes_floats(ufunc)
]
every_case = pytest.mark.parametrize("case", ALL, ids=str)
every_case_that_accumulates = pytest.mark.parametrize(
    "case", [each for each in ALL if each.has_accumulate], ids=str
)


@cache
def columns_of(case: Case) -> np.ndarray:
    """Three columns: of mixed signs, above 0 except for the first row, and mostly above 0."""
    random = np.random.default_rng(0)
    numbers = random.choice([0.25, 0.5, 1.0, 2.0], (LENGTHS[-1], 3))
    signs = np.ones(numbers.shape)
    signs[:, 0] = random.choice([-1, 1], len(signs))
    signs[0, 1] = -1
    signs[40::7, 2] = -1
    numbers *= signs
    if case.dtype.kind in "iu":
        numbers = np.abs(numbers * 4) if case.dtype.kind == "u" else numbers * 4
    values = numbers.astype(case.dtype)
    return legal(case.ufunc, [values, values])[1]


@cache
def accumulated(case: Case) -> np.ndarray:
    """Compute the columns' running results row by row; integers in products become float64."""
    rows = columns_of(case)
    results = [rows[0]]
    with np.errstate(all="ignore"):
        if step_of(case.ufunc)(rows[0], rows[1]).dtype != case.dtype:
            rows = rows.astype(np.float64)
            results = [rows[0]]
        for row in rows[1:]:
            results.append(step_of(case.ufunc)(results[-1], row))
    return np.array(results)


def assert_bytes(actual: np.ndarray, expected: np.ndarray, hint: object) -> None:
    __tracebackhide__ = True
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), hint
    if expected.dtype == np.longdouble:
        assert not differing(actual, expected).any(), hint
    else:
        assert actual.tobytes() == expected.tobytes(), hint


def apart(values: np.ndarray, step: int) -> np.ndarray:
    """The same values, `step` elements from each other."""
    memory = np.zeros(len(values) * abs(step), values.dtype)
    view = memory[:: abs(step)][:: 1 if step > 0 else -1]
    view[...] = values
    return view


@every_case_that_accumulates
def test_accumulate(case):
    columns, expected = columns_of(case), accumulated(case)
    accumulate = case.ufunc.accumulate
    for isa in ISAS:
        with forced_isa(isa), np.errstate(all="ignore"):
            for n in LENGTHS:
                rows, results = columns[:n], expected[:n]
                for column in range(3):
                    x, wanted = rows[:, column].copy(), results[:, column]
                    assert_bytes(accumulate(x), wanted, (isa, n))
                    out = np.zeros(n, expected.dtype)
                    assert accumulate(x, out=out) is out
                    assert_bytes(out, wanted, (isa, n, "out"))
                for step in (2, -1, -3):
                    x = apart(rows[:, 0], step)
                    assert_bytes(accumulate(x), results[:, 0], (isa, n, step))
                for x in (rows, np.asfortranarray(rows)):
                    assert_bytes(accumulate(x, axis=0), results, (isa, n, "axis 0"))
                    assert_bytes(accumulate(x.T, axis=1), results.T, (isa, n, "axis 1"))


@every_case_that_accumulates
def test_accumulate_over_its_own_input(case):
    """NumPy promises what there would be if the input had been copied first."""
    columns, expected = columns_of(case), accumulated(case)
    if expected.dtype != case.dtype:
        columns = columns.astype(expected.dtype)
    margin = max(SHIFTS)
    for isa in ISAS:
        with forced_isa(isa), np.errstate(all="ignore"):
            for n in SOME_LENGTHS:
                for shift in SHIFTS:
                    memory = np.zeros(n + 2 * margin, columns.dtype)
                    x = memory[margin : margin + n]
                    out = memory[margin + shift : margin + shift + n]
                    x[...] = columns[:n, 0]
                    case.ufunc.accumulate(x, out=out)
                    assert_bytes(out, expected[:n, 0], (isa, n, shift))


def test_accumulate_is_refused_where_operands_differ_in_dtype():
    refused = [case for case in ALL if not case.has_accumulate]
    assert refused
    for case in refused:
        out = np.ones(5, case.dtype)
        with pytest.raises(TypeError, match="accumulate"):
            case.ufunc.accumulate(np.zeros(5, case.dtype), out=out)
        assert (out == case.dtype.type(1)).all()


def test_cumulative_sum_statistic():
    x = np.array([1, -2, 3, -1, 0.5, -0.2, 3, -9, 4, 4, 4, -1], np.float32)
    expected = [x[0]]
    for each in x[1:]:
        expected.append(max(expected[-1] + each, np.float32(0)))
    assert fr.add_relu.accumulate(x).tolist() == expected
    rounded = [1, 0, 3, 2, 2.5, 2.3, 5.3, 0, 4, 8, 12, 11]
    assert np.round(np.float64(expected), 5).tolist() == rounded


@every_case
def test_reduce(case):
    columns, expected = columns_of(case), accumulated(case)
    reduce = case.ufunc.reduce
    for isa in ISAS:
        with forced_isa(isa), np.errstate(all="ignore"):
            for n in LENGTHS[1:]:
                rows, result = columns[:n], expected[n - 1]
                assert_bytes(np.asarray(reduce(rows[:, 0].copy())), result[0], (isa, n))
                assert_bytes(np.asarray(reduce(apart(rows[:, 1], -2))), result[1], (isa, n))
                for x in (rows, np.asfortranarray(rows)):
                    assert_bytes(reduce(x, axis=0), result, (isa, n, "axis 0"))
                    assert_bytes(reduce(x.T, axis=1), result, (isa, n, "axis 1"))
                out = np.zeros(3, expected.dtype)
                assert reduce(rows, axis=0, out=out) is out
                assert_bytes(out, result, (isa, n, "out"))
            with pytest.raises(ValueError, match="no identity"):
                reduce(columns[:0])


@every_case_that_accumulates
def test_reduceat(case):
    places = [0, 3, 3, 40, 39, 41, 57, 7, 129]
    columns = columns_of(case)
    with np.errstate(all="ignore"):
        rows = columns.astype(accumulated(case).dtype)
        segments = zip(places, [*places[1:], len(rows)], strict=True)
        expected = []
        for first, last in segments:
            result = rows[first]
            for row in rows[first + 1 : last]:
                result = step_of(case.ufunc)(result, row)
            expected.append(result)
    for isa in ISAS:
        with forced_isa(isa), np.errstate(all="ignore"):
            for x in (columns, np.asfortranarray(columns)):
                result = case.ufunc.reduceat(x, places, axis=0)
                assert_bytes(result, np.array(expected), isa)
                result = case.ufunc.reduceat(x.T, places, axis=1)
                assert_bytes(result, np.array(expected).T, isa)
            single = case.ufunc.reduceat(apart(columns[:, 2], -1), places)
            assert_bytes(single, np.array(expected)[:, 2], isa)


@every_case
def test_outer(case):
    x = columns_of(case)[:, 0].copy()
    with np.errstate(all="ignore"):
        expected = step_of(case.ufunc)(x[:, np.newaxis], x)
        for isa in ISAS:
            with forced_isa(isa):
                for rows in (0, 1, 7, 130):
                    for n in (0, 1, 5, 64, 130):
                        result = case.ufunc.outer(x[:rows], x[:n])
                        assert_bytes(result, expected[:rows, :n], (isa, rows, n))
                result = case.ufunc.outer(apart(x, 2), apart(x, -1))
                assert_bytes(result, expected, isa)


@every_case
def test_at(case):
    """Equal places are computed one after the other."""
    places = [5, 1, 1, -1, 5, 1, 90]
    x = columns_of(case)[:, 0].copy()
    others = columns_of(case)[: len(places), 2].copy()
    with np.errstate(all="ignore"):
        if step_of(case.ufunc)(x, x).dtype != case.dtype:
            x = x.astype(np.float64)
        expected = x.copy()
        for place, other in zip(places, others, strict=True):
            expected[place] = step_of(case.ufunc)(expected[[place]], other)[0]
        for isa in ISAS:
            with forced_isa(isa):
                for step in (1, 2, -1):
                    actual = apart(x, step)
                    case.ufunc.at(actual, places, others)
                    assert_bytes(actual, expected, (isa, step))


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda each: each.__name__)
def test_dtypes_without_a_type_number_are_refused(ufunc):
    """All dtypes made with NumPy's new dtype API have -1 for a number."""
    new_style = np._core._multiarray_umath._get_sfloat_dtype()(1.0)
    assert new_style.num == -1
    x = np.arange(5.0).view(new_style)
    before = x.view(np.float64).tobytes()
    for keywords in ({}, {"out": x}, {"out": np.empty(5)}, {"where": True}):
        with pytest.raises(TypeError):
            ufunc(*[x] * ufunc.nin, **keywords)
    for position in range(1, ufunc.nin):
        inputs = repeated(ufunc, np.ones(5, np.float32 if takes_floats(ufunc) else np.int32))
        inputs += [1] * (ufunc.nin - len(inputs))
        for number in (x, x[0:1].reshape(())):
            inputs[position] = number
            with pytest.raises(TypeError):
                ufunc(*inputs)
    assert x.view(np.float64).tobytes() == before


@pytest.mark.parametrize(
    "call",
    [
        fr.relu_with_mask,
        fr.leaky_relu_with_mask,
        fr.active_count,
        fr.sparsity,
        fr.dead_units,
        fr.crelu,
        lambda x: fr.maxout(x, 5, axis=0),
        lambda x: fr.relu_backward_with_bias(x, x),
        lambda x: fr.prelu(x, 0.5),
        lambda x: fr.prelu_backward(x, x, 0.5),
        fr.rrelu,
        fr.relu_,
        lambda x: fr.relu_backward_from_mask(x, fr.Mask(np.zeros(1, np.uint8), 5)),
        lambda x: fr.apply_table(np.zeros(3, np.uint8), np.resize(x, 256)),
    ],
)
def test_functions_refuse_dtypes_without_a_type_number(call):
    x = np.arange(5.0).view(np._core._multiarray_umath._get_sfloat_dtype()(1.0))
    with pytest.raises(TypeError):
        call(x)
    assert x.view(np.float64).tolist() == [0, 1, 2, 3, 4]
