"""Run thinc, the engine of spaCy, on fastrelu: a class of operations with other activations.

thinc computes activations and gradients by methods of an `Ops` object; relu's gradient gets the
output, mish's the input. What is not defined here stays that of thinc's `NumpyOps`.

Needs ``pip install thinc``.
"""

from timeit import repeat

import fastrelu as fr
import numpy as np
from thinc.api import Mish, NumpyOps, Relu, chain, fix_random_seed, registry, use_ops


@registry.ops("FastreluOps")
class FastreluOps(NumpyOps):
    """thinc's operations on arrays of NumPy, with fastrelu's relu and mish."""

    name = "fastrelu"

    def relu(self, X, inplace=False):
        return fr.relu(X, out=X if inplace else None)

    def backprop_relu(self, dY, Y, inplace=False):
        return fr.relu_backward(dY, Y, out=dY if inplace else None)

    def mish(self, X, threshold=20.0, inplace=False):
        return fr.mish(X, out=X if inplace else None)

    def backprop_mish(self, dY, X, threshold=20.0, inplace=False):
        return fr.mish_backward(dY, X, out=dY if inplace else None)


if __name__ == "__main__":
    x, outputs = np.random.default_rng(0).standard_normal((64, 512), np.float32), []
    for ops in (NumpyOps(), FastreluOps()):
        us = 1e4 * min(repeat(lambda ops=ops: ops.relu(x), number=100))
        with use_ops(ops.name):
            fix_random_seed(0)
            outputs.append(chain(Relu(256), Mish(10)).initialize(x, x[:, :10]).predict(x))
        print(f"{ops.name}: relu of 64 x 512 float32 takes {us:.1f} us")
    print(f"outputs differ by at most {abs(outputs[0] - outputs[1]).max():.0e}")
