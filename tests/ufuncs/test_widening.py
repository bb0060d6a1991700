"""Leaky functions take integers to float64 on the way, without a temporary array."""

from __future__ import annotations

import tracemalloc

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases
from fastrelu.testing.cases import LAYOUTS
from support import assert_as_promised, defaults, every_widening_loop, reported, takes_slope


def call(loop, *args, **keywords):
    with np.errstate(all="ignore"):
        return loop.ufunc(*args, **keywords)


@every_widening_loop
def test_every_length(loop, isa):
    for n in cases.lengths(loop.arrays[0]):
        arrays = loop.sample(n)
        assert_as_promised(loop.ufunc, call(loop, *arrays), *arrays)


@every_widening_loop
def test_every_layout_and_slopes(loop, isa):
    for layout in LAYOUTS.values():
        arrays = [layout.place(each) for each in loop.sample(75)]
        slopes = (0.2, -3, np.float32(0.1), np.inf, layout.place(np.linspace(-1, 1, 75)))
        for slope in ((each,) for each in slopes) if takes_slope(loop.ufunc) else [()]:
            assert_as_promised(loop.ufunc, call(loop, *arrays, *slope), *arrays, *slope)


@every_widening_loop
def test_into_float_arrays(loop, isa):
    arrays = [*loop.sample(100), *defaults(loop.ufunc).values()]
    for dtype in (np.float64, np.float32):
        out = np.empty(100, dtype)
        assert call(loop, *arrays, out=out) is out
        with np.errstate(all="ignore"):
            expected = call(loop, *arrays).astype(dtype)
        assert out.tobytes() == expected.tobytes()


@every_widening_loop
def test_reports(loop, isa):
    """Integers overflow with a slope that is large enough, but only where it is used."""
    largest = [np.full(40, np.iinfo(dtype).max, dtype) for dtype in loop.arrays]
    if not takes_slope(loop.ufunc):
        assert reported(lambda: loop.ufunc(*largest)) == set()
        return
    if loop.ufunc is fr.add_leaky_relu:
        largest[1][:] = 0
    assert reported(lambda: loop.ufunc(*largest, 1.7e308)) == set()
    zeros = [np.zeros(40, dtype) for dtype in loop.arrays]
    expected = {"invalid value"} if not loop.ufunc.__name__.endswith("_derivative") else set()
    assert reported(lambda: loop.ufunc(*zeros, np.inf)) == expected


@pytest.mark.slow
def test_no_temporary_array(isa):
    """The peak is the result alone, however large the input."""
    x = np.arange(-(1 << 20), 1 << 20, dtype=np.int32)
    fr.leaky_relu(x)
    tracemalloc.start()
    result = fr.leaky_relu(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.1 * result.nbytes
