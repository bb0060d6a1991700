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
    overload,
    type_check_only,
)
from typing import Unpack as Un

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

# Short names, so that most signatures fit on a line: A, B and C are arguments, N is a parameter, R
# the array `out`, K the keywords. An argument is a TypeVar where it could be Numbers: mypy would
# give Any to an NDArray[Any], because it fits parameters of different types.
N = Numbers
A = TypeVar("A", bound=N)
B = TypeVar("B", bound=N)
C = TypeVar("C", bound=N)
F = TypeVar("F", bound=np.floating)
Of = NDArray[F] | F
F64 = NDArray[np.float64]
Floats = TypeVar("Floats", bound=NDArray[np.floating])
Ints = TypeVar("Ints", bound=NDArray[np.integer])
FloatLike = TypeVar("FloatLike", bound=NDArray[np.floating] | np.floating)
Real = TypeVar("Real", bound=NDArray[np.floating | np.integer] | np.floating | np.integer)
R = TypeVar("R", bound=NDArray[Any] | _Foreign)
To = R | tuple[R]
New = EllipsisType | None

@type_check_only
class K(TypedDict, total=False):
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
    def __call__(self, x: Real, /) -> Real: ...
    @overload
    def __call__(self, x: int, /) -> np.int_: ...
    @overload
    def __call__(self, x: float, /) -> np.float64: ...
    @overload
    def __call__(self, x: A, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, out: To[R], **k: Un[K]) -> R: ...

class XMultiplied(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: FloatLike, /) -> FloatLike: ...
    @overload
    def __call__(self, x: Ints, /) -> F64: ...
    @overload
    def __call__(self, x: float, /) -> np.float64: ...
    @overload
    def __call__(self, x: A, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, out: To[R], **k: Un[K]) -> R: ...

class XY(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: Floats, y: Floats, /) -> Floats: ...
    @overload
    def __call__(self, x: Ints, y: Ints, /) -> Ints: ...
    @overload
    def __call__(self, x: FloatLike, y: float, /) -> FloatLike: ...
    @overload
    def __call__(self, x: A, y: B, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, y: B, /, out: To[R], **k: Un[K]) -> R: ...

class XScaleShift(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: Floats, scale: Floats, shift: Floats, /) -> Floats: ...
    @overload
    def __call__(self, x: Ints, scale: Ints, shift: Ints, /) -> Ints: ...
    @overload
    def __call__(self, x: FloatLike, scale: float, shift: float, /) -> FloatLike: ...
    @overload
    def __call__(self, x: A, scale: B, shift: C, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, scale: B, shift: C, /, out: To[R], **k: Un[K]) -> R: ...

class XSlope(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, negative_slope: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, negative_slope: float = 0.01) -> FloatLike: ...
    @overload
    def __call__(self, x: Ints, /, negative_slope: float = 0.01) -> F64: ...
    @overload
    def __call__(self, x: float, /, negative_slope: float = 0.01) -> np.float64: ...
    @overload
    def __call__(self, x: A, /, negative_slope: N = 0.01, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, negative_slope: N = 0.01, out: To[R] = ..., **k: Un[K]) -> R: ...

class XYSlope(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], y: NDArray[F], /, negative_slope: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: Floats, y: Floats | float, /, negative_slope: float = 0.01) -> Floats: ...
    @overload
    def __call__(
        self, x: A, y: B, /, negative_slope: N = 0.01, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, x: A, y: B, /, negative_slope: N = 0.01, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class XMaxVal(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, max_val: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, max_val: float) -> FloatLike: ...
    @overload
    def __call__(self, x: A, /, max_val: N, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, max_val: N, out: To[R], **k: Un[K]) -> R: ...

class XMinValMaxVal(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, min_val: Of[F], max_val: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, min_val: float = -1, max_val: float = 1) -> FloatLike: ...
    @overload
    def __call__(
        self, x: A, /, min_val: N = -1, max_val: N = 1, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, x: A, /, min_val: N = -1, max_val: N = 1, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class XAlpha(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, alpha: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, alpha: float = 1) -> FloatLike: ...
    @overload
    def __call__(self, x: A, /, alpha: N = 1, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, alpha: N = 1, out: To[R] = ..., **k: Un[K]) -> R: ...

class XLambd(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, lambd: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, lambd: float = 0.5) -> FloatLike: ...
    @overload
    def __call__(self, x: Ints, /, lambd: float = 0.5) -> F64: ...
    @overload
    def __call__(self, x: float, /, lambd: float = 0.5) -> np.float64: ...
    @overload
    def __call__(self, x: A, /, lambd: N = 0.5, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, lambd: N = 0.5, out: To[R] = ..., **k: Un[K]) -> R: ...

class XThreshold(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, threshold: Of[F], value: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, threshold: float, value: float) -> FloatLike: ...
    @overload
    def __call__(self, x: A, /, threshold: N, value: N, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, threshold: N, value: N, out: To[R], **k: Un[K]) -> R: ...

class XZeroPoint(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: Ints, /, zero_point: int) -> Ints: ...
    @overload
    def __call__(self, x: A, /, zero_point: N, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, zero_point: N, out: To[R], **k: Un[K]) -> R: ...

class GradX(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /) -> Floats: ...
    @overload
    def __call__(self, grad_output: Ints, x: Ints, /) -> Ints: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, out: To[R], **k: Un[K]) -> R: ...

class GradXMultiplied(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /) -> Floats: ...
    @overload
    def __call__(self, grad_output: Ints, x: Ints, /) -> F64: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, out: To[R], **k: Un[K]) -> R: ...

