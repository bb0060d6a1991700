"""No floating-point report that the mathematics does not ask for, and every one that it does."""

from __future__ import annotations

import ctypes
import ctypes.util
import inspect
import platform
import sys
from itertools import product
from typing import Any, NamedTuple

import fastrelu as fr
import numpy as np
import pytest
from both_ways import assert_both_ways_agree
from fastrelu import reference
from fastrelu.testing import cases, forced_isa
from fastrelu.testing.cases import LAYOUTS
from support import (
    COMPUTING_LOOPS,
    ISAS,
    KINDS_OF_LOOPS,
    LINE,
    LOOPS,
    UFUNCS,
    arithmetic,
    differing,
    every_computing_loop,
    every_float_ufunc,
    every_leaky_ufunc,
    every_loop,
    every_loop_that_may_report,
    every_product_loop,
    every_selecting_loop,
    oracle,
    parameter_names,
    parametrized,
    repeated,
    reported,
    run_python,
    signalling_nan,
    takes_floats,
    takes_slope,
)

PATHS = ({}, {"where": True})  # the fast path, NumPy's own


class Limits(NamedTuple):
    """Values of a dtype whose products do or do not report."""

    largest: Any
    smallest: Any
    denormal: Any
    infinity: Any

    @classmethod
    def of(cls, dtype):
        form = cases.format_of(dtype)
        patterns = (form.infinity - 1, form.smallest_normal, 1, form.infinity)
        return cls(*cases.from_patterns(patterns, dtype))


def multiplied(loop, factor):
    """Arrays for which the function multiplies `factor`, which is not positive, by the slope."""
    if len(loop.arrays) == 1:
        return [factor]
    return [factor, np.full_like(factor, 0 if loop.ufunc is fr.add_leaky_relu else -1)]


def kept(loop, x):
    """Arrays for which the function keeps `x`."""
    return [x, np.zeros_like(x)] if loop.ufunc is fr.add_leaky_relu else [x] * len(loop.arrays)


def reports_of_product(values, slope):
    return reported(lambda: reference.product(np.atleast_1d(values), slope))


def reports_of_reference(ufunc, *inputs):
    """What the arithmetic on the values that are used reports: the oracle computes no others."""
    return reported(lambda: inspect.unwrap(oracle(ufunc))(*inputs))


@every_selecting_loop
def test_selections_never_report(loop, isa):
    values = loop.specials()
    with np.errstate(all="raise"):
        for layout in LAYOUTS:
            placed = [LAYOUTS[layout].place(each) for each in values]
            for path in PATHS:
                loop.ufunc(*placed, **path)
                loop.ufunc(*placed, out=placed[0], **path)
        for each in zip(*(array[:70] for array in values), strict=True):
            loop.ufunc(*each)


@every_selecting_loop
def test_selections_never_report_at_any_length(loop, isa):
    for whole in {False, len(loop.arrays) < len(loop.inputs)}:
        specials = loop.specials(whole=whole)
        with np.errstate(all="raise"):
            for n in cases.lengths(loop.out):
                values = [each[n : 2 * n] for each in specials]
                for path in PATHS:
                    loop.ufunc(*values, **path)


