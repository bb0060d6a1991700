"""Each recipe for another package runs as a user runs it, and finds the results to be the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SCRIPTS = sorted(EXAMPLES.glob("recipes/*.py"))

pytestmark = pytest.mark.skipif(not SCRIPTS, reason="the recipes are not here")


def run(name):
    """Run a recipe; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", EXAMPLES / "recipes" / f"{name}.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_recipes_are_tested_and_listed():
    names = {path.stem for path in SCRIPTS}
    listed = re.findall(r"\]\(recipes/(\w+)\.py\)", (EXAMPLES / "README.md").read_text())
    assert set(listed) == names
    assert {name.removeprefix("test_") for name in globals()} >= names


@pytest.mark.slow
def test_dask_cluster():
    """More goes through than two workers may hold, and all of it as with NumPy."""
    pytest.importorskip("distributed")
    out = run("dask_cluster")
    size, largest = map(int, re.findall(r"(\d+) MiB", out))
    assert largest < 0.4e9 / 2**20 < 2 * 0.4e9 / 2**20 < size
    assert out.endswith("elements that differ from NumPy's: 0\n")


@pytest.mark.slow
def test_numba_njit():
    pytest.importorskip("numba")
    out = run("numba_njit")
    assert out.count("by_interpreter: ") == out.count("by_loop: ") == 3
    assert out.count("same bytes: True\n") == 6


@pytest.mark.slow
def test_onnx_reference():
    pytest.importorskip("onnx")
    rows = re.findall(r"^(\w+): within (\S+) .*: (\w+)$", run("onnx_reference"), re.M)
    assert {"Relu", "LeakyRelu", "Elu", "Tanh"} < {name for name, *_ in rows}
    for name, difference, same in rows:
        assert float(difference) <= (0 if name.endswith("Relu") else 1e-6)
        assert same == "True"


@pytest.mark.slow
def test_thinc_ops():
    pytest.importorskip("thinc")
    out = run("thinc_ops")
    theirs, ours = map(float, re.findall(r"takes ([\d.]+) us$", out, re.M))
    assert ours < theirs
    (difference,) = re.findall(r"at most (\S+)$", out, re.M)
    assert float(difference) < 1e-5
