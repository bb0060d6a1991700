"""Counts of active elements, from arrays and from masks."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import IntEnum
from itertools import combinations
from math import prod

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference
from fastrelu.testing import cases
from numpy.exceptions import AxisError
from support import asks_too_much, reported, signalling_nan

NATIVE = [*"bBhHiIqQefdg"]
ML_FLOATS = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float4_e2m1fn"]
SHAPES = [
    (),
    (0,),
    (1,),
    (3, 0),
    (0, 3),
    (5, 70),
    (300, 9),
    (257, 3),
    (3, 4, 5),
    (2, 300, 3),
    (2, 3, 4, 67),
]
SHAPES += [(600, 2, 33), (70, 1031)]


def dtype_called(name):
    if name in ML_FLOATS:
        return np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))
    return np.dtype(name)


def axes_of(shape):
    """Every choice of axes."""
    yield None
    for n in range(len(shape) + 1):
        yield from combinations(range(len(shape)), n)
    yield from range(-len(shape), len(shape))


def assert_same(actual, expected):
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    assert np.shape(actual) == np.shape(expected)
    assert np.array_equal(actual, expected, equal_nan=np.asarray(actual).dtype.kind == "f")


def assert_all_right(x, axis):
    """Hold the three functions against the reference."""
    for name in ("active_count", "sparsity", "dead_units"):
        actual = getattr(fr, name)(x, axis)
        assert_same(actual, getattr(reference, name)(x, axis))
        kinds = {"active_count": int, "sparsity": float, "dead_units": bool}
        assert axis is not None or type(actual) is kinds[name]


@pytest.mark.parametrize("name", [*NATIVE, *ML_FLOATS])
def test_every_dtype_and_shape(name, isa):
    dtype = dtype_called(name)
    for shape in SHAPES:
        x = cases.sample(dtype, int(np.prod(shape)), seed=1).reshape(shape)
        for axis in axes_of(shape):
            assert np.array_equal(fr.active_count(x, axis), reference.active_count(x, axis))


def test_results_and_their_types():
    for shape in SHAPES:
        x = cases.sample("float32", int(np.prod(shape)), seed=2).reshape(shape)
        for axis in axes_of(shape):
            assert_all_right(x, axis)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_counters_do_not_overflow(dtype, value, isa):
    """All active, in more rows and longer runs than a lane of a byte counts."""
    x = np.full((70_000, 65), value).astype(dtype)
    active = x.flat[0] > 0
    assert fr.active_count(x) == active * x.size
    assert (fr.active_count(x, 0) == active * len(x)).all()
    assert (fr.active_count(x.T, 0) == active * 65).all()
    assert fr.sparsity(x) == 1 - active


@pytest.mark.parametrize("name", ["float32", "float16", "int8", "longdouble"])
def test_layouts(name):
    flat = cases.sample(name, 6 * 7 * 40, seed=3)
    x = flat.reshape(6, 7, 40)
    moved = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    views = [x[::-1], x[:, ::-1, ::-1], x[:, :, ::3], x[:, 2:-1], x.T, x.transpose(1, 0, 2), moved]
    views += [
        np.asfortranarray(x)[::-1],
        np.broadcast_to(x[:1], x.shape),
        x.astype(x.dtype.newbyteorder()),
    ]
    for view in views:
        for axis in axes_of(view.shape):
            assert_all_right(view, axis)
    assert fr.active_count([-1, 0, 2]) == 1
    assert fr.active_count(3.0) == 1


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_any_number_of_threads(threads):
    x = np.resize(cases.sample("float32", 99_991), (3, 1500, 1031))
    with fr.num_threads(threads):
        for axis in (None, 0, 1, 2, (0, 2), (1, 2)):
            assert np.array_equal(fr.active_count(x, axis), np.sum(~(x <= 0), axis))


LARGE = [
    (1031, 257),
    (70_001, 3),
    (5, 70_001),
    (4000, 64),
    (300, 1024),
    (263_000,),
    (9, 33, 57, 31),
]


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_dead_units_of_arrays_that_are_done_in_parts(shape, threads, isa):
    """Few elements fire, so that each is needed to tell who is dead."""
    x = -np.ones(shape, np.float32)
    fires = np.random.default_rng(1).integers(0, x.size, 3 + x.shape[-1] // 2)
    x.flat[fires] = 1
    with fr.num_threads(threads):
        for axis in axes_of(shape):
            for _ in range(2):  # from the second call on, threads are awake
                assert_same(fr.dead_units(x, axis), reference.dead_units(x, axis))


def test_never_reports(isa):
    x = np.repeat(np.append(signalling_nan(), cases.special_values("float32")), 40)
    for function in (fr.active_count, fr.sparsity, fr.dead_units):
        for axis in (None, 0):
            assert reported(lambda f=function, a=axis: f(x.reshape(40, -1), a)) == set()


def test_of_nothing():
    empty = np.empty((0, 3), np.float32)
    assert fr.active_count(empty) == 0
    assert np.isnan(fr.sparsity(empty))
    assert np.isnan(fr.sparsity(empty, 0)).tolist() == [True] * 3
    assert fr.sparsity(empty, 1).shape == (0,)
    assert fr.dead_units(empty).tolist() == [True] * 3


def packed(x):
    return np.packbits(~(x <= 0).ravel(), bitorder="little")


def test_masks():
    for shape in (*SHAPES, (4, 8), (40, 16), (3, 16, 8), (1000, 700)):
        x = cases.sample("float32", int(np.prod(shape)), seed=4).reshape(shape)
        mask = packed(x)
        for axis in axes_of(shape):
            for name in ("active_count", "sparsity", "dead_units"):
                actual = getattr(fr.Mask(mask, shape), name)(axis)
                expected = getattr(fr, name)(x, axis)
                assert type(actual) is type(expected)
                assert_same(actual, expected)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 63, 64, 65, 1000, 1_000_001])
def test_bits_of_a_mask(n, isa):
    bits = np.random.default_rng(n).integers(0, 256, n, np.uint8)
    expected = int(np.bitwise_count(bits).sum())
    assert fr.Mask(bits, 8 * n).active_count() == expected
    assert type(fr.Mask(bits, 8 * n).active_count()) is int
    behind = bits[1:]
    of_first = n and int(np.bitwise_count(bits[0]))
    assert fr.Mask(behind, 8 * behind.size).active_count() == expected - of_first


class Length(IntEnum):
    ROWS = 4
    COLUMNS = 6


class OwnInt(int):
    pass


def test_shapes_are_read_as_by_numpy():
    """An integer of any kind, or a sequence of them."""
    x = cases.sample("float32", 24, seed=5).reshape(4, 6)
    mask = packed(x)
    own = (OwnInt(4), OwnInt(6))
    for shape in ((Length.ROWS, Length.COLUMNS), own, [4, 6], np.array([4, 6]), np.int64([4, 6])):
        for axis in (0, 1, None, (0, 1)):
            for name in ("active_count", "sparsity", "dead_units"):
                actual = getattr(fr.Mask(mask, shape), name)(axis)
                assert_same(actual, getattr(fr, name)(x, axis))
    one = IntEnum("One", {"SIZE": 24}).SIZE
    for size in (24, one, OwnInt(24), np.int64(24), np.uint8(24), np.array(24)):
        for axis in (0, -1, None):
            for name in ("active_count", "sparsity", "dead_units"):
                actual = getattr(fr.Mask(mask, size), name)(axis)
                assert_same(actual, getattr(fr, name)(x.ravel(), axis))


NO_SHAPES = {
    "bool": (True, TypeError),
    "bool as a length": ((True, 1), TypeError),
    "float": (1.0, TypeError),
    "floats": ((1.0, 1), TypeError),
    "text": ("1", TypeError),
    "negative": (-1, ValueError),
    "65 axes": ((1,) * 65, ValueError),
    "too large": (2**63, ValueError),
    "too large before 0": ((2**40, 2**40, 0), ValueError),
    "too large behind 0": ((0, 2**40, 2**40), ValueError),
    "wraps to 1 byte": ((2**32, 2**32, 8), ValueError),
}


@pytest.mark.parametrize("shape, error", NO_SHAPES.values(), ids=NO_SHAPES)
@pytest.mark.parametrize("size", [0, 1])
def test_what_is_no_shape_is_refused(size, shape, error):
    with pytest.raises(error, match=r"^Mask: shape must be"):
        fr.Mask(np.full(size, 1, np.uint8), shape)


def test_what_the_extension_refuses_is_never_an_answer(monkeypatch):
    """NotImplemented is true, 0 units too many."""
    monkeypatch.setattr(_core, "dead_units_of_mask", lambda *arguments: NotImplemented)
    monkeypatch.setattr(_core, "active_count_of_mask", lambda *arguments: NotImplemented)
    monkeypatch.setattr(_core, "active_count", lambda *arguments: NotImplemented)
    mask = fr.Mask(np.array([1], np.uint8), 1)
    for method in (mask.dead_units, mask.active_count, mask.sparsity):
        with pytest.raises(TypeError, match=r"^Mask"):
            method(None)
    with pytest.raises(TypeError, match=r"^active_count "):
        fr.active_count(np.ones(3))


CRAFTED = [(0, 2**58), (2**58, 0), (0, 2**62), (2**29, 0, 2**31), (0, 1, 2**58, 2)]


@asks_too_much
@pytest.mark.parametrize("shape", CRAFTED, ids=str)
def test_arrays_without_elements_of_any_shape(shape):
    """As a file of 128 bytes can hold them: the results they ask for, or NumPy's refusal."""
    x = np.empty(shape, np.int8)
    mask = fr.Mask(np.empty(0, np.uint8), shape)
    for name in ("active_count", "sparsity", "dead_units"):
        for axis in (0, 1, None, tuple(range(x.ndim))):
            reduced = range(x.ndim) if axis is None else np.atleast_1d(axis)
            kept = tuple(n for i, n in enumerate(shape) if i not in reduced)
            function, of_mask = getattr(fr, name), getattr(mask, name)
            calls = (
                (function, x, axis),
                (function, x.view(np.recarray), axis),
                (function, x.T, tuple(-1 - i for i in reduced)),
                (of_mask, axis),
            )
            for call, *arguments in calls:
                if 0 not in kept and prod(kept) > 2**57:
                    with pytest.raises((MemoryError, ValueError), match=r"allocate|too big|dim"):
                        call(*arguments)
                elif prod(kept) < 2**20:
                    assert np.shape(call(*arguments)) in (kept, kept[::-1])


