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
    ranges = {"activations_from_-10.png", "activations_from_-5.png"}
    run("activations", ranges | {"activations.png"})


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
def test_exploding_gradients(run):
    """Without clipping all units die; with it the network learns, at the same rate."""
    out = run("exploding_gradients", {"exploding_gradients.png"})
    small, smaller, large, larger = map(float, re.findall(r"gradient times (\S+)$", out, re.M))
    assert small < 1e-5 < smaller < 0.1
    assert 1 < large < 100 < larger
    numbers = (
        r"^([^:]+): loss at most (\S+), at last (\S+); norm .*at (\d+)% of steps; (\d+)% of units"
    )
    runs = {name: list(map(float, each)) for name, *each in re.findall(numbers, out, re.M)}
    most, last, _, dead = runs.pop("not clipped")
    assert most > 1e10
    assert 0.15 < last < 0.19  # the loss of a constant, 1/6
    assert dead == 100
    most, last, clipped, dead = runs.pop("clipped")
    assert most < 1000
    assert last < 0.1
    assert 20 < clipped < 90
    assert dead < 50
    _, last, _, _ = runs.pop("not clipped, rate / 100")
    assert 0.12 < last < 0.4
    assert not runs


@pytest.mark.slow
def test_last_layer(run):
    """Layers without an activation are linear, and only softmax leaves a bad start soon."""
    out = run("last_layer", {"last_layer.png"})
    errors = re.findall(r"^(?:sums of probabilities: 1|gradient: .*), with .* of (\S+)$", out, re.M)
    assert len(errors) == 2
    assert all(float(error) < 1e-14 for error in errors)
    assert "the second is right: loss 2000, gradient [ 1. -1.]\n" in out
    assert "probabilities [1. 0.]; exp and division alone give [nan  0.]\n" in out
    accuracies = dict(re.findall(r"^hidden layer: (.*); (\S+)% right$", out, re.M))
    none, linear, relu = (float(accuracies[name]) for name in ("none", "no activation", "relu"))
    assert abs(none - linear) < 2
    assert max(none, linear) < 60
    assert relu > 98
    steps = re.findall(
        r"^(\w+), .*right after (\d+) steps, from a bad start after (\d+)$", out, re.M
    )
    soon, late = ({name: int(each[k]) for name, *each in steps} for k in (0, 1))
    assert set(soon) == {"softmax", "sigmoid", "nothing"}
    assert 0 < soon["softmax"] < soon["sigmoid"] < 500
    assert 0 < late["softmax"] < 300
    assert late["sigmoid"] > 3 * late["softmax"]
    assert late["sigmoid"] > 3 * soon["sigmoid"]


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


@pytest.mark.slow
def test_why_relu(run):
    """sigmoid's gradient does not reach the first layer, and relu takes the least time."""
    pytest.importorskip("sklearn")
    out = run("why_relu", {"why_relu.png"})
    numbers = (
        r"^(\w+).*, (at first|after).*: gradient (\S+) in layer 1, (\S+) in layer 20; "
        r"(\d+)% saturated; (\d+)% right$"
    )
    rows = {
        (name, when): list(map(float, each)) for name, when, *each in re.findall(numbers, out, re.M)
    }
    assert len(rows) == 8
    for (name, when), (first, last, saturated, right) in rows.items():
        if name == "sigmoid":
            assert first * 1e6 < last
        else:
            assert 0.1 < first / last < 10
        assert (40 < saturated < 70) if name == "relu" else saturated < 5
        learned = name != "sigmoid" and when == "after"
        assert right > 90 if learned else right < 30
    times = re.findall(r"^time of (\w+): (\S+) forward, (\S+) backward", out, re.M)
    assert {name for name, *_ in times} == {"relu", "tanh", "sigmoid", "gelu", "softmax"}
    for name, *pair in times:
        least = 2 if name in {"tanh", "sigmoid", "gelu"} else 1
        assert all(float(each) >= least for each in pair)
