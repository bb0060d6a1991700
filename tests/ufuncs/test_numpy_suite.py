"""NumPy's own tests of ufuncs, run on ours.

The installed NumPy brings its tests along. A test that names `np.add` runs with a stand-in for
`np` whose `add` is one of our ufuncs; a test that is parametrised over ufuncs gets ours. Where it
asserts values, only ufuncs with these values are enrolled: of numbers that are not negative,
`add_relu` is the sum.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import fastrelu as fr
import numpy as np
import pytest
from fastrelu.testing import cases
from support import UFUNCS, arithmetic, defaults, is_bounded, parameter_names, takes_floats

COMPLETE = ("2.4.",)
"""NumPy versions that are known to have all of the tests below: they may not be missing there."""

ONE_INPUT = [each for each in UFUNCS if each.nin == 1]
TWO_INPUTS = [each for each in UFUNCS if each.nin == 2]


def _floats(ufuncs: Iterable[np.ufunc]) -> list[np.ufunc]:
    return [each for each in ufuncs if takes_floats(each)]


def _keeping_integers(ufuncs: Iterable[np.ufunc]) -> list[np.ufunc]:
    return [each for each in ufuncs if "i" * each.nin + "->i" in each.types]


def _without_default(ufuncs: Iterable[np.ufunc]) -> list[np.ufunc]:
    return [each for each in ufuncs if not defaults(each)]


def _taking_zeros(ufuncs: Iterable[np.ufunc]) -> list[np.ufunc]:
    """celu refuses an alpha of 0, which some tests give."""
    return [u for u in ufuncs if not cases.positive(parameter_names(u), u.__name__)]


TWO_FLOATS = _floats(TWO_INPUTS)
SUM = [fr.add_relu]
ONE_OF_ONE = [fr.relu, fr.relu6, fr.relu_derivative, fr.squared_relu]
"""f(1) is 1."""


@dataclass(frozen=True)
class Enrolled:
    """A test of NumPy's, and the ufuncs that it is run on."""

    where: str
    """Module, perhaps class, and name."""
    ufuncs: Sequence[Callable[..., Any]]
    names: str = ""
    """Of NumPy's functions, in the module's `np` and `ncu`, in whose place they come."""
    parameter: str = ""
    """The test's own parameter that is a ufunc."""
    keep: Callable[[np.ufunc, dict[str, Any]], bool] = lambda ufunc, case: True
    """Which of the test's cases are ours."""


def _each(
    prefix: str, tests: str, ufuncs: Sequence[np.ufunc], names: str = "", parameter: str = ""
) -> list[Enrolled]:
    return [Enrolled(prefix + each, ufuncs, names, parameter) for each in tests.split()]


def _is_plain(ufunc: np.ufunc, case: dict[str, Any]) -> bool:
    """Without dtypes that we do not take, and without bounds that are out of order."""
    if "a" in case:
        return case["a"].dtype.kind in "iuf"
    code = case.get("typecode", case.get("dtype"))
    grows = ufunc.__name__.endswith("_from_output")  # a product with the square of an output
    wraps = (grows or is_bounded(ufunc)) and code in "bB"  # 3000 steps from 0
    return not wraps and (takes_floats(ufunc) or code in np.typecodes["AllInteger"])


def _is_silent(ufunc: np.ufunc, case: dict[str, Any]) -> bool:
    """hardswish(-inf) is the product of -inf and 0."""
    return ufunc is not fr.hardswish or -np.inf not in case["data"]


KWARGS = "ufunc.TestUfuncKwargs."
UFUNC = "ufunc.TestUfunc."
LOW_LEVEL = "ufunc.TestLowlevelAPIAccess."
SIGNATURE = "ufunc.TestUFuncInspectSignature."
SPECIAL = "umath.TestSpecialMethods."
OVERLAP = "mem_overlap.TestUFunc."