def rows_of_specials(loop, count=150):
    """Single values for the arrays: all special values of one, some combinations of more."""
    specials = [cases.special_values(dtype) for dtype in loop.arrays]
    if len(specials) > 1:
        random = np.random.default_rng(len(specials))
        specials = [random.choice(each, count) for each in specials]
        if loop.out.kind == "f":
            specials[-1][: 4 * (count // 5)] = np.resize(
                [-1.0, -0.0, 2.0, np.nan], 4 * (count // 5)
            )
    return zip(*specials, strict=True)


@every_loop_that_may_report
def test_reports_are_those_of_the_arithmetic(loop, isa):
    """Every special value by itself, in a vector full of ones and in a tail."""
    ufunc, width = loop.ufunc, LINE // loop.out.itemsize
    places = ((1, 0), (width - 1, 0), (2 * width + 3, width), (width + 1, width))
    slopes = [(0.01,), (3.0,), (0.0,), (np.inf,)] if parameter_names(ufunc) else [()]
    for slope, row in product(slopes, rows_of_specials(loop)):
        expected = reports_of_reference(ufunc, *(np.array([each]) for each in row), *slope)
        # Whether a signalling NaN is touched, if only multiplied by 1, is not promised.
        free = {"invalid value"} if any(map(is_signalling, row)) else set()
        for n, at in places:
            arrays = [np.ones(n, dtype) for dtype in loop.arrays]
            for array, value in zip(arrays, row, strict=True):
                array[at] = value
            got = reported(lambda a=arrays, s=slope: ufunc(*a, *s))
            assert expected - free <= got <= expected | free, (row, slope, n)


@parametrized("loop", [each for each in COMPUTING_LOOPS if not takes_slope(each.ufunc)])
def test_one_culprit_anywhere_is_reported(loop, isa):
    """One combination for each set of reports, among ones that report nothing.

    Those that take a slope are below, with slopes of all kinds.
    """
    found = {}
    for row in rows_of_specials(loop, 400):
        if not any(map(is_signalling, row)):
            expected = reports_of_reference(loop.ufunc, *(np.array([each]) for each in row))
            found.setdefault(frozenset(expected), row)
    for expected, row in found.items():
        for n in cases.lengths(loop.out)[1:]:
            for at in {0, n // 2, n - 1}:
                arrays = [np.ones(n, dtype) for dtype in loop.arrays]
                for array, value in zip(arrays, row, strict=True):
                    array[at] = value
                for path in PATHS:
                    got = reported(lambda a=arrays, p=path: loop.ufunc(*a, **p))
                    assert got == expected, (row, n, at)


NOT_COMPUTED = {
    "squared_relu": [("-largest",), ("-infinity",), ("-denormal",)],
    "squared_relu_backward": [("largest", "-1"), ("nan", "-largest"), ("denormal", "0")],
    "hardsigmoid": [("largest",), ("-largest",), ("-infinity",)],
    "hardsigmoid_backward": [("denormal", "4"), ("nan", "-4"), ("smallest", "-infinity")],
    "hardswish": [("largest",), ("infinity",), ("4",)],
    "hardswish_backward": [("denormal", "4"), ("largest", "infinity"), ("nan", "-infinity")],
    "softshrink": [("denormal",), ("-denormal",), ("0.5",)],
    "softshrink_backward": [("largest", "0"), ("nan", "0.5"), ("infinity", "-0.5")],
    "crelu_gradient": [("largest", "-largest", "0"), ("infinity", "infinity", "1")],
    "elu": [("largest", "infinity"), ("denormal", "0"), ("smallest", "-largest")],
    "elu_derivative": [("largest", "infinity"), ("infinity", "denormal"), ("smallest", "nan")],
    "elu_backward": [("denormal", "1", "4"), ("largest", "infinity", "infinity")],
    "celu": [("largest", "denormal"), ("infinity", "infinity"), ("denormal", "largest")],
    "celu_derivative": [("largest", "denormal"), ("-largest", "denormal"), ("-denormal", "4")],
    "celu_backward": [("denormal", "largest", "denormal"), ("largest", "infinity", "infinity")],
}
"""Values that arithmetic on what is not used would overflow with, lose or turn into NaN."""


def named_value(name, dtype):
    limits = Limits.of(dtype)
    sign, name = (-1, name[1:]) if name[0] == "-" else (1, name)
    return dtype.type(sign) * np.array(getattr(limits, name, name)).astype(dtype)


@parametrized("loop", [u for u in LOOPS if u.ufunc.__name__ in NOT_COMPUTED and u.out.kind == "f"])
def test_what_is_not_used_is_not_computed(loop, isa):
    for names in NOT_COMPUTED[loop.ufunc.__name__]:
        values = [named_value(name, loop.out) for name in names]
        with np.errstate(all="raise"):
            for n in cases.lengths(loop.out):
                for path in PATHS:
                    loop.ufunc(*(np.full(n, each) for each in values), **path)


def is_signalling(value):
    quiet = cases.format_of(value.dtype).quiet
    pattern = int.from_bytes(cases.bits(value).tobytes(), sys.byteorder)
    return bool(np.isnan(value)) and not pattern & quiet


SMOOTH_LOOPS = [u for u in LOOPS if arithmetic(u.ufunc) == "smooth"]


def multiplications(ufunc, *inputs):
    """Both factors of each product that a smooth function makes: grad or alpha, and a curve.

    The curve's values are the library's: a bit of them decides whether a product is exact.
    """
    name = ufunc.__name__
    if "_from_output" in name:
        ones = np.ones_like(inputs[0])
        return [(inputs[0], ufunc(ones, inputs[1]))]
    if name.endswith("_backward"):
        gradient, *rest = inputs
        derivative = getattr(fr, name.replace("backward", "derivative"))
        return [*multiplications(derivative, *rest), (gradient, derivative(*rest))]
    if name in ("elu", "elu_derivative", "celu") and len(inputs) > 1:
        x, alpha = inputs
        wide = np.where(reference.positive(x), 1, alpha).astype(reference.product_dtype(x.dtype))
        curve = fr.elu_derivative if name == "elu_derivative" else fr.elu
        below = np.where(reference.positive(x), 0, x)
        if name == "celu":
            below = (below / wide).astype(x.dtype)
        return [(curve(below), wide)]
    return []


@np.errstate(all="ignore")
def reports_of_smooth(ufunc, *inputs):
    """What a smooth function must report, and what it may.

    Of a curve, that its value is tiny. What is rounded up to the smallest normal number of 16 bits
    is tiny on some processors.
    """
    must = set()
    for values, factor in multiplications(ufunc, *inputs):
        must |= reported(lambda v=values, f=factor: reference.product(v, f))
    x, size = inputs[0], abs(oracle(ufunc)(*inputs))
    smallest = np.finfo(x.dtype).smallest_normal
    may = set(must)
    if len(inputs) > 1 and x.itemsize == 2 and size == smallest:
        must, may = must - {"underflow"}, must | {"underflow"}
    is_curve = len(inputs) == 1 and x.dtype in (np.float32, np.float64)
    if is_curve and 0 < abs(x[0]) < np.inf and size < smallest:
        may.add("underflow")
    return must, may


# Gradients are the same code around each curve.
CURVES_AND_KINDS = [u for u in SMOOTH_LOOPS if u.ufunc.nin == 1 or u in KINDS_OF_LOOPS]


@parametrized("loop", CURVES_AND_KINDS)
def test_smooth_functions_report_their_products_alone(loop):
    """Every special value by itself, in a vector full of ones and in a tail."""
    ufunc, width = loop.ufunc, LINE // loop.out.itemsize
    alphas = [(), (3.0,), (1e-3,), (np.inf,)] if parameter_names(ufunc) else [()]
    for alpha, row in product(alphas, rows_of_specials(loop, 100)):
        must, may = reports_of_smooth(ufunc, *(np.array([each]) for each in row), *alpha)
        free = {"invalid value"} if any(map(is_signalling, row)) else set()
        for n, at in ((1, 0), (2 * width + 3, width), (width + 1, width)):
            arrays = [np.ones(n, dtype) for dtype in loop.arrays]
            for array, value in zip(arrays, row, strict=True):
                array[at] = value
            for isa in ISAS:
                with forced_isa(isa):
                    got = reported(lambda a=arrays, s=alpha: ufunc(*a, *s))
                assert must - free <= got <= may | free, (isa, row, alpha, n)


@parametrized("loop", SMOOTH_LOOPS)
def test_smooth_functions_do_not_report_quiet_nans_and_limits(loop, isa):
    form = cases.format_of(loop.out)
    quiet = form.infinity | form.quiet
    patterns = (quiet, form.sign | quiet | 1, form.infinity, form.sign | form.infinity)
    for n, pattern in product(cases.lengths(loop.out), patterns):
        x = cases.from_patterns([pattern] * n, loop.out)
        others = [np.ones(n, loop.out)] * (len(loop.arrays) - 1)
        if "_from_output" not in loop.ufunc.__name__:  # infinity is no output
            with np.errstate(all="raise"):
                for path in PATHS:
                    loop.ufunc(*others, x, **path)


@every_computing_loop
def test_quiet_nans_are_not_reported(loop, isa):
    form = cases.format_of(loop.out)
    quiet = form.infinity | form.quiet
    slopes = [(0.5,), (np.nan,)] if parameter_names(loop.ufunc) else [()]
    with np.errstate(all="raise"):
        for n, pattern in product(cases.lengths(loop.out), (quiet, form.sign | quiet | 1)):
            nans = cases.from_patterns([pattern] * n, loop.out)
            for path, slope in product(PATHS, slopes):
                loop.ufunc(*[nans] * len(loop.arrays), *slope, **path)
                for k in range(len(loop.arrays)):
                    arrays = [np.full(n, -1, loop.out)] * len(loop.arrays)
                    arrays[k] = nans
                    loop.ufunc(*arrays, *slope, **path)


@every_product_loop
def test_kept_values_are_not_multiplied(loop, isa):
    """The slopes would overflow, underflow or be invalid: in vectors and tails of all lengths."""
    limits = Limits.of(loop.out)
    slope_type = loop.inputs[-1].type
    for n in cases.lengths(loop.out):
        for value in limits:
            x = LAYOUTS["offset"].place(np.full(n, value, loop.out))
            arrays = kept(loop, x)
            with np.errstate(all="raise"):
                for slope in (np.inf, 0.0, -np.inf, slope_type(3), slope_type(2) ** -20):
                    for path in PATHS:
                        result = loop.ufunc(*arrays, slope, **path)
                        assert not differing(result, x).any()


@every_computing_loop
def test_memory_behind_the_end_is_not_computed(loop, isa):
    """What follows a tail would be invalid (inf * 0) or overflow."""
    slopes = [(0.0,), (4.0,)] if parameter_names(loop.ufunc) else [()]
    limits = Limits.of(loop.out)
    for n in cases.lengths(loop.out):
        for beyond in (-limits.infinity, -limits.largest, signalling_nan(loop.out)[0]):
            memory = np.full(n + 2 * LINE, beyond, loop.out)
            memory[LINE : LINE + n] = -1
            with np.errstate(all="raise"):
                for slope in slopes:
                    loop.ufunc(*[memory[LINE : LINE + n]] * len(loop.arrays), *slope)


# Halfway between float16's largest number and the next power of two, and the float32 below.
FLOAT16_OVERFLOWS_FROM = (65520.0, float(np.nextafter(np.float32(65520), np.float32(0))))


def culprits(dtype):
    """What is multiplied, the slope, and what that reports."""
    if dtype.itemsize < 4:  # rounded twice, the second time by a cast
        limits = Limits.of(dtype)
        factors, slopes = (-limits.largest, -limits.denormal, -limits.infinity), (0.0, 0.3, 4.0)
        pairs = [*product(factors, slopes), *((dtype.type(-1), s) for s in FLOAT16_OVERFLOWS_FROM)]
        return [(f, s, reports_of_product(f, s)) for f, s in pairs]
    return list(culprits_of_ieee_floats(Limits.of(dtype), dtype.type))


def culprits_of_ieee_floats(limits, number):
    yield -limits.largest, 4.0, {"overflow"}
    yield -limits.denormal, 0.3, {"underflow"}
    yield -limits.infinity, 0.0, {"invalid value"}
    yield number(-0.0), np.inf, {"invalid value"}
    yield -limits.denormal, 1.0, set()
    yield -limits.denormal, 2.0, set()
    yield -limits.infinity, 2.0, set()
    yield number(-1), np.inf, set()


@every_product_loop
def test_one_culprit_among_harmless_values_is_reported(loop, isa):
    for culprit, slope, expected in culprits(loop.out):
        for n in cases.lengths(loop.out)[1:]:
            for at in {0, n // 2, n - 1}:
                x = np.full(n, -1, loop.out)
                x[at] = culprit
                arrays = multiplied(loop, x)
                assert reported(lambda a=arrays, s=slope: loop.ufunc(*a, s)) == expected, (n, at)


@every_product_loop
def test_reports_of_strided_and_generic_calls(loop, isa):
    for culprit, slope, expected in culprits(loop.out):
        x = np.full(37, -1, loop.out)
        x[36] = culprit
        for layout in ("dense", "stride 2", "reversed", "misaligned"):
            placed = LAYOUTS[layout].place(x)
            arrays = multiplied(loop, placed)
            assert reported(lambda a=arrays, s=slope: loop.ufunc(*a, s, where=True)) == expected


@every_product_loop
def test_error_says_which_function(loop, isa):
    arrays = multiplied(loop, np.full(9, -Limits.of(loop.out).largest))
    for path in PATHS:
        message = f"overflow encountered in {loop.ufunc.__name__}"
        with pytest.raises(FloatingPointError, match=message), np.errstate(over="raise"):
            loop.ufunc(*arrays, 8.0, **path)
        with pytest.warns(RuntimeWarning, match=message), np.errstate(over="warn"):
            loop.ufunc(*arrays, 8.0, **path)
        with np.errstate(all="ignore"):
            loop.ufunc(*arrays, 8.0, **path)


@every_loop
def test_flags_of_earlier_work_are_not_reported(loop):
    arrays = [np.ones(8, dtype) for dtype in loop.arrays]
    for path in PATHS:
        with np.errstate(all="ignore"):
            np.float32(3e38) * np.float32(3e38)
            np.array([np.inf]) * np.array([0.0])
            np.array([1e-300]) * np.array([1e-300])
        with np.errstate(all="raise"):
            loop.ufunc(*arrays, **path)


@pytest.mark.parametrize("path", PATHS, ids=("fast", "generic"))
@every_leaky_ufunc
def test_casting_the_slope_reports_what_numpys_cast_reports(ufunc, path, isa):
    arrays = repeated(ufunc, np.ones(5, np.float32))
    for slope in (1e300, -1e300, 10**40):
        assert reported(lambda s=slope: ufunc(*arrays, s, **path)) == {"overflow"}
    for slope in (1e-300, np.inf, -np.inf, np.nan, 3.4e38, 0.1):
        assert reported(lambda s=slope: ufunc(*arrays, s, **path)) == set()


@pytest.mark.parametrize("path", PATHS, ids=("fast", "generic"))
def test_casting_a_signalling_slope_is_invalid(path):
    slope = signalling_nan()[0]
    expected = reported(lambda: signalling_nan().astype(np.float64))
    assert reported(lambda: fr.leaky_relu(np.ones(5), slope, **path)) == expected


EXTREME_NUMBERS = (
    *(1e300, -1e300, 1e39, -1e39, 3.4028235e38, 3.40282357e38, 7e4, 500.0, 0.1),
    *(1e-8, 1e-42, 1e-50, 1e-300, 5e-324, np.inf, -np.inf, np.nan, 10**39, 2**70, -1),
    *(np.float32(3e38), np.float32(1e-40), np.float64(1e300), np.float64(1e-300)),
    *(np.array(1e300), np.array(1e-42)),
)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
@parametrized("ufunc", [ufunc for ufunc in UFUNCS if takes_floats(ufunc) and ufunc.nin > 1])
def test_converting_a_number_reports_what_numpys_conversion_reports(ufunc, name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    ones = np.ones(3, getattr(ml_dtypes, name, name))
    ufunc(*[ones] * ufunc.nin)  # NumPy's way is taken by the first call on a dtype of ml_dtypes
    for position in range(1, ufunc.nin):
        for number in EXTREME_NUMBERS:

            def make(position=position, number=number):
                inputs = [ones.copy() for _ in range(ufunc.nin)]
                inputs[position] = number
                return inputs, {}

            assert_both_ways_agree(ufunc, make, (position, number))


@pytest.mark.skipif(sys.platform == "win32", reason="asks the C library for the flags")
@every_float_ufunc
def test_a_call_that_reports_nothing_leaves_no_flag_behind(ufunc):
    """Except for inexact, which NumPy never reports and nearly all arithmetic raises."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    inexact = {"x86_64": 0x20, "AMD64": 0x20}.get(platform.machine(), 0x10)
    for dtype in (np.float16, np.float32, np.float64):
        for number in EXTREME_NUMBERS:
            inputs = [np.ones(3, dtype)] * (ufunc.nin - 1) + [number] * (ufunc.nin > 1)
            inputs = inputs or [np.ones(3, dtype)]
            libm.feclearexcept(0x3F)
            try:
                reports = reported(lambda inputs=inputs: ufunc(*inputs))
            except (TypeError, ValueError):
                continue
            flags = libm.fetestexcept(0x3F) & ~inexact
            assert reports or not flags, (ufunc, dtype, number, hex(flags))


def test_import_and_calls_leave_the_process_as_it_was():
    """No flush to zero, no denormals as zero, no exception unmasked, rounding to nearest."""
    result = run_python(
        """
import ctypes, ctypes.util, platform, numpy as np
libm = ctypes.CDLL(ctypes.util.find_library("m") or None)
environment = lambda: (buffer := ctypes.create_string_buffer(64), libm.fegetenv(buffer))[0].raw
def state():
    tiny = np.array([1], np.uint32).view(np.float32)
    third = np.array([1.0]) / np.array([3.0])
    return (tiny * np.float32(1)).tobytes(), (tiny + tiny).tobytes(), third.tobytes(), \
        libm.fegetround()
def control():
    raw = environment()  # x86-64: x87's control word first, MXCSR last; its low 6 bits are flags
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    return raw[:2], int.from_bytes(raw[28:32], "little") & ~0x3F
before = state(), control()
import fastrelu as fr
imported = state(), control()
for isa in fr.available_isas():
    fr._core.use_isa(isa)
    fr.relu(np.array([1], np.uint32).view(np.float32))
    fr.leaky_relu(np.full(99, -1e-45, np.float32), 0.5)
after = state(), control()
assert before == imported == after, (before, imported, after)
"""
    )
    assert result.returncode == 0, result.stderr


@every_product_loop
def test_denormals_are_numbers(loop, isa):
    """Neither flushed nor read as zero: 1 unit times 3 is 3 units."""
    form = cases.format_of(loop.out)
    for n in (1, 17, 67):
        units = cases.from_patterns([form.sign | 1] * n, loop.out)
        expected = cases.from_patterns([form.sign | 3] * n, loop.out)
        assert not differing(loop.ufunc(*multiplied(loop, units), 3.0), expected).any()


def test_rounding_a_signalling_slope_to_float16_is_invalid(isa):
    """In vectors, tails and strided calls; processors without the conversion must say so, too."""
    slope = signalling_nan()[0]
    for n in cases.lengths(np.dtype(np.float16))[1:]:
        for x in (np.full(n, -1, np.float16), np.full(2 * n, -1, np.float16)[::2]):
            raised = reported(lambda x=x: fr.leaky_relu_derivative(x, slope))
            assert raised == {"invalid value"}, n
