"""Print csrc/kernels/coefficients64.h: the constants of the float64 formulas (needs mpmath alone).

    python tests/smooth/fit64.py > csrc/kernels/coefficients64.h

Polynomials interpolate at Chebyshev nodes, which is within a bit of the best. Each error that the
header names is measured afterwards, with the coefficients as float64 holds them.
"""

from __future__ import annotations

from functools import partial

from fit import Function, error, rounded, value
from mpmath import (
    atanh,
    cos,
    diff,
    erfc,
    exp,
    expm1,
    findroot,
    log,
    matrix,
    mp,
    mpf,
    pi,
    sqrt,
    tanh,
)
from mpmath import lu_solve as solve

mp.prec = 200

LN2 = log(mpf(2))


def nodes(low: mpf, high: mpf, count: int) -> list[mpf]:
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle + half * cos(pi * (2 * i + 1) / (2 * count)) for i in range(count)]


def polynomial(f: Function, low: mpf, high: mpf, degree: int) -> list[mpf]:
    """Return the float64 coefficients of the polynomial that meets f at the Chebyshev nodes.

    An odd degree keeps the nodes off the middle, where f may be 0 / 0.
    """
    at = nodes(low, high, degree + 1)
    powers = matrix([[x**j for j in range(degree + 1)] for x in at])
    return [rounded(c) for c in solve(powers, matrix([f(x) for x in at]))]


def show_array(name: str, coefficients: list[mpf], about: str) -> None:
    print(f"\n// {about}")
    print(f"constexpr double {name}[] = {{")
    for c in coefficients:
        print(f"    {float(c).hex()},")
    print("};")


def show_pair(name: str, x: mpf, about: str) -> None:
    """Print x as the unevaluated sum of two float64 numbers."""
    low = float(x - rounded(x)).hex()
    print(f"// {about}")
    print(f"constexpr double {name} = {float(x).hex()}, {name}_low = {low};")


def show_decay() -> None:
    end = LN2 / 2 * (1 + mpf(2) ** -10)
    c = [mpf(0.5), *polynomial(lambda r: ((expm1(-r) + r) / r**2 - 0.5) / r, -end, end, 9)]
    worst = error(lambda r: expm1(-r), lambda r: r * r * value(c, r) - r, -end, end)
    about = f"(e^-r - 1 + r) / r^2, |r| <= (ln 2) / 2. Error of e^-r - 1: {worst}"
    show_array("decay_terms", c, about)
    high = mpf(int(LN2 * 2**42)) / 2**42
    print("\n// ln 2. The first part has 42 bits: its product with an integer of 11 bits is exact.")
    print(f"constexpr double ln2_high = {float(high).hex()}, ln2_low = {float(LN2 - high).hex()};")


def show_logarithm() -> None:
    def terms(z: mpf) -> mpf:
        w = sqrt(z)
        return 2 * (atanh(w) - w) / (w * z)

    end = mpf(1) / 9 * (1 + mpf(2) ** -10)
    c = polynomial(terms, mpf(2) ** -60, end, 9)
    worst = error(
        lambda w: 2 * atanh(w), lambda w: 2 * w + w**3 * value(c, w * w), mpf(0), sqrt(end)
    )
    show_array("atanh_terms", c, f"2 (atanh(w) - w) / w^3 in w^2 <= 1/9. Error of atanh: {worst}")


def mills(t: mpf) -> mpf:
    """Return Mills' ratio: the normal distribution's upper tail over its density."""
    return sqrt(pi / 2) * erfc(t / sqrt(mpf(2))) * exp(t * t / 2)


