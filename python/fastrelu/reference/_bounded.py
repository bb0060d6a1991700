"""Rectifiers with a bound above, and with thresholds other than 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    at_least,
    at_most,
    cast,
    common,
    not_positive,
    promoted,
    require_not_negative,
    selects,
    zero,
)

_SIX = 6


@selects
def relu6(x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else 6 if x >= 6 else x`."""
    x = cast(x, promoted(x))
    return _capped(x, x.dtype.type(_SIX))


@selects
def relu6_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 or x >= 6 else grad_output`."""
    grad_output, x = common(grad_output, x)
    return _below_cap(grad_output, x, x.dtype.type(_SIX))


@selects
def clipped_relu(x: ArrayLike, /, max_val: ArrayLike) -> Any:
    """`+0 if x <= 0 else max_val if x >= max_val else x`."""
    x, max_val = common(x, max_val)
    require_not_negative("clipped_relu", "max_val", max_val)
    return _capped(x, max_val)


@selects
def clipped_relu_backward(grad_output: ArrayLike, x: ArrayLike, /, max_val: ArrayLike) -> Any:
    """`+0 if x <= 0 or x >= max_val else grad_output`."""
    grad_output, x, max_val = common(grad_output, x, max_val)
    require_not_negative("clipped_relu_backward", "max_val", max_val)
    return _below_cap(grad_output, x, max_val)


@selects
def hardtanh(x: ArrayLike, /, min_val: ArrayLike = -1, max_val: ArrayLike = 1) -> Any:
    """`min_val if x <= min_val else max_val if x >= max_val else x`."""
    x, min_val, max_val = common(x, min_val, max_val)
    _require_order("hardtanh", min_val, max_val)
    return np.where(at_most(x, min_val), min_val, np.where(at_least(x, max_val), max_val, x))[()]


@selects
def hardtanh_backward(
    grad_output: ArrayLike, x: ArrayLike, /, min_val: ArrayLike = -1, max_val: ArrayLike = 1
) -> Any:
    """`+0 if x <= min_val or x >= max_val else grad_output`."""
    grad_output, x, min_val, max_val = common(grad_output, x, min_val, max_val)
    _require_order("hardtanh_backward", min_val, max_val)
    outside = at_most(x, min_val) | at_least(x, max_val)
    return np.where(outside, zero(x), grad_output)[()]


@selects
def thresholded_relu(x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`+0 if x <= alpha else x`."""
    x, alpha = common(x, alpha)
    return np.where(at_most(x, alpha), zero(x), x)[()]


@selects
def thresholded_relu_backward(grad_output: ArrayLike, x: ArrayLike, /, alpha: ArrayLike = 1) -> Any:
    """`+0 if x <= alpha else grad_output`."""
    grad_output, x, alpha = common(grad_output, x, alpha)
    return np.where(at_most(x, alpha), zero(x), grad_output)[()]


@selects
def threshold(x: ArrayLike, /, threshold: ArrayLike, value: ArrayLike) -> Any:
    """`value if x <= threshold else x`."""
    x, threshold, value = common(x, threshold, value)
    return np.where(at_most(x, threshold), value, x)[()]


@selects
def threshold_backward(grad_output: ArrayLike, x: ArrayLike, /, threshold: ArrayLike) -> Any:
    """`+0 if x <= threshold else grad_output`."""
    grad_output, x, threshold = common(grad_output, x, threshold)
    return np.where(at_most(x, threshold), zero(x), grad_output)[()]


@selects
def relu_quantized(x: ArrayLike, /, zero_point: ArrayLike) -> Any:
    """`zero_point if x <= zero_point else x`, for integers alone."""
    x, zero_point = common(x, zero_point)
    if x.dtype.kind not in "iu":
        raise TypeError(f"relu_quantized takes integers, not {x.dtype}")
    return np.where(at_most(x, zero_point), zero_point, x)[()]


def _capped(x: NDArray[Any], cap: Any) -> Any:
    return np.where(not_positive(x), zero(x), np.where(at_least(x, cap), cap, x))[()]


def _below_cap(grad_output: NDArray[Any], x: NDArray[Any], cap: Any) -> Any:
    return np.where(not_positive(x) | at_least(x, cap), zero(x), grad_output)[()]


def _require_order(function: str, min_val: NDArray[Any], max_val: NDArray[Any]) -> None:
    low, high = np.broadcast_arrays(min_val, max_val)
    for left, right in zip(low[low > high].flat, high[low > high].flat, strict=True):
        raise ValueError(f"{function}: min_val ({float(left)}) is above max_val ({float(right)})")