@asks_too_much
def test_views_of_one_element_of_any_size():
    for size in (2**50, 2**58):
        x = np.broadcast_to(np.int8(1), (size,))
        for function in (fr.active_count, fr.sparsity, fr.dead_units):
            with pytest.raises((MemoryError, ValueError)):
                function(x)


MEMORY = """
import resource, sys
import numpy as np, fastrelu as fr
n = 1 << 23
x, mask = np.zeros((1, n), np.int8), np.zeros(n // 8, np.uint8)
floats, halves = np.empty((0, n), np.float32), np.empty((0, n), np.float16)
def limited(megabytes, call):
    call(1000)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), resource.RLIM_INFINITY))
    call(n)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    limited(80, lambda n: np.empty(12 * n))
    sys.exit(5)  # an emulator that ignores the limit
except MemoryError:
    pass
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for function in (fr.active_count, fr.sparsity):  # results of 64 MiB
    limited(80, lambda n: function(x[:, :n].copy() if n < 2000 else x, 0))
    limited(80, lambda n: function(x[:0, :n], 0))
    limited(80, lambda n: function(x[:0, :n].view(np.recarray), 0))
for function in (fr.Mask.active_count, fr.Mask.sparsity):
    limited(80, lambda n: function(fr.Mask(mask[: n // 8], (1, n)), 0))
limited(12, lambda n: fr.dead_units(x[:0, :n], 0))  # 8 MiB
limited(12, lambda n: fr.Mask(mask[:0], (0, n)).dead_units(0))
limited(40, lambda n: fr.relu_backward_with_bias(floats[:, :n], floats[:, :n]))  # 32 MiB
limited(24, lambda n: fr.relu_backward_with_bias(halves[:, :n], halves[:, :n]))  # 16 MiB
ones = np.ones((1, n), np.float32)
try:  # 32 MiB, and twice that for float64 sums of what there is
    limited(48, lambda n: fr.relu_backward_with_bias(ones[:, :n], ones[:, :n], out=ones[:, :n]))
except MemoryError:
    print("MemoryError")
"""


