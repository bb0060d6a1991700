"""Each instruction set's vectors: compiles test_simd.cpp and runs it, here and emulated.

Emulators show that older processors, and aarch64, meet no instruction that they lack.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import compiled
import pytest

PROGRAM = Path(__file__).with_suffix(".cpp")
KERNELS = compiled.SOURCE / "csrc" / "kernels"
OF_MACHINES = {"x86_64": ("scalar", "sse2", "avx2", "avx512"), "aarch64": ("scalar", "neon")}
CROSS_COMPILER = ("aarch64-linux-gnu-g++", "-static")


@dataclass(frozen=True)
class Processor:
    name: str
    machine: str = platform.machine()
    emulator: str = ""
    compiler: Sequence[str] = tuple(compiled.COMPILER)

    def reason_to_skip(self, flags: Sequence[str]) -> str | None:
        if self.emulator:
            return None if shutil.which(self.emulator) else f"no emulator: {self.emulator}"
        needed = {flag.removeprefix("-m") for flag in flags if flag.startswith("-m")}
        lacking = needed.difference(Path("/proc/cpuinfo").read_text().split())
        return f"this processor lacks {', '.join(sorted(lacking))}" if lacking else None

    def command(self, program: Path) -> list[str | Path]:
        if not self.emulator:
            return [program]
        # QEMU 7 reads 16 bytes where x86's CVTDQ2PD takes 8.
        overreads = ["overreads"] if self.machine == "x86_64" else []
        return [self.emulator, "-cpu", self.name, program, *overreads]


HERE = Processor("here")
NEHALEM, HASWELL = (
    Processor(name, "x86_64", "qemu-x86_64-static") for name in ("Nehalem", "Haswell")
)
CORTEX_A53 = Processor("cortex-a53", "aarch64", "qemu-aarch64-static", CROSS_COMPILER)
RUNS = [
    *((isa, HERE) for isa in OF_MACHINES.get(HERE.machine, ("scalar",))),
    ("scalar", NEHALEM),
    ("sse2", NEHALEM),
    ("avx2", HASWELL),
    ("scalar", CORTEX_A53),
    ("neon", CORTEX_A53),
]  # QEMU has no AVX-512

pytestmark = pytest.mark.skipif(not KERNELS.is_dir(), reason="the source is not here")


@pytest.fixture(scope="module")
def compile_program(tmp_path_factory):
    programs = {}

    def compile_for(isa, processor):
        key = isa, processor.compiler
        if key not in programs:
            target = tmp_path_factory.mktemp("simd") / isa
            options = [f"-DFASTRELU_ISA={isa}", f'-DFASTRELU_NAME="{isa}"']
            options += [f'-DFASTRELU_SIMD="simd/mask_{isa}.h"', f"-I{KERNELS}"]
            options += compiled.kernel_flags(processor.compiler)[isa]
            compiled.compile([PROGRAM], target, *options, compiler=processor.compiler)
            programs[key] = target
        return programs[key]

    return compile_for


@pytest.mark.parametrize(
    ("name", "processor"), [pytest.param(*run, id=f"{run[0]}-{run[1].name}") for run in RUNS]
)
def test_lanes(compile_program, name, processor):
    reason = compiled.reason_to_skip(processor.compiler, processor.machine)
    reason = reason or processor.reason_to_skip(compiled.kernel_flags(processor.compiler)[name])
    if reason:
        pytest.skip(reason)
    program = compile_program(name, processor)
    try:
        result = subprocess.run(
            processor.command(program),
            env=compiled.ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:  # an emulator that runs this Python, but does not start programs
        pytest.skip(f"what the compiler makes does not run here: {error}")
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_instruction_set_is_run():
    tested = {isa for isas in OF_MACHINES.values() for isa in isas}
    assert set(compiled.kernel_flags()) == tested
