"""The ODR fence: no object of an instruction set may share code with any other.

A weak symbol outside of its own namespace, such as an inline function of the standard library,
could be the copy that the linker gives to everyone, and then newer instructions run on processors
that lack them. Code that runs on loading would do so even unlinked.

The extension as a whole exports its entry points alone, and is linked as hardened libraries are.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import compiled
import pytest
from fastrelu import _core

SOURCE = Path(__file__).resolve().parents[2]
KERNELS = SOURCE / "csrc" / "kernels"
COMPILER = shlex.split(os.environ.get("CXX", "c++"))
FROM_LIBC = re.compile(
    r"mem(cpy|set|move|cmp)|(copysign|exp|expm1|log1p|erfc|tanh)l|fe(get|set)exceptflag"
    r"|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_"
)
FROM_RUNTIME = re.compile(r"_ZN8fastrelu8MadeOnce3getE\w+")
SOFT_FLOAT = re.compile(r"__\w+(tf|xf|hf|bf)\w*")


def built_from_this_source(pattern, folder):
    newest = max((each.stat().st_mtime for each in folder.rglob("*.*")), default=0)
    return [each for each in (SOURCE / "build").glob(pattern) if each.stat().st_mtime > newest]


def isa_of_built(path):
    """CMake keeps the objects of a target in a folder of its name."""
    folder = next(each for each in path.parts if each.startswith("isa_"))
    return folder.removesuffix(".dir").split("_")[1]  # isa_avx2.dir, isa_avx2_1.dir


BUILT = built_from_this_source("**/isa_*.dir/**/*.cpp.o", KERNELS)
BUILT_RUNTIME = built_from_this_source(
    "**/_core.dir/csrc/runtime/*.cpp.o", SOURCE / "csrc" / "runtime"
)
UNITS = compiled.kernel_units() if KERNELS.is_dir() else []
BEST = _core.compiled_isas()[0]
TABLES = [(isa, "isa") for isa in _core.compiled_isas()]


@dataclass
class Symbols:
    defined: list[str]
    undefined: list[str]


def reason_to_skip():
    if not KERNELS.is_dir():
        return "the source is not here"
    if not shutil.which(COMPILER[0]):
        return f"no compiler: {COMPILER[0]}"
    target = subprocess.run([*COMPILER, "-dumpmachine"], capture_output=True, text=True, check=True)
    if target.stdout.split("-")[0] not in (platform.machine(), "arm64"):
        return f"the compiler is for {target.stdout.strip()}"
    return shutil.which("nm") is None and "no nm"


@pytest.fixture(scope="module")
def compile_unit(tmp_path_factory):
    if reason := reason_to_skip():
        pytest.skip(reason)
    folder, flags = tmp_path_factory.mktemp("objects"), compiled.kernel_flags()
    assert set(_core.compiled_isas()) <= set(flags)

    def compile_to_object(isa, unit):
        source = KERNELS / (f"isa_{isa}.cpp" if unit == "isa" else "unit.cpp")
        target = folder / f"{isa}_{unit}.o"
        options = ["-std=c++17", "-fPIC", f"-DFASTRELU_ISA={isa}"]
        options += [f'-DFASTRELU_SIMD="simd/{isa}.h"']
        options += [f"-DFASTRELU_UNIT={unit}"] if unit in UNITS else []
        command = [*COMPILER, *options, "-O0", *flags[isa], "-c", source, "-o", target]
        subprocess.run(command, check=True)
        return target

    return compile_to_object


def symbols_of(path):
    listing = subprocess.run(["nm", "-P", path], capture_output=True, text=True, check=True).stdout
    pairs = [line.split()[:2] for line in listing.splitlines()]
    local = {kind for _, kind in pairs if kind.islower() and kind not in "uvw"}
    return Symbols(
        defined=[name for name, kind in pairs if kind not in {"U", "w", "v", *local}],
        undefined=[name for name, kind in pairs if kind in {"U", "w", "v"}],
    )


def is_inside(symbol, isa):
    namespace = f"8fastrelu{len(isa)}{isa}"
    return re.match(rf"_Z(Z|GV|TV|TI|TS)*NK?{namespace}", symbol) is not None


def assert_fenced(path, isa):
    symbols = symbols_of(path)
    assert [s for s in symbols.defined if not is_inside(s, isa)] == []
    assert symbols.defined
    elsewhere = [s for s in symbols.undefined if not is_inside(s, isa)]
    allowed = [FROM_LIBC, FROM_RUNTIME]
    foreign = [s for s in elsewhere if not any(each.fullmatch(s) for each in allowed)]
    assert [s for s in foreign if not SOFT_FLOAT.fullmatch(s)] == []
    content = path.read_bytes()
    assert b".init_array" not in content
    assert b".ctors" not in content


@pytest.mark.parametrize(("target", "unit"), [*TABLES, *((BEST, each) for each in UNITS)])
def test_unit_is_fenced(compile_unit, target, unit):
    assert_fenced(compile_unit(target, unit), target)


def test_built_objects_are_fenced():
    if not BUILT:
        pytest.skip("no objects in the source's build folder")
    for path in BUILT:
        assert_fenced(path, isa_of_built(path))


def test_the_fence_sees_a_breach(tmp_path):
    """The test of the test: a standard header's function, used in a unit, is found."""
    if reason := reason_to_skip():
        pytest.skip(reason)
    unit, target = tmp_path / "breach.cpp", tmp_path / "breach.o"
    unit.write_text(
        "#include <algorithm>\n"
        "namespace fastrelu::scalar { int isa(int a, int b) { return std::max(a, b); } }\n"
    )
    subprocess.run([*COMPILER, "-std=c++17", "-O0", "-c", unit, "-o", target], check=True)
    with pytest.raises(AssertionError, match="max"):
        assert_fenced(target, "scalar")
    unit.write_text(
        "int f(); namespace fastrelu::scalar { int isa() { return 1; } static int x = isa(); }\n"
    )
    subprocess.run([*COMPILER, "-std=c++17", "-O0", "-c", unit, "-o", target], check=True)
    with pytest.raises(AssertionError):
        assert_fenced(target, "scalar")


