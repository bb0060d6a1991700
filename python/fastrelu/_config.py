"""What was built, and what runs here."""

from __future__ import annotations

import numpy as np

from fastrelu import _core, _recycling, _threads
from fastrelu._version import __version__

__all__ = ["__version__", "show_config"]


def show_config() -> None:
    """Print the version, the compiler, what calls run on, and the versions of NumPy and Python.

    Instruction sets are those *compiled* into this build, those *available* on this processor
    (best first), and the one *active* now: the best, or what ``FASTRELU_ISA`` says. *threads* is
    what `get_num_threads` returns, and where the number comes from; *recycling* what of
    `recycle_info` people ask for.

    Examples
    --------
    >>> import fastrelu as fr
    >>> fr.show_config()  # doctest: +ELLIPSIS
    fastrelu   ...
    """
    import platform  # noqa: PLC0415

    facts = {
        "fastrelu": __version__,
        "compiler": _core.compiler,
        "compiled": " ".join(_core.compiled_isas()),
        "available": " ".join(_core.available_isas()),
        "active": _core.isa(),
        "threads": _threads.describe(),
        "recycling": _recycling.describe(),
        "NumPy": np.__version__,
        "Python": f"{platform.python_version()} on {platform.machine()}",
    }
    for name, value in facts.items():
        print(f"{name:<10} {value}")
