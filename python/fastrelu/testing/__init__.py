"""The proof of the library: every kernel is compared with the NumPy reference, bit for bit.

`fastrelu.verify` does that. `cases` has the inputs that it runs, and `forced_isa` chooses the
instruction set of a ``with`` block, for tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

import fastrelu as fr
from fastrelu import _core
from fastrelu._verify import verify
from fastrelu.testing import _functions, _ufuncs, cases
from fastrelu.testing._results import Failure, Row, Verification, forced_isa, shown
from fastrelu.testing._ufuncs import may_differ
from fastrelu.testing.cases import supported_dtypes

__all__ = [
    "Failure",
    "Row",
    "Verification",
    "cases",
    "forced_isa",
    "may_differ",
    "plan",
    "run",
    "supported_dtypes",
    "verified_names",
    "verify",
]

# Instruction sets, and the functions with their dtypes.
Plan: TypeAlias = tuple[tuple[str, ...], list[tuple[Any, np.dtype[Any]]]]
_EXHAUSTIVE = ("relu", "relu_backward", "leaky_relu")
_LEFT_OUT = (
    "two of three lengths and alignments; for one-byte floats, all of these and operands of "
    "different layouts; large arrays except of float32; of most smooth functions all but some "
    "values; of softmax in most dtypes all but small dense arrays; calls in place, by keyword, "
    "with out= and with where= except once for each layout"
)


def verified_names() -> tuple[str, ...]:
    """Return the names of all functions that can be verified, private ones among them."""
    return (*(ufunc.__name__ for ufunc in _core.ufuncs), *_functions.ARGUMENTS)


def plan(functions: Any, dtypes: Any, isas: Any) -> Plan:
    """Return what `verify` is to run; raise ValueError or TypeError for what does not exist."""
    names = verified_names()
    public = [name for name in names if hasattr(fr, name)]
    chosen = [
        (_functions if name in _functions.ARGUMENTS else _ufuncs).Function(name)
        for name in _known("function", functions, names, public)
    ]
    available, wanted = _core.available_isas(), _dtypes(dtypes)
    pairs = [(each, dtype) for each in chosen for dtype in wanted if each.takes(dtype)]
    for dtype in wanted:
        if dtypes is not None and dtype not in {taken for _, taken in pairs}:
            raise TypeError(f"verify: none of these functions takes {dtype}")
    return _known("instruction set", isas, available, available), pairs


def run(plan: Plan, complete: bool, exhaustive: bool, progress: bool) -> Verification:
    """Do what `fastrelu.verify` says."""
    start = perf_counter()
    isas, pairs = plan
    rows = []
    for function, dtype in shown("verify", pairs, progress):
        rows.append(Row(function.name, dtype.type.__name__, dict.fromkeys(isas, 0)))
        function.verify(rows[-1], dtype, complete)
    chosen = dict.fromkeys(each for each, _ in pairs) if exhaustive else {}
    digests = _ufuncs.digests()
    for function in [each for each in chosen if each.name in (*digests, *_EXHAUSTIVE)]:
        rows.append(Row(function.name, "float32, all", dict.fromkeys(isas, 0)))
        is_hashed, results = function.name in digests, hashlib.sha256()
        hash_block = partial(function.hash_patterns, add=results.update)
        run_block = hash_block if is_hashed else function.verify_patterns
        for block in shown(f"{function.name}: all float32 patterns", _ufuncs.BLOCKS, progress):
            run_block(rows[-1], block)
        if is_hashed:
            rows[-1].digest = results.hexdigest()
            function.verify_digest(rows[-1], digests[function.name])
    return Verification(isas, tuple(rows), perf_counter() - start, "" if complete else _LEFT_OUT)


def _known(what: str, wanted: Any, names: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    given = names if wanted is None else wanted
    chosen = (given,) if isinstance(given, str) else tuple(given)
    for name in chosen:
        if name not in names:
            raise ValueError(_unknown(what, name, offered))
    return chosen


def _unknown(what: str, name: Any, offered: Sequence[str]) -> str:
    near = get_close_matches(str(name), offered, 1)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return f"verify: unknown {what} {name!r}; {suggestion}choose from {', '.join(offered)}"


def _dtypes(wanted: Any) -> list[np.dtype[Any]]:
    supported = {dtype.name: dtype for dtype in supported_dtypes()}
    if wanted is None:
        return list(supported_dtypes())
    found = []
    for each in [wanted] if isinstance(wanted, str | type | np.dtype) else wanted:
        try:
            found.append(supported.get(str(each)) or np.dtype(each))
        except TypeError:
            raise TypeError(_unknown("dtype", each, list(supported))) from None
    return found
