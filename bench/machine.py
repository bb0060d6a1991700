"""The processor, compiler and versions that figures are worth nothing without."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fastrelu as fr
import limits
import numpy as np
import peers
from fastrelu import _core

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_CACHE_FACTS = ("level", "type", "size")


def facts() -> dict[str, str]:
    """Return what the report says of machine and software; no date, no host name."""
    return {
        "processor": f"{_processor()}, {peers.cores()} cores, {platform.machine()}",
        "caches": _caches(),
        "system": _system(),
        "fastrelu": f"{fr.__version__}, {fr.isa()}, {_core.compiler}",
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "limits": _compiler(),
        "ml_dtypes": _version("ml_dtypes"),
        **{
            each.name: peers.version_of(each.packages)
            or f"absent ({', '.join(peers.missing_of(each.packages))} not installed)"
            for each in peers.CLASSES
        },
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(("model name", "CPU implementer")):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _caches() -> str:
    found = []
    for folder in sorted(_CACHES.glob("index*")):
        level, kind, size = ((folder / each).read_text().strip() for each in _CACHE_FACTS)
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "unknown"


def _system() -> str:
    """Name the kernel, the C library, and whether large arrays get large pages."""
    release = platform.release().partition("-")[0]
    parts = [f"{platform.system()} {release}", " ".join(platform.libc_ver())]
    if _HUGE_PAGES.exists():
        chosen = re.findall(r"\[(\w+)\]", _HUGE_PAGES.read_text())
        parts.append(f"transparent huge pages: {', '.join(chosen)}")
    return ", ".join(filter(None, map(str.strip, parts)))


def _compiler() -> str:
    command = limits.compiler()
    if command is None:
        return "np.copyto alone: there is no C++ compiler"
    shown = subprocess.run(
        [*command.split(), "--version"], check=True, capture_output=True, text=True
    )
    return f"limits.cpp by {shown.stdout.splitlines()[0]}, -O3 -march=native"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent (not installed)"
