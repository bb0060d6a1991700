"""Every function x dtype x instruction set gives the reference's bits."""

from __future__ import annotations

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import cases
from fastrelu._verification import forced_isa
from support import (
    ISAS,
    LINE,
    assert_as_promised,
    assert_same_bytes,
    differing,
    every_leaky_loop,
    every_loop,
    every_relu_loop,
    oracle,
    takes_slope,
    wrong_values,
)


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


@every_loop
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


@every_loop
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
    values = [cases.every_lane(dtype) for dtype in loop.arrays]
    random = np.random.default_rng(0)
    values[:-1] = [random.permutation(each) for each in values[:-1]]
    assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_loop
@np.errstate(all="ignore")
def test_special_values_against_each_other(loop, isa):
    specials = [cases.special_values(dtype) for dtype in loop.inputs]
    mesh = [each.ravel() for each in np.meshgrid(*specials[-2:], indexing="ij")]
    gradients = [np.resize(each, mesh[0].size) for each in specials[: len(specials) - len(mesh)]]
    assert_as_promised(loop.ufunc, loop.ufunc(*gradients, *mesh), *gradients, *mesh)


@every_leaky_loop
@np.errstate(all="ignore")
def test_scalar_slopes(loop, isa):
    values = [cases.every_lane(dtype) for dtype in loop.arrays]
    for slope in cases.slopes(loop.arrays[-1]):
        assert_as_promised(loop.ufunc, loop.ufunc(*values, slope), *values, slope)
        by_keyword = loop.ufunc(*values, negative_slope=slope)
        assert_as_promised(loop.ufunc, by_keyword, *values, slope)


@every_leaky_loop
@np.errstate(all="ignore")
def test_slopes_of_nan(loop, isa):
    slopes = np.resize(cases.special_values(loop.inputs[-1]), 97)
    values = [np.full(slopes.shape, -1, dtype) for dtype in loop.arrays]
    assert_as_promised(loop.ufunc, loop.ufunc(*values, slopes), *values, slopes)


@pytest.mark.slow
@every_loop
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


@every_loop
@np.errstate(all="ignore")
def test_every_pattern_of_narrow_dtypes(loop, isa):
    x_dtype = loop.arrays[-1]
    if x_dtype.itemsize <= cases.FEW_PATTERNS:
        x = cases.every_pattern(x_dtype)
        gradients = [np.resize(x[::-3], x.size) for _ in loop.arrays[1:]]
        for slope in ((0.01,), (-3.0,)) if takes_slope(loop.ufunc) else ((),):
            values = (*gradients, x, *slope)
            assert_as_promised(loop.ufunc, loop.ufunc(*values), *values)


@every_loop
def test_same_bits_on_every_instruction_set(loop):
    values = loop.sample(interesting_lengths(loop.out)[-1], seed=4)
    results = []
    for isa in ISAS:
        with forced_isa(isa), np.errstate(all="ignore"):
            results.append(loop.ufunc(*values))
    for each in results[1:]:
        assert not wrong_values(loop.ufunc, each, results[0], values).any()


@every_relu_loop
def test_relus_gradients_from_its_input_and_its_output_agree(loop, isa):
    if loop.ufunc is not fr.relu:
        *gradients, x = (cases.every_lane(dtype) for dtype in loop.arrays)
        assert_same_bytes(loop.ufunc(*gradients, x), loop.ufunc(*gradients, fr.relu(x)))
