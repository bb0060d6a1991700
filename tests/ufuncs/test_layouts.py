"""Strides, order, broadcasting, overlap and where= never change what a value becomes."""

from __future__ import annotations

from itertools import cycle, product

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases
from fastrelu.testing.cases import LAYOUTS
from numpy.lib.stride_tricks import as_strided
from support import (
    ENDS,
    KINDS_OF_LOOPS,
    array_count,
    assert_as_promised,
    assert_same_bytes,
    beyond_doubt,
    data_count,
    defaults,
    every_kind_of_arrays,
    every_kind_of_float,
    every_kind_of_loop,
    every_kind_with_parameters,
    input_names,
    legal,
    oracle,
    parameter_names,
    parametrized,
    repeated,
)

TESTED_ISAS = ENDS  # operands are laid out by the same code for all of them

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SAME_SHAPE = [(a, b) for a, b in product(LAYOUTS, repeat=2) if LAYOUTS[a].rows == LAYOUTS[b].rows]


def place(layout, values):
    return LAYOUTS[layout].place(values)


@every_kind_of_loop
def test_inputs_of_one_layout(loop, isa):
    for layout, flat in product(LAYOUTS, loop.samples(90, seed=5)):
        values = [place(layout, each) for each in flat]
        assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_kind_of_loop
def test_inputs_and_outputs_of_mixed_layouts(loop, isa):
    for of_input, of_output in SAME_SHAPE:
        values = [place(of_input, each) for each in loop.sample(65, seed=6)]
        out = LAYOUTS[of_output].empty(65, loop.out)
        returned = loop.ufunc(*values, out=out)
        assert returned is out
        assert_as_promised(loop.ufunc, out[()], *values)
        assert cases.guards_intact(out)


@every_kind_of_arrays
def test_arrays_of_two_layouts(loop, isa):
    for pair in SAME_SHAPE:
        flat = loop.sample(65, seed=7)
        values = [place(layout, each) for layout, each in zip(cycle(pair), flat, strict=False)]
        assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_kind_of_loop
def test_in_place(loop, isa):
    for layout, flat in product(LAYOUTS, loop.samples(90, seed=8)):
        for k in (k for k in loop.same_dtype() if k < len(flat)):
            values = [place(layout, each) for each in flat]
            before = [each.copy() for each in values]
            assert loop.ufunc(*values, out=values[k]) is values[k]
            assert_as_promised(loop.ufunc, values[k][()], *before)
            assert cases.guards_intact(values[k])


def in_any_order(loop, flat, k, n):
    """The operands, and a buffer to cut the one at `k` from, such that any values go together."""
    names = input_names(loop.ufunc)
    values = [beyond_doubt(loop.ufunc, name, each) for name, each in zip(names, flat, strict=False)]
    return values, beyond_doubt(loop.ufunc, names[k], cases.sample(loop.out, n, seed=n))


@pytest.mark.parametrize(("shape", "strides"), [((64, 64), (4, 8)), ((2, 500, 500), (4, 2000, 4))])
@pytest.mark.parametrize("order", ["C", "F"])
def test_output_whose_own_elements_overlap(shape, strides, order):
    """What is written last stays, in the order in which NumPy writes."""
    x = (np.arange(np.prod(shape)) * 7919 % 201).astype(np.float32).reshape(shape, order=order)
    memory = [np.zeros(1 << 20, np.float32) for _ in range(2)]
    for each, keywords in zip(memory, ({}, {"where": True}), strict=True):
        fr.relu(x, out=as_strided(each, shape, strides), **keywords)
    assert_same_bytes(*memory)


@every_kind_of_loop
def test_overlap_acts_as_if_inputs_were_copied(loop, isa):
    vector = 64 // loop.out.itemsize
    n = 4 * vector + 5
    shifts = {0, 1, 2, 3, vector - 1, vector, vector + 1, 4 * vector, n - 1}
    starts = [(0, shift) for shift in shifts] + [(shift, 0) for shift in shifts]
    for flat, (out_start, start) in product(loop.samples(n, seed=9), starts):
        for k in (k for k in loop.same_dtype() if k < len(flat)):
            values, buffer = in_any_order(loop, flat, k, 2 * n)
            values[k] = buffer[start:][:n]
            out = buffer[out_start:][:n]
            before = [each.copy() for each in values]
            loop.ufunc(*values, out=out)
            assert_as_promised(loop.ufunc, out, *before)


OVERLAPS = {
    "reversed": (np.s_[:40], np.s_[39::-1]),
    "reversed out": (np.s_[39::-1], np.s_[:40]),
    "every other into dense": (np.s_[:80:2], np.s_[:40]),
    "dense into every other": (np.s_[:40], np.s_[:80:2]),
    "every other, ahead": (np.s_[2:82:2], np.s_[:80:2]),
    "every other, behind": (np.s_[:80:2], np.s_[2:82:2]),
    "interleaved": (np.s_[:80:2], np.s_[1:81:2]),
    "both reversed, ahead": (np.s_[40:0:-1], np.s_[41:1:-1]),
    "both reversed, behind": (np.s_[41:1:-1], np.s_[40:0:-1]),
}


