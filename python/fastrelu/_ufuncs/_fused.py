"""Rectifiers of a sum, and of a scaled and shifted array: one pass over memory, no temporary."""

from __future__ import annotations

from fastrelu._ufuncs._declaration import ufunc


@ufunc
def add_relu(x, y, /):
    """Rectified sum, element by element: ``+0 if s <= 0 else s`` with ``s = x + y``.

    A residual connection or a bias in one pass.

    Parameters
    ----------
    x : array_like of integers or floats
        First summand, of any shape.
    y : array_like of integers or floats
        Second summand. It must broadcast with `x`: a bias per channel, or one number.

    See Also
    --------
    scale_shift_relu : The same with a factor, as batch normalisation has it at inference.
    relu_backward : The gradient with respect to both summands; as its `x` take the result.

    Notes
    -----
    The bytes of ``np.maximum(x + y, 0)``, but that 0 is always +0.0. The sum is rounded to the
    dtype of the result and reports what NumPy's sum reports (overflow; inf - inf is invalid);
    integers wrap around. NaN stays NaN. Its payload is not promised, nor is its sign where both
    summands are NaN: instruction sets differ in which of the two they keep.

    ``add_relu.accumulate(x)`` is the one-sided CUSUM statistic of `x`, ``s[i] = max(s[i - 1] +
    x[i], 0)`` from ``s[0] = x[0]``: it grows while `x` stays above its expected value, which is to
    be subtracted before (Page, 1954, "Continuous inspection schemes").

    Examples
    --------
    >>> fr.add_relu(np.array([[1.0, -4.0], [2.0, 3.0]]), np.array([0.5, 2.0]))
    array([[1.5, 0. ],
           [2.5, 5. ]])
    >>> fr.add_relu.accumulate(np.array([1.0, -2.0, 3.0, -1.0, 0.5, -9.0, 4.0, 4.0]))
    array([1. , 0. , 3. , 2. , 2.5, 0. , 4. , 8. ])
    """


@ufunc
def add_leaky_relu(x, y, /, negative_slope=0.01):
    """Leaky rectified sum: ``s if s > 0 else s * negative_slope`` with ``s = x + y``.

    Parameters
    ----------
    x : array_like of integers or floats
        First summand, of any shape.
    y : array_like of integers or floats
        Second summand. It must broadcast with `x`.
    negative_slope : array_like of integers or floats, default 0.01
        Slope for ``s <= 0``: one number, or an array that broadcasts with the sum.

    See Also
    --------
    leaky_relu_backward : The gradient with respect to both summands; as its `x` take the sum.

    Notes
    -----
    The bits of ``leaky_relu(x + y, negative_slope)``: the sum is rounded to the dtype of the arrays
    first, and one of integers wraps around before it becomes a float64. A slope of 0 is
    arithmetic, as in :func:`leaky_relu`; use :func:`add_relu` instead.

    Examples
    --------
    >>> fr.add_leaky_relu(np.array([1.0, -4.0]), np.array([0.5, 2.0]), 0.25)
    array([ 1.5, -0.5])
    """


@ufunc
def scale_shift_relu(x, scale, shift, /):
    """Rectified scaled and shifted array: ``+0 if s <= 0 else s`` with ``s = x * scale + shift``.

    Batch normalisation at inference, folded into a factor and a summand per channel.

    Parameters
    ----------
    scale : array_like of integers or floats
        Factor: one number, or an array that broadcasts with `x`.
    shift : array_like of integers or floats
        Summand: one number, or an array that broadcasts with `x`.

    See Also
    --------
    relu_backward : The gradient with respect to ``x * scale + shift``; as its `x` take the result.

    Notes
    -----
    The bytes of ``np.maximum(x * scale + shift, 0)``, but that 0 is always +0.0. Product and sum
    are each rounded to the dtype of the result, never fused into one rounding, and report what
    NumPy's report; integers wrap around. NaN stays NaN, its payload is not promised.

    Examples
    --------
    >>> fr.scale_shift_relu(np.array([1.0, -1.0, 0.5]), 2.0, -0.5)
    array([1.5, 0. , 0.5])
    """
