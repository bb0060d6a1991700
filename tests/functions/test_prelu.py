"""Gradients with their sums, and leaky functions with learned and drawn slopes."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference
from fastrelu.reference._functions import laid_out
from numpy.exceptions import AxisError
from support import (
    asks_too_much,
    assert_as_promised,
    assert_same_bytes,
    differing,
    reported,
    signalling_nan,
)

FLOATS = ["float16", "float32", "float64", "longdouble"]
ML_FLOATS = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"]
INTEGERS = ["int8", "uint16", "int32", "uint64"]
B = 512
"""Addends in a block."""
CASES = [
    *product(
        [(0, 3), (3, 0), (1, 1), (1, 7), (7, 1), (B + 1, 3), (40, 70)], [0, 1, -1, (0, 1), None]
    ),
    *product([(B - 1, 2), (B, 2), (2 * B + 1, 2), (3, 1030)], [0]),
    *product([(2, 3, n) for n in (1, 2, 15, 16, 17, 255, 256, 257, B, B + 1)], [2, (0, 2), 0]),
    *product([(3, 4, 5, 7)], [(0, 2, 3), (1, 3), 1, (0, 2), (3, 1)]),
    ((B + 1, 2, 300), (0, 2)),
    ((B + 1, 3, 5), (0, 2)),
    ((2, B + 3, 3), 1),
    ((1, 5, 1, 600), (0, 3)),
    ((2, 9000), 1),
    ((), ()),
]


def dtype_called(name):
    if name in ML_FLOATS:
        return np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))
    return np.dtype(name)


def values(dtype, shape, seed):
    """Numbers of both signs whose sums depend on the order of the addends."""
    random = np.random.default_rng(seed)
    n = random.standard_normal(shape) * 2.0 ** random.integers(-3, 4, shape)
    if dtype.kind in "iu":
        return (n * 50).astype(np.int64).astype(dtype)
    return np.asarray(n).astype(dtype)


def assert_same(actual, expected):
    """As bytes, except that all NaNs are one."""
    assert (actual.dtype, np.shape(actual)) == (expected.dtype, np.shape(expected))
    either_nan = np.ravel(np.isnan(actual) & np.isnan(expected))
    assert not (differing(actual, expected) & ~either_nan).any(), (actual, expected)


def assert_bias(g, x, axis, **out):
    expected_x, expected_bias = reference.relu_backward_with_bias(g, x, axis)
    grad_x, grad_bias = fr.relu_backward_with_bias(g, x, axis, **out)
    assert_same(grad_x, np.asarray(expected_x))
    assert_same(grad_bias, expected_bias)


def assert_prelu(g, x, weight, axis=1, **out):
    expected_x, expected_weight = reference.prelu_backward(g, x, weight, axis)
    grad_x, grad_weight = fr.prelu_backward(g, x, weight, axis, **out)
    assert_same(grad_x, np.asarray(expected_x))
    assert_same(grad_weight, expected_weight)


@pytest.mark.parametrize("name", [*FLOATS, *ML_FLOATS, *INTEGERS])
def test_bias_at_every_shape(name, isa):
    dtype = dtype_called(name)
    for shape, axis in CASES:
        assert_bias(values(dtype, shape, 1), values(dtype, shape, 2), axis)


@pytest.mark.parametrize("name", [*FLOATS, *ML_FLOATS[:-1], "int16"])
def test_prelu_backward_at_every_shape(name, isa):
    dtype = dtype_called(name)
    slopes = np.float32 if dtype.itemsize < 4 and dtype.kind not in "iu" else dtype
    for shape, axis in CASES:
        if isinstance(axis, int) and shape:
            weight = values(np.dtype(slopes), shape[axis], 3)
            assert_prelu(values(dtype, shape, 1), values(dtype, shape, 2), weight, axis)


WEIGHTS = [
    (0.25, 1),
    (2, 1),
    (np.float32(0.25), None),
    (np.array([0.25]), 7),
    (np.full((1, 1, 1), 0.25, np.float32), 1),
    (np.array([0.5, -0.25, 2.0, 0.0], np.float32), 1),
    (np.array([0.5, -0.25, 2.0], np.float32), 0),
    (np.arange(5, dtype=np.float16), -2),
    (np.arange(5, dtype=np.int8), 2),
    (np.arange(7, dtype=np.float32), None),
    (np.linspace(-1, 1, 4).reshape(4, 1, 1), 1),
    (np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5, 1), None),
    (np.linspace(-1, 1, 21, dtype=np.float32).reshape(3, 1, 1, 7), 1),
    (np.linspace(-1, 1, 420, dtype=np.float32).reshape(3, 4, 5, 7), 1),
]


@pytest.mark.parametrize(("weight", "axis"), WEIGHTS, ids=lambda each: str(np.shape(each)))
def test_weights(weight, axis):
    g, x = (values(np.dtype(np.float32), (3, 4, 5, 7), seed) for seed in (1, 2))
    assert_prelu(g, x, weight, axis)
    y = fr.prelu(x, weight, axis)
    assert_same_bytes(y, fr.leaky_relu(x, laid_out(weight, x.shape, axis)))
    out = np.empty_like(y)
    assert fr.prelu(x, weight, axis, out=out) is out
    assert_same_bytes(out, y)


def test_one_weight_for_everything():
    for n in (0, 1, B, 20 * B + 5):
        x = values(np.dtype(np.float32), n, 1)
        assert_prelu(x[::-1], x, 0.25)
    grad_x, grad_weight = fr.prelu_backward(np.float32(2), np.float32(-3), 0.5)
    assert (grad_x.item(), grad_weight.item(), grad_weight.dtype) == (1.0, -6.0, np.float32)
    assert fr.prelu(np.float32(-3), 0.5) == -1.5


@pytest.mark.parametrize("function", ["bias", "prelu"])
def test_layouts(function):
    shape = (6, 5, 300)
    g, x = (values(np.dtype(np.float32), shape, seed) for seed in (1, 2))
    weight = values(np.dtype(np.float32), 5, 3)

    def assert_right(g, x, **out):
        if function == "bias":
            assert_bias(g, x, (0, 2), **out)
        else:
            assert_prelu(g, x, weight, **out)

    def off_by_a_byte(array):
        moved = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(shape)
        moved[...] = array
        return moved

    variants = [
        lambda a: a,
        np.asfortranarray,
        lambda a: a.transpose(1, 0, 2).copy().transpose(1, 0, 2),
        lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],
        lambda a: np.repeat(a, 2, 2)[:, :, ::2],
        off_by_a_byte,
        lambda a: a.astype(">f4"),
        lambda a: a.tolist(),
    ]
    for first, second in product(variants, variants[:3]):
        assert_right(first(g), second(x))
    for make in variants[:-1]:
        for dtype in (np.float32, np.float64):
            out = make(np.zeros(shape, dtype))
            before = out
            assert_right_into(function, g, x, weight, out)
            assert out is before
    assert_right(g[:1], x)
    assert_right(np.float32(0.5), x)


def assert_right_into(function, g, x, weight, out):
    if function == "bias":
        (result, _), expected = (
            fr.relu_backward_with_bias(g, x, (0, 2), out=out),
            fr.relu_backward(g, x),
        )
    else:
        result, _ = fr.prelu_backward(g, x, weight, out=out)
        expected = fr.leaky_relu_backward(g, x, weight[:, None])
    assert result is out
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("shape", [(6, 5), (B + 1, 5, 4), (2, 5, 9000)])
def test_in_place_and_overlapping(shape):
    axes = (0, *range(2, len(shape)))
    g, x = (values(np.dtype(np.float32), shape, seed) for seed in (1, 2))
    weight = values(np.dtype(np.float32), 5, 3)
    calls = [
        lambda g, x, out: fr.relu_backward_with_bias(g, x, axes, out),
        lambda g, x, out: fr.prelu_backward(g, x, weight, out=out),
    ]
    for call in calls:
        expected_x, expected_sum = call(g, x, None)
        for chosen in (0, 1):
            inputs = [g.copy(), x.copy()]
            grad_x, total = call(*inputs, inputs[chosen])
            assert grad_x is inputs[chosen]
            assert_same_bytes(grad_x, expected_x)
            assert_same_bytes(total, expected_sum)
        for shift in (1, 5):
            memory = np.zeros(g.size + shift, np.float32)
            for source, target in (
                (memory[shift:], memory[:-shift]),
                (memory[:-shift], memory[shift:]),
            ):
                source[:] = g.ravel()
                grad_x, total = call(source.reshape(shape), x, target.reshape(shape))
                assert_same_bytes(grad_x, expected_x)
                assert_same_bytes(total, expected_sum)
    assert_same_bytes(call(g, g, None)[1], call(g, g.copy(), None)[1])


def test_common_calls_take_the_short_way():
    g, x = np.ones((2, 4, 6, 3, 5), np.float32)
    out = np.empty_like(x)
    for axis in (None, 0, -1, (0, 1), (2, 3), (0, 2, 3)):
        for into in (None, out, g, x):
            assert _core.relu_backward_with_bias(g, x, axis, into) is not NotImplemented
    weight = np.ones(6, np.float32)
    for each in (weight, weight[:1], weight[:1].reshape(()), 0.25, 2):
        assert _core.prelu_backward(g, x, each, 1, None) is not NotImplemented
        assert _core.lay_out_weight(x, each, 1) is not NotImplemented
    assert _core.lay_out_weight(x[0, 0], weight[:5], 1) is not NotImplemented
    assert _core.lay_out_weight(x[0].T, weight[::2], 1) is not NotImplemented
    assert _core.lay_out_weight(x, weight[:4], 1) is NotImplemented
    others = [weight[::2], weight.astype(">f4"), weight.astype("f8"), weight.astype(int), [1] * 6]
    for each in (*others, np.nan, True, weight.reshape(6, 1, 1)):
        assert _core.prelu_backward(g, x, each, 1, None) is NotImplemented
    for given in (g.ravel()[: x.size // 2], g > 0, g.astype("f8"), g.T, g.tolist()):
        assert _core.relu_backward_with_bias(given, x, 0, None) is NotImplemented
    memory = np.ones(x.size + 6, np.float32)
    near, out = memory[1 : 1 + x.size].reshape(x.shape), memory[: x.size].reshape(x.shape)
    assert _core.relu_backward_with_bias(g, near, 0, out) is NotImplemented
    assert _core.prelu_backward(g, x, memory[:6], 1, out) is NotImplemented
    assert (memory == 1).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_short_and_long_ways_agree(name):
    """The same call with a weight and arrays that only the long way takes."""
    dtype = dtype_called(name)
    slopes = np.dtype(np.float32) if dtype.itemsize < 4 else dtype
    for shape in ((3, 4), (1, 5), (40, 6, 30), (2, 3, 700)):
        g, x = values(dtype, shape, 1), values(dtype, shape, 2)
        weight = values(slopes, 2 * shape[1], 3)[::2]
        swapped = weight.astype(weight.dtype.newbyteorder())
        for first, second in ((weight.copy(), weight), (weight.copy(), swapped)):
            for actual, expected in zip(
                fr.prelu_backward(g, x, first), fr.prelu_backward(g, x, second), strict=True
            ):
                assert_same(actual, expected)
            assert_same_bytes(fr.prelu(x, first), fr.prelu(x, second))
        axes = (0, *range(2, len(shape)))
        other = np.asfortranarray(g)
        for actual, expected in zip(
            fr.relu_backward_with_bias(g, x, axes),
            fr.relu_backward_with_bias(other, x, axes),
            strict=True,
        ):
            assert_same(actual, expected)


def test_the_rounding_of_a_sum_is_reported():
    big, one = np.full((4, 3), 2e38, np.float32), np.ones((4, 3), np.float32)
    for g in (big, np.asfortranarray(big)):
        assert reported(lambda g=g: fr.relu_backward_with_bias(g, one)) == {"overflow"}
    tiny = np.full((4, 3), 1e-38, np.float32)
    for weight in (0.5, np.full(3, 0.5, np.float32)):
        assert reported(lambda w=weight: fr.prelu_backward(tiny, -tiny, w)) == {"underflow"}
    with (
        np.errstate(all="raise"),
        pytest.raises(FloatingPointError, match="relu_backward_with_bias"),
    ):
        fr.relu_backward_with_bias(big, one)


@pytest.fixture
def threads_set_back():
    before = fr.get_num_threads()
    yield
    fr.set_num_threads(before)


@pytest.mark.parametrize(
    "shape", [(40, 17, 56, 56), (2000, 1025), (3, 700_001), (2_000_000, 1), (90_000, 3, 7)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_any_number_of_threads(shape, dtype, threads_set_back):
    axes = (0, *range(2, len(shape)))
    g, x = (np.resize(values(np.dtype(dtype), 99_991, seed), shape) for seed in (1, 2))
    weight = np.linspace(-1, 1, shape[1], dtype=np.float32)[:1025]
    weight = weight if weight.size == shape[1] else np.float32(0.25)
    calls = [
        lambda: fr.relu_backward_with_bias(g, x, axes),
        lambda: fr.prelu_backward(g, x, weight),
        lambda: fr.prelu_backward(g, x, weight, out=g.copy()),
    ]
    for call in calls:
        fr.set_num_threads(1)
        expected = call()
        for threads in (2, 3, 8):
            fr.set_num_threads(threads)
            for actual, wanted in zip(call(), expected, strict=True):
                assert_same_bytes(actual, wanted)
    assert_as_promised(fr.relu_backward, fr.relu_backward_with_bias(g, x, axes)[0], g, x)


def test_the_sum_is_rounded_once():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    tie, above = 1 + 2.0**-8, 2.0**-40  # between two bfloat16; a float32 does not see what is above
    for sign in (1, -1):
        g = (sign * np.array([1, 2.0**-8, above])).astype(ml_dtypes.bfloat16)
        bias = fr.relu_backward_with_bias(g, np.ones_like(g))[1]
        assert float(bias) == sign * (1 + 2.0**-7)
        assert float(fr.relu_backward_with_bias(g[:2], np.ones_like(g[:2]))[1]) == sign * np.round(
            tie
        )
    g = np.array([2**24, 1, 1], np.float32)
    assert fr.relu_backward_with_bias(g, np.ones_like(g))[1] == 2**24 + 2


def test_a_sum_of_nothing_is_positive_zero():
    empty = np.empty((0, 3), np.float32)
    zeros = np.full((5, 3), -0.0, np.float32)
    for g in (empty, zeros):
        totals = (
            fr.relu_backward_with_bias(g, np.ones_like(g))[1],
            fr.prelu_backward(g, np.ones_like(g), [1, 2, 3])[1],
        )
        for total in totals:
            assert np.array_equal(total, np.zeros(3))
            assert not np.signbit(total).any()


@np.errstate(invalid="ignore")
def test_special_values(isa):
    inf, nan = np.inf, np.nan
    g = np.array([[nan, inf, 1, inf, nan, 1]], np.float32)
    x = np.array([[-1, -1, nan, 0, 2, -inf]], np.float32)
    assert_same(fr.relu_backward_with_bias(g, x)[1], np.array([0, 0, 1, 0, nan, 0], np.float32))
    weight = np.ones(6, np.float32)
    assert_same(
        fr.prelu_backward(g, x, weight)[1], np.array([nan, -inf, nan, nan, 0, -inf], np.float32)
    )


def test_reports(isa):
    big, one = np.full(40, 3e38, np.float32), np.ones(40, np.float32)
    inf = np.full(40, np.inf, np.float32)
    quiet, snan = np.full(40, np.nan, np.float32), np.repeat(signalling_nan(), 40)
    assert reported(lambda: fr.relu_backward_with_bias(big, one)) == {"overflow"}
    assert reported(lambda: fr.relu_backward_with_bias(quiet, one)) == set()
    for dropped in (big, inf, quiet, snan):
        assert reported(lambda g=dropped: fr.relu_backward_with_bias(g, -one)) == set()
    both = np.copysign(inf, np.resize([1, -1], 40)).astype(np.float32)
    assert reported(lambda: fr.relu_backward_with_bias(both, one)) == {"invalid value"}
    assert reported(lambda: fr.prelu_backward(inf, 0 * one, 0.5)) == {"invalid value"}
    assert reported(lambda: fr.prelu_backward(0 * one, inf, 0.5)) == set()
    assert reported(lambda: fr.prelu_backward(inf, one, 0.5)) == set()
    assert reported(lambda: fr.prelu_backward(big, -one, 0.5)) == {"overflow"}
    extended = both.astype(np.longdouble)
    assert reported(lambda: fr.relu_backward_with_bias(extended, np.ones_like(extended))) == {
        "invalid value"
    }
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        fr.relu_backward_with_bias(both, one)


with_bias = fr.relu_backward_with_bias
BAD = [
    (lambda g, x, out: with_bias(g, x, 2, out), AxisError, "axis 2"),
    (
        lambda g, x, out: with_bias(g, x, (0, 0), out),
        ValueError,
        "names an axis twice",
    ),
    (
        lambda g, x, out: with_bias(g[:3], x, 0, out),
        ValueError,
        r"\(3, 5\).*\(4, 5\)",
    ),
    (
        lambda g, x, out: with_bias(g[:1], x[:1], 0, out),
        ValueError,
        r"\(4, 5\).*\(1, 5\)",
    ),
    (
        lambda g, x, out: with_bias(g > 0, x, 0, out),
        TypeError,
        r"^relu_backward_with_bias: grad_output must hold .* not bool; .*np\.asarray\(grad_output",
    ),
    (
        lambda g, x, out: fr.prelu_backward(g, x, [1, 2, 3], out=out),
        ValueError,
        r"\(3,\).*\(4, 5\)",
    ),
    (
        lambda g, x, out: fr.prelu_backward(g, x, np.ones((3, 5)), out=out),
        ValueError,
        r"\(3, 5\).*\(4, 5\)",
    ),
    (
        lambda g, x, out: fr.prelu_backward(g, x, np.ones((1, 4, 5)), out=out),
        ValueError,
        r"\(1, 4, 5\)",
    ),
    (lambda g, x, out: fr.prelu_backward(g, x, [1, 2], 2, out=out), AxisError, "axis 2"),
    (
        lambda g, x, out: fr.prelu_backward(g, x, [1j], out=out),
        TypeError,
        "complex128.*np.real",
    ),
    (lambda g, x, out: fr.prelu_backward(g, x, np.ones(5), out=out), TypeError, "float64"),
    (lambda g, x, out: fr.prelu(x, [1, 2, 3], out=out), ValueError, r"\(3,\).*\(4, 5\)"),
    (lambda g, x, out: fr.prelu(x[0], [1, 2], out=out), AxisError, "axis 1"),
    *(
        (lambda g, x, out, f=function, a=arguments: f(x, *a, out=out), ValueError, words)
        for function in (fr.rrelu, fr.rrelu_with_slopes)
        for arguments, words in (
            ((0.5, 0.25), rf"^{function.__name__}: lower \(0\.5\) must not exceed upper \(0\.25\)"),
            ((np.nan,), f"^{function.__name__}: .*nan.* must be finite"),
            ((0, np.inf), f"^{function.__name__}: .*inf.* must be finite"),
        )
    ),
    (lambda g, x, out: fr.rrelu(x > 0, out=out), TypeError, "^rrelu: .*bool"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_errors_come_before_anything_is_written(call, error, words):
    g, x = (values(np.dtype(np.float32), (4, 5), seed) for seed in (1, 2))
    out = np.full((4, 5), 7, np.int16 if words == "float64" else np.float32)
    with pytest.raises(error, match=words):
        call(g, x, out)
    assert (out == 7).all()


def test_out_must_be_a_writable_array():
    x = np.ones((2, 3), np.float32)
    fixed = x.copy()
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        fr.relu_backward_with_bias(x, x, out=fixed)
    with pytest.raises(TypeError, match="list"):
        fr.prelu_backward(x, x, 0.5, out=[[0] * 3] * 2)


@pytest.mark.parametrize(
    "name", ["float16", "bfloat16", "float32", "float64", "longdouble", "int32"]
)
def test_rrelu(name):
    dtype = dtype_called(name)
    x = values(dtype, (30, 40), 1)
    y, slopes = fr.rrelu_with_slopes(x, rng=5)
    wide = dtype.kind in "iu" or dtype.itemsize > 4
    assert (slopes.shape, slopes.dtype) == (x.shape, np.float64 if wide else np.float32)
    assert_same_bytes(y, fr.leaky_relu(x, slopes))
    assert slopes.min() >= slopes.dtype.type(1 / 8)
    assert slopes.max() <= slopes.dtype.type(1 / 3)
    assert np.unique(slopes).size > 0.99 * slopes.size
    assert abs(slopes.mean() - 11 / 48) < 0.01

    assert_same_bytes(fr.rrelu(x, rng=np.random.default_rng(5)), y)
    assert_same_bytes(fr.rrelu(np.asfortranarray(x), rng=5).copy("C"), y)
    assert not np.array_equal(fr.rrelu(x, rng=6), y)
    assert not np.array_equal(fr.rrelu(x), fr.rrelu(x))
    out = np.empty_like(y)
    assert fr.rrelu(x, rng=5, out=out) is out
    assert_same_bytes(out, y)
    generator = np.random.default_rng(5)
    assert not np.array_equal(fr.rrelu(x, rng=generator), fr.rrelu(x, rng=generator))

    rest, slope = fr.rrelu_with_slopes(x, 0.25, 0.5, training=False)
    assert slope == 0.375
    assert_same_bytes(rest, fr.leaky_relu(x, 0.375))
    assert_same_bytes(fr.rrelu(x, 0.25, 0.25), fr.leaky_relu(x, 0.25))


@pytest.mark.parametrize("function", [fr.rrelu, fr.rrelu_with_slopes])
def test_rrelu_takes_positions_for_the_range_alone(function):
    """PyTorch's fourth argument says whether to train: here it would have been a seed."""
    with pytest.raises(TypeError, match="positional"):
        function(np.ones(3), 1 / 8, 1 / 3, True)


