"""Rectifiers with a bound above, and with thresholds other than 0."""

from __future__ import annotations

from fastrelu._ufuncs._declaration import ufunc


@ufunc
def relu6(x, /):
    """Rectifier that saturates at 6: ``+0 if x <= 0 else 6 if x >= 6 else x``.

    See Also
    --------
    relu6_backward : The gradient.
    clipped_relu : The same with any bound.

    Notes
    -----
    NaN stays NaN, with its sign and payload; both zeros become +0.0 (PyTorch's keeps -0.0). No
    input raises a floating-point warning. The bound of 6 is Krizhevsky's (2010); MobileNet and its
    successors have made it common.

    Examples
    --------
    >>> fr.relu6(np.array([-2.0, 3.0, 7.0, np.nan]))
    array([ 0.,  3.,  6., nan])
    """


@ufunc
def relu6_backward(grad_output, x, /):
    """Gradient through :func:`relu6`: ``+0 if x <= 0 or x >= 6 else grad_output``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu6's input or its output: both give the same bits. It must broadcast with `grad_output`.

    Notes
    -----
    Selected, not multiplied: a NaN gradient at a saturated `x` gives +0.0. The gradient at 0 and at
    6 is 0, as in PyTorch. A NaN in `x` lets the gradient pass, as :func:`relu_backward` does;
    PyTorch's vectorised code gives 0 there.

    Examples
    --------
    >>> fr.relu6_backward(np.array([5.0, 5.0, np.nan]), np.array([-2.0, 3.0, 7.0]))
    array([0., 5., 0.])
    """


@ufunc
def clipped_relu(x, /, max_val):
    """Rectifier with a bound above: ``+0 if x <= 0 else max_val if x >= max_val else x``.

    Parameters
    ----------
    max_val : array_like of integers or floats
        The bound: one number, or an array that broadcasts with `x`. A NaN bounds nothing.

    Raises
    ------
    ValueError
        If `max_val` is negative anywhere. Nothing has been written then.

    See Also
    --------
    clipped_relu_backward : The gradient.
    relu6 : The same for the bound of 6.

    Notes
    -----
    NaN in `x` stays NaN, with its sign and payload; both zeros become +0.0. No input raises a
    floating-point warning. Keras calls `max_val` ``max_value``.

    Examples
    --------
    >>> fr.clipped_relu(np.array([-2.0, 0.5, 7.0]), 1.0)
    array([0. , 0.5, 1. ])
    >>> fr.clipped_relu(np.array([-2, 3, 7], np.int8), max_val=5)
    array([0, 3, 5], dtype=int8)
    """


@ufunc
def clipped_relu_backward(grad_output, x, /, max_val):
    """Gradient through :func:`clipped_relu`: ``+0 if x <= 0 or x >= max_val else grad_output``.

    Parameters
    ----------
    x : array_like of integers or floats
        clipped_relu's input or its output: both give the same bits.
    max_val : array_like of integers or floats
        The bound of the forward pass: one number, or an array. A NaN bounds nothing.

    Raises
    ------
    ValueError
        If `max_val` is negative anywhere. Nothing has been written then.

    Notes
    -----
    Selected, not multiplied: a NaN gradient at a saturated `x` gives +0.0. The gradient at 0 and at
    the bound is 0; a NaN in `x` lets the gradient pass.

    Examples
    --------
    >>> fr.clipped_relu_backward(np.array([5.0, 5.0, 5.0]), np.array([-2.0, 0.5, 7.0]), 1.0)
    array([0., 5., 0.])
    """


@ufunc
def hardtanh(x, /, min_val=-1, max_val=1):
    """Bounded identity: ``min_val if x <= min_val else max_val if x >= max_val else x``.

    Parameters
    ----------
    min_val, max_val : array_like of integers or floats, default -1 and 1
        The bounds: numbers, or arrays that broadcast with `x`. A NaN bounds nothing.

    Raises
    ------
    ValueError
        If `min_val` is above `max_val` anywhere. Nothing has been written then.
    OverflowError
        If a bound is a Python int that the dtype of `x` cannot hold: with unsigned integers,
        `min_val` cannot be left out.

    See Also
    --------
    hardtanh_backward : The gradient.
    clipped_relu : The same from 0 up.

    Notes
    -----
    NaN in `x` stays NaN, with its sign and payload. A zero that is equal to a bound becomes the
    bound, with its sign; all other values within keep their bits. No input raises a floating-point
    warning. Names and defaults are those of PyTorch's ``hardtanh``, and with finite bounds so are
    the bits, except for the sign of a zero at a bound of 0.

    Examples
    --------
    >>> fr.hardtanh(np.array([-2.0, 0.5, 7.0, np.nan]))
    array([-1. ,  0.5,  1. ,  nan])
    >>> fr.hardtanh(np.array([-2.0, 0.5, 7.0]), max_val=3.0)
    array([-1. ,  0.5,  3. ])
    """


