"""Each example runs as a user runs it, says what its docstring promises, and draws its pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "examples"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not here")


@pytest.fixture
def run(tmp_path):
    """Run an example; return what it prints, and hold its pictures to be there."""

    def run(name, pictures):
        pytest.importorskip("matplotlib")
        done = subprocess.run(
            [
                sys.executable,
                "-W",
                "error::RuntimeWarning",
                FOLDER / f"{name}.py",
                "--output",
                tmp_path,
            ],
            env=os.environ | {"MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert {path.name for path in tmp_path.iterdir()} == pictures
        for picture in pictures:
            assert f"{tmp_path / picture}: " in done.stdout
            content = (tmp_path / picture).read_bytes()
            assert content.startswith(b"\x89PNG")
            assert 10_000 < len(content) < 200_000  # neither empty axes nor heavy
        return done.stdout

    return run


def test_all_examples_are_tested_and_listed():
    scripts = {path.stem for path in FOLDER.glob("*.py")}
    assert set(re.findall(r"\]\((\w+)\.py\)", (FOLDER / "README.md").read_text())) == scripts
    assert {name.removeprefix("test_") for name in globals()} >= scripts


@pytest.mark.slow
def test_activations(run):
    run("activations", {"activations_from_-10.png", "activations_from_-5.png"})


def percentages(line):
    return [int(each) for each in re.findall(r"(\d+)%", line)]


@pytest.mark.slow
def test_dead_units(run):
    """Those of relu stay dead, and those of its leaky twins come back."""
    pytest.importorskip("sklearn")
    relu, *leaky, _ = run("dead_units", {"dead_units.png"}).splitlines()
    first, last, accuracy = percentages(relu)
    assert 90 <= first <= last
    assert accuracy < 20
    for line, most in zip(leaky, (90, 40), strict=True):
        at_first, at_last, accuracy = percentages(line)
        assert at_first == first  # the same weights at the start
        assert at_last < most
        assert accuracy > 75


@pytest.mark.slow
def test_fused_training(run):
    """Masks train to the same bytes and keep a bit an element; fused losses are close."""
    out = run("fused_training", {"fused_training.png"})
    assert "masks: all weights and losses have the same bytes as NumPy's: True\n" in out
    kept = dict(re.findall(r"^(\w+): .*; ([\d,]+) bytes kept$", out, re.M))
    assert kept == {"NumPy": "1,048,576", "masks": "32,768", "fused": "0"}
    (difference,) = re.findall(r"at most 1 \+ (\S+)$", out, re.M)
    assert float(difference) < 1e-4


@pytest.mark.slow
def test_quantised_inference(run):
    """Bytes are those of the way through floats, and digits are read about as well."""
    pytest.importorskip("sklearn")
    out = run("quantised_inference", {"quantised_inference.png"})
    assert out.count("floats: True\n") == 2
    in_floats, quantised = map(float, re.findall(r"([\d.]+)% (?:in floats|quantised)", out))
    assert in_floats > 94
    assert abs(in_floats - quantised) < 2
