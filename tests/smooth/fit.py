"""Prints csrc/kernels/coefficients.h: `python tests/smooth/fit.py > csrc/kernels/coefficients.h`.

Needs mpmath. A polynomial comes from Remez' exchange on a grid, the rational function from
interpolation, both in 50 digits and more; their coefficients are then rounded to double. The errors
printed beside them are those of the rounded coefficients, in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath
from mpmath import mpf

Function = Callable[[mpf], mpf]

HEAD = """\
// SPDX-License-Identifier: BSD-3-Clause
//
// The numbers in smooth.h and softmax.h. Made by
// `python tests/smooth/fit.py > csrc/kernels/coefficients.h`.
#pragma once

// clang-format off

namespace fastrelu::FASTRELU_ISA {
"""
TAIL = "}  // namespace fastrelu::FASTRELU_ISA"
GRID = 1200
MILLS_END = mpf("14.5")


def rounded(x: mpf) -> mpf:
    """Round to double."""
    return mpf(float(x))


def value(coefficients: Sequence[mpf], x: mpf) -> mpf:
    """Return ``c[0] + c[1] x + ...``."""
    return mpmath.polyval(list(reversed(coefficients)), x)


def on_interval(t: mpf, low: mpf, high: mpf) -> mpf:
    """Map [-1, 1] to an interval."""
    return (low + high) / 2 + (high - low) / 2 * t


def extrema(errors: Sequence[mpf], count: int) -> list[int]:
    """Return where the error is largest between two changes of its sign, `count` places at most."""
    places: list[int] = []
    for i, error in enumerate(errors):
        if places and (errors[places[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[places[-1]]):
                places[-1] = i
        else:
            places.append(i)
    while len(places) > count:
        places.pop(0 if abs(errors[places[0]]) < abs(errors[places[-1]]) else -1)
    return places


def remez(
    function: Function, ends: tuple[mpf, mpf], degree: int, fixed: Sequence[mpf], weight: Function
) -> list[mpf]:
    """Return the polynomial with the least weighted error, whose first coefficients are given."""
    low, high = ends
    skip, free = len(fixed), degree + 1 - len(fixed)
    grid = [on_interval(-mpmath.cos(mpmath.pi * i / GRID), low, high) for i in range(GRID + 1)]
    grid = [x for x in grid if abs(x) > abs(high) / 10**9]
    weights = [weight(x) * abs(x) ** skip for x in grid]
    wanted = [(function(x) - value(fixed, x)) / x**skip if skip else function(x) for x in grid]
    places = [round((len(grid) - 1) * i / free) for i in range(free + 1)]
    if low:  # nothing weighs in the middle
        heavy = max(weights) / 50
        places = [p if weights[p] > heavy else p + len(grid) // 8 for p in places]
    coefficients: list[mpf] = []
    for _ in range(12):
        system, side = mpmath.matrix(free + 1, free + 1), mpmath.matrix(free + 1, 1)
        for i, p in enumerate(places):
            for j in range(free):
                system[i, j] = grid[p] ** j * weights[p]
            system[i, free] = (-1) ** i
            side[i] = wanted[p] * weights[p]
        coefficients = list(mpmath.lu_solve(system, side))[:free]
        errors = [
            (y - value(coefficients, x)) * w for x, y, w in zip(grid, wanted, weights, strict=True)
        ]
        found = extrema(errors, free + 1)
        if len(found) <= free or found == places:
            break
        places = found
    return [rounded(c) for c in (*fixed, *coefficients)]


def rational(
    function: Function, end: mpf, degrees: tuple[int, int], middle: mpf
) -> tuple[list[mpf], list[mpf]]:
    """Interpolate by N / D, D(0) = 1, at Chebyshev's nodes in (t - middle) / (t + middle)."""
    numerator, denominator = degrees
    count = numerator + denominator + 1
    last = (end - middle) / (end + middle)
    system, side = mpmath.matrix(count, count), mpmath.matrix(count, 1)
    for i in range(count):
        s = on_interval(mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * count)), mpf(-1), last)
        t = middle * (1 + s) / (1 - s)
        for j in range(numerator + 1):
            system[i, j] = t**j / function(t)
        for j in range(1, denominator + 1):
            system[i, numerator + j] = -(t**j)
        side[i] = mpf(1)
    c = list(mpmath.lu_solve(system, side))
    above, below = c[: numerator + 1], [mpf(1), *c[numerator + 1 :]]
    return [rounded(x) for x in above], [rounded(x) for x in below]


def error(wanted: Function, found: Function, low: mpf, high: mpf) -> str:
    """Return the largest relative error on an interval, as a power of 2."""
    steps = [low + (high - low) * (i + mpf(1) / 3) / 401 for i in range(401)]
    return f"2^{float(mpmath.log(max(abs(found(x) / wanted(x) - 1) for x in steps), 2)):.1f}"


