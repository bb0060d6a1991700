"""`verify` finds nothing in the kernels, and finds what is planted."""

from __future__ import annotations

import functools
import hashlib
import re

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference, testing
from fastrelu.testing import _shares, _ufuncs
from smooth import exact
from support import INTERNAL, ISAS, UFUNCS, usual_dtype

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

    @functools.wraps(right)
    def function(*args, **keywords):
        result = np.array(right(*args, **keywords))
        return wrong(result)[()]

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
    isa, dtype = ISAS[-1], usual_dtype(getattr(_core, name)).name
    result = fr.verify(functions=[name], dtypes=[dtype], isas=[isa], progress=False)
    assert not result
    failure = result.failures[0]
    assert (failure.function, failure.dtype, failure.isa) == (name, dtype, isa)
    assert failure.expected != failure.actual
    assert failure.expected.startswith("0x")
    for each in (name, dtype, isa, failure.expected, failure.actual):
        assert each in str(failure)


def times(name, factor):
    """A reference whose results are all too large."""
    right = getattr(reference, name)

    @functools.wraps(right)
    @np.errstate(over="ignore")
    def function(*args, **keywords):
        results = right(*args, **keywords)
        several = results if isinstance(results, tuple) else (results,)
        wrong = tuple((each.astype(np.longdouble) * factor).astype(each.dtype) for each in several)
        return wrong if isinstance(results, tuple) else wrong[0]

    return function


@pytest.mark.parametrize("dtype, units", [("float16", 2), ("float32", 2), ("float64", 8)])
@pytest.mark.parametrize("name", _shares.ARRAYS)
def test_shares_are_held_to_their_accuracy(monkeypatch, name, dtype, units):
    """What gradients cancel may be lost in float64, so that they may be further off."""
    more = 1 << 10 if dtype == "float64" and name.endswith("_backward") else 1
    chosen = {"functions": name, "dtypes": dtype, "isas": ISAS[:1], "progress": False}
    right = fr.verify(**chosen)
    assert right, right
    factor = 1 + units * more * np.longdouble(np.finfo(dtype).eps)
    monkeypatch.setattr(reference, name, times(name, factor))
    assert not fr.verify(**chosen)


@pytest.mark.parametrize("name", ["relu", "relu_backward", "leaky_relu"])
@pytest.mark.parametrize("is_broken", [False, True])
def test_exhaustive(monkeypatch, name, is_broken):
    """Of all patterns, those around 1.0."""
    if is_broken:
        monkeypatch.setattr(reference, name, broken(name, one_bit))
    one = np.float32(1).view(np.uint32)
    monkeypatch.setattr(_ufuncs, "BLOCKS", range(one - (1 << 16), one + (1 << 16), 1 << 16))
    chosen = {"functions": [name, "relu6"], "dtypes": "float32", "isas": "scalar"}
    *_, row = fr.verify(**chosen, exhaustive=True, progress=False).rows
    assert (row.function, row.dtype) == (name, "float32, all")
    assert row.compared["scalar"] == (1 << 16 if is_broken else 1 << 17)
    assert [each.case for each in row.failures.values()] == ["block at 0x3f7f0000"] * is_broken


@pytest.mark.parametrize("is_broken", [False, True])
def test_exhaustive_by_digest(monkeypatch, capsys, is_broken):
    """Of smooth functions: here of some patterns, with their digest."""
    one = int(np.float32(1).view(np.uint32))
    patterns = range(one - (1 << 16), one + (1 << 16), 1 << 16)
    x = np.arange(patterns.start, patterns.stop, dtype=np.uint32).view(np.float32)
    right = hashlib.sha256(reference.sigmoid(x)).hexdigest()
    digest = right[::-1] if is_broken else right
    monkeypatch.setattr(_ufuncs, "BLOCKS", patterns)
    monkeypatch.setattr(_ufuncs, "digests", lambda: {"sigmoid": digest})
    chosen = {"functions": ["sigmoid", "relu6"], "dtypes": "float32", "isas": "scalar"}
    result = fr.verify(**chosen, exhaustive=True, progress=False)
    row = result.rows[-1]
    assert (row.function, row.dtype) == ("sigmoid", "float32, all")
    assert (row.compared, row.digest) == ({"scalar": x.size}, right)
    result.print_table()
    assert f"float32, all: SHA-256 {right}" in capsys.readouterr().out
    problems = [each.problem for each in row.failures.values()]
    assert problems == [f"the results have SHA-256 {right}"] * is_broken


