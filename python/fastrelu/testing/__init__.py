"""Hold every kernel against the NumPy reference, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrelu import _core, _terminal
from fastrelu.testing import _functions, _ufuncs
from fastrelu.testing._kernels import forced_isa, supported_dtypes
from fastrelu.testing._results import Row, Verification
from fastrelu.testing._ufuncs import open_nans

__all__ = ["Verification", "forced_isa", "open_nans", "run", "supported_dtypes", "verified_names"]

_Function = _ufuncs.Function | _functions.Function


def run(
    wanted: Iterable[str] | None,
    dtypes: Iterable[DTypeLike] | None,
    isas: Iterable[str] | None,
    exhaustive: bool,
    progress: bool,
) -> Verification:
    """Do what `fastrelu.verify` says; `wanted` are names of functions."""
    start = perf_counter()
    isas = _known("instruction set", isas, _core.available_isas())
    chosen = [_function(name) for name in _known("function", wanted, verified_names())]
    pairs = _pairs(chosen, dtypes)
    with _progress(progress, "verify", len(pairs)) as advance:
        rows = [_verify_pair(function, dtype, isas, advance) for function, dtype in pairs]
    if exhaustive:
        rows += _verify_exhaustively(chosen, isas, progress)
    return Verification(isas, tuple(rows), perf_counter() - start)


def verified_names() -> tuple[str, ...]:
    """Return the names of all functions that can be verified."""
    return (*(ufunc.__name__ for ufunc in _core.ufuncs), *_functions.ARGUMENTS)


def _function(name: str) -> _Function:
    return _functions.Function(name) if name in _functions.ARGUMENTS else _ufuncs.Function(name)


def _pairs(
    chosen: list[_Function], dtypes: Iterable[DTypeLike] | None
) -> list[tuple[_Function, np.dtype[Any]]]:
    """Return what there is of each function with each dtype; a dtype asked for must be of use."""
    wanted = _dtypes(dtypes)
    pairs = [(each, dtype) for each in chosen for dtype in wanted if each.takes(dtype)]
    taken = {dtype for _, dtype in pairs}
    for dtype in () if dtypes is None else wanted:
        if dtype not in taken:
            raise TypeError(f"none of these functions takes {dtype}")
    return pairs


def _verify_pair(
    function: _Function,
    dtype: np.dtype[Any],
    isas: tuple[str, ...],
    advance: Callable[[int], None],
) -> Row:
    if isinstance(function, _ufuncs.Function):
        row = _ufuncs.verify_ufunc(function, dtype, isas)
    else:
        row = _functions.verify_function(function, dtype, isas)
    advance(1)
    return row


def _verify_exhaustively(
    chosen: list[_Function], isas: tuple[str, ...], progress: bool
) -> list[Row]:
    exhaustive = [
        each
        for each in chosen
        if isinstance(each, _ufuncs.Function) and each.name in _ufuncs.EXHAUSTIVE_FUNCTIONS
    ]
    total = len(exhaustive) * _ufuncs.PATTERNS
    with _progress(progress, "all 2^32 float32 patterns", total) as advance:
        return [_ufuncs.verify_all_patterns(each, isas, advance) for each in exhaustive]


def _dtypes(wanted: Iterable[DTypeLike] | None) -> tuple[np.dtype[Any], ...]:
    return supported_dtypes() if wanted is None else tuple(np.dtype(each) for each in wanted)


def _known(what: str, wanted: Iterable[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    chosen = known if wanted is None else tuple(wanted)
    for name in chosen:
        if name not in known:
            raise ValueError(f"no {what} {name!r} here; there is {', '.join(known)}")
    return chosen


def _progress(show: bool, what: str, total: int) -> Any:
    return _terminal.progress(what, total) if show else nullcontext(lambda steps: None)
