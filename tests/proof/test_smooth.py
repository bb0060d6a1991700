"""Smooth functions: the reference against mpmath, the kernels against both.

In float32 and narrower floats there is one correct result. `smooth.run` has found the inputs that
are hard to round (tests/smooth): the results for these are what the proof for all others rests on.
"""

from __future__ import annotations

import platform
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fastrelu import _core, reference
from fastrelu.testing import cases, forced_isa
from mpmath import mp, mpf
from smooth import exact, run
from support import ISAS, assert_as_promised, differing, reported, without_sanitizer

ml_dtypes = pytest.importorskip("ml_dtypes")

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = [np.dtype(np.float16), BFLOAT16]
ROUNDED = [*HALVES, np.dtype(np.float32)]
FLOATS = [*ROUNDED, np.dtype(np.float64)]
EVERY = [*FLOATS, np.dtype(np.longdouble)]
HARD = Path(exact.__file__).parent / "hard"
NAMES = list(exact.FUNCTIONS)
OF_X_ALONE = [name for name in NAMES if not name.startswith("elu")]
VALUES = [name for name in OF_X_ALONE if not name.endswith("_derivative")]
ROOTS = {
    "silu_derivative": -1.2784645427610738,
    "gelu_derivative": -0.7517915246935645,
    "gelu_tanh_derivative": -0.7524614220710163,
    "mish_derivative": -1.1924312145154,
}
WITHIN_1_3 = {"sigmoid", "sigmoid_derivative", "tanh", "tanh_derivative", "silu", "softplus"}
WITHIN_1_3 |= {"softplus_derivative", "log_sigmoid", "log_sigmoid_derivative", "softsign", "selu"}
WITHIN_1_3 |= {"elu", "elu_derivative"}

both = pytest.mark.parametrize(
    "package",
    [pytest.param(reference, id="reference"), pytest.param(_core, id="core")],
)
every_name = pytest.mark.parametrize("name", NAMES)
every_value = pytest.mark.parametrize("name", VALUES)


def by_dtype(dtypes):
    return pytest.mark.parametrize("dtype", dtypes, ids=lambda dtype: dtype.name)


def function(package, name):
    return getattr(package, name)


def hard_inputs(name):
    return np.fromfile(HARD / f"{name}.f32", "<f4").astype(np.float32)


@cache
def hard_results(name):
    return exact.results(name, hard_inputs(name).tolist()).astype(np.float32)


@np.errstate(all="ignore")
def sample(name, dtype):
    """Numbers of every size, where the function bends, in its tails and around its root."""
    random = np.random.default_rng(len(name))
    edges = [-104.0, -103.97, -88.7, -38.5, -17.0, -14.2, -8.3, 0.5, 1.0, 8.3, 17.0, 88.7]
    usual = [random.normal(0, 4, 60), random.uniform(-110, 20, 30), random.uniform(-1, 1, 30)]
    sizes = random.normal(0, 1, 60) * 2.0 ** random.integers(-149, 100, 60)
    x = np.concatenate([edges, *usual, sizes]).astype(dtype)
    tiny = cases.from_patterns([1, 3, 5, 7, 101], dtype)
    extra = [tiny, -tiny, cases.sample(dtype, 60, 3)]
    if dtype == np.float64:
        extra.append(random.uniform(-745, -700, 20))
    if name in ROOTS:
        bits = cases.bits(np.array([ROOTS[name]]).astype(dtype))
        extra.append((bits + np.arange(-6, 7).astype(bits.dtype)).view(dtype))
    x = np.concatenate([x, *extra])
    numbers = x.astype(np.float64)
    return x[(np.abs(numbers) < 1e100) & (numbers != 0)]


def assert_equal_bits(actual, expected, x):
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    wrong = differing(actual, expected)
    at = int(wrong.argmax())
    assert not wrong.any(), (wrong.sum(), x[at], actual[at], expected[at])


def with_quiet_nans(values):
    """Any NaN becomes one NaN: where it was computed, it may have any bits."""
    return np.where(np.isnan(values), np.array(np.nan).astype(values.dtype), values)


# What is hard to round, and everything that there is to round to 16 bits.


@every_name
def test_hard_inputs_are_listed(name):
    x = hard_inputs(name)
    assert x.size > 0
    assert (np.diff(x.view(np.uint32).astype(np.int64)) > 0).all()


