"""The activity log: what it counts, where, for whom; and that nobody else notices it."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference
from fastrelu.testing import cases, supported_dtypes
from fastrelu.testing.cases import LAYOUTS
from support import (
    LOOPS,
    UFUNCS,
    asks_too_much,
    assert_as_promised,
    reported,
    run_python,
    takes_slope,
)

FORWARD = {"relu": (), "leaky_relu": (0.3,)}
every_forward = pytest.mark.parametrize("name", FORWARD)


def here():
    """The line of the caller."""
    return sys._getframe(1).f_lineno


def is_active(name, x):
    x = np.asarray(x)
    return reference.positive(x) if "leaky" in name else ~(x <= x.dtype.type(0))


def only_row(log):
    (row,) = log.rows
    return row


def expected_dead(active, axis):
    return int(np.count_nonzero(~np.any(active, axis)))


@pytest.mark.parametrize("dtype", supported_dtypes(), ids=lambda dtype: f"{dtype}-{dtype.char}")
@every_forward
@np.errstate(all="ignore")
def test_counts_of_every_dtype_and_layout(name, dtype, isa):
    ufunc, slopes = getattr(fr, name), FORWARD[name]
    values = cases.sample(dtype, 130, 1)
    for layout in LAYOUTS:
        x = LAYOUTS[layout].place(values)
        plain = x.copy()
        expected = ufunc(plain, *slopes)
        active = is_active(name, plain)
        with fr.activity() as log:
            y = ufunc(x, *slopes)
        row = only_row(log)
        assert (row.function, row.calls, row.elements) == (name, 1, x.size)
        assert row.active == np.count_nonzero(active), layout
        assert row.active_share == row.active / x.size
        assert row.nan == np.count_nonzero(np.isnan(np.asarray(expected)))
        units = x[0].size if x.ndim else None
        assert row.units == units
        assert row.dead_units == (None if units is None else expected_dead(active, 0))
        assert cases.bits(y).tobytes() == cases.bits(ufunc(plain, *slopes)).tobytes()


SHAPES = [(7,), (1, 1), (5, 1), (33, 5), (64, 8), (40, 64), (20, 250), (3, 1000), (300, 3)]
SHAPES += [(45, 64), (23, 250), (7, 1001), (1100, 3), (21, 4, 64)]  # rows that are left over
SHAPES += [(4, 3, 5), (2, 3, 4, 5), (9, 16, 8, 8), (0, 5), (5, 0)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_units_of_every_axis(shape):
    rng = np.random.default_rng(2)
    axes = [0, -1, None, *({(0, 2), (0, 2, 3), (1,), (0, -1)} if len(shape) > 1 else ())]
    for axis in axes:
        if axis is not None and max(np.atleast_1d(axis)) >= len(shape):
            continue
        with fr.activity(axis) as log:
            active = np.zeros(shape, bool)
            for call in range(3):
                x = (rng.random(shape) < 0.02 + 0.01 * call).astype(np.float32)
                fr.relu(x)
                active |= x > 0
        row = only_row(log)
        alive = np.any(active, axis)
        assert (row.calls, row.units) == (3, alive.size)
        assert row.dead_units == alive.size - np.count_nonzero(alive), axis


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("name", ["float32", "int8", "float64"])
def test_units_of_large_arrays(name, threads):
    rng = np.random.default_rng(3)
    for shape, axis in [((3000, 200), 0), ((90_001, 7), 0), ((40, 30, 23, 29), (0, 2, 3))]:
        with fr.num_threads(threads), fr.activity(axis) as log, log.label("layer"):
            alive = False
            for _ in range(4):
                x = -np.ones(shape, name)
                x.flat[rng.integers(0, x.size, 30)] = 1
                for out in (None, np.empty_like(x)):
                    y = fr.relu(x, out=out)
                alive = alive | np.any(y > 0, axis)
                mask = np.empty(x.size // 8 + (x.size % 8 > 0), np.uint8)
                assert np.array_equal(fr.relu_with_mask(x, None, mask)[0], y)
        for row in log:
            assert (row.units, row.dead_units) == (alive.size, np.count_nonzero(~alive)), shape


def test_units_that_differ_are_unknown():
    with fr.activity() as log, log.label("layer"):
        fr.relu(np.ones((2, 3)))
        assert (only_row(log).units, only_row(log).dead_units) == (3, 0)
        log.step()
        fr.relu(np.ones((2, 4)))
        (row,) = log.step()
        assert (row.units, row.dead_units) == (4, 0)
        fr.relu(np.ones((5, 3)))
    assert (only_row(log).units, only_row(log).dead_units) == (None, None)
    assert only_row(log).calls == 3
    with fr.activity(axis=1) as log:
        fr.relu(np.ones(3))
    assert only_row(log).units is None


def test_every_way_of_calling():
    x = np.array([[-1.0, 2.0], [3.0, np.nan]])

    def calls():
        yield "relu", lambda: fr.relu(x)
        yield "relu", lambda: fr.relu(x, out=np.empty_like(x))
        yield "relu", lambda: fr.relu(x, np.empty_like(x))
        yield "relu", lambda: fr.relu(x.copy().T)
        yield "relu", lambda: fr.relu(x, dtype=np.float32)
        yield "relu", lambda: fr.relu(x.tolist())
        yield "relu", lambda: fr.relu_(x.copy())
        yield "relu_with_mask", lambda: fr.relu_with_mask(x)
        yield "leaky_relu", lambda: fr.leaky_relu(x)
        yield "leaky_relu", lambda: fr.leaky_relu(x, 0.2)
        yield "leaky_relu", lambda: fr.leaky_relu(x, negative_slope=np.ones(2))
        yield "leaky_relu", lambda: fr.leaky_relu(x.tolist())
        yield "leaky_relu", lambda: fr.leaky_relu_(x.copy())
        yield "leaky_relu_with_mask", lambda: fr.leaky_relu_with_mask(x, 0.2)

    for number, (name, call) in enumerate(calls()):
        with fr.activity() as log:
            call()
        row = only_row(log)
        active = np.count_nonzero(is_active(name, x))
        assert (row.function, row.calls, row.active, row.nan) == (name, 1, active, 1), number
        assert row.where == f"{__file__}:{call.__code__.co_firstlineno}", number


def test_nan_of_a_product_counts():
    with fr.activity() as log, np.errstate(invalid="ignore"):
        fr.leaky_relu(np.array([-np.inf, 1.0, np.nan]), 0.0)
    assert (only_row(log).active, only_row(log).nan) == (1, 2)


def test_what_is_not_counted():
    x = np.array([-1.0, 2.0])
    with fr.activity() as log:
        fr.relu_backward(x, x)
        fr.relu_derivative(x)
        fr.leaky_relu_backward(x, x)
        fr.relu(x, where=[True, False], out=x.copy())
        fr.relu.at(x, [0])
        with pytest.raises(TypeError):
            fr.relu(np.array([True]))
    assert log.rows == ()
    assert " ".join(str(log).split()) == "where function calls elements active dead units NaN"


def test_places():
    x = np.ones((2, 2))
    with fr.activity() as log:
        for _ in range(3):
            fr.relu(x)
            first = here() - 1
            fr.relu(x), fr.relu(x), fr.leaky_relu(x)
    rows = [(row.where, row.function, row.calls) for row in log]
    assert rows == [
        (f"{__file__}:{first}", "relu", 3),
        (f"{__file__}:{first + 2}", "relu", 6),
        (f"{__file__}:{first + 2}", "leaky_relu", 3),
    ]
    assert len(log) == 3


def test_labels():
    x = np.ones((2, 2))
    with fr.activity() as log:
        for _ in range(2):
            for layer in range(2):
                with log.label(f"layer {layer}"):
                    fr.relu(x)
                    with log.label("inner"):
                        fr.relu(x)
                    fr.relu(x)
        fr.relu(x)
        line = here() - 1
    assert [(row.where, row.calls) for row in log] == [
        ("layer 0", 4),
        ("inner", 4),
        ("layer 1", 4),
        (f"{__file__}:{line}", 1),
    ]
    with pytest.raises(TypeError, match="int"), log.label(3):
        pass


def test_logs_in_logs_count_both():
    x = np.ones((2, 2))
    with fr.activity() as outer:
        fr.relu(x)
        with fr.activity(axis=1) as inner, outer.label("both"):
            fr.relu(x)
        fr.relu(x)
    assert sum(row.calls for row in outer) == 3
    assert [row.where for row in outer][1] == "both"
    assert [row.calls for row in inner] == [1]
    assert inner.rows[0].where.startswith(__file__)


def test_steps():
    with fr.activity() as log, log.label("layer"):
        for step in range(3):
            fr.relu(np.eye(4)[: step + 1])
            (row,) = log.step()
            assert (row.calls, row.active, row.dead_units) == (1, step + 1, 3 - step)
        assert log.step() == ()
    assert [[row.active for row in rows] for rows in log.history] == [[1], [2], [3], []]
    assert (only_row(log).calls, only_row(log).active, only_row(log).dead_units) == (3, 6, 1)
    log.clear()
    assert (log.rows, log.history) == ((), ())


@pytest.mark.parametrize("threads", [1, 8])
def test_one_nan_among_many(threads):
    x = np.ones((1000, 700), np.float32)
    for place in (0, 123_456, x.size - 1):
        x.flat[place] = np.nan
        with fr.num_threads(threads), fr.activity() as log, log.label("layer"):
            for _ in range(2):
                fr.relu(x)
        assert (only_row(log).nan, only_row(log).active) == (2, 2 * x.size)
        x.flat[place] = 1


def overflowing(units, during):
    """Call leaky_relu with an x in which these units fire, and something while it runs."""
    x = np.full((1, 4), -3e38, np.float32)
    x[0, units] = 1
    with np.errstate(over="call", call=lambda *_: during()):
        fr.leaky_relu(x, 8)


def test_a_step_that_ends_while_a_call_runs():
    with fr.activity() as log, log.label("layer"):
        overflowing([0], lambda: None)
        overflowing([1], log.step)  # in no step, as the second one has begun
        overflowing([2], lambda: None)
        log.step()
    (first,), (second,) = log.history
    assert [(row.calls, row.active, row.dead_units) for row in (first, second)] == [(1, 1, 3)] * 2
    assert (only_row(log).calls, only_row(log).active, only_row(log).dead_units) == (3, 3, 1)


def test_what_is_cleared_while_a_call_runs():
    with fr.activity() as log, log.label("layer"):
        overflowing([0], lambda: None)
        overflowing([1], log.clear)
        assert log.rows == ()
        overflowing([2], lambda: None)
    assert (only_row(log).calls, only_row(log).dead_units) == (1, 3)


def test_units_that_fired_in_different_steps():
    with fr.activity() as log, log.label("layer"):
        for unit in (0, 2):
            fr.relu(np.eye(4)[unit : unit + 1])
            log.step()
        fr.relu(np.eye(4)[3:])
    assert only_row(log).dead_units == 1


def test_the_table():
    with fr.activity() as log:
        fr.relu(np.ones((1000, 5), np.float32))
        line = here() - 1
        with log.label("second"):
            fr.leaky_relu(-np.ones(3))
    _, first, second = [" ".join(line.split()) for line in str(log).splitlines()]
    assert first == f"test_activity.py:{line} relu 1 5,000 100.0% 0 of 5 0"
    assert second == "second leaky_relu 1 3 0.0% 1 of 1 0"
    assert repr(log) == "<ActivityLog of 2 rows, 0 steps>"


def test_nothing_is_counted_after_the_block():
    x = np.ones((2, 2))
    with fr.activity() as log:
        fr.relu(x)
        context = contextvars.copy_context()
    with fr.activity():
        context.run(fr.relu, x)
        fr.relu(x)
    fr.relu(x)
    assert only_row(log).calls == 1


def test_an_error_in_the_block_closes_the_log():
    with pytest.raises(KeyError), fr.activity() as log:
        fr.relu(1.0)
        raise KeyError
    fr.relu(1.0)
    assert only_row(log).calls == 1
    assert _core.activity_logs.get(()) == ()


# Who is counted.


def test_threads_begin_without_a_log():
    x = np.ones((2, 2))
    with fr.activity() as log, log.label("main"), ThreadPoolExecutor(1) as pool:
        pool.submit(fr.relu, x).result()
        assert log.rows == ()
        pool.submit(contextvars.copy_context().run, fr.relu, x).result()
        fr.relu(x)
    assert only_row(log).calls == 2


def test_threads_have_logs_of_their_own():
    calls = 200
    x = np.ones((4, 4), np.float32)
    barrier = threading.Barrier(4)
    logs = {}

    def work(number):
        barrier.wait()
        with fr.activity() as log, log.label(str(number)):
            for _ in range(calls + number):
                fr.relu(x, out=x)
        logs[number] = log

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, log in logs.items():
        assert (only_row(log).where, only_row(log).calls) == (str(number), calls + number)


def test_one_log_of_many_threads():
    x = np.ones((100, 1000), np.float32)
    with fr.activity() as log, log.label("all"), ThreadPoolExecutor(4) as pool:
        contexts = [contextvars.copy_context() for _ in range(40)]
        list(pool.map(lambda context: context.run(fr.relu, x), contexts))
    assert (only_row(log).calls, only_row(log).active) == (40, 40 * x.size)


def test_tasks_do_not_mix():
    x = np.ones((2, 2))

    async def logged(name, calls, turn, after):
        with fr.activity() as log, log.label(name):
            for _ in range(calls):
                fr.relu(x)
            turn.set()
            await after.wait()
            fr.relu(x)
        return log

    async def main():
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(logged("a", 1, *events), logged("b", 2, *events[::-1]))

    with fr.activity() as outer:
        first, second = asyncio.run(main())
    assert [(row.where, row.calls) for row in first] == [("a", 2)]
    assert [(row.where, row.calls) for row in second] == [("b", 3)]
    assert sum(row.calls for row in outer) == 5


# Nobody else notices.


def test_results_are_those_without_a_log():
    for loop in LOOPS:
        for arrays in loop.samples(77):
            with np.errstate(all="ignore"):
                expected = loop.ufunc(*arrays)
                with fr.activity():
                    actual = loop.ufunc(*arrays)
            assert_as_promised(loop.ufunc, actual, *arrays, expected=expected)
            assert actual.strides == expected.strides


BAD_CALLS = {
    "none": lambda u, x: u(),
    "too many": lambda u, x: u(x, 1, 2, 3, 4),
    "bool": lambda u, x: u(x > 0),
    "text": lambda u, x: u("text"),
    "keyword": lambda u, x: u(x, wrong=1),
    "out": lambda u, x: u(x, out=np.empty(3)),
    "out's type": lambda u, x: u(x, out=[1]),
    "read-only": lambda u, x: u(x, out=np.broadcast_to(0.0, x.shape)),
    "two outs": lambda u, x: u(x, out=(x, x)),
    "twice": lambda u, x: u(x, 0.1, negative_slope=0.2),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda each: each.__name__)
def test_errors_are_those_without_a_log(ufunc, call):
    def outcome():
        try:
            return repr(call(ufunc, np.ones((2, 2))))
        except Exception as error:
            return type(error), str(error)

    expected = outcome()
    with fr.activity() as log:
        assert outcome() == expected
    assert all(row.calls == 1 for row in log)


def test_reports_are_those_without_a_log():
    x = np.array([-3e38, 1, -1e-45] * 30, np.float32)
    for ufunc in UFUNCS:
        if takes_slope(ufunc):
            arrays = [x] * (ufunc.nin - 1)
            expected = reported(lambda u=ufunc, a=arrays: u(*a, 4.3))
            with fr.activity():
                assert reported(lambda u=ufunc, a=arrays: u(*a, 4.3)) == expected
    words = r"overflow encountered in leaky_relu$"
    with (
        fr.activity(),
        np.errstate(over="raise"),
        pytest.raises(FloatingPointError, match=words),
    ):
        fr.leaky_relu(x, 4.3)


def test_subclasses_and_objects_of_others():
    class Own(np.ndarray):
        pass

    class Foreign:
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return ufunc(np.ones(3))

    own = np.ones((2, 2)).view(Own)
    masked = np.ma.array(np.ones((2, 2)), mask=[[True, False], [False, False]])
    with fr.activity() as log:
        assert type(fr.relu(own)) is Own
        assert fr.relu(Foreign()).tolist() == [1, 1, 1]
        assert type(fr.relu(masked)) is type(masked)
    assert [row.calls for row in log] == [1, 1, 1]


def test_entries_come_back():
    """The ufuncs are the same objects; calls of a log's length are all that is observed."""
    for _ in range(3):
        with fr.activity(), fr.activity() as log:
            fr.relu(1.0)
        fr.relu(1.0)
        assert only_row(log).calls == 1