@pytest.mark.parametrize("training", [True, False])
def test_rrelu_with_slopes_gives_a_pair(training):
    x = values(np.dtype(np.float32), (4, 5), 1)
    out = np.empty_like(x)
    pair = fr.rrelu_with_slopes(x, 0.25, 0.5, rng=3, training=training, out=out)
    assert (type(pair), len(pair)) == (tuple, 2)
    assert pair[0] is out
    assert_same_bytes(out, fr.rrelu(x, 0.25, 0.5, rng=3, training=training))
    assert_same_bytes(out, fr.leaky_relu(x, pair[1]))


def test_rrelu_draws_from_a_range_that_overflows():
    """The width of it does, neither of its ends: halves are drawn and doubled."""
    for dtype, end in ((np.float32, 3e38), (np.float64, 1.5e308)):
        x = np.full(1000, -1, dtype)
        y, slopes = fr.rrelu_with_slopes(x, -end, end, rng=5)
        half = dtype(end) / dtype(2)
        drawn = np.random.default_rng(5).random(1000, dtype) * (half + half) - half
        assert_same_bytes(slopes, drawn * dtype(2))
        assert_same_bytes(y, -slopes)
        assert len(np.unique(slopes)) > 990


def test_rrelu_refuses_ends_that_its_slopes_cannot_have():
    for lower, upper in ((0, 1e300), (-1e300, 0), (1e300, 1e300)):
        with pytest.raises(ValueError, match=r"^rrelu: .*beyond the range.*float32"):
            fr.rrelu(np.ones(3, np.float32), lower, upper)
        assert np.isfinite(fr.rrelu(np.full(3, -1.0), lower, upper)).all()


