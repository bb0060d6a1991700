"""Several threads at once: the worker pool, recycled memory, activity logs, new dtypes, fork.

Short here; FASTRELU_STRESS_SECONDS is how long each test takes. The gate runs them under
ThreadSanitizer, `.ci/free-threaded` without a GIL.
"""

from __future__ import annotations

import contextvars
import os
import queue
import sys
import threading
import time
import warnings
from collections.abc import Callable

import fastrelu as fr
import numpy as np
import pytest
from support import run_python

SECONDS = float(os.environ.get("FASTRELU_STRESS_SECONDS", "0.3"))
MIB = 1024 * 1024
SIZES = (10, 3_000, 40_000, 300_001, 1 << 19)
IS_SANITIZED = "libtsan" in os.environ.get("LD_PRELOAD", "")

Task = Callable[[Callable[[], bool]], None]

INPUTS = [(np.arange(n) % 201 - 100).astype(np.float32) for n in SIZES]
OUTPUTS = [np.maximum(x, 0) for x in INPUTS]


@pytest.fixture(autouse=True)
def settings():
    threads, limit, interval = (
        fr.get_num_threads(),
        fr.recycle_info().limit,
        sys.getswitchinterval(),
    )
    fr.set_num_threads(4)
    fr.set_recycle_limit(16 * MIB)
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)
    fr.set_recycle_limit(limit)
    fr.set_num_threads(threads)


def check(result, expected):
    assert np.array_equal(result, expected)


# A task goes on until there is no time left. Each runs on two threads at once.


def call_ufuncs(has_time):
    while has_time():
        for x, y in zip(INPUTS, OUTPUTS, strict=True):
            check(fr.relu(x), y)
            out = np.empty_like(x)
            fr.leaky_relu(x, 0.0, out=out)
            check(out, y)
            check(fr.add_relu(x, x[::-1].copy()[::-1]), 2 * y)


def call_functions(has_time):
    x, y = INPUTS[-1].reshape(256, -1), OUTPUTS[-1].reshape(256, -1)
    gradient, sums = fr.relu_backward_with_bias(x, x)
    while has_time():
        result, mask = fr.relu_with_mask(x)
        check(result, y)
        check(fr.relu_backward_from_mask(x, mask), gradient)
        assert fr.active_count(x) == np.count_nonzero(y)
        check(fr.active_count(x, axis=0), np.count_nonzero(y, axis=0))
        check(fr.relu_backward_with_bias(x, x)[1], sums)
        check(fr.maxout(x, 4), x.reshape(256, -1, 4).max(axis=2))


def change_threads(has_time):
    while has_time():
        for n in (1, 2, 5, 3):
            fr.set_num_threads(n)
            assert fr.get_num_threads() >= 1
            check(fr.relu(INPUTS[3]), OUTPUTS[3])


_handed_on: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()


def hand_on_results(has_time):
    """What one thread made, another one reads and frees."""
    while has_time():
        for x in INPUTS[-2:]:
            _handed_on.put(fr.relu(x))
        while _handed_on.qsize() > 8:
            result = _handed_on.get()
            check(result, OUTPUTS[SIZES.index(result.size)])


def recycle(has_time):
    while has_time():
        for _ in range(50):
            fr.relu(INPUTS[-1])


def trim(has_time):
    while has_time():
        for _ in range(50):
            fr.trim()


def change_recycling(has_time):
    while has_time():
        for limit in (0, 2 * MIB, 64 * MIB):
            fr.set_recycle_limit(limit)
            result = fr.relu(INPUTS[-1])
            check(result, OUTPUTS[-1])
            del result
            assert fr.recycle_info().held >= 0
        fr.trim()


def log_alone(has_time):
    x, y = INPUTS[3], OUTPUTS[3]
    while has_time():
        with fr.activity() as log:
            with log.label("here"):
                check(fr.relu(x), y)
                fr.leaky_relu(INPUTS[0])
            assert [row.calls for row in log.step()] == [1, 1]
            fr.relu(INPUTS[1])
            assert len(log.rows) == len(log.step()) + 2 == 3
            log.clear()
            assert not log.rows


def log_together(has_time):
    """In a log that is open in another thread."""
    with fr.activity() as log:
        contexts = [contextvars.copy_context() for _ in range(2)]
        calls = [0, 0]

        def call(thread):
            while has_time():
                check(fr.relu(INPUTS[2]), OUTPUTS[2])
                calls[thread] += 1

        threads = [
            threading.Thread(target=context.run, args=(call, k))
            for k, context in enumerate(contexts)
        ]
        for thread in threads:
            thread.start()
        while has_time():
            log.step()
            assert len(str(log).splitlines()) <= 2
        for thread in threads:
            thread.join()
        assert sum(row.calls for row in log.rows) == sum(calls)


def fork(has_time):
    while has_time():
        child = os.fork()
        if child == 0:
            if IS_SANITIZED:  # it cannot start threads in a child of several
                fr.set_num_threads(1)
            is_right = np.array_equal(fr.relu(INPUTS[-1]), OUTPUTS[-1])
            fr.trim()
            os._exit(not is_right)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def run_at_once(*tasks: Task) -> None:
    end = time.monotonic() + SECONDS
    failures = []

    def run(task):
        try:
            task(lambda: time.monotonic() < end and not failures)
        except BaseException as error:  # raised again below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks for _ in range(2)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


POOL = (call_ufuncs, call_functions, change_threads)
MEMORY = (hand_on_results, change_recycling, recycle, trim)
LOGS = (log_alone, log_together)
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize(
    "tasks",
    [
        pytest.param(POOL, id="pool"),
        pytest.param(MEMORY, id="memory"),
        pytest.param(LOGS, id="logs"),
        pytest.param((*POOL, *MEMORY, *LOGS), id="all"),
        pytest.param((call_ufuncs, hand_on_results, log_alone, fork), id="fork", marks=forks),
    ],
)
def test_threads(tasks):
    run_at_once(*tasks)


MEET_DTYPES = """
import threading
import ml_dtypes
import numpy as np
import fastrelu as fr

names = ["bfloat16", *(name for name in vars(ml_dtypes) if name.startswith("float8_e"))]
names.remove("float8_e8m0fnu")  # has no negative numbers
arrays = [np.arange(-4, 4).astype(getattr(ml_dtypes, name)) for name in names]
calls = [fr.relu, fr.leaky_relu, fr.active_count, fr.relu_with_mask]
barrier = threading.Barrier(len(calls), timeout=60)
failures = []

def run(call):
    try:
        for x in arrays:
            barrier.wait()
            found = call(x)
            if call is fr.active_count:
                assert found == 3, (x.dtype, found)
            else:
                found = found[0] if isinstance(found, tuple) else found
                assert found.dtype == x.dtype, (x.dtype, found)
                assert (found[4:] == x[4:]).all(), (x.dtype, found)
    except BaseException as error:
        failures.append(error)
        barrier.abort()

threads = [threading.Thread(target=run, args=(call,)) for call in calls]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
print(len(arrays))
"""


def test_dtypes_that_threads_meet_first():
    pytest.importorskip("ml_dtypes")
    result = run_python(MEET_DTYPES)
    assert (result.returncode, result.stderr) == (0, "")
    assert int(result.stdout) >= 5


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="no Python without a GIL")
def test_import_leaves_the_gil_off():
    code = "import sys; before = sys._is_gil_enabled(); import fastrelu; {}"
    result = run_python(code.format("print(before, sys._is_gil_enabled())"), PYTHON_GIL="")
    assert result.stderr == ""
    before, after = result.stdout.split()
    assert after == before
