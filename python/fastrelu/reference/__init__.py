"""The functions of fastrelu in plain NumPy: slow, and short enough to be seen to be right.

This is the oracle that `fastrelu.verify` and the tests hold every kernel against. It has the names
and the parameters of the ufuncs, broadcasts as they do, returns a scalar for 0-d input as they do,
and never warns. It shares no code with the kernels, on purpose.

NaN compares false with everything, so `x <= 0` keeps it and `x > 0` does not.
"""

from __future__ import annotations

from fastrelu.reference._dtypes import positive as positive
from fastrelu.reference._dtypes import product as product
from fastrelu.reference._dtypes import product_dtype as product_dtype
from fastrelu.reference._parametric import prelu as prelu
from fastrelu.reference._parametric import prelu_backward as prelu_backward
from fastrelu.reference._parametric import relu_backward_bias as relu_backward_bias
from fastrelu.reference._rectifiers import (
    leaky_relu,
    leaky_relu_backward,
    leaky_relu_derivative,
    relu,
    relu_backward,
    relu_derivative,
)
from fastrelu.reference._units import active_count as active_count
from fastrelu.reference._units import dead_units as dead_units
from fastrelu.reference._units import sparsity as sparsity

__all__ = [
    "leaky_relu",
    "leaky_relu_backward",
    "leaky_relu_derivative",
    "relu",
    "relu_backward",
    "relu_derivative",
]