@every_kind_of_loop
def test_strided_overlap_acts_as_if_inputs_were_copied(loop, isa):
    for flat, (of_input, of_output) in product(loop.samples(40, seed=10), OVERLAPS.values()):
        for k in (k for k in loop.same_dtype() if k < len(flat)):
            values, buffer = in_any_order(loop, flat, k, 82)
            values[k] = buffer[of_input]
            before = [each.copy() for each in values]
            loop.ufunc(*values, out=buffer[of_output])
            assert_as_promised(loop.ufunc, buffer[of_output], *before)


@every_kind_of_loop
def test_transposed_in_place_acts_as_if_inputs_were_copied(loop, isa):
    flat, _ = in_any_order(loop, loop.sample(81, seed=12), 0, 0)
    for k in loop.same_dtype():
        if k < len(flat):
            values = [each.reshape(9, 9).copy() for each in flat]
            before = [each.copy() for each in values]
            before[k] = before[k].T
            square = values[k]
            values[k] = square.T
            loop.ufunc(*values, out=square)
            assert_as_promised(loop.ufunc, square, *before)


def bounds_are_in_order(loop):
    """Whether the same array may be given for all that must be given."""
    return len(loop.arrays) == array_count(loop.ufunc)


@parametrized("loop", [u for u in KINDS_OF_LOOPS if len(u.arrays) > 1 and bounds_are_in_order(u)])
def test_all_arrays_the_same(loop, isa):
    x = loop.sample(77, seed=13)[0]
    values = legal(loop.ufunc, [x] * len(loop.arrays))
    before = [each.copy() for each in values]
    assert_as_promised(loop.ufunc, loop.ufunc(*values), *before)
    loop.ufunc(*values, out=x)
    assert_as_promised(loop.ufunc, x, *before)


def has_one_parameter_of_the_dtype(loop):
    return len(parameter_names(loop.ufunc)) == 1 and loop.inputs[-1] == loop.out


@parametrized("loop", [u for u in KINDS_OF_LOOPS if has_one_parameter_of_the_dtype(u)])
def test_parameter_that_is_an_element_of_the_result(loop, isa):
    flat = loop.sample(70, seed=14)[: data_count(loop.ufunc)]
    flat[0] = beyond_doubt(loop.ufunc, *parameter_names(loop.ufunc), flat[0])
    for first in (0, 33, 69):
        for slope_shape in ((), (1,)):
            values = [each.copy() for each in flat]
            slope = values[0][first : first + 1].reshape(slope_shape)
            before = [*(each.copy() for each in values), slope.copy()]
            loop.ufunc(*values, slope, out=values[0])
            assert_as_promised(loop.ufunc, values[0], *before)


PARAMETER_SHAPES = {
    "scalar": (),
    "one": (1,),
    "row": (7,),
    "column": (3, 1),
    "per channel": (5, 1, 1),
    "per sample": (2, 1, 1, 1),
    "every one": (2, 5, 3, 7),
    "more dimensions than the arrays": (2, 1, 5, 1, 7),
}


@every_kind_with_parameters
def test_broadcast_parameters(loop, isa):
    flat = loop.sample(210, seed=15, whole=True)
    count = data_count(loop.ufunc)
    values = [each.reshape(2, 5, 3, 7) for each in flat[:count]]
    fortran = [np.asfortranarray(each) for each in values]
    for arrays, shape in product((values, fortran), PARAMETER_SHAPES.values()):
        parameters = [np.resize(each, shape) for each in flat[count:]]
        assert_as_promised(loop.ufunc, loop.ufunc(*arrays, *parameters), *arrays, *parameters)


@parametrized("loop", [each for each in KINDS_OF_LOOPS if len(parameter_names(each.ufunc)) == 2])
def test_one_parameter_for_all_and_one_for_each(loop, isa):
    """Kernels have a loop for numbers, and one for arrays: here are both in one call."""
    flat = loop.sample(40, seed=24, whole=True)
    count = data_count(loop.ufunc)
    names = parameter_names(loop.ufunc)
    for k in range(2):
        values = list(flat)
        values[count + k] = beyond_doubt(loop.ufunc, names[k], flat[count + k][:1])
        values[count + 1 - k] = beyond_doubt(loop.ufunc, names[1 - k], flat[count + 1 - k])
        assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_kind_of_arrays
