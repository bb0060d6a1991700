"""add_relu_with_mask and add_leaky_relu_with_mask: results of the ufuncs, masks of rounded sums."""

from __future__ import annotations

from itertools import product

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference
from fastrelu.testing import cases, forced_isa, supported_dtypes
from fastrelu.testing.cases import GUARD, LAYOUTS
from support import ISAS, assert_as_promised, assert_same_bytes, reported, wrong_values

DTYPES = supported_dtypes()
SHAPES = [
    ((64,), (64,)),
    ((7, 33), (33,)),
    ((7, 33), (7, 1)),
    ((7, 33), ()),
    ((7, 33), (1, 1)),
    ((3, 4, 50), (4, 50)),
    ((3, 1, 50), (3, 1, 50)),
    ((5, 3, 7, 9), (3, 1, 1)),
    ((70, 3), (3,)),
    ((129, 65), (65,)),
    ((3, 5000), (5000,)),
    ((0, 4), (4,)),
    ((2, 0, 3), (3,)),
    ((), ()),
]
"""Of x and of y: biases of any length, along any axes, and residuals."""


class Family:
    """relu's or leaky relu's function of a sum, and what it should give."""

    def __init__(self, kind, *slopes):
        self.kind, self.slopes = kind, slopes
        self.ufunc = getattr(fr, f"add_{kind}")
        self.with_mask = getattr(fr, f"add_{kind}_with_mask")
        self.reference = getattr(reference, f"add_{kind}_with_mask")

    def __repr__(self):
        return "-".join(map(str, (self.kind, *self.slopes)))

    def expected(self, x, y):
        with np.errstate(all="ignore"):
            return self.reference(x, y, *self.slopes)

    def assert_right(self, result, x, y, expected=None):
        (values, mask), (of_reference, bits) = result, expected or self.expected(x, y)
        assert_as_promised(self.ufunc, values, x, y, *self.slopes, expected=of_reference)
        assert mask.bits.tobytes() == bits.tobytes()
        assert (mask.shape, mask.kind) == (np.shape(x), self.kind)

    def assert_right_on_every_isa(self, x, y):
        expected = self.expected(x, y)
        for isa in ISAS:
            with forced_isa(isa):
                self.assert_right(self.with_mask(x, y, *self.slopes), x, y, expected)


FAMILIES = [Family("relu"), *(Family("leaky_relu", slope) for slope in (0.3, 0.0, -0.3, np.nan))]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=str)
some_families = pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[3]], ids=str)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: f"{dtype}-{dtype.char}")


def sample(dtype, shape, seed):
    return cases.sample(dtype, int(np.prod(shape, dtype=int)), seed).reshape(shape)


@every_dtype
@every_family
@np.errstate(all="ignore")
def test_every_shape(family, dtype):
    for of_x, of_y in SHAPES:
        x, y = sample(dtype, of_x, 1), sample(dtype, of_y, 2)
        family.assert_right_on_every_isa(x, y)


@every_dtype
@some_families
@np.errstate(all="ignore")
def test_every_length(family, dtype):
    """Of rows, of which there are more than a byte of the mask has bits."""
    for n in (*range(1, 70), 127, 128, 129, 255, 257):
        x, y = sample(dtype, (9, n), n), sample(dtype, n, n + 1)
        family.assert_right_on_every_isa(x, y)


@every_dtype
@some_families
@np.errstate(all="ignore")
def test_layouts(family, dtype):
    flat, others = sample(dtype, 205, 3), sample(dtype, 205, 4)
    for layout in LAYOUTS.values():
        x, y = layout.place(flat), layout.place(others)
        plain, of_y = x.copy()[()], y.copy()[()]
        expected = family.expected(plain, of_y)
        family.assert_right(family.with_mask(x, y, *family.slopes), plain, of_y, expected)
        out = layout.empty(205, expected[0].dtype)
        result = family.with_mask(x, y, *family.slopes, out=out)
        assert result[0] is out
        family.assert_right((out[()], result[1]), plain, of_y, expected)
        assert cases.guards_intact(out)


ADDENDS = {
    "float": 0.5,
    "int": 1,
    "float32": np.float32(-0.25),
    "array of float16": np.linspace(-9, 9, 40, dtype=np.float16),
}


@pytest.mark.parametrize("y", ADDENDS.values(), ids=ADDENDS)
@every_dtype
@some_families
@np.errstate(all="ignore")
def test_addends_of_other_types(family, dtype, y):
    """Numbers, and arrays with which NumPy finds no common dtype for x."""
    x = sample(dtype, 40, 5)
    result, mask = family.with_mask(x, y, *family.slopes)
    assert_same_bytes(result, family.ufunc(x, y, *family.slopes))
    sums = fr.add_leaky_relu(x, y, 1.0).astype(float)
    active = ~(sums <= 0) if family.kind == "relu" else sums > 0
    assert np.array_equal(mask.to_bool(), active)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("rows", [1, 40])
