"""C++ that tests compile: with CXX, where that makes what runs here."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COMPILER = shlex.split(os.environ.get("CXX", "c++"))

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
"""Without a sanitizer's library that Python runs with: it would replace the memory allocator, by
one that does not survive a fork while other threads allocate."""


def reason_to_skip() -> str | None:
    if sys.platform != "linux":
        return "the tests look into /proc and fork"
    if not shutil.which(COMPILER[0]):
        return f"no compiler: {COMPILER[0]}"
    target = subprocess.run([*COMPILER, "-dumpmachine"], capture_output=True, text=True, check=True)
    if target.stdout.split("-")[0] != os.uname().machine:
        return f"the compiler is for {target.stdout.strip()}"
    return None


def compile(sources: Sequence[Path], target: Path, *options: str) -> None:
    command = [*COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-pthread", *options]
    subprocess.run([*command, *sources, "-o", target], env=ENVIRONMENT, check=True)
