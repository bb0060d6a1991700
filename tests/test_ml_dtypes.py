"""bfloat16 and the floats of one byte, which another package registers with NumPy."""

from __future__ import annotations

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, cases
from fastrelu._verification import supported_dtypes
from support import (
    arithmetic,
    array_count,
    assert_as_promised,
    data_count,
    every_float_ufunc,
    every_ufunc,
    legal,
    parameter_names,
    parametrized,
    repeated,
    reported,
    run_python,
    takes_floats,
    takes_slope,
)

ml_dtypes = pytest.importorskip("ml_dtypes")

DTYPES = [dtype for dtype in supported_dtypes() if dtype.isbuiltin == 2]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)


def test_all_floats_are_supported():
    floats = {name for name in dir(ml_dtypes) if name.startswith(("bfloat", "float"))}
    assert {dtype.name for dtype in DTYPES} == floats


@pytest.mark.slow
@every_dtype
@every_float_ufunc
def test_every_pattern(ufunc, dtype, isa):
    """Every value, against a set of gradients, shorter and longer than a table pays for."""
    x = cases.every_pattern(dtype)
    random = np.random.default_rng(0)
    arrays = legal(ufunc, [*(random.permutation(x) for _ in range(array_count(ufunc) - 1)), x])
    for slope in (
        ((0.01,), (0.2,), (-3.0,), (0.0,), (np.float32(1e-30),)) if takes_slope(ufunc) else ((),)
    ):
        for tile in (1, 3):
            args = (*(np.tile(each, tile) for each in arrays), *slope)
            with np.errstate(all="ignore"):
                for path in ({}, {"where": True}):
                    assert_as_promised(ufunc, ufunc(*args, **path), *args)


@pytest.mark.slow
@every_dtype
def test_verify_is_clean(dtype):
    assert fr.verify(
        dtypes=[dtype], isas=[fr.isa()], functions=["relu", "leaky_relu"], progress=False
    )


@pytest.mark.parametrize(
    "call",
    [
        "fr.relu(x)",
        "fr.relu(x, out=x)",
        "fr.relu(x, dtype=x.dtype)",
        "fr.relu(x, dtype='bfloat16')",
        "fr.relu(np.ones(2, 'f4'), signature=(x.dtype, x.dtype), casting='unsafe')",
        "fr.relu(x, casting='no')",
        "fr.relu(list(x))",
        "fr.relu(x[0])",
        "fr.relu.at(x, [0])",
        "fr.relu_backward.outer(x, x)",
        "fr.relu_backward(x, x)",
        "fr.leaky_relu(x)",
        "fr.leaky_relu(x, np.float32(0.5))",
        "fr.leaky_relu.at(x, [0], 0.5)",
        "fr.relu_(x)",
    ],
)
def test_first_call_of_a_process(call):
    """The loops come with the first dispatch, whatever it is; nothing imports the package."""
    result = run_python(
        f"""
import sys, numpy as np, fastrelu as fr
assert "ml_dtypes" not in sys.modules
import ml_dtypes
x = np.array([-1, 2], ml_dtypes.bfloat16)
result = {call}
assert (x if result is None else result).dtype == ml_dtypes.bfloat16, result
"""
    )
    assert result.returncode == 0, result.stderr


WITH_PARAMETERS = [u for u in _core.ufuncs if takes_floats(u) and parameter_names(u)]


@every_dtype
@parametrized("ufunc", WITH_PARAMETERS)
@np.errstate(all="ignore")
def test_parameters(ufunc, dtype, isa):
    """Python numbers keep the dtype, and so do arrays of it; each kind as NumPy would cast it."""
    x = cases.special_values(dtype)
    arrays = [x[::-1], x][-data_count(ufunc) :]
    for setting in cases.settings(parameter_names(ufunc), dtype):
        result = ufunc(*arrays, *setting)
        if all(type(each) in (int, float) for each in setting):
            assert result.dtype == dtype
        assert_as_promised(ufunc, result, *arrays, *setting)
    if arithmetic(ufunc) == "selects":
        values = legal(ufunc, [*arrays, *[x] * len(parameter_names(ufunc))])
        assert_as_promised(ufunc, ufunc(*values), *values)


@every_dtype
@parametrized("ufunc", [each for each in WITH_PARAMETERS if arithmetic(each) == "selects"])
def test_parameters_are_looked_at_without_a_report(ufunc, dtype):
    """Signalling NaNs among them: to compare them is not to compute with them."""
    values = legal(ufunc, [cases.special_values(dtype)] * ufunc.nin)
    for path in ({}, {"where": True}):
        assert reported(lambda p=path: ufunc(*values, **p)) == set()


# Versions of the package differ in which they have.
REFUSED = [n for n in ("int4", "uint4", "int2", "uint2", "complex32") if hasattr(ml_dtypes, n)]


@pytest.mark.parametrize("name", REFUSED)
@every_ufunc
def test_other_dtypes_are_refused(ufunc, name):
    array = np.zeros(3, getattr(ml_dtypes, name))
    with pytest.raises(TypeError, match=name):
        ufunc(*[array] * array_count(ufunc))


def test_a_python_float_does_not_promote():
    x = np.array([-1, 2], ml_dtypes.bfloat16)
    assert np.maximum(x, 0.0).dtype == np.float32  # the trap
    assert fr.leaky_relu(x, 0.1).dtype == fr.relu(x).dtype == x.dtype


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_bits_of_pytorch(name, isa):
    """Every pattern at many slopes; NaN for NaN, since PyTorch drops payloads."""
    torch = pytest.importorskip("torch")
    patterns = np.arange(1 << 16, dtype=np.uint16)
    tensor = torch.from_numpy(patterns.view(np.int16)).view(getattr(torch, name))
    x = patterns.view(getattr(ml_dtypes, name, name))
    for slope in (0.01, 0.2, 1 / 3, 2.0, -0.5, 0.0, 1e-8, 1e6):
        theirs = torch.nn.functional.leaky_relu(tensor, slope)
        with np.errstate(all="ignore"):
            ours = fr.leaky_relu(x, slope)
        both_nan = np.isnan(ours.astype(np.float32)) & torch.isnan(theirs).numpy()
        same = ours.view(np.int16) == theirs.view(torch.int16).numpy()
        assert (same | both_nan).all(), slope


def test_registry_has_them_for_every_function():
    for ufunc in filter(takes_floats, _core.ufuncs):
        for dtype in DTYPES:
            assert ufunc(*repeated(ufunc, np.empty(0, dtype))).dtype == dtype
