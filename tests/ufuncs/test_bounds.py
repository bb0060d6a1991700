"""Bounds that contradict each other are refused before anything is written, on every way."""

from __future__ import annotations

import builtins
import re
import sys

import fastrelu as fr
import numpy as np
import pytest
from both_ways import assert_both_ways_agree
from support import (
    UFUNCS,
    assert_as_promised,
    data_count,
    defaults,
    is_bounded,
    not_negative,
    parameter_names,
    run_python,
)

ORDERED = [each for each in UFUNCS if "min_val" in parameter_names(each)]
CAPPED = [each for each in UFUNCS if not_negative(each)]
POSITIVE = [each for each in UFUNCS if is_bounded(each) and each not in CAPPED]
every_ordered = pytest.mark.parametrize("ufunc", ORDERED, ids=lambda each: each.__name__)
every_capped = pytest.mark.parametrize("ufunc", CAPPED, ids=lambda each: each.__name__)
every_positive = pytest.mark.parametrize("ufunc", POSITIVE, ids=lambda each: each.__name__)
SHAPE = (3, 5)

WRONG_ORDER = {
    "numbers": ((2.0, 1.0), "2.0", "1.0"),
    "ints": ((2, 1), "2", "1"),
    "infinite": ((np.inf, -np.inf), "inf", "-inf"),
    "ints that no double holds": ((2**53 + 1, 2**53), "9007199254740993", "9007199254740992"),
    "scalars": ((np.float32(2.5), np.float32(1.5)), "2.5", "1.5"),
    "scalars of two kinds": ((np.float64(0.5), np.int8(-3)), "0.5", "-3"),
    "0-d": ((np.array(2.0), np.array(1.0)), "2.0", "1.0"),
    "one in an array": ((np.array([0, 0, 0, 7.5, 0]), 1.0), "7.5", "1.0"),
    "beside a NaN": ((np.array([np.nan, 0, 2.5, 0, 0]), np.array([1, 1, 2, 1, 1])), "2.5", "2"),
    "broadcast": ((np.array([[0.0], [9.0], [0.0]]), np.array([9, 9, 9, 9, 8.5])), "9.0", "8.5"),
    "reversed": ((np.arange(5.0)[::-1], 3.5), "4.0", "3.5"),
    "a list": (([0.0, 0, 0, 0, 2], 1.0), "2.0", "1.0"),
}
NEGATIVE = {
    "number": (-1.0, "-1.0"),
    "int": (-1, "-1"),
    "infinite": (-np.inf, "-inf"),
    "least": (-5e-324, "-5e-324"),
    "scalar": (np.float32(-2.5), "-2.5"),
    "0-d": (np.array(-2.5), "-2.5"),
    "one in an array": (np.array([1.0, np.nan, 0.0, -1.5, 2.0]), "-1.5"),
    "broadcast": (np.array([[1.0], [-2.0], [1.0]]), "-2.0"),
    "a list": ([1.0, 1, 1, 1, -3], "-3.0"),
}
NOT_POSITIVE = NEGATIVE | {
    "zero": (0.0, "0.0"),
    "minus zero": (-0.0, "-0.0"),
    "int zero": (0, "0"),
    "0-d zero": (np.array(0.0), "0.0"),
    "one zero in an array": (np.array([1.0, np.nan, 0.0, 1.5, 2.0]), "0.0"),
}
"""With those that are negative alone: of several, the first is named."""
NOT_POSITIVE["one in an array"] = (np.array([1.0, np.nan, 0.5, -1.5, 2.0]), "-1.5")
LEGAL_ALPHAS = [5e-324, 1e-3, 1, np.inf, np.nan, np.array([np.inf, 2.0, np.nan, 1.0, 1e300])]
LEGAL_ORDER = [(1.0, 1.0), (1, 1.0), (2**53, 2**53 + 1), (0.0, -0.0), (np.nan, 1.0),
               (2.0, np.nan), (np.nan, np.nan),
               (-np.inf, np.inf), (np.array([1.0, 2, np.nan, 4, 5]), 5)]  # fmt: skip
LEGAL_CAPS = [0.0, -0.0, 0, np.inf, np.nan, np.array([0.0, -0.0, np.nan, 1.0, np.inf])]