def test_rrelu_has_a_middle_of_any_range():
    assert fr.rrelu(-1.0, 1.7e308, 1.7e308, training=False) == -1.7e308
    assert fr.rrelu(-1.0, -1.7e308, 1.7e308, training=False) == 0


@pytest.mark.parametrize("ndim", [33, 64])
def test_as_many_axes_as_numpy_has(ndim):
    more = (1,) * (ndim - 2)

    def deep(array):
        return array.reshape(array.shape + more)

    plain_g, plain_x = values(np.dtype(np.float32), (6, 8), 1), values(np.dtype("f4"), (6, 8), 2)
    for view in (lambda a: a, lambda a: a[:, ::2], lambda a: a[::-1], lambda a: a.astype(">f4")):
        g, x = view(plain_g), view(plain_x)
        for out in (None, np.empty(g.shape + more, np.float32)):
            for axis in (0, 1, (0, 1), None):
                expected_x, expected_sum = fr.relu_backward_with_bias(g, x, axis)
                grad_x, sums = fr.relu_backward_with_bias(deep(g), deep(x), axis, out)
                assert_same_bytes(grad_x, deep(expected_x))
                assert np.ravel(sums).tobytes() == np.ravel(expected_sum).tobytes()
            for axis in (0, 1):
                weight = np.linspace(0.1, 0.9, x.shape[axis], dtype=np.float32)
                assert_same_bytes(
                    fr.prelu(deep(x), weight, axis, out), deep(fr.prelu(x, weight, axis))
                )
                expected_x, expected_sum = fr.prelu_backward(g, x, weight, axis)
                grad_x, sums = fr.prelu_backward(deep(g), deep(x), weight, axis, out)
                assert_same_bytes(grad_x, deep(expected_x))
                assert_same_bytes(sums, expected_sum)
            assert_same_bytes(fr.rrelu(deep(x), rng=1, out=out), deep(fr.rrelu(x, rng=1)))
        broadcast, _ = fr.relu_backward_with_bias(deep(g), x.reshape(more + x.shape)[..., :1, :1])
        assert broadcast.shape == g.shape + more
        with pytest.raises(ValueError, match=r"^relu_backward_with_bias: .* does not broadcast"):
            fr.relu_backward_with_bias(deep(g), deep(x)[:3])