def test_exhaustive_between_instruction_sets(monkeypatch):
    """Only the first one's results are hashed; all others must be the same."""
    one = int(np.float32(1).view(np.uint32))
    monkeypatch.setattr(_ufuncs, "BLOCKS", range(one, one + 64, 64))
    function = _ufuncs.Function("sigmoid")
    results = iter([fr.sigmoid(np.ones(64)), fr.tanh(np.ones(64))])
    monkeypatch.setattr(function, "ufunc", lambda x: next(results).astype(x.dtype))
    first, second = ISAS[:2]
    row, hashed = testing.Row("sigmoid", "float32, all", {first: 0, second: 0}), []
    function.hash_patterns(row, one, hashed.append)
    assert len(hashed) == 1
    failures = [(each.isa, each.case) for each in row.failures.values()]
    assert failures == [(second, f"block at {one:#010x}")]


def test_every_smooth_function_of_one_array_has_a_digest():
    digests = _ufuncs.digests()
    assert set(digests) == set(exact.FUNCTIONS)
    for name, digest in digests.items():
        assert reference.arithmetic(name) == "smooth"
        assert re.fullmatch("[0-9a-f]{64}", digest)


def test_only_what_was_asked_for():
    result = fr.verify(functions=["relu"], dtypes=["int8"], isas=["scalar"], progress=False)
    assert [(row.function, row.dtype) for row in result.rows] == [("relu", "int8")]
    assert result.isas == ("scalar",)
    assert result.compared > 1000


@pytest.mark.parametrize("dtype", ["int8", np.int8, np.dtype(np.int8)])
def test_one_name_is_a_list_of_one(dtype):
    result = fr.verify(functions="relu", dtypes=dtype, isas="scalar", progress=False)
    assert [(row.function, row.dtype) for row in result.rows] == [("relu", "int8")]
    assert result.isas == ("scalar",)


@pytest.mark.parametrize(
    "wrong, error, words",
    [
        ({"functions": ["rleu"]}, ValueError, "unknown function 'rleu'; did you mean 'relu'?"),
        ({"functions": "tanh_"}, ValueError, "choose from relu, relu_derivative, "),
        ({"functions": [3]}, ValueError, "unknown function 3; choose from relu"),
        ({"dtypes": "flaot32"}, TypeError, "unknown dtype 'flaot32'; did you mean 'float32'?"),
        ({"isas": "scaler"}, ValueError, "unknown instruction set 'scaler'; did you mean 'scalar'"),
    ],
)
def test_what_does_not_exist(wrong, error, words):
    with pytest.raises(error, match=f"^verify: .*{re.escape(words)}") as raised:
        fr.verify(progress=False, **wrong)
    assert INTERNAL.isdisjoint(re.findall(r"\w+", str(raised.value)))


def test_what_is_left_out_is_said():
    few, every = (
        fr.verify(functions="prelu", dtypes="int8", isas="scalar", complete=each, progress=False)
        for each in (False, True)
    )
    assert "large arrays" in few.left_out
    assert few.left_out in str(few)
    assert every.left_out == ""
    assert every.compared > few.compared


def test_the_public_function_is_that_of_testing():
    assert testing.verify is fr.verify
    for name in testing.__all__:
        assert getattr(testing, name).__doc__


def test_dtypes_that_a_function_has_no_loop_for():
    result = fr.verify(functions=["relu_quantized", "relu"], dtypes=["float16"], progress=False)
    assert {row.function for row in result.rows} == {"relu"}
    for wrong in ("bool", "complex64"):
        with pytest.raises(TypeError, match=wrong):
            fr.verify(dtypes=["float32", wrong], progress=False)
    with pytest.raises(TypeError, match="float32"):
        fr.verify(functions=["relu_quantized"], dtypes=["float32"], progress=False)


def test_active_isa_is_restored():
    before = _core.isa()
    fr.verify(functions=["relu"], dtypes=["int8"], progress=False)
    assert _core.isa() == before
