"""bench/: what pytest selects and refuses, the race by a clock that the tests turn, the report."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
THE_COMMAND = ["-k", "relu and float32 and 64 and out"]


@pytest.fixture
def module(monkeypatch):
    """Import a module of bench/."""
    if not BENCH.is_dir():
        pytest.skip("bench/ is not here")
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module


@pytest.fixture
def idioms(module):
    return module("idioms")


@pytest.fixture
def peers(module):
    return module("peers")


def pytest_bench(*arguments, **environment):
    """Run ``pytest bench``; as a worker of pytest-xdist it would not measure."""
    pytest.importorskip("pytest_benchmark")
    inherited = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    options = ["-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", str(BENCH), *options, *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def groups(output):
    """Name the groups of the test ids in an output: all of an id but the row."""
    return set(re.findall(r"test_speed\[(.*)-[^-]*\]", output))


# What pytest selects.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "group"),
    [
        (THE_COMMAND[1], "relu-float32-64-out"),
        ("[leaky-float32-64-out", "leaky-float32-64-out"),
        (
            "leaky_backward and float16 and 16384 and inplace",
            "leaky_backward-float16-16384-inplace",
        ),
    ],
)
def test_words_select_one_group(module, words, group):
    result = pytest_bench("--collect-only", "-q", "-k", words)
    ids = result.stdout.splitlines()
    assert groups(re.sub(r"-\d\]", "]", result.stdout)) == {group}
    for row in ("fr", "NumPy", "NumPy-2", "PyTorch"):
        assert f"bench/test_speed.py::test_speed[{group}-{row}]" in ids


@pytest.mark.slow
def test_pytest_benchmark_measures(module, tmp_path):
    file = tmp_path / "speeds.json"
    options = ["--benchmark-only", "--benchmark-max-time=0.02", f"--benchmark-json={file}"]
    result = pytest_bench(*THE_COMMAND, *options)
    assert result.returncode == 0, result.stdout
    rows = {each["name"]: each for each in json.loads(file.read_text())["benchmarks"]}
    assert {"fastrelu: fr.relu(x, out=out)", "NumPy: np.maximum(x, 0, out=out)"} <= {*rows}
    for row in rows.values():
        assert row["group"] == "relu float32 64 out"
        assert row["stats"]["rounds"] > 1
    assert rows["fastrelu: fr.relu(x, out=out)"]["stats"]["iterations"] > 1


SPY = """
import fastrelu, os
def pytest_runtest_teardown(item):
    print("threads:", fastrelu.get_num_threads(), os.environ["OMP_NUM_THREADS"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("options", "threads"), [([], 1), (["--threads", "3"], 3)])
def test_threads_of_every_package(module, tmp_path, options, threads):
    (tmp_path / "spy.py").write_text(SPY)
    options = [*options, "-s", "-p", "spy", "--benchmark-disable"]
    result = pytest_bench(*THE_COMMAND, *options, PYTHONPATH=str(tmp_path))
    assert set(re.findall("threads: .*", result.stdout)) == {f"threads: {threads} {threads}"}


@pytest.mark.slow
def test_no_threads_is_wrong_usage(module):
    result = pytest_bench("--threads", "0", "--collect-only")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--threads: give a number from 1 on" in result.stderr


# The list.

OTHER_FUNCTIONS = {
    *("relu_with_mask", "relu_backward_from_mask", "leaky_relu_with_mask"),
    *(
        "leaky_relu_backward_from_mask",
        "leaky_relu_backward_from_output",
        "relu_backward_with_bias",
    ),
    *("prelu", "prelu_backward", "rrelu", "crelu", "crelu_backward", "maxout", "maxout_backward"),
    *("apply_table", "active_count", "sparsity", "dead_units", "clip_grad_norm_"),
    *("add_relu_with_mask", "add_leaky_relu_with_mask"),
    *("softmax", "log_softmax", "softmax_backward", "log_softmax_backward", "cross_entropy"),
}
"""The functions beside the ufuncs that have a speed of their own."""


def test_every_function_is_raced(idioms):
    ours = (row.text for cell in idioms.cells() for row in cell.rows if row.peer == idioms.OURS)
    raced = {name for text in ours for name in re.findall(r"fr\.(\w+)\(", text)}
    helpers = {"negated_relu", "crelu_gradient"}  # raced as crelu and its gradient
    assert raced >= {each.__name__ for each in _core.ufuncs} - helpers | OTHER_FUNCTIONS


def test_ids_are_unique(idioms):
    ids = [name for cell in idioms.cells() for name, _ in cell.named_rows()]
    assert len(set(ids)) == len(ids)


def test_the_text_of_a_row_is_its_code(idioms):
    cells = {cell.group: cell for cell in idioms.cells()}
    texts = {row.name for row in cells["leaky_relu float32 64 new"].rows}
    assert texts >= {
        "fastrelu: fr.leaky_relu(x, slope)",
        "NumPy: np.where(x > 0, x, slope * x)",
        "Numba: x if x > t(0) else x * s",
        "ONNX Runtime: LeakyRelu",
        "OpenVINO: ops.prelu(x, s)",
    }


def test_numpy_computes_what_fastrelu_computes(idioms, peers):
    everybody, seen = peers.Peers(fr.get_num_threads()), set()
    for cell in idioms.cells():
        kind = (cell.function, cell.dtype, cell.layout, cell.mode)
        if kind not in seen:  # the smallest of its kind
            seen.add(kind)
            rows = [row for row in cell.rows if row.peer == idioms.NUMPY]
            assert rows or cell.function == "activity_log"
            for row in rows:
                everybody.prepared(cell, row)


# Who takes part.


@pytest.fixture
def cell(idioms):
    """A cell with the rows of your choice beside ours."""

    def make(*rows, mode="new"):
        ours = {
            "new": idioms.ours(lambda x: fr.relu(x, None)),
            "out": idioms.ours(lambda x, out: fr.relu(x, out=out)),
            "inplace": idioms.ours(lambda x: fr.relu(x, out=x)),
        }
        return idioms.Cell("relu", "float32", (64,), "", mode, (ours[mode], *rows))

    return make


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("new", lambda x: np.abs(x) + 0),
        ("new", lambda x: np.maximum(x, 0).astype(np.float64)),
        ("new", lambda x: np.maximum(x, 0)[1:]),
        ("new", lambda x: np.maximum(x, 0) * np.nan),
        ("new", lambda x: (np.maximum(x, 0), x > 0)),
        ("out", lambda x: np.maximum(x, 0)),
        ("inplace", lambda x: np.maximum(x, 0)),
    ],
)
def test_a_wrong_result_is_refused(idioms, peers, cell, mode, how):
    row = idioms.numpy(how)
    with pytest.raises(peers.WrongResultError, match=rf"relu float32 64 {mode}: NumPy: .*x"):
        peers.Peers(1).prepared(cell(row, mode=mode), row)


