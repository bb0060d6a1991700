"""The fused and bounded functions give the bytes of the NumPy code that they take the place of."""

from __future__ import annotations

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases
from support import assert_same_bytes, dtypes_of

DTYPES = dtypes_of(fr.add_relu)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda each: each.type.__name__)
N = 4000


def operands(dtype, count):
    """Any bits but NaN: which of two NaNs a sum keeps is the processor's choice."""
    arrays = [cases.sample(dtype, N, 50 + k) for k in range(count)]
    with np.errstate(invalid="ignore"):
        return [np.where(np.isnan(each), dtype.type(1), each) for each in arrays]


def same_values(actual, expected):
    """The bytes of the expected, but that no zero is negative; NaN is NaN."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    number = ~np.isnan(expected)
    assert (np.isnan(actual) != number).all()
    positive = np.where(expected == 0, np.zeros((), expected.dtype), expected)
    assert_same_bytes(actual[number], positive[number])


@every_dtype
@np.errstate(all="ignore")
def test_add_relu(dtype, isa):
    x, y = operands(dtype, 2)
    zero = dtype.type(0)
    same_values(fr.add_relu(x, y), np.maximum(x + y, zero))
    same_values(fr.add_relu(x, y[0]), np.maximum(x + y[0], zero))
    rows, bias = x.reshape(50, -1), y[:80]
    same_values(fr.add_relu(rows, bias), np.maximum(rows + bias, zero))
    same_values(fr.add_relu(rows.T, bias[:, None]), np.maximum(rows.T + bias[:, None], zero))
    expected = np.maximum(x + y, zero)
    fr.add_relu(x, y, out=x)
    same_values(x, expected)


@every_dtype
@np.errstate(all="ignore")
def test_scale_shift_relu(dtype, isa):
    x, scale, shift = operands(dtype, 3)
    zero = dtype.type(0)
    same_values(fr.scale_shift_relu(x, scale, shift), np.maximum(x * scale + shift, zero))
    for a, b in ((scale[0], shift[0]), (scale, shift[0]), (scale[0], shift)):
        same_values(fr.scale_shift_relu(x, a, b), np.maximum(x * a + b, zero))
    images = x.reshape(5, 8, 10, 10)
    a, b = scale[:8].reshape(8, 1, 1), shift[:8].reshape(8, 1, 1)
    same_values(fr.scale_shift_relu(images, a, b), np.maximum(images * a + b, zero))


@every_dtype
@np.errstate(all="ignore")
def test_add_leaky_relu_is_leaky_relu_of_the_sum(dtype, isa):
    x, y = operands(dtype, 2)
    for slope in (0.01, 0.25, np.linspace(-1, 2, N, dtype=np.float32)):
        same_values(
            fr.add_leaky_relu(x, y, slope) + dtype.type(0),
            fr.leaky_relu(x + y, slope) + dtype.type(0),
        )


@every_dtype
def test_bounds(dtype, isa):
    x = cases.sample(dtype, N, 53)
    zero, low, high = dtype.type(0), dtype.type(1), dtype.type(6)
    with np.errstate(invalid="ignore"):
        rectified = np.where(x <= zero, zero, x)
        assert_same_bytes(fr.relu6(x), np.where(x >= high, high, rectified))
        assert_same_bytes(fr.clipped_relu(x, 6), fr.relu6(x))
        assert_same_bytes(fr.hardtanh(x, 0, 6)[x != zero], fr.relu6(x)[x != zero])
        clipped = np.where(x <= low, low, np.where(x >= high, high, x))
        assert_same_bytes(fr.hardtanh(x, low, high), clipped)
        assert_same_bytes(fr.thresholded_relu(x, 1), np.where(x <= low, zero, x))
        assert_same_bytes(fr.threshold(x, 1, 6), np.where(x <= low, high, x))
        if dtype.kind in "iu":
            assert_same_bytes(fr.relu_quantized(x, 6), np.maximum(x, high))
            assert_same_bytes(fr.hardtanh(x, 1, 6), np.clip(x, 1, 6))


@every_dtype
@np.errstate(all="ignore")
def test_softshrink(dtype, isa):
    (x,) = operands(dtype, 1)
    half = dtype.type(0.5) if dtype.kind == "f" else 0.5
    same_values(fr.softshrink(x), x - np.clip(x, -half, half))
