"""softmax, log_softmax, their gradients, and the cross entropy."""

from __future__ import annotations

from math import prod
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from fastrelu import _core, _layout
from fastrelu._layout import Array, Axes

__all__ = [
    "cross_entropy",
    "log_softmax",
    "log_softmax_backward",
    "softmax",
    "softmax_backward",
]


def softmax(x: ArrayLike, /, axis: Axes = -1, out: Array | None = None) -> Array:
    """Softmax: ``exp(x) / sum(exp(x))`` along `axis`.

    Parameters
    ----------
    x : array_like of integers or floats
        Input of at least one dimension, or of any if `axis` is None.
    axis : int, tuple of int, or None, default -1
        The axes that share one sum; None for all.
    out : ndarray, optional
        Where the result goes, instead of a new array: of its shape and dtype. It may be `x`.

    Returns
    -------
    y : ndarray
        Of the shape and dtype of `x`, except float64 for integers.

    Raises
    ------
    numpy.exceptions.AxisError
        If `axis` is out of range.
    TypeError
        If `x` does not hold integers or floats, `out` is not an array of the result's dtype, or an
        argument carries more than its elements.
    ValueError
        If there are no elements along `axis`, or `out` has another shape or is read-only.

    See Also
    --------
    log_softmax, softmax_backward, cross_entropy

    Notes
    -----
    ``scipy.special.softmax``, whose default is ``axis=None``. Everything is computed in float64
    (longdouble in longdouble) and rounded once. The largest element is subtracted first, so that
    nothing overflows; narrower floats of at most 300 in size need no such step. Errors are below
    0.51 ULP in float32 and narrower floats; in float64 the largest that was measured is 2.4 ULP.
    The result has the same bits for every number of threads, instruction set and memory layout:
    sums are added in the order of
    :func:`relu_backward_with_bias`. A NaN, an infinity or nothing but ``-inf`` along `axis` makes
    all results NaN, which NumPy reports as invalid, except for NaN.

    Rows of more than 32,768 elements, or of more than 2,048 if they lie side by side as `axis` is
    not the last, are exponentiated twice: a buffer holds no more.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.softmax(np.array([[0.0, np.log(3.0)], [-np.inf, 800.0]]))
    array([[0.25, 0.75],
           [0.  , 1.  ]])
    """
    y = _core.softmax(x, axis, out)
    return _forward("softmax", x, axis, out) if y is NotImplemented else y


def log_softmax(x: ArrayLike, /, axis: Axes = -1, out: Array | None = None) -> Array:
    """Logarithm of softmax: ``x - log(sum(exp(x)))`` along `axis`.

    Parameters
    ----------
    x, axis, out
        As for :func:`softmax`.

    Returns
    -------
    y : ndarray
        Of the shape and dtype of `x`, except float64 for integers.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for :func:`softmax`.

    Notes
    -----
    ``scipy.special.log_softmax``, whose default is ``axis=None``, with its results for infinities:
    beside ``inf`` every finite number gives ``-inf``. Results near 0 keep their accuracy: where the
    largest element is alone, ``log(1 + rest)`` is computed from the rest. Errors, bits and order of
    additions are those of :func:`softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.log_softmax(np.array([0.0, -100.0]))
    array([-3.72007598e-44, -1.00000000e+02])
    """
    y = _core.log_softmax(x, axis, out)
    return _forward("log_softmax", x, axis, out) if y is NotImplemented else y


