"""Non-temporal stores, which arrays beyond the last cache get: the results are the same bytes."""

from __future__ import annotations

from pathlib import Path

from fastrelu import _system
from support import ENDS, run_python

TESTED_ISAS = ENDS

TESTS = Path(__file__).parents[1]

STREAMED = """
import importlib.util, sys
import numpy as np

spec = importlib.util.spec_from_file_location("fastrelu._system", {path!r})
sys.modules[spec.name] = system = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system)
system.last_cache = lambda: {last_cache}

from fastrelu import reference
sys.path.insert(0, {tests!r})
from support import LOOPS

for loop in (each for each in LOOPS if each.out.char != "g"):  # longdouble has padding
    for n, offset in ((70_001, 1), (69_999, 3)):
        memory = np.frombuffer(bytearray(b"\\x55") * ((n + 8) * loop.out.itemsize), loop.out)
        out = memory[offset : offset + n]
        for inputs in loop.samples(n, offset):
            with np.errstate(all="ignore"):
                loop.ufunc(*inputs, out=out)
            if reference.arithmetic(loop.ufunc.__name__) != "selects":
                out[out != out] = 0  # of two NaNs that meet, a compiler may keep either
            print(loop, n, hash(memory.tobytes()))
"""


def test_streaming_changes_nothing(isa):
    """Where there is no cache, each result is streamed into."""
    printed = []
    for last_cache in (0, 1 << 40):
        code = STREAMED.format(path=_system.__file__, last_cache=last_cache, tests=str(TESTS))
        done = run_python(code, FASTRELU_ISA=isa, PYTHONHASHSEED="0")
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert printed[0]
