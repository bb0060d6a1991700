"""relu and leaky_relu, their derivatives and their gradients."""

from __future__ import annotations

from fastrelu._ufuncs._declaration import ufunc


@ufunc
def relu(x, /):
    """Rectified linear unit, element by element: ``+0 if x <= 0 else x``.

    See Also
    --------
    relu_ : The same, overwriting its argument.
    relu_backward : The gradient.

    Notes
    -----
    NaN stays NaN, with its sign and payload; both zeros become +0.0. No input raises a
    floating-point warning, and the bits are the same on every processor. ``np.maximum(x, 0)`` gives
    equal values, but the sign of its zeros depends on dtype and platform.

    Examples
    --------
    >>> fr.relu(np.array([-2.0, -0.0, 3.0, np.nan, np.inf]))
    array([ 0.,  0.,  3., nan, inf])
    >>> x = np.array([-1, 2], dtype=np.int8)
    >>> fr.relu(x, out=x)
    array([0, 2], dtype=int8)
    """


@ufunc
def relu_derivative(x, /):
    """Derivative of :func:`relu`, element by element: ``0 if x <= 0 else 1``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output, of any shape: both give the same bits.

    Notes
    -----
    At 0, where relu has no derivative, it is 0, and at NaN it is 1: the subgradient that PyTorch's
    ``threshold_backward`` takes.

    Examples
    --------
    >>> fr.relu_derivative(np.array([-2.0, 0.0, 3.0], dtype=np.float32))
    array([0., 0., 1.], dtype=float32)
    """


@ufunc
def relu_backward(grad_output, x, /):
    """Gradient through :func:`relu`, element by element: ``+0 if x <= 0 else grad_output``.

    Parameters
    ----------
    x : array_like of integers or floats
        relu's input or its output: both give the same bits. It must broadcast with `grad_output`.

    See Also
    --------
    relu_backward_ : The same, overwriting `grad_output`.

    Notes
    -----
    The gradient is selected, not multiplied by a mask: where ``x <= 0`` the result is +0.0, even if
    `grad_output` is NaN or infinite and ``grad_output * (x > 0)`` would be NaN. The gradient at 0
    is 0; a NaN in `x` lets the gradient pass (as PyTorch's ``threshold_backward`` does).

    Examples
    --------
    >>> fr.relu_backward(np.array([5.0, np.nan, 7.0]), np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 7.])
    """


@ufunc
def leaky_relu(x, /, negative_slope=0.01):
    """Leaky rectified linear unit, element by element: ``x if x > 0 else x * negative_slope``.

    Parameters
    ----------
    negative_slope : array_like of integers or floats, default 0.01
        Slope for ``x <= 0``: one number, or an array that broadcasts with `x`, such as one slope
        per channel. Any value is legal, negative ones and those above 1 too.

    See Also
    --------
    leaky_relu_ : The same, overwriting `x`.
    leaky_relu_backward : The gradient.

    Notes
    -----
    A slope of 0 is arithmetic: it gives -0.0 for -1 and NaN for -inf. Use :func:`relu` instead.
    ``.at``, ``.outer`` and a positional `out` need the slope spelled out: ``leaky_relu(x, y)``
    takes `y` for a slope. The default is that of PyTorch, JAX and ONNX; Keras has 0.3 or 0.2.

    Examples
    --------
    >>> fr.leaky_relu(np.array([-2.0, 0.0, 3.0]))
    array([-0.02,  0.  ,  3.  ])
    >>> fr.leaky_relu(np.array([[-2.0, 4.0], [-2.0, 4.0]]), np.array([[0.5], [0.25]]))
    array([[-1. ,  4. ],
           [-0.5,  4. ]])
    """


@ufunc
def leaky_relu_derivative(x, /, negative_slope=0.01):
    """Derivative of :func:`leaky_relu`, element by element: ``1 if x > 0 else negative_slope``.

    Parameters
    ----------
    x : array_like of integers or floats
        leaky_relu's input, of any shape.
    negative_slope : array_like of integers or floats, default 0.01
        Slope for ``x <= 0``: one number, or an array that broadcasts with `x`.

    Notes
    -----
    At 0 and at NaN it is the slope (PyTorch, TensorFlow and oneDNN; JAX has 1 at 0).

    Examples
    --------
    >>> fr.leaky_relu_derivative(np.array([-2.0, 0.0, 3.0]), negative_slope=0.2)
    array([0.2, 0.2, 1. ])
    """


@ufunc
def leaky_relu_backward(grad_output, x, /, negative_slope=0.01):
    """Gradient through :func:`leaky_relu`: ``grad_output * (1 if x > 0 else negative_slope)``.

    See Also
    --------
    leaky_relu_backward_ : The same, overwriting `grad_output`.

    Notes
    -----
    The gradient at 0 and at NaN takes the slope (PyTorch, TensorFlow, oneDNN).

    Examples
    --------
    >>> fr.leaky_relu_backward(np.array([1.0, 1.0, 1.0]), np.array([-2.0, 0.0, 3.0]), 0.2)
    array([0.2, 0.2, 1. ])
    """
