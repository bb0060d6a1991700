"""ReLU and Leaky ReLU for NumPy arrays: real ufuncs at the speed of memory, with stated edge cases.

NumPy ufuncs are `relu` and `leaky_relu` with their ``_derivative`` and ``_backward``; of sums and
scaled arrays `add_relu`, `add_leaky_relu` and `scale_shift_relu`; with bounds `relu6`,
`clipped_relu`, `hardtanh`, `thresholded_relu` and `threshold`; `squared_relu`, `hardsigmoid`,
`hardswish` and `softshrink`, all with a ``_backward``; and `relu_quantized`. `relu_`,
`leaky_relu_`, `relu_backward_` and `leaky_relu_backward_` overwrite their first argument.

Smooth ufuncs are `sigmoid`, `tanh`, `silu`, `gelu`, `gelu_tanh`, `mish`, `softplus`, `log_sigmoid`,
`selu`, `softsign`, `elu` and `celu`, correctly rounded, all with ``_derivative`` and ``_backward``.

`relu_with_mask`, `add_relu_with_mask` and `relu_backward_from_mask`, and those of leaky_relu, store
one bit per element for the backward pass, a `Mask`. `relu_backward_with_bias`, `prelu`,
`prelu_backward`, `rrelu` and `rrelu_with_slopes` have parameters that are learned or drawn.
`maxout`, `crelu` and their gradients work along an axis of channels, `make_table` and `apply_table`
on quantised numbers. `softmax`, `log_softmax` with their gradients and `cross_entropy` turn scores
into shares. `active_count`, `sparsity` and `dead_units` count active elements, as do the
methods of a `Mask`; `activity` logs them. `clip_grad_norm_` bounds the norm of gradients.

Ufuncs keep what an array carries besides its elements, such as a mask, labels, units or a graph of
computations. The other functions raise TypeError for such arrays (those of numpy.ma, dask, pandas
and xarray, and subclasses of ndarray except memmap and recarray), unless they say otherwise.

`verify` compares every kernel with the NumPy reference in `fastrelu.reference`; `show_config`
prints what runs where, `isa` and `available_isas` the instruction sets. Large results reuse cached
memory (`recycle_info`, `set_recycle_limit`, `trim`), and large calls run on several threads
(`get_num_threads`, `set_num_threads`, `num_threads`).

Environment variables: ``FASTRELU_ISA`` chooses the instruction set, ``FASTRELU_NUM_THREADS`` the
number of threads, and ``FASTRELU_RECYCLE_LIMIT`` the size of the memory cache.

The examples assume ``import numpy as np`` and ``import fastrelu as fr``.
"""

from fastrelu import (
    _activity,
    _channels,
    _clipping,
    _counts,
    _inplace,
    _masks,
    _prelu,
    _runtime,
    _softmax,
    _tables,
    _ufuncs,
)
from fastrelu._activity import *
from fastrelu._channels import *
from fastrelu._clipping import *
from fastrelu._counts import *
from fastrelu._inplace import *
from fastrelu._masks import *
from fastrelu._prelu import *
from fastrelu._runtime import *
from fastrelu._softmax import *
from fastrelu._tables import *
from fastrelu._ufuncs import *
from fastrelu._verify import verify
from fastrelu._version import __version__

__all__ = ["__version__", "verify"]
__all__ += _activity.__all__  # in this form type checkers read it
__all__ += _channels.__all__
__all__ += _clipping.__all__
__all__ += _counts.__all__
__all__ += _inplace.__all__
__all__ += _masks.__all__
__all__ += _prelu.__all__
__all__ += _runtime.__all__
__all__ += _softmax.__all__
__all__ += _tables.__all__
__all__ += _ufuncs.__all__