@every_name
def test_reference_of_hard_inputs(name):
    x = hard_inputs(name)
    assert_equal_bits(function(reference, name)(x), hard_results(name), x)


@every_name
def test_hard_inputs(name):
    x = hard_inputs(name)
    for isa in ISAS:
        with forced_isa(isa):
            assert_equal_bits(function(_core, name)(x), hard_results(name), x)


@by_dtype(HALVES)
@every_name
@np.errstate(invalid="ignore")  # signalling NaNs are among them
def test_every_number_of_16_bits(name, dtype):
    x = cases.every_pattern(dtype)
    expected = function(reference, name)(x)
    for isa in ISAS:
        with forced_isa(isa):
            actual = function(_core, name)(x)
        assert_as_promised(function(_core, name), actual, x, expected=expected)


# The reference against mpmath.


@by_dtype(ROUNDED)
@every_name
def test_reference_is_correctly_rounded(name, dtype):
    x = sample(name, dtype)
    expected = exact.results(name, x.astype(float).tolist(), dtype.name).astype(dtype)
    assert x.size > 200
    assert_equal_bits(function(reference, name)(x), expected, x)


@every_name
def test_reference_in_float64(name):
    x = sample(name, np.dtype(np.float64))
    y = function(reference, name)(x)
    ulps = [exact.distance(name, *pair) for pair in zip(x.tolist(), y.tolist(), strict=True)]
    assert max(ulps) < (1.0 if name in ROOTS else 0.5001), x[int(np.argmax(ulps))]


@every_name
def test_reference_in_longdouble(name):
    """Where NumPy's functions are exact to a few units, and nothing cancels."""
    x = np.random.default_rng(1).uniform(-5, 5, 100)
    x = x[np.abs(x - ROOTS.get(name, 9)) > 0.1].astype(np.longdouble)
    x += x * np.finfo(np.longdouble).eps
    y = function(reference, name)(x)
    high = y.astype(np.float64)
    pieces = zip(x, high.tolist(), (y - high).astype(np.float64).tolist(), strict=True)
    for each, *parts in pieces:
        with mp.workdps(exact.DIGITS):
            top = float(each)
            real = exact.FUNCTIONS[name](mpf(top) + mpf(float(each - top)))
            error = abs(mp.fsum(map(mpf, parts)) / real - 1)
        assert error < 40 * float(np.finfo(np.longdouble).eps), each


@every_name
def test_reference_in_one_byte(name):
    """The nearest of all numbers of the dtype; of two, the one with the even bits."""
    found = 0
    for dtype in (each for each in cases.supported_dtypes() if is_float8(each)):
        x = cases.every_pattern(dtype)
        x = x[np.isfinite(x.astype(np.float64))]
        x = x[np.argsort(x.astype(np.float64))]
        numbers = x.astype(np.float64)
        results = function(reference, name)(x).astype(np.float64)
        for each, result in zip(numbers[::5].tolist(), results[::5].tolist(), strict=True):
            real = exact.value(name, each)
            if abs(real) <= numbers[-1]:
                assert result == nearest(real, numbers, x), (dtype, each)
                found += 1
    assert found > 300


def is_float8(dtype):
    """One of those that have zeros and negative numbers."""
    return dtype.itemsize == 1 and cases.is_float(dtype) and "e8m0" not in dtype.name


def nearest(real, numbers, x):
    place = int(np.searchsorted(numbers, float(real)))
    around = range(max(place - 2, 0), min(place + 2, x.size))
    distances = {k: abs(mpf(float(numbers[k])) - real) for k in around}
    ties = [k for k, each in distances.items() if each == min(distances.values())]
    return float(numbers[min(ties, key=lambda k: int(x.view(np.uint8)[k]) % 2)])


# The edges, of the reference and of the kernels.

LIMITS = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "silu": (-0.0, np.inf),
    "gelu": (-0.0, np.inf),
    "gelu_tanh": (-0.0, np.inf),
    "mish": (-0.0, np.inf),
    "softplus": (0.0, np.inf),
    "log_sigmoid": (-np.inf, -0.0),
    "selu": (exact.value("selu", -1e6), np.inf),
    "softsign": (-1.0, 1.0),
    "elu": (-1.0, np.inf),
    "sigmoid_derivative": (0.0, 0.0),
    "tanh_derivative": (0.0, 0.0),
    "silu_derivative": (-0.0, 1.0),
    "gelu_derivative": (-0.0, 1.0),
    "gelu_tanh_derivative": (-0.0, 1.0),
    "mish_derivative": (-0.0, 1.0),
    "softplus_derivative": (0.0, 1.0),
    "log_sigmoid_derivative": (1.0, 0.0),
    "selu_derivative": (0.0, exact.value("selu_derivative", 1.0)),
    "softsign_derivative": (0.0, 0.0),
    "elu_derivative": (0.0, 1.0),
}


