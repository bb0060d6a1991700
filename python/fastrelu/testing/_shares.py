"""softmax and its relatives: what they are verified with, and how near their results have to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrelu import reference
from fastrelu.reference._dtypes import cast, wide
from fastrelu.testing import cases
from fastrelu.testing.cases import Array

AXES = (-1, 1, 0)
ARRAYS = {
    "softmax": 1,
    "log_softmax": 1,
    "softmax_backward": 2,
    "log_softmax_backward": 2,
    "cross_entropy": 1,
}
"""How many arrays of numbers each takes; labels are none."""

_LONG = np.dtype(np.longdouble)
_HAS_LONG = np.finfo(_LONG).nmant > np.finfo(np.float64).nmant
_ULPS = 0.51
_WIDE_ULPS = {np.dtype(np.float64): 3 if _HAS_LONG else 8, _LONG: 1 << 14}
"""Where longdouble is float64, the reference has errors of its own."""
_TINY = 2.0**-1040  # products of sums with exponentials that are subnormal
_LOST = 2.0**-33
_WIDE_LOST = {np.dtype(np.float64): 2.0**-46, _LONG: 2.0**-48}
"""What gradients may lose of numbers that cancel each other: errors of exponentials and of sums."""


def logits(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int) -> Array:
    """Draw numbers of which several matter to a sum; some have any bits."""
    values = 3 * np.random.default_rng(seed).standard_normal(shape)
    values = (values if cases.is_float(dtype) else np.abs(values)).astype(dtype)
    if seed == 0:  # sums of gradients would overflow in float64, which is not what is verified
        some = values[:1, :, ::7]
        some[...] = cases.sample(dtype, some.size, seed).reshape(some.shape)
    return values


@np.errstate(all="ignore")
def is_near(
    name: str, arguments: tuple[Any, ...], number: int, actual: Array, expected: Array
) -> Array:
    """Say where a result keeps the promise although its bits differ, flat.

    The promise is about real numbers, for which the reference's longdouble stands, before it is
    rounded: results of at most 32 bits are within 0.51 units in the last place, float64 within 3.
    """
    count, dtype = ARRAYS[name], expected.dtype
    arrays = [cast(wide(cast(each, dtype)), _LONG) for each in arguments[:count]]
    results = getattr(reference, name)(*arrays, *arguments[count:])
    exact = np.asarray(results[number] if isinstance(results, tuple) else results)
    cancelled = _cancelled(name, *arrays, axis=arguments[-1])
    unit = _unit(exact, dtype)
    allowed = _WIDE_ULPS.get(dtype, _ULPS) * unit + _WIDE_LOST.get(dtype, _LOST) * cancelled
    allowed += _TINY if dtype == np.float64 else 0
    near = np.abs(cast(wide(actual), _LONG) - exact) <= allowed
    # e^y is 0 sooner in double, and 0 is NaN in float8_e8m0fnu and beside an infinite gradient.
    has_no_zero = bool(np.isnan(np.zeros((), np.float32).astype(dtype)))
    is_lost = (np.abs(exact) < unit / 2) & has_no_zero | ~np.isfinite(cancelled)
    return np.ravel(near | (np.isnan(actual) & is_lost))


def _unit(exact: Array, dtype: np.dtype[Any]) -> Array:
    """Return the unit in the last place of that dtype."""
    layout = cases.format_of(dtype)
    digits = layout.smallest_normal.bit_length() - 1
    smallest = cast(wide(cases.from_patterns([layout.smallest_normal], dtype)), _LONG)
    exponent = np.frexp(np.maximum(np.abs(exact), smallest))[1] - 1
    return np.asarray(np.ldexp(np.ones((), _LONG), exponent - digits))


def _cancelled(name: str, *arrays: Array, axis: Any) -> Any:
    """Return the size of the numbers whose difference a gradient is; nothing else cancels."""
    if name == "softmax_backward":
        grad, y = map(np.abs, arrays)
        return y * (grad + np.sum(grad * y, axis, keepdims=True))
    if name == "log_softmax_backward":
        grad, y = np.abs(arrays[0]), arrays[1]
        return grad + np.exp(y) * np.sum(grad, axis, keepdims=True)
    return np.zeros((), _LONG)