@pytest.mark.parametrize("axis", [1.5, "0", True, [0], [0, 2], (0, 1.5), ([0],), np.arange(2)])
def test_wrong_axes_are_refused_at_the_call(axis):
    with pytest.raises(
        TypeError, match=r"^activity: axis must be an int, a tuple of ints or None,"
    ):
        fr.activity(axis)


def test_all_axes_are_one_unit():
    """As for dead_units(x, axis=None), whatever the shapes of the calls."""
    with fr.activity(axis=None) as log, log.label("layer"):
        fr.relu(-np.ones((2, 3)))
        assert [(row.units, row.dead_units) for row in log.step()] == [(1, 1)]
        fr.relu(np.ones((4, 5, 6)))
        assert [(row.units, row.dead_units) for row in log.step()] == [(1, 0)]
    assert (only_row(log).units, only_row(log).dead_units) == (1, 0)
    assert "0 of 1" in str(log)


# Counting fails no call.


@pytest.mark.parametrize("units", [2**40, 2**60], ids=str)
def test_more_units_than_there_is_memory_for(units):
    """Arrays of no elements may have them; their results are given back."""
    for ufunc in (fr.relu, fr.leaky_relu, fr.relu6):
        x = np.empty((0, units), np.int8 if ufunc is not fr.leaky_relu else np.float16)
        if units * x.itemsize * 4 >= 2**63:  # leaky_relu's mask, say
            continue
        with fr.activity() as log, log.label("layer"):
            y = ufunc(x)
            assert y.shape == x.shape and sys.getrefcount(y) == 2
            out = np.empty_like(x)
            before = sys.getrefcount(out)
            for _ in range(3):
                ufunc(x, out=out)
            assert sys.getrefcount(out) == before
            (row,) = log.step()
            assert (row.calls, row.elements, row.units, row.dead_units) == (4, 0, units, units)
        assert only_row(log) == row
        assert log.missed == 0


