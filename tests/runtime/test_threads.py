"""How many threads calls may use: functions, environment, threadpoolctl. See also test_parallel."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, _runtime, _system
from support import run_python

MAXIMUM = 1024
VARIABLES = ("FASTRELU_NUM_THREADS", "OMP_NUM_THREADS")
SHOW = "import fastrelu as fr; print(fr.get_num_threads())"


@pytest.fixture(autouse=True)
def same_number_afterwards():
    before = fr.get_num_threads()
    yield
    fr.set_num_threads(before)


def test_what_is_set_is_what_is_used():
    for n in (1, 2, 3, os.cpu_count() + 5, MAXIMUM):
        fr.set_num_threads(n)
        assert fr.get_num_threads() == n


def test_numpy_integers_are_integers():
    fr.set_num_threads(np.int16(3))
    assert fr.get_num_threads() == 3
    assert type(fr.get_num_threads()) is int


@pytest.mark.parametrize("take", [fr.set_num_threads, fr.num_threads])
@pytest.mark.parametrize("n", [0, -1, MAXIMUM + 1, 2**31, -(2**31), 2**64, 10**30, np.int64(0)])
def test_number_out_of_range(take, n):
    before = fr.get_num_threads()
    with pytest.raises(ValueError, match=rf"^{take.__name__}: n must be 1 to {MAXIMUM}, not {n}$"):
        take(n)
    assert fr.get_num_threads() == before


@pytest.mark.parametrize("take", [fr.set_num_threads, fr.num_threads])
@pytest.mark.parametrize("n", [None, 2.0, "2", True, np.True_, [2], np.array([2]), 1j])
def test_number_of_another_type(take, n):
    before = fr.get_num_threads()
    with pytest.raises(
        TypeError, match=rf"^{take.__name__}: n must be an int, not {type(n).__name__}$"
    ):
        take(n)
    assert fr.get_num_threads() == before


def test_block_restores_the_number():
    fr.set_num_threads(5)
    with fr.num_threads(2) as nothing:
        assert nothing is None
        assert fr.get_num_threads() == 2
        with fr.num_threads(3):
            assert fr.get_num_threads() == 3
        assert fr.get_num_threads() == 2
    assert fr.get_num_threads() == 5
    with pytest.raises(KeyError), fr.num_threads(2):
        raise KeyError
    assert fr.get_num_threads() == 5


def test_block_begins_with_the_block():
    fr.set_num_threads(5)
    later = fr.num_threads(2)
    assert fr.get_num_threads() == 5
    fr.set_num_threads(6)
    with later:
        assert fr.get_num_threads() == 2
    assert fr.get_num_threads() == 6


def test_decorated_function():
    @fr.num_threads(2)
    def recursive(depth):
        """What it says."""
        assert fr.get_num_threads() == 2
        return recursive(depth - 1) if depth else "done"

    fr.set_num_threads(5)
    assert recursive(2) == recursive(0) == "done"
    assert fr.get_num_threads() == 5
    assert recursive.__doc__ == "What it says."


def test_number_is_that_of_the_process():
    seen = []
    fr.set_num_threads(7)
    thread = threading.Thread(target=lambda: seen.append(fr.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [7]


def run_with(code, **environment):
    return run_python(code, **dict.fromkeys(VARIABLES, "") | environment)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FASTRELU_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": " 5 , 2,1"}, 5),
        ({"FASTRELU_NUM_THREADS": "1", "OMP_NUM_THREADS": "3"}, 1),
        ({"FASTRELU_NUM_THREADS": " ", "OMP_NUM_THREADS": "3"}, 3),
        ({"FASTRELU_NUM_THREADS": str(MAXIMUM)}, MAXIMUM),
        ({}, _system.CORES),
    ],
    ids=str,
)
def test_environment(environment, expected):
    result = run_with(SHOW, **environment)
    assert (result.stdout, result.stderr) == (f"{expected}\n", "")


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("text", ["0", "-2", "many", "2.5", "1e3", str(MAXIMUM + 1), "9" * 5000])
def test_senseless_variable_warns_and_is_ignored(name, text):
    other = {"FASTRELU_NUM_THREADS": "OMP_NUM_THREADS"}.get(name)
    result = run_with(SHOW, **{name: text}, **({other: "6"} if other else {}))
    assert result.stdout == f"{6 if other else _system.CORES}\n"
    expected = f"<string>:1: RuntimeWarning: {name}={text} is ignored: not a whole number from 1 to"
    assert result.stderr.splitlines() == [f"{expected} {MAXIMUM}"]


def test_warning_points_at_the_import(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys\nimport fastrelu\nimport fastrelu._runtime\n")
    result = subprocess.run(
        [sys.executable, program],
        env=os.environ | {"FASTRELU_NUM_THREADS": "none"},
        capture_output=True,
        text=True,
        check=True,
    )
    where, _, line = result.stderr.splitlines()[0].partition(": RuntimeWarning: ")
    assert where == f"{program}:2"
    assert line.startswith("FASTRELU_NUM_THREADS=none is ignored")
    assert result.stderr.count("RuntimeWarning") == 1


def test_variable_that_makes_sense(monkeypatch):
    monkeypatch.setenv("FASTRELU_TEST", "  12\n")
    assert _runtime._read_variable("FASTRELU_TEST", int) == 12
    monkeypatch.delenv("FASTRELU_TEST")
    assert _runtime._read_variable("FASTRELU_TEST", int) is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_default_is_the_affinity():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); " + SHOW
    assert run_with(code).stdout == "1\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FASTRELU_NUM_THREADS": "3"}, "3 (FASTRELU_NUM_THREADS)"),
        ({"OMP_NUM_THREADS": "3"}, "3 (OMP_NUM_THREADS)"),
        ({}, f"{_system.CORES} (the cores of this process)"),
    ],
    ids=str,
)
def test_show_config_says_where_the_number_comes_from(environment, expected):
    result = run_with("import fastrelu as fr; fr.show_config()", **environment)
    assert f"\nthreads    {expected}\n" in result.stdout


def test_show_config_after_a_change():
    code = "import fastrelu as fr; fr.set_num_threads(2); fr.show_config()"
    result = run_with(code, FASTRELU_NUM_THREADS="5")
    expected = "2 (set by the program; at import 5, FASTRELU_NUM_THREADS)"
    assert f"\nthreads    {expected}\n" in result.stdout


@pytest.fixture
def threadpoolctl():
    module = pytest.importorskip("threadpoolctl", minversion="3.2")
    importlib.import_module("fastrelu.threadpoolctl")
    return module


def test_threadpoolctl_sees_the_number(threadpoolctl):
    fr.set_num_threads(3)
    ours = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "fastrelu"]
    assert [(each["num_threads"], each["version"]) for each in ours] == [(3, fr.__version__)]
    assert os.path.samefile(ours[0]["filepath"], _core.__file__)


@pytest.mark.parametrize("user_api", ["fastrelu", None])
def test_threadpoolctl_controls_the_number(threadpoolctl, user_api):
    fr.set_num_threads(3)
    with threadpoolctl.threadpool_limits(2, user_api=user_api):
        assert fr.get_num_threads() == 2
    assert fr.get_num_threads() == 3
    with threadpoolctl.threadpool_limits({"fastrelu": 1}):
        assert fr.get_num_threads() == 1
    assert fr.get_num_threads() == 3


@pytest.mark.parametrize(("limit", "expected"), [(0, 1), (-3, 1), (10**12, MAXIMUM)])
def test_threadpoolctl_gets_the_nearest_number(threadpoolctl, limit, expected):
    with threadpoolctl.threadpool_limits(limit, user_api="fastrelu"):
        assert fr.get_num_threads() == expected


def test_threadpoolctl_is_named_where_it_is_missing():
    code = "import sys; sys.modules['threadpoolctl'] = None; import fastrelu.threadpoolctl"
    assert "pip install 'fastrelu[threadpoolctl]'" in run_with(code).stderr


def test_import_needs_no_threadpoolctl_and_starts_no_thread():
    code = """
import os, sys, numpy as np
before = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0
import fastrelu as fr
fr.relu(np.ones(10))
print("threadpoolctl" in sys.modules, sys.platform == "linux" and
      len(os.listdir("/proc/self/task")) - before)
"""
    assert run_with(code).stdout.split() == ["False", "0" if sys.platform == "linux" else "False"]
