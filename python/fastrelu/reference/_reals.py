"""Real numbers for the smooth functions: pairs of doubles, or NumPy's longdouble as it is.

A formula is written once, for both. With pairs it is good to about 2**-100, and is rounded once, by
`Pair.rounded_to_odd`. Sources: T. J. Dekker, A floating-point technique for extending the available
precision (1971); Y. Hida, X. Li, D. Bailey, Algorithms for quad-double precision (2001).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import factorial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Real: TypeAlias = Any
"""A `Pair`, or an array of longdouble."""

LARGEST = 20_000
"""e**-LARGEST times the largest number is 0 in every dtype."""
SMALLEST = 2.0**-200
"""What is smaller changes no result, except that its sign decides a tie."""
_TINY = 2.0**-300
_LN2 = "0.69314718055994530941723212145817656807550013436025525412068001"
_TAYLOR_TERMS = 24  # of e^r for |r| < 0.35, and of Mills' ratio at most 1/16 from a centre
_IN_TWO_DOUBLES = 12  # of these terms; those that follow are below 2**-50 of the sum
_CENTRES = 8  # of Mills' ratio in an interval of length 1
_FURTHEST = 159  # e^(-159^2/2) is 0 in every dtype
_FRACTION_FROM = 8
_UNIT = 1 << 300
_HALF = 0.5
_ZERO = np.float64(0)  # NumPy would take Python's to float16


class Pair:
    """`(high + low) * 2**exponent`, each an array or a number."""

    __array_ufunc__ = None  # NumPy's arrays leave operators to this class

    def __init__(self, high: Any, low: Any = _ZERO, exponent: Any = 0) -> None:
        self.high, self.low, self.exponent = high, low, exponent

    def __neg__(self) -> Pair:
        return Pair(-self.high, -self.low, self.exponent)

    def __add__(self, other: Any) -> Pair:
        other = _pair(other)
        exponent = np.maximum(self.exponent, other.exponent)
        (a, b), (c, d) = self._at(exponent), other._at(exponent)
        total, error = _sum(a, c)
        rest, error_of_rest = _sum(b, d)
        total, error = _ordered_sum(total, error + rest)
        return Pair(*_ordered_sum(total, error + error_of_rest), exponent)

    def __mul__(self, other: Any) -> Pair:
        other = _pair(other)
        product, error = _product(self.high, other.high)
        error = error + (self.high * other.low + self.low * other.high)
        return Pair(*_ordered_sum(product, error), self.exponent + other.exponent)

    def __truediv__(self, other: Any) -> Pair:
        other = _pair(other)
        divisor = Pair(other.high, other.low)
        first = self.high / divisor.high
        rest = Pair(self.high, self.low) - divisor * first
        second = rest.high / divisor.high
        third = (rest - divisor * second).high / divisor.high
        quotient = Pair(*_ordered_sum(first, second)) + third
        return Pair(quotient.high, quotient.low, self.exponent - other.exponent)

    def __sub__(self, other: Any) -> Pair:
        return self + -_pair(other)

    def __rsub__(self, other: Any) -> Pair:
        return _pair(other).__add__(-self)

    def __rtruediv__(self, other: Any) -> Pair:
        return _pair(other).__truediv__(self)

    __radd__, __rmul__ = __add__, __mul__

    def _at(self, exponent: Any) -> tuple[Any, Any]:
        """High and low as multiples of another power of two."""
        if isinstance(exponent, np.integer) and exponent == self.exponent:
            return self.high, self.low
        shift = self.exponent - exponent
        return np.ldexp(self.high, shift), np.ldexp(self.low, shift)

    def to_double(self) -> Any:
        """Round to the nearest double, also where that is subnormal."""
        high, low = _sum(self.high, self.low)
        near = np.ldexp(high, self.exponent)
        # In units of the smallest double: only a tie can be rounded differently because of `low`.
        units = np.ldexp(high, np.minimum(self.exponent, 0) + 1074)
        whole = np.rint(units)
        whole += (units - whole == _HALF) & (low > 0)
        whole -= (units - whole == -_HALF) & (low < 0)
        subnormal = np.copysign(np.ldexp(whole, -1074), high)
        return np.where(np.abs(near) < 2.0**-1022, subnormal, near)

    def to_odd(self) -> Any:
        """Round to a neighbouring double, the one with an odd last bit where there are two.

        What is rounded once more, to fewer bits, is rounded as the real number would be.
        """
        high, low = map(np.asarray, _sum(self.high, self.low))
        is_even = high.view(np.uint64) % 2 == 0
        other = np.nextafter(high, np.copysign(np.inf, low))
        odd = np.ldexp(np.where(is_even & (low != 0), other, high), self.exponent)
        return np.where((odd == 0) & (high != 0), np.copysign(2.0**-1074, high), odd)


def _pair(number: Any) -> Pair:
    return number if isinstance(number, Pair) else Pair(np.asarray(number, np.float64))


def _ordered_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return `a + b` and its error, where `b` is the smaller."""
    total = a + b
    return total, b - (total - a)


