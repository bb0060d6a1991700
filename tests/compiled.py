"""C++ that tests compile: with CXX, where that makes what runs here."""

from __future__ import annotations

import os
import platform
import re
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


SOURCE = Path(__file__).resolve().parents[1]


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def reason_to_skip(
    compiler: Sequence[str] = COMPILER, machine: str = platform.machine()
) -> str | None:
    if sys.platform != "linux":
        return "the tests look into /proc and fork"
    if not shutil.which(compiler[0]):
        return f"no compiler: {compiler[0]}"
    target = output_of(*compiler, "-dumpmachine").strip()
    if target.split("-")[0] != machine:
        return f"the compiler is for {target}"
    return None


def compile(
    sources: Sequence[Path], target: Path, *options: str, compiler: Sequence[str] = COMPILER
) -> None:
    command = [*compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-pthread", *options]
    subprocess.run([*command, *sources, "-o", target], env=ENVIRONMENT, check=True)


def kernel_flags(compiler: Sequence[str] = COMPILER) -> dict[str, list[str]]:
    """What each instruction set is compiled with: CMakeLists.txt is the only place that says it."""
    text = (SOURCE / "CMakeLists.txt").read_text()
    name = "Clang" if "clang" in output_of(*compiler, "--version") else "GNU"
    [common] = re.findall(r"\$<\$<CONFIG:Release>:-O3> ([^$]+)", text)
    [own] = re.findall(rf"\$<\$<CXX_COMPILER_ID:{name}\b[^>]*>:([^>]+)>", text)
    calls = re.findall(
        r"^\s*fastrelu_add_isa\((\w+) GNU ([^)]*?)(?: MSVC.*)?\)", text, re.MULTILINE
    )
    return {isa: [*common.split(), *own.split(";"), *flags.split()] for isa, flags in calls}


def kernel_units() -> list[str]:
    """Return the units into which the functions of each instruction set are divided."""
    text = (SOURCE / "CMakeLists.txt").read_text()
    return re.findall(r"^set\(kernel_units ([\d ]+)\)", text, re.MULTILINE)[0].split()
