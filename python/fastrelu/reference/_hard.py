"""The squared rectifier, piecewise-linear stand-ins for sigmoid and swish, and soft shrinkage.

What takes no part in a sum or product is replaced before it, so that nothing of it is reported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
    at_least,
    at_most,
    cast,
    leaky_promoted,
    multiplies,
    product_dtype,
    product_promoted,
    require_not_negative,
    wide,
    zero,
)
from fastrelu.reference._rectifiers import relu


@multiplies
def squared_relu(x: ArrayLike, /) -> Any:
    """`relu(x)` times itself."""
    x = cast(x, product_promoted(x))
    rectified = wide(relu(x))
    return cast(rectified * rectified, x.dtype)[()]


@multiplies
def squared_relu_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else grad_output * (x + x)`."""
    dtype = product_promoted(grad_output, x)
    grad_output, x = _wide(grad_output, dtype), _wide(x, dtype)
    dead = at_most(x, 0)
    x = np.where(dead, 0, x)
    return cast(np.where(dead, 0, grad_output) * (x + x), dtype)[()]


@multiplies
def hardsigmoid(x: ArrayLike, /) -> Any:
    """`c / 6` with `t = x + 3` and `c = 0 if t <= 0 else 6 if t >= 6 else t`."""
    dtype = product_promoted(x)
    x = _wide(x, dtype)
    return cast(_ramp(x) / 6, dtype)[()]


@multiplies
def hardsigmoid_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`grad_output * (1 / 6) if -3 < x < 3 else +0`."""
    dtype = product_promoted(grad_output, x)
    grad_output, x = _wide(grad_output, dtype), _wide(x, dtype)
    sixth = x.dtype.type(1) / x.dtype.type(6)
    return cast(np.where(_bends(x), grad_output, 0) * sixth, dtype)[()]


@multiplies
def hardswish(x: ArrayLike, /) -> Any:
    """`x if x >= 3 else (x * c) / 6` with the `c` of `hardsigmoid`."""
    dtype = product_promoted(x)
    x = _wide(x, dtype)
    kept = at_least(x, 3)
    rest = np.where(kept, 0, x)
    return cast(np.where(kept, x, (rest * _ramp(rest)) / 6), dtype)[()]


@multiplies
def hardswish_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= -3 else grad_output * (x / 3 + 0.5) if x < 3 else grad_output`."""
    dtype = product_promoted(grad_output, x)
    grad_output, x = cast(grad_output, dtype), _wide(x, dtype)
    bent = _bends(x)
    product = np.where(bent, wide(grad_output), 0) * (np.where(bent, x, 0) / 3 + 0.5)
    alive = np.where(bent, cast(product, dtype), grad_output)
    return np.where(at_most(x, -3), zero(alive), alive)[()]


@multiplies
def softshrink(x: ArrayLike, /, lambd: ArrayLike = 0.5) -> Any:
    """`+0 if -lambd <= x <= lambd else x - lambd if x > 0 else x + lambd`."""
    dtype = leaky_promoted(x, parameter=lambd)
    x, lambd = _wide(x, dtype), cast(lambd, product_dtype(dtype))
    require_not_negative("softshrink", "lambd", lambd)
    kept = ~_shrunk(x, lambd)
    distance = np.where(kept, np.where(at_most(x, 0), -lambd, lambd), 0)
    return cast(np.where(kept, x, 0) - distance, dtype)[()]


@multiplies
def softshrink_backward(grad_output: ArrayLike, x: ArrayLike, /, lambd: ArrayLike = 0.5) -> Any:
    """`+0 if -lambd <= x <= lambd else grad_output`."""
    dtype = leaky_promoted(grad_output, x, parameter=lambd)
    grad_output = cast(grad_output, dtype)
    x, lambd = _wide(x, dtype), cast(lambd, product_dtype(dtype))
    require_not_negative("softshrink_backward", "lambd", lambd)
    return np.where(_shrunk(x, lambd), zero(grad_output), grad_output)[()]


def _shrunk(x: NDArray[Any], lambd: NDArray[Any]) -> NDArray[np.bool_]:
    """`-lambd <= x <= lambd`: false where either is NaN."""
    return at_least(x, -lambd) & at_most(x, lambd)


def _wide(values: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values of `dtype` in the dtype of its products."""
    return wide(cast(values, dtype))


def _bends(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`-3 < x < 3`."""
    outside: NDArray[np.bool_] = at_most(x, -3) | at_least(x, 3) | np.isnan(x)
    return ~outside


def _ramp(x: NDArray[Any]) -> NDArray[Any]:
    """`c = 0 if t <= 0 else 6 if t >= 6 else t` with `t = x + 3`."""
    t = x + 3
    return np.where(at_most(t, 0), 0, np.where(at_least(t, 6), 6, t)).astype(x.dtype)
