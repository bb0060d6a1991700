"""The race by a clock that the tests turn, the command, and what bench/ builds on them."""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, _idioms, _race
from fastrelu import bench as command
from fastrelu.__main__ import main

BENCH = Path(__file__).parents[2] / "bench"
TINY = ["bench", "--size", "8", "--seconds", "0.002"]
MODES = [_idioms.FRESH, _idioms.OUT, _idioms.IN_PLACE]


class Machine:
    """A clock that moves only when a contender works, and a list of who worked when."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def contender(self, name, *seconds):
        """A call that takes these seconds in turn, the last of them for ever after."""
        remaining = list(seconds)

        def call():
            self.calls.append(name)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return call

    def clock(self):
        return self.now


@pytest.fixture
def machine():
    return Machine()


def test_every_round_is_what_the_clock_said(machine):
    seconds = [3.0, 5.0, 4.0]
    contenders = {"a": machine.contender("a", 7.0, 7.0, *seconds), "b": machine.contender("b", 1.0)}
    times = _race.race(contenders, rounds=3, seconds=0, clock=machine.clock)
    assert list(times) == ["a", "b"]
    assert times["a"].rounds == tuple(seconds)
    assert times["a"].median == 4.0
    assert times["b"].rounds == (1.0, 1.0, 1.0)


def test_contenders_take_turns_in_alternating_order(machine):
    contenders = {name: machine.contender(name, 1.0) for name in "abc"}
    _race.race(contenders, rounds=4, seconds=0, clock=machine.clock)
    assert "".join(machine.calls[-12:]) == "abccbaabccba"


def test_short_calls_fill_their_turn(machine):
    seconds = {"slow": 8.0, "fast": 2.0}
    contenders = {name: machine.contender(name, each) for name, each in seconds.items()}
    # One call is seen to take 24 and 18 seconds: 5 and 7 of them, and one before, make a turn.
    times = _race.race(contenders, rounds=3, seconds=128.0, clock=ticking(machine, 16.0))
    turns = "".join(name[0] for name in machine.calls[-42:])
    assert turns == "s" * 6 + "f" * 8 + "f" * 8 + "s" * 6 + "s" * 6 + "f" * 8
    empty = 16 / 8
    assert times["slow"].rounds == pytest.approx(3 * [8 + 16 / 5 - empty])
    assert times["fast"].rounds == pytest.approx(3 * [2 + 16 / 7 - empty])


def ticking(machine, seconds):
    """A clock that shows `seconds` per pair of readings beside the contenders' work.

    Without it an empty call would take no time, however often it is called.
    """

    def clock():
        machine.now += seconds
        return machine.now

    return clock


def test_an_empty_call_is_taken_off(machine):
    contender = machine.contender("a", 5.0)
    times = _race.race({"a": contender}, rounds=3, seconds=0, clock=ticking(machine, 2.0))
    assert times["a"].rounds == (5.0, 5.0, 5.0)


def test_no_time_is_zero(machine):
    times = _race.race({"a": machine.contender("a", 0.0)}, rounds=3, seconds=0, clock=machine.clock)
    assert times["a"].median > 0


def test_a_very_slow_contender_sits_rounds_out(machine):
    contenders = {"slow": machine.contender("slow", 1e6), "fast": machine.contender("fast", 16.0)}
    times = _race.race(contenders, rounds=9, seconds=16.0, clock=ticking(machine, 16.0))
    assert len(times["slow"].rounds) == _race.FEWEST_ROUNDS
    assert len(times["fast"].rounds) == 9


def test_before_each_turn(machine):
    contenders = {name: machine.contender(name, 1.0) for name in "ab"}
    prepare = lambda name: machine.calls.append(f"before {name}")  # noqa: E731
    _race.race(contenders, rounds=2, seconds=0, before=prepare, clock=machine.clock)
    turns = ["before a", "a", "before b", "b", "before b", "b", "before a", "a"]
    assert machine.calls[-8:] == turns


def test_percentiles():
    times = _race.Times(tuple(range(1, 201)))
    assert (times.percentile(50), times.percentile(99), times.percentile(100)) == (100, 198, 200)
    assert times.percentile(0) == 1


def test_once(machine):
    assert _race.once(machine.contender("a", 3.0, 9.0), machine.clock) == 3.0
    assert machine.calls == ["a"]


def test_statements_become_calls():
    x = np.array([-1.0, 2.0])
    assert _race.call_of("x[x < 0] = 0", {"x": x})() is None
    assert x.tolist() == [0.0, 2.0]
    assert _race.call_of("x.sum()", {"x": x})() == 2.0


KEPT = [
    (function, dtype)
    for function, dtype in product(_idioms.FUNCTIONS, ("float32", "float64", "int8"))
    if dtype != "int8" or _idioms.keeps_integers(function)
]


def test_calls_let_go_of_their_arrays():
    x = np.zeros(3)
    references = sys.getrefcount(x)
    _race.call_of("x.sum()", {"x": x})()
    gc.collect()  # functions wait for it where there is no GIL
    assert sys.getrefcount(x) == references


@pytest.mark.parametrize(("function", "dtype"), KEPT)
@pytest.mark.parametrize("mode", MODES)
def test_idioms_compute_what_fastrelu_computes(function, dtype, mode):
    dtype = np.dtype(dtype)

    def operands():
        x = np.array([-3, 4, -5, 6, 7], dtype)
        slope = 0.25 if _idioms.takes_slope(function) else None
        g = x[::-1].copy() if _idioms.takes_gradient(function) else None
        return _idioms.Operands(x, g, slope, np.full_like(x, 77))

    def result_of(code):
        given = operands()
        names = given.names() | {"fr": fr, "slope": given.slope}
        result = _race.call_of(code, names)()
        return result if mode == _idioms.FRESH else given.target(mode)

    expected = result_of(_idioms.own(function, mode))
    given = operands()
    arguments = [each for each in (given.g, given.x, given.slope) if each is not None]
    assert np.array_equal(expected, getattr(fr, function)(*arguments))
    codes = list(_idioms.idioms(function, mode, dtype))
    assert codes
    for code in codes:
        tolerance = _idioms.tolerance_of(function, dtype)
        _idioms.require_close(code, result_of(code), expected, tolerance)


def test_a_wrong_result_is_an_error():
    right = np.array([0.0, 2.0], np.float32)
    _idioms.require_close("zeros", np.array([-0.0, 2.0], np.float32), right)
    for wrong in (right + 1, right.astype(np.float64), right[:1], right * np.float32(1 + 1e-6)):
        with pytest.raises(_idioms.WrongResultError, match="somebody"):
            _idioms.require_close("somebody", wrong, right)
    _idioms.require_close("rounded", right * np.float32(1 + 1e-6), right, tolerance=1e-5)


def test_command_prints_a_table(capsys):
    assert main([*TINY, "--function", "relu", "--function", "leaky_relu", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for each in ("fr.relu(x)", "fr.relu(x, out=out)", "fr.leaky_relu(x, slope)", "np.maximum(x"):
        assert each in out


def test_command_offers_what_has_an_idiom_in_every_dtype(capsys):
    offered = [each for name in _idioms.FUNCTIONS for each in ("--function", name)]
    dtypes = [each for name in command._dtypes() for each in ("--dtype", name)]
    assert main([*TINY, *offered, *dtypes, "--quiet"]) == 0
    out, _ = capsys.readouterr()
    assert "fr.hardswish(x, out=out)" in out
    assert "fr.relu6_backward(g, x)" in out


def test_command_shows_progress_on_stderr(capsys):
    assert main([*TINY, "--function", "relu"]) == 0
    assert "race" in capsys.readouterr().err


def test_command_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "speeds.png"
    assert main([*TINY, "--function", "relu", "--quiet", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().out


def test_command_finds_a_difference(monkeypatch, capsys):
    wrong = SimpleNamespace(**vars(fr) | {"relu": lambda x, **keywords: fr.relu(x, **keywords) + 1})
    monkeypatch.setattr(command, "fr", wrong)
    assert main([*TINY, "--function", "relu", "--quiet"]) == 1
    assert "np.maximum" in capsys.readouterr().err


def test_command_sees_that_nothing_is_written(monkeypatch, capsys):
    right = {_idioms.FRESH: "np.maximum(x, zero)", _idioms.OUT: "np.maximum(x, zero, out=out)"}
    idle = right[_idioms.FRESH]  # where out= is wanted
    monkeypatch.setattr(command, "idioms", lambda _, mode, __: [right[mode], idle])
    assert main([*TINY, "--function", "relu", "--quiet"]) == 1
    assert "np.maximum(x, zero) in float32" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--size", "0"],
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--function", "nonsense"],
        ["--dtype", "bool"],
        ["--threads", "0"],
        ["--plot", "speeds.jpg"],
    ],
)
def test_wrong_usage(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *wrong])
    assert stopped.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_nothing_to_race(capsys):
    assert main([*TINY, "--function", "leaky_relu", "--dtype", "int8"]) == 2
    assert "float64" in capsys.readouterr().err


def test_too_large(monkeypatch, capsys):
    def refuse(cell):
        raise MemoryError("unable to allocate")

    monkeypatch.setattr(command, "_operands", refuse)
    assert main([*TINY, "--function", "relu", "--quiet"]) == 2
    assert "allocate" in capsys.readouterr().err


def test_threads_are_set_and_set_back(monkeypatch, capsys):
    before, seen = fr.get_num_threads(), []
    original = command.race
    monkeypatch.setattr(
        command,
        "race",
        lambda *args, **kw: seen.append(fr.get_num_threads()) or original(*args, **kw),
    )
    assert main([*TINY, "--function", "relu", "--quiet", "--threads", "3"]) == 0
    assert set(seen) == {3}
    assert fr.get_num_threads() == before


@pytest.fixture
def module(monkeypatch):
    """Import a module of bench/."""
    if not BENCH.is_dir():
        pytest.skip("bench/ is not here")
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module


def test_cells_are_named_uniquely_and_cover_the_first_functions(module):
    cells = module("cells").all_cells()
    assert len({cell.name for cell in cells}) == len(cells)
    assert {cell.function for cell in cells} == set(module("cells").FUNCTIONS)
    assert {cell.mode for cell in cells} == set(MODES)


def test_own_packages_agree_in_every_layout(module):
    contenders = module("contenders")
    smallest = {}
    for cell in module("cells").all_cells():
        if cell.dtype == "float32" and cell.size <= 262_144:
            smallest.setdefault((cell.function, cell.layout, cell.mode), cell)
    everybody = [contenders.Fastrelu(), contenders.NumPy(), contenders.Copies(None)]
    for cell in smallest.values():
        assert len(contenders.prepared(cell, everybody)) > 1, cell.name


def test_a_wrong_peer_is_an_error(module):
    contenders = module("contenders")
    cell = module("cells").Cell("relu", "float32", 64, "contiguous", _idioms.FRESH)

    class Wrong:
        name = "wrong"

        def contenders(self, task):
            yield contenders.contender("wrong", task, "abs(x)", task.names)

    with pytest.raises(_idioms.WrongResultError, match=r"wrong: abs\(x\)"):
        contenders.prepared(cell, [contenders.Fastrelu(), Wrong()])


def pretend_installed(module, monkeypatch, **versions):
    """Let bench/ find these distributions, and no others."""

    def version(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    peers = module("peers")
    monkeypatch.setattr(peers, "version", version)
    monkeypatch.setattr(peers, "absences", {})
    return peers


@pytest.mark.parametrize("there", ["onnx", "onnxruntime"])
def test_a_peer_needs_all_its_packages(module, monkeypatch, there):
    peers = pretend_installed(module, monkeypatch, **{there: "1.0"})
    (missing,) = {"onnx", "onnxruntime"} - {there}
    assert peers.version_of(peers.OnnxRuntime.packages) is None
    assert list(peers.installed(1)) == []
    assert peers.absences["ONNX Runtime"] == f"{missing} not installed"
    assert peers.absences["PyTorch"] == "torch not installed"
    assert module("machine").facts()["ONNX Runtime"] == f"absent ({missing} not installed)"


def test_either_build_of_a_package_will_do(module, monkeypatch):
    peers = pretend_installed(module, monkeypatch, **{"tensorflow-cpu": "2.0"})
    assert peers.version_of(peers.TensorFlow.packages) == "2.0"
    peers = pretend_installed(module, monkeypatch)
    assert peers.missing_of(peers.TensorFlow.packages) == ["tensorflow or tensorflow-cpu"]


class Broken:
    name = "broken"
    packages = ("numpy",)

    def __init__(self, *_):
        raise OSError("a library is missing")


class Works(Broken):
    name = "works"

    def __init__(self, *_):
        pass


def test_a_peer_that_does_not_work_takes_no_other_with_it(module, monkeypatch, capsys):
    peers = pretend_installed(module, monkeypatch, numpy=np.__version__)
    (only,) = peers.installed(1, [Broken, Works])
    assert only.name == "works"
    assert peers.absences == {"broken": "it does not work: OSError: a library is missing"}
    assert "broken takes no part: it does not work: OSError" in capsys.readouterr().err


def test_a_peer_that_does_not_work_leaves_training_its_others(module, monkeypatch):
    training = module("training")
    peers = pretend_installed(module, monkeypatch, torch="2.0", numba="0.60")
    for name in ("InPyTorch", "InNumba"):
        monkeypatch.setattr(training, name, {"InPyTorch": Broken, "InNumba": Works}[name])
    packages = training.packages(1, None)
    assert set(packages) == {training.OURS, training.BESIDE, training.NUMPY, "Numba"}
    assert set(peers.absences) == {"PyTorch", "JAX"}


OTHER_FUNCTIONS = [
    *("relu_with_mask", "relu_backward_from_mask", "leaky_relu_with_mask"),
    *(
        "leaky_relu_backward_from_mask",
        "leaky_relu_backward_from_output",
        "relu_backward_with_bias",
    ),
    *("prelu", "prelu_backward", "rrelu", "crelu", "crelu_backward", "maxout", "maxout_backward"),
    *("apply_table", "active_count", "sparsity", "dead_units", "Mask.active_count"),
    *("Mask.sparsity", "Mask.dead_units"),
]
"""The functions beside the ufuncs that have a speed; `activity` is raced by way of relu."""


def test_contests_are_named_uniquely_and_with_the_cells_cover_everything(module):
    contests = module("contests").all_contests()
    assert len({each.name for each in contests}) == len(contests)
    helpers = {"negated_relu", "crelu_gradient"}  # raced as crelu and its gradient
    every = {each.__name__ for each in _core.ufuncs} - helpers | {*OTHER_FUNCTIONS}
    raced = {name for each in contests for name in re.findall(r"fr\.(\w+)\(", each.ours.code)}
    assert raced | {*module("cells").FUNCTIONS} == every
    assert any("loops.logged" in each.ours.code for each in contests)


def test_every_bound_is_against_somebody_in_the_race(module):
    asked = [each for each in module("contests").all_contests() if each.asked]
    assert {each.elements for each in asked} >= {2**16, 2**24, 2**26, 32 * 64 * 56 * 56}
    for contest in asked:
        for bound in contest.asked:
            assert bound.against in {each.label for each in contest.others}, contest.name


def test_numpy_agrees_in_every_contest(module):
    smallest = {}
    for each in module("contests").all_contests():
        key = (each.title, each.dtype)
        if each.elements < smallest.get(key, each).elements or key not in smallest:
            smallest[key] = each
    training = module("training")
    mine = {each: training.InNumPy() for each in (training.OURS, training.BESIDE, training.NUMPY)}
    for contest in smallest.values():
        if contest.elements <= 262_144:
            assert len(training.prepared(contest, mine)) > 1, contest.name


@pytest.fixture
def contest(module):
    """Make a contest of two results, with others of your choice."""
    training = module("training")

    def make(*others):
        x = np.array([-1.0, 2.0, -3.0], np.float32)
        ours = training.Way("fastrelu", "(fr.relu(x), fr.relu_derivative(x))")
        arrays = {"x": x, "y": np.ones_like(x)}
        return training.Contest("two", "float32", x.shape, lambda: arrays, ours, others)

    return make


RIGHT = "(np.maximum(x, 0), (x > 0).astype(x.dtype))"
SIGNED_ZEROS = "(x * (x > 0), (x > 0).astype(x.dtype))"
FAR = "(np.maximum(x, 0) + 1, y)"


@pytest.mark.parametrize(
    "way",
    [
        (RIGHT,),
        (SIGNED_ZEROS, "the sign of zeros"),
        (FAR, "another constant", 1.0),
        ("np.maximum(x, 0)", "no derivative"),
    ],
)
def test_results_may_differ_as_the_way_says(module, contest, way):
    training = module("training")
    everybody = {each: training.InNumPy() for each in ("fastrelu", "NumPy")}
    assert len(training.prepared(contest(training.Way("NumPy", *way)), everybody)) == 2


@pytest.mark.parametrize(
    "way",
    [
        (SIGNED_ZEROS,),
        (FAR, "another constant", 0.4),
        (FAR, "", 1.0),
        ("(np.maximum(x, 0), x > 0)", "another dtype", 1.0),
        ("np.maximum(x, 0)",),
        ("(np.maximum(x, 0) * np.nan, y)", "never", 1.0),
    ],
)
def test_results_may_not_differ_otherwise(module, contest, way):
    training = module("training")
    everybody = {each: training.InNumPy() for each in ("fastrelu", "NumPy")}
    with pytest.raises(_idioms.WrongResultError, match="two-float32-3: NumPy"):
        training.prepared(contest(training.Way("NumPy", *way)), everybody)


def test_arrays_are_put_back_between_entrants(module, contest):
    training = module("training")
    way = training.Way("NumPy", "(np.maximum(x, 0, out=x), np.greater(x, 0, out=y))")
    everybody = {each: training.InNumPy() for each in ("fastrelu", "NumPy")}
    race = contest(way, way)
    assert len(training.prepared(race, everybody)) == 3
    assert race.arrays()["x"].tolist() == [-1.0, 2.0, -3.0]


def test_bounds(module):
    asked = module("training").Asked
    fast, brief = asked("NumPy", 2.5), asked("NumPy", 1.08, is_time=True)
    assert [fast.met(ratio) for ratio in (2.4, 2.5, 2.6)] == [False, True, True]
    assert [brief.met(1 / time) for time in (1.0, 1.07, 1.09)] == [True, True, False]
    assert brief.figure(0.5) == 2.0
    assert (fast.words, brief.words) == ("at least 2.5x its speed", "at most 1.08x its time")


FACTS = {"processor": "one", "NumPy": "2"}


def trained(ratio, asked=2.0):
    return {
        "title": "relu of nothing",
        "dtype": "float32",
        "shape": [2, 3],
        "asked": [{"against": "NumPy", "bound": asked, "is_time": False}],
        "differs": {"NumPy: np.f(x)": "another sign", "JAX: jnp.f(x)": "absent here"},
        "seconds": {
            "fastrelu: fr.f(x)": 1e-6,
            "NumPy: np.g(x)": 1e-3,
            "NumPy: np.f(x)": ratio * 1e-6,
        },
    }


@pytest.fixture
def report(module, monkeypatch, tmp_path):
    """Run report.py on a made-up machine, where every contest of training has this ratio."""
    module = module("report")
    monkeypatch.setattr(module, "draw", lambda *_: None)
    cell = {
        **{"function": "relu", "dtype": "float32", "size": 64},
        **{"layout": "contiguous", "mode": "out="},
    }
    seconds = {"fastrelu: a": 1.0, "NumPy: b": 2.0}
    rest = {"results": [{"cell": cell, "seconds": seconds}], "situations": [["s", "c", 1.0, None]]}

    def run(*arguments, ratio=3.0, facts=FACTS):
        monkeypatch.setattr(module.machine, "facts", lambda: facts)
        monkeypatch.setattr(
            module,
            "_runs",
            lambda options: [
                {"threads": threads, "training": [trained(ratio)]}
                | (rest if "--only" not in options else {"results": [], "situations": []})
                for threads in (1, 4)
            ],
        )
        monkeypatch.setattr(sys, "argv", ["report.py", "--output", str(tmp_path), *arguments])
        module.main()
        return (tmp_path / "bench.md").read_text()

    return run


def test_report_says_what_training_needs(report):
    text = report(ratio=1.5)
    row = "| (2, 3) | `fr.f(x)` | 1 us | 1.50 |  |  |  | at least 2x its speed: NumPy | **1.50** |"
    assert text.count(row) == 2
    assert text.count("Missed, 1 of 1: relu of nothing, (2, 3)") == 2
    assert "* another sign: NumPy in relu of nothing\n" in text
    assert "absent here" not in text
    assert "Missed, 0 of 1: none." in report(ratio=2.0)


def test_report_of_training_alone_keeps_the_rest(report, tmp_path):
    report(ratio=1.5)
    saved = tmp_path / "bench.json"
    before = json.loads(saved.read_text())
    text = report("--only", "training", ratio=3.0)
    after = json.loads(saved.read_text())
    assert "`python bench/report.py --only training`" in text
    for old, new in zip(before["runs"], after["runs"], strict=True):
        assert old.pop("training") == [trained(1.5)]
        assert new.pop("training") == [trained(3.0)]
        assert old == new
    assert after.pop("training_command")
    before.pop("training_command", None)
    assert before == after


def test_report_of_training_alone_refuses_what_does_not_fit(report, tmp_path, capsys):
    with pytest.raises(SystemExit):
        report("--only", "training")
    assert "bench.json" in capsys.readouterr().err
    report()
    saved = (tmp_path / "bench.json").read_text()
    with pytest.raises(SystemExit, match="another NumPy"):
        report("--only", "training", facts=FACTS | {"NumPy": "3"})
    assert (tmp_path / "bench.json").read_text() == saved


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_limits_move_the_bytes(module, threads):
    limits = module("limits")
    if limits.compiler() is None:
        pytest.skip("no C++ compiler")
    rng = np.random.default_rng(0)
    with limits.compiled(threads) as loops:
        for size in (1, 63, 64, 1000, 4097, 300_001):
            a, b = rng.integers(0, 256, (2, size + 1), np.uint8)[:, 1:]
            to = np.empty_like(a)
            kept = {"memcpy": a, "streaming copy": a}
            kept |= dict.fromkeys(("read-modify-write", limits.READ), np.full_like(a, 77))
            for kind in limits.KINDS:
                for name, call in loops.calls(kind, to, a, b):
                    to[:] = 77
                    call()
                    assert np.array_equal(to, kept.get(kind, a ^ b)), (name, size)


@pytest.mark.slow
def test_replay_gives_pytest_benchmark_the_recorded_rounds(module, tmp_path):
    pytest.importorskip("pytest_benchmark")
    module("replay")
    rounds = [0.1, 0.3, 1e-9, 0.7]
    (tmp_path / "test_replayed.py").write_text(
        "import pytest\n"
        "from replay import Replay, replayed\n"
        "@pytest.mark.benchmark(timer=replayed)\n"
        "def test_it(benchmark):\n"
        f"    replay = Replay({rounds})\n"
        "    benchmark.pedantic(replay.play, setup=replay.rewind, rounds=4)\n"
    )
    # As a worker of pytest-xdist it would not measure.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("--benchmark-json=result.json", "test_replayed.py"),
        ],
        cwd=tmp_path,
        env=inherited | {"PYTHONPATH": str(BENCH)},
        check=True,
        capture_output=True,
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["benchmarks"][0]["stats"]["data"] == rounds