def test_broadcast_arrays(loop, isa):
    flat, _ = in_any_order(loop, loop.sample(24, seed=17), 0, 0)
    for pair in (((4, 6), (6,)), ((24, 1), (24,)), ((1,), (24,)), ((4, 1, 6), (4, 1))):
        for shapes in set(product(pair, repeat=len(flat))):
            values = [np.resize(each, shape) for each, shape in zip(flat, shapes, strict=True)]
            assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_kind_of_loop
def test_zero_strides(loop, isa):
    values = [np.broadcast_to(each, (40,)) for each in loop.sample(1, seed=18)]
    assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_kind_of_loop
def test_empty(loop):
    for shape in ((0,), (3, 0), (0, 2, 2)):
        values = [np.empty(shape, dtype) for dtype in loop.arrays]
        assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_kind_of_loop
def test_zero_dimensions_give_a_scalar(loop, isa):
    for each in zip(*loop.sample(20, seed=19), strict=True):
        result = loop.ufunc(*(np.array(value) for value in each))
        assert isinstance(result, np.generic)
        assert_as_promised(loop.ufunc, result, *each)
        assert_as_promised(loop.ufunc, loop.ufunc(*each), *each)


@every_kind_of_loop
def test_zero_dimensional_out_is_returned(loop):
    values = [np.array(each[0]) for each in loop.sample(1, seed=20)]
    out = np.empty((), loop.out)
    assert loop.ufunc(*values, out=out) is out
    assert_as_promised(loop.ufunc, out[()], *values)


@every_kind_of_float
def test_python_numbers_and_lists(ufunc):
    numbers = (-1.5, 2.5, 0.5)[: array_count(ufunc)]
    assert_as_promised(ufunc, ufunc(*numbers), *numbers)
    lists = [[[-1.5, 0.0], [3.0, -0.0]], [[1.0, 2.0], [3.0, 4.0]], [[1.5, 0.0], [1.0, 2.0]]]
    lists = lists[: array_count(ufunc)]
    assert_as_promised(ufunc, ufunc(*lists), *(np.array(each) for each in lists))


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
@every_kind_of_float
def test_order_of_the_result_is_numpys(ufunc, order):
    model = {1: np.positive, 2: np.add, 3: np._core.umath.clip}[array_count(ufunc)]
    base = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    shapes = [
        base,
        np.array(base, order="F"),
        base.transpose(1, 0, 2),
        base[::2],
        base[:, ::-1, :2],
    ]
    for layouts in product(shapes, repeat=array_count(ufunc)):
        if len({each.shape for each in layouts}) == 1:
            assert ufunc(*layouts, order=order).strides == model(*layouts, order=order).strides
            assert ufunc(*layouts).strides == model(*layouts).strides


def has_two_byte_orders(dtype):
    return dtype.isbuiltin == 1 and dtype.itemsize > 1


@parametrized("loop", [u for u in KINDS_OF_LOOPS if all(map(has_two_byte_orders, u.inputs))])
def test_foreign_byte_order(loop, isa):
    for native in loop.samples(60, seed=21):
        foreign = [each.astype(each.dtype.newbyteorder()) for each in native]
        result = loop.ufunc(*foreign)
        assert result.dtype.isnative
        assert_as_promised(loop.ufunc, result, *native)
        out = np.empty(60, loop.out.newbyteorder())
        loop.ufunc(*native, out=out)
        assert_as_promised(loop.ufunc, out.astype(loop.out), *native)


@every_kind_of_loop
def test_where(loop, isa):
    mask = np.random.default_rng(22).integers(2, size=90, dtype=bool)
    for values in loop.samples(90, seed=23):
        out = LAYOUTS["dense"].empty(90, loop.out)
        before = out.copy()
        assert loop.ufunc(*values, out=out, where=mask) is out
        used = [each[mask] for each in values]
        assert_as_promised(loop.ufunc, out[mask], *used)
        assert_same_bytes(out[~mask], before[~mask])


@every_kind_of_float
def test_broadcasting_where_in_place(ufunc):
    x = np.linspace(-3, 3, 24).reshape(4, 6)
    values = [each.copy() for each in repeated(ufunc, x)]
    mask = np.array([True, False, True, True, False, False])
    ufunc(*values, out=values[0], where=mask)
    arguments = repeated(ufunc, x)
    assert_as_promised(
        ufunc, values[0], *arguments, expected=np.where(mask, oracle(ufunc)(*arguments), x)
    )


@every_kind_of_float
def test_out_as_tuple_keyword_and_position(ufunc):
    values = repeated(ufunc, np.linspace(-2, 2, 9))
    rest = defaults(ufunc).values()
    for call in (
        lambda out: ufunc(*values, *rest, out=(out,)),
        lambda out: ufunc(*values, *rest, out=out),
        lambda out: ufunc(*values, *rest, out),
    ):
        out = np.empty(9)
        assert call(out) is out
        assert_as_promised(ufunc, out, *values, *rest)
