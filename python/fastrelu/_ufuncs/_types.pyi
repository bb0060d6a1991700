# mypy: disable-error-code="overload-overlap"
# A np.float64 is a float, too. The first overload that fits a call gives its type.

from types import EllipsisType
from typing import (
    Any,
    Literal,
    Never,
    NoReturn,
    Protocol,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
    type_check_only,
)

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, DTypeLike, NDArray

@type_check_only
class _HasArray(Protocol):  # items are a float for NumPy's numbers, Any for those of ml_dtypes
    def __array__(self) -> NDArray[np.generic[float]]: ...

@type_check_only
class _HasUfunc(Protocol):  # not an ndarray: its method is a Literal
    def __array_ufunc__(self, ufunc: Any, method: str, /, *inputs: Any, **kwargs: Any) -> Any: ...

@type_check_only
class _HasItems(Protocol):  # not text and not an ndarray: each lacks one of these
    def __contains__(self, item: object, /) -> bool: ...
    def __getitem__(self, index: int, /) -> Any: ...
    def __reversed__(self) -> Any: ...

_Foreign = _HasUfunc | NDArrayOperatorsMixin
Numbers = float | memoryview | _HasArray | _HasItems | _Foreign

# Short names, so that most signatures fit on a line. An argument is a TypeVar where it could be
# Numbers: mypy would give Any to an NDArray[Any], because it fits parameters of different types.
_N = Numbers
_A = TypeVar("_A", bound=_N)
_B = TypeVar("_B", bound=_N)
_C = TypeVar("_C", bound=_N)
_F = TypeVar("_F", bound=np.floating)
FloatArray = TypeVar("FloatArray", bound=NDArray[np.floating])
_Floats = TypeVar("_Floats", bound=NDArray[np.floating] | np.floating)
_IntArray = TypeVar("_IntArray", bound=NDArray[np.integer])
_Real = NDArray[np.floating] | NDArray[np.integer] | np.floating | np.integer
_Same = TypeVar("_Same", bound=_Real)
_R = TypeVar("_R", bound=NDArray[Any] | _Foreign)
_To = _R | tuple[_R]
_New = EllipsisType | None

@type_check_only
class _Kw(TypedDict, total=False):
    where: ArrayLike
    casting: Literal["no", "equiv", "safe", "same_kind", "unsafe"]
    order: Literal["K", "A", "C", "F"]
    dtype: DTypeLike
    subok: bool
    signature: str | tuple[DTypeLike, ...]

# A class has the name of its parameters. Arrays of floats keep their type, whether the parameters
# are Python numbers or arrays of the same dtype. So do integers, unless the function multiplies:
# they become float64. `out` gives itself. For everything else (lists, mixed dtypes, classes with
# __array_ufunc__) the type depends on values.

class _NotBinary(np.ufunc):  # type: ignore[misc]
    def accumulate(self, array: Never, /) -> NoReturn: ...  # type: ignore[override]
    def reduce(self, array: Never, /) -> NoReturn: ...  # type: ignore[override]
    def reduceat(self, array: Never, /, indices: Never) -> NoReturn: ...  # type: ignore[override]
    def outer(self, a: Never, b: Never, /) -> NoReturn: ...  # type: ignore[override]

