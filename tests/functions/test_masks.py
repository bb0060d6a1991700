"""Functions with a mask: the bits of np.packbits, the results of the ufuncs, one bit an element."""

from __future__ import annotations

import inspect
import re
import threading
from functools import cache
from itertools import product

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import reference
from fastrelu.testing import cases, forced_isa, supported_dtypes
from fastrelu.testing.cases import GUARD, LAYOUTS
from support import (
    ISAS,
    asks_too_much,
    assert_as_promised,
    assert_same_bytes,
    differing,
    reported,
    signalling_nan,
    wrong_values,
)

DTYPES = supported_dtypes()
FLOATS = [dtype for dtype in DTYPES if dtype.kind not in "iu"]
SLOPE = 0.3
LENGTHS = (*range(131), 191, 192, 193, 255, 256, 257, 511, 512, 513, 1027)

every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: f"{dtype}-{dtype.char}")
some_dtypes = pytest.mark.parametrize("dtype", ["int8", "uint16", "float16", "float32", "float64"])


class Family:
    """relu's or leaky_relu's functions, and what they should give."""

    def __init__(self, name, slopes):
        self.name, self.slopes = name, slopes
        self.ufunc, self.backward = getattr(fr, name), getattr(fr, f"{name}_backward")
        self.with_mask = getattr(fr, f"{name}_with_mask")
        self.from_mask = getattr(fr, f"{name}_backward_from_mask")
        self.reference = getattr(reference, f"{name}_with_mask")

    def __repr__(self):
        return self.name

    def keeps_dtype(self, dtype):
        return not self.slopes or np.dtype(dtype).kind not in "iu"

    def assert_forward(self, result, x):
        (y, mask), (expected, bits) = result, self.expected(x)
        assert_as_promised(self.ufunc, y, x, *self.slopes, expected=expected)
        assert_same_bytes(mask.bits, bits)
        assert (mask.shape, mask.kind) == (np.shape(x), self.name)

    def expected(self, x):
        return self.reference(x, *self.slopes)

    def assert_backward(self, result, grad, x):
        """As from the input, NaN included, except for the payload of a NaN that a product made."""
        assert_as_promised(
            self.backward,
            result,
            grad,
            x,
            *self.slopes,
            expected=getattr(reference, self.backward.__name__)(grad, x, *self.slopes),
        )


RELU, LEAKY = Family("relu", ()), Family("leaky_relu", (SLOPE,))
every_family = pytest.mark.parametrize("family", [RELU, LEAKY], ids=str)
every_kept_dtype = pytest.mark.parametrize(
    ("family", "dtype"),
    [
        pytest.param(f, d, id=f"{f}-{d}-{d.char}")
        for f, d in product([RELU, LEAKY], DTYPES)
        if f.keeps_dtype(d)
    ],
)


@pytest.fixture(autouse=True)
def threads_set_back():
    before = fr.get_num_threads()
    yield
    fr.set_num_threads(before)


def pack(bits):
    return np.packbits(np.ravel(bits), bitorder="little")


