"""What is read of the operating system: from a folder of files that stands for a machine."""

from __future__ import annotations

import os
import sys

import pytest
from fastrelu import _system
from support import run_python

MIB = 1 << 20
MACHINE_CORES, MACHINE_MEMORY = 64, 1 << 40
MOUNTS = """\
22 1 0:20 / /proc rw shared:1 - proc proc rw
30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw
31 1 0:27 / /sys/fs/cgroup/memory rw shared:5 master:2 - cgroup cgroup rw,memory
32 1 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
33 1 0:26 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct
"""
CACHES = "/sys/devices/system/cpu/cpu0/cache"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Nothing but what the test writes into files: text, or bytes that are none."""
    monkeypatch.setattr(_system, "_ROOT", str(tmp_path))
    monkeypatch.setattr(_system, "_processors", lambda: MACHINE_CORES)
    monkeypatch.setattr(_system, "_physical_memory", lambda: [MACHINE_MEMORY])

    def write(files, folder=""):
        for name, content in files.items():
            path = tmp_path / f"{folder}/{name}".lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())

    return write


@pytest.fixture
def in_groups(write):
    """The process's control groups, and files of theirs."""

    def write_groups(groups, files, mounts=MOUNTS):
        write({"mountinfo": mounts, "cgroup": groups}, "/proc/self")
        write(files, "/sys/fs/cgroup")
        return _system.limits()

    return write_groups


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {"memory.max": "1000"}, 1000),
        ("0::/a/b", {"a/b/memory.max": "1000"}, 1000),
        ("0::/a/b", {"a/b/memory.max": "1000", "a/memory.max": "900"}, 900),
        ("0::/a/b", {"a/b/memory.max": "max", "memory.max": "800"}, 800),
        ("0::/a/b", {"c/memory.max": "1", "a/b/c/memory.max": "2"}, None),
        ("0::/a:b c", {"a:b c/memory.max": "1000"}, 1000),
        ("3:cpu:/x\n2:memory:/a", {"memory/a/memory.limit_in_bytes": "700"}, 700),
        ("2:cpu,memory:/a", {"memory/memory.limit_in_bytes": "600"}, 600),
        ("2:memory:/a", {"memory/a/memory.limit_in_bytes": 9223372036854771712}, None),
        ("2:memory:/a", {"memory/a/memory.limit_in_bytes": "10" * 40}, None),
        ("2:memory:/a\n0::/b", {"memory/a/memory.limit_in_bytes": "5", "b/memory.max": "4"}, 4),
        ("2:cpuset:/a", {"a/memory.max": "3", "cpuset/a/memory.limit_in_bytes": "3"}, None),
        ("nonsense\n\n0:", {"memory.max": "3", "a/memory.max": "2"}, 3),  # the mount is all we know
        ("0::/a", {"a/memory.max": "nonsense", "memory.max": "-1"}, None),
        ("0::/a", {"a/memory.max": b"\xff\xfe", "memory.max": ""}, None),
        (b"\xff0::/\xff\0/a\n", {"memory.max": "2"}, 2),
    ],
)
def test_memory_limit_of_the_control_groups(in_groups, groups, files, limit):
    expected = MACHINE_MEMORY if limit is None else limit
    assert in_groups(groups, files) == (MACHINE_CORES, expected)


CPU = "cpu,cpuacct"


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/user/job", {}, None),
        ("0::/user/job", {"user/job/cpu.max": "max 100000"}, None),
        ("0::/user/job", {"user/job/cpu.max": "350000 100000"}, 4),
        ("0::/user/job", {"user/job/cpu.max": "300000 100000"}, 3),
        ("0::/user/job", {"user/job/cpu.max": "350000 9", "user/cpu.max": "200000 100000"}, 2),
        ("0::/user/job", {"user/job/cpu.max": "10000 100000"}, 1),
        ("0::/user/job", {"user/job/cpu.max": "nonsense", "user/cpu.max": "-1 0"}, None),
        ("0::/user/job", {"user/job/cpu.max": "5", "user/cpu.max": "5 0"}, None),
        ("0::/user/job", {"user/job/cpu.max": "1 " + "9" * 5000}, None),
        ("4:cpu,cpuacct:/docker/abc", {f"{CPU}/cpu.cfs_quota_us": "-1"}, None),
        ("4:cpu,cpuacct:/docker/abc", {f"{CPU}/cpu.cfs_quota_us": "250000"}, 3),
        (
            "5:cpuset:/docker/abc\n4:cpu,cpuacct:/docker/abc/inner\n0::/",
            {
                f"{CPU}/cpu.cfs_quota_us": "250000",
                f"{CPU}/inner/cpu.cfs_quota_us": "50000",
                f"{CPU}/inner/cpu.cfs_period_us": "50000",
            },
            1,
        ),
        (  # a group beyond the mount, or outside of it: what the mount says
            "4:cpu,cpuacct:/docker/abc/../other",
            {f"{CPU}/cpu.cfs_quota_us": "250000", "other/cpu.cfs_quota_us": "1"},
            3,
        ),
        (
            "4:cpu,cpuacct:/docker/abcd",
            {f"{CPU}/cpu.cfs_quota_us": "250000", f"{CPU}/d/cpu.cfs_quota_us": "1"},
            3,
        ),
    ],
)
def test_cpu_quota_of_the_control_groups(in_groups, groups, files, quota):
    period = {f"{CPU}/cpu.cfs_period_us": "100000"}
    expected = MACHINE_CORES if quota is None else quota
    assert in_groups(groups, period | files) == (expected, MACHINE_MEMORY)