class X(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: _Same, /) -> _Same: ...
    @overload
    def __call__(self, x: int, /) -> np.int_: ...
    @overload
    def __call__(self, x: float, /) -> np.float64: ...
    @overload
    def __call__(self, x: _A, /, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, /, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class XMultiplied(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: _Floats, /) -> _Floats: ...
    @overload
    def __call__(self, x: _IntArray, /) -> NDArray[np.float64]: ...
    @overload
    def __call__(self, x: float, /) -> np.float64: ...
    @overload
    def __call__(self, x: _A, /, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, /, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class XY(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: FloatArray, y: FloatArray, /) -> FloatArray: ...
    @overload
    def __call__(self, x: _IntArray, y: _IntArray, /) -> _IntArray: ...
    @overload
    def __call__(self, x: _Floats, y: float, /) -> _Floats: ...
    @overload
    def __call__(self, x: _A, y: _B, /, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, y: _B, /, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class XScaleShift(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: FloatArray, scale: FloatArray, shift: FloatArray, /) -> FloatArray: ...
    @overload
    def __call__(self, x: _IntArray, scale: _IntArray, shift: _IntArray, /) -> _IntArray: ...
    @overload
    def __call__(self, x: _Floats, scale: float, shift: float, /) -> _Floats: ...
    @overload
    def __call__(
        self, x: _A, scale: _B, shift: _C, /, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(self, x: _A, scale: _B, shift: _C, /, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class XSlope(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[_F], /, negative_slope: NDArray[_F] | _F) -> NDArray[_F]: ...
    @overload
    def __call__(self, x: _Floats, /, negative_slope: float = 0.01) -> _Floats: ...
    @overload
    def __call__(self, x: _IntArray, /, negative_slope: float = 0.01) -> NDArray[np.float64]: ...
    @overload
    def __call__(self, x: float, /, negative_slope: float = 0.01) -> np.float64: ...
    @overload
    def __call__(
        self, x: _A, /, negative_slope: _N = 0.01, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, x: _A, /, negative_slope: _N = 0.01, out: _To[_R] = ..., **kw: Unpack[_Kw]
    ) -> _R: ...

class XYSlope(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, x: NDArray[_F], y: NDArray[_F], /, negative_slope: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(
        self, x: FloatArray, y: FloatArray | float, /, negative_slope: float = 0.01
    ) -> FloatArray: ...
    @overload
    def __call__(
        self, x: _A, y: _B, /, negative_slope: _N = 0.01, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, x: _A, y: _B, /, negative_slope: _N = 0.01, out: _To[_R] = ..., **kw: Unpack[_Kw]
    ) -> _R: ...

class XMaxVal(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[_F], /, max_val: NDArray[_F] | _F) -> NDArray[_F]: ...
    @overload
    def __call__(self, x: _Floats, /, max_val: float) -> _Floats: ...
    @overload
    def __call__(self, x: _A, /, max_val: _N, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, /, max_val: _N, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class XMinValMaxVal(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, x: NDArray[_F], /, min_val: NDArray[_F] | _F, max_val: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(self, x: _Floats, /, min_val: float = -1, max_val: float = 1) -> _Floats: ...
    @overload
    def __call__(
        self, x: _A, /, min_val: _N = -1, max_val: _N = 1, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, x: _A, /, min_val: _N = -1, max_val: _N = 1, out: _To[_R] = ..., **kw: Unpack[_Kw]
    ) -> _R: ...

class XAlpha(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[_F], /, alpha: NDArray[_F] | _F) -> NDArray[_F]: ...
    @overload
    def __call__(self, x: _Floats, /, alpha: float = 1) -> _Floats: ...
    @overload
    def __call__(self, x: _A, /, alpha: _N = 1, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, /, alpha: _N = 1, out: _To[_R] = ..., **kw: Unpack[_Kw]) -> _R: ...

class XLambd(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[_F], /, lambd: NDArray[_F] | _F) -> NDArray[_F]: ...
    @overload
    def __call__(self, x: _Floats, /, lambd: float = 0.5) -> _Floats: ...
    @overload
    def __call__(self, x: _IntArray, /, lambd: float = 0.5) -> NDArray[np.float64]: ...
    @overload
    def __call__(self, x: float, /, lambd: float = 0.5) -> np.float64: ...
    @overload
    def __call__(self, x: _A, /, lambd: _N = 0.5, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, /, lambd: _N = 0.5, out: _To[_R] = ..., **kw: Unpack[_Kw]) -> _R: ...

class XThreshold(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, x: NDArray[_F], /, threshold: NDArray[_F] | _F, value: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(self, x: _Floats, /, threshold: float, value: float) -> _Floats: ...
    @overload
    def __call__(
        self, x: _A, /, threshold: _N, value: _N, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, x: _A, /, threshold: _N, value: _N, out: _To[_R], **kw: Unpack[_Kw]
    ) -> _R: ...

class XZeroPoint(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: _IntArray, /, zero_point: int) -> _IntArray: ...
    @overload
    def __call__(self, x: _A, /, zero_point: _N, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, x: _A, /, zero_point: _N, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class GradX(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: FloatArray, x: FloatArray, /) -> FloatArray: ...
    @overload
    def __call__(self, grad_output: _IntArray, x: _IntArray, /) -> _IntArray: ...
    @overload
    def __call__(self, grad_output: _A, x: _B, /, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, grad_output: _A, x: _B, /, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class GradXMultiplied(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: FloatArray, x: FloatArray, /) -> FloatArray: ...
    @overload
    def __call__(self, grad_output: _IntArray, x: _IntArray, /) -> NDArray[np.float64]: ...
    @overload
    def __call__(self, grad_output: _A, x: _B, /, out: _New = None, **kw: Unpack[_Kw]) -> Any: ...
    @overload
    def __call__(self, grad_output: _A, x: _B, /, out: _To[_R], **kw: Unpack[_Kw]) -> _R: ...

class GradXSlope(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[_F], x: NDArray[_F], /, negative_slope: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(
        self, grad_output: FloatArray, x: FloatArray, /, negative_slope: float = 0.01
    ) -> FloatArray: ...
    @overload
    def __call__(
        self, grad_output: _IntArray, x: _IntArray, /, negative_slope: float = 0.01
    ) -> NDArray[np.float64]: ...
    @overload
    def __call__(
        self,
        grad_output: _A,
        x: _B,
        /,
        negative_slope: _N = 0.01,
        out: _New = None,
        **kw: Unpack[_Kw],
    ) -> Any: ...
    @overload
    def __call__(
        self,
        grad_output: _A,
        x: _B,
        /,
        negative_slope: _N = 0.01,
        out: _To[_R] = ...,
        **kw: Unpack[_Kw],
    ) -> _R: ...

class GradXMaxVal(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[_F], x: NDArray[_F], /, max_val: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(self, grad_output: FloatArray, x: FloatArray, /, max_val: float) -> FloatArray: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, max_val: _N, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, max_val: _N, out: _To[_R], **kw: Unpack[_Kw]
    ) -> _R: ...

class GradXMinValMaxVal(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self,
        grad_output: NDArray[_F],
        x: NDArray[_F],
        /,
        min_val: NDArray[_F] | _F,
        max_val: NDArray[_F] | _F,
    ) -> NDArray[_F]: ...
    @overload
    def __call__(
        self, grad_output: FloatArray, x: FloatArray, /, min_val: float = -1, max_val: float = 1
    ) -> FloatArray: ...
    @overload
    def __call__(
        self,
        grad_output: _A,
        x: _B,
        /,
        min_val: _N = -1,
        max_val: _N = 1,
        out: _New = None,
        **kw: Unpack[_Kw],
    ) -> Any: ...
    @overload
    def __call__(
        self,
        grad_output: _A,
        x: _B,
        /,
        min_val: _N = -1,
        max_val: _N = 1,
        out: _To[_R] = ...,
        **kw: Unpack[_Kw],
    ) -> _R: ...

class GradXAlpha(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[_F], x: NDArray[_F], /, alpha: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(
        self, grad_output: FloatArray, x: FloatArray, /, alpha: float = 1
    ) -> FloatArray: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, alpha: _N = 1, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, alpha: _N = 1, out: _To[_R] = ..., **kw: Unpack[_Kw]
    ) -> _R: ...

class GradXLambd(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[_F], x: NDArray[_F], /, lambd: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(
        self, grad_output: FloatArray, x: FloatArray, /, lambd: float = 0.5
    ) -> FloatArray: ...
    @overload
    def __call__(
        self, grad_output: _IntArray, x: _IntArray, /, lambd: float = 0.5
    ) -> NDArray[np.float64]: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, lambd: _N = 0.5, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, lambd: _N = 0.5, out: _To[_R] = ..., **kw: Unpack[_Kw]
    ) -> _R: ...

class GradXThreshold(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[_F], x: NDArray[_F], /, threshold: NDArray[_F] | _F
    ) -> NDArray[_F]: ...
    @overload
    def __call__(
        self, grad_output: FloatArray, x: FloatArray, /, threshold: float
    ) -> FloatArray: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, threshold: _N, out: _New = None, **kw: Unpack[_Kw]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: _A, x: _B, /, threshold: _N, out: _To[_R], **kw: Unpack[_Kw]
    ) -> _R: ...
