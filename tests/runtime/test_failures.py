"""Memory and threads that cannot be had: MemoryError or the result, and all works afterwards.

A library that is preloaded into another Python lets the n-th request to the system fail that a call
makes: for all n, each in a process of its own.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import math
import os
import pickle
import platform
import resource
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import compiled
import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core

_Make = Callable[[], "Prepared"]

SOURCE = Path(__file__).with_suffix(".cpp")
SMALL, LARGE = 40, 1 << 18  # of float32: recycled, and without the GIL
HUGE = 1 << 20  # worth three threads
ROW = 1 << 9
MIB = 1024 * 1024
REPEATS = 6
SLACK = 300
"""Pages. Python takes 256 at once for its objects; a quarter of a large result, kept by each of the
repeats, is more."""

CALLS: dict[tuple[str, str], _Make] = {}
FOREIGN: set[str] = set()


@dataclass
class Prepared:
    """A call, the arrays that it may overwrite, and what has to work after it."""

    call: Callable[[], Any]
    outs: list[np.ndarray] = field(default_factory=list)
    inputs: list[np.ndarray] = field(default_factory=list)
    after: Callable[[], object] = lambda: None
    never_raises: bool = False


def prepares(section: str, *, foreign: bool = False) -> Callable[[_Make], _Make]:
    """Add a call to a section.

    `foreign`: leads through code of NumPy or pybind11 that reports other errors, or itself crashes
    (PyArrayMethod_FromSpec), where it gets no memory.
    """

    def decorate(make: _Make) -> _Make:
        CALLS[section, make.__name__] = make
        if foreign:
            FOREIGN.add(make.__name__)
        return make

    return decorate


def numbers(*shape: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    values = np.arange(np.prod(shape)) * 7919 + seed
    return (values % 201 - 100).reshape(shape).astype(dtype)


def old(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.full(shape, 77, dtype)


def fresh(function: Callable[..., Any], *inputs: Any, **keywords: Any) -> Prepared:
    arrays = [each for each in inputs if isinstance(each, np.ndarray)]
    return Prepared(lambda: function(*inputs, **keywords), inputs=arrays)


def into(out: np.ndarray, function: Callable[..., Any], *inputs: Any, **keywords: Any) -> Prepared:
    prepared = fresh(function, *inputs, out=out, **keywords)
    prepared.outs.append(out)
    return prepared


# Ufuncs


@prepares("ufuncs")
def small() -> Prepared:
    return fresh(fr.relu, numbers(SMALL))


@prepares("ufuncs")
def small_into() -> Prepared:
    prepared = into(old(SMALL), fr.relu, numbers(SMALL))
    prepared.never_raises = True
    return prepared


@prepares("ufuncs")
def large() -> Prepared:
    return fresh(fr.relu, numbers(LARGE))


@prepares("ufuncs")
def large_into() -> Prepared:
    prepared = into(old(LARGE), fr.relu, numbers(LARGE))
    prepared.never_raises = True
    return prepared


@prepares("ufuncs")
def large_in_place() -> Prepared:
    x = numbers(LARGE)
    return Prepared(lambda: fr.relu_(x), [x], never_raises=True)


@prepares("ufuncs")
def large_of_three_operands() -> Prepared:
    return fresh(fr.add_leaky_relu, numbers(LARGE), numbers(LARGE, seed=1), 0.25)


@prepares("ufuncs")
def strided() -> Prepared:
    return fresh(fr.relu, numbers(2 * LARGE)[::2])


@prepares("ufuncs")
def strided_into_strided() -> Prepared:
    return into(old(2 * LARGE)[::2], fr.relu, numbers(2 * LARGE)[1::2])


@prepares("ufuncs")
def transposed() -> Prepared:
    return fresh(fr.add_relu, numbers(ROW, ROW // 2), numbers(ROW // 2, ROW).T)


@prepares("ufuncs", foreign=True)
def of_many_axes() -> Prepared:
    x = numbers(*[2] * 18)
    return fresh(fr.add_relu, x.transpose(*range(0, 18, 2), *range(1, 18, 2)), x)


@prepares("ufuncs")
def broadcast_slopes() -> Prepared:
    return fresh(fr.leaky_relu, numbers(ROW, ROW // 2), numbers(ROW, 1) / 128)


@prepares("ufuncs")
def checked_bounds() -> Prepared:
    return fresh(fr.clipped_relu, numbers(ROW, ROW // 2), abs(numbers(ROW // 2)) + 1)


@prepares("ufuncs", foreign=True)
def chosen() -> Prepared:
    return into(old(LARGE), fr.relu, numbers(LARGE), where=np.arange(LARGE) % 3 == 0)


@prepares("ufuncs", foreign=True)
def overlapping() -> Prepared:
    memory = numbers(LARGE + 1)
    prepared = into(memory[1:], fr.relu, memory[:-1])
    prepared.inputs.clear()
    return prepared


@prepares("ufuncs")
def of_a_list() -> Prepared:
    values = numbers(SMALL).tolist()
    return fresh(fr.relu, values)


@prepares("ufuncs", foreign=True)
def accumulated() -> Prepared:
    return fresh(fr.add_relu.accumulate, numbers(SMALL))


@prepares("dtypes", foreign=True)
def first_bfloat16() -> Prepared:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    return fresh(fr.relu, numbers(SMALL, dtype=ml_dtypes.bfloat16))


@prepares("dtypes", foreign=True)
def first_float8() -> Prepared:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    return fresh(fr.leaky_relu, numbers(SMALL, dtype=ml_dtypes.float8_e4m3fn))


@prepares("dtypes", foreign=True)
def first_float8_of_a_count() -> Prepared:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    return fresh(fr.active_count, numbers(SMALL, dtype=ml_dtypes.float8_e5m2), axis=0)


# Masks, gradients with sums, counts, tables, pools


def of_bits(*shape: int, kind: str = "relu") -> fr.Mask:
    return fr.Mask(numbers(math.prod(shape) // 8, dtype=np.uint8), shape, kind)


@prepares("functions")
def added_with_mask() -> Prepared:
    return fresh(fr.add_relu_with_mask, numbers(ROW, ROW // 2), numbers(ROW // 2))


@prepares("functions")
def added_with_mask_into() -> Prepared:
    mask = of_bits(LARGE, kind="leaky_relu")
    prepared = into(old(LARGE), fr.add_leaky_relu_with_mask, numbers(LARGE), numbers(1), mask=mask)
    prepared.outs.append(mask.bits)
    return prepared


@prepares("functions")
def with_mask() -> Prepared:
    return fresh(fr.relu_with_mask, numbers(LARGE))


@prepares("functions")
def with_mask_into() -> Prepared:
    out, mask = old(LARGE), old(LARGE // 8, dtype=np.uint8)
    prepared = into(out, fr.leaky_relu_with_mask, numbers(LARGE), 0.5, mask=mask)
    prepared.outs.append(mask)
    prepared.never_raises = True
    return prepared


@prepares("functions")
def from_mask() -> Prepared:
    return fresh(fr.relu_backward_from_mask, numbers(LARGE), of_bits(LARGE))


@prepares("functions", foreign=True)
def from_mask_of_strided() -> Prepared:
    mask = of_bits(LARGE, kind="leaky_relu")
    return into(
        old(2 * LARGE)[::2], fr.leaky_relu_backward_from_mask, numbers(2 * LARGE)[::2], mask
    )


@prepares("functions")
def counted() -> Prepared:
    return fresh(fr.active_count, numbers(ROW, ROW // 2))


@prepares("functions")
def counted_by_columns() -> Prepared:
    return fresh(fr.active_count, numbers(ROW, ROW // 2), axis=0)


@prepares("functions")
def sparsity_of_rows() -> Prepared:
    return fresh(fr.sparsity, numbers(ROW, ROW // 2), axis=1)


@prepares("functions")
def dead() -> Prepared:
    return fresh(fr.dead_units, np.minimum(numbers(ROW, ROW // 2), np.arange(-9, ROW // 2 - 9)))


@prepares("functions")
def dead_from_mask() -> Prepared:
    return fresh(of_bits(ROW, ROW // 2).dead_units)


@prepares("functions")
def bias_gradient() -> Prepared:
    return fresh(fr.relu_backward_with_bias, numbers(ROW, ROW // 2), numbers(ROW, ROW // 2, seed=1))


@prepares("functions")
def bias_gradient_into() -> Prepared:
    return into(
        old(ROW, ROW // 2),
        fr.relu_backward_with_bias,
        numbers(ROW, ROW // 2),
        numbers(ROW, ROW // 2, seed=1),
    )


@prepares("functions")
def parametric() -> Prepared:
    return fresh(fr.prelu, numbers(ROW, ROW // 2), numbers(ROW // 2) / 128)


@prepares("functions")
def parametric_gradient() -> Prepared:
    x = numbers(8, 16, LARGE // 128)
    return fresh(fr.prelu_backward, numbers(8, 16, LARGE // 128, seed=1), x, numbers(16) / 128)


@prepares("functions", foreign=True)
def random_slopes() -> Prepared:
    x = numbers(LARGE)
    return Prepared(lambda: fr.rrelu(x, training=True, rng=np.random.default_rng(5)))


@prepares("functions", foreign=True)
def table() -> Prepared:
    return fresh(fr.make_table, fr.relu, (0.5, 3), (0.25, -128))


@prepares("functions")
def looked_up() -> Prepared:
    return fresh(fr.apply_table, numbers(LARGE, dtype=np.int8), numbers(256, dtype=np.int8))


@prepares("functions")
def pools() -> Prepared:
    return fresh(fr.maxout, numbers(ROW, ROW // 2), 4)


@prepares("functions")
def pools_gradient() -> Prepared:
    return fresh(fr.maxout_backward, numbers(ROW, ROW // 8), numbers(ROW, ROW // 2, seed=1), 4)


@prepares("functions", foreign=True)
def both_signs() -> Prepared:
    return fresh(fr.crelu, numbers(ROW, ROW // 2))


# Activity logs


def logged(prepared: Prepared) -> Prepared:
    """The call inside of two open logs, which can be read afterwards."""
    stack = ExitStack()
    logs = [stack.enter_context(fr.activity(axis)) for axis in (0, ())]

    def read_and_close() -> None:
        for log in logs:
            assert len(log.rows) >= len(log.step()) >= 1 and str(log)
        stack.close()

    prepared.after = read_and_close
    return prepared


@prepares("logs")
def logged_small() -> Prepared:
    return logged(small_into())


@prepares("logs")
def logged_large() -> Prepared:
    x, out = numbers(ROW, ROW // 2), old(ROW, ROW // 2)
    return logged(Prepared(lambda: fr.leaky_relu(x, out=out), [out], [x], never_raises=True))


@prepares("logs")
def logged_sum() -> Prepared:
    a, b, out = numbers(SMALL), numbers(SMALL, seed=1), old(SMALL)
    return logged(Prepared(lambda: fr.add_relu(a, b, out=out), [out], [a, b], never_raises=True))


@prepares("logs")
def logged_strided() -> Prepared:
    x, out = numbers(2 * SMALL)[::2], old(SMALL)
    fr.leaky_relu(x, out=out.copy())  # the buffer of strided operands is kept from now on
    return logged(Prepared(lambda: fr.leaky_relu(x, out=out), [out], [x], never_raises=True))


@prepares("logs")
def logged_fresh() -> Prepared:
    return logged(large())


@prepares("logs")
def logged_mask() -> Prepared:
    return logged(with_mask_into())


@prepares("logs")
def log() -> Prepared:
    x = numbers(4, 10)

    def call() -> Any:
        with fr.activity() as log, log.label("here"):
            y = fr.relu(x)
            log.step()
        assert str(log)
        return y

    return Prepared(call, inputs=[x], after=call)


# Settings


@prepares("settings")
def number_of_threads() -> Prepared:
    def call() -> Any:
        with fr.num_threads(2):
            return fr.get_num_threads()

    return Prepared(call, never_raises=True)


@prepares("settings", foreign=True)
def recycling() -> Prepared:
    x = numbers(LARGE)

    def call() -> Any:
        fr.set_recycle_limit(64 * MIB)
        y = fr.relu(x)
        y.resize(2 * LARGE, refcheck=False)
        y.resize(LARGE // 2, refcheck=False)
        fr.trim()
        return y, fr.recycle_info().held

    return Prepared(call, inputs=[x])


# Threads: of the same number each time, whatever is awake


@prepares("threads")
def shared() -> Prepared:
    fr.set_num_threads(3)
    return fresh(fr.relu, numbers(HUGE))


@prepares("threads")
def shared_into() -> Prepared:
    fr.set_num_threads(3)
    prepared = into(old(HUGE), fr.relu, numbers(HUGE))
    prepared.never_raises = True
    return prepared


@prepares("threads")
def shared_transposed() -> Prepared:
    fr.set_num_threads(3)
    rows, columns = ROW * 2, HUGE // ROW // 2
    return into(old(rows, columns), fr.add_relu, numbers(rows, columns), numbers(columns, rows).T)


@prepares("threads")
def shared_with_mask() -> Prepared:
    fr.set_num_threads(3)
    mask = old(HUGE // 8, dtype=np.uint8)
    prepared = into(old(HUGE), fr.relu_with_mask, numbers(HUGE), mask=mask)
    prepared.outs.append(mask)
    prepared.never_raises = True
    return prepared


# In the other Python

system = ctypes.PyDLL(None)
if hasattr(system, "call_failing"):
    call_failing = system.call_failing
    call_failing.restype, call_failing.argtypes = (
        ctypes.py_object,
        (ctypes.py_object, ctypes.c_long),
    )


def digest(result: Any) -> Any:
    """What can be compared in another process."""
    if isinstance(result, (tuple, list)):
        return [digest(each) for each in result]
    if isinstance(result, (np.ndarray, np.generic)):
        content = hashlib.blake2b(result.tobytes()).hexdigest()
        return [type(result).__name__, str(result.dtype), result.shape, content]
    return repr(result)


def pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0])


@dataclass
class Attempt:
    result: Any
    error: BaseException | None


@dataclass
class Outcome:
    """Of one process, in which the n-th request failed again and again."""

    requests: int
    grown: int
    expected: Any
    problems: list[str]


def attempt(prepared: Prepared, failing: int, outs: list[np.ndarray]) -> Attempt:
    for out, values in zip(prepared.outs, outs, strict=True):
        out[...] = values
    try:
        result = call_failing(prepared.call, failing)
    except BaseException as error:
        return Attempt(None, error.with_traceback(None))
    return Attempt(digest(result), None)


def problems_of_attempt(
    tried: Attempt, prepared: Prepared, outs: list[np.ndarray], expected: Any
) -> Iterator[str]:
    if not tried.error:
        if expected not in (None, tried.result):
            yield f"gave {tried.result}, not {expected}"
        return
    if not isinstance(tried.error, MemoryError):
        yield f"raised {tried.error!r}"
    if any((out != old).any() for out, old in zip(prepared.outs, outs, strict=True)):
        yield "raised after it had written"


def observe(make: _Make, failing: int, expected: Any, *, strict: bool) -> Outcome:
    """Let the call fail several times and then succeed, and see what is left of that."""
    prepared = make()
    outs = [each.copy() for each in prepared.outs]
    references = [sys.getrefcount(each) for each in prepared.inputs]
    first_pages = pages()
    requests, problems, kept = 0, [], []
    for _ in range(REPEATS):
        tried = attempt(prepared, failing, outs)
        requests = max(requests, system.requests())
        problems += problems_of_attempt(tried, prepared, outs, expected)
        if tried.error and prepared.never_raises and strict:
            problems.append("raised, though nothing had to be allocated")
        del tried
        gc.collect()
        kept.append(system.kept())
    growth = set(np.diff(kept)[-3:].tolist())
    if strict and len(growth) == 1 and max(growth) > 0:  # the same each time
        problems.append(f"kept more and more blocks: {kept}")
    again = attempt(prepared, 0, outs)
    if again.error or expected not in (None, again.result):
        problems.append(f"afterwards {again}, not {expected}")
    again.error = None
    if references != [sys.getrefcount(each) for each in prepared.inputs]:
        problems.append("kept a reference to an operand")
    try:
        prepared.after()
    except BaseException as raised:  # any
        problems.append(f"left {raised!r}")
    fr.trim()
    return Outcome(requests, pages() - first_pages, again.result, list(dict.fromkeys(problems)))


def in_a_child(run: Callable[[], Outcome]) -> Outcome | int:
    """What `run` gives in a process of its own, or the number of the signal that ended it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as file:
            pickle.dump(run(), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        content = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return pickle.loads(content) if status == 0 else status


def problems_of(make: _Make, *, strict: bool) -> Iterator[str]:
    """Let each of its requests fail in turn; `strict`, if they are all of ours."""
    whole = in_a_child(lambda: observe(make, 0, None, strict=strict))
    if not isinstance(whole, Outcome) or whole.problems:
        yield f"without a failure: {whole}"
        return
    failing, requests = 0, 1
    while failing < requests:
        failing += 1 if strict else 1 + failing // 16
        seen = in_a_child(lambda n=failing: observe(make, n, whole.expected, strict=strict))
        if not isinstance(seen, Outcome):
            yield f"request {failing}: ended with {seen}"
            continue
        requests = max(whole.requests, seen.requests)
        found = list(seen.problems)
        if seen.grown > whole.grown + SLACK:
            found.append(f"kept {seen.grown} pages, not {whole.grown}")
        for each in found:
            yield f"request {failing} of {requests}: {each}"


def main(section: str, libraries: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()
    gc.freeze()  # children collect their own alone
    strict = libraries == "own"
    for library in (_core.__file__, "libstdc++") if strict else ("",):
        system.watch(library.encode())
    for (where, name), make in CALLS.items():
        if where == section and (strict or name not in FOREIGN):
            for problem in problems_of(make, strict=strict):
                print(f"{name}, {problem}", flush=True)


# In pytest


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    reason = compiled.reason_to_skip()
    if not reason and platform.libc_ver()[0] != "glibc":
        reason = "replaces glibc's malloc"
    if not reason and os.environ.get("LD_PRELOAD"):
        reason = "another library replaces malloc"
    if reason:
        pytest.skip(reason)
    target = tmp_path_factory.mktemp("failures") / "failures.so"
    compiled.compile([SOURCE], target, "-shared", "-fPIC")
    return target


def run_failing(library, section, libraries, **environment):
    settings = {
        "LD_PRELOAD": str(library),
        "FASTRELU_NUM_THREADS": "1",
        # What memory glibc keeps from the system must not depend on what a call does.
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "OPENBLAS_NUM_THREADS": "1",  # its memory is copied by every fork
    }
    result = subprocess.run(
        [sys.executable, __file__, section, libraries],
        env=os.environ | settings | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr


HAS_NO_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SECTIONS = list(dict.fromkeys(section for section, _ in CALLS))
OWN_SECTIONS = list(dict.fromkeys(section for section, name in CALLS if name not in FOREIGN))


@pytest.mark.parametrize("section", SECTIONS)
def test_a_request_of_ours_fails(library, section):
    run_failing(library, section, "own")


@pytest.mark.skipif(HAS_NO_GIL, reason="this Python cannot do with malloc")
@pytest.mark.parametrize("section", OWN_SECTIONS)
def test_a_request_of_anybody_fails(library, section):
    """Also Python's and NumPy's, within our calls."""
    run_failing(library, section, "all", PYTHONMALLOC="malloc")


if __name__ == "__main__":
    main(*sys.argv[1:])
