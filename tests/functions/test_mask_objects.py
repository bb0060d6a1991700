"""Masks as objects: what they are made of, what they say, and what they refuse."""

from __future__ import annotations

import copy
import pickle
import re
import threading
import weakref

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core

ACTIVE = np.random.default_rng(0).random((3, 5, 7)) > 0.5
KINDS = ["relu", "leaky_relu"]


def mask_of(active=ACTIVE, kind="relu"):
    bits = np.packbits(np.ravel(active), bitorder="little")
    return fr.Mask(bits, np.shape(active), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (8,), (9,), (3, 0, 2), (3, 5, 7), (1,) * 64])
def test_bools_there_and_back(kind, shape):
    active = np.resize(ACTIVE, shape)
    mask = fr.Mask.from_bool(active, kind)
    assert (mask.shape, mask.kind, mask.nbytes) == (shape, kind, -(-active.size // 8))
    assert mask == mask_of(active, kind)
    unpacked = mask.to_bool()
    assert (unpacked.dtype, unpacked.shape) == (np.bool_, shape)
    assert np.array_equal(unpacked, active)


@pytest.mark.parametrize("layout", [np.asfortranarray, np.ndarray.tolist, np.ndarray.view])
def test_bools_of_any_layout(layout):
    assert fr.Mask.from_bool(layout(ACTIVE)) == mask_of()


@pytest.mark.parametrize("function", ["relu_with_mask", "leaky_relu_with_mask"])
def test_a_mask_knows_what_it_is_of(function):
    x = np.random.default_rng(1).standard_normal((4, 6), np.float32)
    for given in (x, x.T, x[::2], x[0, 0], 0.5, x[:0], x.astype(">f4")):
        mask = getattr(fr, function)(given)[1]
        assert type(mask) is fr.Mask
        assert mask.kind == function.removesuffix("_with_mask")
        assert type(mask.shape) is tuple
        assert mask.shape == np.shape(given)
        assert np.array_equal(mask.to_bool(), np.asarray(given) > 0)


@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x[:, ::-1]], ids=["dense", "reversed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_filled_again(kind, layout):
    """The same object, the same memory; an array becomes the memory of a new one."""
    x = layout(np.random.default_rng(2).standard_normal((4, 6)))
    function, expected = getattr(fr, f"{kind}_with_mask"), mask_of(x > 0, kind)
    mask = mask_of(np.zeros((4, 6), bool), kind)
    bits = mask.bits
    assert function(x, mask=mask)[1] is mask
    assert mask.bits is bits
    assert mask == expected
    memory = np.full(3, 255, np.uint8)
    made = function(x, mask=memory)[1]
    assert made.bits is memory
    assert made == expected


def test_the_mask_keeps_the_array():
    bits = np.zeros(2, np.uint8)
    mask = fr.Mask(bits, 9)
    assert mask.bits is bits
    bits[0] = 3
    assert mask.active_count() == 2
    readonly = np.frombuffer(b"\3\0", np.uint8)
    assert fr.Mask(readonly, (3, 3)).active_count() == 2
    with pytest.raises(ValueError, match=r"^relu_with_mask: mask is read-only"):
        fr.relu_with_mask(np.ones(9), mask=fr.Mask(readonly, 9))


def test_equality_is_that_of_contents():
    mask = mask_of()
    assert mask == mask_of()
    assert mask != mask_of(~ACTIVE)
    assert mask != mask_of(ACTIVE.ravel())
    assert mask != mask_of(kind="leaky_relu")
    assert mask != mask.bits.tobytes()
    with pytest.raises(TypeError, match="unhashable"):
        hash(mask)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol):
    mask = mask_of(kind="leaky_relu")
    loaded = pickle.loads(pickle.dumps(mask, protocol))
    assert loaded == mask
    assert loaded.bits is not mask.bits


def test_copies():
    mask = mask_of()
    assert copy.copy(mask).bits is mask.bits
    deep = copy.deepcopy(mask)
    assert deep == mask
    assert deep.bits is not mask.bits


def test_repr_makes_the_mask_again():
    mask = mask_of([True, False, True], "leaky_relu")
    assert repr(mask) == "Mask(array([5], dtype=uint8), shape=(3,), kind='leaky_relu')"
    assert eval(repr(mask), {"Mask": fr.Mask, "array": np.array, "uint8": np.uint8}) == mask


def test_nothing_of_a_mask_can_be_replaced():
    mask = mask_of()
    for name in ("bits", "shape", "kind", "another"):
        with pytest.raises(AttributeError):
            setattr(mask, name, mask.bits)


REFUSED = {
    "kind": (
        (np.zeros(1, np.uint8), 3, "prelu"),
        ValueError,
        "'relu' or 'leaky_relu', not 'prelu'",
    ),
    "no kind": ((np.zeros(1, np.uint8), 3, None), TypeError, "kind must be a str, not NoneType"),
    "unused bits": ((np.full(1, 8, np.uint8), 3), ValueError, "last 5 bits are not 0"),
    "no bits": ((None, 3), TypeError, "bits is a NoneType"),
    "bools": ((np.ones(3, bool), 3), TypeError, "fr.Mask.from_bool(active, kind)"),
    "subclass": ((np.ma.zeros(1, np.uint8), 3), TypeError, "bits is a numpy.ma.MaskedArray"),
}


@pytest.mark.parametrize("arguments, error, words", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_mask_is_refused(arguments, error, words):
    with pytest.raises(error, match="^Mask: .*" + re.escape(words)):
        fr.Mask(*arguments)


def test_what_is_not_bool_is_refused():
    with pytest.raises(TypeError, match=r"^Mask.from_bool: active holds float64, not bool; pass a"):
        fr.Mask.from_bool([0.0, 1.0])
    with pytest.raises(TypeError, match=r"^Mask.from_bool: active is a numpy.ma.MaskedArray"):
        fr.Mask.from_bool(np.ma.array([True]))


def test_bits_that_were_changed_are_refused():
    """An array may get another length while a mask holds it."""
    for method in ("active_count", "sparsity", "dead_units", "to_bool"):
        for axis in ((), (0,), (1,)):
            mask = mask_of()
            mask.bits.resize(1, refcheck=False)
            with pytest.raises(
                ValueError, match=r"^Mask.*: bits has 1 bytes; the bits of an array"
            ):
                getattr(mask, method)(*(axis if method != "to_bool" else ()))


BITS = np.zeros(1, np.uint8)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (BITS, (8,)),
        (BITS.tolist(), (8,), "relu"),
        (BITS, [8], "relu"),
        (BITS, (8.0,), "relu"),
        (BITS, (-8,), "relu"),
        (BITS, (2**40, 2**40), "relu"),
        (BITS, (2**70,), "relu"),
        (BITS, (1,) * 65, "relu"),
        (BITS, (8,), "prelu"),
        (BITS, (8,), b"relu"),
    ],
    ids=str,
)
def test_the_extension_makes_no_dangerous_mask(arguments):
    """Whatever is put around the checks of Python."""
    for kind in (_core.Mask, fr.Mask):
        with pytest.raises((TypeError, ValueError)):
            _core.Mask.__new__(kind, *arguments)
    with pytest.raises(TypeError):
        _core.set_mask_class(int)


