"""Give ONNX's reference evaluator fastrelu's activations: one class an operator.

The evaluator is plain NumPy, made to be read. Its argument `new_ops` takes other implementations:
classes of the operators' names, whose `_run` gets inputs and attributes.

Needs ``pip install onnx``.
"""

import fastrelu as fr
import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

FUNCTIONS = {
    "Celu": fr.celu,
    "Elu": fr.elu,
    "LeakyRelu": fr.leaky_relu,
    "Relu": fr.relu,
    "Sigmoid": fr.sigmoid,
    "Softplus": fr.softplus,
    "Tanh": fr.tanh,
    "ThresholdedRelu": fr.thresholded_relu,
}


def operator(name, function):
    """Make the class of an operator, whose attribute is the function's parameter, if it has any."""

    def run(self, x, **attributes):
        return (function(x, *attributes.values()),)

    return type(name, (OpRun,), {"op_domain": "", "_run": run})


if __name__ == "__main__":
    x = np.random.default_rng(0).standard_normal(100_000, np.float32)
    x_info, y_info = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    for name, function in FUNCTIONS.items():
        graph = helper.make_graph([helper.make_node(name, ["x"], ["y"])], name, [x_info], [y_info])
        theirs = ReferenceEvaluator(helper.make_model(graph))
        ours = ReferenceEvaluator(helper.make_model(graph), new_ops=[operator(name, function)])
        (expected,), (y,) = (evaluator.run(None, {"x": x}) for evaluator in (theirs, ours))
        same = y.tobytes() == function(x).tobytes()
        print(f"{name}: within {abs(y - expected).max():.0e} of ONNX's; fastrelu's bytes: {same}")
