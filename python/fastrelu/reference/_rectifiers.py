"""relu and leaky_relu, their derivatives and their gradients from the input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrelu.reference._dtypes import (
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
    """`+0 if x <= 0 else x`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu(np.array([-1.0, -0.0, 2.0, np.nan]))
    array([ 0.,  0.,  2., nan])
    """
    x = cast(x, promoted(x))
    return np.where(not_positive(x), zero(x), x)[()]


@selects
def relu_derivative(x: ArrayLike, /) -> Any:
    """`0 if x <= 0 else 1`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu_derivative(np.array([-1.0, 0.0, 2.0, np.nan]))
    array([0., 0., 1., 1.])
    """
    x = cast(x, promoted(x))
    return np.where(not_positive(x), zero(x), one(x))[()]


@selects
def relu_backward(grad_output: ArrayLike, x: ArrayLike, /) -> Any:
    """`+0 if x <= 0 else grad_output`; `x` may be relu's input or its output.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu_backward([np.nan, 3.0, -4.0], [-1.0, 2.0, 2.0])
    array([ 0.,  3., -4.])
    """
    grad_output, x = common(grad_output, x)
    return np.where(not_positive(x), zero(x), grad_output)[()]


@multiplies
def leaky_relu(x: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`x if x > 0 else x * negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu(np.array([-2.0, 0.0, 2.0]), negative_slope=0.5)
    array([-1.,  0.,  2.])
    """
    x = cast(x, leaky_promoted(x, parameter=negative_slope))
    return leaky(x, x, negative_slope)


@multiplies
def leaky_relu_derivative(x: ArrayLike, /, negative_slope: ArrayLike = 0.01) -> Any:
    """`1 if x > 0 else negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_derivative(np.array([-2.0, 0.0, 2.0]), negative_slope=0.5)
    array([0.5, 0.5, 1. ])
    """
    x = cast(x, leaky_promoted(x, parameter=negative_slope))
    return np.where(positive(x), one(x), cast(negative_slope, x.dtype))[()]


@multiplies
def leaky_relu_backward(
    grad_output: ArrayLike, x: ArrayLike, /, negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output if x > 0 else grad_output * negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_backward([1.0, 1.0], [-3.0, 3.0], negative_slope=0.5)
    array([0.5, 1. ])
    """
    dtype = leaky_promoted(grad_output, x, parameter=negative_slope)
    return leaky(cast(grad_output, dtype), cast(x, dtype), negative_slope)


def leaky(values: NDArray[Any], x: NDArray[Any], slope: ArrayLike) -> Any:
    """`values if x > 0 else values * slope`; what is kept takes no part in the product."""
    kept = positive(x)
    slopes = cast(slope, product_dtype(values.dtype))
    products = product(np.where(kept, one(values), values), np.where(kept, one(slopes), slopes))
    return np.where(kept, values, products)[()]
