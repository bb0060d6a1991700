from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload, type_check_only

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

_Array = TypeVar("_Array", bound=NDArray[Any])
_Result = TypeVar("_Result", bound=NDArray[Any])

@type_check_only
class _Keywords(TypedDict, total=False):
    where: ArrayLike
    casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"]
    order: Literal["K", "A", "C", "F"]
    dtype: DTypeLike
    subok: bool
    signature: str | tuple[DTypeLike, ...]

# An array in gives an array of that type out, and out= gives itself. For everything else (scalars,
# lists, mixed dtypes, classes with __array_ufunc__) the type depends on values.

@type_check_only
class _X(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: _Array, /) -> _Array: ...
    @overload
    def __call__(
        self, x: Any, /, out: _Result | tuple[_Result], **kwargs: Unpack[_Keywords]
    ) -> _Result: ...
    @overload
    def __call__(self, x: Any, /, out: None = None, **kwargs: Unpack[_Keywords]) -> Any: ...

@type_check_only
class _GradX(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: _Array, x: _Array, /) -> _Array: ...
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self, grad_output: Any, x: Any, /, out: None = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class _XSlope(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        negative_slope: ArrayLike = 0.01,
        *,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self,
        x: Any,
        /,
        negative_slope: ArrayLike = 0.01,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class _GradXSlope(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        negative_slope: ArrayLike = 0.01,
        *,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        negative_slope: ArrayLike = 0.01,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

relu: _X
relu_derivative: _X
relu_backward: _GradX
leaky_relu: _XSlope
leaky_relu_derivative: _XSlope
leaky_relu_backward: _GradXSlope
