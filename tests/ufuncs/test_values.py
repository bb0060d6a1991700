"""Every function x dtype x instruction set gives the reference's bits."""

from __future__ import annotations

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases, forced_isa
from support import (
    ISAS,
    LINE,
    LOOPS,
    assert_as_promised,
    assert_same_bytes,
    data_count,
    differing,
    every_kind_of_loop,
    every_leaky_loop,
    every_loop,
    every_loop_with_parameters,
    legal,
    oracle,
    parameter_names,
    parametrized,
    takes_slope,
    wrong_values,
)

MOST_COMBINATIONS = 10_000


class Grid:
    """One row per length, each `offset` values behind the start of a cache line."""

    def __init__(self, dtype, lengths, offset, values=None):
        per_line = LINE // dtype.itemsize
        columns = -(-(max(lengths) + 2 * per_line) // per_line) * per_line
        memory = cases.LAYOUTS["dense"].empty(len(lengths) * columns, dtype)
        self.memory = memory.reshape(len(lengths), columns)
        self.window = self.memory[:, offset : offset + max(lengths)]
        if values is not None:
            self.window[...] = values
        self.rows = [self.window[row, :n] for row, n in enumerate(lengths)]

    def untouched_outside(self, inside):
        """Whether only `inside` was written to. Clears the grid."""
        self.window[inside] = self.memory[0, -1]
        return cases.guards_intact(self.memory)


def interesting_lengths(dtype):
    """All up to 4 of the widest vectors, and some for which stores are aligned first."""
    vector = LINE // dtype.itemsize
    longer = (8 * vector - 1, 8 * vector, 8 * vector + 1, 9 * vector + 3, 12 * vector - 1)
    return [*cases.lengths(dtype), *longer, 13 * vector + 2]


def offsets_from_a_line(dtype):
    """In elements: all of the first quarter, and where halves of a line meet."""
    return sorted({k for k in (*range(17), 31, 32, 33, 63) if k * dtype.itemsize < LINE})


def run_rows(ufunc, inputs, out):
    with np.errstate(all="ignore"):
        for *arguments, result in zip(*(grid.rows for grid in inputs), out.rows, strict=True):
            ufunc(*arguments, out=result)


@every_kind_of_loop
def test_every_length_at_every_alignment(loop, isa):
    lengths = interesting_lengths(loop.out)
    inside = np.arange(max(lengths)) < np.array(lengths)[:, None]
    for flat in loop.samples(inside.size, seed=1):
        values = [each.reshape(inside.shape) for each in flat]
        expected = oracle(loop.ufunc)(*values)[inside]
        used = [each[inside] for each in values]
        for offset in offsets_from_a_line(loop.out):
            others = [offset * (2 * k + 3) + k for k in range(len(values))]
            inputs = [
                Grid(each.dtype, lengths, other % (LINE // each.itemsize), each)
                for each, other in zip(values, others, strict=True)
            ]
            out = Grid(loop.out, lengths, offset)
            run_rows(loop.ufunc, inputs, out)
            assert not wrong_values(loop.ufunc, out.window[inside], expected, used).any(), offset
            assert out.untouched_outside(inside), offset


@every_kind_of_loop
def test_every_length_in_place(loop, isa):
    lengths = interesting_lengths(loop.out)
    inside = np.arange(max(lengths)) < np.array(lengths)[:, None]
    for flat in loop.samples(inside.size, seed=2):
        values = [each.reshape(inside.shape) for each in flat]
        expected = oracle(loop.ufunc)(*values)[inside]
        used = [each[inside] for each in values]
        for k in (k for k in loop.same_dtype() if k < len(values)):
            for offset in (0, 1, LINE // loop.out.itemsize - 1):
                inputs = [Grid(each.dtype, lengths, 0, each) for each in values]
                inputs[k] = out = Grid(loop.out, lengths, offset, values[k])
                run_rows(loop.ufunc, inputs, out)
                assert not wrong_values(loop.ufunc, out.window[inside], expected, used).any()
                assert not differing(out.window[~inside], values[k][~inside]).any()


@every_loop
@np.errstate(all="ignore")
def test_special_values_in_every_lane(loop, isa):
    for seed in range(len(loop.arrays)):
        values = loop.specials(seed)
        assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_loop
@np.errstate(all="ignore")
def test_special_values_against_each_other(loop, isa):
    """All pairs; of three operands and more as many combinations as there are pairs of two."""
    specials = [cases.special_values(dtype) for dtype in loop.inputs]
    if len(specials) <= 2:
        values = [each.ravel() for each in np.meshgrid(*specials, indexing="ij")]
    else:
        random = np.random.default_rng(len(specials))
        values = [random.choice(each, MOST_COMBINATIONS) for each in specials]
    values = legal(loop.ufunc, values)
    assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_loop_with_parameters
@np.errstate(all="ignore")
def test_scalar_parameters(loop, isa):
    names = parameter_names(loop.ufunc)
    arrays = loop.specials()[: data_count(loop.ufunc)]
    for setting in cases.settings(names, loop.out, loop.ufunc.__name__):
        result = loop.ufunc(*arrays, *setting)
        assert_as_promised(loop.ufunc, result, *arrays, *setting)
        by_keyword = loop.ufunc(*arrays, **dict(zip(names, setting, strict=True)))
        assert_as_promised(loop.ufunc, by_keyword, *arrays, *setting)


@every_leaky_loop
@np.errstate(all="ignore")
def test_slopes_of_nan(loop, isa):
    slopes = np.resize(cases.special_values(loop.inputs[-1]), 97)
    values = [np.full(slopes.shape, -1, dtype) for dtype in loop.arrays]
    assert_as_promised(loop.ufunc, loop.ufunc(*values, slopes), *values, slopes)


@pytest.mark.slow
@every_kind_of_loop
@np.errstate(all="ignore")
def test_large(loop):
    n = cases.large_length(loop.out)
    for values in loop.samples(n, seed=2):
        expected = oracle(loop.ufunc)(*values)
        out = cases.LAYOUTS["offset"].empty(n, loop.out)
        for isa in ISAS:
            with forced_isa(isa):
                assert_as_promised(loop.ufunc, loop.ufunc(*values), *values, expected=expected)
                loop.ufunc(*values, out=out)
                assert_as_promised(loop.ufunc, out, *values, expected=expected)
                assert cases.guards_intact(out)


@parametrized("loop", [each for each in LOOPS if each.out.itemsize <= cases.FEW_PATTERNS])
@np.errstate(all="ignore")
def test_every_pattern_of_narrow_dtypes(loop, isa):
    x = cases.every_pattern(loop.arrays[-1])
    others = [np.resize(x[::-step], x.size) for step in (3, 5, 7)[: len(loop.arrays) - 1]]
    arrays = legal(loop.ufunc, [*others, x])
    for slope in ((0.01,), (-3.0,)) if takes_slope(loop.ufunc) else ((),):
        values = (*arrays, *slope)
        assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_loop
def test_same_bits_on_every_instruction_set(loop):
    values = loop.sample(interesting_lengths(loop.out)[-1], seed=4, whole=True)
    results = []
    for isa in ISAS:
        with forced_isa(isa), np.errstate(all="ignore"):
            results.append(loop.ufunc(*values))
    for each in results[1:]:
        assert not wrong_values(loop.ufunc, each, results[0], values).any()


FORWARD = {
    "relu_derivative": fr.relu,
    "relu_backward": fr.relu,
    "relu6_backward": fr.relu6,
    "clipped_relu_backward": fr.clipped_relu,
    "hardtanh_backward": fr.hardtanh,
}


@parametrized("loop", [each for each in LOOPS if each.ufunc.__name__ in FORWARD])
def test_gradients_from_the_input_and_from_the_output_agree(loop, isa):
    forward = FORWARD[loop.ufunc.__name__]
    values = legal(loop.ufunc, [cases.every_lane(dtype) for dtype in loop.inputs])
    *gradients, x = values[: data_count(loop.ufunc)]
    parameters = values[data_count(loop.ufunc) :]
    from_output = loop.ufunc(*gradients, forward(x, *parameters), *parameters)
    assert_same_bytes(loop.ufunc(*values), from_output)