ENROLLED = [
    *_each(
        KWARGS,
        "test_kwarg_exact test_sig_signature test_sig_dtype test_extobj_removed",
        TWO_INPUTS,
        "add",
    ),
    *_each(
        UFUNC,
        "test_signature_errors test_output_ellipsis test_output_ellipsis_errors "
        "test_at_broadcast_failure test_NotImplemented_not_returned test_reduce_noncontig_output",
        TWO_INPUTS,
        "add",
    ),
    *_each(
        UFUNC,
        "test_signature_dtype_type test_partial_signature_mismatch_with_cache "
        "test_out_broadcast_errors test_array_wrap_array_priority "
        "test_reduceat_and_accumulate_out_shape_mismatch test_reducelike_byteorder_resolution "
        "test_reduce_output_does_not_broadcast_input test_reduce_output_subclass_ok "
        "test_reducelike_output_needs_identical_cast",
        TWO_FLOATS,
        "add",
    ),
    *_each(
        UFUNC,
        "test_reduceat_shifting_sum test_forced_sig test_out_broadcasts test_casting_out_param "
        "test_where_param test_where_param_buffer_output test_where_warns test_ufunc_at_ellipsis "
        "test_ufunc_at_large test_cast_index_fastpath test_ufunc_at_scalar_value_fastpath "
        "test_ufunc_at_multiD test_ufunc_at_0D test_ufunc_at_advanced test_reduce_arguments",
        SUM,
        "add",
    ),
    *_each(
        UFUNC,
        "test_out_broadcast_errors test_output_ellipsis_errors",
        ONE_INPUT,
        "positive negative",
    ),
    Enrolled(UFUNC + "test_signature_all_None", TWO_INPUTS, "add maximum"),
    Enrolled(UFUNC + "test_cast_safety", _floats(UFUNCS), parameter="ufunc"),
    Enrolled(UFUNC + "test_where_param_alloc", ONE_OF_ONE, "sqrt"),
    Enrolled(UFUNC + "test_reduction_where_initial_needed", TWO_FLOATS, "maximum"),
    Enrolled(UFUNC + "test_empty_reduction_and_identity", TWO_FLOATS, "true_divide"),
    Enrolled(UFUNC + "test_ufunc_at_basic", SUM, "add", keep=_is_plain),
    Enrolled(
        UFUNC + "test_ufunc_at_inner_loops",
        _taking_zeros(TWO_INPUTS),
        parameter="ufunc",
        keep=_is_plain,
    ),
    Enrolled(UFUNC + "test_at_negative_indexes", TWO_INPUTS, parameter="ufunc", keep=_is_plain),
    *_each("ufunc.", "test_ufunc_types test_ufunc_noncontiguous", UFUNCS, parameter="ufunc"),
    Enrolled(
        "ufunc.test_ufunc_warn_with_nan",
        [each for each in ONE_INPUT + TWO_FLOATS if arithmetic(each) == "selects"],
        parameter="ufunc",
    ),
    *_each(
        "ufunc.",
        "test_ufunc_input_casterrors test_ufunc_input_floatingpoint_error test_reduce_casterrors "
        "test_reduction_no_reference_leak",
        _keeping_integers(TWO_INPUTS),
        "add",
    ),
    Enrolled("ufunc.test_object_reduce_cleanup_on_failure", TWO_INPUTS, "add"),
    Enrolled(
        "ufunc.test_ufunc_methods_floaterrors",
        [fr.add_relu.accumulate, fr.add_relu.reduce],
        parameter="method",
    ),
    Enrolled(
        UFUNC + "test_reduce_wrong_dimension_output",
        [each.reduce for each in TWO_FLOATS],
        parameter="f_reduce",
    ),
    *_each(
        LOW_LEVEL,
        "test_resolve_dtypes_reduction_no_output test_resolve_dtypes_errors "
        "test_resolve_dtypes_reduction_errors test__get_strided_loop_errors_bad_call_info",
        TWO_INPUTS,
        "add",
    ),
    Enrolled(
        LOW_LEVEL + "test_resolve_dtypes_basic",
        _without_default(_floats(_keeping_integers(TWO_INPUTS))),
        "add",
    ),
    *_each(
        LOW_LEVEL,
        "test__get_strided_loop_errors_bad_strides test__get_strided_loop_errors_bad_call_info",
        _keeping_integers(ONE_INPUT),
        "negative",
    ),
    Enrolled(LOW_LEVEL + "test_long_arrays", ONE_INPUT, "cos"),
    *_each(
        SIGNATURE, "test_dunder_signature_attr test_params_common_ufunc", UFUNCS, parameter="ufunc"
    ),
    Enrolled(
        SIGNATURE + "test_params_common_positional",
        [each for each in UFUNCS if not parameter_names(each)],
        parameter="ufunc",
    ),
    *_each("umath.TestOut.", "test_out_subok test_out_wrap_subok", TWO_FLOATS, "add"),
    *_each(
        SPECIAL,
        "test_wrap test_priority test_failing_wrap test_none_wrap test_default_prepare",
        _taking_zeros(TWO_FLOATS),
        "minimum maximum",
    ),
    Enrolled(SPECIAL + "test_priority", ONE_INPUT, "exp"),
    Enrolled(SPECIAL + "test_wrap_out", _taking_zeros(TWO_FLOATS), "add"),
    Enrolled(SPECIAL + "test_priority_with_scalar", TWO_INPUTS, "add multiply"),
    *_each(SPECIAL, "test_ufunc_override test_ufunc_override_mro", TWO_INPUTS, "multiply"),
    *_each(
        SPECIAL,
        "test_ufunc_override_methods test_ufunc_override_out",
        _without_default(TWO_INPUTS),
        "multiply",
    ),
    Enrolled(SPECIAL + "test_ufunc_override_out", ONE_INPUT, "sin"),
    Enrolled(SPECIAL + "test_ufunc_override_where", _keeping_integers(ONE_INPUT), "negative"),
    *_each(
        SPECIAL, "test_ufunc_override_exception test_ufunc_override_disabled", ONE_INPUT, "negative"
    ),
    *_each(
        SPECIAL,
        "test_ufunc_override_exception test_ufunc_override_disabled",
        TWO_INPUTS,
        "add divide",
    ),
    Enrolled(SPECIAL + "test_ufunc_override_with_super", _taking_zeros(TWO_FLOATS), "add"),
    Enrolled(SPECIAL + "test_ufunc_override_with_super", ONE_INPUT, "sin"),
    Enrolled(SPECIAL + "test_array_ufunc_direct_call", SUM, "add"),
    Enrolled("umath.TestSpecialFloats.test_sincos_overlaps", ONE_INPUT, parameter="callable"),
    Enrolled(
        "umath.TestSpecialFloats.test_unary_spurious_fpexception",
        ONE_INPUT,
        parameter="ufunc",
        keep=_is_silent,
    ),
    Enrolled(OVERLAP + "test_binary_ufunc_accumulate_fuzz", _keeping_integers(TWO_INPUTS), "add"),
    *_each(
        OVERLAP,
        "test_binary_ufunc_reduceat_fuzz test_binary_ufunc_reduceat_manual",
        TWO_INPUTS,
        "add",
    ),
    Enrolled(OVERLAP + "test_ufunc_at_manual", TWO_INPUTS, "add"),
    Enrolled(OVERLAP + "test_ufunc_at_manual", ONE_INPUT, "invert"),
]