def calls(ufunc, parameters, dtype):
    """The call in every form, each with an array that it must leave alone."""
    arrays = [np.full(SHAPE, 5, dtype)] * data_count(ufunc)
    names = parameter_names(ufunc)
    by_name = dict(zip(names, parameters, strict=True))
    out = np.full(SHAPE, 77.0)
    yield out, lambda: ufunc(*arrays, *parameters)
    yield out, lambda: ufunc(*arrays, *parameters, out=out)
    yield out, lambda: ufunc(*arrays, *parameters, out)
    yield out, lambda: ufunc(*arrays, **by_name, out=out)
    yield out, lambda: ufunc(*arrays, *parameters, out=out, where=np.ones(SHAPE, bool))
    yield out, lambda: ufunc(*arrays, **by_name, out=out, casting="unsafe", dtype=np.float64)
    lists = [each.tolist() for each in arrays]
    yield out, lambda: ufunc(*lists, *parameters, out=out)
    in_place = arrays[0].astype(np.float64)
    yield in_place, lambda: ufunc(in_place, *arrays[1:], *parameters, out=in_place)


def assert_refused(ufunc, parameters, words):
    for dtype in (np.float64, np.float32, np.float16, np.int16):
        for untouched, call in calls(ufunc, parameters, dtype):
            before = untouched.tobytes()
            with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
                call()
            assert untouched.tobytes() == before


@pytest.mark.parametrize("case", WRONG_ORDER.values(), ids=WRONG_ORDER)
@every_ordered
def test_bounds_in_the_wrong_order(ufunc, case):
    parameters, low, high = case
    words = f"{ufunc.__name__}: min_val ({low}) is above max_val ({high})"
    assert_refused(ufunc, parameters, words)


@every_ordered
def test_a_bound_on_the_wrong_side_of_a_default(ufunc):
    x = [np.ones(4)] * data_count(ufunc)
    with pytest.raises(ValueError, match=r"min_val \(1.5\) is above max_val \(1\)$"):
        ufunc(*x, 1.5)
    with pytest.raises(ValueError, match=r"min_val \(-1\) is above max_val \(-1.5\)$"):
        ufunc(*x, max_val=-1.5)
    assert defaults(ufunc) == {"min_val": -1, "max_val": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_bounds_are_named_whatever_memory_held_before():
    """NumPy leaves fields of an iterator over a number unset; here they are all zeros."""
    code = """if True:
        import numpy as np, fastrelu as fr
        bounds = np.array([[1.0], [-2.0], [1.0]])
        for call in (
            lambda: fr.clipped_relu(np.ones((3, 5)), bounds),
            lambda: fr.hardtanh(np.ones((3, 5)), np.float64(0), bounds),
            lambda: fr.hardtanh(np.ones((3, 5)), bounds, np.float64(0.5)),
        ):
            try:
                call()
            except ValueError as error:
                print(error)
    """
    run = run_python(code, MALLOC_PERTURB_="255")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "clipped_relu: max_val (-2.0) is below 0",
        "hardtanh: min_val (0.0) is above max_val (-2.0)",
        "hardtanh: min_val (1.0) is above max_val (0.5)",
    ]


@pytest.mark.parametrize("case", NEGATIVE.values(), ids=NEGATIVE)
@every_capped
def test_negative_caps(ufunc, case):
    parameter, value = case
    words = f"{ufunc.__name__}: {not_negative(ufunc)} ({value}) is below 0"
    assert_refused(ufunc, (parameter,), words)


@pytest.mark.parametrize("case", NOT_POSITIVE.values(), ids=NOT_POSITIVE)
@every_positive
def test_what_must_be_positive(ufunc, case):
    parameter, value = case
    assert_refused(ufunc, (parameter,), f"{ufunc.__name__}: alpha ({value}) is not above 0")


@every_positive
def test_positive_numbers_that_vanish_in_the_dtype(ufunc):
    """As a limit: zeros keep their sign, and no quotient of zeros is reported."""
    for dtype in (np.float32, np.float16):
        for x in (np.array([-1, -0.0, 0, 1], dtype), np.array([[-1, 0], [1, 2]], dtype)[:, ::-1]):
            arrays = [x] * data_count(ufunc)
            with np.errstate(all="raise"):
                assert_as_promised(ufunc, ufunc(*arrays, 1e-300), *arrays, 1e-300)
            assert np.isfinite(ufunc(*arrays, 1e-300)).all()


@every_positive
def test_legal_positive_numbers(ufunc):
    arrays = [np.array([-7.0, -0.0, 3, np.nan, np.inf])] * data_count(ufunc)
    for alpha in LEGAL_ALPHAS:
        with np.errstate(all="ignore"):
            assert_as_promised(ufunc, ufunc(*arrays, alpha), *arrays, alpha)
        assert_both_ways_agree(ufunc, lambda a=alpha: ([*arrays, a], {}))


