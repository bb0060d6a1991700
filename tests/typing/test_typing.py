"""What type checkers accept and reject, and that the types which they give are those of values."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent
CALLS = [FOLDER / "accepted.py", FOLDER / "rejected.py"]


def check_with(*command):
    result = subprocess.run(
        [sys.executable, "-m", *command, *CALLS],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_mypy(tmp_path):
    pytest.importorskip("mypy")
    check_with("mypy", "--strict", f"--config-file={os.devnull}", f"--cache-dir={tmp_path}")


def test_pyright():
    pytest.importorskip("pyright")
    check_with("pyright", f"--pythonpath={sys.executable}")


def has_type(value, expected):
    """Whether a value is of a type, down to the dtype and the number of axes of an array."""
    if expected is typing.Any or expected is None:
        return expected is not None or value is None
    origin, arguments = typing.get_origin(expected) or expected, typing.get_args(expected)
    if not isinstance(value, origin):
        return False
    if origin is not np.ndarray:
        return True
    shape, dtype = arguments
    axes, kinds = typing.get_args(shape), typing.get_args(dtype)
    has_axes = ... in axes or len(axes) == value.ndim
    return has_axes and kinds[0] in (typing.Any, value.dtype.type)


def test_values_have_the_types(monkeypatch):
    wrong = []

    def record(value, expected):
        if not has_type(value, expected):
            line = sys._getframe(1).f_lineno
            wrong.append(f"{CALLS[0].name}:{line}: {type(value)} is not {expected}")
        return value

    monkeypatch.setattr(typing, "assert_type", record)
    runpy.run_path(str(CALLS[0]))
    assert wrong == []
