"""The shape of the C++: each fact stands once, and each floor knows only those below it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
SOURCES = {
    each.relative_to(CSRC).as_posix(): each.read_text()
    for each in sorted(CSRC.rglob("*"))
    if each.suffix in {".h", ".cpp", ".inc"}
}

pytestmark = pytest.mark.skipif(not SOURCES, reason="the source is not here")


def names(pattern, *folders):
    """Return the files below these folders that contain a match."""
    found = re.compile(pattern)
    return [
        name
        for name, text in SOURCES.items()
        if name.startswith(tuple(f"{folder}/" for folder in folders)) and found.search(text)
    ]


ALL = ("contract", "kernels", "runtime", "bindings")


def test_a_function_is_a_row_and_a_formula():
    assert names(r"\bhardswish\b", *ALL) == ["contract/functions.inc", "kernels/ops.h"]
    assert names(r"\bmish_backward\b", *ALL) == ["contract/functions.inc", "kernels/smooth.h"]
    text = SOURCES["kernels/ops.h"] + SOURCES["kernels/smooth.h"]
    rows = re.findall(r"^FUNCTION\((\w+), +(\w+),", SOURCES["contract/functions.inc"], re.MULTILINE)
    assert len(rows) > 20
    for name, formula in rows:
        formulas = re.findall(rf"^struct {formula}\s+: FunctionOf<Op::(\w+)>", text, re.MULTILINE)
        assert formulas == [name]


def test_a_dtype_is_a_row():
    lines = [
        line
        for name, text in SOURCES.items()
        if not name.startswith("contract/")
        for line in text.splitlines()
        if "DType::bfloat16" in line
    ]
    assert len(lines) <= 3


def test_only_bindings_know_python():
    assert names(r"\b(Py[A-Z_]|npy_|NPY_)", "contract", "kernels", "runtime") == []


def test_nobody_includes_what_is_compiled_once_per_instruction_set():
    assert names(r'#include ".*\bkernels/', "contract", "runtime", "bindings") == []


def test_each_floor_includes_those_below_it():
    assert names(r'#include ".*\b(runtime|bindings)/', "contract", "kernels") == []
    assert names(r'#include ".*\bbindings/', "runtime") == []
    assert names(r'#include "\.\./(?!\.\./contract/|float16)', "kernels/simd") == []
