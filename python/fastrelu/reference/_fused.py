"""Rectifiers of what is computed first: a sum, a scaled and shifted array, a negated one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastrelu.reference._dtypes import (
    adds,
    cast,
    common,
    leaky_promoted,
    multiplies,
    promoted,
    selects,
)
from fastrelu.reference._rectifiers import leaky, relu, relu_backward


@adds
def add_relu(x: ArrayLike, y: ArrayLike, /) -> Any:
    """`relu(x + y)`, the sum rounded to the dtype of the arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.add_relu([-3.0, 1.0, np.inf], [2.0, 2.0, 1.0])
    array([ 0.,  3., inf])
    """
    x, y = common(x, y)
    return relu(x + y)


@multiplies
def add_leaky_relu(x: ArrayLike, y: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`leaky_relu(x + y, negative_slope)`, the sum rounded first; one of integers wraps.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.add_leaky_relu([-3.0, 1.0], [1.0, 2.0], negative_slope=0.5)
    array([-1.,  3.])
    """
    result = leaky_promoted(x, y, parameter=negative_slope)
    data = promoted(x, y)
    of_sum = data if data.kind in "iu" else result
    total = cast(cast(x, of_sum) + cast(y, of_sum), result)
    return leaky(total, total, negative_slope)


@adds
def scale_shift_relu(x: ArrayLike, scale: ArrayLike, shift: ArrayLike, /) -> Any:
    """`relu(x * scale + shift)`, product and sum each rounded to the dtype of the arrays.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.scale_shift_relu([1.0, -1.0], [2.0, 2.0], [0.5, 0.5])
    array([2.5, 0. ])
    """
    x, scale, shift = common(x, scale, shift)
    return relu(x * scale + shift)


@selects
def negated_relu(x: ArrayLike, /) -> Any:
    """`relu(-x)`; the sign of a NaN flips, the negative of an integer wraps.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.negated_relu(np.array([-3, 0, 2, -128], np.int8))
    array([3, 0, 0, 0], dtype=int8)
    """
    return relu(-cast(x, promoted(x)))


@adds
def crelu_gradient(grad_positive: ArrayLike, grad_negative: ArrayLike, x: ArrayLike, /) -> Any:
    """`relu_backward(grad_positive, x) - relu_backward(grad_negative, -x)`.

    Examples
    --------
    >>> from fastrelu import reference
    >>> reference.crelu_gradient([5.0, 5.0, 5.0], [7.0, 7.0, 7.0], [2.0, 0.0, -2.0])
    array([ 5.,  0., -7.])
    """
    grad_positive, grad_negative, x = common(grad_positive, grad_negative, x)
    return np.subtract(relu_backward(grad_positive, x), relu_backward(grad_negative, -x))