class StandIn:
    """A module without some of its names."""

    def __init__(self, module: Any, names: dict[str, Any]) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def found(where: str) -> tuple[Any, Any]:
    """NumPy's module of that test, and the test, bound if it is a method."""
    name, *path = where.split(".")
    try:
        with warnings.catch_warnings(action="ignore"):  # some come from what its parameters are
            module = importlib.import_module(f"numpy._core.tests.test_{name}")
        test = module
        for part in path:
            test = getattr(test() if inspect.isclass(test) else test, part)
    except (ImportError, AttributeError) as missing:
        if np.__version__.startswith(COMPLETE):
            raise
        pytest.skip(f"NumPy {np.__version__} has no test {where}: {missing}")
    return module, test


def cases_of(test: Any, parameter: str) -> Iterator[dict[str, Any]]:
    """The arguments that the test is parametrised with, except the one that we give."""
    columns = []
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names, rows = mark.args[:2]
            names = [each.strip() for each in names.split(",")] if isinstance(names, str) else names
            if names != [parameter]:
                rows = [_values(row, len(names)) for row in rows]
                columns.append([dict(zip(names, row, strict=True)) for row in rows])
    for case in itertools.product(*columns):
        yield {name: value for each in case for name, value in each.items()}


def _values(row: Any, count: int) -> Sequence[Any]:
    if isinstance(row, type(pytest.param())):
        return row.values
    return row if count > 1 else (row,)


