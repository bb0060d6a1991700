"""The short ways through a ufunc give what NumPy's own way gives, or hand the call on."""

from __future__ import annotations

import fractions
import gc
import pickle
import struct
import sys
import threading
import tracemalloc
from contextlib import suppress
from functools import partial
from itertools import product

import fastrelu as fr
import numpy as np
import pytest
from both_ways import assert_both_ways_agree, outcome
from fastrelu.testing import cases
from fastrelu.testing.cases import LAYOUTS
from support import (
    ENDS,
    UFUNCS,
    array_count,
    assert_as_promised,
    beyond_doubt,
    data_count,
    defaults,
    every_kind_of_float,
    every_kind_of_loop,
    every_kind_with_parameters,
    every_leaky_loop,
    every_leaky_ufunc,
    every_ufunc,
    legal,
    oracle,
    parameter_names,
    repeated,
    takes_slope,
    usual_dtype,
)

TESTED_ISAS = ENDS  # operands are laid out by the same code for all of them


def arrays_for(ufunc, n=37, dtype=np.float32, layout="dense"):
    values = [cases.sample(dtype, n, seed) for seed in range(array_count(ufunc))]
    return [LAYOUTS[layout].place(each) for each in legal(ufunc, values)]


# Everything over every case.


@every_kind_of_loop
def test_every_layout(loop, isa):
    for layout, flat in product(LAYOUTS, loop.samples(65, seed=30)):
        assert_both_ways_agree(
            loop.ufunc, lambda y=layout, f=flat: ([LAYOUTS[y].place(each) for each in f], {})
        )


@every_kind_of_loop
def test_every_layout_of_out(loop, isa):
    flat = loop.sample(65, seed=31)
    for one, other in product(LAYOUTS, repeat=2):

        def make(one=one, other=other):
            inputs = [LAYOUTS[one].place(each) for each in flat]
            return inputs, {"out": LAYOUTS[other].empty(65, loop.out)}

        assert_both_ways_agree(loop.ufunc, make)


@every_kind_of_loop
def test_every_layout_in_place(loop, isa):
    flat = loop.sample(65, seed=32)
    for layout, position in product(LAYOUTS, range(len(flat))):

        def make(layout=layout, position=position):
            inputs = [LAYOUTS[layout].place(each) for each in flat]
            return inputs, {"out": inputs[position]}

        assert_both_ways_agree(loop.ufunc, make)


@every_kind_of_loop
def test_every_length(loop, isa):
    for n in (*range(20), *list(cases.lengths(loop.out))[20::7], 500):
        assert_both_ways_agree(loop.ufunc, lambda n=n: (loop.sample(n, seed=33), {}))


class OwnFloat(float):
    def __float__(self):
        raise AssertionError("asked")


class OwnInt(int):
    pass


class Index:
    def __index__(self):
        return 2


class Number:
    def __float__(self):
        return 0.5


SLOPES = {
    "float": 0.3,
    "zero": 0.0,
    "minus zero": -0.0,
    "inf": np.inf,
    "nan": np.nan,
    "negative nan": -np.nan,
    "signalling nan": struct.unpack("d", struct.pack("Q", 0x7FF0_0000_0000_0001))[0],
    "overflows float32": 1e300,
    "rounds up to infinity in float32": 3.4028236e38,
    "largest float32": 3.4028234663852886e38,
    "vanishes in float32": 1e-300,
    "denormal in float32": 1e-40,
    "int": 2,
    "minus one": -1,
    "int that rounds twice": 2**60 + 2**36 + 1,
    "int beyond int64": 2**70,
    "int beyond float32": 10**40,
    "int beyond float64": 10**400,
    "bool": True,
    "None": None,
    "str": "0.5",
    "complex": 0.5j,
    "float16": np.float16(0.3),
    "float32": np.float32(0.3),
    "float32 nan": np.float32(np.nan),
    "float64": np.float64(0.3),
    "longdouble": np.longdouble("0.3"),
    "int8": np.int8(-3),
    "int64": np.int64(3),
    "numpy bool": np.bool_(True),
    "complex64": np.complex64(1j),
    "own float": OwnFloat(0.5),
    "own int": OwnInt(2),
    "index": Index(),
    "number": Number(),
    "fraction": fractions.Fraction(1, 2),
    "0-d": np.array(0.3),
    "0-d float32": np.array(0.3, np.float32),
    "one element": np.array([0.3]),
    "list": [0.3],
    "empty": np.array([]),
    "row": np.linspace(-1, 2, 37, dtype=np.float32),
    "wrong shape": np.ones(3, np.float32),
}


