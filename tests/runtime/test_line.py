"""How dense operands are cut into pieces: compiles test_line.cpp and runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import compiled
import pytest

PROGRAM = Path(__file__).with_suffix(".cpp")
UNITS = ("line", "parallel")
RUNTIME = PROGRAM.parents[2] / "csrc" / "runtime"


def test_lines(tmp_path):
    reason = compiled.reason_to_skip() if RUNTIME.is_dir() else "the source is not here"
    if reason:
        pytest.skip(reason)
    target = tmp_path / "test_line"
    compiled.compile([PROGRAM, *(RUNTIME / f"{name}.cpp" for name in UNITS)], target)
    try:
        result = subprocess.run(
            [target], capture_output=True, text=True, check=False, env=compiled.ENVIRONMENT
        )
    except OSError as error:  # an emulator that runs this Python, but does not start programs
        pytest.skip(f"what the compiler makes does not run here: {error}")
    assert (result.returncode, result.stdout) == (0, "done\n")
