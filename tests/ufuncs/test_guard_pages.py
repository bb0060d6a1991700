"""No function touches a byte beside its operands: there, memory is unreadable.

All calls, of some seconds for each instruction set; `FASTRELU_GUARD_PAGES=thorough` makes every
call at every length and offset, in minutes. The calls are in guarded.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys

import guarded
import pytest
from support import ISAS, run_python, without_sanitizer

THOROUGH = os.environ.get("FASTRELU_GUARD_PAGES") == "thorough"


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "note"
    path.write_bytes(bytes(guarded.NOTE_BYTES))
    return path


def assert_ended_well(process: subprocess.CompletedProcess[str], note) -> None:
    if process.returncode:
        how = f"signal {-process.returncode}" if process.returncode < 0 else "an error"
        pytest.fail(f"{guarded.read_note(note)}: {how}\n{process.stderr[-3000:]}")


@pytest.mark.parametrize("name", ISAS)
def test_no_function_leaves_its_operands(name, note):
    command = [sys.executable, "-X", "faulthandler", guarded.__file__, str(note)]
    process = subprocess.run(
        [*command, *["thorough"] * THOROUGH],
        env=os.environ | {"FASTRELU_ISA": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_ended_well(process, note)


@pytest.mark.parametrize("beside", [-1, guarded.DATA], ids=["before", "after"])
def test_there_is_no_access_beside_an_arena(beside):
    """Asked of the system: a pipe does not take such a byte, but takes its neighbour."""
    arena = guarded.Arena()
    first = arena.bytes.ctypes.data
    libc = ctypes.CDLL(None, use_errno=True)
    reading, writing = os.pipe()
    try:
        inside = first if beside < 0 else first + beside - 1
        assert libc.write(writing, ctypes.c_void_p(inside), ctypes.c_size_t(1)) == 1
        assert libc.write(writing, ctypes.c_void_p(first + beside), ctypes.c_size_t(1)) == -1
        assert ctypes.get_errno() == errno.EFAULT
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("side", guarded.SIDES)
@pytest.mark.parametrize("step", [1, 2, -1])
def test_views_touch_the_guards(side, step):
    arena = guarded.Arena()
    begin, end = arena.bytes.ctypes.data, arena.bytes.ctypes.data + guarded.DATA
    for dtype in map(guarded.np.dtype, ("i1", "f4", "g")):
        views = arena.views(dtype, side, step)
        assert [each.size for each in views] == list(guarded.EVERY_LENGTH)
        for view in views[1:]:
            low, high = guarded.np.lib.array_utils.byte_bounds(view)
            assert (low == begin) if side == guarded.BEGIN else (high == end)
            assert view.strides == (step * dtype.itemsize,)


@without_sanitizer("it reports the crash itself")
def test_a_crash_names_its_call(note):
    process = run_python(
        f"""
import sys
sys.path.insert(0, {os.path.dirname(guarded.__file__)!r})
import ctypes, guarded
note = guarded.Note({str(note)!r})
note.begin("a call")
note.length[0] = 7
arena = guarded.Arena()
ctypes.string_at(arena.bytes.ctypes.data + guarded.DATA, 1)
"""
    )
    with pytest.raises(pytest.fail.Exception, match=r"a call; length 7: signal 11"):
        assert_ended_well(process, note)
