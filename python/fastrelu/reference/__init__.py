"""The functions of fastrelu in plain NumPy: slow, and short enough to be seen to be right.

`fastrelu.verify` and the tests compare every kernel with these functions. They have the names and
the parameters of the library's functions, broadcast like them, return a scalar for 0-d input like
them, and never warn. They share no code with the library: `fastrelu.reference` imports NumPy alone.

NaN compares false with everything, so `x <= 0` keeps it and `x > 0` does not.

A docstring here is the formula; that of the library's function has parameters and examples.

>>> import numpy as np
>>> from fastrelu import reference
>>> reference.relu([-1.0, -0.0, 2.0, np.nan])
array([ 0.,  0.,  2., nan])
>>> reference.leaky_relu_backward([1.0, 1.0], [-3.0, 3.0], negative_slope=0.5)
array([0.5, 1. ])
>>> reference.arithmetic("relu"), reference.arithmetic("leaky_relu")
('selects', 'multiplies')
"""

from __future__ import annotations

# A module's public functions are those that it declares: @selects, @adds, @multiplies, @smooth.
from fastrelu.reference._dtypes import arithmetic, declared, positive, product, product_dtype
from fastrelu.reference._functions import *
from fastrelu.reference._smooth import *
from fastrelu.reference._ufuncs import *

__all__ = ["arithmetic", "positive", "product", "product_dtype"]
__all__.extend(declared)


def __dir__() -> list[str]:
    return __all__
