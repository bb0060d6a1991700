"""The dtypes that functions compute in, and the arithmetic that depends on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Arithmetic: TypeAlias = Literal["selects", "adds", "multiplies", "smooth"]
Function = TypeVar("Function", bound=Callable[..., Any])

_USER_DEFINED = 2
"""What `numpy.dtype.isbuiltin` says of a dtype that another package registered."""

declared: dict[str, Arithmetic] = {}
"""The public functions of this package, by name."""


def arithmetic(name: str) -> Arithmetic:
    """Say what a function does to numbers, which decides its dtypes and what it may report.

    "selects" passes bits on or replaces them and never reports anything; "adds" computes step by
    step in the dtype of the result; "multiplies" computes in `product_dtype` and rounds once, and
    takes integers to float64; "smooth" rounds a real number, or the product of one with a number,
    to the dtype that "multiplies" has.
    """
    return declared[name]


def _declares(kind: Arithmetic) -> Callable[[Function], Function]:
    def declare(function: Function) -> Function:
        """Note the kind, and stop warnings: what is unwrapped reports what kernels may."""
        declared[function.__name__] = kind
        return np.errstate(all="ignore")(function)

    return declare


selects, adds, multiplies = _declares("selects"), _declares("adds"), _declares("multiplies")
smooth = _declares("smooth")


def common(*inputs: ArrayLike) -> tuple[NDArray[Any], ...]:
    """All inputs as arrays of NumPy's common dtype."""
    dtype = promoted(*inputs)
    return tuple(cast(each, dtype) for each in inputs)


@np.errstate(all="ignore")
def at_most(x: Any, limit: Any) -> NDArray[np.bool_]:
    """`x <= limit`, without a report: false where either is NaN."""
    return np.asarray(x <= limit)


@np.errstate(all="ignore")
def positive(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`x > 0`, also where the dtype of `x` has no zero to compare with (float8_e8m0fnu)."""
    return np.asarray(wide(x) > 0)


def not_positive(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`x <= 0`, which is not the opposite of `positive`: both are false where `x` is NaN."""
    return at_most(wide(x), 0)


def zero_where(condition: NDArray[np.bool_], values: Any) -> Any:
    """+0 there, and `values` elsewhere; in a dtype that has no zero, the value with its bits."""
    return np.where(condition, np.zeros((), values.dtype), values)[()]


def product(values: NDArray[Any], slope: ArrayLike) -> NDArray[Any]:
    """`values * slope`, multiplied in `product_dtype` and rounded to the dtype of `values`.

    A NaN in `values` is kept as it is: some packages drop its payload on the way through float32.
    """
    rounded = (wide(values) * cast(slope, product_dtype(values.dtype))).astype(values.dtype)
    return np.where(np.isnan(values), values, rounded)


def product_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that values are multiplied in: float32 for narrower floats, else `dtype`."""
    return np.dtype(np.float32) if is_narrow_float(dtype) else dtype


def wide(x: NDArray[Any]) -> NDArray[Any]:
    """`x` in the dtype that it is multiplied in."""
    return cast(x, product_dtype(x.dtype))


def promoted(*inputs: ArrayLike) -> np.dtype[Any]:
    """NumPy's common dtype of the inputs; TypeError unless all are real numbers.

    Python's numbers keep the dtype of another package's floats too, where NumPy has no such rule.
    """
    ranked = [each if type(each) in (int, float) else np.asarray(each) for each in inputs]
    for each in ranked:
        dtype = np.asarray(each).dtype
        if not (dtype.kind in "iu" or is_float(dtype)):
            raise TypeError(f"fastrelu takes real numbers, not {dtype}")
    strong = [each for each in ranked if isinstance(each, np.ndarray)]
    if strong and np.result_type(*strong).isbuiltin == _USER_DEFINED:
        return np.result_type(*strong)
    return np.result_type(*ranked)


def product_promoted(*data: ArrayLike, parameter: ArrayLike = 0) -> np.dtype[Any]:
    """NumPy's common dtype, but integers give float64 and narrow floats outrank the parameter."""
    dtype = promoted(*data)
    if dtype.kind in "iu":
        promoted(parameter)  # raises TypeError unless it is a real number
        return np.dtype(np.float64)
    if is_narrow_float(dtype):
        outranking = promoted(np.empty(0, np.float32), parameter)
        return dtype if outranking == np.float32 else outranking
    return promoted(*data, parameter)


def is_narrow_float(dtype: np.dtype[Any]) -> bool:
    return is_float(dtype) and dtype.itemsize < np.dtype(np.float32).itemsize


def is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is one of NumPy's floats, or another package's, such as bfloat16."""
    if dtype.isbuiltin != _USER_DEFINED:
        return dtype.kind == "f"
    return np.can_cast(dtype, np.float32) and not np.can_cast(dtype, np.int64)


def cast(values: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.asarray(values).astype(dtype, copy=False)


def one(like: NDArray[Any]) -> Any:
    return like.dtype.type(1)