def limited(code):
    """Run it in a process that may have so much more memory than it has after its imports."""
    pytest.importorskip("resource")
    result = run_python(
        f"""
import resource
import numpy as np, fastrelu as fr
from fastrelu import _core
fr.set_num_threads(1)
fr.set_recycle_limit(0)

def limit(more):
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + more, resource.RLIM_INFINITY))

{code}
"""
    )
    assert result.returncode == 0, result.stderr


@asks_too_much
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_memory_for_units_they_are_unknown():
    limited(
        """
x = np.zeros((1, 1 << 27), np.int8)
out = np.empty_like(x)
with fr.activity() as log, log.label("layer"):
    limit(8 << 20)
    for _ in range(2):
        assert fr.relu(x, out=out) is out
    (row,) = log.rows
    assert (row.calls, row.elements, row.active) == (2, 2 * x.size, 0), row
    assert (row.units, row.dead_units, log.missed) == (None, None, 0), row
assert str(log).splitlines()[1].split()[5] == "?"
"""
    )


@asks_too_much
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_memory_for_a_copy_calls_are_missed():
    limited(
        """
x = np.zeros((1 << 12, 1 << 14), np.int8)[:, :-1]
out = np.empty((1 << 12, 1 << 14), np.int8)[:, :-1]
small = np.ones(3, np.float32)
with fr.activity() as log, log.label("layer"):
    limit(8 << 20)
    for _ in range(2):
        assert fr.relu(x, out=out) is out
        fr.relu(small)
    (row,) = log.rows
    assert (row.calls, row.elements, log.missed) == (2, 6, 2), (row, log.missed)
    assert str(log).splitlines()[-1] == "not counted, for lack of memory: 2"
    log.clear()
    assert log.missed == 0
"""
    )


