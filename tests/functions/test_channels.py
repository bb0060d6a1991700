"""maxout, crelu and their gradients: functions along an axis of channels."""

from __future__ import annotations

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference, testing
from fastrelu.testing import cases
from fastrelu.testing.cases import LAYOUTS
from support import assert_same_bytes, reported, signalling_nan

DTYPES = testing.supported_dtypes()
SIGNED = [each for each in DTYPES if each.kind != "u" and "e8m0" not in each.name]
BLOCK = 70
"""More than a vector of any dtype."""


def name_of(dtype):
    return dtype.type.__name__ if dtype.isbuiltin == 1 else dtype.name


every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=name_of)
every_signed_dtype = pytest.mark.parametrize("dtype", SIGNED, ids=name_of)


def sample(dtype, shape, seed=0):
    return cases.sample(dtype, int(np.prod(shape)), seed).reshape(shape)


def zero(dtype):
    return np.zeros((), dtype)


def assert_bits(actual, expected):
    __tracebackhide__ = True
    assert_same_bytes(np.ascontiguousarray(actual), np.ascontiguousarray(expected))


def by_hand(x, grad, groups):
    """maxout of x (outer, channels, inner) and its gradient, one pool at a time."""
    outer, channels, inner = x.shape
    y = np.empty((outer, channels // groups, inner), x.dtype)
    grad_x = np.zeros(x.shape, x.dtype)
    for place in np.ndindex(y.shape):
        before, pool, behind = place
        taken = pool * groups
        for channel in range(pool * groups, (pool + 1) * groups):
            old, new = x[before, taken, behind], x[before, channel, behind]
            if not np.isnan(old) and (np.isnan(new) or new > old):
                taken = channel
        y[place] = x[before, taken, behind]
        grad_x[before, taken, behind] = grad[place]
    return y, grad_x


SHAPES = [((2, 4, 3), 2), ((1, 6, 1), 3), ((3, 5, 2), 1), ((2, 6, 5), 6)]


@every_dtype
@np.errstate(all="ignore")
def test_the_reference_by_hand(dtype):
    for shape, groups in SHAPES:
        x = sample(dtype, shape, seed=1)
        grad = sample(dtype, (shape[0], shape[1] // groups, shape[2]), seed=2)
        y, grad_x = by_hand(x, grad, groups)
        assert_bits(reference.maxout(x, groups), y)
        assert_bits(reference.maxout_backward(grad, x, groups), grad_x)


def assert_maxout(x, grad, groups, axis=1):
    __tracebackhide__ = True
    assert_bits(fr.maxout(x, groups, axis), reference.maxout(x, groups, axis))
    expected = reference.maxout_backward(grad, x, groups, axis)
    assert_bits(fr.maxout_backward(grad, x, groups, axis), expected)


@every_dtype
def test_every_length_of_rows(dtype, isa):
    at_once = 64 // dtype.itemsize
    for inner in {*range(5), *range(at_once - 1, at_once + 3), 2 * at_once + 1, 5 * at_once}:
        for groups in (1, 2, 3):
            x = sample(dtype, (2, 2 * groups, inner), seed=inner)
            assert_maxout(x, sample(dtype, (2, 2, inner), seed=3), groups)


@every_dtype
def test_special_values_meet(dtype, isa):
    """Every special value beside every other, in both orders, in whole vectors and alone."""
    specials = cases.special_values(dtype)
    pairs = np.stack([np.tile(specials, specials.size), np.repeat(specials, specials.size)])
    grad = sample(dtype, (1, pairs.shape[1]), seed=4)
    assert_maxout(pairs, grad, 2, axis=0)
    few = np.random.default_rng(5).permutation(pairs.shape[1])[:500]
    assert_maxout(np.ascontiguousarray(pairs.T[few]), np.ascontiguousarray(grad.T[few]), 2)


@every_dtype
def test_nothing_is_reported(dtype, isa):
    x = sample(dtype, (2, 8, BLOCK), seed=6)
    if cases.is_float(dtype) and dtype.itemsize > 1:
        x[:, 3, ::2] = signalling_nan(dtype)[0]
    grad = sample(dtype, (2, 4, BLOCK), seed=7)
    for channels_last in (False, True):
        arrays = [np.ascontiguousarray(each.transpose(0, 2, 1)) for each in (x, grad)]
        a, g = arrays if channels_last else (x, grad)
        axis = -1 if channels_last else 1
        assert reported(lambda a=a, axis=axis: fr.maxout(a, 2, axis)) == set()
        assert reported(lambda a=a, g=g, i=axis: fr.maxout_backward(g, a, 2, i)) == set()


def test_ties_and_nans_take_the_first(isa):
    nans = cases.from_patterns([0xFFC00001, 0x7F800002, 0x7FC00003], np.float32)
    columns = [
        ([0.0, -0.0, 0.0, -1.0], 0),
        ([-0.0, 0.0, -0.0, -1.0], 0),
        ([-1.0, -0.0, 0.0, -np.inf], 1),
        ([2.0, 3.0, 3.0, 3.0], 1),
        ([-np.inf, -np.inf, -np.inf, -np.inf], 0),
        ([np.inf, nans[0], nans[1], nans[2]], 1),
        ([nans[1], nans[2], np.inf, nans[0]], 0),
        ([1.0, np.inf, np.inf, nans[2]], 3),
    ]
    pools = np.array([values for values, _ in columns], np.float32)
    taken = np.array([place for _, place in columns])
    for repeat in (1, 20):
        x, place = np.tile(pools, (repeat, 1)), np.tile(taken, repeat)
        expected = np.take_along_axis(x, place[:, None], 1)
        assert_bits(fr.maxout(x, 4), expected)
        assert_bits(fr.maxout(np.ascontiguousarray(x.T), 4, axis=0), expected.T)
        gradient = np.full(expected.shape, -0.0, np.float32)
        grad_x = np.zeros_like(x)
        np.put_along_axis(grad_x, place[:, None], gradient, 1)
        assert_bits(fr.maxout_backward(gradient, x, 4), grad_x)
        turned = fr.maxout_backward(gradient.T.copy(), np.ascontiguousarray(x.T), 4, axis=0)
        assert_bits(turned, grad_x.T)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -4])
def test_every_axis(axis, isa):
    for dtype in (np.float32, np.int8):
        x = sample(dtype, (6, 6, 12, 18), seed=8)
        for groups in (1, 2, 3, 6):
            expected = reference.maxout(x, groups, axis)
            assert_maxout(x, sample(dtype, expected.shape, seed=9), groups, axis)


def test_pools_are_those_of_paddlepaddle():
    """out[s * i + j] = max over k of x[g * s * i + s * k + j], s elements behind a channel."""
    x = np.random.default_rng(10).standard_normal((1, 6, 5))
    flat, g, s = x.ravel(), 3, 5
    expected = [
        [max(flat[g * s * i + s * k + j] for k in range(g)) for j in range(s)] for i in (0, 1)
    ]
    assert fr.maxout(x, pool_size=g, axis=1).tolist() == [expected]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "0-d"])
