"""The squared rectifier, piecewise-linear stand-ins for sigmoid and swish, and soft shrinkage."""

from __future__ import annotations

from fastrelu._ufuncs._declaration import ufunc


@ufunc
def squared_relu(x, /):
    """Squared rectifier, element by element: ``r * r`` with ``r = relu(x)``.

    See Also
    --------
    squared_relu_backward : The gradient.

    Notes
    -----
    The square of a float narrower than float32 is computed in float32 and rounded once. Overflow
    and underflow are reported where a positive `x` has them. NaN stays NaN, its payload is not
    promised. The activation of Primer (So et al., 2021).

    Examples
    --------
    >>> fr.squared_relu(np.array([-2.0, 0.5, 3.0]))
    array([0.  , 0.25, 9.  ])
    """


@ufunc
def squared_relu_backward(grad_output, x, /):
    """Gradient through :func:`squared_relu`: ``+0 if x <= 0 else grad_output * (x + x)``.

    Notes
    -----
    Where ``x <= 0`` the result is +0.0 even if `grad_output` is NaN or infinite, and nothing is
    reported. A NaN in `x` gives NaN.

    Examples
    --------
    >>> fr.squared_relu_backward(np.array([np.nan, 1.0, 2.0]), np.array([-2.0, 0.5, 3.0]))
    array([ 0.,  1., 12.])
    """


@ufunc
def hardsigmoid(x, /):
    """Piecewise-linear sigmoid: ``c / 6``, where `c` is ``x + 3`` bounded by 0 and 6.

    See Also
    --------
    hardsigmoid_backward : The gradient.
    hardswish : `x` times this.

    Notes
    -----
    With ``t = x + 3``, `c` is ``0 if t <= 0 else 6 if t >= 6 else t``. A float narrower than
    float32 is computed in float32 and rounded once. NaN stays NaN. Bits and slope are those of
    PyTorch's ``hardsigmoid`` (MobileNetV3: Howard et al., 2019); that of ONNX has a slope of 0.2
    by default.

    Examples
    --------
    >>> fr.hardsigmoid(np.array([-4.0, 0.0, 1.5, 3.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """


@ufunc
def hardsigmoid_backward(grad_output, x, /):
    """Gradient through :func:`hardsigmoid`: ``grad_output * (1 / 6) if -3 < x < 3 else +0``.

    Notes
    -----
    The gradient at -3, at 3 and at NaN is +0.0, whatever `grad_output`, as in PyTorch. 1 / 6 is
    rounded to the dtype that is computed in; PyTorch rounds it to float32 for float64, too.

    Examples
    --------
    >>> fr.hardsigmoid_backward(np.array([6.0, 6.0, np.inf]), np.array([-3.0, 0.0, 4.0]))
    array([0., 1., 0.])
    """


@ufunc
def hardswish(x, /):
    """Piecewise-quadratic swish: ``x if x >= 3 else (x * c) / 6``, `c` as in :func:`hardsigmoid`.

    See Also
    --------
    hardswish_backward : The gradient.

    Notes
    -----
    `c` is ``x + 3`` bounded by 0 and 6. Where ``x <= -3`` the result is -0.0, and at -inf it is
    NaN, with the report of an invalid value: 0 times infinity. Both are PyTorch's bits; but a large
    `x` stays itself here, where PyTorch's ``x * 6 / 6`` overflows. A float narrower than float32 is
    computed in float32 and rounded once. The activation of MobileNetV3 (Howard et al., 2019).

    Examples
    --------
    >>> fr.hardswish(np.array([-4.0, -1.5, 0.0, 1.5, 4.0]))
    array([-0.   , -0.375,  0.   ,  1.125,  4.   ])
    """


@ufunc
def hardswish_backward(grad_output, x, /):
    """Gradient through :func:`hardswish`: 0, ``grad_output * (x / 3 + 0.5)``, or `grad_output`.

    Notes
    -----
    ``+0 if x <= -3``, the product ``if x < 3``, else `grad_output` itself, so too where `x` is NaN.
    (PyTorch's vectorised code gives NaN there; its other bits are the same.) Only the product
    reports anything.

    Examples
    --------
    >>> fr.hardswish_backward(np.array([2.0, 2.0, 2.0]), np.array([-4.0, 1.5, 4.0]))
    array([0., 2., 2.])
    """


@ufunc
def softshrink(x, /, lambd=0.5):
    """Soft shrinkage: ``+0 if -lambd <= x <= lambd else x - lambd if x > 0 else x + lambd``.

    Parameters
    ----------
    lambd : array_like of integers or floats, default 0.5
        By how much `x` moves towards 0: one number, or an array that broadcasts with `x`. NaN makes
        every element NaN.

    Raises
    ------
    ValueError
        If `lambd` is negative anywhere. Nothing has been written then.

    See Also
    --------
    softshrink_backward : The gradient.

    Notes
    -----
    NaN stays NaN, its payload is not promised; all zeros are +0.0. An infinite `x` stays infinite,
    but an infinite `lambd` makes it 0; neither is reported, as only elements beyond `lambd` are
    computed with. A float narrower than float32 is computed in float32, with a `lambd` that is not
    rounded to its precision, and rounded once. The function, its parameter and the default are
    those of PyTorch's ``softshrink``, which refuses a NaN `lambd`. It is the proximal operator of
    ``lambd * abs(x)`` (Donoho, "De-noising by soft-thresholding", 1995).

    Examples
    --------
    >>> fr.softshrink(np.array([-2.0, -0.5, 0.25, 3.0, np.nan]))
    array([-1.5,  0. ,  0. ,  2.5,  nan])
    >>> fr.softshrink(np.array([-3, 1, 5]), lambd=2)
    array([-1.,  0.,  3.])
    """


@ufunc
def softshrink_backward(grad_output, x, /, lambd=0.5):
    """Gradient through :func:`softshrink`: ``+0 if -lambd <= x <= lambd else grad_output``.

    Parameters
    ----------
    lambd : array_like of integers or floats, default 0.5
        That of the forward pass: one number, or an array. NaN lets every gradient pass.

    Raises
    ------
    ValueError
        If `lambd` is negative anywhere. Nothing has been written then.

    Notes
    -----
    Selected, not multiplied: a NaN gradient where `x` is shrunk to 0 gives +0.0. A NaN in `x` lets
    the gradient pass; PyTorch's vectorised code gives 0 there. PyTorch also rounds `lambd` to
    float16 and bfloat16 for the gradient, though not for the function itself.

    Examples
    --------
    >>> fr.softshrink_backward(np.array([5.0, np.nan, 5.0]), np.array([-2.0, 0.5, 3.0]))
    array([5., 0., 5.])
    """
