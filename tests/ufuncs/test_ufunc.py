"""The functions are NumPy's own kind of object, and everything in NumPy that takes one works."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import pickle
import pkgutil
import pydoc

import fastrelu as fr
import numpy as np
import pytest
from support import (
    INTERNAL,
    UFUNCS,
    array_count,
    assert_as_promised,
    data_count,
    defaults,
    every_float_ufunc,
    every_leaky_ufunc,
    every_public_ufunc,
    every_ufunc,
    every_ufunc_with_parameters,
    input_names,
    oracle,
    parameter_names,
    repeated,
    run_python,
    takes_slope,
    usual_dtype,
)

PUBLIC = [name for name in fr.__all__ if not name.startswith("__")]
ASSUMED = {"np": np, "fr": fr}
"""What the docstring of the package says that its examples assume."""
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fr.__path__, "fastrelu.")
    if module.name != "fastrelu.__main__"
]


@every_public_ufunc
def test_identity(ufunc):
    assert isinstance(ufunc, np.ufunc)
    assert getattr(fr, ufunc.__name__) is ufunc
    assert ufunc.__module__ == "fastrelu"
    assert ufunc.nout == 1
    assert repr(ufunc) == f"<ufunc '{ufunc.__name__}'>"


def test_every_ufunc_is_public():
    public = {name for name in fr.__all__ if isinstance(getattr(fr, name), np.ufunc)}
    assert public == {ufunc.__name__ for ufunc in fr._core.ufuncs} - INTERNAL


def test_all_public_names_exist():
    assert set(fr.__all__) <= set(dir(fr))
    for _ in range(2):  # the first look can differ from the next, where names come late
        assert all(callable(getattr(fr, name)) for name in PUBLIC)
        assert inspect.isfunction(fr.verify)
    with pytest.raises(AttributeError, match="nonsense"):
        fr.nonsense  # noqa: B018


@every_public_ufunc
def test_pickles(ufunc):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(ufunc, protocol)
        assert pickle.loads(pickled) is ufunc
        assert b"fastrelu" in pickled
        assert b"_core" not in pickled
    assert copy.copy(ufunc) is ufunc
    assert copy.deepcopy(ufunc) is ufunc


def test_pickle_loads_where_fastrelu_has_not_been_imported():
    pickled = pickle.dumps(fr.leaky_relu)
    code = f"import pickle; print(pickle.loads({pickled!r})([-1.0, 2.0], 0.5))"
    assert run_python(code).stdout == "[-0.5  2. ]\n"


@every_public_ufunc
def test_signature(ufunc):
    parameters = inspect.signature(ufunc).parameters
    expected = inspect.signature(oracle(ufunc)).parameters
    assert list(parameters)[: ufunc.nin] == list(expected)
    assert {"out", "where", "casting", "order", "dtype", "subok"} <= set(parameters)
    for name, each in expected.items():
        assert parameters[name].kind is each.kind
        assert repr(parameters[name].default) == repr(each.default)


@every_public_ufunc
def test_help(ufunc):
    text = pydoc.render_doc(ufunc, renderer=pydoc.plaintext)
    assert ufunc.__name__ in text
    for part in (
        "Parameters",
        "Returns",
        "Raises",
        "Examples",
        *inspect.signature(ufunc).parameters,
    ):
        assert part in text


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_examples(name):
    function = getattr(fr, name)
    examples = doctest.DocTestParser().get_doctest(function.__doc__, {**ASSUMED}, name, None, None)
    if not isinstance(function, type):
        assert examples.examples
    failed, _ = doctest.DocTestRunner(verbose=False).run(examples)
    assert not failed


@pytest.mark.parametrize("name", MODULES)
def test_module_examples(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(str(error))
    assert not doctest.testmod(module, extraglobs=ASSUMED).failed


@every_leaky_ufunc
def test_slope_left_out_by_position_and_by_keyword(ufunc):
    for dtype in (np.float32, np.float64, np.longdouble, np.int8):
        arrays = repeated(ufunc, np.array([-3, 0, 2], dtype))
        assert_as_promised(ufunc, ufunc(*arrays), *arrays, 0.01)
        assert_as_promised(ufunc, ufunc(*arrays, 0.3), *arrays, 0.3)
        assert_as_promised(ufunc, ufunc(*arrays, negative_slope=0.3), *arrays, 0.3)
        slopes = np.array([0.5, 0.25, 2.0])
        assert_as_promised(ufunc, ufunc(*arrays, negative_slope=slopes), *arrays, slopes)


@every_ufunc_with_parameters
def test_parameters_by_keyword_in_any_order(ufunc):
    names, dtype = parameter_names(ufunc), usual_dtype(ufunc)
    arrays = [np.array([-3, 0, 2, 9], dtype)] * data_count(ufunc)
    for numbers in ((1, 5), (2, np.array([3, 4, 5, 6], dtype))):
        given = dict(zip(names, numbers, strict=False))
        assert_as_promised(ufunc, ufunc(*arrays, **given), *arrays, *given.values())
        backwards = dict(reversed(given.items()))
        assert_as_promised(ufunc, ufunc(*arrays, **backwards), *arrays, *given.values())
        first, *others = given.items()
        result = ufunc(*arrays, first[1], **dict(others))
        assert_as_promised(ufunc, result, *arrays, *given.values())
        out = np.empty(4, dtype)
        assert ufunc(*arrays, out=out, **backwards) is out
        assert_as_promised(ufunc, out, *arrays, *given.values())
        if first[0] in defaults(ufunc):
            for name in given:
                value = 0 if name == "min_val" else 4
                expected = oracle(ufunc)(*arrays, **{name: value})
                result = ufunc(*arrays, **{name: value})
                assert_as_promised(ufunc, result, *arrays, expected=expected)


@every_ufunc_with_parameters
def test_parameters_given_twice_or_not_at_all(ufunc):
    x, names = np.ones(3, usual_dtype(ufunc)), parameter_names(ufunc)
    arrays = [x] * data_count(ufunc)
    for k, name in enumerate(names):
        given = [x] * (k + 1)
        with pytest.raises(TypeError, match=rf"multiple values.*{name}"):
            ufunc(*arrays, *given, **{name: 1})
    for name in names:
        if name not in defaults(ufunc):
            others = {each: 1 for each in names if each != name}
            with pytest.raises(TypeError, match=rf"{ufunc.__name__}.*{name}"):
                ufunc(*arrays, **others)


@every_leaky_ufunc
def test_slope_by_keyword_beside_other_keywords(ufunc):
    arrays = repeated(ufunc, np.linspace(-2, 2, 6))
    out = np.zeros(6, np.float32)
    mask = np.array([True, False] * 3)
    result = ufunc(*arrays, where=mask, negative_slope=0.5, casting="same_kind", out=out, order="C")
    assert result is out
    expected = np.where(mask, oracle(ufunc)(*arrays, 0.5), 0).astype(np.float32)
    assert result.tobytes() == expected.tobytes()
    reordered = ufunc(*arrays, dtype=np.float32, negative_slope=0.5)
    assert_as_promised(ufunc, reordered, *(each.astype(np.float32) for each in arrays), 0.5)


@every_leaky_ufunc
def test_slope_given_twice(ufunc):
    arrays = repeated(ufunc, np.ones(3))
    with pytest.raises(TypeError, match=r"multiple values.*negative_slope"):
        ufunc(*arrays, 0.5, negative_slope=0.5)
    with pytest.raises(TypeError, match=r"multiple values.*negative_slope"):
        ufunc(*arrays, 0.5, np.empty(3), negative_slope=0.5)


@every_ufunc
def test_wrong_number_of_arguments(ufunc):
    x = np.ones(3)
    for count in (*range(array_count(ufunc)), ufunc.nin + 2, ufunc.nin + 20):
        with pytest.raises(TypeError):
            ufunc(*[x] * count)
        with pytest.raises(TypeError):
            ufunc(*[x] * count, out=np.empty(3))
        if takes_slope(ufunc) and count < array_count(ufunc):
            with pytest.raises(TypeError):
                ufunc(*[x] * count, negative_slope=0.5)


@every_ufunc_with_parameters
def test_a_wrong_number_of_arguments_says_how_many_are_right(ufunc):
    """Inputs which have a default need not be given."""
    x = np.ones(3, usual_dtype(ufunc))
    least, most = array_count(ufunc), ufunc.nin + 1
    if defaults(ufunc):
        for count in (*range(least), most + 1, most + 20):
            given = rf"{count} (was|were) given"
            with pytest.raises(TypeError, match=rf"takes from {least} to {most} .*{given}"):
                ufunc(*[x] * count)
    else:
        with pytest.raises(TypeError, match=rf"takes from {ufunc.nin} to {most} .*0 were given"):
            ufunc()


@every_float_ufunc
def test_unknown_keywords(ufunc):
    x = np.ones(3)
    with pytest.raises(TypeError, match="nonsense"):
        ufunc(*repeated(ufunc, x), nonsense=1)
    many = {f"nonsense{k}": k for k in range(30)}
    with pytest.raises(TypeError):
        ufunc(*repeated(ufunc, x), **many)
    with pytest.raises(TypeError):
        ufunc(*[x] * ufunc.nin, np.empty(3), out=np.empty(3))
    for name in {"negative_slope", "max_val", "alpha"} - set(parameter_names(ufunc)):
        with pytest.raises(TypeError, match=name):
            ufunc(*[x] * ufunc.nin, **{name: 0.5})


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda each: each.__name__)
def test_wrong_numbers_of_arguments_are_said(ufunc):
    """Inputs with a default are not among those that must be given."""
    fewest, most = ufunc.nin - len(defaults(ufunc)), ufunc.nin + 1
    for n in (0, most + 1):
        words = (
            rf"^{ufunc.__name__}\(\) takes from {fewest} to {most} positional arguments but {n} "
        )
        with pytest.raises(TypeError, match=words):
            ufunc(*[np.ones(3)] * n)


@pytest.mark.parametrize(
    "wrong, cure",
    [
        (np.array([True]), r"bool has no sign to rectify.* np\.asarray\(x, np\.int8\)"),
        (True, r"bool has no sign to rectify.* np\.asarray\(x, np\.int8\)"),
        (np.array([1j]), r"complex numbers have no sign.* np\.real\(x\) or np\.abs\(x\)"),
        (1j, r"complex numbers have no sign.* np\.real\(x\) or np\.abs\(x\)"),
        (np.array([1.0], object), r"not numpy\.object_; pass .* np\.asarray\(x, np\."),
        (np.array(["1"]), r"not numpy\.str_; pass .* np\.asarray\(x, np\."),
        (np.array([1], "M8[s]"), r"not numpy\.datetime64; pass .* np\.asarray\(x, np\."),
        (None, r"not numpy\.object_; pass .* np\.asarray\(x, np\."),
    ],
    ids=str,
)
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda each: each.__name__)
def test_refused_dtypes_come_with_a_cure(ufunc, wrong, cure):
    for keywords in ({}, {"out": np.ones(1)}):
        with pytest.raises(TypeError, match=rf"^{ufunc.__name__}:? .*{cure}"):
            ufunc(*[wrong] * ufunc.nin, **keywords)


def test_second_argument_of_leaky_relu_is_a_slope_not_an_output():
    x, y = np.array([-2.0, 3.0]), np.array([0.5, 7.0])
    assert fr.leaky_relu(x, y).tolist() == [-1.0, 3.0]
    assert y.tolist() == [0.5, 7.0]


def test_at():
    x = np.array([-1.0, -2.0, 3.0])
    fr.relu.at(x, [0, 2])
    assert x.tolist() == [0.0, -2.0, 3.0]
    fr.leaky_relu.at(x, [1, 1], 0.5)
    assert x.tolist() == [0.0, -0.5, 3.0]
    fr.relu_backward.at(x, [1, 2], np.array([-1.0, 1.0]))
    assert x.tolist() == [0.0, 0.0, 3.0]
    with pytest.raises(ValueError, match="second operand"):
        fr.leaky_relu.at(x, [1])


def test_outer():
    x, slopes = np.array([-2.0, 3.0]), np.array([0.5, 0.25])
    assert fr.leaky_relu.outer(x, slopes).tolist() == [[-1.0, -0.5], [3.0, 3.0]]
    assert fr.relu_backward.outer(slopes, x).tolist() == [[0.0, 0.5], [0.0, 0.25]]
    with pytest.raises(ValueError, match="binary"):
        fr.relu.outer(x, x)
    with pytest.raises(TypeError):
        fr.leaky_relu.outer(x)


@every_ufunc
def test_reductions_mean_nothing(ufunc):
    assert ufunc.identity is None
    if ufunc.nin != 2:
        for method in (ufunc.reduce, ufunc.accumulate):
            with pytest.raises(ValueError, match="binary"):
                method(np.ones(3))


class Overriding:
    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        return ufunc, method, inputs, keywords


class Refusing:
    __array_ufunc__ = None


@every_float_ufunc
def test_array_ufunc_is_asked(ufunc):
    x, other = np.ones(3), Overriding()
    for position in range(array_count(ufunc)):
        inputs = repeated(ufunc, x)
        inputs[position] = other
        asked, method, given, keywords = ufunc(*inputs)
        assert (asked, method, keywords) == (ufunc, "__call__", {})
        assert given[: len(inputs)] == tuple(inputs)
        assert given[len(inputs) :] in ((), tuple(defaults(ufunc).values()))
    assert ufunc(*repeated(ufunc, x), out=other)[3] == {"out": (other,)}
    with pytest.raises(TypeError):
        ufunc(Refusing(), *[x] * (ufunc.nin - 1))
    for name in parameter_names(ufunc):
        arrays = [x] * (input_names(ufunc).index(name))
        rest = dict.fromkeys(input_names(ufunc)[len(arrays) + 1 : array_count(ufunc)], x)
        _, _, given, keywords = ufunc(*arrays, **{name: other}, **rest)
        assert given[len(arrays)] is other
        assert keywords == {}


class Subclass(np.ndarray):
    def __array_finalize__(self, parent):
        self.label = getattr(parent, "label", "none")


@every_float_ufunc
def test_subclasses(ufunc):
    plain = np.linspace(-2, 2, 5)
    x = plain.view(Subclass)
    x.label = "mine"
    arrays = repeated(ufunc, x)
    result = ufunc(*arrays)
    assert type(result) is Subclass
    assert result.label == "mine"
    assert_as_promised(ufunc, result.view(np.ndarray), *repeated(ufunc, plain))
    assert type(ufunc(*arrays, subok=False)) is np.ndarray
    assert type(ufunc(*arrays, out=np.empty(5))) is np.ndarray
    assert type(ufunc(*repeated(ufunc, plain), out=x)) is Subclass


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@every_float_ufunc
def test_matrix(ufunc):
    plain = np.linspace(-2, 2, 6).reshape(2, 3)
    result = ufunc(*repeated(ufunc, np.matrix(plain)))
    assert type(result) is np.matrix
    assert_as_promised(ufunc, np.asarray(result), *repeated(ufunc, plain))


@every_float_ufunc
def test_masked_arrays(ufunc):
    plain = np.linspace(-2, 2, 6)
    masked = np.ma.array(plain, mask=[0, 1, 0, 0, 1, 0])
    result = ufunc(*repeated(ufunc, masked))
    assert isinstance(result, np.ma.MaskedArray)
    assert result.mask.tolist() == masked.mask.tolist()
    assert_as_promised(ufunc, result.compressed(), *repeated(ufunc, plain[~masked.mask]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@every_float_ufunc
def test_dask(ufunc):
    dask_array = pytest.importorskip("dask.array")
    plain = np.linspace(-2, 2, 50).reshape(5, 10)
    lazy = dask_array.from_array(plain, chunks=(2, 4))
    result = ufunc(*repeated(ufunc, lazy))
    assert isinstance(result, dask_array.Array)
    assert_as_promised(ufunc, result.compute(), *repeated(ufunc, plain))
    if takes_slope(ufunc):
        steep = ufunc(*repeated(ufunc, lazy), negative_slope=0.5).compute()
        assert_as_promised(ufunc, steep, *repeated(ufunc, plain), 0.5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@every_float_ufunc
def test_pandas(ufunc):
    pandas = pytest.importorskip("pandas")
    plain = np.linspace(-2, 2, 6)
    series = pandas.Series(plain, index=list("abcdef"), name="x")
    result = ufunc(*repeated(ufunc, series))
    assert list(result.index) == list("abcdef")
    assert_as_promised(ufunc, result.to_numpy(), *repeated(ufunc, plain))
    frame = pandas.DataFrame({"a": plain, "b": -plain})
    result = ufunc(*repeated(ufunc, frame))
    assert list(result.columns) == ["a", "b"]
    assert_as_promised(ufunc, result["b"].to_numpy(), *repeated(ufunc, -plain))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@every_float_ufunc
def test_xarray(ufunc):
    xarray = pytest.importorskip("xarray")
    plain = np.linspace(-2, 2, 6).reshape(2, 3)
    labelled = xarray.DataArray(plain, dims=("batch", "channel"), coords={"channel": list("rgb")})
    result = ufunc(*repeated(ufunc, labelled))
    assert result.dims == labelled.dims
    assert_as_promised(ufunc, result.to_numpy(), *repeated(ufunc, plain))
    if ufunc is fr.leaky_relu:
        slopes = xarray.DataArray([0.1, 0.2, 0.3], dims="channel", coords={"channel": list("rgb")})
        result = ufunc(labelled, slopes)
        assert_as_promised(ufunc, result.to_numpy(), plain, slopes.to_numpy())


@every_float_ufunc
def test_memory_maps(ufunc, tmp_path):
    stored = np.memmap(tmp_path / "x", np.float32, "w+", shape=(300,))
    stored[:] = np.linspace(-2, 2, 300)
    plain = np.array(stored)
    result = ufunc(*repeated(ufunc, stored))
    assert_as_promised(ufunc, np.asarray(result), *repeated(ufunc, plain))
    ufunc(*repeated(ufunc, plain), out=stored)
    assert_as_promised(ufunc, np.asarray(stored), *repeated(ufunc, plain))


def test_import_is_light():
    """Nothing beyond NumPy and the standard library, and of that no more than is needed."""
    result = run_python(
        "import sys, numpy; before = set(sys.modules); import fastrelu;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    foreign = {"rich", "matplotlib", "sklearn", "torch", "pandas", "dask", "hypothesis"}
    assert not foreign & set(result.stdout.split())
