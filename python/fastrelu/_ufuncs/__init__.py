"""The ufuncs of the extension under the signatures and docstrings that NumPy cannot know."""

from __future__ import annotations

from fastrelu import _core
from fastrelu._float8 import describe
from fastrelu._ufuncs._bounded import *
from fastrelu._ufuncs._fused import *
from fastrelu._ufuncs._hard import *
from fastrelu._ufuncs._rectifiers import *
from fastrelu._ufuncs._smooth import *

_core.set_float8_describer(describe)

__all__ = [
    "add_leaky_relu",
    "add_relu",
    "celu",
    "celu_backward",
    "celu_derivative",
    "clipped_relu",
    "clipped_relu_backward",
    "elu",
    "elu_backward",
    "elu_derivative",
    "gelu",
    "gelu_backward",
    "gelu_derivative",
    "gelu_tanh",
    "gelu_tanh_backward",
    "gelu_tanh_derivative",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "hardtanh",
    "hardtanh_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_derivative",
    "log_sigmoid",
    "log_sigmoid_backward",
    "log_sigmoid_derivative",
    "mish",
    "mish_backward",
    "mish_derivative",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "relu_derivative",
    "relu_quantized",
    "scale_shift_relu",
    "selu",
    "selu_backward",
    "selu_derivative",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_backward_from_output",
    "sigmoid_derivative",
    "silu",
    "silu_backward",
    "silu_derivative",
    "softplus",
    "softplus_backward",
    "softplus_derivative",
    "softshrink",
    "softshrink_backward",
    "softsign",
    "softsign_backward",
    "softsign_derivative",
    "squared_relu",
    "squared_relu_backward",
    "tanh",
    "tanh_backward",
    "tanh_backward_from_output",
    "tanh_derivative",
    "threshold",
    "threshold_backward",
    "thresholded_relu",
    "thresholded_relu_backward",
]
