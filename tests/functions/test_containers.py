"""What arrays carry besides their elements is kept, or the array is refused by name: never lost."""

from __future__ import annotations

import inspect
import re
from typing import Any, NamedTuple

import fastrelu as fr
import numpy as np
import pytest
from numpy.exceptions import AxisError

X = np.array([[-1.0, 2.0, -3.0, 0.0], [4.0, -5.0, 6.0, -7.0]])
GRAD = np.array([[1.0, -2.0, 3.0, 4.0], [-5.0, 6.0, 7.0, 8.0]])
BITS = np.packbits(X > 0, bitorder="little")
TABLE = np.arange(256, dtype=np.uint8)
CODES = np.array([1, 2, 3], np.uint8)
WEIGHT = np.array([0.5, 0.25, 2.0, 0.125])


class Overriding:
    """Has a meaning of its own for ufuncs, which a function that is not one must not bypass."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("converted without a word")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return "its own meaning", ufunc.__name__


class Refusing(Overriding):
    __array_ufunc__ = None


class Own(np.ndarray):
    """Nobody knows what a subclass adds."""


class HasUnits(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return "metres"


def masked(array):
    return np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) % 3 == 0)


def lazy(array):
    return pytest.importorskip("dask.array").from_array(array)


def pandas_of(array):
    pandas = pytest.importorskip("pandas")
    return pandas.Series(array) if array.ndim == 1 else pandas.DataFrame(array)


def xarray_of(array):
    return pytest.importorskip("xarray").DataArray(array)


def matrix(array):
    return np.matrix(array)


CONTAINERS = {
    "masked": (masked, "numpy.ma.MaskedArray", ".filled("),
    "dask": (lazy, "dask.array.core.Array", ".compute()"),
    "pandas": (pandas_of, "pandas.", ".to_numpy()"),
    "xarray": (xarray_of, "xarray.core.dataarray.DataArray", ".to_numpy()"),
    "override": (Overriding, "test_containers.Overriding", "np.asarray("),
    "no ufuncs": (Refusing, "test_containers.Refusing", "np.asarray("),
    "units": (lambda array: array.view(HasUnits), "test_containers.HasUnits", "np.asarray("),
    "subclass": (lambda array: array.view(Own), "test_containers.Own", "np.asarray("),
    "matrix": (matrix, "numpy.matrix", "np.asarray("),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:the matrix subclass:PendingDeprecationWarning",
)


class Case(NamedTuple):
    function: Any
    arrays: dict[str, Any]
    """The arguments that are arrays, in order."""
    others: tuple[tuple[str, Any], ...] = ()
    kept: tuple[str, ...] = ()
    """Those that go on to a ufunc, which keeps what they carry."""

    def call(self, **replaced):
        arrays = {**self.arrays, **dict(self.others), **replaced}
        positional = [
            arrays.pop(name)
            for name, each in inspect.signature(self.function).parameters.items()
            if each.kind is each.POSITIONAL_ONLY or name in ("x", "weight")
        ]
        return self.function(*positional, **arrays)


CASES = [
    Case(fr.relu_with_mask, {"x": X, "out": X.copy(), "mask": BITS.copy()}),
    Case(
        fr.leaky_relu_with_mask,
        {"x": X, "negative_slope": WEIGHT, "out": X.copy(), "mask": BITS.copy()},
    ),
    Case(fr.add_relu_with_mask, {"x": X, "y": GRAD, "out": X.copy(), "mask": BITS.copy()}),
    Case(
        fr.add_leaky_relu_with_mask,
        {"x": X, "y": GRAD, "negative_slope": WEIGHT, "out": X.copy(), "mask": BITS.copy()},
    ),
    Case(
        fr.relu_backward_from_mask,
        {"grad_output": GRAD, "out": X.copy()},
        (("mask", fr.relu_with_mask(X)[1]),),
    ),
    Case(
        fr.leaky_relu_backward_from_mask,
        {"grad_output": GRAD, "negative_slope": WEIGHT, "out": X.copy()},
        (("mask", fr.leaky_relu_with_mask(X)[1]),),
    ),
    Case(
        fr.leaky_relu_backward_from_output,
        {"grad_output": GRAD, "y": X, "negative_slope": WEIGHT},
        kept=("grad_output", "y"),
    ),
    Case(fr.relu_backward_with_bias, {"grad_output": GRAD, "x": X, "out": X.copy()}),
    Case(fr.prelu_backward, {"grad_output": GRAD, "x": X, "weight": WEIGHT, "out": X.copy()}),
    Case(fr.maxout, {"x": X, "out": X[:, :2].copy()}, (("pool_size", 2),)),
    Case(
        fr.maxout_backward,
        {"grad_output": GRAD[:, :2].copy(), "x": X, "out": X.copy()},
        (("pool_size", 2),),
    ),
    Case(fr.crelu, {"x": X, "out": np.empty((2, 8))}),
    Case(fr.crelu_backward, {"grad_output": np.ones((2, 8)), "x": X, "out": X.copy()}),
    Case(fr.softmax, {"x": X, "out": X.copy()}),
    Case(fr.log_softmax, {"x": X, "out": X.copy()}),
    Case(fr.softmax_backward, {"grad_output": GRAD, "y": X, "out": X.copy()}),
    Case(fr.log_softmax_backward, {"grad_output": GRAD, "y": X, "out": X.copy()}),
    Case(fr.cross_entropy, {"logits": X, "labels": np.arange(len(X))}),
    Case(fr.apply_table, {"x": CODES, "table": TABLE, "out": CODES.copy()}),
    Case(fr.active_count, {"x": X}),
    Case(fr.sparsity, {"x": X}),
    Case(fr.dead_units, {"x": X}),
    Case(fr.prelu, {"x": X, "weight": WEIGHT}, kept=("x", "weight")),
    Case(fr.rrelu, {"x": X}, (("rng", 0),), kept=("x",)),
    Case(fr.rrelu_with_slopes, {"x": X}, (("rng", 0),), kept=("x",)),
    Case(fr.relu_, {"x": X.copy()}, kept=("x",)),
    Case(fr.leaky_relu_, {"x": X.copy(), "negative_slope": WEIGHT}, kept=("x",)),
    Case(fr.relu_backward_, {"grad_output": GRAD.copy(), "x": X}, kept=("grad_output",)),
    Case(
        fr.leaky_relu_backward_,
        {"grad_output": GRAD.copy(), "x": X, "negative_slope": WEIGHT},
        kept=("grad_output",),
    ),
]
ELSEWHERE = {fr.make_table, fr.clip_grad_norm_}  # without arrays; with many (test_clipping.py)
REFUSED = [(case, name) for case in CASES for name in case.arrays if name not in case.kept]

every_container = pytest.mark.parametrize("make, kind, advice", CONTAINERS.values(), ids=CONTAINERS)


def test_every_function_is_here():
    """Of those that take arrays and are not ufuncs."""
    functions = {
        function
        for name in fr.__all__
        if inspect.isfunction(function := getattr(fr, name)) and takes_arrays(function)
    }
    assert {case.function for case in CASES} == functions - ELSEWHERE


def takes_arrays(function):
    hints = [str(each.annotation) for each in inspect.signature(function).parameters.values()]
    return any(word in hint for hint in hints for word in ("Array", "Mask", "_Buffer"))


@every_container
@pytest.mark.parametrize(
    "case, name", REFUSED, ids=[f"{case.function.__name__}-{name}" for case, name in REFUSED]
)
def test_what_cannot_be_kept_is_refused(case, name, make, kind, advice):
    """With the function, the argument, its type and what to do instead; nothing is written."""
    given = make(case.arrays[name])
    before = {each: array.copy() for each, array in case.arrays.items()}
    with pytest.raises(TypeError) as refusal:
        case.call(**{name: given})
    message = str(refusal.value)
    assert message.startswith(f"{case.function.__name__}: {name} is a {kind}")
    assert advice in message
    for each, array in before.items():
        assert case.arrays[each].tobytes() == array.tobytes()


ADVISED = {
    "masked": lambda x: x.filled(1.0),
    "dask": lambda x: x.compute(),
    "pandas": lambda x: x.to_numpy(),
    "xarray": lambda x: x.to_numpy(),
    "subclass": np.asarray,
    "matrix": np.asarray,
}


@pytest.mark.parametrize("name", ADVISED)
def test_the_advice_works(name):
    given = CONTAINERS[name][0](X)
    expected = fr.active_count(np.where(given.mask, 1.0, X) if name == "masked" else X)
    assert fr.active_count(ADVISED[name](given)) == expected


class Plain:
    """Merely gives its elements."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def memory_mapped(array, path):
    mapped = np.memmap(path, array.dtype, "w+", shape=array.shape)
    mapped[...] = array
    return mapped


