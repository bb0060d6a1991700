"""The demo: every side is compared with NumPy's, and what is printed and drawn is what happened."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from types import SimpleNamespace

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _large, _lockstep, _steps, demo
from fastrelu.__main__ import main
from fastrelu._perceptron import LAYERS, Digits
from fastrelu._same import DifferenceError, require_same

TINY = ["demo", "--epochs", "1", "--elements", "64"]
HIDDEN = LAYERS[1:-1]
IMAGES = 60  # one batch


@pytest.fixture
def digits(monkeypatch):
    """What stands in for the real digits, for which scikit-learn is needed."""
    rng = np.random.default_rng(1)
    images = rng.random((IMAGES + 20, LAYERS[0]), np.float32)
    labels = rng.integers(LAYERS[-1], size=len(images))
    made = Digits(images[:IMAGES], labels[:IMAGES], images[IMAGES:], labels[IMAGES:])
    monkeypatch.setattr(demo, "_load_digits", lambda seed: made)
    return made


def trained(name, digits, *, epochs=1, fused=True, watched=False):
    return _lockstep.train(name, digits, _lockstep.Plan(epochs, 0, fused, watched))


@pytest.mark.parametrize("options", [[], ["--fused"]])
def test_real_digits(options, capsys):
    pytest.importorskip("sklearn")
    assert main([*TINY, *options]) == 0
    assert "1,437 digits" in capsys.readouterr().out


def test_plain_path_knows_nothing_of_fused_steps(digits, capsys):
    assert main(TINY) == 0
    out = capsys.readouterr().out
    header = ["activation", "by", "accuracy", "dead,", "layer", "1", "dead,", "layer", "2"]
    assert out.splitlines()[1].split() == [*header, "time", "speed"]
    assert "time: in activations alone" in out
    assert "fused" not in out
    assert "saved" not in out


def test_fused_steps_are_reported(digits, capsys):
    assert main([*TINY, "--fused"]) == 0
    out = capsys.readouterr().out
    sums = sum(HIDDEN) * IMAGES
    cells = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert {f"{row[0]} {row[1]}": row[5] for row in cells if len(row) == 8 and "%" in row[2]} == {
        "relu NumPy": f"{4 * sums:,} bytes",
        "relu fastrelu": f"{4 * sums:,} bytes",
        "relu fused": "0 bytes",
        "leaky relu NumPy": f"{4 * sums:,} bytes",
        "leaky relu fastrelu": f"{4 * sums:,} bytes",
        "leaky relu fused": f"{sums // 8:,} bytes",
    }
    assert "bias gradients" in out
    for fusion in _large.FUSIONS:
        assert fusion.unfused in out
        assert fusion.fused in out


def test_saved_bytes_are_those_of_one_batch(digits):
    doubled = digits._replace(
        images=np.repeat(digits.images, 2, axis=0), labels=np.repeat(digits.labels, 2)
    )
    assert trained("leaky relu", doubled, epochs=2).saved == trained("leaky relu", digits).saved


def test_all_sides_go_on_with_the_same_parameters(digits):
    training = trained("relu", digits, epochs=3)
    assert training.bias_gradients.differing > 0
    first, *others = (
        [part.tobytes() for layer in network.layers for part in (layer.weights, layer.biases)]
        for network in training.networks
    )
    assert len(others) == 2
    assert all(each == first for each in others)


def test_fused_sums_are_the_more_exact(digits):
    training = trained("relu", digits, epochs=3)
    errors = training.bias_gradients.summary()
    assert training.bias_gradients.compared == 3 * sum(HIDDEN)
    assert errors["fused"].largest <= 0.5 < errors["NumPy"].largest
    assert errors["fused"].mean < errors["NumPy"].mean


def test_errors_are_in_units_in_the_last_place():
    terms = np.array([[2.0**24, 1], [1, 1], [1, 1]], np.float32)
    sums = {"first": np.float32([2.0**24, 3]), "last": np.float32([2.0**24 + 2, 3])}
    gradients = _lockstep.BiasGradients()
    gradients.compare("here", terms, sums)
    assert (gradients.compared, gradients.differing) == (2, 1)
    assert gradients.summary() == {"first": (1.0, 1.0), "last": (0.0, 0.0)}


@pytest.mark.parametrize("wrong", [2.0**24 + 8, np.nan])
def test_an_inexact_fused_sum_is_an_error(wrong):
    terms = np.float32([[1, 2.0**24], [1, 2]])
    sums = {"first": np.float32([2, 2.0**24]), "last": np.float32([2, wrong])}
    with pytest.raises(DifferenceError, match=r"here, element \[1\].* 16777218.0, last"):
        _lockstep.BiasGradients().compare("here", terms, sums)


def with_wrong_bit(function, result=None):
    """`function` with the lowest bit of its result's element [1, 2] or [2] changed."""

    def wrong(*args, **kwargs):
        returned = function(*args, **kwargs)
        array = returned if result is None else returned[result]
        array.view(f"u{array.itemsize}")[(1, 2)[-array.ndim :]] ^= 1
        return returned

    return wrong