def test_layouts(name, isa):
    layout = LAYOUTS[name]
    for dtype in (np.dtype(np.float32), np.dtype(np.int16)):
        flat = sample(dtype, (120,), seed=11)
        x = layout.place(flat)
        axis = x.ndim - 1
        expected = reference.maxout(x, 2, axis)
        grad = LAYOUTS["stride 2"].place(expected.ravel()).reshape(expected.shape)
        assert_maxout(x, grad, 2, axis)
        assert_maxout(x, grad[::-1], 2, axis)
        out = layout.empty(60, dtype)
        assert fr.maxout(x, 2, axis, out=out) is out
        assert_bits(out, expected)
        assert cases.guards_intact(out)
        out = layout.empty(120, dtype)
        assert fr.maxout_backward(grad, x, 2, axis, out=out) is out
        assert_bits(out, reference.maxout_backward(grad, x, 2, axis))
        assert cases.guards_intact(out)


def test_many_dimensions_and_transposes():
    x = sample(np.float32, (2,) * 12, seed=12)
    grad = sample(np.float32, (2,) * 5 + (1,) + (2,) * 6, seed=13)
    assert_maxout(x, grad, 2, 5)
    turned = x.reshape(16, 16, 16).transpose(2, 0, 1)
    assert_maxout(turned, sample(np.float32, (16, 4, 16), seed=14), 4)


@every_dtype
def test_gradient_in_place_of_x(dtype, isa):
    for shape, axis in (((3, 8, BLOCK), 1), ((BLOCK, 8), 1), ((8, 5), 0)):
        x = sample(dtype, shape, seed=15)
        expected = reference.maxout(x, 4, axis)
        grad = sample(dtype, expected.shape, seed=16)
        expected = reference.maxout_backward(grad, x, 4, axis)
        assert fr.maxout_backward(grad, x, 4, axis, out=x) is x
        assert_bits(x, expected)


