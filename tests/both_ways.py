"""One call taken both ways: fastrelu's short one and NumPy's.

`where=True` changes nothing in a call but that it takes NumPy's way.
"""

from __future__ import annotations

import numpy as np
from fastrelu.testing import cases
from support import arithmetic, has_signalling_nan, recorded_warnings

_USER_DEFINED = 2  # what dtype.isbuiltin says of a dtype of ml_dtypes


def content(array, any_nan=False):
    """The bytes of an array; with `any_nan`, all its NaNs count as equal."""
    is_float = array.dtype.kind == "f" or array.dtype.isbuiltin == _USER_DEFINED
    if any_nan and is_float:
        with np.errstate(invalid="ignore"):  # of a signalling NaN, with ml_dtypes
            array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    if array.dtype == np.longdouble:
        return cases.bits(array).tobytes()  # without the bytes that carry no value
    if array.dtype == object:
        return repr(array.tolist())
    return np.ascontiguousarray(array).tobytes()  # NumPy 2.2 stops at 32 axes without it


def seen_of(result, any_nan=False):
    """All that a caller can see of a result, except its address."""
    if isinstance(result, np.ndarray):
        layout = result.shape, result.strides, result.flags.num, result.dtype.metadata
        return type(result), result.dtype, layout, content(result, any_nan)
    if isinstance(result, np.generic):
        return type(result), content(np.array(result), any_nan)
    return type(result), repr(result)


def outcome(ufunc, make, **path):
    """What comes of a call, whose arguments `make` makes anew: they may be written to.

    The payload of a NaN that arithmetic or a narrowed slope made is not promised, and depends on
    whether a vector or a number was computed; that a kept one keeps its own is tested elsewhere.
    Nor is it promised whether a smooth function touches a signalling NaN before it makes it quiet.
    """
    any_nan = arithmetic(ufunc) != "selects"
    args, keywords = make()
    given = [*args, *keywords.values()]
    reports, warned = [], []
    out = keywords.get("out")
    with (
        np.errstate(all="call", call=lambda kind, flags: reports.append((kind, flags))),
        recorded_warnings(warned),
    ):
        try:
            result = ufunc(*args, **keywords, **path)
        except Exception as error:
            seen = type(error), str(error)
        else:
            seen = *seen_of(result, any_nan), result is out
    if arithmetic(ufunc) == "smooth" and any(map(has_signalling_nan, given)):
        reports = [kind for kind, _ in reports if kind != "invalid value"]
    memory = [content(each, any_nan) for each in (*args, out) if isinstance(each, np.ndarray)]
    return seen, reports, warned, memory


def assert_both_ways_agree(ufunc, make, hint=""):
    __tracebackhide__ = True
    short, numpys = outcome(ufunc, make), outcome(ufunc, make, where=True)
    assert short == numpys, hint
    return short[0]
