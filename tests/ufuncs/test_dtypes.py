"""Promotion follows NEP 50 with two exceptions; anything but real numbers is refused."""

from __future__ import annotations

from itertools import product

import fastrelu as fr
import numpy as np
import pytest
from support import (
    DTYPES,
    UFUNCS,
    array_count,
    assert_as_promised,
    data_count,
    defaults,
    dtypes_of,
    every_float_ufunc,
    every_leaky_ufunc,
    every_ufunc,
    every_ufunc_with_parameters,
    gives_floats,
    parameter_names,
    repeated,
    run_python,
)

REAL = [np.dtype(char) for char in np.typecodes["AllInteger"] + np.typecodes["Float"]]
KEEPING = [ufunc for ufunc in UFUNCS if not gives_floats(ufunc)]
MOST_COMBINATIONS = 1500


def is_integer(dtype):
    return dtype.kind in "iu"


def promised_dtype(ufunc, *dtypes):
    """NumPy's common dtype, with the two exceptions for functions that multiply."""
    if not gives_floats(ufunc):
        return np.result_type(*dtypes)
    arrays = np.result_type(*dtypes[: array_count(ufunc)])
    if is_integer(arrays):
        return np.dtype(np.float64)
    if not parameter_names(ufunc):
        return arrays
    slope_is_up_to_float32 = np.result_type(dtypes[-1], np.float32) == np.float32
    if arrays.itemsize < np.dtype(np.float32).itemsize and slope_is_up_to_float32:
        return arrays
    return np.result_type(*dtypes)


def has_loop(ufunc, dtype):
    return dtype in [np.dtype(each[0]) for each in ufunc.types]


@every_ufunc
def test_every_combination_of_dtypes(ufunc):
    """All of one and of two inputs, some of more."""
    combinations = list(product(dict.fromkeys([*REAL, *DTYPES]), repeat=ufunc.nin))
    if ufunc.nin > 2:
        random = np.random.default_rng(ufunc.nin)
        chosen = random.choice(len(combinations), MOST_COMBINATIONS, replace=False)
        combinations = [combinations[k] for k in chosen]
    for dtypes in combinations:
        arguments = [np.ones(3, dtype) for dtype in dtypes]
        promised = promised_dtype(ufunc, *dtypes)
        if has_loop(ufunc, promised):
            result = ufunc(*arguments)
            assert result.dtype == promised, dtypes
            assert_as_promised(ufunc, result, *arguments)
        else:
            with pytest.raises(TypeError):
                ufunc(*arguments)


@pytest.mark.parametrize("ufunc", KEEPING, ids=lambda u: u.__name__)
def test_functions_that_do_not_multiply_keep_every_dtype(ufunc):
    for dtype in dtypes_of(ufunc):
        assert ufunc(*[np.ones(3, dtype)] * ufunc.nin).dtype == dtype


WEAK_OR_NOT = (1, 0.5, np.int8(1), np.uint64(1), np.float16(0.5), np.float32(0.5), np.float64(0.5),
               np.longdouble(0.5), [0.5], [1], np.array(0.5), np.array(1))  # fmt: skip


@every_leaky_ufunc
def test_integers_give_float64_for_every_slope(ufunc):
    for dtype, slope in product(filter(is_integer, DTYPES), WEAK_OR_NOT):
        arrays = repeated(ufunc, np.array([-3, 0, 2]).astype(dtype))
        result = ufunc(*arrays, slope)
        assert result.dtype == np.float64, (dtype, slope)
        assert_as_promised(ufunc, result, *arrays, slope)
        assert ufunc(*arrays).dtype == np.float64


@pytest.mark.parametrize("ufunc", [fr.leaky_relu_backward, fr.add_leaky_relu])
def test_integer_and_float_arrays_give_numpys_dtype(ufunc):
    x, integers = np.array([-1.5, 2.0], np.float32), np.array([-1, 2], np.int8)
    assert ufunc(x, integers).dtype == ufunc(integers, x).dtype == np.float32
    assert ufunc(x, integers.astype(np.int32)).dtype == np.float64


@every_leaky_ufunc
def test_python_numbers_as_slopes_keep_the_dtype_of_floats(ufunc):
    for dtype in (dtype for dtype in DTYPES if not is_integer(dtype)):
        arrays = repeated(ufunc, np.array([-2.0, 3.0]).astype(dtype))
        for slope in (1, 0.1, -(2**40), 0):
            with np.errstate(all="ignore"):
                result = ufunc(*arrays, slope)
            assert result.dtype == dtype
            assert_as_promised(ufunc, result, *arrays, slope)


@every_leaky_ufunc
def test_numpys_scalars_as_slopes_are_not_weak(ufunc):
    arrays = repeated(ufunc, np.array([-2.0, 3.0], np.float32))
    assert ufunc(*arrays, np.float64(0.1)).dtype == np.float64
    assert ufunc(*arrays, np.int64(2)).dtype == np.float64
    assert ufunc(*arrays, np.float32(0.1)).dtype == np.float32
    assert ufunc(*arrays, np.int8(2)).dtype == np.float32


