"""The worker pool: compiles test_parallel.cpp, runs each of its tests in its own process."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import compiled
import pytest

PROGRAM = Path(__file__).with_suffix(".cpp")
RUNTIME = PROGRAM.parents[2] / "csrc" / "runtime"
NAMES = re.findall(r'^ +\{"(\w+)", \1\},$', PROGRAM.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    reason = compiled.reason_to_skip() if RUNTIME.is_dir() else "the source is not here"
    if reason:
        pytest.skip(reason)
    target = tmp_path_factory.mktemp("parallel") / "test_parallel"
    sources = [PROGRAM, RUNTIME / "parallel.cpp"]
    compiled.compile(sources, target)
    try:
        subprocess.run([target, "no such test"], env=compiled.ENVIRONMENT, check=False)
    except OSError as error:  # an emulator that runs this Python, but does not start programs
        pytest.skip(f"what the compiler makes does not run here: {error}")
    return target


def test_every_test_of_the_program_is_run():
    defined = re.findall(r"^void (\w+)\(\) \{", PROGRAM.read_text(), re.MULTILINE)
    assert set(defined) - {"check_pool_works", "limit_child"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_pool(program, name):
    result = subprocess.run(
        [program, name], env=compiled.ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