def softmax_backward(
    grad_output: ArrayLike, y: ArrayLike, /, axis: Axes = -1, out: Array | None = None
) -> Array:
    """Gradient through :func:`softmax`: ``y * (grad_output - sum(grad_output * y))``.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to softmax's output.
    y : array_like of integers or floats
        softmax's output, of the shape of `grad_output`.
    axis : int, tuple of int, or None, default -1
        As for :func:`softmax`.
    out : ndarray, optional
        Where the result goes, instead of a new array. It may be `grad_output` or `y`.

    Returns
    -------
    grad_x : ndarray
        Of the common dtype of `grad_output` and `y`, except float64 for integers.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for :func:`softmax`; ValueError too if the shapes differ.

    Notes
    -----
    Computed in float64 (longdouble in longdouble) and rounded once; the order of additions is that
    of :func:`relu_backward_with_bias`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.softmax_backward([1.0, 0.0], [0.25, 0.75])
    array([ 0.1875, -0.1875])
    """
    g = _core.softmax_backward(grad_output, y, axis, out)
    return _backward("softmax_backward", grad_output, y, axis, out) if g is NotImplemented else g


def log_softmax_backward(
    grad_output: ArrayLike, y: ArrayLike, /, axis: Axes = -1, out: Array | None = None
) -> Array:
    """Gradient through :func:`log_softmax`: ``grad_output - exp(y) * sum(grad_output)``.

    Parameters
    ----------
    grad_output : array_like of integers or floats
        Gradient of the loss with respect to log_softmax's output.
    y : array_like of integers or floats
        log_softmax's output, of the shape of `grad_output`.
    axis, out
        As for :func:`softmax_backward`.

    Returns
    -------
    grad_x : ndarray
        Of the common dtype of `grad_output` and `y`, except float64 for integers.

    Raises
    ------
    TypeError, ValueError, numpy.exceptions.AxisError
        As for :func:`softmax_backward`.

    Notes
    -----
    Computed and added as in :func:`softmax_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> fr.log_softmax_backward([1.0, 0.0], np.log([0.25, 0.75])).round(6)
    array([ 0.75, -0.75])
    """
    g = _core.log_softmax_backward(grad_output, y, axis, out)
    return (
        _backward("log_softmax_backward", grad_output, y, axis, out) if g is NotImplemented else g
    )


def cross_entropy(
    logits: ArrayLike, labels: ArrayLike, /, axis: SupportsIndex = -1
) -> tuple[Any, Array]:
    """Cross entropy of softmax and labels, and its gradient, in one pass.

    ``loss = log(sum(exp(logits))) - logits[label]`` and ``softmax(logits) - onehot(label)``.

    Parameters
    ----------
    logits : array_like of integers or floats
        The classes' scores along `axis`, of at least one dimension.
    labels : array_like of integers
        The number of the right class, from 0 on, for each sample: of the shape of `logits` without
        `axis`.
    axis : int, default -1
        The axis of the classes: -1 for a dense layer's output, 1 for images in the order NCHW.

    Returns
    -------
    loss : ndarray or scalar
        One for each sample, of the shape of `labels` and the dtype of `logits`, except float64 for
        integers. It is not reduced: take the mean or the sum.
    grad_logits : ndarray
        Gradient of each sample's loss, of the shape of `logits`. For that of the mean, divide it by
        ``labels.size``.

    Raises
    ------
    numpy.exceptions.AxisError
        If `axis` is out of range.
    TypeError
        If `logits` do not hold integers or floats, `labels` do not hold integers, or one of them
        carries more than its elements.
    ValueError
        If the shapes do not fit, a label is out of range, or there are no classes.

    Notes
    -----
    PyTorch's ``cross_entropy(logits, labels, reduction="none")``. Errors, bits and order of
    additions are those of :func:`log_softmax` and :func:`softmax`. A loss near 0, and the gradient
    at the label with it, keeps its accuracy where ``1 - softmax(logits)[label]`` would lose it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastrelu as fr
    >>> loss, grad = fr.cross_entropy(np.log([[1.0, 3.0], [1.0, 1.0]]), [1, 0])
    >>> loss.round(6)
    array([0.287682, 0.693147])
    >>> grad.round(6)
    array([[ 0.25, -0.25],
           [-0.5 ,  0.5 ]])
    """
    both = _core.cross_entropy(logits, labels, axis)
    return _cross_entropy(logits, labels, axis) if both is NotImplemented else both