@every_ufunc_with_parameters
def test_python_numbers_as_parameters_keep_the_dtype(ufunc):
    for dtype in dtypes_of(ufunc):
        arrays = [np.array([0, 2, 3]).astype(dtype)] * data_count(ufunc)
        for numbers in ((2, 5), (0.5, 1.5))[: 1 if is_integer(dtype) else 2]:
            parameters = numbers[: len(parameter_names(ufunc))]
            result = ufunc(*arrays, *parameters)
            assert result.dtype == dtype, parameters
            assert_as_promised(ufunc, result, *arrays, *parameters)


@every_ufunc_with_parameters
def test_defaults_keep_the_dtype(ufunc):
    for dtype in dtypes_of(ufunc):
        arrays = [np.array([0, 2, 3]).astype(dtype)] * array_count(ufunc)
        if dtype.kind == "u" and "min_val" in defaults(ufunc):
            with pytest.raises(OverflowError, match="-1"):
                ufunc(*arrays)
        else:
            assert ufunc(*arrays).dtype == dtype


def test_integers_keep_to_bounds_that_they_can_hold():
    x = np.array([-3, 2, 100], np.int8)
    assert fr.relu6(x).tolist() == [0, 2, 6]
    assert fr.clipped_relu(x, 50).tolist() == [0, 2, 50]
    assert fr.hardtanh(x, -2, 3).tolist() == [-2, 2, 3]
    assert fr.threshold(x, 2, 7).tolist() == [7, 7, 100]
    for call in (lambda: fr.clipped_relu(x, 300), lambda: fr.hardtanh(x, -300, 5)):
        with pytest.raises(OverflowError, match="300"):
            call()
    assert fr.clipped_relu(x, 0.5).dtype == fr.hardtanh(x, -0.5, 0.5).dtype == np.float64
    assert fr.hardtanh(x, np.int16(-300), 5).dtype == np.int16


def test_integers_wrap_around():
    x = np.array([127, -128, 100], np.int8)
    assert fr.add_relu(x, x).tolist() == [0, 0, 0]
    assert fr.add_relu(x, np.int8(-1)).tolist() == [126, 127, 99]
    assert fr.scale_shift_relu(x, np.int8(2), np.int8(3)).tolist() == [1, 3, 0]
    assert fr.add_leaky_relu(x, x, 0.5).tolist() == [-1.0, 0.0, -28.0]
    assert fr.squared_relu(x).tolist() == [127.0**2, 0.0, 1e4]


def test_quantized_numbers_are_integers():
    x = np.array([3, 200], np.uint8)
    assert fr.relu_quantized(x, 128).tolist() == [128, 200]
    assert fr.relu_quantized(x, zero_point=np.uint8(5)).dtype == np.uint8
    assert fr.relu_quantized(x, np.int8(-5)).dtype == np.int16
    for arguments in ((x.astype(np.float32), 3), (x, 3.5), (x, np.float32(3)), (x.astype("e"), x)):
        with pytest.raises(TypeError, match=r"relu_quantized.*integer"):
            fr.relu_quantized(*arguments)


def test_python_numbers_as_arrays():
    assert type(fr.relu(-3)) is np.dtype(int).type
    assert type(fr.relu(-3.5)) is np.float64
    assert type(fr.leaky_relu(-3)) is np.float64
    assert fr.relu_backward(np.ones(2, np.float32), 1.5).dtype == np.float32
    assert fr.relu_backward(np.ones(2, np.int8), 3).dtype == np.int8
    with pytest.raises(OverflowError, match="300"):
        fr.relu_backward(np.ones(2, np.int8), 300)


NOT_REAL = {
    "bool": np.array([True, False]),
    "complex": np.array([1 + 1j]),
    "object": np.array([1.5, 2], object),
    "str": np.array(["1.5"]),
    "bytes": np.array([b"1.5"]),
    "StringDType": np.array(["1.5"], np.dtypes.StringDType()),
    "datetime": np.array(["2020-01-01"], "M8[s]"),
    "timedelta": np.array([5], "m8[s]"),
    "structured": np.zeros(2, "i4,f4"),
    "void": np.zeros(2, "V8"),
    "Python bool": True,
    "Python str": "1.5",
    "None": None,
    "Python complex": 1j,
}


@pytest.mark.parametrize("value", NOT_REAL.values(), ids=NOT_REAL)
@every_ufunc
def test_what_is_no_real_number_is_refused(ufunc, value):
    good = np.ones(1, np.float32)
    for position in range(ufunc.nin):
        arguments = [good] * ufunc.nin
        arguments[position] = value
        with pytest.raises(TypeError):
            ufunc(*arguments)
        for other in (np.ones(1, np.int8), np.ones(1)):
            mixed = [value if k == position else other for k in range(ufunc.nin)]
            with pytest.raises(TypeError):
                ufunc(*mixed)
    with pytest.raises(TypeError):
        ufunc(*[value] * ufunc.nin)