def put_in_place(monkeypatch: pytest.MonkeyPatch, module: Any, **names: Any) -> None:
    monkeypatch.setattr(module, "np", StandIn(np, names))
    if hasattr(module, "ncu"):
        monkeypatch.setattr(module, "ncu", StandIn(module.ncu, names))


def _name(value: Any) -> str:
    if isinstance(value, Enrolled):
        return value.where
    owner = getattr(value, "__self__", None)
    return f"{owner.__name__}.{value.__name__}" if isinstance(owner, np.ufunc) else value.__name__


@pytest.mark.parametrize(
    ("enrolled", "ufunc"), [(each, ufunc) for each in ENROLLED for ufunc in each.ufuncs], ids=_name
)
def test_of_numpy(enrolled, ufunc, monkeypatch):
    module, test = found(enrolled.where)
    put_in_place(monkeypatch, module, **dict.fromkeys(enrolled.names.split(), ufunc))
    given = {enrolled.parameter: ufunc} if enrolled.parameter else {}
    kept = [case for case in cases_of(test, enrolled.parameter) if enrolled.keep(ufunc, case)]
    assert kept
    for case in kept:
        test(**case, **given)


@pytest.fixture(scope="module", autouse=True)
def marks_of_numpy(request):
    """Their tests bear marks that are known to NumPy's own configuration."""
    for name in ("thread_unsafe", "leaks_references", "valgrind_error"):
        request.config.addinivalue_line("markers", f"{name}: a mark of NumPy's")


@np.errstate(all="ignore")  # the values grow with each call
def overlaps(operation: Any, size_of_out: Any, dtype: Any, count: int) -> None:
    _, check = found(OVERLAP + "check_unary_fuzz")
    check(operation, size_of_out, dtype, count)


def plain_dtype(ufunc: np.ufunc) -> type[np.generic]:
    return np.float32 if takes_floats(ufunc) else np.int16


@pytest.mark.parametrize("ufunc", UFUNCS, ids=_name)
def test_calls_with_any_overlap(ufunc):
    number = [6] if is_bounded(ufunc) else []  # may not be negative

    def call(x, **keywords):
        return ufunc(x[::-1], *[x] * (ufunc.nin - 1 - len(number)), *number, **keywords)

    overlaps(call, None, plain_dtype(ufunc), 200)


@pytest.mark.parametrize("ufunc", TWO_INPUTS, ids=_name)
@pytest.mark.parametrize("method", ["reduce", "accumulate"])
def test_reductions_with_any_overlap(ufunc, method):
    """As in NumPy's tests, except reductions over all axes: ours cannot be reordered."""

    def size_of_out(x, out, axis):
        if axis is None and x.ndim > 1:
            return "skip", False
        size = x.shape[axis or 0]
        return (size, False) if method == "accumulate" else (None, axis is None or x.ndim == 1)

    overlaps(getattr(ufunc, method), size_of_out, plain_dtype(ufunc), 200)


FLOATS_ALONE = {"complex64": np.float32, "complex128": np.float64}
"""In place of the complex dtypes, which we do not take."""


@pytest.mark.parametrize("ufunc", ONE_INPUT, ids=_name)
def test_one_input_in_one_dimension(ufunc, monkeypatch):
    module, test = found(OVERLAP + "test_unary_ufunc_1d_manual")
    names = {"reciprocal": ufunc} | FLOATS_ALONE
    if ufunc in _keeping_integers(ONE_INPUT):
        names["invert"] = ufunc
    put_in_place(monkeypatch, module, **names)
    test()


@pytest.mark.slow
@pytest.mark.parametrize("ufunc", [fr.add_relu, fr.relu_backward], ids=_name)
def test_two_inputs_in_one_dimension(ufunc, monkeypatch):
    module, test = found(OVERLAP + "test_binary_ufunc_1d_manual")
    put_in_place(monkeypatch, module, add=ufunc, **FLOATS_ALONE)
    test()