def show(name: str, numbers: Sequence[mpf], comment: str = "") -> None:
    """Print an array, four numbers a line."""
    print(*([f"\n// {comment}"] if comment else []), f"constexpr double {name}[] = {{", sep="\n")
    texts = [float(x).hex() for x in numbers]
    for i in range(0, len(texts), 4):
        print(f"    {', '.join(texts[i : i + 4])},")
    print("};")


def shortened(x: mpf, bits: int) -> mpf:
    """Round to so many bits."""
    with mpmath.workprec(bits):
        return +x


def show_number(name: str, number: mpf, comment: str = "") -> None:
    """Print one number."""
    print(*([f"\n// {comment}"] if comment else []), sep="\n", end="")
    print(f"constexpr double {name} = {float(number).hex()};")


def show_pair(name: str, number: mpf) -> None:
    """Print a number as the sum of two doubles."""
    show_number(f"{name}_high", rounded(number))
    show_number(f"{name}_low", number - rounded(number))


def mills_ratio(t: mpf) -> mpf:
    """Return the upper tail of the normal distribution, over ``e^(-t^2/2)``."""
    return mpmath.erfc(t / mpmath.sqrt(2)) / 2 * mpmath.exp(t * t / 2)


def show_exponential() -> None:
    half = mpmath.log(2) / 2 * (1 + mpf(2) ** -20)

    def wanted(r: mpf) -> mpf:
        return (mpmath.expm1(r) - r) / r**2

    terms = remez(wanted, (-half, half), 9, [mpf("0.5")], lambda r: r * r)
    of_exp = error(mpmath.exp, lambda r: 1 + r + r * r * value(terms, r), -half, half)
    of_expm1 = error(mpmath.expm1, lambda r: r + r * r * value(terms, r), -half, half)
    comment = (
        f"(e^r - 1 - r) / r^2 for |r| <= log(2) / 2: error of e^r {of_exp}, of e^r - 1 {of_expm1}"
    )
    show("exponential_terms", terms, comment)
    few = remez(wanted, (-half, half), 5, [], lambda r: r * r / mpmath.exp(r))
    of_few = error(mpmath.exp, lambda r: 1 + r + r * r * value(few, r), -half, half)
    show("exponential_terms_few", few, f"The same, for results of 24 bits: error of e^r {of_few}")
    high = mpf(int(mpmath.log(2) * 2**40)) / 2**40
    show_number("log2_high", high, "log(2): 40 bits, and the rest\n")
    show_number("log2_low", mpmath.log(2) - high)
    show_number("inverse_log2", 1 / mpmath.log(2))
    comment = "log(2) and its inverse, whose products with 11 bits, and with a float, are exact\n"
    show_number("log2_short", shortened(mpmath.log(2), 42), comment)
    show_number("inverse_log2_short", shortened(1 / mpmath.log(2), 29))


def show_atanh(name: str, degree: int) -> None:
    end = mpf(1) / 9 + mpf(2) ** -20

    def wanted(z: mpf) -> mpf:
        w = mpmath.sqrt(z)
        return (2 * mpmath.atanh(w) - 2 * w) / w**3

    terms = remez(wanted, (mpf(0), end), degree, [], lambda z: z)
    of_atanh = error(
        lambda w: 2 * mpmath.atanh(w),
        lambda w: 2 * w + w**3 * value(terms, w * w),
        mpf(2) ** -30,
        mpf(1) / 3,
    )
    show(name, terms, f"(2 atanh(w) - 2 w) / w^3 in w^2 for w <= 1/3: error {of_atanh}")


def show_mills() -> None:
    above, below = rational(mills_ratio, MILLS_END, (9, 10), mpf("4.3"))
    of_ratio = error(mills_ratio, lambda t: value(above, t) / value(below, t), mpf(0), MILLS_END)
    show("mills_numerator", above, f"Mills' ratio over sqrt(2 pi), t <= 14.5: error {of_ratio}")
    show("mills_denominator", below)


def main() -> None:
    print(HEAD, end="")
    with mpmath.workdps(50):
        show_exponential()
        show_atanh("atanh_terms", 9)
        show_atanh("atanh_terms_many", 10)
    with mpmath.workdps(70):
        show_mills()
        density = 1 / mpmath.sqrt(2 * mpmath.pi)
        show_number("normal_density_at_0", density, "1 / sqrt(2 pi)\n")
        print("\n// z = 2 sqrt(2 / pi) (x + 0.044715 x^3) of gelu_tanh")
        show_pair("gelu_linear", 4 * density)
        show_pair("gelu_cubic", 4 * density * mpf("0.044715"))
    print(f"\n{TAIL}")


if __name__ == "__main__":
    main()