@every_leaky_loop
def test_every_slope(loop):
    flat = loop.sample(37, seed=34)
    for name, slope in SLOPES.items():
        agree = partial(assert_both_ways_agree, loop.ufunc, hint=name)
        agree(lambda s=slope: ([*flat, s], {}))
        agree(lambda s=slope: (flat, {"negative_slope": s}))
        agree(lambda s=slope: ([*flat, s], {"out": LAYOUTS["dense"].empty(37, loop.out)}))


@every_leaky_ufunc
def test_every_slope_with_other_dtypes(ufunc):
    for dtype, slope in product(np.typecodes["AllInteger"] + "e?", SLOPES.values()):
        arrays = repeated(ufunc, np.ones(37, dtype))
        assert_both_ways_agree(ufunc, lambda a=arrays, s=slope: ([*a, s], {}))


PARAMETERS = {
    "float": 0.3,
    "minus zero": -0.0,
    "inf": np.inf,
    "minus inf": -np.inf,
    "nan": np.nan,
    "overflows float32": 1e300,
    "vanishes in float32": 1e-300,
    "int": 2,
    "minus one": -1,
    "int8's limit": 127,
    "beyond int8": 128,
    "beyond int16": 40_000,
    "beyond int32": 2**40,
    "int beyond int64": 2**70,
    "bool": True,
    "None": None,
    "str": "0.5",
    "complex": 0.5j,
    "float16": np.float16(0.3),
    "float32": np.float32(0.3),
    "float64": np.float64(0.3),
    "longdouble": np.longdouble("0.3"),
    "int8": np.int8(3),
    "int64": np.int64(3),
    "uint8": np.uint8(3),
    "own float": OwnFloat(0.5),
    "own int": OwnInt(2),
    "0-d": np.array(0.3),
    "0-d float32": np.array(0.3, np.float32),
    "one element": np.array([0.3], np.float32),
    "int array": np.array([3, 4, 5, 6, 7] * 5),
    "list": [0.3],
    "empty": np.array([]),
    "row": np.linspace(0.5, 2, 25, dtype=np.float32),
    "wrong shape": np.ones(3, np.float32),
}


@every_kind_with_parameters
def test_every_parameter(loop):
    names = parameter_names(loop.ufunc)
    flat = loop.sample(25, seed=39, whole=True)[: data_count(loop.ufunc)]
    for name, value in PARAMETERS.items():
        agree = partial(assert_both_ways_agree, loop.ufunc, hint=name)
        agree(lambda v=value: ([*flat, *[v] * len(names)], {}))
        agree(lambda v=value: (flat, dict.fromkeys(names, v)))
        agree(lambda v=value: ([*flat, v], dict.fromkeys(names[1:], 2)))
        agree(lambda v=value: (flat, {names[-1]: v} | dict.fromkeys(names[:-1], 0)))
        agree(lambda v=value: (flat, {names[-1]: v}))
        out = LAYOUTS["dense"].empty(25, loop.out)
        agree(lambda v=value, y=out: ([*flat, *[v] * len(names)], {"out": y}))


# What is handed on, one condition each.


@every_kind_of_float
def test_subclass_is_handed_on(ufunc):
    class Own(np.ndarray):
        pass

    for position in range(array_count(ufunc)):

        def make(position=position):
            arrays = arrays_for(ufunc)
            arrays[position] = arrays[position].view(Own)
            return arrays, {}

        assert assert_both_ways_agree(ufunc, make)[0] is Own


