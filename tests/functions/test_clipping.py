"""clip_grad_norm_: the norm to the last bit, what is scaled, and what is refused."""

from __future__ import annotations

import math
import tracemalloc
from array import array
from fractions import Fraction

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import reference, testing
from fastrelu.testing import cases, forced_isa
from fastrelu.testing.cases import LAYOUTS
from support import ISAS, assert_same_bytes, signalling_nan

INF, NAN = math.inf, math.nan
FLOATS = [each for each in testing.supported_dtypes() if cases.is_float(each)]
LENGTHS = (1, 15, 16, 17, 255, 256, 511, 512, 513, 1024, 3000)
PIECE = 1 << 18
"""Elements at a time, of arrays that are not dense."""

every_float = pytest.mark.parametrize("dtype", FLOATS, ids=lambda each: each.type.__name__)


def numbers(shape, dtype=np.float32, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return np.abs(values).astype(dtype) if "e8m0" in np.dtype(dtype).name else values.astype(dtype)


def exact_sum_of_squares(*arrays):
    values = (np.ravel(each).astype(np.longdouble) for each in arrays)
    return sum(Fraction(*each.as_integer_ratio()) ** 2 for flat in values for each in flat)


def assert_is_norm(norm, *arrays):
    """A norm of some thousand elements is off by less than two units in the last place."""
    __tracebackhide__ = True
    total = exact_sum_of_squares(*arrays)
    assert abs(Fraction(norm) ** 2 - total) <= total / 2**50


def test_all_arrays_are_scaled_by_one_number():
    grads = [np.array([[3.0, 0.0]]), np.array([-4.0], np.float32)]
    first, second = grads
    norm = fr.clip_grad_norm_(grads, 1)
    assert norm == 5.0
    assert type(norm) is float
    assert first.tolist() == [[3 * (1 / 5), 0.0]]
    assert_same_bytes(second, np.float32(-4) * np.float32([1 / 5]))
    assert fr.clip_grad_norm_(first, max_norm=10) == first[0, 0]


@pytest.mark.parametrize("max_norm", [5.0, 5, 6.5, INF, np.float32(5), np.array(5.0), np.int8(5)])
def test_a_norm_that_is_not_above_the_limit_changes_nothing(max_norm):
    grads = [np.array([3.0, -0.0]), np.array([4.0], np.float32)]
    before = [each.copy() for each in grads]
    assert fr.clip_grad_norm_(grads, max_norm) == 5.0
    for each, same in zip(grads, before, strict=True):
        assert_same_bytes(each, same)


def test_0_makes_gradients_0():
    x = np.array([3.0, -4.0])
    assert fr.clip_grad_norm_(x, 0) == 5.0
    assert_same_bytes(x, np.array([0.0, -0.0]))
    assert fr.clip_grad_norm_(x, 0.0) == 0.0


@every_float
def test_every_dtype(dtype):
    for length in LENGTHS:
        grads = [numbers(length, dtype), numbers((length, 2), dtype, seed=1)]
        expected = [each.copy() for each in grads]
        norm = reference.clip_grad_norm_(expected, 0.75)
        assert_is_norm(norm, *grads)
        assert fr.clip_grad_norm_(grads, 0.75) == norm
        for each, scaled in zip(grads, expected, strict=True):
            assert_same_bytes(each, scaled)


@every_float
def test_every_layout(dtype):
    for n in (7, 600, 3000):
        values = numbers(n, dtype)
        for name, layout in LAYOUTS.items():
            x = layout.place(values)
            dense = np.array(x)
            assert fr.clip_grad_norm_(x, 0.5) == fr.clip_grad_norm_(dense, 0.5), name
            assert_same_bytes(np.array(x), dense)
            assert cases.guards_intact(x), name


def large_views():
    """Views of more elements than are copied at once."""
    yield numbers(2 * PIECE + 1000)[::2]
    yield numbers((900, 300)).T
    yield numbers((3, 100_000)).T
    yield numbers((100_000, 3)).T
    yield numbers((20, 30, 40, 50))[:, ::-1].transpose(2, 0, 3, 1)
    yield numbers((1, 2, 2 * PIECE + 7))[..., ::-1]
    yield np.asfortranarray(numbers((500, 2, 3, 100)))


@pytest.mark.parametrize("x", [*large_views()], ids=lambda each: f"{each.shape}")
@pytest.mark.parametrize("dtype", [np.float32, np.longdouble, ">f8"])
def test_large_arrays_of_any_layout(x, dtype):
    view = x.astype(dtype)  # keeps the order of axes, not the gaps between elements
    view = np.repeat(view, 2, axis=-1)[..., ::2] if view.flags.c_contiguous else view
    assert not view.flags.c_contiguous
    dense = view.astype(view.dtype.newbyteorder("="), order="C")
    assert fr.clip_grad_norm_(view, 0.5) == fr.clip_grad_norm_(dense, 0.5)
    assert_same_bytes(np.array(view, dense.dtype, order="C"), dense)


def test_large_arrays_are_as_the_reference_has_them():
    expected = numbers((301, 700), np.float16)
    x = expected.copy()
    assert fr.clip_grad_norm_(x, 7.5) == reference.clip_grad_norm_(expected, 7.5)
    assert_same_bytes(x, expected)


def test_the_same_bits_on_all_threads_and_instruction_sets():
    grads = [numbers(4_000_001), numbers((1000, 700), np.float64).T, numbers(10, np.float16)]
    results = set()
    for isa in ISAS:
        for threads in (1, 2, 3):
            copies = [each.copy("K") for each in grads]
            with forced_isa(isa), fr.num_threads(threads):
                norm = fr.clip_grad_norm_(copies, 1)
            results.add((norm, *(each.tobytes() for each in copies)))
    assert len(results) == 1


def test_arrays_may_come_as_they_like():
    for make in (
        list,
        tuple,
        iter,
        lambda each: (one for one in each),
        np.stack,
    ):
        assert fr.clip_grad_norm_(make([np.array([3.0]), np.array([4.0])]), 1) == 5.0
    x = array("d", [3.0, 4.0])
    assert fr.clip_grad_norm_(x, 1) == 5.0
    assert list(x) == [3 * (1 / 5), 4 * (1 / 5)]
    x = array("d", [3.0, 0.0, 4.0, 0.0])
    assert fr.clip_grad_norm_([memoryview(x)[:2], memoryview(x)[2:]], 5 / 2) == 5.0
    assert list(x) == [1.5, 0.0, 2.0, 0.0]
    x = np.array(-2.0)
    assert fr.clip_grad_norm_([x], 1) == 2.0
    assert x == -1.0
    record = np.array([(3.0, 1), (4.0, 2)], "f4,i8")
    assert fr.clip_grad_norm_(record["f0"], 5 / 2) == 5.0
    assert record.tolist() == [(1.5, 1), (2.0, 2)]
    x = np.array([3.0, 4.0]).view(np.recarray)
    assert fr.clip_grad_norm_(x, 5 / 2) == 5.0
    assert x.tolist() == [1.5, 2.0]


@pytest.mark.parametrize("grads", [[], (), iter([]), np.empty((3, 0)), [np.empty(0), np.empty(0)]])
def test_without_elements_the_norm_is_0(grads):
    assert fr.clip_grad_norm_(grads, 1) == 0.0


@every_float
def test_a_norm_that_is_not_finite_changes_nothing(dtype):
    for value in (NAN, INF, -INF):
        with np.errstate(all="ignore"):
            bad = np.array([1, value, 2]).astype(dtype)
        if np.isfinite(bad.astype(np.float64)).all():
            continue
        good = np.array([3.0, 4.0])
        before = bad.copy(), good.copy()
        norm = fr.clip_grad_norm_([good, bad], 1)
        assert math.isnan(norm) if np.isnan(bad).any() else norm == INF
        assert_same_bytes(bad, before[0])
        assert_same_bytes(good, before[1])
    both = np.array([INF, NAN])
    assert math.isnan(fr.clip_grad_norm_(both, 1))
    wide = np.array([1e300, 1e300])
    assert math.isnan(fr.clip_grad_norm_([wide, np.array([NAN])], 1))
    assert fr.clip_grad_norm_([wide, np.array([INF], np.float32)], 1) == INF


EXTREMES = {
    "large": np.array([3e300, -4e300, 1e280]),
    "largest": np.array([0.9 * np.finfo(float).max, 1e300]),
    "small": np.array([3e-200, 4e-200, 1e-210]),
    "subnormal": np.array([3.0, -4.0]) * 2.0**-1074,
    "small and many": np.full(1000, 2.0**-530),
    "two of them": np.linspace(1e-163, 1e-162, 700),
    "large longdouble": np.array([3e300, -4e300], np.longdouble),
    "large, Fortran": np.asfortranarray(np.full((30, 40), 2e300)),
    "single": np.full(1000, np.finfo(np.float32).max, np.float32),
    "small single": np.full(1000, 2.0**-149, np.float32),
}


@pytest.mark.parametrize("x", EXTREMES.values(), ids=EXTREMES)
def test_squares_neither_overflow_nor_vanish(x):
    norm = fr.clip_grad_norm_(x.copy("K"), INF)
    assert math.isfinite(norm)
    exact = exact_sum_of_squares(x)
    unit = Fraction(2) ** -1074
    root = Fraction(math.isqrt(int(exact * 2**2400))) / 2**1200
    assert abs(Fraction(norm) - root) <= root / 2**50 + unit


def test_extreme_arrays_beside_others():
    large, small = np.array([3e200, 4e200]), np.full(5, 1e38, np.float32)
    assert fr.clip_grad_norm_([small, large, np.empty(0)], 1) == pytest.approx(5e200, rel=1e-15)
    assert large.tolist() == pytest.approx([0.6, 0.8])
    assert not small.any()
    small, zeros = np.array([3e-200, 4e-200]), np.zeros(5, np.float32)
    assert fr.clip_grad_norm_([zeros, small], 1e-300) == pytest.approx(5e-200, rel=1e-15)
    assert small.tolist() == pytest.approx([6e-301, 8e-301], rel=1e-14)
    assert fr.clip_grad_norm_([zeros, np.zeros(3)], 1) == 0.0


def test_a_norm_beyond_float64_is_infinite():
    x = np.full(4, np.finfo(float).max)
    before = x.copy()
    assert fr.clip_grad_norm_(x, 1) == INF
    assert_same_bytes(x, before)


@pytest.mark.parametrize(
    ("value", "max_norm", "dtype"),
    [
        (3e38, 1e-3, np.float32),
        (1e38, 1e-5, np.float32),
        (3e38, 1e-30, np.float32),
        (2.0**-20, 2.0**-125, np.float32),
        (1e300, 1e-10, np.float64),
        (1e308, 1e-300, np.float64),
    ],
)
def test_the_scale_may_be_smaller_than_any_number_of_the_dtype(value, max_norm, dtype):
    x = np.array([value, 0.7 * value, value / 1e9], dtype)
    before = x.copy()
    norm = fr.clip_grad_norm_(x, max_norm)
    quotient = Fraction(max_norm) / Fraction(norm)
    unit = Fraction(float(np.finfo(dtype).eps))
    for each, was in zip(x, before, strict=True):
        exact = Fraction(float(was)) * quotient
        smallest = Fraction(float(np.finfo(dtype).smallest_subnormal))
        assert abs(Fraction(float(each)) - exact) <= 2 * unit * exact + smallest


def overlapping():
    x = np.arange(1.0, 9.0)
    yield [x, x]
    yield [x[:5], np.ones(3), x[4:]]
    yield [x[::2], x[::-1]]
    yield [x, x[:0], x.view(np.float32)[3:5]]
    yield [x[::2], x[1:2], x[4:5]]
    yield [np.ones(3), x, np.ones(2), memoryview(x)[7:]]


@pytest.mark.parametrize("grads", [*overlapping()], ids=range(6))
def test_gradients_that_share_memory_are_refused(grads):
    before = [np.array(each) for each in grads]
    with pytest.raises(ValueError, match=r"^clip_grad_norm_: grads\[\d\] and .* share"):
        fr.clip_grad_norm_(grads, 1)
    for each, same in zip(grads, before, strict=True):
        assert_same_bytes(np.array(each), same)


def test_gradients_side_by_side_are_not_refused():
    x = np.full((40, 40), 2.0)
    assert fr.clip_grad_norm_([x[::2, ::2], x[1::2], x[::2, 1::2], x[:0], x[:0]], 40) == 80.0
    assert (x == 1).all()


def test_elements_that_lie_on_each_other_are_scaled_once():
    x = np.ones(4)
    windows = np.lib.stride_tricks.sliding_window_view(x, 2, writeable=True)
    assert fr.clip_grad_norm_(windows, math.sqrt(6) / 2) == math.sqrt(6)
    assert x.tolist() == [0.5] * 4


class Own(np.ndarray):
    pass


WRONG = {
    "integers": np.arange(3),
    "array of integers": array("i", [1]),
    "bool": np.array([True]),
    "complex": np.array([1j]),
    "object": np.array([1.0], object),
    "list": [1.0, 2.0],
    "number": 1.0,
    "None": None,
    "text": "text",
    "bytes": bytes(8),
    "masked": np.ma.array([1.0, 2.0], mask=[0, 1]),
    "subclass": np.ones(2).view(Own),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_holds_no_floats_is_refused(wrong):
    good = np.array([3.0, 4.0])
    with pytest.raises(TypeError, match=r"^clip_grad_norm_"):
        fr.clip_grad_norm_([good, wrong], 1)
    with pytest.raises(TypeError, match=r"^clip_grad_norm_"):
        fr.clip_grad_norm_(wrong, 1)
    assert good.tolist() == [3.0, 4.0]


def test_messages_say_which_gradient():
    for wrong in ([1.0], np.arange(2), np.ma.ones(2)):
        with pytest.raises(TypeError, match=r"^clip_grad_norm_.*grads\[1\]"):
            fr.clip_grad_norm_([np.ones(1), wrong], 1)


def test_read_only_gradients_are_refused():
    good = np.array([3.0, 4.0])
    for wrong in (np.broadcast_to(1.0, 3), memoryview(good.copy()).toreadonly()):
        with pytest.raises(ValueError, match=r"^clip_grad_norm_.*grads\[1\].*read-only"):
            fr.clip_grad_norm_([good, wrong], 1)
    released = memoryview(good.copy())
    released.release()
    with pytest.raises(ValueError, match=r"^clip_grad_norm_.*released"):
        fr.clip_grad_norm_(released, 1)
    assert good.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("max_norm", [-1, -1e-300, -INF, NAN, np.float32(-1)])
def test_a_limit_below_0_is_refused(max_norm):
    x = np.array([3.0, 4.0])
    with pytest.raises(ValueError, match=r"^clip_grad_norm_: max_norm .* must be 0 or above"):
        fr.clip_grad_norm_(x, max_norm)
    assert x.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("max_norm", ["1", None, 1j, True, [1.0], np.ones(1), 10**400])
def test_a_limit_that_is_no_number_is_refused(max_norm):
    x = np.array([3.0, 4.0])
    with pytest.raises(TypeError, match=r"^clip_grad_norm_: max_norm must"):
        fr.clip_grad_norm_(x, max_norm)
    assert x.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("step", [1, 2])
@every_float
def test_nothing_is_reported(dtype, step, isa):
    few = [cases.sample(dtype, 100 * step, 0)[::step], np.array([5e-324, 1e308])]
    limits = cases.from_patterns([1, 2, 3], dtype), numbers(700, dtype)
    with forced_isa(isa), np.errstate(all="raise"):
        fr.clip_grad_norm_(few, 1)
        fr.clip_grad_norm_(limits, 1e-3)
        fr.clip_grad_norm_([signalling_nan(np.float64), signalling_nan(np.float32)], 1)


def test_memory_does_not_grow_with_the_arrays():
    size = 4_000_000
    grads = [numbers(size), numbers((2000, 2000)).T, numbers(size)[::2], np.full(size, 1e200)]
    tracemalloc.start()
    try:
        fr.clip_grad_norm_(grads, 1)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3_000_000
