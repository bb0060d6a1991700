"""The contests of what training needs: arrays, our code, the others' code, and what was asked.

Values have random signs and keep away from zero, so that products stay normal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import fastrelu as fr
import numpy as np
from cells import Array
from contenders import LIMIT, OURS
from limits import READ
from training import BESIDE, NUMPY, Asked, Contest, Way

Shape = tuple[int, ...]

FLAT = ((64,), (16_384,), (262_144,), (4_194_304,))
MATRICES = ((8, 8), (64, 256), (256, 1_024), (4_096, 1_024))
IMAGES = ((1, 4, 4, 4), (1, 64, 16, 16), (4, 64, 32, 32), (16, 64, 64, 64))
QUICK_ELEMENTS = 262_144

_LARGE = ((2**24,),)
_BEYOND_CACHES = 2**24
_POOL = 4
_FILLER = 77

# Why a result is not ours byte for byte.
_ZEROS = "the sign of its zeros"
_SUMS = "sums in float32, in another order"
_TERMS = "products in float32, and the order of the sum"
_ROUNDING = "rounds once more or less"
_RANDOM = "draws its own slopes"
_NO_MASK = "makes no mask"
_BYTE_MASK = "its mask has a byte for each bit"

_ONE_ROUNDING = 2.0**-22
_SUM_TOLERANCE = 1e-4


def all_contests() -> list[Contest]:
    """Return the contests of the full report, those with something asked first."""
    return [
        *_asked(),
        *_fused(),
        *_bounded(),
        *_hard(),
        *_masks(),
        *_gradients(),
        *_units(),
        *_tables(),
    ]


def quick_contests() -> list[Contest]:
    """Return one size of each function."""
    return [each for each in all_contests() if each.elements == QUICK_ELEMENTS]


def _asked() -> Iterator[Contest]:
    yield from _asking(
        Asked(BESIDE, 1.08, is_time=True),
        _each(
            "relu_with_mask into out",
            "x out bits",
            "fr.relu_with_mask(x, out, bits)",
            _beside("fr.relu(x, out=out)", _NO_MASK),
            _numpy("(np.maximum(x, 0, out=out), np.packbits(x > 0, bitorder='little'))"),
            shapes=_LARGE,
        ),
    )
    for contest in _each(
        "relu_backward_from_mask in place",
        "g x of_relu",
        "fr.relu_backward_from_mask(g, of_relu, out=g)",
        _beside("fr.relu_backward(g, x, out=g)"),
        _numpy("np.multiply(g, x > 0, out=g)", _ZEROS),
        shapes=[(2**exponent,) for exponent in range(12, 27, 2)],
    ):
        is_asked = contest.elements >= _BEYOND_CACHES
        yield from _asking(Asked(BESIDE, 1.3), [contest]) if is_asked else [contest]
    yield from _asking(
        Asked(NUMPY, 2.5),
        _each(
            "add_relu with a bias",
            "x row",
            "fr.add_relu(x, row)",
            _numpy("np.maximum(x + row, 0)"),
            _torch("torch.relu_(tx + trow)"),
            _numba("x + row if x + row > 0 else 0"),
            _jax("jnp.maximum(x + row, 0)"),
            shapes=[(2**14, 2**10)],
        ),
    )
    yield from _asking(
        Asked(NUMPY, 2.0),
        _each(
            "add_relu with a bias in place",
            "x row",
            "fr.add_relu(x, row, out=x)",
            _numpy("np.maximum(np.add(x, row, out=x), 0, out=x)"),
            _torch("tx.add_(trow).relu_()"),
            shapes=[(2**14, 2**10)],
        ),
    )
    yield from _asking(Asked(NUMPY, 5.0), _prelu_backward([(32, 64, 56, 56)]))
    yield from _asking(
        Asked(LIMIT, 0.9),
        _each(
            "active_count",
            "x",
            "fr.active_count(x)",
            Way(LIMIT, f"{READ} of x"),
            *_ACTIVE_COUNT,
            shapes=[(2**26,)],
        ),
    )
    yield from _asking(Asked(NUMPY, 3.0), _sparsity(_LARGE))
    yield from _asking(Asked(BESIDE, 1.1, is_time=True), _activity([(256, 256), (1024, 1024)]))


def _asking(bound: Asked, contests: Iterable[Contest]) -> Iterator[Contest]:
    for each in contests:
        yield replace(each, asked=(bound,))


def _activity(shapes: Sequence[Shape]) -> Iterator[Contest]:
    """Where all units have fired, a log has no more to look for."""
    calls = {
        "into out": ("x out", "fr.relu(x, out=out)"),
        "fresh": ("x", "fr.relu(x)"),
        "dead units": ("layer out", "fr.relu(layer, out=out)"),
    }
    for title, (names, call) in calls.items():
        yield from _each(
            f"activity, 100 calls of relu, {title}",
            names,
            f"loops.logged(lambda: {call})",
            _beside(f"loops.repeated(lambda: {call})"),
            shapes=shapes,
        )


def _fused() -> Iterator[Contest]:
    yield from _each(
        "add_relu of two",
        "x y",
        "fr.add_relu(x, y)",
        _numpy("np.maximum(x + y, 0)"),
        _numpy("np.maximum(s := x + y, 0, out=s)"),
        _torch("torch.relu_(tx + ty)"),
        _numba("x + y if x + y > 0 else 0"),
        _jax("jnp.maximum(x + y, 0)"),
        dtypes=("float32", "float16", "int8"),
    )
    yield from _each(
        "add_leaky_relu of two",
        "x y",
        "fr.add_leaky_relu(x, y, 0.2)",
        _numpy("np.where((s := x + y) > 0, s, s * 0.2)"),
        _numpy("np.maximum(s := x + y, s * 0.2, out=s)"),
        _torch("F.leaky_relu_(tx + ty, 0.2)"),
        _numba("x + y if x + y > 0 else (x + y) * 0.2"),
        _jax("jnp.where(x + y > 0, x + y, (x + y) * 0.2)", _ROUNDING, _ONE_ROUNDING),
    )
    yield from _each(
        "scale_shift_relu per channel",
        "x scale shift",
        "fr.scale_shift_relu(x, scale, shift)",
        _numpy("np.maximum(x * scale + shift, 0)"),
        _numpy("np.maximum(np.add(s := x * scale, shift, out=s), 0, out=s)"),
        _torch("(tx * tscale).add_(tshift).relu_()"),
        _numba("x * scale + shift if x * scale + shift > 0 else 0", _ROUNDING, _ONE_ROUNDING),
        _jax("jnp.maximum(x * scale + shift, 0)", _ROUNDING, _ONE_ROUNDING),
        shapes=IMAGES,
    )


def _bounded() -> Iterator[Contest]:
    yield from _each(
        "relu6",
        "x",
        "fr.relu6(x)",
        _numpy("np.clip(x, 0, 6)"),
        _numpy("np.minimum(np.maximum(x, 0), 6)"),
        _torch("F.relu6(tx)"),
        _numba("0 if x <= 0 else 6 if x >= 6 else x"),
        _jax("jax.nn.relu6(x)"),
        dtypes=("float32", "float16", "int8"),
    )
    yield from _bounded_backward("relu6_backward", "fr.relu6_backward(g, x)", "0", "6")
    yield from _each(
        "clipped_relu",
        "x",
        "fr.clipped_relu(x, 4.0)",
        _numpy("np.clip(x, 0, 4)"),
        _numpy("np.minimum(np.maximum(x, 0), 4)"),
        _torch("torch.clamp(tx, 0, 4)"),
        _numba("0 if x <= 0 else 4 if x >= 4 else x"),
        _jax("jnp.clip(x, 0, 4)"),
    )
    yield from _bounded_backward(
        "clipped_relu_backward", "fr.clipped_relu_backward(g, x, 4.0)", "0", "4"
    )
    yield from _each(
        "hardtanh",
        "x",
        "fr.hardtanh(x)",
        _numpy("np.clip(x, -1, 1)"),
        _numpy("np.minimum(np.maximum(x, -1), 1)"),
        _torch("F.hardtanh(tx)"),
        _numba("-1 if x <= -1 else 1 if x >= 1 else x"),
        _jax("jax.nn.hard_tanh(x)"),
    )
    yield from _bounded_backward("hardtanh_backward", "fr.hardtanh_backward(g, x)", "-1", "1")
    yield from _each(
        "thresholded_relu",
        "x",
        "fr.thresholded_relu(x)",
        _numpy("np.where(x > 1, x, 0)"),
        _numpy("x * (x > 1)", _ZEROS),
        _torch("F.threshold(tx, 1, 0)"),
        _numba("0 if x <= 1 else x"),
        _jax("jnp.where(x > 1, x, 0)"),
    )
    yield from _threshold_backward(
        "thresholded_relu_backward", "fr.thresholded_relu_backward(g, x)", "1"
    )
    yield from _each(
        "threshold",
        "x",
        "fr.threshold(x, 0.5, -2.0)",
        _numpy("np.where(x > 0.5, x, -2.0)"),
        _torch("F.threshold(tx, 0.5, -2.0)"),
        _numba("-2.0 if x <= 0.5 else x"),
        _jax("jnp.where(x > 0.5, x, -2.0)"),
    )
    yield from _threshold_backward("threshold_backward", "fr.threshold_backward(g, x, 0.5)", "0.5")


def _bounded_backward(title: str, ours: str, low: str, high: str) -> Iterator[Contest]:
    inside = f"(x > {low}) & (x < {high})"
    yield from _each(
        title,
        "g x",
        ours,
        _numpy(f"np.where({inside}, g, 0)"),
        _numpy(f"g * ({inside})", _ZEROS),
        _torch(f"aten.hardtanh_backward(tg, tx, {low}, {high})"),
        _numba(f"0 if x <= {low} or x >= {high} else g"),
        _jax(f"jnp.where({inside}, g, 0)"),
    )


def _threshold_backward(title: str, ours: str, least: str) -> Iterator[Contest]:
    yield from _each(
        title,
        "g x",
        ours,
        _numpy(f"np.where(x > {least}, g, 0)"),
        _numpy(f"g * (x > {least})", _ZEROS),
        _torch(f"aten.threshold_backward(tg, tx, {least})"),
        _numba(f"0 if x <= {least} else g"),
        _jax(f"jnp.where(x > {least}, g, 0)"),
    )


def _hard() -> Iterator[Contest]:
    yield from _each(
        "squared_relu",
        "x",
        "fr.squared_relu(x)",
        _numpy("np.square(np.maximum(x, 0))"),
        _numpy("np.square(r := np.maximum(x, 0), out=r)"),
        _torch("torch.relu(tx).square_()"),
        _numba("0 if x <= 0 else x * x"),
        _jax("jnp.square(jnp.maximum(x, 0))"),
    )
    yield from _each(
        "squared_relu_backward",
        "g x",
        "fr.squared_relu_backward(g, x)",
        _numpy("g * (2 * np.maximum(x, 0))", _ZEROS),
        _torch("torch.relu(tx).mul_(2).mul_(tg)", _ZEROS),
        _numba("0 if x <= 0 else g * (x + x)"),
        _jax("jnp.where(x > 0, g * (x + x), 0)"),
    )
    yield from _each(
        "hardsigmoid",
        "x",
        "fr.hardsigmoid(x)",
        _numpy("np.clip(x + 3, 0, 6) / 6"),
        _torch("F.hardsigmoid(tx)", _ROUNDING, _ONE_ROUNDING),
        _numba("(0 if x + 3 <= 0 else 6 if x + 3 >= 6 else x + 3) / 6", _ROUNDING, _ONE_ROUNDING),
        _jax("jax.nn.hard_sigmoid(x)", _ROUNDING, _ONE_ROUNDING),
    )
    yield from _each(
        "hardsigmoid_backward",
        "g x",
        "fr.hardsigmoid_backward(g, x)",
        _numpy("np.where((x > -3) & (x < 3), g * (1 / 6), 0)"),
        _torch("aten.hardsigmoid_backward(tg, tx)"),
        _numba("g * 0.16666666666666666 if -3 < x and x < 3 else 0"),
        _jax("jnp.where((x > -3) & (x < 3), g * (1 / 6), 0)"),
    )
    yield from _each(
        "hardswish",
        "x",
        "fr.hardswish(x)",
        _numpy("x * np.clip(x + 3, 0, 6) / 6", _ROUNDING, _ONE_ROUNDING),
        _torch("F.hardswish(tx)", _ROUNDING, _ONE_ROUNDING),
        _numba("x if x >= 3 else x * (0 if x + 3 <= 0 else x + 3) / 6", _ROUNDING, _ONE_ROUNDING),
        _jax("jax.nn.hard_swish(x)", _ROUNDING, _ONE_ROUNDING),
    )
    yield from _each(
        "hardswish_backward",
        "g x",
        "fr.hardswish_backward(g, x)",
        _numpy("np.where(x <= -3, 0, np.where(x < 3, g * (x / 3 + 0.5), g))"),
        _torch("aten.hardswish_backward(tg, tx)", _ROUNDING, _ONE_ROUNDING),
        _numba("0 if x <= -3 else g * (x / 3 + 0.5) if x < 3 else g", _ROUNDING, _ONE_ROUNDING),
        _jax(
            "jnp.where(x <= -3, 0, jnp.where(x < 3, g * (x / 3 + 0.5), g))",
            _ROUNDING,
            _ONE_ROUNDING,
        ),
    )
    yield from _each(
        "softshrink",
        "x",
        "fr.softshrink(x)",
        _numpy("x - np.clip(x, -0.5, 0.5)"),
        _numpy("np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)", _ZEROS),
        _torch("F.softshrink(tx)"),
        _numba("x - 0.5 if x > 0.5 else x + 0.5 if x < -0.5 else 0"),
        _jax("x - jnp.clip(x, -0.5, 0.5)"),
    )
    yield from _each(
        "softshrink_backward",
        "g x",
        "fr.softshrink_backward(g, x)",
        _numpy("np.where(np.abs(x) > 0.5, g, 0)"),
        _numpy("g * (np.abs(x) > 0.5)", _ZEROS),
        _torch("aten.softshrink_backward(tg, tx, 0.5)"),
        _numba("g if x > 0.5 or x < -0.5 else 0"),
        _jax("jnp.where(jnp.abs(x) > 0.5, g, 0)"),
    )


def _masks() -> Iterator[Contest]:
    yield from _each(
        "relu_with_mask",
        "x",
        "fr.relu_with_mask(x)",
        _numpy("(np.maximum(x, 0), np.packbits(x > 0, bitorder='little'))"),
        _torch("(torch.relu(tx), tx > 0)[:1]", _BYTE_MASK),
        dtypes=("float32", "float16", "int8"),
    )
    yield from _each(
        "relu_backward_from_mask",
        "g mask of_relu",
        "fr.relu_backward_from_mask(g, of_relu)",
        _numpy("np.where(np.unpackbits(mask, count=g.size, bitorder='little'), g, 0)"),
        _numpy("g * np.unpackbits(mask, count=g.size, bitorder='little')", _ZEROS),
        dtypes=("float32", "float16"),
    )
    yield from _each(
        "leaky_relu_with_mask",
        "x",
        "fr.leaky_relu_with_mask(x, 0.2)",
        _numpy("(np.where(x > 0, x, x * 0.2), np.packbits(x > 0, bitorder='little'))"),
        _torch("(F.leaky_relu(tx, 0.2), tx > 0)[:1]", _BYTE_MASK),
    )
    yield from _each(
        "leaky_relu_backward_from_mask",
        "g mask of_leaky",
        "fr.leaky_relu_backward_from_mask(g, of_leaky, 0.2)",
        _numpy("np.where(np.unpackbits(mask, count=g.size, bitorder='little'), g, g * 0.2)"),
    )
    yield from _each(
        "leaky_relu_backward_from_output",
        "g x",
        "fr.leaky_relu_backward_from_output(g, x, 0.2)",
        _numpy("np.where(x > 0, g, g * 0.2)"),
        _torch("aten.leaky_relu_backward(tg, tx, 0.2, True)"),
        _numba("g if x > 0 else g * 0.2"),
        _jax("jnp.where(x > 0, g, g * 0.2)"),
    )


def _gradients() -> Iterator[Contest]:
    yield from _each(
        "relu_backward_with_bias",
        "g x",
        "fr.relu_backward_with_bias(g, x)",
        _numpy("(s := np.where(x > 0, g, 0), s.sum(0))", _SUMS, _SUM_TOLERANCE),
        _torch("(s := aten.threshold_backward(tg, tx, 0), s.sum(0))", _SUMS, _SUM_TOLERANCE),
        _jax("(jnp.where(x > 0, g, 0), jnp.where(x > 0, g, 0).sum(0))", _SUMS, _SUM_TOLERANCE),
        shapes=MATRICES,
    )
    yield from _each(
        "prelu",
        "x weight",
        "fr.prelu(x, weight)",
        _numpy("np.where(x > 0, x, weight[:, None, None] * x)"),
        _torch("F.prelu(tx, tweight)"),
        _jax("jnp.where(x > 0, x, weight[:, None, None] * x)"),
        shapes=IMAGES,
    )
    yield from _prelu_backward(IMAGES)
    yield from _each(
        "rrelu",
        "x",
        "fr.rrelu(x)",
        _numpy(
            "np.where(x > 0, x, x * np.random.default_rng().uniform(1 / 8, 1 / 3, x.shape)"
            ".astype(x.dtype))",
            _RANDOM,
            1 / 3,
        ),
        _torch("F.rrelu(tx, training=True)", _RANDOM, 1 / 3),
    )


def _prelu_backward(shapes: Sequence[Shape]) -> Iterator[Contest]:
    return _each(
        "prelu_backward",
        "g x weight",
        "fr.prelu_backward(g, x, weight)",
        _numpy(
            "(np.where(x > 0, g, weight[:, None, None] * g), "
            "np.where(x > 0, 0, g * x).sum((0, 2, 3)))",
            _TERMS,
            _SUM_TOLERANCE,
        ),
        _torch(
            "((s := aten._prelu_kernel_backward(tg, tx, tweight[:, None, None]))[0], "
            "s[1].sum((0, 2, 3)))",
            _TERMS,
            _SUM_TOLERANCE,
        ),
        _numba("loops.prelu_backward(g, x, weight)", _TERMS, _SUM_TOLERANCE),
        _jax(
            "(jnp.where(x > 0, g, weight[:, None, None] * g), "
            "jnp.where(x > 0, 0, g * x).sum((0, 2, 3)))",
            _TERMS,
            _SUM_TOLERANCE,
        ),
        shapes=shapes,
    )


def _units() -> Iterator[Contest]:
    yield from _each(
        "active_count",
        "x",
        "fr.active_count(x)",
        *_ACTIVE_COUNT,
        dtypes=("float32", "float16", "int8"),
    )
    yield from _each(
        "active_count per unit",
        "x",
        "fr.active_count(x, axis=0)",
        _numpy("np.count_nonzero(x > 0, axis=0)"),
        _torch("torch.count_nonzero(tx > 0, dim=0)"),
        _jax("jnp.count_nonzero(x > 0, axis=0)"),
        shapes=MATRICES,
    )
    yield from _sparsity(FLAT)
    yield from _each(
        "dead_units",
        "x",
        "fr.dead_units(x)",
        _numpy("~(x > 0).any(0)"),
        _numpy("np.max(x, 0) <= 0"),
        _torch("(tx <= 0).all(0)"),
        _jax("(x <= 0).all(0)"),
        shapes=MATRICES,
    )
    yield from _each(
        "Mask.active_count",
        "x mask of_relu",
        "of_relu.active_count()",
        _numpy("int(np.bitwise_count(mask).sum())"),
        _numpy("np.count_nonzero(np.unpackbits(mask))"),
    )
    yield from _each(
        "Mask.sparsity",
        "x mask of_relu",
        "of_relu.sparsity()",
        _numpy("1 - int(np.bitwise_count(mask).sum()) / x.size"),
    )
    yield from _each(
        "Mask.dead_units",
        "x mask of_relu",
        "of_relu.dead_units()",
        _numpy("~np.unpackbits(mask, bitorder='little').reshape(x.shape).any(0)"),
        _numpy(
            "np.unpackbits(np.bitwise_or.reduce(mask.reshape(len(x), -1)), bitorder='little') == 0"
        ),
        shapes=MATRICES,
    )


def _sparsity(shapes: Sequence[Shape]) -> Iterator[Contest]:
    return _each(
        "sparsity",
        "rectified",
        "fr.sparsity(rectified)",
        _numpy("1 - np.count_nonzero(rectified) / rectified.size"),
        _torch("1 - int(torch.count_nonzero(trectified)) / trectified.numel()"),
        _jax("1 - jnp.count_nonzero(rectified) / rectified.size", _ROUNDING, _ONE_ROUNDING),
        shapes=shapes,
    )


def _tables() -> Iterator[Contest]:
    yield from _each(
        "relu_quantized",
        "x",
        "fr.relu_quantized(x, np.int8(5))",
        _numpy("np.maximum(x, 5)"),
        _numpy("np.maximum(x, np.int8(5))"),
        _torch("torch.clamp_min(tx, 5)"),
        _numba("5 if x <= 5 else x"),
        _jax("jnp.maximum(x, np.int8(5))"),
        dtypes=("int8",),
    )
    yield from _each(
        "apply_table",
        "x table",
        "fr.apply_table(x, table)",
        _numpy("np.take(table, x.view(np.uint8))"),
        _numpy("table[x.view(np.uint8)]"),
        _numba("loops.apply_table(x, table)"),
        _jax("jnp.take(table, x.view(np.uint8))"),
        dtypes=("int8",),
    )
    yield from _each(
        "crelu",
        "x",
        "fr.crelu(x)",
        _numpy("np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], 1)"),
        _numpy("np.maximum(s := np.concatenate([x, -x], 1), 0, out=s)"),
        _torch("torch.cat([tx, -tx], 1).relu_()"),
        _jax("jnp.maximum(jnp.concatenate([x, -x], 1), 0)"),
        shapes=IMAGES,
    )
    yield from _each(
        "crelu_backward",
        "twice x",
        "fr.crelu_backward(twice, x)",
        _numpy(
            "np.where(x > 0, twice[:, : x.shape[1]], np.where(x < 0, -twice[:, x.shape[1] :], 0))"
        ),
        _torch("torch.where(tx > 0, ttwice[:, : tx.shape[1]], -ttwice[:, tx.shape[1] :])"),
        _jax("jnp.where(x > 0, twice[:, : x.shape[1]], -twice[:, x.shape[1] :])"),
        shapes=IMAGES,
    )
    yield from _each(
        "maxout",
        "x",
        f"fr.maxout(x, {_POOL})",
        _numpy(f"x.reshape(len(x), -1, {_POOL}, *x.shape[2:]).max(2)"),
        _torch(f"tx.reshape(len(tx), -1, {_POOL}, *tx.shape[2:]).amax(2)"),
        _jax(f"x.reshape(len(x), -1, {_POOL}, *x.shape[2:]).max(2)"),
        shapes=IMAGES,
        dtypes=("float32", "float16"),
    )
    yield from _each(
        "maxout_backward",
        "pooled x",
        f"fr.maxout_backward(pooled, x, {_POOL})",
        _numpy(f"loops.maxout_backward(pooled, x, {_POOL})"),
        shapes=IMAGES,
    )


def _numpy(code: str, differs: str = "", tolerance: float = 0.0) -> Way:
    return Way(NUMPY, code, differs, tolerance)


def _torch(code: str, differs: str = "", tolerance: float = 0.0) -> Way:
    return Way("PyTorch", code, differs, tolerance)


def _numba(code: str, differs: str = "", tolerance: float = 0.0) -> Way:
    return Way("Numba", code, differs, tolerance)


def _jax(code: str, differs: str = "", tolerance: float = 0.0) -> Way:
    return Way("JAX", code, differs, tolerance)


def _beside(code: str, differs: str = "") -> Way:
    return Way(BESIDE, code, differs)


_ACTIVE_COUNT = (
    _numpy("np.count_nonzero(x > 0)"),
    _torch("torch.count_nonzero(tx > 0)"),
    _numba("loops.active_count(x)"),
    _jax("jnp.count_nonzero(x > 0)"),
)


def _each(
    title: str,
    arrays: str,
    ours: str,
    *others: Way,
    shapes: Sequence[Shape] = FLAT,
    dtypes: Sequence[str] = ("float32",),
) -> Iterator[Contest]:
    """Yield a contest per shape of the first dtype; of others one, with NumPy and PyTorch alone.

    Numba has no float16, and small integers become larger ones in it.
    """
    mine, names = Way(OURS, ours), tuple(arrays.split())
    for shape in shapes:
        make = partial(_arrays, names, shape, dtypes[0])
        yield Contest(title, dtypes[0], shape, make, mine, others)
    few = tuple(each for each in others if each.label in (NUMPY, "PyTorch"))
    for dtype in dtypes[1:]:
        make = partial(_arrays, names, shapes[2], dtype)
        yield Contest(title, dtype, shapes[2], make, mine, few)


def _arrays(names: Sequence[str], shape: Shape, dtype: str) -> dict[str, Array]:
    return {name: _MAKERS[name](shape, np.dtype(dtype)).copy() for name in names}


@lru_cache(6)
def _values(shape: Shape, dtype: np.dtype[Any], seed: int) -> Array:
    values = 3 * np.random.default_rng(seed).standard_normal(shape, np.float32)
    values += np.copysign(np.float32(0.1), values)
    return (np.clip(20 * values, -100, 100) if dtype.kind == "i" else values).astype(dtype)


def _channel(shape: Shape, dtype: np.dtype[Any], low: float, high: float) -> Array:
    return np.random.default_rng(3).uniform(low, high, shape[1]).astype(dtype)


def _layer(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """One unit of eight is dead."""
    values = _values(shape, dtype, 0).copy()
    values[:, ::8] = -1
    return values


def _mask(shape: Shape, dtype: np.dtype[Any]) -> Array:
    return np.packbits(_values(shape, dtype, 0) > 0, bitorder="little")


Maker = Callable[[Shape, np.dtype[Any]], Array]

_MAKERS: dict[str, Maker] = {
    "x": lambda shape, dtype: _values(shape, dtype, 0),
    "y": lambda shape, dtype: _values(shape, dtype, 1),
    "g": lambda shape, dtype: _values(shape, dtype, 2),
    "row": lambda shape, dtype: _values(shape[-1:], dtype, 1),
    "scale": lambda shape, dtype: _channel(shape, dtype, 0.5, 1.5)[:, None, None],
    "shift": lambda shape, dtype: _channel(shape, dtype, -1, 1)[:, None, None],
    "weight": lambda shape, dtype: _channel(shape, dtype, 0.05, 0.5),
    "rectified": lambda shape, dtype: np.maximum(_values(shape, dtype, 0), 0),
    "twice": lambda shape, dtype: _values((shape[0], 2 * shape[1], *shape[2:]), dtype, 1),
    "pooled": lambda shape, dtype: _values((shape[0], shape[1] // _POOL, *shape[2:]), dtype, 1),
    "table": lambda _, dtype: np.arange(256, dtype=np.uint8)[::-1].view(dtype),
    "layer": _layer,
    "mask": _mask,
    "of_relu": lambda shape, dtype: fr.Mask(_mask(shape, dtype), shape),
    "of_leaky": lambda shape, dtype: fr.Mask(_mask(shape, dtype), shape, "leaky_relu"),
    "out": lambda shape, dtype: np.full(shape, _FILLER, dtype),
    "bits": lambda shape, dtype: np.full_like(_mask(shape, dtype), _FILLER),
}