def show_mills() -> None:
    centre, last = mpf(5), mpf(38.75)

    def bend(t: mpf) -> mpf:
        return mills(t) * (t + sqrt(2 / pi)) - 1

    def terms(s: mpf) -> mpf:
        v = (s + 1) / 2
        return bend(centre * v / (1 - v)) / v

    def approximate(t: mpf) -> mpf:
        v = t / (t + centre)
        return 1 + v * value(c, 2 * v - 1)

    c = polynomial(terms, mpf(-1), 2 * last / (last + centre) - 1, 23)
    worst = error(lambda t: 1 + bend(t), approximate, mpf(0), last)
    print("\n// Mills' ratio M(t), t <= 38.75, as M(t) (t + sqrt(2 / pi)) = 1 + v B(2 v - 1) with")
    print("// v = t / (t + mills_centre). The left side lies between 1 and 1.18.", end="")
    show_array("mills_terms", c, f"B. Error of M: {worst}")
    print(f"constexpr double mills_centre = {float(centre).hex()};")


def sigmoid(x: mpf) -> mpf:
    return 1 / (1 + exp(-x))


def gelu_tanh(x: mpf) -> mpf:
    return x * sigmoid(2 * sqrt(2 / pi) * (x + mpf("0.044715") * x**3))


def gelu(x: mpf) -> mpf:
    return x * erfc(-x / sqrt(mpf(2))) / 2


def mish(x: mpf) -> mpf:
    return x * tanh(log(1 + exp(x)))


def silu(x: mpf) -> mpf:
    return x * sigmoid(x)


def show_root(name: str, f: Function, near: float, width: mpf, degree: int) -> None:
    """Print the Taylor-like form of f' about its root: d (slope + d terms(d))."""
    derivative = partial(diff, f)
    with mp.workprec(400):
        root = findroot(derivative, mpf(near))
        slope = diff(f, root, 2)

        def terms(d: mpf) -> mpf:
            return (derivative(root + d) / d - slope) / d

        c = polynomial(terms, -width, width, degree)
        worst = error(
            lambda d: derivative(root + d) / d, lambda d: slope + d * value(c, d), -width, width
        )
    print()
    show_pair(f"{name}_root", root, f"The root of {name}'")
    print(f"constexpr double {name}_width = {float(width).hex()};")
    show_pair(f"{name}_slope", slope, f"The slope of {name}' there")
    form = f"({name}'(root + d) / d - slope) / d, |d| <= {float(width)}"
    about = f"{form}. Error of {name}': {worst}"
    show_array(f"{name}_terms", c, about)


def main() -> None:
    print("// SPDX-License-Identifier: BSD-3-Clause")
    print("//")
    print("// The constants of smooth64.h. Made by")
    print("//   python tests/smooth/fit64.py > csrc/kernels/coefficients64.h")
    print("// Errors are relative, of the polynomial as it stands here, computed exactly.")
    print("#pragma once\n\n// clang-format off")
    print("namespace fastrelu::FASTRELU_ISA::wide {")
    show_decay()
    show_logarithm()
    show_mills()
    print()
    show_pair("sqrt_2_over_pi", sqrt(2 / pi), "sqrt(2 / pi)")
    show_pair("sqrt_2_pi", sqrt(2 * pi), "sqrt(2 pi)")
    print("// gelu_tanh is x sigmoid(linear x + cubic x^3).")
    show_pair("linear", 2 * sqrt(2 / pi), "2 sqrt(2 / pi)")
    show_pair("cubic", 2 * sqrt(2 / pi) * mpf("0.044715"), "0.044715 times that")
    show_root("silu", silu, -1.278, mpf(1) / 32, 7)
    show_root("gelu", gelu, -0.7518, mpf(1) / 4, 15)
    show_root("gelu_tanh", gelu_tanh, -0.7525, mpf(1) / 32, 7)
    show_root("mish", mish, -1.1924, mpf(1) / 32, 7)
    scale = mpf("1.0507009873554804934193349852946")
    alpha = mpf("1.6732632423543772848170429916717")
    print("\n// selu: the float64 numbers nearest to its scale, and to scale times alpha.")
    print(f"constexpr double selu_scale = {float(scale).hex()};")
    print(f"constexpr double selu_scale_alpha = {float(scale * alpha).hex()};")
    print("\n}  // namespace fastrelu::FASTRELU_ISA::wide\n// clang-format on")


if __name__ == "__main__":
    main()
