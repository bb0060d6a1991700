"""What takes more than a line: loops as one writes them for Numba, and two idioms of NumPy.

Numba compiles the loops, with ``parallel=True`` where it may use several threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fastrelu as fr
import numpy as np
from cells import Array

prange = range  # Numba's own takes its place before Numba compiles anything


def active_count(x: Array) -> int:
    """Count what relu passes on."""
    count = 0
    for i in prange(x.size):
        count += not x[i] <= 0
    return count


def prelu_backward(g: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """Compute both gradients of images, channel by channel."""
    gx, gw = np.empty_like(x), np.empty_like(weight)
    for c in prange(x.shape[1]):
        total = 0.0
        for n in range(x.shape[0]):
            for h in range(x.shape[2]):
                for w in range(x.shape[3]):
                    if x[n, c, h, w] > 0:
                        gx[n, c, h, w] = g[n, c, h, w]
                    else:
                        gx[n, c, h, w] = g[n, c, h, w] * weight[c]
                        total += g[n, c, h, w] * x[n, c, h, w]
        gw[c] = total
    return gx, gw


def apply_table(x: Array, table: Array) -> Array:
    """Look up each byte."""
    y = np.empty(x.shape, table.dtype)
    for i in prange(x.size):
        y[i] = table[np.uint8(x[i])]
    return y


def maxout_backward(g: Array, x: Array, groups: int) -> Array:
    """Give each pool's gradient to its largest element, in NumPy."""
    n, c, h, w = x.shape
    pools = x.reshape(n, c // groups, groups, h, w)
    gx = np.zeros_like(pools)
    np.put_along_axis(gx, pools.argmax(2)[:, :, None], g[:, :, None], 2)
    return gx.reshape(x.shape)


def repeated(call: Callable[[], Any], times: int = 100) -> Any:
    """Call some times."""
    for _ in range(times - 1):
        call()
    return call()


def logged(call: Callable[[], Any]) -> Any:
    """Do the same under an activity log."""
    with fr.activity():
        return repeated(call)