def first_error_with(module, name, result, monkeypatch):
    """Break a function for a module of the demo; return what the demo says of it."""
    wrong = with_wrong_bit(getattr(fr, name), result)
    monkeypatch.setattr(module, "fr", SimpleNamespace(**vars(fr) | {name: wrong}))
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages):
        assert main([*TINY[:-1], "4096", "--fused"]) == 1
    return messages.getvalue().splitlines()[-1]


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("name", "result", "place"),
    [
        ("add_relu", None, "relu, epoch 1, activations of layer 1, element [1, 2]"),
        ("relu_backward_with_bias", 0, "relu, epoch 1, gradients of layer 2, element [1, 2]"),
        ("leaky_relu_with_mask", 0, "leaky relu, epoch 1, activations of layer 1, element [1, 2]"),
        ("leaky_relu_with_mask", 1, "leaky relu, epoch 1, gradients of layer 2, element ["),
        (
            "leaky_relu_backward_from_mask",
            None,
            "leaky relu, epoch 1, gradients of layer 2, element [1, 2]",
        ),
    ],
)
def test_a_wrong_bit_in_a_fused_step_is_found(name, result, place, monkeypatch):
    message = first_error_with(_steps, name, result, monkeypatch)
    assert message.startswith(f"fastrelu and NumPy differ: {place}")
    assert ": NumPy gives " in message
    assert ", fused " in message


@pytest.mark.parametrize("options", [[], ["--fused"]])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_wrong_bit_in_a_plain_step_is_found(direction, options, digits, monkeypatch, capsys):
    numpys, ours = _steps.ACTIVATIONS["relu"]
    wrong = ours._replace(**{direction: with_wrong_bit(getattr(ours, direction))})
    monkeypatch.setitem(_steps.ACTIVATIONS, "relu", (numpys, wrong))
    assert main([*TINY, *options]) == 1
    place = {"forward": "of layer 1, element [1, 2]: NumPy", "backward": "of layer 2, element ["}
    assert place[direction] in capsys.readouterr().err


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("name", "result", "place"),
    [
        ("relu", None, "relu, 4,096 x "),
        ("add_relu", None, "t = fr.add_relu(x, b), 4 x 1024"),
        ("relu_with_mask", 0, "fr.relu_with_mask(x, t, mask), 4 x 1024"),
        ("relu_backward_from_mask", None, "fr.relu_backward_from_mask(g, mask, out=t), 4 x 1024"),
        ("relu_backward_with_bias", 0, "t, sums = fr.relu_backward_with_bias(g, x), 4 x 1024"),
        (
            "relu_backward_with_bias",
            1,
            "t, sums = fr.relu_backward_with_bias(g, x), 4 x 1024, sums",
        ),
    ],
)
def test_a_wrong_bit_in_a_large_array_is_found(name, result, place, monkeypatch):
    message = first_error_with(_large, name, result, monkeypatch)
    assert message.startswith(f"fastrelu and NumPy differ: {place}")


@pytest.mark.parametrize("actual", [np.float64([0]), np.float32([0, 0]), np.float32([-0.0])])
def test_same_means_dtype_shape_and_bytes(actual):
    with pytest.raises(DifferenceError, match=r"^it.* NumPy gives .* somebody "):
        require_same("it", np.float32([0]), actual, "somebody")


@pytest.mark.parametrize("name", list(_steps.ACTIVATIONS))
@pytest.mark.parametrize("fused", [False, True])
def test_the_activity_log_of_one_step(name, fused, digits):
    training = trained(name, digits, fused=fused, watched=True)
    fresh = _steps.networks(name, 0, fused=False)[0].forward(digits.images)
    active = [hidden.activations > 0 for hidden in fresh.hidden]
    assert training.activity.active == [tuple(each.mean() for each in active)]
    assert training.activity.dead == [tuple(1 - each.any(axis=0).mean() for each in active)]
    assert training.activity.nans == 0


def test_the_activity_log_of_several_steps(digits):
    images, labels = (np.concatenate([each] * 3) for each in (digits.images, digits.labels))
    longer = digits._replace(images=images, labels=labels)
    activity = trained("relu", longer, epochs=2, watched=True).activity
    assert len(activity.active) == 2 * -(-len(images) // _lockstep.BATCH)
    assert len(set(activity.active)) == len(activity.active)
    assert len(activity.dead) == 2


def test_the_activity_log_counts_nans(digits):
    images = digits.images.copy()
    images[3] = np.nan
    training = trained("relu", digits._replace(images=images), watched=True)
    assert training.activity.nans == sum(HIDDEN)


def test_nothing_is_logged_unless_it_is_drawn(digits, monkeypatch):
    def refuse():
        raise AssertionError

    monkeypatch.setattr(_lockstep, "fr", SimpleNamespace(activity=refuse))
    assert main(TINY) == 0


@pytest.mark.parametrize("options", [[], ["--fused"]])
def test_demo_draws(options, digits, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "demo.png"
    assert main([*TINY, "--epochs", "2", "--plot", str(path), *options]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().out


def test_without_scikit_learn(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main([*TINY, "--fused"]) == 2
    assert "pip install 'fastrelu[demo]'" in capsys.readouterr().err


def test_without_matplotlib(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = tmp_path / "demo.png"
    assert main([*TINY, "--fused", "--plot", str(path)]) == 2
    captured = capsys.readouterr()
    assert "pip install 'fastrelu[plot]'" in captured.err
    assert not captured.out  # said before any work
    assert not path.exists()


@pytest.mark.parametrize(
    "wrong", [["--epochs", "0"], ["--seed", "-1"], ["--elements", "0"], ["--plot", "demo.jpg"]]
)
def test_wrong_usage(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *wrong])
    assert stopped.value.code == 2
    assert wrong[0] in capsys.readouterr().err