def limits(name, dtype):
    in_dtype = [
        exact.rounded(each, dtype.name) if isinstance(each, mpf) else each for each in LIMITS[name]
    ]
    return np.array(in_dtype).astype(dtype)


@both
@by_dtype(FLOATS)
@every_name
def test_infinities(package, name, dtype):
    x = np.array([-np.inf, np.inf]).astype(dtype)
    with np.errstate(all="raise"):
        actual = function(package, name)(x)
    assert_equal_bits(actual, limits(name, dtype), x)


@both
@by_dtype(FLOATS)
@every_name
def test_zeros(package, name, dtype):
    x = np.array([-0.0, 0.0]).astype(dtype)
    with mp.workdps(exact.DIGITS):
        real = exact.value(name, 0.0)
    expected = np.full(2, exact.rounded(real, dtype.name)) if real else np.array([-0.0, 0.0])
    with np.errstate(all="raise"):
        actual = function(package, name)(x)
    assert_equal_bits(actual, expected.astype(dtype), x)


@both
@by_dtype(EVERY)
@every_name
def test_nan_keeps_sign_and_payload(package, name, dtype):
    form = cases.format_of(dtype)
    payloads = [form.infinity | form.quiet | each for each in (0, 1, form.quiet - 1)]
    x = cases.from_patterns([*payloads, *(form.sign | each for each in payloads)], dtype)
    with np.errstate(all="raise"):
        actual = function(package, name)(x)
    assert_equal_bits(actual, x, x)


@both
@by_dtype([np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)])
@every_name
def test_what_is_reported(package, name, dtype):
    """Nothing, except for results that are too large, subnormal, or 0 instead of the number."""
    every = np.concatenate([cases.special_values(dtype), sample(name, dtype)])
    x = every[~np.isnan(every)]
    y = function(reference, name)(x)
    is_exact = np.isinf(x) | (x == 0)
    is_tiny = (np.abs(y) < np.finfo(dtype).smallest_normal) & ~is_exact
    is_large = np.isinf(y) & ~is_exact
    usual = x[~is_tiny & ~is_large]
    assert usual.size > 150
    call = function(package, name)
    assert reported(lambda: call(usual)) == set()
    assert reported(lambda: call(x[~is_large])) <= {"underflow"}
    assert reported(lambda: call(x)) <= {"underflow", "overflow"}


# Functions of steps that are rounded: with NumPy's own products.


def product(a, b, dtype):
    wide = np.float32 if dtype.itemsize < 4 else dtype
    return (a.astype(wide) * np.asarray(b).astype(wide)).astype(dtype)


def pairs(name, dtype):
    x = np.concatenate([sample(name, dtype), cases.special_values(dtype)])
    return np.random.default_rng(2).permutation(x), x


def assert_product(actual, expected, x):
    assert_equal_bits(with_quiet_nans(actual), with_quiet_nans(expected), x)


@both
@by_dtype(ROUNDED)
@every_value
@np.errstate(all="ignore")
def test_gradients(package, name, dtype):
    gradient, x = pairs(name, dtype)
    expected = product(gradient, function(reference, f"{name}_derivative")(x), dtype)
    assert_product(function(package, f"{name}_backward")(gradient, x), expected, x)


ALPHAS = [1, 0.25, 3.7, -1.5, np.float32(0.1), 0.0]


@both
@by_dtype(ROUNDED)
@pytest.mark.parametrize("alpha", ALPHAS)
@np.errstate(all="ignore")
def test_elu(package, dtype, alpha):
    gradient, x = pairs("elu", dtype)
    is_positive = x.astype(np.float64) > 0
    below = product(reference.elu(x), np.float32(alpha), dtype)
    assert_product(package.elu(x, alpha), np.where(is_positive, x, below), x)
    slope = product(reference.elu_derivative(x), np.float32(alpha), dtype)
    slope = np.where(is_positive, np.ones((), dtype), slope)
    assert_product(package.elu_derivative(x, alpha), slope, x)
    assert_product(package.elu_backward(gradient, x, alpha), product(gradient, slope, dtype), x)


