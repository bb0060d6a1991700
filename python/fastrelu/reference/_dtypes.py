"""The dtypes that functions compute in, and the arithmetic that depends on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Arithmetic: TypeAlias = Literal["selects", "adds", "multiplies"]
Function = TypeVar("Function", bound=Callable[..., Any])

_USER_DEFINED = 2
"""What `numpy.dtype.isbuiltin` says of a dtype that another package registered."""

declared: dict[str, Arithmetic] = {}
"""The public functions of this package, by name."""


def arithmetic(name: str) -> Arithmetic:
    """Say what a function does to numbers, which decides its dtypes and what it may report.

    "selects" passes bits on or replaces them and never reports anything; "adds" computes step by
    step in the dtype of the result; "multiplies" computes in `product_dtype` and rounds once, and
    takes integers to float64.
    """
    return declared[name]


def selects(function: Function) -> Function:
    return _declare(function, "selects")


def adds(function: Function) -> Function:
    return _declare(function, "adds")


def multiplies(function: Function) -> Function:
    return _declare(function, "multiplies")


def _declare(function: Function, kind: Arithmetic) -> Function:
    """Note the kind, and keep the function from warning: unwrapped, it reports what kernels may."""
    declared[function.__name__] = kind
    return np.errstate(all="ignore")(function)


def common(*inputs: ArrayLike) -> tuple[NDArray[Any], ...]:
    """All inputs as arrays of NumPy's common dtype."""
    dtype = promoted(*inputs)
    return tuple(cast(each, dtype) for each in inputs)


@np.errstate(all="ignore")
def at_most(x: NDArray[Any], limit: Any) -> NDArray[np.bool_]:
    """`x <= limit`, without a report: false where either is NaN."""
    return np.asarray(x <= limit)


@np.errstate(all="ignore")
def at_least(x: NDArray[Any], limit: Any) -> NDArray[np.bool_]:
    """`x >= limit`, without a report: false where either is NaN."""
    return np.asarray(x >= limit)


@np.errstate(all="ignore")
def positive(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`x > 0`, also where the dtype of `x` has no zero to compare with (float8_e8m0fnu)."""
    return np.asarray(cast(x, product_dtype(x.dtype)) > 0)


@np.errstate(all="ignore")
def not_positive(x: NDArray[Any]) -> NDArray[np.bool_]:
    """`x <= 0`, which is not the opposite of `positive`: both are false where `x` is NaN."""
    return np.asarray(cast(x, product_dtype(x.dtype)) <= 0)


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
    for each in inputs:
        _require_real(np.asarray(each).dtype)
    strong = [np.asarray(each) for each in inputs if not _is_weak(each)]
    if strong and np.result_type(*strong).isbuiltin == _USER_DEFINED:
        return np.result_type(*strong)
    return np.result_type(*(each if _is_weak(each) else np.asarray(each) for each in inputs))


def product_promoted(*data: ArrayLike) -> np.dtype[Any]:
    """NumPy's common dtype, but integers give float64."""
    dtype = promoted(*data)
    return np.dtype(np.float64) if dtype.kind in "iu" else dtype


def leaky_promoted(*data: ArrayLike, parameter: ArrayLike) -> np.dtype[Any]:
    """NumPy's common dtype, but integers give float64 and narrow floats outrank the parameter."""
    data_dtype = promoted(*data)
    if data_dtype.kind in "iu":
        _require_real(np.asarray(parameter).dtype)
        return np.dtype(np.float64)
    if is_narrow_float(data_dtype):
        wide = promoted(np.empty(0, np.float32), parameter)
        return data_dtype if wide == np.float32 else wide
    return promoted(*data, parameter)


def _is_weak(value: ArrayLike) -> bool:
    """Say whether it is a number of Python's own, which ranks below every dtype of its kind."""
    return type(value) in (int, float)


def _require_real(dtype: np.dtype[Any]) -> None:
    if not (dtype.kind in "iu" or is_float(dtype)):
        raise TypeError(f"fastrelu takes real numbers, not {dtype}")


def is_narrow_float(dtype: np.dtype[Any]) -> bool:
    return is_float(dtype) and dtype.itemsize < np.dtype(np.float32).itemsize


def is_float(dtype: np.dtype[Any]) -> bool:
    """Say whether it is one of NumPy's floats, or another package's, such as bfloat16."""
    registered_by_a_package = dtype.isbuiltin == _USER_DEFINED
    return dtype.kind == "f" or (
        registered_by_a_package
        and np.can_cast(dtype, np.float32)
        and not np.can_cast(dtype, np.int64)
    )


def require_not_negative(function: str, parameter: str, values: NDArray[Any]) -> None:
    for value in values[values < zero(values)].flat:
        raise ValueError(f"{function}: {parameter} ({float(value)}) is below 0")


def cast(values: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.asarray(values).astype(dtype, copy=False)


def zero(like: NDArray[Any]) -> Any:
    """+0, whose bits are all 0; in a dtype that has no zero, what has these bits."""
    return np.zeros((), like.dtype)[()]


def one(like: NDArray[Any]) -> Any:
    return like.dtype.type(1)
