"""No floating-point report that the mathematics does not ask for, and every one that it does."""

from __future__ import annotations

import sys
from itertools import product
from typing import Any, NamedTuple

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import cases, reference
from fastrelu.cases import LAYOUTS
from support import (
    LINE,
    array_count,
    differing,
    every_leaky_loop,
    every_product_loop,
    every_relu_loop,
    every_ufunc,
    multiplies,
    reported,
    run_python,
    signalling_nan,
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
    return [factor] if len(loop.arrays) == 1 else [factor, np.full_like(factor, -1)]


def reports_of_product(values, slope):
    return reported(lambda: reference.product(np.atleast_1d(values), slope))


@every_relu_loop
def test_relus_never_report(loop, isa):
    values = [cases.every_lane(dtype) for dtype in loop.arrays]
    with np.errstate(all="raise"):
        for layout in LAYOUTS:
            placed = [LAYOUTS[layout].place(each) for each in values]
            for path in PATHS:
                loop.ufunc(*placed, **path)
                loop.ufunc(*placed, out=placed[0], **path)
        for value in values[-1][:70]:
            loop.ufunc(*[value] * len(values))


@every_relu_loop
def test_relus_never_report_at_any_length(loop, isa):
    specials = [cases.special_values(dtype) for dtype in loop.arrays]
    with np.errstate(all="raise"):
        for n in cases.lengths(loop.out):
            values = [np.resize(each[n % each.size :], n) for each in specials]
            for path in PATHS:
                loop.ufunc(*values, **path)


def factors_and_x(loop):
    for factor in cases.special_values(loop.arrays[0]):
        if len(loop.arrays) == 1:
            yield factor, factor
        else:
            yield from ((factor, loop.arrays[1].type(x)) for x in (-1.0, -0.0, 2.0, np.nan))


@every_leaky_loop
def test_reports_are_those_of_the_product(loop, isa):
    """Every special value by itself, in a vector full of ones and in a tail."""
    ufunc, width = loop.ufunc, LINE // loop.out.itemsize
    places = ((1, 0), (width - 1, 0), (2 * width + 3, width), (width + 1, width))
    for slope, (factor, x) in product((0.01, 3.0, 0.0, np.inf), factors_and_x(loop)):
        used = multiplies(ufunc) and not x > 0
        expected = reports_of_product(factor, slope) if used else set()
        allowed = {"invalid value"} if multiplies(ufunc) and np.isnan(factor) else set()
        for n, at in places:
            arrays = [np.ones(n, dtype) for dtype in loop.arrays]
            arrays[0][at], arrays[-1][at] = factor, x
            got = reported(lambda a=arrays, s=slope: ufunc(*a, s))
            # A signalling NaN that is kept may be multiplied by 1: its quiet bit is not promised.
            assert expected <= got <= expected | (allowed if is_signalling(factor) else set())


def is_signalling(value):
    quiet = cases.format_of(value.dtype).quiet
    pattern = int.from_bytes(cases.bits(value).tobytes(), sys.byteorder)
    return bool(np.isnan(value)) and not pattern & quiet


@every_product_loop
def test_quiet_nans_are_not_reported(loop, isa):
    form = cases.format_of(loop.out)
    quiet = form.infinity | form.quiet
    with np.errstate(all="raise"):
        for n, pattern in product(cases.lengths(loop.out), (quiet, form.sign | quiet | 1)):
            nans = cases.from_patterns([pattern] * n, loop.out)
            for path in PATHS:
                loop.ufunc(*multiplied(loop, nans), 0.5, **path)
                loop.ufunc(*[nans] * len(loop.arrays), 0.5, **path)
                loop.ufunc(*[nans] * len(loop.arrays), np.nan, **path)


@every_product_loop
def test_kept_values_are_not_multiplied(loop, isa):
    """The slopes would overflow, underflow or be invalid: in vectors and tails of all lengths."""
    limits = Limits.of(loop.out)
    slope_type = loop.inputs[-1].type
    for n in cases.lengths(loop.out):
        for value in limits:
            x = LAYOUTS["offset"].place(np.full(n, value, loop.out))
            arrays = [x] * len(loop.arrays)
            with np.errstate(all="raise"):
                for slope in (np.inf, 0.0, -np.inf, slope_type(3), slope_type(2) ** -20):
                    for path in PATHS:
                        result = loop.ufunc(*arrays, slope, **path)
                        assert not differing(result, x).any()


@every_product_loop
def test_memory_behind_the_end_is_not_multiplied(loop, isa):
    """What follows a tail would be invalid (inf * 0) or overflow."""
    limits = Limits.of(loop.out)
    for n in cases.lengths(loop.out):
        for beyond in (-limits.infinity, -limits.largest, signalling_nan(loop.out)[0]):
            memory = np.full(n + 2 * LINE, beyond, loop.out)
            memory[LINE : LINE + n] = -1
            with np.errstate(all="raise"):
                for slope in (0.0, 4.0):
                    loop.ufunc(*[memory[LINE : LINE + n]] * len(loop.arrays), slope)


def culprits(dtype):
    """What is multiplied, the slope, and what that reports."""
    if dtype.itemsize < 4:  # rounded twice, the second time by a cast
        limits = Limits.of(dtype)
        factors, slopes = (-limits.largest, -limits.denormal, -limits.infinity), (0.0, 0.3, 4.0)
        return [(f, s, reports_of_product(f, s)) for f, s in product(factors, slopes)]
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


@every_leaky_loop
def test_flags_of_earlier_work_are_not_reported(loop):
    arrays = [np.ones(8, dtype) for dtype in loop.arrays]
    for path in PATHS:
        with np.errstate(all="ignore"):
            np.float32(3e38) * np.float32(3e38)
            np.array([np.inf]) * np.array([0.0])
            np.array([1e-300]) * np.array([1e-300])
        with np.errstate(all="raise"):
            loop.ufunc(*arrays, 0.5, **path)


@pytest.mark.parametrize("path", PATHS, ids=("fast", "generic"))
@every_ufunc
def test_casting_the_slope_reports_what_numpys_cast_reports(ufunc, path, isa):
    if takes_slope(ufunc):
        arrays = [np.ones(5, np.float32)] * array_count(ufunc)
        for slope in (1e300, -1e300, 10**40):
            assert reported(lambda s=slope: ufunc(*arrays, s, **path)) == {"overflow"}
        for slope in (1e-300, np.inf, -np.inf, np.nan, 3.4e38, 0.1):
            assert reported(lambda s=slope: ufunc(*arrays, s, **path)) == set()


@pytest.mark.parametrize("path", PATHS, ids=("fast", "generic"))
def test_casting_a_signalling_slope_is_invalid(path):
    slope = signalling_nan()[0]
    expected = reported(lambda: signalling_nan().astype(np.float64))
    assert reported(lambda: fr.leaky_relu(np.ones(5), slope, **path)) == expected


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
