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

    The results must have the bits of `fastrelu.reference`, with two exceptions: a NaN that
    arithmetic made or changed may be any NaN, and a NaN that a leaky function kept may differ in
    its quiet bit.

    Parameters
    ----------
    functions, dtypes, isas : one or an iterable of them, optional
        By default all functions, all dtypes that each of them takes, and all instruction sets that
        this processor can run.
    complete : bool, optional
        Run all cases, in minutes. By default ``left_out`` of the result says which are not run.
    exhaustive : bool, optional
        Also run all 2**32 float32 patterns through relu, relu_backward and leaky_relu, in minutes.
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
