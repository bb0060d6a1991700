"""Ufuncs with a trailing underscore overwrite their first argument, or say why not."""

from __future__ import annotations

import ctypes
import mmap
import sys
from array import array

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing.cases import LAYOUTS
from support import DTYPES, UFUNCS, assert_as_promised, oracle, takes_slope

IN_PLACE = [name for name in fr.__all__ if name.endswith("_") and hasattr(fr, name.rstrip("_"))]
PAIRS = [(getattr(fr, name), getattr(fr, name.rstrip("_"))) for name in IN_PLACE]


def pairs_with(condition):
    chosen = [pytest.param(*pair, id=pair[0].__name__) for pair in PAIRS if condition(pair[1])]
    return pytest.mark.parametrize("in_place, ufunc", chosen)


every_pair = pairs_with(lambda ufunc: True)
every_leaky_pair = pairs_with(takes_slope)


def others(ufunc, first):
    """What follows the first argument: an array as large, or nothing."""
    return () if ufunc.nin - takes_slope(ufunc) == 1 else (np.array(first)[..., ::-1].copy(),)


def dtypes_of(ufunc):
    """Those that the result fits into."""
    kept = {types[0] for types in ufunc.types if types[0] == types[-1]}
    return [dtype for dtype in DTYPES if dtype.char in kept]


def test_forward_and_backward_have_an_in_place_form():
    named_after = {"relu", "relu_backward", "leaky_relu", "leaky_relu_backward"}
    assert {ufunc for _, ufunc in PAIRS} == {u for u in UFUNCS if u.__name__ in named_after}


@every_pair
@np.errstate(all="ignore")
def test_ndarrays_of_every_layout(in_place, ufunc):
    for dtype in dtypes_of(ufunc):
        for name, layout in LAYOUTS.items():
            x = layout.place(np.resize([-3, 0, 2, 1, -1, 5, 7], 40).astype(dtype))
            rest, before = others(ufunc, x) if x.ndim else (x.copy(),) * (ufunc.nin > 2), x.copy()
            if ufunc is fr.relu_backward and not x.ndim:
                rest = (x.copy(),)
            assert in_place(x, *rest) is x
            assert_as_promised(ufunc, x[()], before, *rest), name


@every_leaky_pair
def test_slopes(in_place, ufunc):
    plain = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
    for slope in (0.5, np.float32(0.5), np.array([[0.1], [0.2], [0.3]], np.float32)):
        for keyword in (True, False):
            x, rest = plain.copy(), others(ufunc, plain)
            arguments = ((), {"negative_slope": slope}) if keyword else ((slope,), {})
            assert in_place(x, *rest, *arguments[0], **arguments[1]) is x
            assert_as_promised(ufunc, x, plain, *rest, slope)


@every_pair
def test_typed_arrays_of_the_standard_library(in_place, ufunc):
    for code in "bBhHiIlLqQfd":
        if np.dtype(code) in dtypes_of(ufunc):
            x = array(code, [0, 3, 1, 100])
            expected = oracle(ufunc)(np.array(x), *others(ufunc, x))
            assert in_place(x, *others(ufunc, x)) is x
            assert x.tobytes() == expected.tobytes()
            x.append(1)  # nobody holds its memory any more


def views():
    yield memoryview(array("d", [-1, 2, -3, 4]))
    yield memoryview(array("d", [-1, 2, -3, 4]))[::2]
    yield memoryview(array("d", [-1, 2, -3, 4]))[::-1]
    yield memoryview(bytearray(np.array([-1.0, 2, -3, 4]).tobytes())).cast("d")
    yield memoryview(np.array([[-1.0, 2], [-3, 4]]))
    yield memoryview(np.array([[-1.0, 2], [-3, 4]]).T)
    yield memoryview(np.array([-1.0, 2], np.float32))


@every_pair
def test_typed_memoryviews(in_place, ufunc):
    for view in views():
        before = np.array(view)
        rest = others(ufunc, before)
        assert in_place(view, *rest) is view
        assert_as_promised(ufunc, np.array(view), before, *rest)