def test_each_allocation_fails_once():
    """Calls give what they give without a log; each is counted or missed."""
    pytest.importorskip("_testcapi")
    result = run_python(
        """
import _testcapi
import numpy as np, fastrelu as fr
from fastrelu import _core
x, out = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
mask = np.empty(1, np.uint8)
calls = [
    lambda: fr.relu(x, out=out),
    lambda: fr.leaky_relu(x, out=out),
    lambda: fr.relu6(x, out=out),
    lambda: fr.relu(x, out=out, casting="no"),
    lambda: _core.relu_with_mask(x, out, mask),
]
for number, call in enumerate(calls):
    call()
    with fr.activity() as log:
        done = 0
        for n in range(60):
            _testcapi.set_nomemory(n, n + 1)
            try:
                call()
                done += 1
            except MemoryError:
                pass
            finally:
                _testcapi.remove_mem_hooks()
        assert sum(row.calls for row in log) + log.missed == done > 50, (number, log.missed, done)
        assert all(row.units in (3, None) for row in log), number
"""
    )
    assert result.returncode == 0, result.stderr


def during_a_call(change):
    """Call leaky_relu in several ways while an error callback changes x and out."""
    for run in (
        lambda x, out: fr.leaky_relu(x, 8, out=out),
        lambda x, out: fr.leaky_relu(x, 8, out=out, casting="no"),
        lambda x, out: fr.leaky_relu_with_mask(x, 8, out),
    ):
        x = np.full((4, 6), -3e38, np.float32)
        x[0] = np.nan
        out = np.empty_like(x)
        with fr.activity() as log, log.label("layer"):
            run(np.ones((4, 6), np.float32), out)  # all units fire, so nothing is marked after
            with np.errstate(over="call", call=lambda *_, x=x, out=out: change(x, out)):
                assert run(x, out) is not None
        yield log


