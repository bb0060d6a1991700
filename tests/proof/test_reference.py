"""The oracle itself, against tables written by hand and against PyTorch."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import reference
from fastrelu.testing import _functions, cases, may_differ, verified_names
from support import UFUNCS, arithmetic, array_count, differing, legal, oracle, usual_dtype

NAN, INF = np.nan, np.inf
X = [-INF, -2.0, -0.0, 0.0, 3.0, INF, NAN, -NAN]

UNARY = {
    "relu": [0.0, 0.0, 0.0, 0.0, 3.0, INF, NAN, -NAN],
    "relu_derivative": [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
    "leaky_relu": [-INF, -0.5, -0.0, 0.0, 3.0, INF, NAN, -NAN],
    "leaky_relu_derivative": [0.25, 0.25, 0.25, 0.25, 1.0, 1.0, 0.25, 0.25],
    "relu6": [0.0, 0.0, 0.0, 0.0, 3.0, 6.0, NAN, -NAN],
    "clipped_relu": [0.0, 0.0, 0.0, 0.0, 2.5, 2.5, NAN, -NAN],
    "hardtanh": [-1.0, -1.0, -0.0, 0.0, 1.0, 1.0, NAN, -NAN],
    "thresholded_relu": [0.0, 0.0, 0.0, 0.0, 3.0, INF, NAN, -NAN],
    "threshold": [20.0, 20.0, 20.0, 20.0, 3.0, INF, NAN, -NAN],
    "negated_relu": [INF, 2.0, 0.0, 0.0, 0.0, 0.0, -NAN, NAN],
    "squared_relu": [0.0, 0.0, 0.0, 0.0, 9.0, INF, NAN, NAN],
    "hardsigmoid": [0.0, 1 / 6, 0.5, 0.5, 1.0, 1.0, NAN, NAN],
    "softshrink": [-INF, -1.5, 0.0, 0.0, 2.5, INF, NAN, NAN],
    "hardswish": [NAN, -1 / 3, -0.0, 0.0, 3.0, INF, NAN, NAN],
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
    "relu6_backward": {
        5.0: [0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 5.0, 5.0],
        NAN: [0.0, 0.0, 0.0, 0.0, NAN, 0.0, NAN, NAN],
    },
    "clipped_relu_backward": {
        -5.0: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -5.0, -5.0],
        NAN: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NAN, NAN],
    },
    "hardtanh_backward": {
        -0.0: [0.0, 0.0, -0.0, -0.0, 0.0, 0.0, -0.0, -0.0],
        INF: [0.0, 0.0, INF, INF, 0.0, 0.0, INF, INF],
    },
    "thresholded_relu_backward": {5.0: [0.0, 0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0]},
    "threshold_backward": {
        -5.0: [0.0, 0.0, 0.0, 0.0, -5.0, -5.0, -5.0, -5.0],
        NAN: [0.0, 0.0, 0.0, 0.0, NAN, NAN, NAN, NAN],
    },
    "squared_relu_backward": {
        -5.0: [0.0, 0.0, 0.0, 0.0, -30.0, -INF, NAN, NAN],
        INF: [0.0, 0.0, 0.0, 0.0, INF, INF, NAN, NAN],
    },
    "hardsigmoid_backward": {
        6.0: [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        INF: [0.0, INF, INF, INF, 0.0, 0.0, 0.0, 0.0],
    },
    "softshrink_backward": {
        5.0: [5.0, 5.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0],
        -0.0: [-0.0, -0.0, 0.0, 0.0, -0.0, -0.0, -0.0, -0.0],
        INF: [INF, INF, 0.0, 0.0, INF, INF, INF, INF],
        NAN: [NAN, NAN, 0.0, 0.0, NAN, NAN, NAN, NAN],
    },
    "hardswish_backward": {
        4.0: [0.0, 4.0 * (-2 / 3 + 0.5), 2.0, 2.0, 4.0, 4.0, 4.0, 4.0],
        NAN: [0.0, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
    },
}
FUSED = {
    "add_relu": [
        ((-2.0, 1.0), 0.0), ((1.0, -1.0), 0.0), ((-0.0, -0.0), 0.0), ((1.0, 2.0), 3.0),
        ((INF, -INF), NAN), ((NAN, 1.0), NAN), ((1.0, INF), INF),
    ],
    "add_leaky_relu": [
        ((-2.0, 1.0), -0.25), ((-0.0, -0.0), -0.0), ((1.0, 2.0), 3.0), ((INF, -INF), NAN),
        ((-INF, 1.0), -INF),
    ],
    "scale_shift_relu": [
        ((2.0, 3.0, 0.5), 6.5), ((2.0, -3.0, 0.5), 0.0), ((-1.0, 0.0, -0.0), 0.0),
        ((INF, 0.0, 1.0), NAN), ((1.0, 1.0, NAN), NAN),
    ],
    "crelu_gradient": [
        ((5.0, 7.0, 2.0), 5.0), ((5.0, 7.0, -2.0), -7.0), ((5.0, 7.0, 0.0), 0.0),
        ((NAN, 7.0, -2.0), -7.0), ((5.0, NAN, 2.0), 5.0), ((5.0, 7.0, NAN), -2.0),
    ],
}  # fmt: skip
ENDS = [-INF, -0.0, 0.0, INF, NAN, -NAN]
"""Where smooth functions have values that are known by heart; test_smooth.py has the others."""
LOG_2, SCALE = "0.693147180559945309417232121458176568", "1.0507009873554804934193349852946"
SCALE_ALPHA = "1.7580993408473768599402175208123"
CURVES = {
    "sigmoid": [0.0, 0.5, 0.5, 1.0],
    "tanh": [-1.0, -0.0, 0.0, 1.0],
    "silu": [-0.0, -0.0, 0.0, INF],
    "gelu": [-0.0, -0.0, 0.0, INF],
    "gelu_tanh": [-0.0, -0.0, 0.0, INF],
    "mish": [-0.0, -0.0, 0.0, INF],
    "softplus": [0.0, LOG_2, LOG_2, INF],
    "log_sigmoid": [-INF, "-" + LOG_2, "-" + LOG_2, -0.0],
    "selu": ["-" + SCALE_ALPHA, -0.0, 0.0, INF],
    "softsign": [-1.0, -0.0, 0.0, 1.0],
    "elu": [-0.25, -0.0, 0.0, INF],
    "celu": [-0.25, -0.0, 0.0, INF],
}
SLOPES = {
    "sigmoid": [0.0, 0.25, 0.25, 0.0],
    "tanh": [0.0, 1.0, 1.0, 0.0],
    "silu": [-0.0, 0.5, 0.5, 1.0],
    "gelu": [-0.0, 0.5, 0.5, 1.0],
    "gelu_tanh": [-0.0, 0.5, 0.5, 1.0],
    "mish": [-0.0, "0.6", "0.6", 1.0],
    "softplus": [0.0, 0.5, 0.5, 1.0],
    "log_sigmoid": [1.0, 0.5, 0.5, 0.0],
    "selu": [0.0, SCALE_ALPHA, SCALE_ALPHA, SCALE],
    "softsign": [0.0, 1.0, 1.0, 0.0],
    "elu": [0.0, 0.25, 0.25, 1.0],
    "celu": [0.0, 1.0, 1.0, 1.0],
}
OUTPUTS = [0.0, -0.0, 1.0, -1.0, 0.5, INF, -INF, NAN]
SLOPES_OF_OUTPUTS = {
    "sigmoid_backward_from_output": [0.0, -0.0, 0.0, -2.0, 0.25, -INF, -INF, NAN],
    "tanh_backward_from_output": [1.0, 1.0, 0.0, 0.0, 0.75, -INF, -INF, NAN],
}
PARAMETERS = {
    "elu": (0.25,),
    "celu": (0.25,),
    "clipped_relu": (2.5,),
    "clipped_relu_backward": (2.5,),
    "threshold": (1.0, 20.0),
    "threshold_backward": (1.0,),
}
FLOATS = (np.float16, np.float32, np.float64, np.longdouble)


def parameters_for(name):
    return (0.25,) if "leaky" in name else PARAMETERS.get(name, ())


def assert_bits(actual, expected):
    assert actual.dtype == expected.dtype
    assert not differing(actual, expected).any(), (actual, expected)


def assert_promised_bits(name, actual, expected):
    """The same, but that a NaN which arithmetic touched may be any."""
    if reference.arithmetic(name) == "selects" or "leaky_relu" in name[:10]:
        assert_bits(actual, expected)
    else:
        assert actual.dtype == expected.dtype
        assert equal_but_for_nan_bits(actual, expected), (actual, expected)


WITHOUT_THE_LIBRARY = """
import importlib.abc, pickle, sys, types