@both
@by_dtype(ROUNDED)
@pytest.mark.parametrize("alpha", [each for each in ALPHAS if each > 0])
@np.errstate(all="ignore")
def test_celu(package, dtype, alpha):
    gradient, x = pairs("celu", dtype)
    wide = np.dtype(np.float32)
    is_positive = x.astype(np.float64) > 0
    quotient = (x.astype(wide) / np.float32(alpha)).astype(dtype)
    below = product(reference.elu(quotient), np.float32(alpha), dtype)
    assert_product(package.celu(x, alpha), np.where(is_positive, x, below), x)
    slope = np.where(is_positive, np.ones((), dtype), reference.elu_derivative(quotient))
    assert_product(package.celu_derivative(x, alpha), slope, x)
    assert_product(package.celu_backward(gradient, x, alpha), product(gradient, slope, dtype), x)


@both
@pytest.mark.parametrize("alpha", [0.0, -1.0, -0.0, np.float32(-2)])
def test_celu_refuses_an_alpha_that_is_not_positive(package, alpha):
    x = np.ones(3, np.float32)
    calls = {"celu": (x,), "celu_derivative": (x,), "celu_backward": (x, x)}
    for name, arrays in calls.items():
        with pytest.raises(ValueError, match=rf"^{name}: alpha \(.*\) is not above 0$"):
            function(package, name)(*arrays, alpha)


@both
@by_dtype(EVERY)
@np.errstate(all="ignore")
def test_gradients_from_the_output(package, dtype):
    random = np.random.default_rng(3)
    gradient, y = pairs("sigmoid", dtype)
    y = np.where(random.integers(2, size=y.size) == 1, random.uniform(-1, 1, y.size), y)
    y = y.astype(dtype)
    wide = np.longdouble if dtype == np.longdouble else np.float64
    number, one = y.astype(wide), wide(1)
    slopes = {"sigmoid": number * (one - number), "tanh": (one - number) * (one + number)}
    for name, slope in slopes.items():
        expected = product(gradient, once(slope, dtype), dtype)
        actual = function(package, f"{name}_backward_from_output")(gradient, y)
        assert_product(actual, expected, y)


def once(values, dtype):
    """Round float64 to a dtype: ml_dtypes rounds to float32 on the way, where ties may arise."""
    if dtype != BFLOAT16:
        return values.astype(dtype)
    rounded_ones = [exact.rounded(mpf(each), dtype.name) for each in values[np.isfinite(values)]]
    result = values.copy()
    result[np.isfinite(values)] = np.copysign(rounded_ones, values[np.isfinite(values)])
    return result.astype(dtype)


def test_integers_give_float64():
    x = np.arange(-5, 6)
    for name in NAMES:
        assert_equal_bits(function(reference, name)(x), function(reference, name)(x * 1.0), x)
    x = np.uint8([3])
    assert reference.silu_backward(x, x).dtype == reference.elu(x).dtype == np.float64


# Kernels in float64 and longdouble.


@every_name
def test_float64_is_within_its_bound(name):
    x = sample(name, np.dtype(np.float64))
    bound = 1.3 if name in WITHIN_1_3 else 2.0
    results = []
    for isa in ISAS:
        with forced_isa(isa):
            results.append(function(_core, name)(x))
        assert_equal_bits(results[-1], results[0], x)
    ulps = [exact.distance(name, *each) for each in zip(x.tolist(), results[0], strict=True)]
    assert max(ulps) <= bound, x[int(np.argmax(ulps))]


# The two proofs agree: reference.cpp, which made the hard lists and the digests, and the reference.


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not shutil.which("g++"), reason="__float128 is GCC's"
)
@without_sanitizer("it compiles a library for this process")
def test_the_other_reference(tmp_path):
    other = run.Reference(str(tmp_path))
    for name in NAMES:
        for start in (
            0x00000000,
            0x32000000,
            0x3F000000,
            0x40C00000,
            0x80000000,
            0xBF800000,
            0xC2AE0000,
        ):
            y, _ = other.results(name, start, 1 << 12)
            x = np.arange(start, start + y.size, dtype=np.uint32).view(np.float32)
            assert_equal_bits(y, function(reference, name)(x), x)
