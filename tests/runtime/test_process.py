"""The package in a process: it is imported, threads have small stacks, the interpreter ends."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fastrelu as fr
import pytest
from fastrelu import _core
from support import run_python, without_sanitizer

CALLS_WITHOUT_THE_GIL = {
    "ufunc": "fr.relu(x)",
    "ufunc of strided arrays": "fr.leaky_relu(x.T, 0.1)",
    "ufunc by way of NumPy": "fr.relu(x, out=y, where=mask)",
    "mask": "fr.relu_with_mask(x)",
    "gradient and sums": "fr.relu_backward_with_bias(x, x)",
    "gradient and many sums, which NumPy clears": "fr.relu_backward_with_bias(rows, rows)",
    "sum of squares": "fr.clip_grad_norm_(x, 1e9)",
    "count": "fr.active_count(x, 0)",
    "dead units": "fr.dead_units(x, 0)",
    "dead units of a mask": "bits.dead_units(0)",
    "maxout": "fr.maxout(x, 2)",
    "softmax": "fr.softmax(x)",
    "cross entropy": "fr.cross_entropy(x, codes[:256])",
    "table": "fr.apply_table(codes, table)",
    "trim": "fr.trim()",
    "set_recycle_limit": "fr.set_recycle_limit(1 << 30)",
}
ENDS_DURING_CALLS = """
import threading, time
import numpy as np, fastrelu as fr

x = np.linspace(-1, 1, 1 << 17, dtype=np.float32).reshape(256, 512)
rows = x.reshape(2, 1 << 16).astype(np.float64)
y, mask, bits = np.empty_like(x), x > 0, fr.relu_with_mask(x)[1]
codes, table = np.arange(1 << 17).astype(np.uint8), np.arange(256, dtype=np.uint8)

def run():
    while True:
        {call}

for _ in range(3):
    threading.Thread(target=run, daemon=True).start()
time.sleep(0.05)
"""


@without_sanitizer("it does not know of stacks that pthread_exit unwinds")
@pytest.mark.parametrize("call", CALLS_WITHOUT_THE_GIL.values(), ids=CALLS_WITHOUT_THE_GIL)
def test_the_interpreter_ends_during_calls(call):
    """Until CPython 3.13 the thread that asks for the GIL is then ended, by unwinding its stack.

    Python's debugging allocator ends a process in which that gives back memory without the GIL.
    """
    command = [sys.executable, "-c", ENDS_DURING_CALLS.format(call=call)]
    environment = os.environ | {"PYTHONMALLOC": "debug"}
    children = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [(child.communicate(timeout=60)[1], child.returncode) for child in children]
    assert results == [("", 0)] * 2


IN_A_SMALL_STACK = """
import faulthandler, threading, zlib
import numpy as np, fastrelu as fr
from fastrelu import reference
from fastrelu.testing import cases, forced_isa, supported_dtypes
from fastrelu.testing._functions import ARGUMENTS, Function, Operands
from support import ISAS, UFUNCS, array_count, legal, takes_slope

def calls(dtype, shape, layout):
    operands = Operands(dtype, shape, cases.LAYOUTS[layout])
    for name, arguments in ARGUMENTS.items():
        yield Function(name).call, arguments(operands)
    a, b = operands.x, operands.gradient
    slopes = np.linspace(-1, 1, shape[2], dtype=np.float32)
    turned = a.swapaxes(0, 1), b.swapaxes(0, 1)[:1]
    for ufunc in UFUNCS:
        for arrays in ((a, b, a, slopes), (a.T, b.T, a.T, 0.5), (*turned, turned[0], slopes)):
            count = array_count(ufunc)
            numbers = arrays[3:] * (ufunc.nin - count) if takes_slope(ufunc) else ()
            yield ufunc, (*legal(ufunc, arrays[:count]), *numbers)

def result_of(function, arguments):
    try:
        result = function(*arguments)
    except (TypeError, OverflowError):  # no such loop, or hardtanh of unsigned numbers
        return None
    results = result if isinstance(result, tuple) else (result,)
    dense = [np.ascontiguousarray(getattr(each, "bits", each)) for each in results]
    if reference.arithmetic(function.__name__) != "selects":
        for each in dense:
            each[each != each] = 0  # a NaN that arithmetic made may be any
    return [(each.shape, zlib.crc32(cases.bits(each).copy())) for each in dense]

def run():
    np.seterr(all="ignore")
    for call in given:
        found.append(result_of(*call))

threading.stack_size(48 * 1024)
faulthandler.enable()
np.seterr(all="ignore")
for dtype in supported_dtypes():
    for layout in ("dense", "stride 2"):
        given = list(calls(dtype, (12, 4, 151), layout))
        for isa in ISAS:
            with forced_isa(isa):
                expected, found = [result_of(*call) for call in given], []
                thread = threading.Thread(target=run)
                thread.start()
                thread.join()
            for call, *pair in zip(given, expected, found, strict=True):
                if pair[0] != pair[1]:
                    print(call[0].__name__, dtype, layout, isa)