@every_kind_of_float
def test_subclass_as_out_is_handed_on(ufunc):
    class Own(np.ndarray):
        def __array_wrap__(self, array, context=None, return_scalar=False):
            return "wrapped"

    def make():
        return arrays_for(ufunc), {"out": np.empty(37, np.float32).view(Own)}

    assert assert_both_ways_agree(ufunc, make)[1] == "'wrapped'"


@every_kind_of_float
def test_array_ufunc_is_handed_on(ufunc):
    class Other:
        def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
            keywords.pop("where", None)
            return method, len(inputs), sorted(keywords)

    for position in range(ufunc.nin):
        arguments = [np.ones(3, np.float32)] * ufunc.nin
        arguments[position] = Other()
        seen = assert_both_ways_agree(ufunc, lambda a=arguments: (a, {}))
        assert seen[1] == str(("__call__", ufunc.nin, []))
    seen = assert_both_ways_agree(ufunc, lambda: (arrays_for(ufunc), {"out": Other()}))
    assert "'out'" in seen[1]


@every_kind_of_float
def test_array_ufunc_of_none_is_handed_on(ufunc):
    class Refuses:
        __array_ufunc__ = None

    arguments = [Refuses(), *[np.ones(3, np.float32)] * (ufunc.nin - 1)]
    assert assert_both_ways_agree(ufunc, lambda: (arguments, {}))[0] is TypeError


@every_kind_of_float
def test_two_dtypes_are_handed_on(ufunc):
    mixed = [np.float32, np.float64, np.float32][: array_count(ufunc)]

    def make():
        return legal(ufunc, [cases.sample(dtype, 9, 35) for dtype in mixed]), {}

    assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_out_of_another_dtype_is_handed_on(ufunc):
    for dtype in (np.float64, np.float16, np.int32, np.complex64, np.bool_, object):
        assert_both_ways_agree(ufunc, lambda d=dtype: (arrays_for(ufunc), {"out": np.zeros(37, d)}))


@every_kind_of_float
def test_dtype_without_a_loop_is_handed_on(ufunc):
    for dtype in ("?", "F", "O", "U1", "S1", "M8[s]", "m8[s]", "V4"):
        arrays = repeated(ufunc, np.zeros(4, dtype))
        seen = assert_both_ways_agree(ufunc, lambda a=arrays: (a, {}))
        assert issubclass(seen[0], TypeError)


@every_kind_of_float
def test_misaligned_arrays_are_handed_on(ufunc):
    def make():
        return arrays_for(ufunc, layout="misaligned"), {}

    assert not make()[0][0].flags.aligned
    assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_misaligned_out_is_handed_on(ufunc):
    def make():
        return arrays_for(ufunc), {"out": LAYOUTS["misaligned"].empty(37, np.dtype(np.float32))}

    assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_other_shapes_are_handed_on(ufunc):
    for shape in ((1,), (5, 1), (2, 5, 7), (), (3,), (35,), (7, 5), (5, 7, 1)):
        if array_count(ufunc) > 1:
            arrays = [np.ones((5, 7), np.float32), np.full(shape, 2, np.float32)]
            arrays += [np.ones(7, np.float32)] * (array_count(ufunc) - 2)
            assert_both_ways_agree(ufunc, lambda a=arrays: (a, {}))
            assert_both_ways_agree(ufunc, lambda a=arrays: (a[::-1], {}))
        assert_both_ways_agree(
            ufunc,
            lambda s=shape: (
                repeated(ufunc, np.ones((5, 7), np.float32)),
                {"out": np.zeros(s, np.float32)},
            ),
        )


@every_kind_of_float
def test_sparse_memory_is_handed_on(ufunc):
    for layout in ("stride 2", "stride 3", "reversed", "sliced rows", "sliced Fortran"):
        n = 35 if LAYOUTS[layout].rows else 37
        assert_both_ways_agree(ufunc, lambda y=layout, n=n: (arrays_for(ufunc, n, layout=y), {}))


