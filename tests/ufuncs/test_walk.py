"""Arrays of any layout, which fastrelu walks by itself: the result is what NumPy's walk gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import fastrelu as fr
import numpy as np
import pytest
from both_ways import assert_both_ways_agree
from support import (
    ENDS,
    LOOPS,
    Loop,
    array_count,
    beyond_doubt,
    data_count,
    every_kind_of_loop,
    every_kind_with_parameters,
    input_names,
    reported,
    sampled,
    takes_slope,
)

TESTED_ISAS = ENDS  # operands are laid out by the same code for all of them

SHAPES = [
    (1000,),
    (67, 131),  # more than a tile on both sides, and no multiple of anything
    (300, 5),
    (5, 300),
    (33, 1, 40),
    (3, 64, 65),
    (2, 5, 3, 4, 7),
    (2, 1, 2, 3, 2, 2, 1, 3),
    (2, 1, 2, 3, 2, 2, 1, 3, 2),  # more axes than the short way takes
]
STEPS = (1, 1, 1, 1, 2, 3, -1, -2)


def view(
    rng: np.random.Generator,
    dtype: np.dtype,
    shape: tuple[int, ...],
    *,
    whole: bool = True,
    taken: Callable[[np.ndarray], np.ndarray] = np.asarray,
):
    """An array of that shape and any `taken` values, cut out of a larger one in any order of axes.

    Unless it is `whole`, it is broadcast along some axes.
    """
    sides = [1 if not whole and rng.random() < 1 / 3 else side for side in shape]
    steps = rng.choice(STEPS, len(shape))
    axes = rng.permutation(len(shape))
    stored = [int(sides[axis] * abs(steps[axis]) + rng.integers(2)) for axis in axes]
    values = sampled(dtype, math.prod(stored), int(rng.integers(1 << 30)))
    cut = (
        taken(values)
        .reshape(stored)
        .transpose(np.argsort(axes))[tuple(slice(None, None, step) for step in steps)]
    )
    cut = cut[tuple(slice(side) for side in sides)]
    return cut if whole else np.broadcast_to(cut, shape)


def arguments(rng: np.random.Generator, loop: Loop, shape: tuple[int, ...]):
    """Inputs and keywords of one call: some operands broadcast, some slopes arrays."""
    broadcast = int(rng.integers(len(loop.arrays) + 1))  # the last: none
    names = input_names(loop.ufunc)

    def operand(k: int, whole: bool):
        taken = partial(beyond_doubt, loop.ufunc, names[k])
        return view(rng, loop.inputs[k], shape, whole=whole, taken=taken)

    arrays = [operand(k, k != broadcast or len(loop.arrays) == 1) for k in range(len(loop.arrays))]
    if len(loop.arrays) < len(loop.inputs) and rng.random() < 3 / 4:
        for k in range(len(loop.arrays), len(loop.inputs)):
            whole = bool(rng.random() < 1 / 3)
            arrays.append(operand(k, whole))
    match rng.integers(3):
        case 0:
            return arrays, {}
        case 1:
            return arrays, {"out": view(rng, loop.out, shape)}
        case _:
            writable = [each for each in arrays if each.flags.writeable and each.dtype == loop.out]
            return arrays, {"out": writable[0]} if writable else {}


@pytest.mark.slow
@every_kind_of_loop
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_layout(loop, shape):
    for seed in range(4):
        assert_both_ways_agree(
            loop.ufunc, lambda s=seed: arguments(np.random.default_rng([s, *shape]), loop, shape)
        )


@np.errstate(all="ignore")
def test_any_layout_of_float32():
    """The same for one loop, where there is no time for all."""
    loop = next(each for each in LOOPS if str(each) == "leaky_relu_backward-float32")
    for shape in SHAPES:
        for seed in range(4, 8):
            assert_both_ways_agree(
                loop.ufunc,
                lambda s=seed, n=shape: arguments(np.random.default_rng([s, *n]), loop, n),
            )


@np.errstate(all="ignore")
def test_the_layouts_of_a_result_are_those_of_numpy():
    """All orders of axes of one and of two arrays, with and without axes of length one."""
    rng = np.random.default_rng(0)
    for shape in ((3, 4), (2, 3, 4), (2, 1, 3), (2, 1, 3, 1, 2)):
        for _ in range(60):
            x, g = (view(rng, np.dtype(np.float32), shape) for _ in range(2))
            assert fr.relu(x).strides == np.negative(x).strides
            assert fr.relu_backward(g, x).strides == np.add(g, x).strides


@every_kind_with_parameters
def test_parameters_per_channel(loop):
    shape = 5, 7, 8, 6
    flat = loop.sample(math.prod(shape), 9, whole=True)
    count = data_count(loop.ufunc)
    for of_parameters in ((1, 7, 1, 1), (5, 1, 1, 1), (7, 1, 1), (6,), (1,), (5, 7, 8, 6)):
        parameters = [np.resize(each, of_parameters) for each in flat[count:]]
        for order in ("C", "F"):
            arrays = [np.array(each.reshape(shape), order=order) for each in flat[:count]]
            assert_both_ways_agree(loop.ufunc, lambda a=(*arrays, *parameters): (a, {}))


@every_kind_of_loop
def test_windows_over_one_array(loop):
    """An input whose elements share memory."""
    windows = [
        np.lib.stride_tricks.sliding_window_view(each, 40) for each in loop.sample(120, seed=3)
    ]
    assert_both_ways_agree(loop.ufunc, lambda: (windows, {}))


@pytest.mark.parametrize(
    "cut",
    [
        lambda a: (a[1:], a[:-1]),
        lambda a: (a[:-1], a[1:]),
        lambda a: (a[:, 1:], a[:, :-1]),
        lambda a: (a[:60, :60], a[:60, :60].T),
        lambda a: (a[::-1], a),
        lambda a: (a, a[:, ::-1]),
        lambda a: (a[::2], a[1::2]),
        lambda a: (a[:1], a),
        lambda a: (a.T, a.T),
    ],
)
def test_output_that_overlaps_an_input(cut):
    def make():
        x, out = cut(np.random.default_rng(4).standard_normal((64, 90), np.float32))
        return [x], {"out": out}

    assert_both_ways_agree(fr.relu, make)


def test_output_whose_elements_share_memory():
    x = np.random.default_rng(5).standard_normal((50, 40), np.float32)
    memory = np.zeros(100, np.float32)
    out = np.lib.stride_tricks.as_strided(memory, (50, 40), (4, 4))
    assert_both_ways_agree(fr.relu, lambda: ([x], {"out": out}))


def test_slope_that_overlaps_the_output():
    def make():
        x = np.random.default_rng(6).standard_normal((70, 80), np.float32)
        return [x, x[:1].copy()], {"out": x}

    def make_overlapping():
        x = np.random.default_rng(6).standard_normal((70, 80), np.float32)
        return [x.copy(), x[3]], {"out": x}

    assert_both_ways_agree(fr.leaky_relu, make)
    assert_both_ways_agree(fr.leaky_relu, make_overlapping)


def test_an_error_in_the_last_tile_is_reported():
    x = np.ones((400, 300), np.float32)
    x[-1, -1] = -3e38
    for view_of in (x, x.T, x[::-1], x[::-1, ::-1].T, x[1::2, 1::2]):
        out = np.empty(view_of.shape, np.float32)
        assert reported(lambda v=view_of, y=out: fr.leaky_relu(v, 2.0, out=y)) == {"overflow"}


def test_what_is_no_element_is_neither_read_nor_written():
    """Between the elements of the views lies what would overflow, or must stay."""
    for shape in ((90, 110), (300, 4)):
        x = np.full((2 * shape[0], 2 * shape[1]), -3e38, np.float32)
        x[::2, ::2] = -1
        out = np.full(x.shape, 7, np.float32)
        with np.errstate(all="raise"):
            fr.leaky_relu(x[::2, ::2], 2.0, out=out[::2, ::2])
        assert (out[::2, ::2] == -2).all()
        out[::2, ::2] = 7
        assert (out == 7).all()


@pytest.mark.parametrize(
    "ufunc",
    [fr.relu, fr.leaky_relu, fr.relu_backward, fr.add_relu, fr.hardtanh, fr.clipped_relu],
    ids=lambda u: u.__name__,
)
def test_numbers_and_arrays_without_axes(ufunc):
    numbers = (1.5, -1.5, 2, -2, 2**70, True, np.nan, -0.0)
    scalars = [np.dtype(c).type(-1) for c in "bhilqefdg"] + [np.uint8(3), np.bool_(True)]
    arrays = [np.array(each) for each in scalars]
    for one in (*numbers, *scalars, *arrays):
        for other in (one, 0.5, np.float32(0.5), np.array(0.5)):
            values = [one, other][: array_count(ufunc)]
            for slope in ([], [0.5], [2], [np.float32(0.5)], [np.float64(3)], [np.array(0.5, "f")]):
                inputs = [*values, *(slope if takes_slope(ufunc) else [])]
                assert_both_ways_agree(ufunc, lambda i=inputs: (i, {}), str(inputs))


def test_an_output_without_axes():
    for dtype in ("f", "d", "e", "i"):
        out = np.array(5, dtype)
        assert fr.relu(np.array(-1, dtype), out=out) is out
        assert out == 0
        x = np.array(-3, dtype)
        assert fr.relu(x, out=x) is x
        assert x == 0