@ufunc
def hardtanh_backward(grad_output, x, /, min_val=-1, max_val=1):
    """Gradient through :func:`hardtanh`: ``+0 if x <= min_val or x >= max_val else grad_output``.

    Parameters
    ----------
    x : array_like of integers or floats
        hardtanh's input or its output: both give the same bits.
    min_val, max_val : array_like of integers or floats, default -1 and 1
        The bounds of the forward pass: numbers, or arrays. A NaN bounds nothing.

    Raises
    ------
    ValueError
        If `min_val` is above `max_val` anywhere. Nothing has been written then.
    OverflowError
        If a bound is a Python int that the dtype of the arrays cannot hold.

    Notes
    -----
    Selected, not multiplied: a NaN gradient at a saturated `x` gives +0.0. The gradient at the
    bounds is 0, as in PyTorch. A NaN in `x` lets the gradient pass; PyTorch's vectorised code gives
    0 there.

    Examples
    --------
    >>> fr.hardtanh_backward(np.array([5.0, 5.0, 5.0]), np.array([-2.0, 0.5, 1.0]))
    array([0., 5., 0.])
    """


@ufunc
def thresholded_relu(x, /, alpha=1):
    """Rectifier that begins at a threshold: ``+0 if x <= alpha else x``.

    Parameters
    ----------
    alpha : array_like of integers or floats, default 1
        The threshold: one number, or an array that broadcasts with `x`. NaN keeps every `x`.

    See Also
    --------
    thresholded_relu_backward : The gradient.
    threshold : The same with any value below the threshold.

    Notes
    -----
    NaN in `x` stays NaN, with its sign and payload. No input raises a floating-point warning. The
    function, its parameter and the default are those of ONNX's ``ThresholdedRelu`` (Konda et al.,
    "Zero-bias autoencoders and the benefits of co-adapting features", 2014).

    Examples
    --------
    >>> fr.thresholded_relu(np.array([-2.0, 1.0, 1.5, np.nan]))
    array([0. , 0. , 1.5, nan])
    """


@ufunc
def thresholded_relu_backward(grad_output, x, /, alpha=1):
    """Gradient through :func:`thresholded_relu`: ``+0 if x <= alpha else grad_output``.

    Notes
    -----
    Selected, not multiplied: a NaN gradient where ``x <= alpha`` gives +0.0. A NaN in `x` lets the
    gradient pass.

    Examples
    --------
    >>> fr.thresholded_relu_backward(np.array([5.0, 5.0, 5.0]), np.array([-2.0, 1.0, 1.5]))
    array([0., 0., 5.])
    """


@ufunc
def threshold(x, /, threshold, value):
    """Replace what is not above a threshold: ``value if x <= threshold else x``.

    Parameters
    ----------
    threshold : array_like of integers or floats
        One number, or an array that broadcasts with `x`. NaN keeps every `x`.
    value : array_like of integers or floats
        What to put there: one number, or an array that broadcasts with `x`.

    See Also
    --------
    threshold_backward : The gradient.
    thresholded_relu : The same with a value of +0.

    Notes
    -----
    NaN in `x` stays NaN, with its sign and payload. No input raises a floating-point warning. Names
    are those of PyTorch's ``threshold``; there, a threshold for float16 and bfloat16 is not rounded
    to their precision first.

    Examples
    --------
    >>> fr.threshold(np.array([-2.0, 0.1, 1.5, np.nan]), 0.1, 20.0)
    array([20. , 20. ,  1.5,  nan])
    """


@ufunc
def threshold_backward(grad_output, x, /, threshold):
    """Gradient through :func:`threshold`: ``+0 if x <= threshold else grad_output``.

    Notes
    -----
    Selected, not multiplied: a NaN gradient where ``x <= threshold`` gives +0.0. A NaN in `x` lets
    the gradient pass. So it is in PyTorch, too.

    Examples
    --------
    >>> fr.threshold_backward(np.array([5.0, 5.0, 5.0]), np.array([-2.0, 0.1, 1.5]), 0.1)
    array([0., 0., 5.])
    """


@ufunc
def relu_quantized(x, /, zero_point):
    """Rectified quantized numbers: ``zero_point if x <= zero_point else x``.

    Parameters
    ----------
    x : array_like of integers
        Quantized input of any shape: the number q stands for ``scale * (q - zero_point)``.
    zero_point : array_like of integers
        The integer that stands for 0: one number, or an array that broadcasts with `x` (one zero
        point per channel).

    Returns
    -------
    y : ndarray or scalar
        Of the broadcast shape, and of the dtype ``np.result_type(x, zero_point)``: a Python int
        keeps the dtype of `x`. Scale and zero point are those of `x`.

    Raises
    ------
    TypeError
        If an argument is a float.
    OverflowError
        If `zero_point` is a Python int that the dtype of `x` cannot hold.

    Notes
    -----
    The bits of ``np.maximum(x, zero_point)``, for integers alone. The scale must be positive.

    Examples
    --------
    >>> fr.relu_quantized(np.array([0, 128, 130, 255], np.uint8), 128)
    array([128, 128, 130, 255], dtype=uint8)
    """