EXPORTS = {"PyInit__core", "fastrelu_get_num_threads", "fastrelu_set_num_threads"}


def read_elf(*options):
    """What readelf says of the extension."""
    if sys.platform != "linux" or not shutil.which("readelf"):
        pytest.skip("no ELF, or no readelf")
    command = ["readelf", "-W", *options, _core.__file__]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_extension_exports_its_own_symbols_alone():
    """Weak copies of templates could be taken from, or given to, other libraries."""
    rows = [line.split() for line in read_elf("--dyn-syms").splitlines()]
    symbols = [row for row in rows if len(row) == 8 and row[6] != "UND" and row[0] != "Num:"]
    symbols = [row for row in symbols if row[3] != "SECTION"]  # local ones, on aarch64
    assert {row[7] for row in symbols} == EXPORTS
    assert {row[4] for row in symbols} == {"GLOBAL"}


def test_the_extension_is_hardened():
    dynamic, segments = read_elf("-d"), read_elf("-l")
    assert "NOW" in re.search(r"\(FLAGS_1\).*", dynamic)[0]
    assert "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK(?:\s+0x\w+)+\s+(\w+)", segments)[1] == "RW"
    undefined = re.findall(r"UND (\w+)", read_elf("--dyn-syms"))
    assert "__stack_chk_fail" in undefined
    if not any("asan" in name or "ubsan" in name or "tsan" in name for name in undefined):
        assert any(name.endswith("_chk") for name in undefined)  # of _FORTIFY_SOURCE


def test_the_extension_opens_no_files():
    """Python reads them (fastrelu._system), once, and where that fails the import goes on."""
    undefined = re.findall(r"UND (\w+)", read_elf("--dyn-syms"))
    assert [name for name in undefined if re.search("^_*open|fopen|filebuf|fstream", name)] == []


def test_nothing_of_the_runtime_runs_on_loading():
    """An exception there would end the process; the import says what is wrong."""
    if not BUILT_RUNTIME:
        pytest.skip("no objects in the source's build folder")
    assert [each.name for each in BUILT_RUNTIME if b".init_array" in each.read_bytes()] == []
