"""`verify`, which imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Iterable
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
