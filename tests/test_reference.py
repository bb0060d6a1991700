"""The oracle itself, against tables written by hand and against PyTorch."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from fastrelu import cases, reference
from support import UFUNCS, differing, oracle, takes_slope

NAN, INF = np.nan, np.inf
X = [-INF, -2.0, -0.0, 0.0, 3.0, INF, NAN, -NAN]

UNARY = {
    "relu": [0.0, 0.0, 0.0, 0.0, 3.0, INF, NAN, -NAN],
    "relu_derivative": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    "leaky_relu": [-INF, -0.5, -0.0, 0.0, 3.0, INF, NAN, -NAN],
    "leaky_relu_derivative": [0.25, 0.25, 0.25, 0.25, 1.0, 1.0, 0.25, 0.25],
}
BACKWARD = {
    "relu_backward": {
        5.0: [0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0],
        -5.0: [0.0, 0.0, 0.0, 0.0, -5.0, -5.0, -5.0, -5.0],
        -0.0: [0.0, 0.0, 0.0, 0.0, -0.0, -0.0, -0.0, -0.0],
        INF: [0.0, 0.0, 0.0, 0.0, INF, INF, INF, INF],
        NAN: [0.0, 0.0, 0.0, 0.0, NAN, NAN, NAN, NAN],
    },
    "leaky_relu_backward": {
        5.0: [1.25, 1.25, 1.25, 1.25, 5.0, 5.0, 1.25, 1.25],
        -0.0: [-0.0] * 8,
        INF: [INF] * 8,
        NAN: [NAN] * 8,
    },
}
FLOATS = (np.float16, np.float32, np.float64, np.longdouble)


def slope_for(name):
    return (0.25,) if "leaky" in name else ()


def assert_bits(actual, expected):
    assert actual.dtype == expected.dtype
    assert not differing(actual, expected).any(), (actual, expected)


def test_every_ufunc_has_a_table_and_a_reference():
    names = {ufunc.__name__ for ufunc in UFUNCS}
    assert names <= set(reference.__all__)
    assert names == {*UNARY, *BACKWARD}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_table(name, dtype):
    x = np.array(X, dtype)
    actual = getattr(reference, name)(x, *slope_for(name))
    assert_bits(actual, np.array(UNARY[name], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BACKWARD)
def test_backward_table(name, dtype):
    for gradient, expected in BACKWARD[name].items():
        gradients = np.full(len(X), gradient, dtype)
        actual = getattr(reference, name)(gradients, np.array(X, dtype), *slope_for(name))
        assert_bits(actual, np.array(expected, dtype))


def test_integers():
    x = np.array([-128, -1, 0, 1, 127], np.int8)
    assert_bits(reference.relu(x), np.array([0, 0, 0, 1, 127], np.int8))
    assert_bits(reference.relu_derivative(x), np.array([0, 0, 0, 1, 1], np.int8))
    assert_bits(reference.relu_backward(x[::-1], x), np.array([0, 0, 0, -1, -128], np.int8))
    unsigned = np.array([0, 1, 255], np.uint8)
    assert_bits(reference.relu(unsigned), unsigned)
    assert_bits(reference.leaky_relu(x, 0.5), np.array([-64, -0.5, 0, 1, 127]))


def test_slopes_of_every_kind():
    x = np.array([-INF, -1.0, -0.0, 0.0, 1.0])
    assert_bits(reference.leaky_relu(x[1:], 0.0), np.array([-0.0, -0.0, 0.0, 1.0]))
    assert np.isnan(reference.leaky_relu(x, 0.0)[0])
    assert_bits(reference.leaky_relu(x, -0.5), np.array([INF, 0.5, 0.0, -0.0, 1.0]))
    assert_bits(reference.leaky_relu(x, 2.0), np.array([-INF, -2.0, -0.0, 0.0, 1.0]))


def test_half_types_do_not_round_the_slope_first():
    x = np.array([-3.0, -7.0], np.float16)
    slope = 0.01
    once = (x.astype(np.float32) * np.float32(slope)).astype(np.float16)
    assert_bits(reference.leaky_relu(x, slope), once)
    assert reference.leaky_relu(x, np.float32(0.1)).dtype == np.float16
    assert reference.leaky_relu(x, np.float64(0.1)).dtype == np.float64


def test_nan_keeps_its_payload():
    for dtype in FLOATS:
        form = cases.format_of(dtype)
        nans = [form.infinity + 5, form.infinity | form.quiet | 3, form.sign | form.infinity + 7]
        x = cases.from_patterns(nans, dtype)
        assert_bits(reference.relu(x), x)
        assert_bits(reference.relu_backward(x, np.abs(x)), x)


def test_never_warns():
    for ufunc in UFUNCS:
        specials = cases.special_values(np.float32)
        with np.errstate(all="raise"):
            arguments = [specials] * (ufunc.nin - takes_slope(ufunc))
            oracle(ufunc)(*arguments)


@pytest.mark.parametrize("value", [True, 1j, "1", None, np.array([1], object), np.array([], bool)])
def test_refuses_what_is_no_real_number(value):
    for ufunc in UFUNCS:
        function = oracle(ufunc)
        arrays = len(inspect.signature(function).parameters) - takes_slope(ufunc)
        with pytest.raises(TypeError):
            function(*[value] * arrays)


def to_torch(torch, values):
    """A tensor of the same bits, also for dtypes that PyTorch does not take from NumPy."""
    name = values.dtype.name
    if name == "bfloat16":
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


def from_torch(torch, tensor, dtype):
    if dtype.name == "bfloat16":
        return tensor.view(torch.int16).numpy().view(dtype)
    return tensor.numpy()


def torch_dtypes():
    yield from map(np.dtype, (np.float16, np.float32, np.float64))
    ml_dtypes = pytest.importorskip("ml_dtypes")
    yield np.dtype(ml_dtypes.bfloat16)


def values_for(dtype):
    return cases.every_pattern(dtype) if dtype.itemsize <= 2 else cases.sample(dtype, 20_000, 40)


@np.errstate(invalid="ignore")  # some packages report what they say of a signalling NaN
def equal_but_for_nan_bits(actual, expected):
    nan = np.isnan(expected)
    return (np.isnan(actual) == nan).all() and not differing(actual, expected)[~nan].any()


@np.errstate(invalid="ignore")
def test_relu_is_pytorchs_but_for_the_sign_of_zero():
    torch = pytest.importorskip("torch")
    for dtype in torch_dtypes():
        x = values_for(dtype)
        x = x[x != 0]
        theirs = from_torch(torch, torch.relu(to_torch(torch, x)), dtype)
        assert equal_but_for_nan_bits(reference.relu(x), theirs)


def test_relu_backward_is_pytorchs():
    torch = pytest.importorskip("torch")
    for dtype in torch_dtypes():
        x = values_for(dtype)
        gradients = np.roll(x, 12_345)
        theirs = torch.ops.aten.threshold_backward(
            to_torch(torch, gradients), to_torch(torch, x), 0
        )
        ours = reference.relu_backward(gradients, x)
        assert equal_but_for_nan_bits(ours, from_torch(torch, theirs, dtype))


@pytest.mark.parametrize("slope", [0.01, 0.2, 0.0, -0.5, 2.0])
def test_leaky_relu_is_pytorchs(slope):
    torch = pytest.importorskip("torch")
    for dtype in torch_dtypes():
        x = values_for(dtype)
        theirs = torch.nn.functional.leaky_relu(to_torch(torch, x), slope)
        ours = reference.leaky_relu(x, slope)
        assert equal_but_for_nan_bits(ours, from_torch(torch, theirs, dtype))


@pytest.mark.parametrize("slope", [0.01, 0.2, 0.0, -0.5, 2.0])
def test_leaky_relu_backward_is_pytorchs(slope):
    torch = pytest.importorskip("torch")
    for dtype in torch_dtypes():
        x = values_for(dtype)
        gradients = np.roll(x, 12_345)
        theirs = torch.ops.aten.leaky_relu_backward(
            to_torch(torch, gradients), to_torch(torch, x), slope, False
        )
        ours = reference.leaky_relu_backward(gradients, x, slope)
        assert equal_but_for_nan_bits(ours, from_torch(torch, theirs, dtype))