def test_overlap_acts_as_if_inputs_were_copied(isa):
    n = 4 * 8 * 40
    shape = (4, 8, 40)
    for start_of_x, start_of_out in ((0, 1), (1, 0), (0, 40), (40, 0), (0, n // 2), (n // 2, 0)):
        buffer = sample(np.float32, (2 * n,), seed=17)
        x = buffer[start_of_x:][:n].reshape(shape)
        out = buffer[start_of_out:][:n].reshape(shape)
        grad = sample(np.float32, (4, 4, 40), seed=18)
        expected = reference.maxout_backward(grad, x, 2)
        fr.maxout_backward(grad, x, 2, out=out)
        assert_bits(out, expected)

        expected = reference.maxout(x, 2)
        out = buffer[start_of_out:][: n // 2].reshape(4, 4, 40)
        fr.maxout(x, 2, out=out)
        assert_bits(out, expected)

        grad = buffer[start_of_out:][: n // 2].reshape(4, 4, 40)
        expected = reference.maxout_backward(grad, x, 2)
        fr.maxout_backward(grad, x, 2, out=x)
        assert_bits(x, expected)


@pytest.mark.parametrize(
    ("shape", "axis"), [((16, 8, 56, 56), 1), ((4, 500_000), 0), ((100_000, 8), 1)]
)
def test_threads_give_the_same_bytes(shape, axis, isa):
    x = sample(np.float32, shape, seed=19)
    expected = reference.maxout(x, 4, axis)
    grad = sample(np.float32, expected.shape, seed=20)
    expected_gradient = reference.maxout_backward(grad, x, 4, axis)
    for threads in (1, 2, 3, 8):
        with fr.num_threads(threads):
            for _ in range(2):  # workers help from the second of a series on
                assert_bits(fr.maxout(x, 4, axis), expected)
                assert_bits(fr.maxout_backward(grad, x, 4, axis), expected_gradient)


def test_dtypes_of_two_arrays():
    x = np.array([[1, 5, -2, -2]], np.int16)
    for grad_dtype, expected in (("f4", "f4"), ("i4", "i4"), ("u2", "i4"), ("f8", "f8")):
        grad_x = fr.maxout_backward(np.array([[1, 2]], grad_dtype), x, 2)
        assert grad_x.dtype == expected
        assert grad_x.tolist() == [[0, 1, 2, 0]]


def test_empty():
    for shape, groups, pooled in (
        ((0, 4), 2, (0, 2)),
        ((3, 0), 5, (3, 0)),
        ((2, 4, 0), 2, (2, 2, 0)),
    ):
        y = fr.maxout(np.empty(shape, np.float32), groups)
        assert (y.dtype, y.shape) == (np.float32, pooled)
        grad_x = fr.maxout_backward(y, np.empty(shape, np.float32), groups)
        assert (grad_x.dtype, grad_x.shape) == (np.float32, shape)


def test_array_likes_and_foreign_byte_order():
    assert fr.maxout([[1, 3, 2, 0]], 2).tolist() == [[3, 2]]
    x = np.array([[1.0, 3.0, 2.0, 0.0]])
    foreign = x.astype(x.dtype.newbyteorder())
    y = fr.maxout(foreign, np.int8(2), np.int64(1))
    assert y.dtype.isnative
    assert y.tolist() == [[3.0, 2.0]]
    out = np.empty((1, 2), foreign.dtype)
    assert fr.maxout(foreign, 2, out=out) is out
    assert out.tolist() == [[3.0, 2.0]]
    described = x.view(np.dtype(np.float64, metadata={"unit": "m"}))
    assert fr.maxout(described, 2).tolist() == [[3.0, 2.0]]


def read_only(array):
    array.flags.writeable = False
    return array


AXIS_ERROR = np.exceptions.AxisError
X = np.arange(24.0).reshape(2, 12)
ARGUMENTS = {
    "does not divide": (
        X,
        5,
        1,
        ValueError,
        r"pool_size \(5\) does not divide the 12 channels of axis 1",
    ),
    "zero pools": (X, 0, 1, ValueError, "^maxout(_backward)?: pool_size must be at least 1, not 0"),
    "negative pools": (X, -2, 1, ValueError, "pool_size must be at least 1, not -2"),
    "axis too large": (X, 2, 2, AXIS_ERROR, "axis 2"),
    "axis too small": (X, 2, -3, AXIS_ERROR, "axis -3"),
    "one dimension": (X[0], 2, 1, AXIS_ERROR, "axis 1"),
    "no dimension": (np.array(1.0), 1, 0, AXIS_ERROR, "axis 0"),
    "huge pools": (X, 2**70, 1, ValueError, "does not divide"),
    "pools of True": (X, True, 1, TypeError, "pool_size must be an int, not bool"),
    "float pools": (X, 2.0, 1, TypeError, "pool_size must be an int, not float"),
    "float axis": (X, 2, 1.0, TypeError, "float"),
    "bool": (X > 0, 2, 1, TypeError, "bool"),
    "complex": (X * 1j, 2, 1, TypeError, "complex128"),
    "object": (X.astype(object), 2, 1, TypeError, "object"),
}


@pytest.mark.parametrize(
    ("x", "pool_size", "axis", "kind", "words"), ARGUMENTS.values(), ids=ARGUMENTS
)
def test_arguments_refused(x, pool_size, axis, kind, words):
    with pytest.raises(kind, match=words):
        fr.maxout(x, pool_size, axis)
    with pytest.raises(kind, match=words):
        fr.maxout_backward(np.ones((2, 6)), x, pool_size, axis)


OUTS = {
    "shape": (lambda shape: np.ones((*shape, 1)), ValueError, "shape"),
    "dtype": (lambda shape: np.ones(shape, np.float32), TypeError, "float32.*float64"),
    "read-only": (lambda shape: read_only(np.ones(shape)), ValueError, "read-only"),
    "list": (lambda shape: [1.0], TypeError, "list"),
}


@pytest.mark.parametrize(("make", "kind", "words"), OUTS.values(), ids=OUTS)
def test_outs_refused(make, kind, words):
    grad, twice = np.ones((2, 6)), np.ones((2, 24))
    calls = {
        "maxout": ((2, 6), lambda out: fr.maxout(X, 2, out=out)),
        "maxout_backward": ((2, 12), lambda out: fr.maxout_backward(grad, X, 2, out=out)),
        "crelu": ((2, 24), lambda out: fr.crelu(X, out=out)),
        "crelu_backward": ((2, 12), lambda out: fr.crelu_backward(twice, X, out=out)),
    }
    for name, (shape, call) in calls.items():
        out = make(shape)
        with pytest.raises(kind, match=f"{name}: .*{words}"):
            call(out)
        assert (np.array(out) == 1).all()


def test_gradients_of_another_shape_are_refused():
    for shape in ((2, 5), (2, 12), (6,), (1, 6), (2, 6, 1)):
        out = np.ones((2, 12))
        with pytest.raises(ValueError, match=r"grad_output has shape .*\(2, 6\)"):
            fr.maxout_backward(np.ones(shape), X, 2, out=out)
        assert (out == 1).all()


# crelu


def halves(x, axis):
    return np.concatenate([fr.relu(x), _core.negated_relu(x)], axis)


def without_nan(x):
    return np.where(np.isnan(x), zero(x.dtype), x)


@every_signed_dtype
@np.errstate(all="ignore")
def test_crelu(dtype):
    for shape, axis in (((2, 3, 5), 1), ((4, 70), 1), ((6,), 0), ((2, 3, 4), -1), ((3, 0), 1)):
        x = sample(dtype, shape, seed=21)
        assert_bits(fr.crelu(x, axis), halves(x, axis))
        out = np.empty_like(halves(x, axis))
        assert fr.crelu(x, axis, out=out) is out
        assert_bits(out, halves(x, axis))
        numbers = without_nan(x)
        assert_bits(fr.crelu(numbers, axis), reference.crelu(numbers, axis))


@every_signed_dtype
@np.errstate(all="ignore")
def test_crelu_backward(dtype):
    for shape, axis in (((2, 3, 5), 1), ((4, 70), 1), ((6,), 0), ((2, 3, 4), -1), ((3, 0), 1)):
        x, y = sample(dtype, shape, seed=22), sample(dtype, shape, seed=23)
        x, grad = without_nan(x), without_nan(np.concatenate([y, y[::-1]], axis))
        expected = reference.crelu_backward(grad, x, axis)
        assert_bits(fr.crelu_backward(grad, x, axis), expected)
        out = np.empty_like(x)
        assert fr.crelu_backward(grad, x, axis, out=out) is out
        assert_bits(out, expected)
        assert fr.crelu_backward(grad, x, axis, out=x) is x
        assert_bits(x, expected)


def test_crelu_by_hand():
    x = np.array([[-1.0, 2.0, -0.0, np.inf]])
    expected = [[0, 2, 0, np.inf, 1, 0, 0, 0]]
    assert_bits(fr.crelu(x), np.array(expected, float))
    assert_bits(reference.crelu(x), np.array(expected, float))
    grad = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8]])
    assert_bits(fr.crelu_backward(grad, x), np.array([[-5.0, 2, 0, 4]]))
    assert fr.crelu(np.array([[-128, -1]], np.int8)).tolist() == [[0, 0, 0, 1]]


def test_crelu_of_other_layouts_and_overlaps():
    x = sample(np.float32, (4, 6, 5), seed=24)
    x[np.isnan(x)] = 1
    for each in (np.asfortranarray(x), x[::-1], x[:, ::2], x.astype(x.dtype.newbyteorder())):
        y = fr.crelu(each)
        assert y.dtype.isnative
        assert_bits(y, halves(np.ascontiguousarray(each, np.float32), 1))
    for start in (0, 3, 100):
        buffer = np.random.default_rng(25).standard_normal(500).astype(np.float32)
        x, out = buffer[start:][:120].reshape(4, 6, 5), buffer[:240].reshape(4, 12, 5)
        expected = halves(x.copy(), 1)
        fr.crelu(x, out=out)
        assert_bits(out, expected)


def test_crelu_refuses():
    for x in (np.ones((2, 2), np.uint8), np.ones((2, 2), np.uint64)):
        with pytest.raises(
            TypeError, match=r"^crelu: x must hold signed numbers, not uint.*np\.int16"
        ):
            fr.crelu(x)
        with pytest.raises(
            TypeError, match=r"^crelu_backward: x must hold signed numbers, not uint"
        ):
            fr.crelu_backward(np.ones((2, 4)), x)
    for x in (X > 0, X * 1j, X.astype(object)):
        with pytest.raises(
            TypeError, match=rf"^crelu: x must hold integers or floats, not {x.dtype}; "
        ):
            fr.crelu(x)
    for x, axis in ((X, 2), (X, -3), (X[0], 1), (1.0, 0)):
        with pytest.raises(AXIS_ERROR):
            fr.crelu(x, axis)
        with pytest.raises(AXIS_ERROR):
            fr.crelu_backward(X, x, axis)
    for shape in ((2, 12), (2, 23), (4, 12), (24,), (2, 24, 1)):
        out = np.ones((2, 12))
        with pytest.raises(ValueError, match=r"grad_output has shape .*\(2, 24\)"):
            fr.crelu_backward(np.ones(shape), X, out=out)
        assert (out == 1).all()


@pytest.mark.parametrize("ndim", [33, 64])
def test_as_many_axes_as_numpy_has(ndim):
    plain, more = np.arange(-24, 24, dtype=np.float32).reshape(6, 8), (1,) * (ndim - 2)
    for x in (plain, plain[::-1, ::-1], plain.astype(">f4")):
        deep = x.reshape(x.shape + more)
        for axis in (0, 1):
            for function, others in ((fr.maxout, (2,)), (fr.crelu, ())):
                expected = function(x, *others, axis=axis)
                for out in (None, np.empty(expected.shape + more, np.float32)):
                    actual = function(deep, *others, axis=axis, out=out)
                    assert actual.shape == expected.shape + more
                    assert_bits(actual.reshape(expected.shape), expected)
                grad = expected[::-1]
                backward = getattr(fr, f"{function.__name__}_backward")
                expected = backward(grad, x, *others, axis=axis)
                for out in (None, np.empty(deep.shape, np.float32)):
                    deep_grad = grad.reshape(grad.shape + more)
                    actual = backward(deep_grad, deep, *others, axis=axis, out=out)
                    assert_bits(actual.reshape(expected.shape), expected)


@pytest.mark.parametrize("shape", [(0, 2**58), (2**58, 0), (2**29, 0, 2**28), (0, 2**62)], ids=str)
def test_arrays_without_elements_of_any_shape(shape):
    x = np.empty(shape, np.int8)
    for each in (x, x.view(np.recarray)):
        for axis in range(x.ndim):
            channels = shape[axis]
            for groups in (1, 2):
                pooled = (*shape[:axis], channels // groups, *shape[axis + 1 :])
                y = fr.maxout(each, groups, axis)
                assert y.shape == pooled
                assert fr.maxout_backward(y, each, groups, axis).shape == shape
            if channels < 2**60:
                y = fr.crelu(each, axis)
                assert y.shape == (*shape[:axis], 2 * channels, *shape[axis + 1 :])
                assert fr.crelu_backward(y, each, axis).shape == shape
            else:
                with pytest.raises(ValueError, match=r"too big|dim"):
                    fr.crelu(each, axis)
