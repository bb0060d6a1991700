"""`verify`, which imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from fastrelu.testing import Verification


def verify(  # noqa: PLR0913
    *,
    functions: str | Iterable[str] | None = None,
    dtypes: DTypeLike | Iterable[DTypeLike] | None = None,
    isas: str | Iterable[str] | None = None,
    complete: bool = False,
    exhaustive: bool = False,
    progress: bool = True,
) -> Verification:
    """Compare every kernel with the NumPy reference, bit for bit.

    The results must have the bits of `fastrelu.reference`, with four exceptions: a NaN that
    arithmetic made or changed may be any NaN; a NaN that a leaky or a smooth function kept may
    differ in its quiet bit; smooth functions in float64 and longdouble may be a few units in the
    last place away; softmax, its relatives and the cross entropy are held to the accuracy that they
    promise: 0.51 units in the last place of the result before it is rounded, and 3 in float64.

    Parameters
    ----------
    functions, dtypes, isas : one or an iterable of them, optional
        By default all functions, all dtypes that each of them takes, and all instruction sets that
        this processor can run.
    complete : bool, optional
        Run all cases, in minutes. By default ``left_out`` of the result says which are not run.
    exhaustive : bool, optional
        Also run all 2**32 float32 patterns through relu, relu_backward, leaky_relu, and the smooth
        functions of one array, whose results must have a known SHA-256: in minutes.
    progress : bool, optional, to show the progress on stderr

    Returns
    -------
    Verification
        True if nothing differed. For each function, dtype and instruction set ``failures`` has the
        first difference, and ``rows`` the number of results compared.

    Raises
    ------
    ValueError, TypeError
        If there is no such function, or no such instruction set on this processor; if there is no
        such dtype, or none of the functions takes it.

    Examples
    --------
    >>> result = fr.verify(functions="relu", dtypes="int16", isas="scalar", progress=False)
    >>> bool(result), result.failures
    (True, ())
    """
    from fastrelu import testing  # noqa: PLC0415

    return testing.run(testing.plan(functions, dtypes, isas), complete, exhaustive, progress)
