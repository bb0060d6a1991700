"""ReLU and Leaky ReLU for NumPy arrays: real ufuncs at the speed of memory, with stated edge cases.

Functions: NumPy ufuncs are `relu` and `leaky_relu` with their ``_derivative`` and ``_backward``; of
sums and scaled arrays `add_relu`, `add_leaky_relu` and `scale_shift_relu`; with bounds `relu6`,
`clipped_relu`, `hardtanh`, `thresholded_relu` and `threshold`; `squared_relu`, `hardsigmoid` and
`hardswish`, all with a ``_backward``; and `relu_quantized`. `relu_`, `leaky_relu_`,
`relu_backward_` and `leaky_relu_backward_` overwrite their first argument. `verify` holds every
kernel against the NumPy reference in `fastrelu.reference`; `show_config` says what runs where.
Large results come from recycled memory: `recycle_info`, `set_recycle_limit` and `trim`; large calls
run on several threads: `get_num_threads`, `set_num_threads` and `num_threads`.

Environment variables: ``FASTRELU_ISA`` chooses the instruction set (see `available_isas`),
``FASTRELU_NUM_THREADS`` the number of threads (see `get_num_threads`), and
``FASTRELU_RECYCLE_LIMIT`` how much memory may be put aside (see `set_recycle_limit`).
"""

from __future__ import annotations

from fastrelu._config import __version__, show_config
from fastrelu._core import available_isas, isa
from fastrelu._inplace import leaky_relu_, leaky_relu_backward_, relu_, relu_backward_
from fastrelu._recycling import RecycleInfo, recycle_info, set_recycle_limit, trim
from fastrelu._threads import get_num_threads, num_threads, set_num_threads
from fastrelu._ufuncs import (
    add_leaky_relu,
    add_relu,
    clipped_relu,
    clipped_relu_backward,
    hardsigmoid,
    hardsigmoid_backward,
    hardswish,
    hardswish_backward,
    hardtanh,
    hardtanh_backward,
    leaky_relu,
    leaky_relu_backward,
    leaky_relu_derivative,
    relu,
    relu6,
    relu6_backward,
    relu_backward,
    relu_derivative,
    relu_quantized,
    scale_shift_relu,
    squared_relu,
    squared_relu_backward,
    threshold,
    threshold_backward,
    thresholded_relu,
    thresholded_relu_backward,
)
from fastrelu._verify import verify

__all__ = [
    "RecycleInfo",
    "__version__",
    "add_leaky_relu",
    "add_relu",
    "available_isas",
    "clipped_relu",
    "clipped_relu_backward",
    "get_num_threads",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "hardtanh",
    "hardtanh_backward",
    "isa",
    "leaky_relu",
    "leaky_relu_",
    "leaky_relu_backward",
    "leaky_relu_backward_",
    "leaky_relu_derivative",
    "num_threads",
    "recycle_info",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_",
    "relu_backward",
    "relu_backward_",
    "relu_derivative",
    "relu_quantized",
    "scale_shift_relu",
    "set_num_threads",
    "set_recycle_limit",
    "show_config",
    "squared_relu",
    "squared_relu_backward",
    "threshold",
    "threshold_backward",
    "thresholded_relu",
    "thresholded_relu_backward",
    "trim",
    "verify",
]
