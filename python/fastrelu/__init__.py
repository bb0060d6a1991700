"""ReLU and Leaky ReLU for NumPy arrays: real ufuncs at the speed of memory, with stated edge cases.

Functions: `relu`, `relu_derivative`, `relu_backward`, `leaky_relu`, `leaky_relu_derivative` and
`leaky_relu_backward` are NumPy ufuncs; `relu_`, `leaky_relu_`, `relu_backward_` and
`leaky_relu_backward_` overwrite their first argument. `verify` holds every kernel against the
NumPy reference in `fastrelu.reference`; `show_config` says what runs where. Large results come from
recycled memory: `recycle_info`, `set_recycle_limit` and `trim`; large calls run on several threads:
`get_num_threads`, `set_num_threads` and `num_threads`.

Along an axis of channels there are `maxout`, `crelu` and their gradients; for quantised numbers,
`make_table` and `apply_table`.

Environment variables: ``FASTRELU_ISA`` chooses the instruction set (see `available_isas`),
``FASTRELU_NUM_THREADS`` the number of threads (see `get_num_threads`), and
``FASTRELU_RECYCLE_LIMIT`` how much memory may be put aside (see `set_recycle_limit`).
"""

from __future__ import annotations

from fastrelu._config import __version__, show_config
from fastrelu._core import available_isas, isa
from fastrelu._grouped import crelu, crelu_backward, maxout, maxout_backward
from fastrelu._inplace import leaky_relu_, leaky_relu_backward_, relu_, relu_backward_
from fastrelu._quantized import apply_table, make_table
from fastrelu._recycling import RecycleInfo, recycle_info, set_recycle_limit, trim
from fastrelu._threads import get_num_threads, num_threads, set_num_threads
from fastrelu._ufuncs import (
    leaky_relu,
    leaky_relu_backward,
    leaky_relu_derivative,
    relu,
    relu_backward,
    relu_derivative,
)
from fastrelu._verify import verify

__all__ = [
    "RecycleInfo",
    "__version__",
    "apply_table",
    "available_isas",
    "crelu",
    "crelu_backward",
    "get_num_threads",
    "isa",
    "leaky_relu",
    "leaky_relu_",
    "leaky_relu_backward",
    "leaky_relu_backward_",
    "leaky_relu_derivative",
    "make_table",
    "maxout",
    "maxout_backward",
    "num_threads",
    "recycle_info",
    "relu",
    "relu_",
    "relu_backward",
    "relu_backward_",
    "relu_derivative",
    "set_num_threads",
    "set_recycle_limit",
    "show_config",
    "trim",
    "verify",
]