def test_masks_without_checks_are_checked_where_they_are_used():
    mask = _core.Mask.__new__(fr.Mask, np.zeros(1, np.uint8), (3, 1000), "relu")
    grad = np.ones((3, 1000))
    for call in (
        mask.active_count,
        mask.sparsity,
        mask.dead_units,
        mask.to_bool,
        lambda: fr.relu_backward_from_mask(grad, mask),
        lambda: fr.relu_with_mask(grad, mask=mask),
        lambda: fr.add_relu_with_mask(grad, grad, mask=mask),
    ):
        with pytest.raises(ValueError, match="1 bytes"):
            call()


def test_masks_are_given_back():
    """They, and their arrays, when nobody holds them any more."""
    x = np.ones(100)
    held = [weakref.ref(fr.relu_with_mask(x)[1].bits) for _ in range(5)]
    assert not any(each() for each in held)


def test_a_mask_that_many_threads_read():
    x = np.random.default_rng(3).standard_normal((64, 100))
    mask = fr.relu_with_mask(x)[1]
    counts = np.count_nonzero(x > 0, axis=0)
    wrong = []

    def read():
        for _ in range(200):
            gradient = fr.relu_backward_from_mask(x, mask)
            if not (np.array_equal(mask.active_count(0), counts) and (gradient >= 0).all()):
                wrong.append(gradient)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
