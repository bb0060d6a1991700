"""The functions that work element by element: those that are ufuncs in the library.

What takes no part in a sum or product is replaced before it, so that nothing of it is reported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    adds,
    at_most,
    cast,
    common,
    multiplies,
    not_positive,
    one,
    positive,
    product,
    product_dtype,
    product_promoted,
    promoted,
    selects,
    wide,
    zero_where,
)


@selects
def relu(x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else x`."""
    (x,) = common(x)
    return zero_where(not_positive(x), x)


@selects
def relu_derivative(x: ArrayLike, /) -> Any:
    """`0 if x <= 0 else 1`."""
    (x,) = common(x)
    return zero_where(not_positive(x), one(x))


@selects
def relu_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else grad_output`; `x` may be relu's input or its output."""
    grad_output, x = common(grad_output, x)
    return zero_where(not_positive(x), grad_output)


@multiplies
def leaky_relu(x: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`x if x > 0 else x * negative_slope`."""
    x = cast(x, product_promoted(x, parameter=negative_slope))
    return _leaky(x, x, negative_slope)


@multiplies
def leaky_relu_derivative(x: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`1 if x > 0 else negative_slope`."""
    x = cast(x, product_promoted(x, parameter=negative_slope))
    return np.where(positive(x), one(x), cast(negative_slope, x.dtype))[()]


@multiplies
def leaky_relu_backward(
    grad_output: ArrayLike, x: ArrayLike, /, negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output if x > 0 else grad_output * negative_slope`."""
    dtype = product_promoted(grad_output, x, parameter=negative_slope)
    return _leaky(cast(grad_output, dtype), cast(x, dtype), negative_slope)


@adds
def add_relu(x: ArrayLike, y: ArrayLike, /) -> Any:
    """`relu(x + y)`, the sum rounded to the dtype of the arrays."""
    x, y = common(x, y)
    return relu(x + y)


@multiplies
def add_leaky_relu(x: ArrayLike, y: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`leaky_relu(x + y, negative_slope)`, the sum rounded first; one of integers wraps."""
    total = sum_of(x, y, negative_slope)
    return _leaky(total, total, negative_slope)


def sum_of(x: ArrayLike, y: ArrayLike, negative_slope: ArrayLike) -> NDArray[Any]:
    """`x + y` as `add_leaky_relu` rounds it, in the dtype of its result."""
    result = product_promoted(x, y, parameter=negative_slope)
    data = promoted(x, y)
    of_sum = data if data.kind in "iu" else result
    return cast(cast(x, of_sum) + cast(y, of_sum), result)


@adds
def scale_shift_relu(x: ArrayLike, scale: ArrayLike, shift: ArrayLike, /) -> Any:
    """`relu(x * scale + shift)`, product and sum each rounded to the dtype of the arrays."""
    x, scale, shift = common(x, scale, shift)
    return relu(x * scale + shift)


@selects
def negated_relu(x: ArrayLike, /) -> Any:
    """`relu(-x)`; the sign of a NaN flips, the negative of an integer wraps."""
    (x,) = common(x)
    return relu(-x)


@adds
def crelu_gradient(grad_positive: ArrayLike, grad_negative: ArrayLike, x: ArrayLike, /) -> Any:
    """`relu_backward(grad_positive, x) - relu_backward(grad_negative, -x)`."""
    grad_positive, grad_negative, x = common(grad_positive, grad_negative, x)
    return np.subtract(relu_backward(grad_positive, x), relu_backward(grad_negative, -x))


def _leaky(values: NDArray[Any], x: NDArray[Any], slope: ArrayLike) -> Any:
    """`values if x > 0 else values * slope`; what is kept takes no part in the product."""
    kept = positive(x)
    slopes = cast(slope, product_dtype(values.dtype))
    products = product(np.where(kept, one(values), values), np.where(kept, one(slopes), slopes))
    return np.where(kept, values, products)[()]