PLAIN = {
    "memmap": memory_mapped,
    "recarray": lambda array, path: array.copy().view(np.recarray),
    "list": lambda array, path: array.tolist(),
    "__array__": lambda array, path: Plain(array),
    "buffer": lambda array, path: memoryview(array),
}


def takes(case, name, kind):
    """Whether the argument need not be an ndarray, and a list has the dtype of the array."""
    if kind in ("memmap", "recarray"):
        return True
    is_overwritten = case.function.__name__.endswith("_") and name == next(iter(case.arrays))
    is_lost = kind == "list" and case.arrays[name].dtype != np.float64
    return name not in ("out", "mask") and not is_overwritten and not is_lost


TAKEN = [
    (case, name, kind)
    for case in CASES
    for name in case.arrays
    for kind in PLAIN
    if takes(case, name, kind)
]


@pytest.mark.parametrize(
    "case, name, kind",
    TAKEN,
    ids=[f"{case.function.__name__}-{name}-{kind}" for case, name, kind in TAKEN],
)
def test_what_carries_nothing_is_taken(case, name, kind, tmp_path):
    def arrays():
        return {name: array.copy() for name, array in case.arrays.items()}

    expected = case.call(**arrays())
    given = PLAIN[kind](case.arrays[name].copy(), tmp_path / name)
    result = case.call(**{**arrays(), name: given})
    assert_same(result, expected)
    if name == "out":
        assert (result[0] if isinstance(result, tuple) else result) is given


