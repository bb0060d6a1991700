# pyright: strict
"""Calls that type checkers accept, and the types that they give: those of the values, too."""

from array import array
from typing import Any, assert_type

import fastrelu as fr
import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int8]
F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


# One line each, as in a program that has functions of its own around this library.
def relu(x: F32) -> F32:
    return fr.relu(x)


def relu_into(x: F32, out: F32) -> F32:
    return fr.relu(x, out=out)


def relu_derivative(x: F32) -> F32:
    return fr.relu_derivative(x)


def relu_gradient(grad: F32, x: F32) -> F32:
    return fr.relu_backward(grad, x)


def relu_gradient_in_place(grad: F32, x: F32) -> F32:
    return fr.relu_backward(grad, x, out=grad)


def leaky_relu(x: F32) -> F32:
    return fr.leaky_relu(x)


def leaky_relu_of_slope(x: F32) -> F32:
    return fr.leaky_relu(x, 0.2)


def leaky_relu_of_named_slope(x: F32, slope: float) -> F32:
    return fr.leaky_relu(x, negative_slope=slope)


def leaky_relu_of_slopes(x: F32, slopes: F32) -> F32:
    return fr.leaky_relu(x, slopes)


def leaky_relu_into(x: F32, out: F32) -> F32:
    return fr.leaky_relu(x, 0.2, out=out)


def leaky_relu_derivative(x: F32) -> F32:
    return fr.leaky_relu_derivative(x, 0.2)


def leaky_relu_gradient(grad: F32, x: F32) -> F32:
    return fr.leaky_relu_backward(grad, x, 0.2)


def leaky_relu_gradient_in_place(grad: F32, x: F32) -> F32:
    return fr.leaky_relu_backward(grad, x, out=grad)


def exponential_unit(x: F32, alpha: float) -> F32:
    return fr.elu(x, alpha)


def layer(x: F32, bias: F32) -> F32:
    return fr.add_relu(x, bias)


def leaky_layer(x: F32, bias: F32) -> F32:
    return fr.add_leaky_relu(x, bias, 0.2)


def shifted(x: F32) -> F32:
    return fr.add_relu(x, 1.0)


def prelu(x: F32, weight: F32) -> F32:
    return fr.prelu(x, weight)


