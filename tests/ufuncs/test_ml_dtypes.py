"""bfloat16 and the floats of one byte, which another package registers with NumPy."""

from __future__ import annotations

import os

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core
from fastrelu.testing import cases, supported_dtypes
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
    without_sanitizer,
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
    for setting in cases.settings(parameter_names(ufunc), dtype, ufunc.__name__):
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


# The first call on a dtype. Each needs a process that has not met it.


def check_in_new_process(code):
    result = run_python(f"import numpy as np, fastrelu as fr, ml_dtypes\n{code}")
    assert result.returncode == 0, result.stderr


@without_sanitizer("it reports the crashes in NumPy itself")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_first_call_that_runs_out_of_memory():
    """Each allocation fails once, in the middle of what NumPy is told; then everything works."""
    pytest.importorskip("_testcapi")
    check_in_new_process(
        """
import _testcapi, gc, os, signal
from fastrelu import _core, _float8
gc.disable()
ufuncs = [each for each in _core.ufuncs if each.__name__ != "relu_quantized"]

def works_afterwards(x, call, n):
    _testcapi.set_nomemory(n, n + 1)
    try:
        call(x)
        is_done = True
    except MemoryError:
        is_done = False
    finally:
        _testcapi.remove_mem_hooks()
    os.write(afterwards, b".")
    for _ in range(2):
        for ufunc in ufuncs:
            for path in ({}, {"where": True}, {"dtype": x.dtype}):
                assert ufunc(*[x] * ufunc.nin, **path).dtype == x.dtype, (ufunc, path)
        assert call(x).tolist() == [1, 2]
    return is_done

def outcome(*args):
    global afterwards
    heard, afterwards = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os._exit(20 + works_afterwards(*args))
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(afterwards)
    has_returned = os.read(heard, 1)
    os.close(heard)
    return "NumPy" if status == -signal.SIGSEGV and not has_returned else status

calls = [
    lambda x: fr.relu(x, where=True),
    lambda x: fr.relu6(x),
    lambda x: fr.relu_backward(x, x, dtype=x.dtype),
]
for name in ("bfloat16", "float8_e4m3fn"):
    x = np.array([1, 2], getattr(ml_dtypes, name))
    if name != "bfloat16":  # NumPy's own casts do not survive this
        encoding = _float8.describe(x.dtype)
        _core.set_float8_describer(lambda _: encoding)
    for call in calls:
        outcomes = [outcome(x, call, n) for n in range(25)]
        # Nor does NumPy survive two allocations of each loop or cast that it makes: it frees what
        # it has not filled in yet (boundarraymethod_dealloc). The third call makes both.
        assert outcomes.count("NumPy") <= 4, (name, outcomes)
        assert set(outcomes) <= {20, 21, "NumPy"}, (name, outcomes)
        assert outcomes.count(20) > 5, (name, outcomes)
"""
    )


def test_first_call_in_a_finalizer_in_a_first_call():
    """Garbage collection may come at any allocation, and its finalizers may call the same."""
    check_in_new_process(
        """
import gc, signal
from fastrelu import _core
getattr(signal, "alarm", int)(60)
ufuncs = [each for each in _core.ufuncs if each.__name__ != "relu_quantized"]
names = ["bfloat16", *sorted(name for name in dir(ml_dtypes) if name.startswith("float8"))]
calls = 0

# Tuples that were freed are used again without a look at the garbage: none are left free.
held = [tuple([n] * n) for n in range(1, 12) for _ in range(2_500)]
gc.collect()
gc.freeze()

np.unique(np.ones(3))  # imports numpy.ma: Python 3.11 fails if a finalizer imports it meanwhile

class Waiting:
    # Comes back with each collection until its turn.
    def __init__(self, ufunc, x, turns):
        self.ufunc, self.x, self.turns, self.cycle = ufunc, x, turns, self

    def __del__(self):
        global calls
        if self.turns:
            Waiting(self.ufunc, self.x, self.turns - 1)
        else:
            assert self.ufunc(*[self.x] * self.ufunc.nin, where=True).dtype == self.x.dtype
            calls += 1

first = 0
for name in names:
    x = np.array([1, 2], getattr(ml_dtypes, name))
    for ufunc in ufuncs:
        gc.collect()
        Waiting(ufunc, x, 12 + first // 13 if ufunc is ufuncs[0] else first % 8 // 2)
        gc.set_threshold(1)  # at every second container
        odd = [[] for _ in range(first % 2)]
        assert ufunc(*[x] * ufunc.nin, where=True).dtype == x.dtype
        gc.set_threshold(100_000)
        first += 1
    assert fr.relu(x, dtype=x.dtype).tolist() == [1, 2]
for _ in range(80):
    gc.collect()
assert calls == first > 100, (calls, first)
"""
    )