@some_families
@np.errstate(all="ignore")
def test_in_place(family, rows, dtype):
    """Over x, over a y of its shape, and not over a bias or a part of either."""
    x, y = sample(dtype, (rows, 250), 5), sample(dtype, (rows, 250), 6)
    expected = family.expected(x, y)
    for position in range(2):
        arrays = [x.copy(), y.copy()]
        result = family.with_mask(*arrays, *family.slopes, out=arrays[position])
        assert result[0] is arrays[position]
        family.assert_right(result, x, y, expected)
        assert arrays[1 - position].tobytes() == (y, x)[position].tobytes()
    memory = np.concatenate([x.ravel(), y.ravel()])
    for shift in (1, 64, 249):
        lying = memory.copy()
        of_x, out = lying[: x.size], lying[shift:][: x.size]
        result = family.with_mask(of_x, y.ravel(), *family.slopes, out=out)
        family.assert_right(result, x.ravel(), y.ravel())
    whole = x.copy()
    result = family.with_mask(whole, whole[-1], *family.slopes, out=whole)
    family.assert_right(result, x, x[-1])


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
@pytest.mark.parametrize("columns", [1024, 1001, 3])
@some_families
@np.errstate(all="ignore")
def test_any_number_of_threads(family, columns, dtype):
    rows = (5 << 20) // np.dtype(dtype).itemsize // columns + 3
    x, bias = np.resize(sample(dtype, 4099, 7), (rows, columns)), sample(dtype, columns, 8)
    values = family.ufunc(x, bias, *family.slopes)
    with np.errstate(all="ignore"):
        bits = np.packbits(
            ~(x + bias <= 0) if family.kind == "relu" else x + bias > 0, None, "little"
        )
    for threads in (1, 2, 3, 8):
        with fr.num_threads(threads):
            for out in (None, np.empty_like(values), np.empty_like(values)):
                for y in (bias, np.broadcast_to(bias, x.shape).copy()):
                    result = family.with_mask(x, y, *family.slopes, out=out)
                    wrong = wrong_values(family.ufunc, result[0], values, (x, y, *family.slopes))
                    assert not wrong.any()
                    assert result[1].bits.tobytes() == bits.tobytes()


def test_beyond_the_last_cache():
    x = np.resize(np.linspace(-1, 1, 1001, dtype=np.float32), (4100, 2048))
    bias = np.linspace(-0.5, 0.5, 2048, dtype=np.float32)
    for offset in (0, 1):
        out = np.ones(x.size + 1, np.float32)[offset : x.size + offset].reshape(x.shape)
        mask = fr.add_relu_with_mask(x, bias, out)[1]
        assert out.tobytes() == fr.add_relu(x, bias).tobytes()
        assert np.array_equal(mask.to_bool(), out > 0)