@asks_too_much
@pytest.mark.parametrize("shape", [(0, 2**58), (2**58, 0), (2**29, 0, 2**28)], ids=str)
def test_arrays_without_elements_of_any_shape(shape):
    for dtype in (np.int8, np.float16):
        x = np.empty(shape, dtype)
        for each in (x, x.view(np.recarray)):
            for axis in (0, 1, None):
                reduced = range(x.ndim) if axis is None else (axis,)
                kept = tuple(n for i, n in enumerate(shape) if i not in reduced)
                if 0 in kept or not kept:
                    grad_x, sums = fr.relu_backward_with_bias(each, each, axis)
                    assert (grad_x.shape, np.shape(sums)) == (shape, kept)
                elif len(kept) == 1 and kept[0] > 2**50:
                    with pytest.raises((MemoryError, ValueError), match=r"allocate|too big|dim"):
                        fr.relu_backward_with_bias(each, each, axis)
            for axis in range(x.ndim):
                grad_x, sums = fr.prelu_backward(each, each, 0.5, axis)
                assert (grad_x.shape, sums) == (shape, 0)
    for function in (fr.relu_backward_with_bias, lambda g, x: fr.prelu_backward(g, x, 0.5)):
        views = np.broadcast_to(np.float32(1), (1, 2**58))
        with pytest.raises((MemoryError, ValueError)):
            function(views, views)


