"""The package in a process: it is imported, threads have small stacks, the interpreter ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