@every_family
def test_the_memory_around(family):
    for n in (5, 8, 64, 131):
        x, y = np.full((9, n), -1.0, np.float32), np.full(n, 2.0, np.float32)
        memory = np.full(-(-x.size // 8) + 2 * GUARD, 0xA5, np.uint8)
        bits = memory[GUARD : memory.size - GUARD]
        out = np.full(x.size + 2 * GUARD, 7, np.float32)
        inside = out[GUARD : x.size + GUARD].reshape(x.shape)
        family.with_mask(x, y, *family.slopes, inside, bits)
        assert (memory[:GUARD] == 0xA5).all()
        assert (memory[memory.size - GUARD :] == 0xA5).all()
        assert (out[:GUARD] == 7).all()
        assert (out[x.size + GUARD :] == 7).all()
        assert (inside == 1).all()


MIXED = [
    (np.float32, np.float64),
    (np.int8, np.int16),
    (np.int8, float),
    (np.float16, np.float32),
    (np.uint64, np.int64),
    (np.float32, int),
    (np.int32, int),
    (float, float),
    (int, int),
]


@pytest.mark.parametrize("kinds", MIXED, ids=str)
@every_family
@np.errstate(all="ignore")
def test_mixed_dtypes_and_numbers(family, kinds):
    def made(kind, values):
        return kind(values[0]) if kind in (int, float) else np.array(values).astype(kind)

    x, y = made(kinds[0], [-3, 2, 5]), made(kinds[1], [2, -3, 1])
    family.assert_right(family.with_mask(x, y, *family.slopes), x, y)


def test_the_sum_is_that_of_the_result():
    """Rounded as there: an underflow to 0, or a cast into out, is not another sum."""
    tiny = np.float16(6e-8)
    x = np.array([tiny, -tiny, 1.0], np.float16)
    y, mask = fr.add_relu_with_mask(x.astype(np.float32), np.float32(1e-30))
    assert mask.to_bool().tolist() == [True, False, True]
    out = np.ones(3, np.float16)
    y, mask = fr.add_relu_with_mask(np.float32([1e-30, -1, 1]), np.zeros(3, np.float32), out)
    assert y.tolist() == [0, 0, 1]
    assert mask.to_bool().tolist() == [True, False, True]
    ints = np.array([100, -100], np.int8)
    for function in (fr.add_relu_with_mask, fr.add_leaky_relu_with_mask):
        assert function(ints, ints)[1].to_bool().tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@every_family
def test_errors_are_those_of_the_ufunc(family, dtype):
    top = np.finfo(dtype).max
    for x, y in product((top, -top, np.inf, 1), repeat=2):
        for n in (1, 5, 64, 200):
            arrays = [np.full(n, each, dtype) for each in (x, y)]
            expected = reported(lambda a=arrays: family.ufunc(*a, *family.slopes))
            assert reported(lambda a=arrays: family.with_mask(*a, *family.slopes)) == expected
            columns = [each[::-1] for each in arrays]
            assert reported(lambda a=columns: family.with_mask(*a, *family.slopes)) == expected
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match=r"add_"):
        family.with_mask(np.full(64, top), np.full(64, top), *family.slopes)


@every_family
def test_refusals_before_anything_is_written(family):
    x, y = np.ones((2, 4)), np.ones(4)
    name = family.with_mask.__name__
    readonly, bits = np.full((2, 4), 7.0), np.zeros(1, np.uint8)
    readonly.flags.writeable = False
    other = "leaky_relu" if family.kind == "relu" else "relu"
    out = np.full((2, 4), 7.0)
    for arguments, keywords, error, words in (
        ((x, np.ones(3)), {}, ValueError, r"y of shape \(3,\) does not broadcast"),
        ((y, x), {"out": np.full(4, 7.0)}, ValueError, r"y of shape \(2, 4\) does not broadcast"),
        ((x > 0, y), {}, TypeError, "bool"),
        ((x, y * 1j), {}, TypeError, "complex"),
        ((x, None), {}, TypeError, "object"),
        ((x, y), {"out": readonly}, ValueError, "out is read-only"),
        ((x, y), {"out": np.full((4, 2), 7.0)}, ValueError, "out has shape"),
        ((x, y), {"out": np.full((2, 4), 7)}, TypeError, "out has dtype int64"),
        ((x, y), {"mask": fr.Mask(bits, 8, family.kind)}, ValueError, r"shape \(8,\)"),
        ((x, y), {"mask": fr.Mask(bits, (2, 4), other)}, ValueError, "of kind"),
        ((x, y), {"mask": x > 0}, TypeError, "holds bool"),
        ((x, y), {"mask": out.view(np.uint8)[0, :1]}, ValueError, "share memory"),
    ):
        with pytest.raises(error, match=rf"^{name}:? .*{words}"):
            family.with_mask(*arguments, *family.slopes, **{"out": out, **keywords})
        assert np.all(np.equal(keywords.get("out", out), 7))
        assert (out == 7).all()
        assert not bits.any()


def test_bits_that_share_memory_with_an_input():
    x, y = np.full(64, -1.0, np.float32), np.full(64, 2.0, np.float32)
    for shared in (0, 1):
        arrays = [x.copy(), y.copy()]
        result = fr.add_relu_with_mask(*arrays, mask=arrays[shared].view(np.uint8)[8:16])
        assert (result[0] == 1).all()
        assert result[1].active_count() == 64


@every_family
def test_a_log_counts_the_ufunc(family):
    x, bias = np.linspace(-1, 1, 64).reshape(8, 8), np.zeros(8)
    with fr.activity() as log:
        for given in (x, x[:, ::-1]):
            family.with_mask(given, bias, *family.slopes)
    kept = np.count_nonzero(~(family.ufunc(x, bias, *family.slopes) <= 0))
    (row,) = log
    assert (row.function, row.calls, row.active) == (family.ufunc.__name__, 2, 2 * kept)
    assert row.where.startswith(__file__)


def test_the_gradients_take_these_masks():
    x, bias = np.linspace(-1, 1, 64).reshape(8, 8), np.linspace(-0.1, 0.1, 8)
    grad = np.arange(64.0).reshape(8, 8)
    mask = fr.add_relu_with_mask(x, bias)[1]
    assert np.array_equal(fr.relu_backward_from_mask(grad, mask), fr.relu_backward(grad, x + bias))
    mask = fr.add_leaky_relu_with_mask(x, bias, 0.5)[1]
    expected = fr.leaky_relu_backward(grad, x + bias, 0.5)
    assert np.array_equal(fr.leaky_relu_backward_from_mask(grad, mask, 0.5), expected)


def test_the_usual_calls_take_one_pass():
    """A bias or a residual, and no call that NumPy's layouts make slow."""
    x, out = np.ones((40, 24), np.float32), np.empty((40, 24), np.float32)
    for y in (x, x[0], x[:1], x[0, 0].reshape(1), np.array(1, np.float32)):
        assert _core.add_relu_with_mask(x, y, None, None) is not NotImplemented
        assert _core.add_leaky_relu_with_mask(x, y, 0.1, out, None) is not NotImplemented