def _sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return `a + b` and its error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return `a * b` and its error."""
    product = a * b
    (a, a_low), (b, b_low) = _halves(a), _halves(b)
    return product, ((a * b - product) + a * b_low + a_low * b) + a_low * b_low


def _halves(a: Any) -> tuple[Any, Any]:
    """Split into 26 bits and the others."""
    scaled = a * (2.0**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high


def constant(exact: Fraction | int | str, like: Any) -> Real:
    """Round a number, with 106 bits, to the kind of `like`."""
    pieces = _pieces(Fraction(exact))
    if isinstance(like, Pair) or like.dtype != np.longdouble:
        return Pair(*pieces[:2])
    return sum(map(np.longdouble, pieces[1:]), np.longdouble(pieces[0]))


def _pieces(exact: Fraction) -> tuple[float, ...]:
    """Split into three doubles, the largest first."""
    pieces: list[float] = []
    for _ in range(3):
        pieces.append(float(exact - sum(map(Fraction, pieces))))
    return tuple(pieces)


def real(x: Array) -> Real:
    """Take numbers as they are."""
    return x if x.dtype == np.longdouble else Pair(x)


def factor(x: Array) -> Real:
    """Take numbers for products: those cannot overflow, and lose no bits below 2**-1022."""
    if x.dtype == np.longdouble:
        return x
    mantissa, exponent = np.frexp(x)
    return Pair(mantissa, exponent=exponent)


def magnitude(x: Array, largest: float = LARGEST) -> Real:
    """`|x|`, where a value beyond these bounds has the same effect as the bound."""
    return real(np.clip(np.abs(x), SMALLEST, largest))


def choose(condition: Array, a: Any, b: Any) -> Real:
    """Take `a if condition else b`."""
    if not isinstance(a, Pair) and not isinstance(b, Pair):
        return np.where(condition, a, b)
    parts = zip(vars(_pair(a)).values(), vars(_pair(b)).values(), strict=True)
    return Pair(*(np.where(condition, *each) for each in parts))


def exp(x: Real) -> Real:
    """`e^x` for `x <= 0`."""
    if not isinstance(x, Pair):
        return np.exp(x)
    exponent, rest = _powers(x)
    return _scaled(1 + rest, exponent)


def expm1(x: Array) -> Real:
    """`e^x - 1` for `x <= 0`."""
    if x.dtype == np.longdouble:
        return np.expm1(x)
    exponent, power = _powers(Pair(x))
    result = choose(exponent == 0, power, _scaled(1 + power, exponent) - 1)
    return choose(np.abs(x) < _TINY, factor(x), result)


def _powers(x: Pair) -> tuple[Array, Pair]:
    """`n` and `p` with `e^x = 2**n (1 + p)`, `p` with all its bits also where it is small."""
    bounded = choose(x.high < -LARGEST, Pair(-float(LARGEST)), x)
    n = np.rint(bounded.high / float(_LN2))
    r = bounded
    for piece in _ln2_pieces():
        r = r - n * piece
    return n.astype(np.int32), r + r * r * _polynomial(_exp_terms(), r)


def _scaled(number: Pair, exponent: Array) -> Pair:
    return Pair(number.high, number.low, number.exponent + exponent)


def _ln2_pieces() -> tuple[float, ...]:
    """Split log 2 so that 15 bits times each piece but the last is exact."""
    exact, pieces = Fraction(_LN2), []
    for bits in (36, 72):
        pieces.append(Fraction(int(exact * 2**bits), 2**bits))
        exact -= pieces[-1]
    return (*map(float, pieces), float(exact))


@cache
def _exp_terms() -> list[tuple[float, ...]]:
    return [_pieces(Fraction(1, factorial(k))) for k in range(2, _TAYLOR_TERMS)]


def _polynomial(terms: Any, x: Pair) -> Pair:
    """Sum of `terms[k] * x**k`: what hardly matters in plain double."""
    rest: Any = 0.0
    for high, *_ in reversed(terms[_IN_TWO_DOUBLES:]):
        rest = rest * x.high + high
    total = Pair(rest)
    for high, low, *_ in reversed(terms[:_IN_TWO_DOUBLES]):
        total = total * x + Pair(high, low)
    return total


def log1p(x: Real) -> Real:
    """`log(1 + x)` for `0 <= x <= 1`: one step of Newton from NumPy's."""
    if not isinstance(x, Pair):
        return np.log1p(x)
    near = np.log1p(x.to_double())
    power = expm1(-near)
    error = x + power + x * power
    log = Pair(near) + error - error * error * 0.5
    return choose(near < SMALLEST, x - x * x * 0.5, log)