@every_kind_of_float
def test_c_and_fortran_order_together_are_handed_on(ufunc):
    orders = ("rows", "Fortran")
    for pair, of_out in product(product(orders, repeat=array_count(ufunc)), (None, *orders)):

        def make(pair=pair, of_out=of_out):
            flat = legal(ufunc, [cases.sample(np.float32, 35, seed) for seed in range(len(pair))])
            arrays = [LAYOUTS[o].place(each) for o, each in zip(pair, flat, strict=True)]
            out = of_out and LAYOUTS[of_out].empty(35, np.dtype(np.float32))
            return arrays, {"out": out}

        assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_arrays_of_ones_are_both_in_c_and_in_fortran_order(ufunc):
    for shape in ((1, 5), (5, 1), (1, 1), (1,), (0, 3), (3, 0), (1, 5, 1)):
        for order in "CF":
            arrays = repeated(ufunc, np.ones(shape, np.float32, order=order))
            assert_both_ways_agree(ufunc, lambda a=arrays: (a, {}))


@every_kind_of_float
def test_dense_but_neither_c_nor_fortran_is_handed_on(ufunc):
    x = np.arange(-30, 30, dtype=np.float32).reshape(3, 4, 5).transpose(1, 0, 2)
    assert_both_ways_agree(ufunc, lambda: (repeated(ufunc, x), {}))


@every_kind_of_float
def test_zero_dimensions_are_handed_on(ufunc):
    arrays = repeated(ufunc, np.array(-2.5, np.float32))
    assert assert_both_ways_agree(ufunc, lambda: (arrays, {}))[0] is np.float32
    seen = assert_both_ways_agree(ufunc, lambda: (arrays, {"out": np.empty((), np.float32)}))
    assert seen[0] is np.ndarray


@every_kind_of_float
def test_overlap_that_is_not_exact_is_handed_on(ufunc):
    n = 150
    for shift, position in product((1, 4, 16, 64, 149), range(array_count(ufunc))):
        for ahead in (True, False):

            def make(shift=shift, position=position, ahead=ahead):
                memory = beyond_doubt(ufunc, "max_val", cases.sample(np.float32, 2 * n, 36))
                views = memory[:n], memory[shift:][:n]
                arrays = arrays_for(ufunc, n)
                arrays[position] = views[ahead]
                return arrays, {"out": views[not ahead]}

            assert_both_ways_agree(ufunc, make)
            arrays, keywords = make()
            before = [each.copy() for each in arrays]
            with np.errstate(all="ignore"):
                assert_as_promised(ufunc, ufunc(*arrays, **keywords), *before)


@every_kind_of_float
def test_adjacent_memory_is_no_overlap(ufunc):
    for order in ((0, 1), (1, 0)):

        def make(order=order):
            halves = np.split(beyond_doubt(ufunc, "max_val", cases.sample(np.float32, 80, 37)), 2)
            arrays = arrays_for(ufunc, 40)
            arrays[-1] = halves[order[0]]
            return arrays, {"out": halves[order[1]]}

        assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_in_place_of_another_order_is_handed_on(ufunc):
    def make():
        square = cases.sample(np.float32, 36, 38).reshape(6, 6)
        return repeated(ufunc, square), {"out": square.T}

    assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_read_only_out_is_handed_on(ufunc):
    def make():
        out = np.full(37, 7, np.float32)
        out.flags.writeable = False
        return arrays_for(ufunc), {"out": out}

    kind, message = assert_both_ways_agree(ufunc, make)
    assert kind is ValueError
    assert "read-only" in message


@every_kind_of_float
def test_read_only_inputs_are_taken(ufunc):
    def make():
        arrays = arrays_for(ufunc)
        for each in arrays:
            each.flags.writeable = False
        return arrays, {}

    assert_both_ways_agree(ufunc, make)


@every_kind_of_float
def test_out_that_warns_on_write_is_handed_on(ufunc):
    def make():
        broadcast, _ = np.broadcast_arrays(np.ones(37, np.float32), np.ones((1, 37)))
        return repeated(ufunc, np.ones((1, 37), np.float32)), {"out": broadcast}

    assert_both_ways_agree(ufunc, make)
    assert outcome(ufunc, make)[2], "NumPy warns"


