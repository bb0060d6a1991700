"""relu and leaky_relu, their derivatives and gradients, and both of sums and scaled arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    adds,
    cast,
    common,
    leaky_promoted,
    multiplies,
    not_positive,
    one,
    positive,
    product,
    product_dtype,
    promoted,
    selects,
    zero,
)


@selects
def relu(x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else x`."""
    x = cast(x, promoted(x))
    return np.where(not_positive(x), zero(x), x)[()]


@selects
def relu_derivative(x: ArrayLike, /) -> Any:
    """`0 if x <= 0 else 1`."""
    x = cast(x, promoted(x))
    return np.where(not_positive(x), zero(x), one(x))[()]


@selects
def relu_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else grad_output`; `x` may be relu's input or its output."""
    grad_output, x = common(grad_output, x)
    return np.where(not_positive(x), zero(x), grad_output)[()]


@multiplies
def leaky_relu(x: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`x if x > 0 else x * negative_slope`."""
    x = cast(x, leaky_promoted(x, parameter=negative_slope))
    return _leaky(x, x, negative_slope)


@multiplies
def leaky_relu_derivative(x: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`1 if x > 0 else negative_slope`."""
    x = cast(x, leaky_promoted(x, parameter=negative_slope))
    return np.where(positive(x), one(x), cast(negative_slope, x.dtype))[()]


@multiplies
def leaky_relu_backward(
    grad_output: ArrayLike, x: ArrayLike, /, negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output if x > 0 else grad_output * negative_slope`."""
    dtype = leaky_promoted(grad_output, x, parameter=negative_slope)
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
    result = leaky_promoted(x, y, parameter=negative_slope)
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
    return relu(-cast(x, promoted(x)))


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