def test_first_calls_of_many_threads():
    check_in_new_process(
        """
import sys, threading
from fastrelu import _core
sys.setswitchinterval(1e-6)
ufuncs = [each for each in _core.ufuncs if each.__name__ != "relu_quantized"]
failures = []

def work(number):
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e3m4", "float8_e4m3"):
        x = np.array([1, 2], getattr(ml_dtypes, name))
        barrier.wait()
        for k in range(len(ufuncs)):
            ufunc = ufuncs[(k + number * 5) % len(ufuncs)]
            for path in ({}, {"where": True}, {"dtype": x.dtype}):
                try:
                    assert ufunc(*[x] * ufunc.nin, **path).dtype == x.dtype
                except Exception as error:
                    failures.append((name, ufunc, path, error))

barrier = threading.Barrier(6)
threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
"""
    )


def test_a_description_that_fails_may_be_tried_again():
    check_in_new_process(
        """
from fastrelu import _core, _float8

def fail(_):
    raise MemoryError("no")

_core.set_float8_describer(fail)
x = np.array([-1, 2], ml_dtypes.float8_e4m3fn)
for call in (lambda: fr.relu(x), lambda: fr.relu(x, dtype=x.dtype), lambda: fr.relu.at(x, [0])):
    try:
        call()
    except MemoryError as error:
        assert error.args == ("no",)
    else:
        raise AssertionError
_core.set_float8_describer(_float8.describe)
assert fr.relu(x).tolist() == fr.relu(x, dtype=x.dtype).tolist() == [0, 2]
"""
    )


@pytest.mark.parametrize("layout", ["x", "np.repeat(x, 2, axis=1)[:, ::2]", "np.asfortranarray(x)"])
def test_every_function_may_be_the_first(layout):
    check_in_new_process(
        f"""
def placed(x):
    return {layout}

names = ["bfloat16", *sorted(name for name in dir(ml_dtypes) if name.startswith("float8_e"))]
x = [[-2, 1, -2, 1], [-2, -2, 1, 1]]
calls = [
    lambda x: fr.relu_with_mask(x)[1].bits.tolist() == [202],
    lambda x: fr.leaky_relu_with_mask(x)[1].bits.tolist() == [202],
    lambda x: fr.add_relu_with_mask(x, x)[1].bits.tolist() == [202],
    lambda x: fr.relu_backward_from_mask(x, fr.Mask(np.uint8([2]), x.shape)).ravel()[1] == 1,
    lambda x: fr.dead_units(x).tolist() == [True, False, False, False],
    lambda x: fr.active_count(x) == 4,
    lambda x: fr.maxout(x, 2).tolist() == [[1, 1], [-2, 1]],
    lambda x: fr.relu_backward_with_bias(x, x)[1].tolist() == [0, 1, 1, 2],
    lambda x: fr.prelu(x, np.float32(0.5)).ravel().tolist()[:2] == [-1, 1],
]
for name, call in zip([n for n in names if "e8m0" not in n], calls):
    values = np.array(x, getattr(ml_dtypes, name))
    assert call(placed(values)), (name, call.__code__.co_firstlineno)
"""
    )


def test_no_call_imports_anything():
    """A child that is forked meanwhile would wait for the import for ever."""
    check_in_new_process(
        """
import sys
from fastrelu import _core

class Refusing:
    @staticmethod
    def find_spec(name, *_):
        raise AssertionError(f"imports {name}")

np.sum(np.unique(np.ones(3)))  # what NumPy itself imports late
sys.meta_path.insert(0, Refusing)
for dtype in (np.float16, np.float32, np.int8, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
    x = np.ones((2, 4), dtype)
    for ufunc in _core.ufuncs:
        if ufunc.__name__ == "relu_quantized":
            fr.relu_quantized(np.ones(2, np.int8), 1)
        else:
            for path in ({}, {"where": True}):
                ufunc(*[x] * ufunc.nin, **path)
    fr.relu_with_mask(x), fr.leaky_relu_with_mask(x), fr.maxout(x, 2), fr.crelu(x), fr.dead_units(x)
    fr.sparsity(x), fr.active_count(x), fr.relu_(x)
    with fr.activity() as log:
        fr.relu(x)
    str(log)
    if x.dtype.kind != "i":
        fr.prelu(x, np.float32(0.5)), fr.prelu_backward(x, x, np.float32(0.5))
        fr.relu_backward_with_bias(x, x)
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_that_is_forked_during_a_first_call():
    check_in_new_process(
        """
import importlib.machinery, os, signal, sys, threading
x = np.array([-1, 2], ml_dtypes.float8_e4m3fn)
is_inside, may_go_on = threading.Event(), threading.Event()

def pause():
    if threading.current_thread() is not threading.main_thread():
        is_inside.set()
        may_go_on.wait()

class Pausing:  # while a module is executed, as its lock is held then
    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (pause(), execute(module))
        return spec

sys.meta_path.insert(0, Pausing)
isfinite = np.isfinite
np.isfinite = lambda values: (pause(), isfinite(values))[1]
thread = threading.Thread(target=fr.relu, args=(x,))
thread.start()
is_inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    os._exit(fr.relu(x).tolist() != [0, 2])
_, status = os.waitpid(child, 0)
may_go_on.set()
thread.join()
assert status == 0, status
assert fr.relu(x).tolist() == [0, 2]
"""
    )
