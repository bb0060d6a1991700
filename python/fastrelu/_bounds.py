"""Checks of bounds that contradict each other: called from C++ for all but plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = (float, int, np.generic, list, tuple)
_OF_ANOTHER_PACKAGE = 2  # dtype.isbuiltin


def check(
    function: str, names: tuple[str, ...], bounds: tuple[Any, ...], positive: bool = False
) -> None:
    """Refuse a first bound that is above the second somewhere, or a single one that is below 0.

    With `positive`, a single one that is 0 is refused, too.

    Foreign objects are checked later, when NumPy has converted them to arrays. The ufunc refuses
    bounds that NumPy cannot compare or broadcast. There are no comprehensions here, because Python
    3.11 keeps a reference to their iterable if memory runs out.
    """
    try:
        high = _real_array(bounds[-1])
        low = _real_array(bounds[0]) if len(bounds) > 1 else 0
        if low is None or high is None:
            return
        with np.errstate(all="ignore"):  # other packages' dtypes report signalling NaNs
            is_above = low >= high if positive else low > high
    except (TypeError, ValueError):
        return
    if not np.count_nonzero(is_above):
        return
    place = np.unravel_index(is_above.argmax(), is_above.shape)
    first = np.broadcast_to(low, is_above.shape)[place]
    last = np.broadcast_to(high, is_above.shape)[place]
    if len(names) > 1:
        raise ValueError(f"{function}: {names[0]} ({first!s}) is above {names[1]} ({last!s})")
    relation = "not above" if positive else "below"
    raise ValueError(f"{function}: {names[0]} ({last!s}) is {relation} 0")


def _real_array(bound: Any) -> NDArray[Any] | None:
    kind = type(bound)  # not what an object says of itself
    if kind is not np.ndarray and not issubclass(kind, _NUMBERS):
        return None
    array = np.asarray(bound)
    is_real = array.dtype.kind in "iuf" or array.dtype.isbuiltin == _OF_ANOTHER_PACKAGE
    return array if is_real else None