F4, F8, I4 = (np.ones(6, dtype) for dtype in ("f4", "f8", "i4"))
WRONGLY_LAID_OUT = {
    "integers with slopes": (I4, I4, np.ones(1, "i4"), None, (1, 1, 1, 6)),
    "integers with float slopes": (I4, I4, np.ones(1), None, (1, 1, 1, 6)),
    "wide slopes": (F4, F4, np.ones(6, "g"), None, (1, 1, 6, 1)),
    "complex slopes": (F4, F4, np.ones(6, "D"), None, (1, 1, 6, 1)),
    "narrow slopes": (F8, F8, np.ones(6, "f4"), None, (1, 1, 6, 1)),
    "too few slopes": (F4, F4, np.ones(5, "f4"), None, (1, 1, 6, 1)),
    "no array of slopes": (F4, F4, 0.5, None, (1, 1, 1, 6)),
    "two dtypes": (F4, F8, None, None, (1, 1, 1, 6)),
    "two shapes": (F4, F4[:5], None, None, (1, 1, 1, 6)),
    "no arrays": (None, None, None, None, (1, 1, 1, 6)),
    "not dense": (F4[::2], F4[::2], None, None, (1, 1, 1, 3)),
    "bool": (F4 > 0, F4 > 0, None, None, (1, 1, 1, 6)),
    "another size": (F4, F4, None, None, (1, 1, 1, 7)),
    "negative groups": (F4, F4, None, None, (-1, -1, 1, 6)),
    "groups that wrap": (F4, F4, None, None, (2**32, 2**32, 1, 6)),
    "totals that wrap": (F4[:0], F4[:0], None, None, (2**32, 0, 2**32, 1)),
    "three groups": (F4, F4, None, None, (1, 1, 6)),
    "no groups": (F4, F4, None, None, None),
    "out of another dtype": (F4, F4, None, F8.copy(), (1, 1, 1, 6)),
    "no out": (F4, F4, None, 1, (1, 1, 1, 6)),
    "out that overlaps": (F4[:5], F4[:5], None, F4[1:], (1, 1, 1, 5)),
}