def relu_of_floats(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return fr.relu(x)


def leaky_relu_of_anything(x: NDArray[Any]) -> NDArray[Any]:
    return fr.leaky_relu(x, 0.2)


def relu_of_rows(x: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    assert_type(fr.relu(x), np.ndarray[tuple[int, int], np.dtype[np.float32]])


def optional_out(x: F32, out: F32 | None) -> F32:
    return fr.leaky_relu(x, 0.2, out=out)


def ufuncs(i8: I8, f16: F16, f32: F32, f64: F64) -> None:
    assert_type(fr.relu(i8), I8)
    assert_type(fr.relu(f16), F16)
    assert_type(fr.relu(f32, f64), F64)
    assert_type(fr.relu(f32, out=(f64,)), F64)
    assert_type(fr.relu(f32, where=f32 > 0, out=f32), F32)
    assert_type(fr.relu(2.5), np.float64)
    assert_type(fr.relu(np.float32(2.5)), np.float32)
    assert_type(fr.relu(2), np.int_)
    assert_type(fr.relu([2.5, 1]), Any)
    assert_type(fr.relu(f32, dtype=np.float64), Any)
    assert_type(fr.relu(array("d", [2.5])), Any)
    assert_type(fr.relu(memoryview(b"text")), Any)
    assert_type(fr.relu_backward(i8, i8), I8)
    assert_type(fr.leaky_relu(i8), F64)
    assert_type(fr.leaky_relu(2), np.float64)
    assert_type(fr.leaky_relu(2.5, 0.2), np.float64)
    assert_type(fr.leaky_relu(f32, 0.2, f64), F64)
    assert_type(fr.leaky_relu(f64, np.float64(0.2)), F64)
    assert_type(fr.leaky_relu_backward(i8, i8), F64)
    assert_type(fr.add_leaky_relu(f32, f32), F32)
    assert_type(fr.scale_shift_relu(f32, 2.0, 1.0), F32)
    assert_type(fr.scale_shift_relu(f32, f32, f32), F32)
    assert_type(fr.relu6(f16), F16)
    assert_type(fr.relu6_backward(f16, f16), F16)
    assert_type(fr.clipped_relu(f32, 3), F32)
    assert_type(fr.clipped_relu_backward(f32, f32, 3), F32)
    assert_type(fr.hardtanh(f32), F32)
    assert_type(fr.hardtanh(f32, -2, max_val=2), F32)
    assert_type(fr.hardtanh_backward(f32, f32), F32)
    assert_type(fr.thresholded_relu(f32), F32)
    assert_type(fr.threshold(f32, 1, 0), F32)
    assert_type(fr.threshold_backward(f32, f32, 1), F32)
    assert_type(fr.relu_quantized(i8, 3), I8)
    assert_type(fr.squared_relu(f32), F32)
    assert_type(fr.hardswish(i8), F64)
    assert_type(fr.hardswish_backward(f32, f32), F32)
    assert_type(fr.softshrink(f32, 0.25), F32)
    assert_type(fr.softshrink_backward(f32, f32, lambd=np.float32(0.25)), F32)
    assert_type(fr.relu.at(f32, 0), None)


def smooth_ufuncs(i8: I8, f16: F16, f32: F32) -> None:
    assert_type(fr.sigmoid(f32), F32)
    assert_type(fr.sigmoid(i8), F64)
    assert_type(fr.sigmoid(2), np.float64)
    assert_type(fr.tanh(2.5), np.float64)
    assert_type(fr.gelu_derivative(f16), F16)
    assert_type(fr.gelu_backward(f32, f32, out=f32), F32)
    assert_type(fr.sigmoid_backward_from_output(i8, i8), F64)
    assert_type(fr.elu(f32), F32)
    assert_type(fr.elu(f16, 0.5), F16)
    assert_type(fr.elu(i8, alpha=2), F64)
    assert_type(fr.celu_derivative(f32, f32), F32)
    assert_type(fr.celu_backward(f32, f32, alpha=0.5), F32)


def in_place(f32: F32) -> None:
    assert_type(fr.relu_(f32), F32)
    buffer: array[float] = fr.leaky_relu_(array("d", [-2.5]), 0.2)
    fr.relu_(buffer)
    assert_type(fr.relu_backward_(f32, f32), F32)


def beside_ufuncs(f32: F32, u8: NDArray[np.uint8]) -> None:
    assert_type(fr.clip_grad_norm_(f32, 1), float)
    assert_type(fr.clip_grad_norm_([f32, array("d", [2.5])], max_norm=1.5), float)
    assert_type(fr.prelu(f32, 0.25), F32)
    assert_type(fr.crelu(f32), NDArray[Any])
    assert_type(fr.apply_table(u8, np.arange(256, dtype=np.float32)), F32)
    assert_type(fr.active_count(f32), int)
    assert_type(fr.sparsity(f32), float)
    assert_type(fr.dead_units(f32, axis=None), bool)
    assert_type(fr.dead_units(f32), Any)


x32 = np.full((2, 4), -2.5, np.float32)
for wrapper in (relu, relu_derivative, leaky_relu, leaky_relu_of_slope, leaky_relu_derivative):
    assert_type(wrapper(x32), F32)
for wrapper2 in (relu_into, relu_gradient, leaky_relu_of_slopes, leaky_relu_gradient, layer):
    assert_type(wrapper2(x32, x32.copy()), F32)
relu_of_rows(x32)
ufuncs(x32.astype(np.int8), x32.astype(np.float16), x32, x32.astype(np.float64))
smooth_ufuncs(x32.astype(np.int8), x32.astype(np.float16), np.ones(3, np.float32))
in_place(x32)
beside_ufuncs(x32, np.zeros(3, np.uint8))
