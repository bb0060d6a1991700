"""`verify` finds nothing in the kernels, and finds what is planted."""

from __future__ import annotations

import inspect

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference
from support import ISAS, UFUNCS

NAMES = [ufunc.__name__ for ufunc in UFUNCS]


@pytest.mark.slow
def test_nothing_differs():
    result = fr.verify(dtypes=["float32", "int16"], isas=ISAS[:1], progress=False)
    assert result, result
    assert result.failures == ()
    assert {row.function for row in result.rows} >= set(NAMES)
    assert all(row.compared[ISAS[0]] > 0 for row in result.rows)


def test_all_instruction_sets_by_default():
    assert fr.verify(functions=["relu"], dtypes=["int16"], progress=False).isas == ISAS


def broken(name, wrong):
    """A reference that is wrong for some of its results."""
    right = getattr(reference, name)

    def function(*args, **keywords):
        result = np.array(right(*args, **keywords))
        return wrong(result)[()]

    function.__signature__ = inspect.signature(right)
    return function


def negative_zeros(result):
    return np.where(result == 0, np.copysign(result, -1), result)


def one_bit(result):
    flat = result.reshape(-1)
    flat.view(np.uint8)[: 1 if flat.size > 50 else 0] ^= 1
    return result


@pytest.mark.parametrize("name, wrong", [("relu", negative_zeros), *((n, one_bit) for n in NAMES)])
def test_a_planted_difference_is_found(monkeypatch, name, wrong):
    monkeypatch.setattr(reference, name, broken(name, wrong))
    isa = ISAS[-1]
    result = fr.verify(functions=[name], dtypes=["float32"], isas=[isa], progress=False)
    assert not result
    failure = result.failures[0]
    assert (failure.function, failure.dtype, failure.isa) == (name, "float32", isa)
    assert failure.expected != failure.actual
    assert failure.expected.startswith("0x")
    for each in (name, "float32", isa, failure.expected, failure.actual):
        assert each in str(failure)


def test_only_what_was_asked_for():
    result = fr.verify(functions=["relu"], dtypes=["int8"], isas=["scalar"], progress=False)
    assert [(row.function, row.dtype) for row in result.rows] == [("relu", "int8")]
    assert result.isas == ("scalar",)
    assert result.compared > 1000


@pytest.mark.parametrize("wrong", [{"functions": ["nonsense"]}, {"isas": ["nonsense"]}])
def test_what_does_not_exist(wrong):
    with pytest.raises(ValueError, match="nonsense"):
        fr.verify(progress=False, **wrong)


def test_active_isa_is_restored():
    before = _core.isa()
    fr.verify(functions=["relu"], dtypes=["int8"], progress=False)
    assert _core.isa() == before
