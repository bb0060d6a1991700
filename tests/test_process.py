"""The package in a process: it is imported, threads have small stacks, the interpreter ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import run_python

CALLS_WITHOUT_THE_GIL = {
    "ufunc": "fr.relu(x)",
    "ufunc of strided arrays": "fr.leaky_relu(x.T, 0.1)",
    "ufunc by way of NumPy": "fr.relu(x, out=y, where=mask)",
    "mask": "fr.relu_with_mask(x)",
    "gradient and sums": "fr.relu_backward_bias(x, x)",
    "count": "fr.active_count(x, 0)",
    "dead units": "fr.dead_units(x, 0)",
    "dead units of a mask": "fr.dead_units_from_mask(bits, x.shape, 0)",
    "maxout": "fr.maxout(x, 2)",
    "table": "fr.apply_table(codes, table)",
    "trim": "fr.trim()",
    "set_recycle_limit": "fr.set_recycle_limit(1 << 30)",
}
ENDS_DURING_CALLS = """
import threading, time
import numpy as np, fastrelu as fr

x = np.linspace(-1, 1, 1 << 17, dtype=np.float32).reshape(256, 512)
y, mask, bits = np.empty_like(x), x > 0, fr.relu_with_mask(x)[1]
codes, table = np.arange(1 << 17).astype(np.uint8), np.arange(256, dtype=np.uint8)

def run():
    while True:
        {call}

for _ in range(3):
    threading.Thread(target=run, daemon=True).start()
time.sleep(0.05)
"""


@pytest.mark.parametrize("call", CALLS_WITHOUT_THE_GIL.values(), ids=CALLS_WITHOUT_THE_GIL)
def test_the_interpreter_ends_during_calls(call):
    """Until CPython 3.13 the thread that asks for the GIL is then ended, by unwinding its stack."""
    command = [sys.executable, "-c", ENDS_DURING_CALLS.format(call=call)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    results = [(child.communicate(timeout=60)[1], child.returncode) for child in children]
    assert results == [("", 0)] * 2


IN_A_SMALL_STACK = """
import faulthandler, threading, zlib
import numpy as np, fastrelu as fr
from fastrelu import cases
from fastrelu._verification import forced_isa, supported_dtypes
from fastrelu._verification.functions import ARGUMENTS, Operands
from support import ISAS, UFUNCS, array_count, legal, takes_slope

def calls(dtype, shape, layout):
    operands = Operands(dtype, shape, cases.LAYOUTS[layout])
    for name, arguments in ARGUMENTS.items():
        yield getattr(fr, name), arguments(operands)
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
    dense = [np.ascontiguousarray(each) for each in results]
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


def test_every_function_is_content_with_a_small_stack():
    """Legal are stacks of 32 KiB, and musl gives threads 128 KiB."""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    result = run_python(IN_A_SMALL_STACK, PYTHONPATH=paths)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")