@selects
def relu6(x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else 6 if x >= 6 else x`."""
    return clipped_relu(x, 6)


@selects
def relu6_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 or x >= 6 else grad_output`."""
    return clipped_relu_backward(grad_output, x, 6)


@selects
def clipped_relu(x: ArrayLike, /, max_val: ArrayLike) -> Any:
    """`+0 if x <= 0 else max_val if x >= max_val else x`."""
    x, max_val = common(x, max_val)
    _require_not_negative("clipped_relu: max_val", max_val)
    return zero_where(not_positive(x), np.where(at_most(max_val, x), max_val, x))


@selects
def clipped_relu_backward(grad_output: ArrayLike, x: ArrayLike, /, max_val: ArrayLike) -> Any:
    """`+0 if x <= 0 or x >= max_val else grad_output`."""
    grad_output, x, max_val = common(grad_output, x, max_val)
    _require_not_negative("clipped_relu_backward: max_val", max_val)
    return zero_where(not_positive(x) | at_most(max_val, x), grad_output)


@selects
def hardtanh(x: ArrayLike, /, min_val: ArrayLike = -1, max_val: ArrayLike = 1) -> Any:
    """`min_val if x <= min_val else max_val if x >= max_val else x`."""
    x, min_val, max_val = common(x, min_val, max_val)
    _require_order("hardtanh", min_val, max_val)
    return np.where(at_most(x, min_val), min_val, np.where(at_most(max_val, x), max_val, x))[()]


@selects
def hardtanh_backward(
    grad_output: ArrayLike, x: ArrayLike, /, min_val: ArrayLike = -1, max_val: ArrayLike = 1
) -> Any:
    """`+0 if x <= min_val or x >= max_val else grad_output`."""
    grad_output, x, min_val, max_val = common(grad_output, x, min_val, max_val)
    _require_order("hardtanh_backward", min_val, max_val)
    return zero_where(at_most(x, min_val) | at_most(max_val, x), grad_output)


@selects
def thresholded_relu(x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`+0 if x <= alpha else x`."""
    return threshold_backward(x, x, alpha)


@selects
def thresholded_relu_backward(grad_output: ArrayLike, x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`+0 if x <= alpha else grad_output`."""
    return threshold_backward(grad_output, x, alpha)


@selects
def threshold(x: ArrayLike, /, threshold: ArrayLike, value: ArrayLike) -> Any:
    """`value if x <= threshold else x`."""
    x, threshold, value = common(x, threshold, value)
    return np.where(at_most(x, threshold), value, x)[()]


@selects
def threshold_backward(grad_output: ArrayLike, x: ArrayLike, /, threshold: ArrayLike) -> Any:
    """`+0 if x <= threshold else grad_output`."""
    grad_output, x, threshold = common(grad_output, x, threshold)
    return zero_where(at_most(x, threshold), grad_output)


@selects
def relu_quantized(x: ArrayLike, /, zero_point: ArrayLike) -> Any:
    """`zero_point if x <= zero_point else x`, for integers alone."""
    if (dtype := promoted(x, zero_point)).kind not in "iu":
        raise TypeError(f"relu_quantized takes integers, not {dtype}")
    return threshold(x, zero_point, zero_point)


@multiplies
def squared_relu(x: ArrayLike, /) -> Any:
    """`relu(x)` times itself."""
    dtype, (x,) = _widened(x)
    return cast(relu(x) * relu(x), dtype)[()]


@multiplies
def squared_relu_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else grad_output * (x + x)`."""
    dtype, (grad_output, x) = _widened(grad_output, x)
    dead = at_most(x, 0)
    x = np.where(dead, 0, x)
    return cast(np.where(dead, 0, grad_output) * (x + x), dtype)[()]


@multiplies
def hardsigmoid(x: ArrayLike, /) -> Any:
    """`c / 6` with `t = x + 3` and `c = 0 if t <= 0 else 6 if t >= 6 else t`."""
    dtype, (x,) = _widened(x)
    return cast(_ramp(x) / 6, dtype)[()]


@multiplies
def hardsigmoid_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`grad_output * (1 / 6) if -3 < x < 3 else +0`."""
    dtype, (grad_output, x) = _widened(grad_output, x)
    sixth = x.dtype.type(1) / x.dtype.type(6)
    return cast(np.where(_bends(x), grad_output, 0) * sixth, dtype)[()]


@multiplies
def hardswish(x: ArrayLike, /) -> Any:
    """`x if x >= 3 else (x * c) / 6` with the `c` of `hardsigmoid`."""
    dtype, (x,) = _widened(x)
    kept = at_most(3, x)
    rest = np.where(kept, 0, x)
    return cast(np.where(kept, x, (rest * _ramp(rest)) / 6), dtype)[()]


@multiplies
def hardswish_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= -3 else grad_output * (x / 3 + 0.5) if x < 3 else grad_output`."""
    dtype, (gradient, x) = _widened(grad_output, x)
    bent = _bends(x)
    product = np.where(bent, gradient, 0) * (np.where(bent, x, 0) / 3 + 0.5)
    alive = np.where(bent, cast(product, dtype), cast(grad_output, dtype))
    return zero_where(at_most(x, -3), alive)


@multiplies
def softshrink(x: ArrayLike, /, lambd: ArrayLike = 0.5) -> Any:
    """`+0 if -lambd <= x <= lambd else x - lambd if x > 0 else x + lambd`."""
    dtype, (x,) = _widened(x, parameter=lambd)
    lambd = cast(lambd, x.dtype)
    _require_not_negative("softshrink: lambd", lambd)
    kept = ~_shrunk(x, lambd)
    distance = np.where(kept, np.where(at_most(x, 0), -lambd, lambd), 0)
    return cast(np.where(kept, x, 0) - distance, dtype)[()]


@multiplies
def softshrink_backward(grad_output: ArrayLike, x: ArrayLike, /, lambd: ArrayLike = 0.5) -> Any:
    """`+0 if -lambd <= x <= lambd else grad_output`."""
    dtype, (_, x) = _widened(grad_output, x, parameter=lambd)
    lambd = cast(lambd, x.dtype)
    _require_not_negative("softshrink_backward: lambd", lambd)
    return zero_where(_shrunk(x, lambd), cast(grad_output, dtype))


def _shrunk(x: NDArray[Any], lambd: NDArray[Any]) -> NDArray[np.bool_]:
    """`-lambd <= x <= lambd`: false where either is NaN."""
    return at_most(-lambd, x) & at_most(x, lambd)


def _widened(
    *data: ArrayLike, parameter: ArrayLike = 0
) -> tuple[np.dtype[Any], tuple[NDArray[Any], ...]]:
    """Return the dtype of the result, and the data in the dtype of its products."""
    dtype = product_promoted(*data, parameter=parameter)
    return dtype, tuple(wide(cast(each, dtype)) for each in data)


def _bends(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`-3 < x < 3`."""
    outside: NDArray[np.bool_] = at_most(x, -3) | at_most(3, x) | np.isnan(x)
    return ~outside


def _ramp(x: NDArray[Any]) -> NDArray[Any]:
    """`c = 0 if t <= 0 else 6 if t >= 6 else t` with `t = x + 3`."""
    t = x + 3
    return np.where(at_most(t, 0), 0, np.where(at_most(6, t), 6, t)).astype(x.dtype)


def _require_not_negative(parameter: str, values: NDArray[Any]) -> None:
    for value in values[wide(values) < 0].flat:
        raise ValueError(f"{parameter} ({float(value)}) is below 0")


def _require_order(function: str, min_val: NDArray[Any], max_val: NDArray[Any]) -> None:
    low, high = np.broadcast_arrays(min_val, max_val)
    for left, right in zip(low[low > high].flat, high[low > high].flat, strict=True):
        raise ValueError(f"{function}: min_val ({float(left)}) is above max_val ({float(right)})")