@pytest.mark.parametrize("arguments", WRONGLY_LAID_OUT.values(), ids=WRONGLY_LAID_OUT)
def test_the_extension_refuses_what_is_wrongly_laid_out(arguments):
    with pytest.raises((TypeError, ValueError)):
        _core.backward_with_sums("name", *arguments)


DENSE = np.ones((2, 6), np.float32)
RELUS = fr.relu_with_mask(DENSE)[1]
CALLS = {
    "apply_table": (np.ones((2, 6), np.uint8), np.ones(256), None),
    "maxout": (DENSE, 2, 1, None),
    "maxout_backward": (DENSE[:, :3].copy(), DENSE, 2, 1, None),
    "softmax": (DENSE, 1, None),
    "log_softmax": (DENSE, 1, None),
    "softmax_backward": (DENSE, DENSE, 1, None),
    "log_softmax_backward": (DENSE, DENSE, 1, None),
    "cross_entropy": (DENSE, np.zeros(2, np.int64), 1),
    "relu_with_mask": (DENSE, None, None),
    "leaky_relu_with_mask": (DENSE, 0.5, None, None),
    "add_relu_with_mask": (DENSE, DENSE[0], None, None),
    "add_leaky_relu_with_mask": (DENSE, DENSE, 0.5, None, None),
    "relu_backward_from_mask": (DENSE, RELUS, None),
    "leaky_relu_backward_from_mask": (DENSE, fr.leaky_relu_with_mask(DENSE)[1], 0.5, None),
    "pack_mask": (DENSE, True),
    "relu_backward_with_bias": (DENSE, DENSE, 0, None),
    "prelu_backward": (DENSE, DENSE, DENSE[0], 1, None),
    "backward_with_sums": ("name", DENSE, DENSE, DENSE, None, (1, 1, 12, 1)),
    "lay_out_weight": (DENSE, DENSE[0], 1),
    "sum_of_squares": (DENSE, 0),
    "active_count": (DENSE, 0),
    "sparsity": (DENSE, 0),
    "dead_units": (DENSE, 0),
    "active_count_of_mask": (RELUS,),
    "dead_units_of_mask": (RELUS, 0),
}
"""What the extension's own functions take."""
ANYTHING = [
    *(
        np.ones((2, 6), dtype)
        for dtype in ("f4", "f8", "i4", "i1", "u1", "g", "?", "O", "D", ">f4")
    ),
    *(np.ones(shape, np.float32) for shape in (0, 1, 12, (6, 2), (1,) * 64, ())),
    *(np.ones(n, np.uint8) for n in (0, 1, 2, 256)),
    *(fr.relu_with_mask(np.ones(shape))[1] for shape in (0, 12, (6, 2))),
    *(DENSE.T, DENSE[:, ::2], DENSE.astype("e"), np.empty((2**58, 0), np.int8)),
    *(None, 0, 1, -1, 2, 2**70, 0.5, "text", True, [0], object(), NotImplemented),
    *((), (0,), (0, 1), (1, 2, 3, 2), (2, 1, 6, 1), (-2, -1, 6, 1), (2**32, 0, 2**32, 1), (2, 6)),
]


@np.errstate(all="ignore")
def test_the_extension_survives_any_arguments():
    """One or two of them are wrong: there is a result or an exception, but never a crash."""
    listed = {name for name, each in vars(_core).items() if getattr(each, "__self__", 0) is _core}
    assert listed == set(CALLS)
    drawn = np.random.default_rng(0)
    for name, valid in CALLS.items():
        function = getattr(_core, name)
        assert function(*valid) is not NotImplemented
        with pytest.raises(TypeError, match=rf"takes {len(valid)} arguments, not 20"):
            function(*[None] * 20)
        for _ in range(600):
            arguments = list(valid)
            wrong = ANYTHING[drawn.integers(len(ANYTHING))]
            for place in drawn.integers(len(valid), size=2):
                arguments[place] = wrong
            with suppress(TypeError, ValueError, MemoryError, OverflowError):
                function(*arguments)
    assert (DENSE == 1).all()