class Pair(ctypes.Structure):
    _fields_ = (("a", ctypes.c_double), ("b", ctypes.c_double))


FORMATS = {
    **{code: memoryview(bytearray(16)).cast(code) for code in "cbBhHiIlLqQnNfdP?"},
    "big-endian double": (ctypes.c_double.__ctype_be__ * 2)(),
    "big-endian int": (ctypes.c_int.__ctype_be__ * 2)(),
    "ctypes float": (ctypes.c_float * 2 * 3)(),
    "ctypes long double": (ctypes.c_longdouble * 2)(),
    "ctypes pointer": (ctypes.c_void_p * 2)(),
    "ctypes wide character": (ctypes.c_wchar * 2)(),
    "ctypes structure": (Pair * 2)(),
    "array of characters": array("w" if sys.version_info >= (3, 13) else "u", "ab"),
}


@pytest.mark.parametrize("buffer", FORMATS.values(), ids=FORMATS)
def test_every_buffer_is_overwritten_or_refused(buffer):
    """It never happens that a copy is overwritten instead."""
    view = memoryview(buffer)
    memory, is_float = view.cast("B"), view.format[-1] in "fd"
    below_0 = np.full(view.nbytes // view.itemsize, -1.0, view.format) if is_float else None
    memory[:] = below_0.tobytes() if is_float else bytes([0xFF] * memory.nbytes)
    before = bytes(memory)
    try:
        result = fr.relu_(buffer)
    except TypeError as refusal:
        assert str(refusal).startswith("relu_")
        assert bytes(memory) == before
    else:
        assert result is buffer
        unsigned = np.dtype(view.format).kind == "u"
        assert bytes(memory) == (before if unsigned else bytes(memory.nbytes))


def test_a_copy_is_never_overwritten_instead(monkeypatch):
    """Should NumPy copy a buffer for once."""
    monkeypatch.setattr(np, "asarray", lambda buffer, copy=None: np.array(buffer))
    x = array("d", [-1.0, 2.0])
    with pytest.raises(TypeError, match=r"^relu_ .*copies.*fastrelu\.relu\("):
        fr.relu_(x)
    assert x.tolist() == [-1.0, 2.0]


@every_pair
def test_released_views_are_refused(in_place, ufunc):
    view = memoryview(array("d", [-1.0]))
    view.release()
    with pytest.raises(ValueError, match=rf"^{in_place.__name__}: .*released"):
        in_place(view, *others(ufunc, [1.0]))


@every_pair
def test_foreign_byte_order(in_place, ufunc):
    plain = np.array([-1.0, 2.0, -3.0])
    x = plain.astype(plain.dtype.newbyteorder())
    assert in_place(x, *others(ufunc, plain)) is x
    assert_as_promised(ufunc, x.astype(float), plain, *others(ufunc, plain))


@every_pair
def test_subclasses_keep_their_class(in_place, ufunc):
    class Own(np.ndarray):
        pass

    x = np.array([-1.0, 2.0]).view(Own)
    assert in_place(x, *others(ufunc, x)) is x
    assert x[0] == oracle(ufunc)(np.array([-1.0, 2.0]), *others(ufunc, [-1.0, 2.0]))[0]


def test_gradient_and_its_input_may_be_one_array():
    x = np.array([-1.0, 2.0])
    assert fr.relu_backward_(x, x) is x
    assert x.tolist() == [0.0, 2.0]


def read_only(x):
    x.flags.writeable = False
    return x


READ_ONLY = {
    "array": lambda: read_only(np.array([-1.0, 2.0])),
    "broadcast": lambda: np.broadcast_to(-1.0, (2,)),
    "memoryview": lambda: memoryview(array("d", [-1.0, 2.0])).toreadonly(),
    "cast of bytes": lambda: memoryview(np.array([-1.0, 2.0]).tobytes()).cast("d"),
}


@pytest.mark.parametrize("make", READ_ONLY.values(), ids=READ_ONLY)
@every_pair
def test_read_only_buffers_are_refused(in_place, ufunc, make):
    x = make()
    with pytest.raises(ValueError, match=rf"read-only.*fastrelu\.{ufunc.__name__}\("):
        in_place(x, *others(ufunc, [1.0, 2.0]))
    assert np.array(x)[0] == -1.0


NO_BUFFER = {
    "list": [-1.0, 2.0],
    "tuple": (-1.0, 2.0),
    "number": -1.0,
    "None": None,
    "str": "text",
    "generator": (each for each in (-1.0, 2.0)),
}


@pytest.mark.parametrize("value", NO_BUFFER.values(), ids=NO_BUFFER)
@every_pair
def test_what_has_no_buffer_is_refused(in_place, ufunc, value):
    with pytest.raises(TypeError, match=rf"{type(value).__name__}.*fastrelu\.{ufunc.__name__}\("):
        in_place(value, *others(ufunc, [1.0, 2.0]))


class OwnBytes(bytearray):
    pass


RAW = np.array([-1.0, 2.0]).tobytes()
UNTYPED = {
    "bytearray": lambda: bytearray(RAW),
    "subclass of bytearray": lambda: OwnBytes(RAW),
    "bytes": lambda: RAW,
    "mmap": lambda: mmap.mmap(-1, len(RAW)),
}


@pytest.mark.parametrize("make", UNTYPED.values(), ids=UNTYPED)
@every_pair
def test_buffers_without_an_element_type_are_refused(in_place, ufunc, make):
    buffer = make()
    before = bytes(buffer[:])
    with pytest.raises(TypeError, match=r"np\.frombuffer\(.*dtype="):
        in_place(buffer, *others(ufunc, [1.0, 2.0]))
    assert bytes(buffer[:]) == before


def test_advice_for_buffers_without_an_element_type_works():
    buffer = bytearray(RAW)
    fr.relu_(np.frombuffer(buffer, dtype=np.float64))
    assert buffer == np.array([0.0, 2.0]).tobytes()


WRONG_TYPES = {
    "bool": np.array([True, False]),
    "complex": np.array([1j, 2]),
    "object": np.array([1.0, 2.0], object),
    "str": np.array(["1", "2"]),
    "datetime": np.array([1, 2], "M8[s]"),
    "structured": np.zeros(2, "i4,f4"),
    "memoryview of bool": memoryview(bytearray(2)).cast("?"),
    "memoryview of char": memoryview(bytearray(2)).cast("c"),
}


@pytest.mark.parametrize("value", WRONG_TYPES.values(), ids=WRONG_TYPES)
@every_pair
def test_wrong_element_types_are_refused(in_place, ufunc, value):
    before = np.array(value).tobytes()
    with pytest.raises(TypeError):
        in_place(value, *others(ufunc, [1.0, 2.0]))
    assert np.array(value).tobytes() == before


@every_leaky_pair
def test_leaky_functions_refuse_integers(in_place, ufunc):
    for x in (np.array([-1, 2]), array("i", [-1, 2])):
        with pytest.raises(TypeError, match=r"float64.*fastrelu"):
            in_place(x, *others(ufunc, [1.0, 2.0]))
        assert list(x) == [-1, 2]


@pairs_with(lambda ufunc: ufunc.nin > 1)
def test_results_that_do_not_fit_are_refused(in_place, ufunc):
    x = np.array([-1.0, 2.0])
    with pytest.raises(ValueError, match="broadcast"):
        in_place(x, *[np.ones((3, 2))] * (ufunc.nin - 1))
    assert x.tolist() == [-1.0, 2.0]


def test_a_gradient_of_another_dtype_is_refused():
    integers = np.array([1, 2], np.int16)
    with pytest.raises(TypeError, match="Cannot cast"):
        fr.relu_backward_(integers, np.ones(2))
    assert integers.tolist() == [1, 2]
