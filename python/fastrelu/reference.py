"""The functions of fastrelu in plain NumPy: slow, and short enough to be seen to be right.

This is the oracle that `fastrelu.verify` and the tests hold every kernel against. It has the names
and the parameters of the ufuncs, broadcasts as they do, returns a scalar for 0-d input as they do,
and never warns. It shares no code with the kernels, on purpose.

NaN compares false with everything, so `x <= 0` keeps it and `x > 0` does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_derivative",
    "relu",
    "relu_backward",
    "relu_derivative",
]

_USER_DEFINED = 2
"""What `numpy.dtype.isbuiltin` says of a dtype that another package registered."""


@np.errstate(all="ignore")
def relu(x: ArrayLike) -> Any:
    """`+0 if x <= 0 else x`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu(np.array([-1.0, -0.0, 2.0, np.nan]))
    array([ 0.,  0.,  2., nan])
    """
    x = _cast(x, _promoted(x))
    return np.where(x <= _zero(x), _zero(x), x)[()]


@np.errstate(all="ignore")
def relu_derivative(x: ArrayLike) -> Any:
    """`0 if x <= 0 else 1`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu_derivative(np.array([-1.0, 0.0, 2.0, np.nan]))
    array([0., 0., 1., 1.])
    """
    x = _cast(x, _promoted(x))
    return np.where(x <= _zero(x), _zero(x), _one(x))[()]


@np.errstate(all="ignore")
def relu_backward(grad_output: ArrayLike, x: ArrayLike) -> Any:
    """`+0 if x <= 0 else grad_output`; `x` may be relu's input or its output.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.relu_backward([np.nan, 3.0, -4.0], [-1.0, 2.0, 2.0])
    array([ 0.,  3., -4.])
    """
    dtype = _promoted(grad_output, x)
    grad_output, x = _cast(grad_output, dtype), _cast(x, dtype)
    return np.where(x <= _zero(x), _zero(x), grad_output)[()]


@np.errstate(all="ignore")
def leaky_relu(x: ArrayLike, negative_slope: ArrayLike = 0.01) -> Any:
    """`x if x > 0 else x * negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu(np.array([-2.0, 0.0, 2.0]), negative_slope=0.5)
    array([-1.,  0.,  2.])
    """
    x = _cast(x, _leaky_promoted(x, negative_slope=negative_slope))
    return np.where(positive(x), x, product(x, negative_slope))[()]


@np.errstate(all="ignore")
def leaky_relu_derivative(x: ArrayLike, negative_slope: ArrayLike = 0.01) -> Any:
    """`1 if x > 0 else negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_derivative(np.array([-2.0, 0.0, 2.0]), negative_slope=0.5)
    array([0.5, 0.5, 1. ])
    """
    x = _cast(x, _leaky_promoted(x, negative_slope=negative_slope))
    return np.where(positive(x), _one(x), _cast(negative_slope, x.dtype))[()]


@np.errstate(all="ignore")
def leaky_relu_backward(
    grad_output: ArrayLike, x: ArrayLike, negative_slope: ArrayLike = 0.01
) -> Any:
    """`grad_output if x > 0 else grad_output * negative_slope`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.leaky_relu_backward([1.0, 1.0], [-3.0, 3.0], negative_slope=0.5)
    array([0.5, 1. ])
    """
    dtype = _leaky_promoted(grad_output, x, negative_slope=negative_slope)
    grad_output, x = _cast(grad_output, dtype), _cast(x, dtype)
    return np.where(positive(x), grad_output, product(grad_output, negative_slope))[()]


def positive(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`x > 0`, also where the dtype of `x` has no zero to compare with (float8_e8m0fnu).

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.positive(np.array([-1.0, 0.0, 1.0, np.nan]))
    array([False, False,  True, False])
    """
    return np.asarray(_cast(x, product_dtype(x.dtype)) > 0)


def product(values: NDArray[Any], slope: ArrayLike) -> NDArray[Any]:
    """`values * slope`, multiplied in `product_dtype` and rounded to the dtype of `values`.

    A NaN in `values` is kept as it is: some packages drop its payload on the way through float32.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.product(np.array([-3.0], np.float16), 0.1)  # 0.1 is not rounded to float16
    array([-0.3], dtype=float16)
    """
    wide = product_dtype(values.dtype)
    rounded = (_cast(values, wide) * _cast(slope, wide)).astype(values.dtype)
    return np.where(np.isnan(values), values, rounded)


def product_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that leaky functions multiply in: float32 for narrower floats, else `dtype`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrelu import reference
    >>> reference.product_dtype(np.dtype(np.float16)), reference.product_dtype(np.dtype(np.float64))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float32) if _is_narrow_float(dtype) else dtype


def _promoted(*inputs: ArrayLike) -> np.dtype[Any]:
    """NumPy's common dtype of the inputs; TypeError unless all are real numbers."""
    for each in inputs:
        _require_real(np.asarray(each).dtype)
    return np.result_type(*(_weak_or_array(each) for each in inputs))


def _leaky_promoted(*data: ArrayLike, negative_slope: ArrayLike) -> np.dtype[Any]:
    """NumPy's common dtype, but integers give float64 and narrow floats outrank the slope."""
    data_dtype = _promoted(*data)
    if data_dtype.kind in "iu":
        _require_real(np.asarray(negative_slope).dtype)
        return np.dtype(np.float64)
    if _is_narrow_float(data_dtype):
        wide = _promoted(np.empty(0, np.float32), negative_slope)
        return data_dtype if wide == np.float32 else wide
    return _promoted(*data, negative_slope)


def _weak_or_array(value: ArrayLike) -> Any:
    """Python's own numbers as they are, for NumPy ranks them below every dtype of their kind."""
    return value if type(value) in (int, float) else np.asarray(value)


def _require_real(dtype: np.dtype[Any]) -> None:
    if not (dtype.kind in "iu" or _is_float(dtype)):
        raise TypeError(f"fastrelu takes real numbers, not {dtype}")


def _is_narrow_float(dtype: np.dtype[Any]) -> bool:
    return _is_float(dtype) and dtype.itemsize < np.dtype(np.float32).itemsize


def _is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is one of NumPy's floats, or another package's, such as bfloat16."""
    registered_by_a_package = dtype.isbuiltin == _USER_DEFINED
    return dtype.kind == "f" or (
        registered_by_a_package
        and np.can_cast(dtype, np.float32)
        and not np.can_cast(dtype, np.int64)
    )


def _cast(values: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.asarray(values).astype(dtype, copy=False)


def _zero(like: NDArray[Any]) -> Any:
    return like.dtype.type(0)


def _one(like: NDArray[Any]) -> Any:
    return like.dtype.type(1)
