"""The worker pool: compiles test_parallel.cpp, runs each of its tests in its own process."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_suffix(".cpp")
UNITS = ("parallel", "cores", "cgroup")
RUNTIME = PROGRAM.parents[1] / "csrc" / "runtime"
COMPILER = shlex.split(os.environ.get("CXX", "c++"))
NAMES = re.findall(r'^ +\{"(\w+)", \1\},$', PROGRAM.read_text(), re.MULTILINE)

# A sanitizer's library that Python runs with would replace the memory allocator here, by one that
# does not survive a fork while other threads allocate.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def reason_to_skip():
    if sys.platform != "linux":
        return "the tests look into /proc and fork"
    if not RUNTIME.is_dir():
        return "the source is not here"
    if not shutil.which(COMPILER[0]):
        return f"no compiler: {COMPILER[0]}"
    target = subprocess.run([*COMPILER, "-dumpmachine"], capture_output=True, text=True, check=True)
    if target.stdout.split("-")[0] != os.uname().machine:
        return f"the compiler is for {target.stdout.strip()}"
    return None


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if reason := reason_to_skip():
        pytest.skip(reason)
    target = tmp_path_factory.mktemp("parallel") / "test_parallel"
    sources = [PROGRAM, *(RUNTIME / f"{name}.cpp" for name in UNITS)]
    command = [*COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-pthread"]
    subprocess.run([*command, *sources, "-o", target], env=ENVIRONMENT, check=True)
    try:
        subprocess.run([target, "no such test"], env=ENVIRONMENT, check=False)
    except OSError as error:  # an emulator that runs this Python, but does not start programs
        pytest.skip(f"what the compiler makes does not run here: {error}")
    return target


def test_every_test_of_the_program_is_run():
    defined = re.findall(r"^void (\w+)\(\) \{", PROGRAM.read_text(), re.MULTILINE)
    assert set(defined) - {"check_pool_works", "limit_child"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_pool(program, name):
    result = subprocess.run(
        [program, name], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