def memory_for(n, fill=0xA5):
    """Memory for the bits of a mask, amid guards."""
    memory = np.full(-(-n // 8) + 2 * GUARD, fill, np.uint8)
    return memory[GUARD : memory.size - GUARD]


def assert_guarded(mask, fill=0xA5):
    memory = mask.base
    assert (memory[:GUARD] == fill).all()
    assert (memory[memory.size - GUARD :] == fill).all()


@cache
def sample(dtype, n, seed):
    values = cases.sample(dtype, n, seed)
    values.flags.writeable = False
    return values


@every_dtype
@every_family
@np.errstate(all="ignore")
def test_every_length(family, dtype):
    for n in LENGTHS:
        x, grad = sample(dtype, n, n), sample(dtype, n, n + 1)
        y, bits = family.expected(x)
        expected = getattr(reference, family.backward.__name__)(grad, x, *family.slopes)
        for isa in ISAS:
            with forced_isa(isa):
                mask = memory_for(n)
                result = family.with_mask(x, *family.slopes, mask=mask)
                assert result[1].bits is mask
                assert mask.tobytes() == bits.tobytes(), (isa, n)
                assert not wrong_values(family.ufunc, result[0], y, (x, *family.slopes)).any()
                assert_guarded(mask)
                gradient = family.from_mask(grad, result[1], *family.slopes)
                assert gradient.dtype == expected.dtype
                args = (grad, x, *family.slopes)
                assert not wrong_values(family.backward, gradient, expected, args).any(), (isa, n)


@every_dtype
@every_family
@np.errstate(all="ignore")
def test_specials_in_every_lane(family, dtype, isa):
    x = cases.every_lane(dtype)
    result = family.with_mask(x, *family.slopes)
    family.assert_forward(result, x)
    grad = np.roll(x, 7)
    family.assert_backward(family.from_mask(grad, result[1], *family.slopes), grad, x)


@every_kept_dtype
@np.errstate(all="ignore")
def test_every_alignment_and_the_memory_around(family, dtype, isa):
    n = 8 * cases.WIDEST_VECTOR // dtype.itemsize + 131
    x, grad = sample(dtype, n, 1), sample(dtype, n, 2)
    y, bits = family.expected(x)
    for layout in cases.alignments(dtype):
        placed, out, mask = layout.place(x), layout.empty(n, dtype), memory_for(n)
        y_out, made = family.with_mask(placed, *family.slopes, out, mask)
        assert y_out is out
        assert not wrong_values(family.ufunc, out, y, (x, *family.slopes)).any()
        assert mask.tobytes() == bits.tobytes()
        assert_guarded(mask)
        assert cases.guards_intact(out)
        assert family.from_mask(grad, made, *family.slopes, out=out) is out
        family.assert_backward(out, grad, x)
        assert cases.guards_intact(out)
        assert family.with_mask(placed, *family.slopes, placed, made)[0] is placed
        assert not wrong_values(family.ufunc, placed, y, (x, *family.slopes)).any()
        assert cases.guards_intact(placed)


@every_dtype
@every_family
@np.errstate(all="ignore")
def test_layouts(family, dtype):
    """Of x, of out and in place; the bits are always in C order."""
    flat = sample(dtype, 205, 3)
    for name, layout in LAYOUTS.items():
        x = layout.place(flat)
        plain = x.copy()[()]
        y, mask = family.with_mask(x, *family.slopes)
        family.assert_forward((y, mask), plain)
        family.assert_backward(family.from_mask(x, mask, *family.slopes), plain, plain)
        out = layout.empty(205, family.expected(plain)[0].dtype)
        for given in (x, x.copy(order="C")):
            y, mask = family.with_mask(given, *family.slopes, out=out)
            assert y is out
            family.assert_forward((out[()], mask), plain)
        assert family.from_mask(plain, mask, *family.slopes, out=out) is out
        family.assert_backward(out[()], plain, plain)
        if family.keeps_dtype(dtype):
            assert family.with_mask(x, *family.slopes, out=x)[0] is x
            family.assert_forward((x[()], mask), plain)
            assert cases.guards_intact(x), name


@every_family
@np.errstate(invalid="ignore")
def test_orders_of_bytes_and_of_axes(family):
    x = sample("float32", 210, 4).reshape(5, 6, 7)
    for given in (x.astype(">f4"), np.asfortranarray(x), x.transpose(2, 0, 1), x[::-1, :, ::-1]):
        plain = np.array(given, "=f4", order="C")
        y, mask = family.with_mask(given, *family.slopes)
        assert y.dtype == np.float32
        assert y.strides == family.ufunc(given, *family.slopes).strides
        family.assert_forward((np.ascontiguousarray(y), mask), plain)
        family.assert_backward(family.from_mask(given, mask, *family.slopes), plain, plain)
    broadcast = np.broadcast_to(x[:1], x.shape)
    family.assert_forward(family.with_mask(broadcast, *family.slopes), broadcast.copy())


def test_dtypes_with_metadata():
    x = np.array([-1.0, 2.0], np.dtype("f8", metadata={"unit": "m"}))
    y, mask = fr.relu_with_mask(x)
    assert y.tolist() == [0.0, 2.0]
    assert mask.bits.tolist() == [2]
    assert fr.relu_backward_from_mask(x, mask).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("shift", [1, 3, 64, -1, -3, -64])
@every_family
@np.errstate(all="ignore")
def test_partial_overlap_is_as_if_copied_first(family, shift):
    for n in (10, 300, 5000):
        memory = sample("float32", n + 64, 5).copy()
        start = max(-shift, 0)
        x, out = memory[start : start + n], memory[start + shift :][:n]
        if out.size < n:
            continue
        before = x.copy()
        family.assert_forward(family.with_mask(x, *family.slopes, out), before)
        memory[:] = sample("float32", n + 64, 5)
        mask = fr.Mask(family.expected(before)[1], n, family.name)
        family.from_mask(x, mask, *family.slopes, out=out)
        family.assert_backward(out, before, before)


def test_masks_that_overlap():
    memory = sample("float32", 64, 6).copy()
    expected = reference.relu_with_mask(memory)
    inside = memory.view(np.uint8)[4:12]
    y, mask = fr.relu_with_mask(memory, mask=inside)  # in x: as if x had been copied first
    assert_same_bytes(y, expected[0])
    assert_same_bytes(mask.bits, expected[1])

    memory = sample("float32", 64, 6).copy()
    inside = memory.view(np.uint8)[:8]
    before, bits = memory.copy(), inside.copy()
    assert fr.relu_backward_from_mask(before, fr.Mask(inside, 64), out=memory) is memory
    assert_same_bytes(memory, reference.relu_backward_from_mask(before, bits))

    out = np.ones(64, np.float32)
    for wrong in (out.view(np.uint8)[:8], out.view(np.uint8)[-8:]):
        with pytest.raises(ValueError, match="mask and out share memory"):
            fr.relu_with_mask(before, out, wrong)
    assert (out == 1).all()


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64", "longdouble"])
@every_family
@np.errstate(all="ignore")
def test_any_number_of_threads(family, dtype):
    """Fresh pages, recycled ones, given ones, in place: pieces end inside of cache lines."""
    n = (3 << 20) // np.dtype(dtype).itemsize * 2 + 77
    x = np.resize(sample(dtype, 1 << 12, 7), n)
    y, bits = np.resize(family.ufunc(x[: 1 << 12], *family.slopes), n), None
    for threads in (1, 2, 3, 8):
        fr.set_num_threads(threads)
        fr.trim()
        for _ in range(3):  # the second call of a series finds workers awake
            out = np.empty_like(y)
            for result in (
                family.with_mask(x, *family.slopes),
                family.with_mask(x, *family.slopes, out),
                *([family.with_mask(x.copy(), *family.slopes)] if threads == 3 else []),
            ):
                bits = pack(x > 0) if bits is None and family is LEAKY else bits
                bits = pack(~(x <= 0)) if bits is None else bits
                assert_same_bytes(result[1].bits, bits)
                assert not wrong_values(family.ufunc, result[0], y, (x, *family.slopes)).any()
        mask = fr.Mask(bits, n, family.name)
        gradient = family.from_mask(x, mask, *family.slopes)
        assert not wrong_values(family.backward, gradient, y, (x, x, *family.slopes)).any()
        if family.keeps_dtype(dtype):
            place = x.copy()
            assert family.from_mask(place, mask, *family.slopes, out=place) is place
            assert not wrong_values(family.backward, place, y, (x, x, *family.slopes)).any()


@pytest.mark.slow
@every_family
@pytest.mark.parametrize("threads", [1, 4])
def test_beyond_the_last_cache(family, threads):
    """Where results are streamed, into memory that begins anywhere in a vector."""
    fr.set_num_threads(threads)
    x = np.resize(np.linspace(-1, 1, 1001, dtype=np.float32), (12 << 20) + 5)
    for offset in (0, 1, 7):
        given = x[offset:]
        out, mask = np.ones_like(x)[offset:], memory_for(given.size)
        made = family.with_mask(given, *family.slopes, out, mask)[1]
        assert out.tobytes() == family.ufunc(given, *family.slopes).tobytes()
        assert mask.tobytes() == pack(given > 0).tobytes()
        assert_guarded(mask)
        family.from_mask(given, made, *family.slopes, out=out)
        assert out.tobytes() == family.backward(given, given, *family.slopes).tobytes()


def test_callers_on_many_threads():
    inputs = [cases.sample("float32", 1 << 20, seed) for seed in range(5)]
    results = [None] * len(inputs)
    ready = threading.Barrier(len(inputs))

    def call(k):
        ready.wait()
        results[k] = fr.relu_with_mask(inputs[k])

    callers = [threading.Thread(target=call, args=(k,)) for k in range(len(inputs))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for x, result in zip(inputs, results, strict=True):
        RELU.assert_forward(result, x)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@np.errstate(all="ignore")
def test_the_ways_back_agree(dtype, isa):
    """From the input, from the output and from the mask: relu's always, leaky's where legal."""
    x = cases.every_lane(dtype)
    grad = np.random.default_rng(8).permutation(x)
    y, mask = fr.relu_with_mask(x)
    from_input = fr.relu_backward(grad, x)
    for other in (fr.relu_backward(grad, y), fr.relu_backward_from_mask(grad, mask)):
        assert_same_bytes(other, from_input)
    for slope in (0.0, -0.0, 0.01, 1.0, 3.0, -2.0, np.nan, np.inf):
        y, mask = fr.leaky_relu_with_mask(x, slope)
        ways = [fr.leaky_relu_backward_from_mask(grad, mask, slope)]
        if slope >= 0:
            ways.append(fr.leaky_relu_backward_from_output(grad, y, slope))
        expected = fr.leaky_relu_backward(grad, x, slope)
        for other in ways:
            assert not wrong_values(
                fr.leaky_relu_backward, other, expected, (grad, x, slope)
            ).any(), slope


@np.errstate(invalid="ignore")
def test_the_bits_of_nan():
    x = np.array([np.nan, -np.nan, *signalling_nan(), 1, -0.0, 0.0, -1, np.inf], np.float32)
    assert fr.relu_with_mask(x)[1].bits.tolist() == [0b10001111]
    assert fr.leaky_relu_with_mask(x)[1].bits.tolist() == [0b10001000]


@every_dtype
@every_family
def test_what_is_no_plain_array(family, dtype):
    """Numbers, arrays without axes, without elements, lists, several axes."""
    kind = dtype.type
    for x in (kind(1), np.array(kind(1)), np.empty(0, dtype), np.ones((2, 0, 3), dtype)):
        y, mask = family.with_mask(x, *family.slopes)
        assert type(y) is type(family.ufunc(x, *family.slopes))
        family.assert_forward((y, mask), x)
        assert_same_bytes(
            family.from_mask(x, mask, *family.slopes), family.backward(x, x, *family.slopes)
        )
    x = np.ones((3, 1, 5), dtype)
    y, mask = family.with_mask(x, *family.slopes)
    assert y.shape == x.shape
    assert mask.shape == x.shape
    assert mask.bits.tolist() == [255, 127]


@every_family
def test_numbers_and_lists(family):
    for x in (3, -3, 1.5, [-1.0, 2.0], [[1, -2], [3, 4]], (), range(-2, 3)):
        y, mask = family.with_mask(x, *family.slopes)
        assert_same_bytes(y, family.ufunc(np.asarray(x), *family.slopes))
        assert_same_bytes(mask.bits, pack(np.asarray(x) > 0))
        expected = family.backward(np.asarray(x), np.asarray(x), *family.slopes)
        assert_same_bytes(family.from_mask(x, mask, *family.slopes), expected)
    out = np.empty((), np.float64)
    assert family.with_mask(2.0, *family.slopes, out)[0] is out
    assert out == 2


SLOPES = (
    2,
    -0.5,
    np.nan,
    np.float32(0.25),
    np.float64(0.25),
    np.float16(0.25),
    np.full(7, 0.5),
    np.linspace(-1, 1, 7, dtype=np.float32),
    np.linspace(-1, 1, 5, dtype=np.float32)[:, None],
    np.ones((1, 1)),
    [0.5] * 7,
)


@pytest.mark.parametrize("slope", SLOPES, ids=str)
@every_dtype
@np.errstate(all="ignore")
def test_slopes_are_those_of_the_ufunc(dtype, slope):
    x, grad = sample(dtype, 35, 9).reshape(5, 7), sample(dtype, 35, 10).reshape(5, 7)
    for function in (reference.leaky_relu, reference.leaky_relu_backward):
        try:
            function(*([x] * (1 + ("backward" in function.__name__))), slope)
        except TypeError:
            pytest.skip("no common dtype")
    y, mask = fr.leaky_relu_with_mask(x, slope)
    assert_same_bytes(mask.bits, reference.leaky_relu_with_mask(x)[1])
    assert_as_promised(fr.leaky_relu, y, x, slope)
    gradient = fr.leaky_relu_backward_from_mask(grad, mask, slope)
    assert_as_promised(fr.leaky_relu_backward, gradient, grad, x, slope)
    keyword, _ = fr.leaky_relu_with_mask(x, negative_slope=slope)
    assert not wrong_values(fr.leaky_relu, keyword, y, (x, slope)).any()


def test_signatures():
    assert str(inspect.signature(fr.relu_with_mask)).split(" ->")[0].count("=") == 2
    x, slope = np.array([-1.0, 2.0]), 0.01
    assert fr.leaky_relu_with_mask(x)[0].tolist() == [-1 * slope, 2]
    mask = fr.leaky_relu_with_mask(x)[1]
    assert fr.leaky_relu_backward_from_mask(x, mask).tolist() == [-1 * slope, 2]
    assert fr.leaky_relu_backward_from_output(x, x).tolist() == [-1 * slope, 2]
    for function in (fr.relu_with_mask, fr.leaky_relu_with_mask):
        with pytest.raises(TypeError):
            function(x=x)


# Errors, before anything is written.


def wrong_bits():
    yield "one byte too few", np.zeros(1, np.uint8), ValueError, "1 bytes"
    yield "one byte too many", np.zeros(3, np.uint8), ValueError, "3 bytes"
    yield "one byte an element", np.zeros(10, np.uint8), ValueError, "10 bytes"
    yield "other dtype", np.zeros(2, np.int8), TypeError, "int8"
    yield "bool", np.zeros(10, np.bool_), TypeError, "holds bool.*"
    yield "two axes", np.zeros((2, 1), np.uint8), ValueError, "2 axes"
    yield "no axis", np.array(0, np.uint8), ValueError, "0 axes"
    yield "not contiguous", np.zeros(4, np.uint8)[::2], ValueError, "contiguous"
    yield "bytes", b"\0\0", TypeError, "bytes"
    yield "list", [0, 0], TypeError, "list"


@pytest.mark.parametrize("case", list(wrong_bits()), ids=lambda case: case[0])
@every_family
def test_wrong_bits_are_refused(family, case):
    _, bits, error, given = case
    x, out = np.linspace(-1, 1, 10), np.full(10, 7.0)
    before = np.array(bits).tobytes()
    for layout in (slice(None), slice(None, None, -1)):
        with pytest.raises(error, match=rf"^{family}_with_mask: mask .*{given}.*2 contiguous byte"):
            family.with_mask(x[layout], *family.slopes, out[layout], bits)
        assert (out == 7).all()
        assert np.array(bits).tobytes() == before
    with pytest.raises(error, match=rf"^Mask: bits .*{given}.*2 contiguous byte"):
        fr.Mask(bits, 10, family.name)


WRONG_MASKS = {
    "saved bits": (lambda f: np.zeros(2, np.uint8), TypeError, r"fr\.Mask\(bits, shape, kind\)"),
    "bools": (lambda f: np.zeros(10, np.bool_), TypeError, r"array of bool.*fr\.Mask\.from_bool"),
    "nothing": (lambda f: None, TypeError, "NoneType"),
    "other shape": (lambda f: fr.Mask(np.zeros(2, np.uint8), (2, 5), f), ValueError, r"\(2, 5\)"),
    "same bytes": (lambda f: fr.Mask(np.zeros(2, np.uint8), 9, f), ValueError, r"\(9,\).*\(10,\)"),
    "other kind": (lambda f: fr.Mask(np.zeros(2, np.uint8), 10, other(f)), ValueError, "kind"),
    "changed": (lambda f: shrunk(fr.Mask(np.zeros(2, np.uint8), 10, f)), ValueError, "1 bytes"),
}


def other(kind):
    return "relu" if kind == "leaky_relu" else "leaky_relu"


def shrunk(mask):
    mask.bits.resize(1, refcheck=False)
    return mask


@pytest.mark.parametrize("make, error, words", WRONG_MASKS.values(), ids=WRONG_MASKS)
@every_family
def test_wrong_masks_are_refused(family, make, error, words):
    """By the gradient, and as the place of new bits; nothing is written."""
    grad, out, mask = np.linspace(-1, 1, 10), np.full(10, 7.0), make(family.name)
    for layout in (slice(None), slice(None, None, -1)):
        with pytest.raises(error, match=rf"^{family}_backward_from_mask: mask.*{words}"):
            family.from_mask(grad[layout], mask, *family.slopes, out=out[layout])
        if isinstance(mask, fr.Mask):
            with pytest.raises(error, match=rf"^{family}_with_mask: mask.*{words}"):
                family.with_mask(grad[layout], *family.slopes, out[layout], mask)
            assert not mask.bits.any()
        assert (out == 7).all()


@every_family
def test_wrong_outputs_are_refused(family):
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    mask, made = memory_for(12), family.with_mask(x, *family.slopes)[1]
    read_only = np.full((3, 4), 7.0)
    read_only.flags.writeable = False
    for out, error, words in (
        (np.full((4, 3), 7.0), ValueError, r"out has shape \(4, 3\), but \w+ has \(3, 4\)"),
        (np.full((2, 3, 4), 7.0), ValueError, "out has shape"),
        (np.full(12, 7.0), ValueError, "out has shape"),
        (read_only, ValueError, "read-only"),
        (np.full((3, 4), 7), TypeError, "Cannot cast"),
        ([7.0] * 12, TypeError, None),
    ):
        with pytest.raises(error, match=words):
            family.with_mask(x, *family.slopes, out, mask)
        with pytest.raises(error, match=words):
            family.from_mask(x, made, *family.slopes, out=out)
        assert np.all(np.equal(out, 7))
        assert (mask == 0xA5).all()
    mask.flags.writeable = False
    out = np.full((3, 4), 7.0)
    with pytest.raises(ValueError, match="mask is read-only"):
        family.with_mask(x, *family.slopes, out, mask)
    assert (out == 7).all()


@every_family
def test_other_dtypes_of_the_output(family):
    x = np.linspace(-1, 1, 10, dtype=np.float32)
    out = np.full(10, 7.0)
    y, mask = family.with_mask(x, *family.slopes, out)
    assert y is out
    assert_same_bytes(out, family.ufunc(x, *family.slopes).astype(float))
    family.from_mask(x, mask, *family.slopes, out=out)
    assert_same_bytes(out, family.ufunc(x, *family.slopes).astype(float))


@pytest.mark.parametrize(
    "x", [np.array([True]), np.array([1j]), np.array([1.0], object), np.array(["1"]), None, "text"]
)
@every_family
def test_wrong_types_are_refused(family, x):
    mask = memory_for(1)
    with pytest.raises(TypeError):
        family.with_mask(x, *family.slopes, mask=mask)
    assert (mask == 0xA5).all()
    with pytest.raises(TypeError):
        family.from_mask(
            x, fr.Mask(np.zeros(1, np.uint8), np.shape(x), family.name), *family.slopes
        )


def test_wrong_slopes_are_refused():
    x, mask = np.ones((2, 3)), memory_for(6)
    made = fr.leaky_relu_with_mask(x)[1]
    for slope, error in ((True, TypeError), (1j, TypeError), ("text", TypeError)):
        with pytest.raises(error):
            fr.leaky_relu_with_mask(x, slope, None, mask)
        with pytest.raises(error):
            fr.leaky_relu_backward_from_mask(x, made, slope)
    for slope in (np.ones(2), np.ones((2, 2, 3)), np.ones((3, 2))):
        for call in (
            lambda s=slope: fr.leaky_relu_with_mask(x, s, None, mask),
            lambda s=slope: fr.leaky_relu_backward_from_mask(x, made, s),
        ):
            with pytest.raises(ValueError, match=re.escape(f"{slope.shape}") + "|broadcast"):
                call()
    assert (mask == 0xA5).all()


ILLEGAL = (-0.5, -1, np.nan, np.float32(-1e-30), np.array([[0.1], [-0.25]]), [0.5, 0.5, np.nan])


@pytest.mark.parametrize("slope", ILLEGAL, ids=str)
def test_from_output_refuses_slopes_that_hide_the_sign(slope):
    grad, out = np.ones((2, 3)), np.full((2, 3), 7.0)
    flat = np.ravel(slope)
    culprit = re.escape(str(flat[~(flat >= 0)][0]))
    with pytest.raises(ValueError, match=rf"negative_slope is {culprit}"):
        fr.leaky_relu_backward_from_output(grad, grad, slope, out)
    assert (out == 7).all()


def test_from_output_says_where_and_takes_legal_slopes():
    grad = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"-0.25 at \(1, 0\)"):
        fr.leaky_relu_backward_from_output(grad, grad, [[0.1], [-0.25]])
    for slope in (0, 0.0, -0.0, 0.5, 2, np.inf, np.float16(0.5), np.ones((2, 1), np.float32)):
        expected = fr.leaky_relu_backward(grad, -grad, slope)
        assert_same_bytes(fr.leaky_relu_backward_from_output(grad, -grad, slope), expected)
    for slope in (True, 1j, "text"):
        with pytest.raises(TypeError):
            fr.leaky_relu_backward_from_output(grad, grad, slope)


# Floating-point reports.


@every_dtype
def test_relu_never_reports(dtype, isa):
    x = cases.every_lane(dtype)
    with np.errstate(all="raise"):
        for values in (x, x[::2], x[:5], x[3:]):
            _, mask = fr.relu_with_mask(values)
            fr.relu_backward_from_mask(values, mask)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_leaky_reports_what_the_product_does(dtype, isa):
    """One product among values that are kept, which would overflow or be invalid."""
    form = cases.format_of(dtype)
    largest, smallest, infinity = cases.from_patterns([form.infinity - 1, 1, form.infinity], dtype)
    for value, slope in product((largest, smallest, infinity, dtype.type(1)), (0.01, 0.0, 4.0)):
        expected = reported(lambda v=-value, s=slope: reference.product(np.atleast_1d(v), s))
        for n in (1, 5, 64, 200):
            for at in {0, n // 2, n - 1}:
                x = np.full(n, value, dtype)
                x[at] = -value
                mask = fr.Mask.from_bool(np.arange(n) != at, "leaky_relu")
                calls = (
                    lambda x=x, s=slope: fr.leaky_relu_with_mask(x, s),
                    lambda x=x, s=slope, m=mask: fr.leaky_relu_backward_from_mask(x, m, s),
                )
                for call in calls:
                    assert reported(call) == expected, (value, slope, n, at)


@pytest.mark.parametrize("threads", [1, 8])
def test_errors_of_large_calls_name_the_function(threads):
    fr.set_num_threads(threads)
    x = np.ones(3 << 20, np.float32)
    x[-5] = -3e38
    with np.errstate(over="raise"):
        with pytest.raises(FloatingPointError, match="leaky_relu_with_mask"):
            fr.leaky_relu_with_mask(x, 4.0)
        mask = fr.leaky_relu_with_mask(x)[1]
        with pytest.raises(FloatingPointError, match="leaky_relu_backward_from_mask"):
            fr.leaky_relu_backward_from_mask(x, mask, 4.0)


@some_dtypes
def test_unused_bits_of_the_last_byte(dtype):
    """Are written as 0 and are not read."""
    for n in (1, 5, 13, 63, 65, 127):
        x = sample(dtype, n, n)
        y, mask = fr.relu_with_mask(x, mask=np.full(-(-n // 8), 255, np.uint8))
        assert mask.bits[-1] >> n % 8 == 0
        mask.bits[-1] |= 255 << n % 8 & 255
        assert not differing(fr.relu_backward_from_mask(x, mask), y).any()


@every_family
@pytest.mark.parametrize("ndim", [33, 64])
def test_as_many_axes_as_numpy_has(family, ndim):
    plain = np.arange(-60, 60, dtype=np.float32).reshape(10, 12)
    slopes = (np.linspace(0.1, 0.3, 12, dtype=np.float32),) if family.slopes else ()
    more = (1,) * (ndim - 2)
    deep_slopes = tuple(each.reshape(each.shape + more) for each in slopes)
    for x in (plain, plain[:, ::-1], plain[::-1], plain.astype(">f4")):
        deep = x.reshape(x.shape + more)
        for out in (None, np.empty(deep.shape, np.float32)):
            y, mask = family.with_mask(deep, *deep_slopes, out=out)
            expected, expected_mask = family.with_mask(x, *slopes)
            assert y.shape == deep.shape
            assert y.tobytes() == expected.tobytes()
            assert mask == fr.Mask(expected_mask.bits, deep.shape, family.name)
            gradient = family.from_mask(deep, mask, *deep_slopes, out=out)
            assert gradient.shape == deep.shape
            assert gradient.tobytes() == family.from_mask(x, expected_mask, *slopes).tobytes()


@asks_too_much
@every_family
@pytest.mark.parametrize("shape", [(0, 2**58), (2**58, 0), (2**29, 0, 2**28), (0, 2**62)], ids=str)
def test_arrays_without_elements_of_any_shape(family, shape):
    x = np.empty(shape, np.int8)
    for each in (x, x.T, x.view(np.recarray)):
        if not family.slopes:
            y, mask = family.with_mask(each)
            assert (y.shape, mask.bits.size) == (each.shape, 0)
            assert family.from_mask(each, mask).shape == each.shape
        elif 2**62 not in shape:  # its result is float64
            y, mask = family.with_mask(each)
            assert (y.shape, mask.bits.size) == (each.shape, 0)
        else:
            with pytest.raises(ValueError, match="too big"):
                family.with_mask(each)
    views = np.broadcast_to(np.float32(1), 2**58)
    with pytest.raises(MemoryError):
        family.with_mask(views)
    with pytest.raises(ValueError, match="shape"):
        family.from_mask(views, fr.Mask(np.zeros(1, np.uint8), 1, family.name))
