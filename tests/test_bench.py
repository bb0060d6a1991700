"""The race by a clock that the tests turn, the command, and what bench/ builds on them."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _idioms, _race
from fastrelu import bench as command
from fastrelu.__main__ import main

BENCH = Path(__file__).parents[1] / "bench"
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
    if not (dtype == "int8" and _idioms.takes_slope(function))
]
"""Leaky functions turn integers into float64."""


def test_calls_let_go_of_their_arrays():
    x = np.zeros(3)
    references = sys.getrefcount(x)
    _race.call_of("x.sum()", {"x": x})()
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
        _idioms.require_close(code, result_of(code), expected)


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


def test_cells_are_named_uniquely_and_cover_the_registry(module):
    cells = module("cells").all_cells()
    assert len({cell.name for cell in cells}) == len(cells)
    assert {cell.function for cell in cells} == set(_idioms.FUNCTIONS)
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
            kept = {"memcpy": a, "streaming copy": a, "read-modify-write": np.full_like(a, 77)}
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
