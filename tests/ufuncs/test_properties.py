"""What holds for all shapes, strides, values and slopes."""

from __future__ import annotations

import os

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases
from support import (
    DTYPES,
    LOOPS,
    array_count,
    assert_as_promised,
    assert_same_bytes,
    beyond_doubt,
    defaults,
    every_kind,
    every_ufunc,
    input_names,
    legal,
)

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

IS_SHORT = os.environ.get("FASTRELU_FUZZ") == "short"
modest = settings(
    derandomize=True, deadline=None, database=None, max_examples=10 if IS_SHORT else 40
)

NUMBERS = sorted({dtype.char for dtype in DTYPES})
FLOATS = sorted({dtype.char for dtype in DTYPES if dtype.kind == "f"})
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)


@st.composite
def views(draw, dtypes=NUMBERS, shape=SHAPES):
    """An array of any bits, cut out of a larger one in any way."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = shape if isinstance(shape, tuple) else draw(shape)
    steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in shape]
    whole = [max(side * abs(step), 1) for side, step in zip(shape, steps, strict=True)]
    axes = draw(st.permutations(range(len(shape))))
    seed = draw(st.integers(0, 2**32 - 1))
    stored = np.empty([whole[axis] for axis in axes], dtype)
    stored.reshape(-1)[:] = cases.sample(dtype, stored.size, seed)
    array = stored.transpose(np.argsort(axes)) if shape else stored
    cuts = tuple(slice(None, None, step) for step in steps)
    return array[cuts][tuple(slice(side) for side in shape)]


def characters(ufunc):
    """Of the dtypes of arrays with which nothing else must be given."""
    loops = (loop for loop in LOOPS if loop.ufunc is ufunc)
    return sorted({each.out.char for each in loops if len(each.arrays) == array_count(ufunc)})


def another(array, seed):
    """An array of that shape and dtype with other values, dense."""
    return cases.sample(array.dtype, array.size, seed).reshape(array.shape)


slopes = st.one_of(
    st.floats(width=32), st.floats(-2, 2, width=32), st.sampled_from([0.0, -0.0, 1.0, 0.01])
)


@every_ufunc
@modest
@given(data=st.data())
@np.errstate(all="ignore")
def test_reference(ufunc, data):
    x = data.draw(views(characters(ufunc)))
    arrays = legal(ufunc, [x, *(another(x, k) for k in range(1, array_count(ufunc)))])
    rest = []
    if defaults(ufunc) and data.draw(st.booleans()):
        names = list(defaults(ufunc))
        drawn = [np.array(data.draw(slopes)) for _ in names]
        rest = [each.item() for each in cases.legal(names, drawn, ufunc.__name__)]
    assert_as_promised(ufunc, ufunc(*arrays, *rest), *arrays, *rest)


@every_kind
@modest
@given(data=st.data())
@np.errstate(all="ignore")
def test_broadcasting(ufunc, data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=ufunc.nin, max_side=6))
    dtype = data.draw(st.sampled_from(characters(ufunc)))
    arrays = [
        beyond_doubt(ufunc, name, data.draw(views([dtype], shape)))
        for name, shape in zip(input_names(ufunc), shapes.input_shapes, strict=True)
    ]
    assert_as_promised(ufunc, ufunc(*arrays), *arrays)


@every_kind
@modest
@given(data=st.data())
@np.errstate(all="ignore")
def test_any_overlap_acts_as_if_inputs_were_copied(ufunc, data):
    dtype = data.draw(st.sampled_from(characters(ufunc)))
    memory = cases.sample(dtype, 400, data.draw(st.integers(0, 1000)))
    for name in input_names(ufunc)[: array_count(ufunc)]:
        memory = beyond_doubt(ufunc, name, memory)
    n = data.draw(st.integers(0, 90))

    def cut():
        step = data.draw(st.sampled_from([1, 1, 1, 2, 4, -1, -3]))
        span = (n - 1) * abs(step) + 1 if n else 0
        start = data.draw(st.integers(0, memory.size - span))
        return memory[start : start + span][::step]

    arrays, out = [cut() for _ in range(array_count(ufunc))], cut()
    before = [each.copy() for each in arrays]
    ufunc(*arrays, out=out)
    assert_as_promised(ufunc, out, *before)


@modest
@given(x=views(), seed=st.integers(0, 1000))
def test_backward_from_input_and_from_output_agree(x, seed):
    y, gradient = fr.relu(x), another(x, seed)
    assert_same_bytes(fr.relu_backward(gradient, x), fr.relu_backward(gradient, y))
    assert_same_bytes(fr.relu_derivative(x), fr.relu_derivative(y))


@modest
@given(x=views())
def test_relu_twice_is_relu(x):
    assert_same_bytes(fr.relu(fr.relu(x)), fr.relu(x))


@modest
@given(x=views(shape=hnp.array_shapes(max_dims=4, min_side=0, max_side=9)))
def test_relu_of_a_part_is_the_part_of_relu(x):
    whole = fr.relu(x)
    assert_same_bytes(fr.relu(x[::2]), whole[::2])
    assert_same_bytes(fr.relu(x.T), whole.T)


@modest
@given(x=views(FLOATS), slope=slopes)
@np.errstate(all="ignore")
def test_backward_of_leaky_relu_is_gradient_times_derivative(x, slope):
    gradient = np.ones(x.shape, x.dtype)
    backward = fr.leaky_relu_backward(gradient, x, slope)
    derivative = fr.leaky_relu_derivative(x, slope)
    number = ~np.isnan(np.asarray(derivative))
    assert_same_bytes(np.asarray(backward)[number], np.asarray(derivative)[number])


@modest
@given(x=views(), where=st.integers(0, 2**32 - 1))
def test_where_leaves_the_rest_alone(x, where):
    mask = np.random.default_rng(where).integers(2, size=x.shape, dtype=bool)
    out = another(x, 3)
    rest = np.asarray(out)[~mask].copy()
    fr.relu(x, out=np.asarray(out), where=mask)
    assert_same_bytes(np.asarray(out)[~mask], rest)
    assert_same_bytes(np.asarray(out)[mask], np.asarray(fr.relu(x))[mask])