"""


@without_sanitizer("each step of a formula would have a place of its own on the stack")
def test_every_function_is_content_with_a_small_stack():
    """Legal are stacks of 32 KiB, and musl gives threads 128 KiB."""
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    result = run_python(IN_A_SMALL_STACK, PYTHONPATH=paths)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")


def is_silent(result):
    return (result.returncode, result.stderr) == (0, "")


def test_import_without_docstrings():
    code = "import fastrelu as fr, numpy as np; print(*fr.relu(np.arange(-2, 3)))"
    command = [sys.executable, "-OO", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert is_silent(result)
    assert result.stdout == "0 0 0 1 2\n"


HEAVY = {"asyncio", "email", "json", "ml_dtypes", "pathlib", "tempfile", "typing_extensions"}
HEAVY |= {"importlib.metadata", "urllib", "zipfile", "fastrelu.testing", "fastrelu.reference"}


def test_import_pulls_in_nothing_that_calls_do_without():
    """They took 28 ms, of which 18 were for reading the version in the package's metadata."""
    code = """
import sys
import numpy
before = set(sys.modules)
import fastrelu
print(*(name for name in sys.modules if name not in before))
"""
    result = run_python(code)
    assert is_silent(result)
    names = result.stdout.split()
    assert "fastrelu._core" in names
    assert HEAVY.isdisjoint(names)


def test_the_version_is_known_without_metadata(tmp_path):
    """As in a frozen application, or where the package's folder was copied."""
    shutil.copytree(Path(fr.__file__).parent, tmp_path / "fastrelu")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
sys.modules["importlib.metadata"] = None
import fastrelu
print(fastrelu.__version__, fastrelu.__file__)
"""
    result = run_python(code)
    assert is_silent(result)
    assert result.stdout == f"{fr.__version__} {tmp_path / 'fastrelu' / '__init__.py'}\n"
    assert fr.__version__ == importlib.metadata.version("fastrelu")


def test_a_second_interpreter_is_refused_at_once():
    """Up to Python 3.11, pybind11 waits there for ever for the GIL that its own thread holds."""
    if not hasattr(pytest.importorskip("_testcapi"), "run_in_subinterp"):
        pytest.skip("this Python's tests make no interpreters so")
    code = """
import faulthandler, _testcapi
faulthandler.dump_traceback_later(30, exit=True)
_testcapi.run_in_subinterp('''
import importlib.machinery, importlib.util
loader = importlib.machinery.ExtensionFileLoader("fastrelu._core", FILE)
try:
    importlib.util.module_from_spec(importlib.util.spec_from_loader("fastrelu._core", loader))
except ImportError as error:
    print(error, flush=True)
'''.replace("FILE", repr(FILE)))
"""
    result = run_python(f"FILE = {_core.__file__!r}" + code)
    assert result.returncode == 0, result.stderr
    assert result.stdout in (
        "fastrelu can be imported in the main interpreter of a process only\n",
        "module fastrelu._core does not support loading in subinterpreters\n",  # from CPython 3.12
    )


def test_an_import_that_failed_can_be_tried_again():
    code = """
import os, sys, warnings
import numpy as np
for wrong in ("nonsense", "mmx"):
    os.environ["FASTRELU_ISA"] = wrong
    try:
        import fastrelu as fr
    except ImportError as error:
        print(str(error).partition(":")[0])
del os.environ["FASTRELU_ISA"]
os.environ["FASTRELU_NUM_THREADS"] = "several"
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        import fastrelu as fr
    except RuntimeWarning as error:
        print(str(error).partition(":")[0])
os.environ["FASTRELU_NUM_THREADS"] = "3"
import fastrelu as fr
print(fr.get_num_threads(), [fr.relu(np.array([-1, 2], char)).tolist() for char in "bhlefd"])
"""
    result = run_python(code)
    assert is_silent(result)
    assert result.stdout.splitlines() == [
        "FASTRELU_ISA=nonsense",
        "FASTRELU_ISA=mmx",
        "FASTRELU_NUM_THREADS=several is ignored",
        f"3 {[[0, 2]] * 3 + [[0.0, 2.0]] * 3}",
    ]


def test_a_package_that_was_forgotten_can_be_imported_again():
    code = """
import sys
import numpy as np
import fastrelu as fr
relu = fr.relu
for name in [name for name in sys.modules if name.partition(".")[0] == "fastrelu"]:
    del sys.modules[name]
import fastrelu as again
print(again is fr, again.relu is relu, *again.relu(np.array([-1.0, 2.0])))
"""
    result = run_python(code)
    assert is_silent(result)
    assert result.stdout == "False True 0.0 2.0\n"


VARIABLES = {
    "FASTRELU_NUM_THREADS": "RuntimeWarning",
    "OMP_NUM_THREADS": "RuntimeWarning",
    "FASTRELU_RECYCLE_LIMIT": "RuntimeWarning",
    "FASTRELU_ISA": "ImportError",
}


@pytest.mark.parametrize(("name", "category"), VARIABLES.items())
def test_a_variable_that_is_no_text(name, category):
    """The message, which may go to any log, shows bytes that are no text by their numbers."""
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import fastrelu"],
        env=environment | {name: os.fsdecode(b"3\xff")},
        capture_output=True,
        check=False,
    )
    message = result.stderr.decode("utf-8").splitlines()[-1]
    assert message.startswith(f"{category}: {name}=3\\xff")


COMMANDS = {
    "info": ["info"],
    "verify": ["verify", "--function", "relu", "--dtype", "int8", "--isa", "scalar", "--quiet"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_whose_reader_has_gone(arguments):
    """As by ``| head -1``: nothing is said, and the status is that of a tool ended by SIGPIPE."""
    command = [sys.executable, "-m", "fastrelu", *arguments]
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")