def assert_same(actual, expected):
    if isinstance(expected, tuple):
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, fr.Mask):
        assert actual == expected
    else:
        assert np.asarray(actual).tobytes() == np.asarray(expected).tobytes()
        assert np.asarray(actual).dtype == np.asarray(expected).dtype


def test_prelu_keeps_masks():
    x, weight = masked(X), WEIGHT
    y = fr.prelu(x, weight)
    assert isinstance(y, np.ma.MaskedArray)
    assert (y.mask == x.mask).all()
    assert y.filled(9).tobytes() == np.where(x.mask, 9, fr.prelu(X, weight)).tobytes()
    rows = fr.prelu(X, np.ma.array([0.5, 0.25], mask=[True, False]), axis=0)
    assert rows.mask.tolist() == [[True] * 4, [False] * 4]
    assert rows[1].data.tobytes() == fr.prelu(X, 0.25)[1].tobytes()


def test_prelu_is_lazy_where_x_or_the_weight_is():
    dask_array = pytest.importorskip("dask.array")

    def never(block):
        raise AssertionError("computed")

    for axis, weight in ((1, WEIGHT), (0, WEIGHT[:2]), (1, 0.5), (1, [0.5]), (None, WEIGHT)):
        for x, slopes in (
            (lazy(X), weight),
            (X, lazy(np.asarray(weight))),
            (lazy(X), lazy(np.asarray(weight))),
        ):
            y = fr.prelu(x, slopes, axis)
            assert isinstance(y, dask_array.Array)
            assert y.compute().tobytes() == fr.prelu(X, weight, axis).tobytes()
    endless = lazy(X).map_blocks(never, dtype=X.dtype)
    assert isinstance(fr.prelu(endless, WEIGHT), dask_array.Array)
    assert isinstance(fr.rrelu(endless, rng=0), dask_array.Array)
    unknown = lazy(X)[lazy(np.array([True, False]))]
    assert fr.prelu(unknown, WEIGHT).compute().tobytes() == fr.prelu(X[:1], WEIGHT).tobytes()
    with pytest.raises(TypeError, match=r"^rrelu: x is a dask.*not known yet; pass x\.compute"):
        fr.rrelu(unknown)