@pytest.mark.parametrize("tolerance", [0.5, 1.0])
def test_a_result_may_differ_as_its_row_says(idioms, peers, cell, tolerance):
    row = idioms.numpy(lambda x: np.maximum(x, 0) * np.float32(0.6), tolerance)
    peers.Peers(1).prepared(cell(row), row)


def test_a_smooth_function_is_not_taken_for_its_approximation(idioms, peers):
    gelu = next(each for each in idioms.cells() if each.group == "gelu float32 64 new")
    row = idioms.numpy(lambda x: fr.gelu_tanh(x, None), idioms.SMOOTH)
    with pytest.raises(peers.WrongResultError, match=r"gelu float32 64 new: NumPy"):
        peers.Peers(1).prepared(gelu, row)


def test_rows_do_not_find_what_others_wrote(idioms, peers, cell):
    rows = [idioms.numpy(lambda x: np.maximum(x, 0, out=x)) for _ in range(2)]
    raced, everybody = cell(*rows, mode="inplace"), peers.Peers(1)
    for row in rows:
        _, (x,) = everybody.prepared(raced, row)
        x[:] = 5  # as timing wears numbers out


def pretend_installed(peers, monkeypatch, **versions):
    """Let bench/ find these distributions, and no others."""

    def version(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(peers, "version", version)


@pytest.mark.parametrize("there", ["onnx", "onnxruntime"])
def test_a_half_installed_package_takes_no_row_but_its_own(idioms, peers, cell, monkeypatch, there):
    pretend_installed(peers, monkeypatch, **{there: "1.0"})
    (missing,) = {"onnx", "onnxruntime"} - {there}
    theirs, numpys = idioms.onnx((("Relu", "x", "y"),)), idioms.numpy(lambda x: np.maximum(x, 0))
    raced, everybody = cell(theirs, numpys), peers.Peers(1)
    for _ in range(2):
        with pytest.raises(peers.AbsentError, match=f"^ONNX Runtime: {missing} not installed$"):
            everybody.prepared(raced, theirs)
        everybody.prepared(raced, numpys)


def test_either_build_of_a_package_will_do(peers, monkeypatch):
    pretend_installed(peers, monkeypatch, **{"tensorflow-cpu": "2.0"})
    assert peers.missing_of(peers.TensorFlow.packages) == []
    pretend_installed(peers, monkeypatch)
    assert peers.missing_of(peers.TensorFlow.packages) == ["tensorflow or tensorflow-cpu"]


def test_a_broken_package_says_why(idioms, peers, cell, monkeypatch):
    class Broken(peers.Plain):
        def __init__(self, threads):
            raise OSError("a library is missing")

    monkeypatch.setitem(peers.PEERS, "JAX", Broken)
    theirs = idioms.jitted(lambda x: x)
    with pytest.raises(
        peers.AbsentError, match="JAX: does not work: OSError: a library is missing"
    ):
        peers.Peers(1).prepared(cell(theirs), theirs)


# The race.


class Machine:
    """A clock that moves only when a contender works, and a list of who worked when."""

    def __init__(self, seconds_per_pair=0.0):
        self.now, self.calls, self._own = 0.0, [], seconds_per_pair

    def contender(self, name, *seconds):
        """A call that takes these seconds in turn, the last of them for ever after."""
        remaining = list(seconds)

        def call():
            self.calls.append(name)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return call

    def clock(self):
        self.now += self._own
        return self.now


@pytest.fixture
def race(module):
    return module("race").race


def test_the_median_of_the_turns_counts(race):
    machine = Machine()
    slow = machine.contender("slow", 9.0, 9.0, 3.0, 5.0, 4.0)  # two calls come before the turns
    times = race({"slow": slow}, rounds=3, seconds=0, clock=machine.clock)
    assert times == {"slow": 4.0}


def test_contenders_take_turns_in_alternating_order(race):
    machine = Machine()
    calls = {name: machine.contender(name, 1.0) for name in "abc"}
    race(calls, rounds=4, seconds=0, clock=machine.clock)
    assert "".join(machine.calls[-12:]) == "abccbaabccba"


def test_an_empty_call_is_taken_off(race):
    machine = Machine(2.0)
    calls = {"a": machine.contender("a", 5.0)}
    assert race(calls, rounds=3, seconds=0, clock=machine.clock) == {"a": 5.0}


def test_no_time_is_zero(race):
    machine = Machine()
    calls = {"a": machine.contender("a", 0.0)}
    assert race(calls, rounds=3, seconds=0, clock=machine.clock)["a"] > 0


def test_a_very_slow_contender_sits_rounds_out(race):
    machine = Machine(16.0)
    calls = {"slow": machine.contender("slow", 1e6), "fast": machine.contender("fast", 16.0)}
    race(calls, rounds=9, seconds=16.0, clock=machine.clock)
    assert machine.calls.count("slow") == 2 + 3


# Accuracy.


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_units_are_counted_across_zero_and_beyond_infinity(module, dtype):
    info = np.finfo(dtype)
    tiny, inf = info.smallest_subnormal, np.inf
    a = np.array([0.0, -tiny, 1.0, -1.0, inf, inf], dtype)
    b = np.array([-0.0, tiny, 1.0 + info.eps, -1.0, info.max, np.nan], dtype)
    units = module("accuracy").distance(a, b)
    assert units[:5].tolist() == [0, 2, 1, 0, 1]
    assert units[5] > 1


def test_accuracy_is_that_of_each_peer(module, idioms, peers):
    def flushed(x):
        return np.where(x < -8, np.float32(0), fr.sigmoid(x))

    rows = (idioms.ours(lambda x: fr.sigmoid(x, None)), idioms.numpy(flushed))
    x = np.linspace(-16, 15, 32, dtype=np.float32)
    cell = idioms.Cell("sigmoid", "float32", x.shape, "", "new", rows)
    found = module("accuracy").outcomes(cell, x, peers.Peers(1))
    assert found["fastrelu"] == ("0", "")
    share, where = found["NumPy"]
    assert share.startswith("25.81%")  # 8 of the 31 that are not 0
    assert where == "from -16 to -9 (-9 gives 0, not 0.000123)"


# Values at the edges.


def test_values_at_the_edges_tell_vectors_from_tails_and_gather_who_agrees(module):
    edges = module("edges")

    def call(name, options, is_gradient, g, x):
        result = fr.relu_backward(g, x) if is_gradient else fr.relu(x)
        result[-edges.TAIL :] += 7 * (name == "Relu")
        return result

    packages = {"PyTorch": call, "ONNX Runtime": call}
    lines = "\n".join(edges.tables(packages)).split("## leaky_relu")[0].splitlines()
    (same,) = (each for each in lines if each.startswith("| fastrelu, `np.maximum(x, 0)`, PyTorch"))
    assert same.endswith("| nan | 0 | 0 | 0 | 0 | 0 | 1.4e-45 | 1 | inf |")
    other, gradient, _ = (each for each in lines if each.startswith("| ONNX Runtime"))
    assert "| nan | 0 or 7 | 0 or 7 |" in other
    assert gradient.endswith(
        "| 1 or 8 | 0 or 7 | 0 or 7 | 0 or 7 | 0 or 7 | 0 or 7 | 1 or 8 | 1 | 1 |"
    )


# The report.

MADE_UP = {
    "command": "python bench/report.py",
    "machine": {"processor": "none"},
    "absent": [],
    "nanoseconds": {
        "1 thread": {
            "relu out": {
                "fastrelu: fr.relu(x, out=out)": {"float32 64": 50.0, "float32 1024": 2000.0},
                "NumPy: np.maximum(x, 0, out=out)": {"float32 64": 500.0, "float32 1024": 1500.0},
                "NumPy: np.where(x > 0, x, 0)": {"float32 64": 900.0},
                "limit: np.copyto(out, x)": {"float32 64": 25.0},
            }
        }
    },
}


def test_the_report_shows_ratios_and_losses(module):
    text = "\n".join(module("report").text(MADE_UP))
    assert "| `fr.relu(x, out=out)` | float32 64 | 50 ns | 10.00 | 0.50 |" in text
    assert "| NumPy | 2 | 2.74 | 0.75 | 10.00 | 1 |" in text
    lost = "| relu out float32 1024 | `NumPy: np.maximum(x, 0, out=out)` | 1.5 us | 2 us | 0.75 |"
    assert text.count("1.5 us") == 1
    assert lost in text


def test_what_is_saved_is_what_was_measured(module, tmp_path):
    results = module("results")
    results.save(MADE_UP, tmp_path / "bench.json")
    assert json.loads((tmp_path / "bench.json").read_text()) == MADE_UP
    (run,) = results.runs_of(MADE_UP)
    assert results.kept(run.results) == MADE_UP["nanoseconds"]["1 thread"]


def test_the_figures_of_bench_md_are_those_of_bench_json(module):
    data = json.loads((ROOT / "docs/bench.json").read_text())
    written = (ROOT / "docs/bench.md").read_text()
    assert written == "\n".join(module("report").text(data)) + "\n"