@every_ufunc
def test_bool_is_refused_with_advice(ufunc):
    with pytest.raises(TypeError, match=rf"{ufunc.__name__}.*bool.*np\.asarray"):
        ufunc(*[np.array([True])] * ufunc.nin)


@every_float_ufunc
def test_dtype_argument(ufunc):
    integers = repeated(ufunc, np.array([-3, 2], np.int16))
    result = ufunc(*integers, dtype=np.float32)
    assert result.dtype == np.float32
    assert_as_promised(ufunc, result, *(each.astype(np.float32) for each in integers))
    with pytest.raises(TypeError):
        ufunc(*integers, dtype=np.complex64)
    with pytest.raises(TypeError):
        ufunc(*integers, dtype=object)
    with pytest.raises(TypeError):
        ufunc(*integers, dtype="U5")


@every_float_ufunc
def test_casting_argument(ufunc):
    doubles = repeated(ufunc, np.array([-3.5, 2.5]))
    with pytest.raises(np._core._exceptions._UFuncInputCastingError):
        ufunc(*doubles, dtype=np.float32, casting="safe")
    result = ufunc(*doubles, dtype=np.float32, casting="same_kind")
    assert result.dtype == np.float32
    narrow = np.empty(2, np.float32)
    with pytest.raises(np._core._exceptions._UFuncOutputCastingError):
        ufunc(*doubles, out=narrow, casting="safe")
    assert ufunc(*doubles, out=narrow) is narrow
    with pytest.raises(ValueError, match="casting must be one of"):
        ufunc(*doubles, casting="nonsense")


@every_float_ufunc
def test_result_that_does_not_fit_out_is_refused_before_anything_is_written(ufunc):
    values = repeated(ufunc, np.array([-3.5, 2.5]))
    out = np.array([7, 7], np.int64)
    with pytest.raises(TypeError, match="Cannot cast ufunc"):
        ufunc(*values, out=out)
    assert out.tolist() == [7, 7]


@every_float_ufunc
def test_signature_argument(ufunc):
    values = repeated(ufunc, np.array([-3.5, 2.5], np.float32))
    for spelling in ("d" * ufunc.nin + "->d", (np.float64,) * (ufunc.nin + 1)):
        result = ufunc(*values, signature=spelling)
        assert result.dtype == np.float64
        assert_as_promised(ufunc, result, *(each.astype(np.float64) for each in values))
    with pytest.raises(TypeError):
        ufunc(*values, signature="D" * ufunc.nin + "->D")


@every_leaky_ufunc
def test_integer_out_is_refused_for_leaky_functions(ufunc):
    for dtype in filter(is_integer, DTYPES):
        x = np.array([1, 2]).astype(dtype)
        with pytest.raises(TypeError, match="Cannot cast ufunc"):
            ufunc(*repeated(ufunc, x), out=x)
        assert x.tolist() == [1, 2]


@every_float_ufunc
def test_shapes_that_do_not_broadcast(ufunc):
    out = np.full(4, 7.0)
    with pytest.raises(ValueError, match="broadcast"):
        ufunc(*repeated(ufunc, np.ones(3)), out=out)
    if ufunc.nin > 1:
        with pytest.raises(ValueError, match="broadcast"):
            ufunc(*[np.ones(4)] * (ufunc.nin - 1), np.ones(3), out=out)
    assert (out == 7).all()


def test_no_memory():
    """MemoryError on both paths; afterwards the memory is there again."""
    result = run_python(
        """
import resource, sys, numpy as np, fastrelu as fr
if "libasan" in open("/proc/self/maps").read():
    sys.exit(5)  # it ends the process instead
n = 16 << 20
x = np.ones(n, np.float32)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + x.nbytes // 2, resource.RLIM_INFINITY))
try:
    np.empty(n, np.float32)
except MemoryError:
    pass
else:
    sys.exit(5)  # an emulator that ignores the limit
before = sys.getrefcount(x), sys.getrefcount(x.dtype)
for k in range(200):
    for call in (fr.relu, lambda x: fr.relu(x, where=True), fr.leaky_relu,
                 lambda x: fr.leaky_relu(x, 0.5, where=True),
                 lambda x: fr.leaky_relu_backward(x, x)):
        try:
            call(x)
        except MemoryError:
            continue
        sys.exit("no MemoryError")
after = sys.getrefcount(x), sys.getrefcount(x.dtype)
assert after == before, (before, after)
assert fr.relu(x[: n // 8]).sum() == n // 8
assert fr.relu(x, out=x) is x
"""
    )
    if result.returncode == 5:
        pytest.skip("memory cannot be limited under this emulator or sanitizer")
    assert result.returncode == 0, result.stderr