def test_another_shape_during_a_call():
    held = []

    def reshape(x, out):
        for array in (x, out):
            array.resize((24,), refcheck=False)
            held.extend(np.empty((7, 9)) for _ in range(9))  # in what the shape lay in

    for log in during_a_call(reshape):
        row = only_row(log)
        assert (row.calls, row.elements, row.units, row.dead_units) == (2, 48, 6, 0)


def test_another_size_or_dtype_during_a_call():
    for log in during_a_call(lambda x, out: out.resize((1,), refcheck=False)):
        assert sum(row.calls for row in log) + log.missed == 2
    for log in during_a_call(lambda x, out: setattr(out, "dtype", "S4")):
        assert sum(row.calls for row in log) + log.missed in (1, 2)  # text is not counted


def test_garbage_collection_before_a_call_reads_its_arrays():
    """Frames are objects that collection counts: a log that looks where it is called may run it."""
    x = np.ones(4, np.float32)
    out = np.ones(4, np.float32)

    class Growing:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            x.resize(1 << 20, refcheck=False)

    def call():
        return fr.relu(x, out=out)

    Growing()
    thresholds = gc.get_threshold()
    with fr.activity():
        gc.set_threshold(1)
        try:
            call()
        except ValueError:
            pass  # it was collected in time for NumPy to see that the shapes differ
        finally:
            gc.set_threshold(*thresholds)
    assert out.shape == (4,)


