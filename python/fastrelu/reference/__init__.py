"""The functions of fastrelu in plain NumPy: slow, and short enough to be seen to be right.

This is the oracle that `fastrelu.verify` and the tests hold every kernel against. It has the names
and the parameters of the ufuncs, broadcasts as they do, returns a scalar for 0-d input as they do,
and never warns. It shares no code with the kernels, on purpose.

NaN compares false with everything, so `x <= 0` keeps it and `x > 0` does not.
"""

from __future__ import annotations

from fastrelu.reference._bounded import (
    clipped_relu,
    clipped_relu_backward,
    hardtanh,
    hardtanh_backward,
    relu6,
    relu6_backward,
    relu_quantized,
    threshold,
    threshold_backward,
    thresholded_relu,
    thresholded_relu_backward,
)
from fastrelu.reference._channels import crelu, crelu_backward, maxout, maxout_backward
from fastrelu.reference._counts import active_count as active_count
from fastrelu.reference._counts import dead_units as dead_units
from fastrelu.reference._counts import sparsity as sparsity
from fastrelu.reference._dtypes import arithmetic as arithmetic
from fastrelu.reference._dtypes import positive as positive
from fastrelu.reference._dtypes import product as product
from fastrelu.reference._dtypes import product_dtype as product_dtype
from fastrelu.reference._fused import (
    add_leaky_relu,
    add_relu,
    crelu_gradient,
    negated_relu,
    scale_shift_relu,
)
from fastrelu.reference._hard import (
    hardsigmoid,
    hardsigmoid_backward,
    hardswish,
    hardswish_backward,
    softshrink,
    softshrink_backward,
    squared_relu,
    squared_relu_backward,
)
from fastrelu.reference._masks import (
    leaky_relu_backward_from_mask as leaky_relu_backward_from_mask,
)
from fastrelu.reference._masks import (
    leaky_relu_backward_from_output as leaky_relu_backward_from_output,
)
from fastrelu.reference._masks import leaky_relu_with_mask as leaky_relu_with_mask
from fastrelu.reference._masks import relu_backward_from_mask as relu_backward_from_mask
from fastrelu.reference._masks import relu_with_mask as relu_with_mask
from fastrelu.reference._prelu import prelu as prelu
from fastrelu.reference._prelu import prelu_backward as prelu_backward
from fastrelu.reference._prelu import relu_backward_with_bias as relu_backward_with_bias
from fastrelu.reference._rectifiers import (
    leaky_relu,
    leaky_relu_backward,
    leaky_relu_derivative,
    relu,
    relu_backward,
    relu_derivative,
)
from fastrelu.reference._tables import apply_table, make_table

__all__ = [
    "add_leaky_relu",
    "add_relu",
    "apply_table",
    "clipped_relu",
    "clipped_relu_backward",
    "crelu",
    "crelu_backward",
    "crelu_gradient",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "hardtanh",
    "hardtanh_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_derivative",
    "make_table",
    "maxout",
    "maxout_backward",
    "negated_relu",
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
