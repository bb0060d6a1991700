"""The ufuncs of the extension under the signatures and docstrings that NumPy cannot know."""

from __future__ import annotations

from fastrelu import _core
from fastrelu._float8 import describe
from fastrelu._ufuncs._bounded import *
from fastrelu._ufuncs._fused import *
from fastrelu._ufuncs._hard import *
from fastrelu._ufuncs._rectifiers import *

_core.set_float8_describer(describe)

__all__ = [
    "add_leaky_relu",
    "add_relu",
    "clipped_relu",
    "clipped_relu_backward",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "hardtanh",
    "hardtanh_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_derivative",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "relu_derivative",
    "relu_quantized",
    "scale_shift_relu",
    "softshrink",
    "softshrink_backward",
    "squared_relu",
    "squared_relu_backward",
    "threshold",
    "threshold_backward",
    "thresholded_relu",
    "thresholded_relu_backward",
]