@pytest.mark.parametrize("ufunc", [fr.elu, fr.elu_derivative, fr.elu_backward])
def test_elu_takes_every_alpha(ufunc):
    arrays = [np.array([-7.0, -0.0, 3, np.nan, np.inf])] * data_count(ufunc)
    for alpha in (0.0, -0.0, -1.5, -np.inf, *LEGAL_ALPHAS):
        with np.errstate(all="ignore"):
            assert_as_promised(ufunc, ufunc(*arrays, alpha), *arrays, alpha)
        assert_both_ways_agree(ufunc, lambda a=alpha: ([*arrays, a], {}))


@every_ordered
def test_legal_bounds(ufunc):
    arrays = [np.array([-7.0, -0.0, 3, np.nan, np.inf])] * data_count(ufunc)
    for low, high in LEGAL_ORDER:
        assert_as_promised(ufunc, ufunc(*arrays, low, high), *arrays, low, high)
        assert_both_ways_agree(ufunc, lambda a=low, b=high: ([*arrays, a, b], {}))


@every_capped
def test_legal_caps(ufunc):
    arrays = [np.array([-7.0, -0.0, 3, np.nan, np.inf])] * data_count(ufunc)
    for cap in LEGAL_CAPS:
        assert_as_promised(ufunc, ufunc(*arrays, cap), *arrays, cap)
        assert_both_ways_agree(ufunc, lambda a=cap: ([*arrays, a], {}))


def test_scalars_and_empty_arrays_are_refused_too():
    for x in (1.5, np.float32(1.5), np.empty(0)):
        with pytest.raises(ValueError, match="above"):
            fr.hardtanh(x, 2.0, 1.0)
        with pytest.raises(ValueError, match="below 0"):
            fr.clipped_relu(x, -1.0)
        with pytest.raises(ValueError, match="not above 0"):
            fr.celu(x, 0)
    assert fr.clipped_relu(np.empty(0), np.empty(0)).size == 0


def test_other_errors_come_first():
    """What has no order, and what does not broadcast, the ufunc itself refuses."""
    x = np.ones(3)
    for wrong in (True, 2j, "2", None, np.array([2, 2, 2], object)):
        with pytest.raises(TypeError):
            fr.hardtanh(x, wrong, -1.0)
        with pytest.raises(TypeError):
            fr.clipped_relu(x, wrong)
    with pytest.raises(ValueError, match="broadcast"):
        fr.hardtanh(x, np.ones(2), np.zeros(3))


def test_foreign_bounds_are_not_looked_at():
    """Nor asked what they claim to be, which proxies would have to compute."""

    class Foreign:
        @property
        def __class__(self):
            raise AssertionError

        def __array_ufunc__(self, *args, **kwargs):
            return "taken"

    for out in ({}, {"out": np.ones(3)}):
        assert fr.hardtanh(np.ones(3), Foreign(), -1.0, **out) == "taken"
        assert fr.clipped_relu(np.ones(3), max_val=Foreign(), **out) == "taken"


def test_nothing_is_imported_in_a_call(monkeypatch):
    """After a fork, another thread's import may never end."""

    def fail(*args, **kwargs):
        raise AssertionError(args)

    words = []
    monkeypatch.setattr(builtins, "__import__", fail)
    for bound in (np.array([0.5, -0.5, 0.0]), [0.0, -0.5, 0.0], np.float16(-0.5)):
        fr.hardtanh(np.ones(3), bound, 1.0)
        try:
            fr.clipped_relu(np.ones(3), bound)
        except ValueError as error:
            words.append(str(error))
    monkeypatch.undo()
    assert words == ["clipped_relu: max_val (-0.5) is below 0"] * 3


def test_missing_parameters_are_named():
    x = np.ones(3)
    for call, words in (
        (lambda: fr.clipped_relu(x), "1 required positional argument: 'max_val'"),
        (lambda: fr.clipped_relu_backward(x, x), "1 required positional argument: 'max_val'"),
        (lambda: fr.threshold(x, 1), "1 required positional argument: 'value'"),
        (lambda: fr.threshold(x, value=1), "1 required positional argument: 'threshold'"),
        (lambda: fr.threshold(x), "2 required positional arguments: 'threshold' and 'value'"),
        (
            lambda: fr.relu_quantized(np.ones(3, int)),
            "1 required positional argument: 'zero_point'",
        ),
    ):
        with pytest.raises(TypeError, match=rf"\(\) missing {words}$"):
            call()


def test_dask_is_not_computed_to_be_checked():
    """The graph is built from anything; its chunks are refused when they are computed."""
    dask_array = pytest.importorskip("dask.array")
    x = dask_array.ones(6, chunks=3)
    assert fr.clipped_relu(x, 0.5).compute().tolist() == [0.5] * 6
    bounds = dask_array.full(6, -1.0, chunks=3)
    lazy = fr.clipped_relu(np.ones(6), bounds)
    with pytest.raises(ValueError, match="below 0"):
        lazy.compute()