def test_prelu_and_rrelu_keep_labels():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, index=["a", "b"], columns=list("wxyz"))
    for axis, weight in ((1, WEIGHT), (0, WEIGHT[:2]), (1, 0.5)):
        expected = pandas.DataFrame(fr.prelu(X, weight, axis), frame.index, frame.columns)
        pandas.testing.assert_frame_equal(fr.prelu(frame, weight, axis), expected)
    series = pandas.Series(WEIGHT - 1, index=list("abcd"), name="n")
    expected = pandas.Series(fr.prelu(WEIGHT - 1, WEIGHT, 0), series.index, name="n")
    pandas.testing.assert_series_equal(fr.prelu(series, WEIGHT, 0), expected)
    expected = pandas.Series(fr.rrelu(WEIGHT - 1, rng=0), series.index, name="n")
    pandas.testing.assert_series_equal(fr.rrelu(series, rng=0), expected)
    assert (fr.rrelu(frame, training=False).columns == frame.columns).all()
    with pytest.raises(TypeError, match=r"^rrelu: x is a pandas.DataFrame.*pass x\.to_numpy\(\)"):
        fr.rrelu(frame)
    for weight in (series, pandas.DataFrame(X)):
        with pytest.raises(TypeError, match=r"^prelu: weight is a pandas.*weight\.to_numpy\(\)"):
            fr.prelu(X, weight)


def test_prelu_and_rrelu_keep_dimensions():
    xarray = pytest.importorskip("xarray")
    x = xarray.DataArray(X, dims=("sample", "channel"), coords={"channel": list("abcd")}, name="x")
    for axis, weight in ((1, WEIGHT), (0, WEIGHT[:2]), (1, 0.5)):
        y = fr.prelu(x, weight, axis)
        assert y.identical(x.copy(data=fr.prelu(X, weight, axis)))
    assert fr.rrelu(x, rng=0).identical(x.copy(data=fr.rrelu(X, rng=0)))
    with pytest.raises(TypeError, match=r"^prelu: weight is a xarray"):
        fr.prelu(X, xarray.DataArray(WEIGHT))
    both = xarray.Dataset({"x": x})
    assert fr.prelu(both, 0.5)["x"].identical(fr.prelu(x, 0.5))
    with pytest.raises(TypeError, match=r"^prelu: x is a xarray.*Dataset"):
        fr.prelu(both, WEIGHT)


def test_rrelu_keeps_masks():
    x = masked(X)
    y, slopes = fr.rrelu_with_slopes(x, rng=3)
    expected, same_slopes = fr.rrelu_with_slopes(X, rng=3)
    assert (y.mask == x.mask).all()
    assert y.filled(9).tobytes() == np.where(x.mask, 9, expected).tobytes()
    assert type(slopes) is np.ndarray
    assert slopes.tobytes() == same_slopes.tobytes()


@pytest.mark.parametrize("weight", [0.5, [0.5], WEIGHT, WEIGHT[:2]], ids=repr)
def test_objects_are_asked(weight):
    axis = 0 if np.size(weight) == 2 else 1
    assert fr.prelu(Overriding(X), weight, axis) == ("its own meaning", "leaky_relu")
    assert fr.prelu(X.view(HasUnits), weight, axis) == "metres"
    with pytest.raises(TypeError, match=r"^prelu: .*Refusing.*__array_ufunc__=None"):
        fr.prelu(Refusing(X), weight, axis)


@pytest.mark.parametrize("training", [True, False])
def test_rrelu_asks_objects(training):
    assert fr.rrelu(Overriding(X), training=training) == ("its own meaning", "leaky_relu")
    with pytest.raises(TypeError, match=r"^rrelu: .*Refusing.*__array_ufunc__=None"):
        fr.rrelu(Refusing(X), training=training)


def test_subclasses_are_kept_through_ufuncs():
    assert type(fr.prelu(X.view(Own), WEIGHT)) is Own
    assert type(fr.rrelu(X.view(Own))) is Own
    assert type(fr.leaky_relu_backward_from_output(GRAD, X.view(Own))) is Own


