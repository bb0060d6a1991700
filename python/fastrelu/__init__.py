"""ReLU and Leaky ReLU for NumPy arrays: real ufuncs at the speed of memory, with stated edge cases.

NumPy ufuncs are `relu` and `leaky_relu` with their ``_derivative`` and ``_backward``; of sums and
scaled arrays `add_relu`, `add_leaky_relu` and `scale_shift_relu`; with bounds `relu6`,
`clipped_relu`, `hardtanh`, `thresholded_relu` and `threshold`; `squared_relu`, `hardsigmoid`,
`hardswish` and `softshrink`, all with a ``_backward``; and `relu_quantized`. `relu_`,
`leaky_relu_`, `relu_backward_` and `leaky_relu_backward_` overwrite their first argument.

One bit an element for the backward pass: `relu_with_mask`, `relu_backward_from_mask` and those of
leaky_relu. `relu_backward_with_bias`, `prelu`, `prelu_backward` and `rrelu` have parameters that
are learned or drawn. Along an axis of channels there are `maxout`, `crelu` and their gradients; for
quantised numbers, `make_table` and `apply_table`. `active_count`, `sparsity` and `dead_units` look
at what relu keeps, as do their namesakes for saved masks; `activity` logs it.

`verify` holds every kernel against the NumPy reference in `fastrelu.reference`; `show_config` says
what runs where. Large results come from recycled memory: `recycle_info`, `set_recycle_limit` and
`trim`; large calls run on several threads: `get_num_threads`, `set_num_threads` and `num_threads`.

Environment variables: ``FASTRELU_ISA`` chooses the instruction set (see `available_isas`),
``FASTRELU_NUM_THREADS`` the number of threads (see `get_num_threads`), and
``FASTRELU_RECYCLE_LIMIT`` how much memory may be put aside (see `set_recycle_limit`).
"""

from __future__ import annotations

from fastrelu._activity import ActivityLog, ActivityRow, activity
from fastrelu._channels import crelu, crelu_backward, maxout, maxout_backward
from fastrelu._counts import (
    active_count,
    active_count_from_mask,
    dead_units,
    dead_units_from_mask,
    sparsity,
    sparsity_from_mask,
)
from fastrelu._inplace import leaky_relu_, leaky_relu_backward_, relu_, relu_backward_
from fastrelu._masks import (
    leaky_relu_backward_from_mask,
    leaky_relu_backward_from_output,
    leaky_relu_with_mask,
    relu_backward_from_mask,
    relu_with_mask,
)
from fastrelu._prelu import (
    prelu,
    prelu_backward,
    relu_backward_with_bias,
    rrelu,
    rrelu_with_slopes,
)
from fastrelu._runtime import (
    RecycleInfo,
    available_isas,
    get_num_threads,
    isa,
    num_threads,
    recycle_info,
    set_num_threads,
    set_recycle_limit,
    show_config,
    trim,
)
from fastrelu._tables import apply_table, make_table
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
    softshrink,
    softshrink_backward,
    squared_relu,
    squared_relu_backward,
    threshold,
    threshold_backward,
    thresholded_relu,
    thresholded_relu_backward,
)
from fastrelu._verify import verify
from fastrelu._version import __version__

__all__ = [
    "ActivityLog",
    "ActivityRow",
    "RecycleInfo",
    "__version__",
    "active_count",
    "active_count_from_mask",
    "activity",
    "add_leaky_relu",
    "add_relu",
    "apply_table",
    "available_isas",
    "clipped_relu",
    "clipped_relu_backward",
    "crelu",
    "crelu_backward",
    "dead_units",
    "dead_units_from_mask",
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
    "leaky_relu_backward_from_mask",
    "leaky_relu_backward_from_output",
    "leaky_relu_derivative",
    "leaky_relu_with_mask",
    "make_table",
    "maxout",
    "maxout_backward",
    "num_threads",
    "prelu",
    "prelu_backward",
    "recycle_info",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_",
    "relu_backward",
    "relu_backward_",
    "relu_backward_from_mask",
    "relu_backward_with_bias",
    "relu_derivative",
    "relu_quantized",
    "relu_with_mask",
    "rrelu",
    "rrelu_with_slopes",
    "scale_shift_relu",
    "set_num_threads",
    "set_recycle_limit",
    "show_config",
    "softshrink",
    "softshrink_backward",
    "sparsity",
    "sparsity_from_mask",
    "squared_relu",
    "squared_relu_backward",
    "threshold",
    "threshold_backward",
    "thresholded_relu",
    "thresholded_relu_backward",
    "trim",
    "verify",
]