def _forward(name: str, x: ArrayLike, axis: Axes, out: Any) -> Array:
    x = _layout.numbers(name, x)
    return _along(name, (x,), _result_dtype(x.dtype), axis, out)


def _backward(name: str, grad_output: ArrayLike, y: ArrayLike, axis: Axes, out: Any) -> Array:
    grad, y = _layout.numbers(name, grad_output, "grad_output"), _layout.numbers(name, y, "y")
    if grad.shape != y.shape:
        raise ValueError(f"{name}: grad_output has shape {grad.shape}, but y has {y.shape}")
    try:
        dtype = np.result_type(grad, y)
    except TypeError as error:
        raise _layout.renamed(name, error) from error
    return _along(name, (grad, y), _result_dtype(dtype), axis, out)


def _along(
    name: str, arrays: tuple[Array, ...], dtype: np.dtype[Any], axis: Axes, out: Any
) -> Array:
    """Call the extension's function of that name for arrays of one shape."""
    shape = arrays[0].shape
    axes = _layout.normalized(name, axis, len(shape))
    _layout.check_out(name, out, shape, dtype)
    _check_length(name, shape, axes)
    if 0 in shape:
        return np.empty(shape, dtype) if out is None else out
    placed = [_as_rows(each, axes, dtype) for each in arrays]
    result = _layout.answered(name, getattr(_core, name)(*placed, 1, None), *placed)
    y: Array = _layout.delivered(_from_rows(result, shape, axes), out)
    return y


def _cross_entropy(logits: ArrayLike, labels: ArrayLike, axis: SupportsIndex) -> tuple[Any, Array]:
    name = "cross_entropy"
    logits = _layout.numbers(name, logits, "logits")
    labels = _layout.plain(name, "labels", labels)
    axis = _layout.axis_of(name, logits.ndim, axis)
    shape, dtype = logits.shape, _result_dtype(logits.dtype)
    _check_labels(name, labels, shape, axis)
    if labels.size == 0:
        return np.empty(labels.shape, dtype), np.empty(shape, dtype)
    rows = _as_rows(logits, (axis,), dtype)
    numbers = _layout.dense(labels, np.int64).reshape(-1)
    loss, grad = _layout.answered(name, _core.cross_entropy(rows, numbers, 1), rows)
    return loss.reshape(labels.shape)[()], _from_rows(grad, shape, (axis,))


def _result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64) if dtype.kind in "iu" else dtype.newbyteorder("=")


def _check_length(name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    empty = [axis for axis in axes if shape[axis] == 0]
    if empty:
        raise ValueError(f"{name}: there are no elements along axis {empty[0]} of shape {shape}")


def _check_labels(name: str, labels: Array, shape: tuple[int, ...], axis: int) -> None:
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: labels must hold integers, not {labels.dtype}; pass for example "
            "np.asarray(labels, np.intp), or labels.argmax(axis) of shares"
        )
    fitting = _layout.remaining(shape, (axis,))
    if labels.shape != fitting:
        given = f"labels have shape {labels.shape}"
        raise ValueError(f"{name}: {given}, but logits of shape {shape} need {fitting}")
    _check_length(name, shape, (axis,))
    classes = shape[axis]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        at = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), labels.shape))
        place = f" at {at if len(at) > 1 else at[0]}" if at else ""
        raise ValueError(
            f"{name}: label {labels[at]}{place} is out of range for {classes} classes; "
            f"pass labels from 0 to {classes - 1}"
        )


def _order(ndim: int, axes: tuple[int, ...]) -> list[int]:
    """Return the axes of the result first, and those of the sums last."""
    return [axis for axis in range(ndim) if axis not in axes] + sorted(axes)


def _as_rows(array: Array, axes: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    size = prod(array.shape[axis] for axis in axes)
    return _layout.dense(array.transpose(_order(array.ndim, axes)), dtype).reshape(-1, size)


def _from_rows(rows: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    order = _order(len(shape), axes)
    return rows.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
