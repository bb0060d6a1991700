"""The demo: scikit-learn trains with fastrelu, and a wrong byte is found."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from types import SimpleNamespace

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import demo
from fastrelu.__main__ import main

TINY = ["demo", "--epochs", "1", "--elements", "64", "1000"]

needs_sklearn = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="could not import 'sklearn'"
)


def as_a_user(*arguments, **options):
    command = [sys.executable, "-m", "fastrelu", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.slow
def test_as_a_user_runs_it(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = as_a_user(*TINY, "--plot", "demo.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all 50,826 weights and biases have the same bytes" in done.stdout
    assert re.search(r"^ *scikit-learn +[\d.]+ s +[\d.]+ ms +[\d.]+% *$", done.stdout, re.M)
    assert re.search(r"^ *fastrelu +[\d.]+ s +[\d.]+ ms +[\d.]+% *$", done.stdout, re.M)
    for size in ("64", "1000"):
        for idiom in demo.IDIOMS:
            row = rf"^ *{size} +{re.escape(idiom)} +[\d.]+ +\w+ +[\d.]+ +[\d.]+x *$"
            assert re.search(row, done.stdout, re.M), (idiom, done.stdout)
    assert "demo.png" in done.stdout
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def tables():
    """scikit-learn's tables of activations and derivatives."""
    return pytest.importorskip("sklearn.neural_network._base")


@pytest.fixture
def digits():
    return pytest.importorskip("sklearn.datasets").load_digits()


def test_functions_of_both_give_the_same_bytes(tables):
    """Even at NaN and infinity. Not at -0.0: np.maximum(-0.0, 0) may be either by processor."""
    tiny = np.finfo(np.float32).smallest_subnormal
    values = np.array([np.nan, -np.nan, np.inf, -np.inf, tiny, -tiny, 0, 1, -1], np.float32)
    x, grad = (np.ascontiguousarray(each) for each in np.meshgrid(values, [*values, -0.0]))
    grad = grad.astype(np.float32)
    y, grad_x = fr.relu(x), fr.relu_backward(grad, fr.relu(x))
    tables.ACTIVATIONS["relu"](x)
    tables.DERIVATIVES["relu"](x, grad)
    assert x.tobytes() == y.tobytes()
    assert grad.tobytes() == grad_x.tobytes()


def replaced(monkeypatch, **functions):
    """Give the demo, and what it gives scikit-learn, a fastrelu with other functions."""
    other = SimpleNamespace(**vars(fr) | functions)
    monkeypatch.setattr(demo, "fr", other)
    monkeypatch.setattr(pytest.importorskip("fastrelu.sklearn"), "fr", other)


def with_wrong_bits(function):
    def wrong(*args, **kwargs):
        result = function(*args, **kwargs)
        result.view(f"u{result.itemsize}")[...] ^= 1
        return result

    return wrong


@pytest.mark.parametrize("name", ["relu", "relu_backward"])
def test_wrong_bits_in_training_are_found(name, tables, monkeypatch, capsys):
    replaced(monkeypatch, **{name: with_wrong_bits(getattr(fr, name))})
    before = dict(tables.ACTIVATIONS), dict(tables.DERIVATIVES)
    with pytest.raises(SystemExit, match=r"^weights and biases .*: fastrelu gives other bytes$"):
        main(TINY)
    assert before == (tables.ACTIVATIONS, tables.DERIVATIVES)
    assert "same bytes" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "idiom"),
    [
        ("leaky_relu", "np.maximum(x, s * x)"),
        ("leaky_relu_backward", "np.where(x > 0, g, s * g)"),
        ("add_relu", "np.maximum(x + g, 0)"),
    ],
)
def test_wrong_bits_beside_an_idiom_are_found(name, idiom, monkeypatch):
    replaced(monkeypatch, **{name: with_wrong_bits(getattr(fr, name))})
    with pytest.raises(SystemExit, match=re.escape(idiom)):
        demo.time_idioms([64])


def test_differing_bytes_end_with_status_1():
    code = "from fastrelu import demo; import numpy as np; demo._require_same('it', *np.eye(2))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "it: fastrelu gives other bytes\n")


def test_the_tables_are_restored(tables):
    before = dict(tables.ACTIVATIONS), dict(tables.DERIVATIVES)
    assert main(TINY) == 0
    assert before == (tables.ACTIVATIONS, tables.DERIVATIVES)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_passes_and_the_tables_are_restored(error, digits, tables, monkeypatch):
    """Even an interrupt does: scikit-learn's `fit` catches it and returns."""

    def fail(*arrays, **options):
        raise error

    replaced(monkeypatch, relu=fail)
    before = dict(tables.ACTIVATIONS), dict(tables.DERIVATIVES)
    with pytest.raises(error):
        demo.train(digits, 1)
    assert before == (tables.ACTIVATIONS, tables.DERIVATIVES)


@needs_sklearn
def test_both_functions_of_fastrelu_train(monkeypatch):
    calls = []

    def counted(name):
        def call(*arrays, **options):
            calls.extend([name] * ("out" in options))  # in place, as scikit-learn works
            return getattr(fr, name)(*arrays, **options)

        return call

    replaced(monkeypatch, relu=counted("relu"), relu_backward=counted("relu_backward"))
    assert main(TINY) == 0
    assert calls.count("relu") == calls.count("relu_backward") > demo.FITS


@needs_sklearn
def test_without_rich_it_prints_plain_lines(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(TINY) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        *(f"train scikit-learn's network: {done} of {demo.FITS}" for done in range(demo.FITS)),
        *(f"time NumPy's idioms: {done} of 2" for done in range(2)),
    ]
    lines = [line for line in out.splitlines() if line]
    assert len(lines) == 1 + 4 + 2 + 2 * len(demo.IDIOMS)
    assert len({len(line) for line in lines[-2 * len(demo.IDIOMS) :]}) == 1  # columns are straight


def test_without_scikit_learn(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main(TINY) == 2
    assert "pip install scikit-learn" in capsys.readouterr().err


@needs_sklearn
def test_without_matplotlib(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*TINY, "--plot", str(tmp_path / "demo.png")]) == 2
    out, err = capsys.readouterr()
    assert "pip install matplotlib" in err
    assert not out  # said before any work


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--epochs", "0"),
        ("--elements", "-1"),
        ("--plot", "demo.jpg"),
        ("--plot", "no/such/folder/demo.png"),
    ],
)
def test_wrong_usage(option, value, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["demo", option, value])
    assert stopped.value.code == 2
    assert f"argument {option}: {value} is not a " in capsys.readouterr().err