def test_labels_are_told_apart_to_their_ends():
    labels = ["a", "a\0b", "a\0c", "\udc80", "\udc81", "\ud83d\ude00", "\U0001f600", "", "?"]
    with fr.activity() as log:
        for _ in range(2):
            for label in labels:
                with log.label(label):
                    fr.relu(1.0)
    assert [(row.where, row.calls) for row in log] == [(label, 2) for label in labels]
    assert "a\0b" in str(log)


def test_files_with_strange_names():
    code = compile("def call(): fr.relu(1.0)", "\udc80.py", "exec")
    space = {"fr": fr}
    exec(code, space)
    with fr.activity() as log:
        space["call"]()
    assert only_row(log).where == "\udc80.py:1"


# Another package may have entries of its own.


def _vectorcall_offset(ufunc):
    """Where the pointer lies that a log changes: found by comparing, as Python does not tell."""
    size = 32
    before = (ctypes.c_void_p * size).from_address(id(ufunc))[:]
    with fr.activity():
        during = (ctypes.c_void_p * size).from_address(id(ufunc))[:]
    pairs = enumerate(zip(before, during, strict=True))
    (place,) = (k for k, (a, b) in pairs if a != b and k > 1)  # the first two are Python's
    return place * ctypes.sizeof(ctypes.c_void_p)


