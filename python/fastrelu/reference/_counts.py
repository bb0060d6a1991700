"""Which elements relu keeps, counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import at_most, cast, promoted


@np.errstate(all="ignore")
def active(x: ArrayLike) -> NDArray[np.bool_]:
    """`!(x <= 0)`.

    Examples
    --------
    >>> from fastrelu.reference._counts import active
    >>> active([-1.0, 0.0, 2.0])
    array([False, False,  True])
    """
    x = cast(x, promoted(x))
    return ~at_most(x, 0)


def active_count(x: ArrayLike, axis: Any = None) -> Any:
    """`sum(!(x <= 0))`.

    Examples
    --------
    >>> from fastrelu import reference
    >>> int(reference.active_count([-1.0, 0.0, 2.0]))
    1
    """
    return np.sum(active(x), axis, dtype=np.intp)


def sparsity(x: ArrayLike, axis: Any = None) -> Any:
    """`1 - active_count(x) / number`.

    Examples
    --------
    >>> from fastrelu import reference
    >>> float(reference.sparsity([-1.0, 0.0, 2.0, 4.0]))
    0.5
    """
    with np.errstate(invalid="ignore"):  # of no elements it is NaN
        return 1 - active_count(x, axis) / np.asarray(np.sum(np.ones(np.shape(x)), axis))


def dead_units(x: ArrayLike, axis: Any = 0) -> Any:
    """`all(x <= 0)`.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.dead_units([[-1.0, 2.0], [0.0, 3.0]])
    array([ True, False])
    """
    return ~np.any(active(x), axis)
