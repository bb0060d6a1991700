"""Large calls, which several threads share: the same bits and the same reports as from one."""

from __future__ import annotations

import threading
import time

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases
from support import (
    KINDS,
    arithmetic,
    array_count,
    data_count,
    every_ufunc_with_parameters,
    legal,
    parameter_names,
    reported,
    takes_floats,
    usual_dtype,
)

N = 3 << 20
"""Elements that even one-byte dtypes are shared for."""
DTYPES = ("int8", "float16", "float32", "float64", "longdouble")
FORMS = {(u.nin, data_count(u)): u for u in KINDS if takes_floats(u) and arithmetic(u) != "smooth"}
"""A function of each number of arrays and parameters: to the threads, the others are like it."""
SHARED = [(ufunc, dtype) for ufunc in FORMS.values() for dtype in DTYPES]
SHARED += [(ufunc, usual_dtype(ufunc)) for ufunc in KINDS if ufunc not in FORMS.values()]


@pytest.fixture(autouse=True)
def threads_set_back():
    before = fr.get_num_threads()
    yield
    fr.set_num_threads(before)


def layouts(flat):
    """Views of the same values: dense, strided, reversed, transposed, rows of a wider array."""
    square = flat[: 1 << 20].reshape(1 << 10, -1)
    yield "dense", flat
    yield "strided", flat[::2]
    yield "reversed", flat[::-1]
    yield "transposed", square.T
    yield "rows", square[:, 5:-7]


def same_from_any_number_of_threads(call):
    fr.set_num_threads(1)
    expected = call()
    for threads in (2, 3, 8):
        fr.set_num_threads(threads)
        for _ in range(2):  # the second call of a series finds workers awake
            actual = call()
            assert cases.bits(actual).tobytes() == cases.bits(expected).tobytes()
            assert actual.strides == expected.strides


@pytest.mark.slow
@pytest.mark.parametrize(("ufunc", "dtype"), SHARED, ids=str)
@np.errstate(all="ignore")
def test_results_are_the_same_for_any_number_of_threads(ufunc, dtype):
    values = [cases.sample(dtype, 1 << 16, seed) for seed in range(array_count(ufunc))]
    n = max(N // np.dtype(dtype).itemsize, 1 << 20)
    flat = [np.resize(each, n) for each in legal(ufunc, values)]
    for arrays in zip(*map(layouts, flat), strict=True):
        inputs = [array for _, array in arrays]
        same_from_any_number_of_threads(lambda i=inputs: ufunc(*i))


@np.errstate(all="ignore")
def test_out_in_place_and_mixed_orders():
    values = np.resize(cases.sample("float32", 1 << 16), (1 << 11, 1 << 10))
    slopes = np.linspace(-1, 2, 1 << 10, dtype=np.float32)

    def mixed():
        return fr.relu(np.asfortranarray(values), out=np.empty_like(values))

    def in_place():
        x = values.copy()
        return fr.leaky_relu(x, slopes, out=x)

    def backward_in_place():
        g = values[::-1].copy()
        return fr.relu_backward(g.T, values.T, out=g.T)

    for call in (mixed, in_place, backward_in_place):
        same_from_any_number_of_threads(call)


@pytest.mark.parametrize("at", [0, N // 2, N - 1])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_an_error_in_any_chunk_is_reported(at, threads):
    fr.set_num_threads(threads)
    x = np.ones(N, np.float32)
    for value, slope, kind in ((-3e38, 2.0, "overflow"), (-1e-38, 1e-20, "underflow")):
        x[at] = value
        for _ in range(3):
            assert reported(lambda s=slope: fr.leaky_relu(x, s)) == {kind}
            with pytest.raises(FloatingPointError), np.errstate(all="raise"):
                fr.leaky_relu(x, slope)
            assert reported(lambda: fr.relu(x)) == set()


def test_callers_on_many_threads():
    """Only one of them gets the workers; all get their results."""
    fr.set_num_threads(4)
    inputs = [cases.sample("float32", N, seed) for seed in range(6)]
    results = [None] * len(inputs)
    ready = threading.Barrier(len(inputs))

    def call(k):
        ready.wait()
        for _ in range(5):
            results[k] = fr.relu(inputs[k])

    callers = [threading.Thread(target=call, args=(k,)) for k in range(len(inputs))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    fr.set_num_threads(1)
    for x, result in zip(inputs, results, strict=True):
        assert result.tobytes() == fr.relu(x).tobytes()


def test_workers_sleep_when_there_is_nothing_to_do():
    fr.set_num_threads(4)
    x = np.ones(N, np.float32)
    for _ in range(20):
        fr.relu(x, out=x)
    time.sleep(0.01)  # they look out for a twentieth of a millisecond
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1


@every_ufunc_with_parameters
def test_parameters_per_row_and_per_column_are_shared_right(ufunc):
    dtype, names = usual_dtype(ufunc), parameter_names(ufunc)
    arrays = [np.linspace(-50, 50, 1 << 21).astype(dtype).reshape(1 << 13, -1)]
    arrays *= data_count(ufunc)
    rows, columns = arrays[0].shape
    for shape in ((rows, 1), (columns,)):
        values = [(np.linspace(-2, 2, shape[0]) * (k + 1)).astype(dtype) for k in range(len(names))]
        parameters = [each.reshape(shape) for each in cases.legal(names, values, ufunc.__name__)]
        same_from_any_number_of_threads(lambda p=parameters: ufunc(*arrays, *p))