CALL = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p
)


@pytest.fixture
def wrap():
    """Put an entry over the one that is there, which it calls; all are undone in the end."""
    field = ctypes.c_void_p.from_address(id(fr.relu) + _vectorcall_offset(fr.relu))
    original = field.value
    kept, counts = [], []

    def put():
        found = CALL(field.value)
        counts.append(0)
        number = len(counts) - 1

        def entry(*args):
            counts[number] += 1
            return found(*args)

        kept.extend([CALL(entry), found])
        field.value = ctypes.cast(kept[-2], ctypes.c_void_p).value

    put.field, put.original, put.counts = field, original, counts
    yield put
    field.value = original


def test_an_entry_that_another_package_puts_in_meanwhile_stays(wrap):
    x = np.ones(3)
    with fr.activity() as log:
        wrap()
        fr.relu(x)
    assert only_row(log).calls == 1
    fr.relu(x)
    assert wrap.counts == [2]
    for _ in range(2):
        with fr.activity() as log:
            fr.relu(x)
            fr.relu(x)
        assert only_row(log).calls == 2
    assert wrap.counts == [6]
    assert fr.relu(x).tolist() == [1, 1, 1]


def test_an_entry_that_was_there_before_is_called(wrap):
    x = np.ones(3)
    wrap()
    for _ in range(2):
        with fr.activity() as log:
            fr.relu(x, casting="no")
        assert only_row(log).calls == 1
    fr.relu(x)
    assert wrap.counts == [3]


def test_the_entry_that_was_replaced_may_be_put_back(wrap):
    with fr.activity() as log:
        observed = wrap.field.value
        wrap.field.value = wrap.original
        fr.relu(1.0)
        assert log.rows == ()
        wrap.field.value = observed
        fr.relu(1.0)
        wrap.field.value = wrap.original
    with fr.activity() as log:
        fr.relu(1.0)
    assert only_row(log).calls == 1
    wrap.field.value = observed  # it passes on what it is given
    assert fr.relu(-1.0) == 0