class GradXSlope(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[F], x: NDArray[F], /, negative_slope: Of[F]
    ) -> NDArray[F]: ...
    @overload
    def __call__(
        self, grad_output: Floats, x: Floats, /, negative_slope: float = 0.01
    ) -> Floats: ...
    @overload
    def __call__(self, grad_output: Ints, x: Ints, /, negative_slope: float = 0.01) -> F64: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, negative_slope: N = 0.01, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, negative_slope: N = 0.01, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class GradXMaxVal(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: NDArray[F], x: NDArray[F], /, max_val: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /, max_val: float) -> Floats: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, max_val: N, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, max_val: N, out: To[R], **k: Un[K]) -> R: ...

class GradXMinValMaxVal(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[F], x: NDArray[F], /, min_val: Of[F], max_val: Of[F]
    ) -> NDArray[F]: ...
    @overload
    def __call__(
        self, grad_output: Floats, x: Floats, /, min_val: float = -1, max_val: float = 1
    ) -> Floats: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, min_val: N = -1, max_val: N = 1, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, min_val: N = -1, max_val: N = 1, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class GradXAlpha(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: NDArray[F], x: NDArray[F], /, alpha: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /, alpha: float = 1) -> Floats: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, alpha: N = 1, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, alpha: N = 1, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class GradXLambd(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: NDArray[F], x: NDArray[F], /, lambd: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /, lambd: float = 0.5) -> Floats: ...
    @overload
    def __call__(self, grad_output: Ints, x: Ints, /, lambd: float = 0.5) -> F64: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, lambd: N = 0.5, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, lambd: N = 0.5, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class GradXThreshold(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(
        self, grad_output: NDArray[F], x: NDArray[F], /, threshold: Of[F]
    ) -> NDArray[F]: ...
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /, threshold: float) -> Floats: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, threshold: N, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(self, grad_output: A, x: B, /, threshold: N, out: To[R], **k: Un[K]) -> R: ...

class XAlphaMultiplied(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, x: NDArray[F], /, alpha: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, x: FloatLike, /, alpha: float = 1) -> FloatLike: ...
    @overload
    def __call__(self, x: Ints, /, alpha: float = 1) -> F64: ...
    @overload
    def __call__(self, x: float, /, alpha: float = 1) -> np.float64: ...
    @overload
    def __call__(self, x: A, /, alpha: N = 1, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, x: A, /, alpha: N = 1, out: To[R] = ..., **k: Un[K]) -> R: ...

class GradXAlphaMultiplied(_NotBinary):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: NDArray[F], x: NDArray[F], /, alpha: Of[F]) -> NDArray[F]: ...
    @overload
    def __call__(self, grad_output: Floats, x: Floats, /, alpha: float = 1) -> Floats: ...
    @overload
    def __call__(self, grad_output: Ints, x: Ints, /, alpha: float = 1) -> F64: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, alpha: N = 1, out: New = None, **k: Un[K]
    ) -> Any: ...
    @overload
    def __call__(
        self, grad_output: A, x: B, /, alpha: N = 1, out: To[R] = ..., **k: Un[K]
    ) -> R: ...

class GradYMultiplied(np.ufunc):  # type: ignore[misc]
    @overload
    def __call__(self, grad_output: Floats, y: Floats, /) -> Floats: ...
    @overload
    def __call__(self, grad_output: Ints, y: Ints, /) -> F64: ...
    @overload
    def __call__(self, grad_output: A, y: B, /, out: New = None, **k: Un[K]) -> Any: ...
    @overload
    def __call__(self, grad_output: A, y: B, /, out: To[R], **k: Un[K]) -> R: ...