@pytest.mark.parametrize(
    "mounts", ["", "-", " - cgroup2", " - cgroup2 x rw", "1 2 3 4 - cgroup2 x rw", b"\xff - \xff"]
)
def test_mounts_that_say_nothing(in_groups, mounts):
    files = {"cpu.max": "1 1", "memory.max": "1"}
    assert in_groups("0::/", files, mounts) == (MACHINE_CORES, MACHINE_MEMORY)


@pytest.mark.parametrize("size", [0, -4096])
def test_memory_of_which_nobody_speaks(write, monkeypatch, size):
    monkeypatch.setattr(_system, "_physical_memory", lambda: [size] if size else [])
    assert _system.limits() == (MACHINE_CORES, 0)


def test_at_least_one_core(write, monkeypatch):
    monkeypatch.setattr(_system, "_processors", lambda: 0)
    assert _system.limits()[0] == 1


def test_this_machine():
    assert 1 <= _system._processors() <= (os.cpu_count() or 1)
    if sys.platform == "linux":
        (memory,) = _system._physical_memory()
        assert memory >= 64 * MIB


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (["32K", "32K", "1024K", "32768K"], 32 * MIB),
        (["48K", "2048K"], 2 * MIB),
        (["48K", "nonsense", "64K"], 48 * 1024),
        ([], 32 * MIB),
        (["0K"], 32 * MIB),
        (["-5K"], 32 * MIB),
        (["9" * 30 + "K"], 32 * MIB),
        (["9" * 5000 + "K"], 32 * MIB),
        ([b"\xff\xfe"], 32 * MIB),
        ([""], 32 * MIB),
    ],
    ids=str,
)
def test_last_cache(write, sizes, expected):
    write({f"index{index}/size": size for index, size in enumerate(sizes)}, CACHES)
    assert _system.last_cache() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="no such file")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[always] madvise never", True),
        ("always [madvise] never", True),
        ("always madvise [never]", False),
        (None, False),
    ],
)
def test_huge_pages_where_the_system_has_them(write, monkeypatch, text, expected):
    monkeypatch.setattr(_system, "_PAGE", os.sysconf("SC_PAGESIZE"))
    monkeypatch.setattr(_system.multiarray, "_get_madvise_hugepage", lambda: True)
    if text:
        write({HUGE_PAGES: text})
    assert _system.huge_pages() == expected
    monkeypatch.setattr(_system.multiarray, "_get_madvise_hugepage", lambda: False)
    assert not _system.huge_pages()
    monkeypatch.delattr(_system.multiarray, "_get_madvise_hugepage")
    assert _system.huge_pages() == expected
    monkeypatch.setattr(_system, "_PAGE", 1)
    assert not _system.huge_pages()


def test_files_that_cannot_be_read(write, tmp_path):
    """Folders instead of files; a folder that nobody may enter is the same to the module."""
    for name in ("proc/self/cgroup", "proc/self/mountinfo", f"{CACHES}/index0/size", HUGE_PAGES):
        (tmp_path / name.lstrip("/")).mkdir(parents=True)
    assert _system.limits() == (MACHINE_CORES, MACHINE_MEMORY)
    assert _system.last_cache() == 32 * MIB
    assert not _system.huge_pages()


def test_an_import_where_nothing_can_be_read():
    """As if another system: the import goes well, with one thread a core and nothing put aside."""
    code = """
import builtins, os
import numpy as np

def refuse(*arguments, **keywords):
    raise PermissionError("no")

original, builtins.open = builtins.open, refuse
sizes, os.sysconf = os.sysconf, refuse
if hasattr(os, "sched_getaffinity"):
    os.sched_getaffinity = refuse
import fastrelu as fr
builtins.open, os.sysconf = original, sizes
print(fr.get_num_threads() == min(os.cpu_count(), 1024), fr.recycle_info().limit)
print(*fr.relu(np.array([-1, 2])))
"""
    result = run_python(
        code, FASTRELU_NUM_THREADS="", OMP_NUM_THREADS="", FASTRELU_RECYCLE_LIMIT=""
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "True 0\n0 2\n"