@every_kind_of_float
def test_foreign_byte_order_is_handed_on(ufunc):
    foreign = np.dtype(np.float32).newbyteorder()
    for position in range(array_count(ufunc)):

        def make(position=position):
            arrays = arrays_for(ufunc)
            arrays[position] = arrays[position].astype(foreign)
            return arrays, {}

        assert_both_ways_agree(ufunc, make)
    assert_both_ways_agree(ufunc, lambda: (arrays_for(ufunc), {"out": np.zeros(37, foreign)}))


@every_kind_of_float
def test_metadata_is_handed_on(ufunc):
    marked = np.dtype(np.float32, metadata={"unit": "m"})

    def make():
        return repeated(ufunc, np.ones(5, marked)), {}

    assert_both_ways_agree(ufunc, make)
    assert_both_ways_agree(ufunc, lambda: (arrays_for(ufunc, 5), {"out": np.zeros(5, marked)}))


@every_kind_of_float
def test_unpickled_arrays(ufunc):
    """Their dtype is not the very object that NumPy gives to others."""
    arrays = [pickle.loads(pickle.dumps(each)) for each in arrays_for(ufunc)]
    assert_both_ways_agree(ufunc, lambda: (arrays, {}))
    assert_both_ways_agree(
        ufunc, lambda: (arrays, {"out": pickle.loads(pickle.dumps(np.zeros(37, np.float32)))})
    )


@every_kind_of_float
def test_out_of_none_is_handed_on(ufunc):
    for none in (None, (None,)):
        assert_both_ways_agree(ufunc, lambda n=none: (arrays_for(ufunc), {"out": n}))


@every_kind_of_float
def test_out_in_a_tuple_is_handed_on(ufunc):
    out = np.zeros(3, np.float32)
    assert ufunc(*repeated(ufunc, out), out=(out,)) is out
    assert_both_ways_agree(ufunc, lambda: (arrays_for(ufunc), {"out": (np.zeros(37, np.float32),)}))
    for wrong in ((), (out, out), [out], "out", 3, {}):
        seen = assert_both_ways_agree(ufunc, lambda w=wrong: (arrays_for(ufunc), {"out": w}))
        assert issubclass(seen[0], (TypeError, ValueError))


@every_kind_of_float
def test_positional_out_is_handed_on(ufunc):
    def make():
        rest = defaults(ufunc).values()
        return [*arrays_for(ufunc), *rest, np.zeros(37, np.float32)], {}

    assert_both_ways_agree(ufunc, make)


KEYWORDS = {
    "casting": {"casting": "no"},
    "order C": {"order": "C"},
    "order F": {"order": "F"},
    "dtype": {"dtype": np.float64},
    "subok": {"subok": False},
    "wrong keyword": {"nonsense": 1},
}


@pytest.mark.parametrize("keywords", KEYWORDS.values(), ids=KEYWORDS)
@every_kind_of_float
def test_other_keywords_are_handed_on(ufunc, keywords):
    for shape in ((37,), (5, 7)):
        arrays = repeated(ufunc, np.linspace(-1, 1, np.prod(shape)).reshape(shape))
        assert_both_ways_agree(ufunc, lambda a=arrays: (a, dict(keywords)))


@every_kind_of_float
def test_where_is_handed_on(ufunc):
    arrays = repeated(ufunc, np.ones(4, np.float32))
    out = np.full(4, 7, np.float32)
    ufunc(*arrays, out=out, where=[True, False, True, False])
    assert (out[1::2] == 7).all()
    assert (out[::2] != 7).all()


def not_interned(name):
    copy = "".join(list(name))
    assert copy is not sys.intern(name)
    return copy


@every_kind_of_float
def test_keywords_that_are_not_interned(ufunc):
    arrays, out = arrays_for(ufunc), np.zeros(37, np.float32)
    with np.errstate(all="ignore"):
        assert ufunc(*arrays, **{not_interned("out"): out}) is out
        assert_as_promised(ufunc, out, *arrays)
        for name in defaults(ufunc):
            value = {"min_val": -0.5}.get(name, 0.5)
            expected = oracle(ufunc)(*arrays, **{name: value})
            result = ufunc(*arrays, **{not_interned(name): value})
            assert_as_promised(ufunc, result, *arrays, expected=expected)
            both = {not_interned("out"): out, not_interned(name): value}
            assert ufunc(*arrays, **both) is out
            assert_as_promised(ufunc, out, *arrays, expected=expected)


