"""Tables of quantised functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastrelu.reference._dtypes import selects


@selects
def apply_table(x: ArrayLike, table: ArrayLike) -> Any:
    """`table[i]` for each element of `x` whose byte is i."""
    return np.asarray(table)[np.asarray(x).view(np.uint8)]


@selects
def make_table(
    function: Callable[[NDArray[np.float64]], ArrayLike],
    input: tuple[float, int],
    output: tuple[float, int],
    dtype: DTypeLike = np.int8,
) -> NDArray[Any]:
    """`q' = clip(round(f((q - zero_point) * scale) / scale') + zero_point')` for each byte q."""
    (scale, zero_point), (out_scale, out_zero_point) = input, output
    limits = np.iinfo(np.dtype(dtype))
    values = [int(q) for q in np.arange(256, dtype=np.uint8).view(dtype)]
    y = np.asarray(function(np.array([(q - zero_point) * float(scale) for q in values])))

    def quantised(real: float) -> int:
        ratio = real / float(out_scale)
        if math.isinf(ratio):
            return int(limits.max if ratio > 0 else limits.min)
        return min(max(round(ratio) + out_zero_point, int(limits.min)), int(limits.max))

    return np.array([quantised(float(each)) for each in y], dtype)
