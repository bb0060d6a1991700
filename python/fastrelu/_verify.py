"""What a program that only computes does without: `testing` and `reference`.

A function here, and a module that is loaded when it is used, rather than a module's `__getattr__`
in the package: with that, Python would look up every ``fr.relu`` the slow way, which costs a sixth
of a small call.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import LazyLoader, find_spec, module_from_spec
from typing import TYPE_CHECKING

from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from fastrelu.testing import Verification


def verify(
    *,
    functions: Iterable[str] | None = None,
    dtypes: Iterable[DTypeLike] | None = None,
    isas: Iterable[str] | None = None,
    exhaustive: bool = False,
    progress: bool = True,
) -> Verification:
    """Compare every kernel with the reference in plain NumPy, bit for bit.

    A NaN that arithmetic made or touched may be any NaN, and one that a leaky function kept may
    differ in its quiet bit; all other results must have the reference's bits.

    Parameters
    ----------
    functions : iterable of str, optional
        Names of functions; all by default.
    dtypes : iterable of dtype, optional
        All that any function has a loop for by default. A function leaves out those it has none
        for: `relu_quantized` takes integers alone.
    isas : iterable of str, optional
        Instruction sets; by default all that this processor can run.
    exhaustive : bool, optional
        Also run all 2**32 float32 patterns through relu, relu_backward and leaky_relu. Takes
        minutes, and about 2 MiB of memory.
    progress : bool, optional
        Show the progress on stderr.

    Returns
    -------
    Verification
        True if nothing differed; `failures` has the first difference of each function, dtype and
        instruction set, `rows` has all that was compared.

    Raises
    ------
    ValueError
        If there is no such function, or no such instruction set on this processor.
    TypeError
        If a dtype is given that none of the functions takes.

    Examples
    --------
    >>> import fastrelu as fr
    >>> result = fr.verify(functions=["relu"], dtypes=["int16"], isas=["scalar"], progress=False)
    >>> bool(result), result.failures
    (True, ())
    """
    from fastrelu import testing  # noqa: PLC0415

    return testing.run(functions, dtypes, isas, exhaustive, progress)


def _load_when_used(package: str, name: str) -> None:
    """Let a package have a submodule as if it were imported; using it imports it."""
    spec = find_spec(f"{package}.{name}")
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    setattr(sys.modules[package], name, module)


_load_when_used("fastrelu", "reference")