class RefusesTheLibrary(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("fastrelu.") and not name.startswith("fastrelu.reference"):
            raise ImportError(f"the reference imports {name}")

library = types.ModuleType("fastrelu")
library.__path__ = [sys.argv[1]]
sys.modules["fastrelu"] = library
sys.meta_path.insert(0, RefusesTheLibrary())

from fastrelu import reference

calls = pickle.load(sys.stdin.buffer)
results = {name: getattr(reference, name)(*arguments) for name, arguments in calls.items()}
loaded = [name for name in sys.modules if name.startswith("fastrelu.")]
sys.stdout.buffer.write(pickle.dumps((results, loaded)))
"""


def calls_of_all_functions():
    """Arguments for every function that the library has, too, by name."""
    x = np.array([-3.0, 0.5, 2.0, NAN], np.float32)
    calls = {each.__name__: legal(each, [x, x[::-1], x, x + 1][: each.nin]) for each in UFUNCS}
    calls["relu_quantized"] = [np.arange(-5, 5), 2]
    operands = _functions.Operands(np.dtype(np.float32), (3, 4, 5), cases.LAYOUTS["dense"])
    of_functions = {name: of(operands) for name, of in _functions.ARGUMENTS.items()}
    return calls | {name: [*map(_functions.bare, each)] for name, each in of_functions.items()}


def test_shares_no_line_with_the_library():
    """It is imported and computes the same where no other module of fastrelu can be had."""
    calls = calls_of_all_functions()
    command = [sys.executable, "-c", WITHOUT_THE_LIBRARY, str(Path(fr.__file__).parent)]
    result = subprocess.run(command, input=pickle.dumps(calls), capture_output=True, check=False)
    assert result.stderr == b""
    results, loaded = pickle.loads(result.stdout)
    assert all(name.startswith("fastrelu.reference") for name in loaded)
    for name, arguments in calls.items():
        assert repr(results[name]) == repr(getattr(reference, name)(*arguments)), name


def test_all_that_is_public_is_listed():
    """Every function that the library has in another form has its reference in `__all__`."""
    listed = set(reference.__all__)
    assert listed == set(dir(reference))
    assert len(listed) == len(reference.__all__)
    assert {ufunc.__name__ for ufunc in UFUNCS} <= listed
    assert set(verified_names()) <= listed
    for name in listed:
        assert inspect.isfunction(getattr(reference, name))
        assert getattr(reference, name).__doc__


def test_every_ufunc_has_a_table():
    smooth = {*CURVES, *SLOPES_OF_OUTPUTS}
    smooth |= {f"{name}_{each}" for name in SLOPES for each in ("derivative", "backward")}
    assert smooth == {ufunc.__name__ for ufunc in UFUNCS if arithmetic(ufunc) == "smooth"}
    names = {ufunc.__name__ for ufunc in UFUNCS} - smooth
    assert names == {*UNARY, *BACKWARD, *FUSED, "relu_quantized"}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_table(name, dtype):
    x = np.array(X, dtype)
    actual = getattr(reference, name)(x, *parameters_for(name))
    assert_promised_bits(name, actual, rounded(UNARY[name], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", BACKWARD)
def test_backward_table(name, dtype):
    for gradient, expected in BACKWARD[name].items():
        gradients = np.full(len(X), gradient, dtype)
        actual = getattr(reference, name)(gradients, np.array(X, dtype), *parameters_for(name))
        assert_promised_bits(name, actual, rounded(expected, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FUSED)
def test_fused_table(name, dtype):
    inputs, expected = zip(*FUSED[name], strict=True)
    arrays = [np.array(each, dtype) for each in zip(*inputs, strict=True)]
    actual = getattr(reference, name)(*arrays, *parameters_for(name))
    assert_promised_bits(name, actual, np.array(expected, dtype))


def from_table(numbers, dtype):
    """Decimals with more digits than any dtype has, rounded, and the NaNs of ENDS behind them."""
    return np.array([*map(np.longdouble, numbers), NAN, -NAN], np.longdouble).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CURVES)
def test_curves_at_their_ends(name, dtype):
    """NaNs keep their sign; in longdouble, logarithms and products may be some units off."""
    x = np.array(ENDS, dtype)
    for function, table in ((name, CURVES), (f"{name}_derivative", SLOPES)):
        actual = getattr(reference, function)(x, *PARAMETERS.get(name, ()))
        expected = from_table(table[name], dtype)
        is_wrong = differing(actual, expected)
        if dtype == np.longdouble:
            is_wrong &= ~may_differ(function, [x], actual, expected)
        assert actual.dtype == expected.dtype
        assert not is_wrong.any(), (actual, expected)


def assert_is_product(name, inputs, slopes, dtype):
    """The gradient is a product with these slopes, whatever is multiplied."""
    for gradient in (3.0, -5.0, -0.0, INF, NAN):
        gradients = np.full(len(inputs), gradient, dtype)
        actual = getattr(reference, name)(gradients, np.array(inputs, dtype), *parameters(name))
        with np.errstate(all="ignore"):
            expected = (gradients * slopes).astype(dtype)
        assert actual.dtype == dtype
        wrong = differing(actual, expected) & ~(np.isnan(actual) & np.isnan(expected))
        if dtype == np.longdouble:
            wrong &= ~may_differ(name, [gradients, gradients], actual, expected)
        assert not wrong.any(), (gradient, actual, expected)


def parameters(name):
    return PARAMETERS.get(name.removesuffix("_backward"), ())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SLOPES)
def test_gradients_at_the_ends_of_curves(name, dtype):
    assert_is_product(f"{name}_backward", ENDS, from_table(SLOPES[name], dtype), dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SLOPES_OF_OUTPUTS)
def test_gradients_from_outputs(name, dtype):
    assert_is_product(name, OUTPUTS, np.array(SLOPES_OF_OUTPUTS[name], dtype), dtype)


def rounded(numbers, dtype):
    """The numbers of a table in a dtype; thirds and sixths as it divides them."""
    wide = reference.product_dtype(np.dtype(dtype))
    one = wide.type(1)
    exact = {
        1 / 6: one / wide.type(6),
        -1 / 3: -(one + one) / wide.type(6),
        4.0 * (-2 / 3 + 0.5): wide.type(4) * (wide.type(-2) / wide.type(3) + one / wide.type(2)),
    }
    return np.array([exact.get(each, each) for each in numbers], wide).astype(dtype)


def test_integers():
    x = np.array([-128, -1, 0, 1, 127], np.int8)
    assert_bits(reference.relu(x), np.array([0, 0, 0, 1, 127], np.int8))
    assert_bits(reference.relu_derivative(x), np.array([0, 0, 0, 1, 1], np.int8))
    assert_bits(reference.relu_backward(x[::-1], x), np.array([0, 0, 0, -1, -128], np.int8))
    unsigned = np.array([0, 1, 255], np.uint8)
    assert_bits(reference.relu(unsigned), unsigned)
    assert_bits(reference.leaky_relu(x, 0.5), np.array([-64, -0.5, 0, 1, 127]))


def test_integers_of_the_other_functions():
    x = np.array([-128, -3, 0, 5, 127], np.int8)
    assert_bits(reference.relu6(x), np.array([0, 0, 0, 5, 6], np.int8))
    assert_bits(reference.hardtanh(x, -2, 5), np.array([-2, -2, 0, 5, 5], np.int8))
    assert_bits(reference.relu_quantized(x, -1), np.array([-1, -1, 0, 5, 127], np.int8))
    assert_bits(reference.negated_relu(x), np.array([0, 3, 0, 0, 0], np.int8))
    assert_bits(reference.add_relu(x, x), np.array([0, 0, 0, 10, 0], np.int8))
    assert_bits(reference.add_leaky_relu(x, x, 0.5), np.array([0.0, -3.0, 0.0, 10.0, -1.0]))
    assert_bits(reference.scale_shift_relu(x, x, x), np.array([0, 6, 0, 30, 0], np.int8))
    assert_bits(reference.squared_relu(x), np.array([0.0, 0.0, 0.0, 25.0, 127.0**2]))
    assert_bits(reference.squared_relu_backward(x, x), np.array([0.0, 0.0, 0.0, 50.0, 127 * 254]))
    assert_bits(reference.softshrink(x, 3), np.array([-125.0, 0.0, 0.0, 2.0, 124.0]))
    assert_bits(reference.softshrink_backward(x, x), np.array([-128.0, -3.0, 0.0, 5.0, 127.0]))
    with pytest.raises(TypeError, match="integers"):
        reference.relu_quantized(x.astype(float), 1)


def test_bounds_of_nan_bind_nothing():
    x = np.array([-INF, -2.0, 0.0, 3.0, INF])
    assert_bits(reference.hardtanh(x, NAN, NAN), x)
    assert_bits(reference.hardtanh(x, NAN, 1.0), np.array([-INF, -2.0, 0.0, 1.0, 1.0]))
    assert_bits(reference.hardtanh_backward(x, x, -1.0, NAN), np.array([0.0, 0.0, 0.0, 3.0, INF]))
    assert_bits(reference.clipped_relu(x, NAN), reference.relu(x))
    assert_bits(reference.clipped_relu_backward(x, x, NAN), reference.relu(x))
    assert_bits(reference.thresholded_relu(x, NAN), x)
    assert_bits(reference.threshold(x, NAN, 7.0), x)
    assert_bits(reference.threshold_backward(x, x, NAN), x)
    assert_bits(reference.softshrink_backward(x, x, NAN), x)


def test_softshrink_of_every_lambd():
    x = np.array([-INF, -2.0, -0.5, -0.0, 0.0, 5e-324, 0.5, 2.0, INF])
    beyond = np.array([-INF, -1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5, INF])
    assert_bits(reference.softshrink(x), beyond)
    assert_bits(reference.softshrink_backward(x, x), np.where(beyond == 0, 0.0, x))
    for nothing in (0.0, -0.0):
        assert_bits(reference.softshrink(x, nothing), np.where(x == 0, 0.0, x))
        assert_bits(reference.softshrink_backward(x, x, nothing), np.where(x == 0, 0.0, x))
    assert_bits(reference.softshrink(x, INF), np.zeros(9))
    assert_bits(reference.softshrink_backward(x, x, INF), np.zeros(9))
    assert np.isnan(reference.softshrink(x, NAN)).all()
    assert np.isnan(reference.softshrink(NAN, INF))
    assert reference.softshrink_backward(7.0, NAN, INF) == 7


def test_a_value_at_a_bound_becomes_the_bound():
    zeros = np.array([-0.0, 0.0])
    assert_bits(reference.hardtanh(zeros, 0.0, 1.0), np.array([0.0, 0.0]))
    assert_bits(reference.hardtanh(zeros, -0.0, 1.0), np.array([-0.0, -0.0]))
    assert_bits(reference.hardtanh(zeros, -1.0, -0.0), np.array([-0.0, -0.0]))
    assert_bits(reference.threshold(zeros, -0.0, -0.0), np.array([-0.0, -0.0]))


def test_sums_and_products_are_rounded_step_by_step():
    for dtype, odd in ((np.float16, 2049), (np.float32, 2**24 + 1)):
        x = np.array([odd - 1], dtype)
        assert_bits(reference.add_relu(x, dtype(1)), x)  # a tie, to even
        ulp = np.finfo(dtype).eps
        x = np.array([1 + ulp], dtype)
        square = (x * x).astype(dtype)
        assert_bits(reference.scale_shift_relu(x, x, -square), np.zeros(1, dtype))
    big = np.array([6e4], np.float16)
    assert_bits(reference.add_leaky_relu(big, big), np.array([INF], np.float16))
    assert_bits(reference.hardswish(big), big)
    assert_bits(reference.squared_relu_backward(np.float16(0.5), big), np.array([6e4], np.float16))
    tenth = np.array([0.1], np.float16)  # which is a little less
    assert_bits(reference.softshrink(tenth, 0.1), np.zeros(1, np.float16))
    once = (np.float32(tenth) - np.float32(0.0999)).astype(np.float16)
    assert_bits(reference.softshrink(tenth, 0.0999), once)


def test_bounds_in_the_wrong_order():
    x = np.ones(3, np.float32)
    for function, inputs in ((reference.hardtanh, (x,)), (reference.hardtanh_backward, (x, x))):
        words = rf"^{function.__name__}: min_val \(2.0\) is above max_val \(1.0\)$"
        for bounds in ((2.0, 1.0), (2, 1), (np.array([0, 2, 0]), 1.0), (x + 1, x)):
            with pytest.raises(ValueError, match=words):
                function(*inputs, *bounds)
    for function, inputs in (
        (reference.celu, (x,)),
        (reference.celu_derivative, (x,)),
        (reference.celu_backward, (x, x)),
    ):
        for bound in (-1.0, 0, -0.0, np.array([1, NAN, -1])):
            with pytest.raises(
                ValueError, match=rf"^{function.__name__}: alpha .* is not above 0$"
            ):
                function(*inputs, bound)
    for function, inputs, name in (
        (reference.clipped_relu, (x,), "max_val"),
        (reference.clipped_relu_backward, (x, x), "max_val"),
        (reference.softshrink, (x,), "lambd"),
        (reference.softshrink_backward, (x, x), "lambd"),
    ):
        words = rf"^{function.__name__}: {name} \(-1.0\) is below 0$"
        for bound in (-1.0, -1, np.array([0, NAN, -1])):
            with pytest.raises(ValueError, match=words):
                function(*inputs, bound)
        function(*inputs, -0.0)


def test_python_numbers_keep_the_dtype_of_another_package():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.ones(2, ml_dtypes.bfloat16)
    assert reference.clipped_relu(x, 0.5).dtype == reference.add_relu(x, 1.5).dtype == x.dtype
    assert reference.hardtanh(x, -1, 0.5).dtype == reference.relu_backward(x, 1.5).dtype == x.dtype
    assert reference.add_relu(x, np.float32(1)).dtype == np.float32


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
        specials = cases.special_values(usual_dtype(ufunc))
        with np.errstate(all="raise"):
            oracle(ufunc)(*legal(ufunc, [specials] * array_count(ufunc)))


@pytest.mark.parametrize("value", [True, 1j, "1", None, np.array([1], object), np.array([], bool)])
def test_refuses_what_is_no_real_number(value):
    for ufunc in UFUNCS:
        function = oracle(ufunc)
        parameters = inspect.signature(function).parameters.values()
        arrays = sum(each.default is each.empty for each in parameters)
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


def pairs_for_torch(torch):
    for dtype in torch_dtypes():
        x = values_for(dtype)
        if dtype.itemsize > 2:  # between the bounds lie few of any bits
            near = np.random.default_rng(1).uniform(-7, 7, x.size).astype(dtype)
            x = np.concatenate([x, near, cases.special_values(dtype)])
        yield dtype, x, np.roll(x, 12_345)


def assert_is_torchs(torch, ours, theirs, where=None):
    chosen = slice(None) if where is None else where
    assert equal_but_for_nan_bits(ours[chosen], from_torch(torch, theirs, ours.dtype)[chosen])


BOUNDS = [(-1.0, 1.0), (-0.5, 2.0), (1.0, 3.0), (-INF, INF)]
THRESHOLDS = [(1.0, 20.0), (-0.5, 0.0), (0.125, 3.0), (INF, 7.0), (-INF, 7.0)]


@np.errstate(invalid="ignore")
def test_bounded_functions_are_pytorchs():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for _, x, _ in pairs_for_torch(torch):
        tensor = to_torch(torch, x)
        relu6 = functional.relu6(tensor)  # of -0.0 it makes -0.0
        assert_is_torchs(torch, reference.relu6(x), relu6, x.astype(np.float64) != 0)
        for bounds in BOUNDS:
            theirs = functional.hardtanh(tensor, *bounds)
            assert_is_torchs(torch, reference.hardtanh(x, *bounds), theirs)
        for numbers in THRESHOLDS:
            theirs = functional.threshold(tensor, *numbers)
            assert_is_torchs(torch, reference.threshold(x, *numbers), theirs)


@np.errstate(invalid="ignore")
def test_gradients_of_bounded_functions_are_pytorchs():
    """But where x is NaN: the gradient passes, and PyTorch has 0 for bounds on both sides."""
    torch = pytest.importorskip("torch")
    aten = torch.ops.aten
    for _, x, g in pairs_for_torch(torch):
        tensors, number = (to_torch(torch, g), to_torch(torch, x)), ~np.isnan(x)
        theirs = aten.hardtanh_backward(*tensors, 0, 6)
        assert_is_torchs(torch, reference.relu6_backward(g, x), theirs, number)
        for bounds in BOUNDS:
            theirs = aten.hardtanh_backward(*tensors, *bounds)
            assert_is_torchs(torch, reference.hardtanh_backward(g, x, *bounds), theirs, number)
        for value, _ in THRESHOLDS:
            theirs = aten.threshold_backward(*tensors, value)
            assert_is_torchs(torch, reference.threshold_backward(g, x, value), theirs)
            assert_is_torchs(torch, reference.thresholded_relu_backward(g, x, value), theirs)


@np.errstate(invalid="ignore")
def test_hard_functions_are_pytorchs():
    """But for hardswish from 3 on, which PyTorch multiplies by 6 / 6, beyond the largest number."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for dtype, x, _ in pairs_for_torch(torch):
        tensor = to_torch(torch, x)
        assert_is_torchs(torch, reference.hardsigmoid(x), functional.hardsigmoid(tensor))
        theirs = functional.hardswish(tensor)
        assert_is_torchs(torch, reference.hardswish(x), theirs, ~(x >= dtype.type(3)))
        assert_is_torchs(torch, reference.squared_relu(x), torch.relu(tensor) ** 2)


@np.errstate(invalid="ignore")
def test_gradients_of_hard_functions_are_pytorchs():
    """But for hardswish at NaN, and the sixth that PyTorch has in float32 for float64."""
    torch = pytest.importorskip("torch")
    aten = torch.ops.aten
    for dtype, x, g in pairs_for_torch(torch):
        tensors = to_torch(torch, g), to_torch(torch, x)
        if dtype != np.float64:
            theirs = aten.hardsigmoid_backward(*tensors)
            assert_is_torchs(torch, reference.hardsigmoid_backward(g, x), theirs)
        theirs = aten.hardswish_backward(*tensors)
        assert_is_torchs(torch, reference.hardswish_backward(g, x), theirs, ~np.isnan(x))


@np.errstate(invalid="ignore")
@pytest.mark.parametrize("lambd", [0.5, 0.1, 0.0, 3.0])
def test_softshrink_is_pytorchs_except_for_the_sign_of_zero(lambd):
    """So is its gradient, except at NaN, for the `lambd` that PyTorch rounds to the dtype."""
    torch = pytest.importorskip("torch")
    for dtype, x, g in pairs_for_torch(torch):
        tensors = to_torch(torch, g), to_torch(torch, x)
        theirs = torch.nn.functional.softshrink(tensors[1], lambd) + 0  # -0.0 becomes +0.0
        assert_is_torchs(torch, reference.softshrink(x, lambd), theirs)
        theirs = torch.ops.aten.softshrink_backward(*tensors, lambd)
        held = float(np.float64(lambd).astype(dtype)) if dtype.itemsize < 4 else lambd
        assert_is_torchs(torch, reference.softshrink_backward(g, x, held), theirs, ~np.isnan(x))


@np.errstate(invalid="ignore")
def test_fused_functions_are_pytorchs():
    torch = pytest.importorskip("torch")
    for dtype, x, y in pairs_for_torch(torch):
        tensors = to_torch(torch, x), to_torch(torch, y)
        total, scaled = tensors[0] + tensors[1], tensors[0] * tensors[1] + tensors[0]
        ours = reference.add_relu(x, y)
        assert_is_torchs(torch, ours, torch.relu(total), ours != dtype.type(0))
        ours = reference.scale_shift_relu(x, y, x)
        assert_is_torchs(torch, ours, torch.relu(scaled), ours != dtype.type(0))
        theirs = torch.nn.functional.leaky_relu(total, 0.2)
        assert_is_torchs(torch, reference.add_leaky_relu(x, y, 0.2), theirs)