class OwnString(str):
    def __eq__(self, other):
        return super().__eq__(other)

    __hash__ = str.__hash__


@every_leaky_ufunc
def test_keywords_that_are_strings_of_another_class(ufunc):
    arrays = arrays_for(ufunc)
    with np.errstate(all="ignore"):
        result = ufunc(*arrays, **{OwnString("negative_slope"): 0.5})
    assert_as_promised(ufunc, result, *arrays, 0.5)


@every_kind_of_float
def test_bad_shapes_write_nothing(ufunc):
    def make():
        return arrays_for(ufunc, 37), {"out": np.full(36, 7, np.float32)}

    assert assert_both_ways_agree(ufunc, make)[0] is ValueError
    out = np.full(36, 7, np.float32)
    with pytest.raises(ValueError, match="broadcast"):
        ufunc(*arrays_for(ufunc, 37), out=out)
    assert (out == 7).all()


@every_kind_of_float
def test_new_results_own_their_memory(ufunc):
    result = ufunc(*repeated(ufunc, np.ones((5, 7), np.float32, order="F")))
    assert result.flags.owndata
    assert result.base is None
    assert result.flags.f_contiguous


# Memory and threads.


def refuse(kind, flags):
    raise FloatingPointError(kind)


def calls_of(ufunc):
    """Calls that take every way out of the entry, successes and failures."""
    dense = [np.full(8, -3e38, np.float32) for _ in range(array_count(ufunc))]
    if ufunc is fr.leaky_relu_backward:
        dense[1] = np.full(8, -1, np.float32)
    dense = legal(ufunc, dense)
    strided = [np.ones(8, np.float32)[::2]] * len(dense)
    out, wrong, slope = np.empty(8, np.float32), np.empty(3, np.float32), [0.5]
    calls = {
        "short": lambda: ufunc(*dense),
        "short, out": lambda: ufunc(*dense, out=out),
        "strided": lambda: ufunc(*strided),
        "wrong out": lambda: ufunc(*dense, out=wrong),
        "wrong keyword": lambda: ufunc(*dense, nonsense=1),
        "bool": lambda: ufunc(*[np.ones(3, bool)] * len(dense)),
        "too few": lambda: ufunc(out=out),
        "too many": lambda: ufunc(*dense, *dense, *dense, *dense),
    }
    if takes_slope(ufunc):
        calls |= {
            "slope": lambda: ufunc(*dense, 0.5),
            "slope by keyword": lambda: ufunc(*dense, negative_slope=0.5),
            "slope by keyword, generic": lambda: ufunc(*strided, negative_slope=0.5),
            "slope by keyword among others": lambda: ufunc(
                *dense, out=out, negative_slope=0.5, casting="same_kind"
            ),
            "slope of the wrong shape": lambda: ufunc(*dense, negative_slope=wrong),
            "slope of the wrong type": lambda: ufunc(*dense, negative_slope="1"),
            "slope too large": lambda: ufunc(*dense, 10**400),
            "slope twice": lambda: ufunc(*dense, 0.5, negative_slope=0.5),
            "slope, nothing else": lambda: ufunc(negative_slope=0.5),
            "overflow": lambda: ufunc(*dense, 8.0),
            "overflow, out": lambda: ufunc(*dense, 8.0, out=out),
        }
    for name in parameter_names(ufunc):
        calls |= {
            name: lambda n=name: ufunc(*dense, **{n: 0.5}),
            f"{name}, generic": lambda n=name: ufunc(*strided, **{n: 0.5}),
            f"{name} among others": lambda n=name: ufunc(
                *dense, out=out, **{n: 0.5}, casting="same_kind"
            ),
            f"{name} of the wrong shape": lambda n=name: ufunc(*dense, **{n: wrong}),
            f"{name} of the wrong type": lambda n=name: ufunc(*dense, **{n: "1"}),
            f"{name} too large": lambda n=name: ufunc(*dense, **{n: 10**400}),
            f"{name} refused": lambda n=name: ufunc(*dense, **{n: -7.0 if n[1] == "a" else 7.0}),
            f"{name} refused in an array": lambda n=name: ufunc(
                *dense, **{n: np.full(8, -7 if n[1] == "a" else 7, np.float32)}
            ),
        }
    return calls, [*dense, *strided, out, wrong, slope, ufunc, dense[0].dtype, 0.01]