@pytest.mark.parametrize("name", ["masked", "dask", "pandas", "xarray"])
def test_gradients_from_outputs_keep_what_either_carries(name):
    make = CONTAINERS[name][0]
    expected = fr.leaky_relu_backward(GRAD, X, 0.5)
    for grad, y in ((make(GRAD), X), (GRAD, make(X)), (make(GRAD), make(X))):
        result = fr.leaky_relu_backward_from_output(grad, y, 0.5)
        assert type(result) is type(make(X))
        assert (np.asarray(result) == expected)[~np.ma.getmaskarray(result)].all()


@pytest.mark.parametrize("name", ["dask", "pandas", "xarray", "override", "no ufuncs"])
@pytest.mark.parametrize("in_place", [fr.relu_, fr.leaky_relu_])
def test_what_cannot_be_overwritten_is_refused(in_place, name):
    with pytest.raises(TypeError, match=rf"^{in_place.__name__} .* has no buffer"):
        in_place(CONTAINERS[name][0](X))


def test_masked_arrays_are_overwritten_as_ufuncs_do():
    for in_place, ufunc in ((fr.relu_, fr.relu), (fr.leaky_relu_, fr.leaky_relu)):
        x = masked(X.copy())
        assert in_place(x) is x
        assert (x.mask == masked(X).mask).all()
        assert (x.filled(9) == ufunc(masked(X)).filled(9)).all()
    grad, x = masked(GRAD.copy()), np.ma.array(X, mask=X == 2)
    assert fr.relu_backward_(grad, x) is grad
    assert (grad.mask == (masked(GRAD).mask | x.mask)).all()


def test_functions_that_tables_are_made_of():
    for make, kind, advice in (CONTAINERS["masked"], CONTAINERS["pandas"]):
        with pytest.raises(TypeError) as refusal:
            fr.make_table(make, (1.0, 0), (1.0, 0))
        assert str(refusal.value).startswith(f"make_table: function(x) is a {kind}")
        assert advice in str(refusal.value)


INPUTS = [
    (case, name) for case in CASES for name in case.arrays if name not in ("out", "mask", "table")
]


@pytest.mark.parametrize(
    "case, name", INPUTS, ids=[f"{case.function.__name__}-{name}" for case, name in INPUTS]
)
@pytest.mark.parametrize("dtype", [bool, complex, object, "U1", "M8[s]"])
def test_refused_dtypes_name_the_function(case, name, dtype):
    """The one that was called, not a ufunc within it."""
    wrong = np.ones(case.arrays[name].shape, int).astype(dtype)
    with pytest.raises(TypeError, match=rf"^{case.function.__name__}\b") as refusal:
        case.call(**{name: wrong})
    assert "ufunc" not in str(refusal.value)
    assert not re.search(r"^\w+: \w+: ", str(refusal.value))


@pytest.mark.parametrize(
    "call",
    [
        fr.sparsity,
        lambda x: fr.maxout(x, 2),
        fr.crelu,
        lambda x: fr.relu_backward_with_bias(x, X),
        lambda x: fr.prelu_backward(GRAD, X, x),
        lambda x: fr.prelu(x, 0.5),
        lambda x: fr.rrelu(x, rng=0),
        lambda x: fr.relu_(x.copy()),
    ],
)
@pytest.mark.parametrize(("dtype", "cure"), [(bool, "np."), (complex, "np.real("), (object, "np.")])
def test_refused_dtypes_come_with_a_cure(call, dtype, cure):
    with pytest.raises(TypeError) as refusal:
        call(X.astype(dtype))
    assert cure in str(refusal.value).partition(";")[2]


ALONG_AXES = [case for case in CASES if "axis" in inspect.signature(case.function).parameters]


def along(case, axis):
    return case._replace(others=(*case.others, ("axis", axis)))


@pytest.mark.parametrize("case", ALONG_AXES, ids=lambda case: case.function.__name__)
def test_refused_axes_name_the_function(case):
    name = case.function.__name__
    with pytest.raises(AxisError, match=rf"^{name}: axis 7 is out of bounds"):
        along(case, 7).call()
    for axis in (1.0, True, np.True_, [0], "0"):
        words = rf"^{name}: axis must be an int.*, not {type(axis).__name__}$"
        with pytest.raises(TypeError, match=words):
            along(case, axis).call()