def mills(x: Array) -> tuple[Array, Real, Real]:
    """Return where `t = |x|` is near 0, `t`, and Mills' ratio `M(t) = (1 - Phi(t)) / phi(t)`.

    Near 0 it is `D(t) = (Phi(t) - 1/2) / phi(t)` instead, which keeps all bits of a small `t`.
    """
    t = magnitude(x, _FURTHEST)
    plain = np.clip(np.abs(x), SMALLEST, _FURTHEST)
    row = np.rint(plain * _CENTRES).astype(np.intp)
    distance = plain - (row / plain.dtype.type(_CENTRES))
    terms = [tuple(each) for each in np.moveaxis(_mills_terms()[row], 0, -1)]
    if isinstance(t, Pair):
        return row == 0, t, _polynomial(terms, Pair(distance))
    total = np.zeros_like(plain)
    for pieces in reversed(terms):
        total = total * distance + sum(map(np.longdouble, pieces))
    return row == 0, t, total


@cache
def _mills_terms() -> Array:
    """Taylor coefficients of `M` about every multiple of 1/8: rows of terms of three doubles.

    `M' = t M - 1` and `D' = t D + 1` give those of one centre from the first. That is a continued
    fraction, and where its convergence is slow the series about the centre above: errors become
    smaller on the way down. All in fixed point.
    """
    rows: list[list[int]] = []
    for centre in range(_FURTHEST * _CENTRES, -1, -1):
        if centre >= _FRACTION_FROM * _CENTRES:
            value = _fraction(centre)
        else:
            value = sum(term // (-_CENTRES) ** k for k, term in enumerate(rows[-1]))
        rows.append(_series(value, centre, -_UNIT))
    rows[-1] = _series(0, 0, _UNIT)
    exact = (Fraction(term, _UNIT) for row in reversed(rows) for term in row)
    return np.array([_pieces(each) for each in exact]).reshape(len(rows), _TAYLOR_TERMS, 3)


def _fraction(centre: int) -> int:
    """`M(t) = 1 / (t + 1 / (t + 2 / (t + 3 / ...)))` at `centre / _CENTRES`."""
    t = centre * _UNIT // _CENTRES
    rest = 0
    for k in range(60, 0, -1):
        rest = k * _UNIT * _UNIT // (t + rest)
    return _UNIT * _UNIT // (t + rest)


def _series(value: int, centre: int, slope: int) -> list[int]:
    """Coefficients of the solution of `y' = t y + slope` about `centre / _CENTRES`."""
    terms = [value, centre * value // _CENTRES + slope]
    for k in range(2, _TAYLOR_TERMS):
        terms.append((centre * terms[-1] // _CENTRES + terms[-2]) // k)
    return terms
