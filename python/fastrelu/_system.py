"""Facts about the machine and this process's share of it, read once, at import.

Only this module reads files; the C++ opens none. A file that is missing, unreadable or invalid
counts as absent, so that the import succeeds on any system.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from numpy._core import multiarray

_ROOT = ""  # in front of every path: tests set it to a folder of their own
_PAGE = 4096
_UNKNOWN_CACHE = 32 << 20


def limits() -> tuple[int, int]:
    """Return how many cores, and how many bytes of memory (0: unknown) this process may use.

    They are those of its affinity mask and of the machine, or less where a control group limits it.
    """
    cores, memory = [_processors()], _physical_memory()
    for folder, controllers in _control_groups():
        if controllers == [""]:
            of_cpu, of_memory = ["cpu.max"], ["memory.max"]
        else:
            of_cpu = ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if "cpu" in controllers else []
            of_memory = ["memory.limit_in_bytes"] if "memory" in controllers else []
        match _numbers(*(f"{folder}/{name}" for name in of_cpu)):
            case [quota, period] if quota > 0 and period > 0:  # "max" or -1 means no quota
                cores.append(-(-quota // period))  # a part of a core counts as one
        memory += _numbers(*(f"{folder}/{name}" for name in of_memory))
    return max(1, min(cores)), min((size for size in memory if size > 0), default=0)


def last_cache() -> int:
    """Return the size in bytes of the last cache before memory; 32 MiB where Linux lists none.

    The C library would ask the processor: a virtual one said 320 MiB and had 32.
    """
    kibibytes = [0]
    for index in range(8):  # of the first processor, from the smallest
        found = _numbers(f"/sys/devices/system/cpu/cpu0/cache/index{index}/size")
        if not found:
            break
        kibibytes += found
    size = max(kibibytes) * 1024
    return size if 0 < size <= sys.maxsize else _UNKNOWN_CACHE


def huge_pages() -> bool:
    """Return whether to ask for huge pages of 2 MiB: if NumPy does, and the system has them.

    No is the safe answer: MADV_FREE on base pages, taken for huge ones, costs 12 us per MiB.
    """
    if sys.platform != "linux" or _sysconf("SC_PAGESIZE") != _PAGE:
        return False
    enabled = _read("/sys/kernel/mm/transparent_hugepage/enabled")
    numpy_asks = getattr(multiarray, "_get_madvise_hugepage", lambda: True)
    return enabled != "" and "[never]" not in enabled and bool(numpy_asks())


def _read(path: str) -> str:
    """Return the text of a file, or nothing."""
    try:
        with open(_ROOT + path, "rb", buffering=0) as file:
            return os.fsdecode(file.read())
    except (OSError, ValueError):  # no file can have such a name
        return ""


def _numbers(*paths: str) -> list[int]:
    """Return the whole numbers (those of KiB with a K) that files consist of, else none."""
    words = " ".join(_read(path) for path in paths).split()
    try:
        return [int(word.removesuffix("K")) for word in words]
    except ValueError:
        return []


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _physical_memory() -> list[int]:
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415

        status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX, which begins with its own size
        return [status[1]] if ctypes.windll.kernel32.GlobalMemoryStatusEx(status) else []
    return [_sysconf("SC_PHYS_PAGES") * _sysconf("SC_PAGESIZE")]


def _sysconf(name: str) -> int:
    """Return a number of the system's configuration, 0 if there is none."""
    try:
        return os.sysconf(name)
    except (AttributeError, OSError, ValueError):
        return 0


def _control_groups() -> Iterator[tuple[str, list[str]]]:
    """Yield the folders of this process's control groups, and the controllers that each has.

    A limit holds for all groups below: a group's parents count too, as far as they are mounted.
    Version 2 has every controller in one place, and names none: ``[""]``.
    """
    groups: dict[str, str] = {}  # by controller
    for line in _read("/proc/self/cgroup").split("\n"):
        match line.split(":", 2):  # number:controllers:group
            case [_, names, group]:
                groups |= dict.fromkeys(names.split(","), group)
    for line in _read("/proc/self/mountinfo").split("\n"):
        # id parent device mounted mount_point options [tags...] - type source super_options
        mount, _, file_system = line.partition(" - cgroup")
        match mount.split(" "), file_system.split(" "):
            case [_, _, _, mounted, mount_point, *_], ["" | "2" as version, _, options]:
                controllers = [""] if version else options.split(",")
                group = next((groups[name] for name in controllers if name in groups), "")
                for folder in _folders(mount_point, mounted, group):
                    yield folder, controllers


def _folders(mount_point: str, mounted: str, group: str) -> Iterator[str]:
    """Yield the folders of a group and its parents, where the groups below `mounted` are mounted.

    In a container the group may be named from outside: then the mount is all there is.
    """
    prefix = mounted.rstrip("/") + "/"
    is_inside = f"{group}/".startswith(prefix) and "/.." not in group
    path = group[len(prefix) :].strip("/") if is_inside else ""
    while path:
        yield f"{mount_point}/{path}"
        path = path.rpartition("/")[0]
    yield mount_point


CORES, MEMORY = limits()