LITTLE = 2000


def repeat(call, times):
    for _ in range(times):
        with suppress(TypeError, ValueError, FloatingPointError, OverflowError):
            call()


def growth(call):
    """Bytes that a thousand calls keep."""
    before = tracemalloc.get_traced_memory()[0]
    repeat(call, 1000)
    if tracemalloc.get_traced_memory()[0] - before >= LITTLE:
        gc.collect()  # NumPy's errors wait for it
    return tracemalloc.get_traced_memory()[0] - before


@every_ufunc
def test_nothing_leaks(ufunc):
    gc.collect()  # else what an earlier test left is freed later, and the counts below fall
    calls, objects = calls_of(ufunc)
    with np.errstate(over="raise"):
        for name, call in calls.items():
            repeat(call, 20)
            counts = [sys.getrefcount(each) for each in objects]
            tracemalloc.start()
            # A leak grows each time. Python's cache of attributes does not: where freed memory is
            # not used again at once, it fills with the strings that error messages look up.
            grown = [growth(call)]
            while grown[-1] >= LITTLE and len(grown) < 10:
                grown.append(growth(call))
            tracemalloc.stop()
            assert [sys.getrefcount(each) for each in objects] == counts, name
            assert grown[-1] < LITTLE, (name, grown)


def test_failure_in_the_error_handler_is_passed_on():
    with (
        np.errstate(all="call", call=refuse),
        pytest.raises(FloatingPointError, match="overflow"),
    ):
        fr.leaky_relu(np.full(8, -3e38, np.float32), 8.0)


def run_threads(work, count=8):
    failures = []

    def guarded(k):
        try:
            work(k)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures, failures[0]


def test_threads_compute_at_the_same_time(isa):
    def work(k):
        for ufunc in UFUNCS:
            for n in (16, 40_000):
                dtype = usual_dtype(ufunc)
                arrays = [cases.sample(dtype, n, k + j) for j in range(array_count(ufunc))]
                arrays = legal(ufunc, arrays)
                with np.errstate(all="ignore"):
                    expected = oracle(ufunc)(*arrays)
                    for _ in range(10):
                        assert_as_promised(ufunc, ufunc(*arrays), *arrays, expected=expected)

    run_threads(work)


def test_reports_of_other_threads_are_not_mixed_up():
    """Half of the threads overflow, the others must not hear of it."""

    def work(k):
        x = np.full(40_000, -3e38 if k % 2 else -1, np.float32)
        for _ in range(30):
            heard = []
            with np.errstate(all="call", call=lambda kind, flags, heard=heard: heard.append(kind)):
                fr.leaky_relu(x, 8.0)
            assert heard == ["overflow"] * (k % 2)

    run_threads(work)


@every_kind_of_float
def test_large_calls_let_other_threads_run(ufunc):
    """While one thread does nothing but large calls, the other gets its turn.

    The interpreter would take the lock away from a thread after the switch interval only: here it
    never does, so the turn comes when a call gives the lock up.
    """
    arrays = repeated(ufunc, np.ones(100_000, np.float32))
    out = np.empty_like(arrays[0])
    started = threading.Event()
    state = {"stop": False, "ran out": False}

    def work():
        started.set()
        for _ in range(20_000):
            ufunc(*arrays, out=out)
            if state["stop"]:
                return
        state["ran out"] = True

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        worker = threading.Thread(target=work)
        worker.start()
        started.wait()
        state["stop"] = True
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert not state["ran out"]