@asks_too_much
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's /proc")
def test_nothing_large_is_made_beside_the_result():
    environment = {**os.environ, "FASTRELU_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode == 5:
        pytest.skip("memory cannot be limited under this emulator")
    assert (run.returncode, run.stderr, run.stdout) == (0, "", "MemoryError\n")


def test_columns_that_do_not_fit_at_once():
    """More than are unpacked at a time."""
    x = cases.sample("int8", 3 * 300_001, seed=6).reshape(3, 300_001)
    for name in ("active_count", "sparsity"):
        actual = getattr(fr.Mask(packed(x), x.shape), name)(0)
        assert_same(actual, getattr(fr, name)(x, 0))


@pytest.mark.parametrize("ndim", [33, 64])
def test_as_many_axes_as_numpy_has(ndim):
    x = cases.sample("float32", 5 * 12, seed=7).reshape(5, 12)
    for plain in (x, x[:, ::2], x[::-1], x.astype(">f4")):
        deep = plain.reshape(plain.shape + (1,) * (ndim - 2))
        for name in ("active_count", "sparsity", "dead_units"):
            for axis in (None, (0,), (1,), (0, 1), ()):
                expected = getattr(fr, name)(plain, axis)
                shape = np.shape(expected) + (1,) * (ndim - 2) * (axis is not None)
                expected = expected if axis is None else np.reshape(expected, shape)
                assert_same(getattr(fr, name)(deep, axis), expected)
                assert_same(getattr(fr.Mask(packed(deep), deep.shape), name)(axis), expected)


def test_unused_bits_are_not_counted():
    mask = np.full(2, 255, np.uint8)
    for shape, axis, count in (((11,), None, 11), ((11,), 0, 11), ((1, 11), 0, [1] * 11)):
        made = fr.relu_with_mask(np.ones(shape))[1]
        made.bits[:] = mask
        assert np.array_equal(made.active_count(axis), count)


def test_common_calls_take_the_short_way():
    x = np.ones((4, 6, 5, 2), np.float32)
    mask = fr.Mask(packed(x), x.shape)
    for axis in (None, 0, 3, -1, (0, 1), (2, 3), (0, 2, 3), (3, 2, 0)):
        for function in (_core.active_count, _core.sparsity, _core.dead_units):
            assert function(x, axis) is not NotImplemented
        assert _core.dead_units_of_mask(mask, axis) is not NotImplemented
    assert _core.active_count_of_mask(mask) is not NotImplemented
    assert _core.active_count_of_mask(mask.bits) is NotImplemented
    assert _core.active_count(x, (1, 3)) is not NotImplemented
    for other in (x.T, x[::2], x.astype(">f4"), x.tolist(), x.view(np.ma.MaskedArray), x > 0):
        for function in (_core.active_count, _core.sparsity, _core.dead_units):
            assert function(other, 0) is NotImplemented
    for axis in (4, -5, (0, 0), 2**70, 1.0, True, [0], "0"):
        assert _core.active_count(x, axis) is NotImplemented
        assert _core.dead_units_of_mask(mask, axis) is NotImplemented


@pytest.mark.parametrize("units", [1, 7, 8, 9, 63, 64, 65, 200])
def test_each_unit_is_found_dead(units):
    """One unit fires at a time, once, in any row."""
    for rows in (1, 3, 70):
        for unit in range(units):
            x = np.full((rows, units), -1.0, np.float32)
            x[(unit * 7) % rows, unit] = 1
            expected = np.arange(units) != unit
            for dead in (
                fr.dead_units(x),
                fr.Mask(packed(x), x.shape).dead_units(),
                fr.dead_units(x.T.copy(), 1),
            ):
                assert_same(dead, expected)


def test_other_errors():
    x = np.ones((2, 3))
    for function in (fr.active_count, fr.sparsity, fr.dead_units):
        with pytest.raises(AxisError, match="axis 2"):
            function(x, 2)
        for bad in (x > 0, x * 1j, np.array(["a"]), None):
            with pytest.raises(TypeError):
                function(bad, None)
    mask = fr.relu_with_mask(x)[1]
    for method in (mask.active_count, mask.sparsity, mask.dead_units):
        with pytest.raises(AxisError, match=rf"^Mask\.{method.__name__}: axis 2 is out of bounds"):
            method(2)
        with pytest.raises(TypeError, match=rf"^Mask\.{method.__name__}: axis must be an int"):
            method(1.0)
