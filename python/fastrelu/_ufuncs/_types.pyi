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

# A class has the name of its parameters. An array in gives an array of that type out, unless the
# function multiplies, which takes integers to float64; out= gives itself. For everything else
# (scalars, lists, mixed dtypes, classes with __array_ufunc__) the type depends on values.

@type_check_only
class X(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: _Array, /) -> _Array: ...
    @overload
    def __call__(
        self, x: Any, /, out: _Result | tuple[_Result], **kwargs: Unpack[_Keywords]
    ) -> _Result: ...
    @overload
    def __call__(self, x: Any, /, out: Any = None, **kwargs: Unpack[_Keywords]) -> Any: ...

@type_check_only
class XMultiplied(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self, x: Any, /, out: _Result | tuple[_Result], **kwargs: Unpack[_Keywords]
    ) -> _Result: ...
    @overload
    def __call__(self, x: Any, /, out: Any = None, **kwargs: Unpack[_Keywords]) -> Any: ...

@type_check_only
class XY(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: _Array, y: _Array, /) -> _Array: ...
    @overload
    def __call__(
        self, x: Any, y: Any, /, out: _Result | tuple[_Result], **kwargs: Unpack[_Keywords]
    ) -> _Result: ...
    @overload
    def __call__(self, x: Any, y: Any, /, out: Any = None, **kwargs: Unpack[_Keywords]) -> Any: ...

@type_check_only
class XScaleShift(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: _Array, scale: _Array, shift: _Array, /) -> _Array: ...
    @overload
    def __call__(
        self,
        x: Any,
        scale: Any,
        shift: Any,
        /,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self, x: Any, scale: Any, shift: Any, /, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class XSlope(np.ufunc):  # type: ignore[misc]
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
class XYSlope(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        y: Any,
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
        y: Any,
        /,
        negative_slope: ArrayLike = 0.01,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class XMaxValue(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        max_val: ArrayLike,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self, x: Any, /, max_val: ArrayLike, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class XMinValMaxVal(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        min_val: ArrayLike = -1,
        max_val: ArrayLike = 1,
        *,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self,
        x: Any,
        /,
        min_val: ArrayLike = -1,
        max_val: ArrayLike = 1,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class XAlpha(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        alpha: ArrayLike = 1,
        *,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self, x: Any, /, alpha: ArrayLike = 1, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class XLambd(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        lambd: ArrayLike = 0.5,
        *,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self, x: Any, /, lambd: ArrayLike = 0.5, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class XThreshold(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        threshold: ArrayLike,
        value: ArrayLike,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self,
        x: Any,
        /,
        threshold: ArrayLike,
        value: ArrayLike,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class XZeroPoint(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        x: Any,
        /,
        zero_point: ArrayLike,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self, x: Any, /, zero_point: ArrayLike, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class GradX(np.ufunc):  # type: ignore[misc]
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
        self, grad_output: Any, x: Any, /, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class GradXMultiplied(np.ufunc):  # type: ignore[misc]
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
        self, grad_output: Any, x: Any, /, out: Any = None, **kwargs: Unpack[_Keywords]
    ) -> Any: ...

@type_check_only
class GradXSlope(np.ufunc):  # type: ignore[misc]
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

@type_check_only
class GradXMaxValue(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        max_val: ArrayLike,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        max_val: ArrayLike,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class GradXMinValMaxVal(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        min_val: ArrayLike = -1,
        max_val: ArrayLike = 1,
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
        min_val: ArrayLike = -1,
        max_val: ArrayLike = 1,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class GradXAlpha(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        alpha: ArrayLike = 1,
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
        alpha: ArrayLike = 1,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class GradXLambd(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        lambd: ArrayLike = 0.5,
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
        lambd: ArrayLike = 0.5,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...

@type_check_only
class GradXThreshold(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        threshold: ArrayLike,
        out: _Result | tuple[_Result],
        **kwargs: Unpack[_Keywords],
    ) -> _Result: ...
    @overload
    def __call__(
        self,
        grad_output: Any,
        x: Any,
        /,
        threshold: ArrayLike,
        out: Any = None,
        **kwargs: Unpack[_Keywords],
    ) -> Any: ...
