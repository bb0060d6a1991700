"""Show what packages give at NaN, zeros, infinities and bounds: ``python bench/edges.py``.

The folder OUTPUT gets edge_values.md. Each package computes its own functions, and gradients by its
own rules, of float32. Packages that are not installed are named and left out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import fastrelu as fr
import numpy as np
import report
from peers import version_of

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[[Array, Array], Any]
"""Takes the incoming gradient and x; returns the result, or the gradient of x."""

POINTS = (np.nan, -np.inf, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, np.inf)
BOUNDS = {
    "relu6": (6.0,),
    "hardsigmoid": (-3.0, 3.0),
    "hardswish": (-3.0, 3.0, 3e38),
    "softshrink": (-0.5, 0.5),
}
COPIES, TAIL = 64, 7
"""So many copies of the points, and a part of one: whole vectors, and what is left of them."""

NAMES = {  # PyTorch's, JAX's, TensorFlow's and ONNX's, "" where there is none
    "relu": ("relu", "relu", "relu", "Relu"),
    "leaky_relu": ("leaky_relu", "leaky_relu", "leaky_relu", "LeakyRelu"),
    "relu6": ("relu6", "relu6", "relu6", ""),
    "hardtanh": ("hardtanh", "hard_tanh", "", ""),
    "hardsigmoid": ("hardsigmoid", "hard_sigmoid", "", ""),  # ONNX's has another slope
    "hardswish": ("hardswish", "hard_swish", "", "HardSwish"),
    "softshrink": ("softshrink", "", "", ""),
    "sigmoid": ("sigmoid", "sigmoid", "sigmoid", "Sigmoid"),
    "tanh": ("tanh", "tanh", "tanh", "Tanh"),
    "softsign": ("softsign", "soft_sign", "softsign", "Softsign"),
    "softplus": ("softplus", "softplus", "softplus", "Softplus"),
    "log_sigmoid": ("logsigmoid", "log_sigmoid", "", ""),
    "silu": ("silu", "silu", "silu", ""),
    "gelu": ("gelu", "gelu", "gelu", "Gelu"),
    "gelu_tanh": ("gelu", "gelu", "gelu", "Gelu"),
    "mish": ("mish", "mish", "", "Mish"),
    "selu": ("selu", "selu", "selu", "Selu"),
    "elu": ("elu", "elu", "elu", "Elu"),
    "celu": ("celu", "celu", "", "Celu"),
}
NUMPY = {
    "relu": {
        "`np.maximum(x, 0)`": lambda g, x: np.maximum(x, 0),
        "`np.where(x > 0, x, 0)`": lambda g, x: np.where(x > 0, x, 0),
        "`x * (x > 0)`": lambda g, x: x * (x > 0),
    },
    "relu_backward": {
        "`g * (x > 0)`": lambda g, x: g * (x > 0),
        "`np.where(x > 0, g, 0)`": lambda g, x: np.where(x > 0, g, 0),
    },
    "leaky_relu_backward": {
        "`np.where(x > 0, g, 0.01 * g)`": lambda g, x: np.where(x > 0, g, 0.01 * g),
    },
}
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {  # where a package's default is another
    ("TensorFlow", "leaky_relu"): {"alpha": 0.01},
    ("JAX", "gelu"): {"approximate": False},
    ("PyTorch", "gelu_tanh"): {"approximate": "tanh"},
    ("TensorFlow", "gelu_tanh"): {"approximate": True},
    ("ONNX Runtime", "gelu_tanh"): {"approximate": "tanh"},
}
INTRODUCTION = """\
# Values at the edges

Written by `python bench/edges.py`: what each package gives in float32 for NaN, infinities, the
smallest numbers, both zeros and the bounds of a function. Packages that give the same share a row.
"0 or 1" says that copies of one number in one array get different results: one in a whole vector,
the other in what is left at the end. Gradients are taken by each package's own rules, for an
incoming gradient of 1 and of NaN; if every package gives NaN everywhere, the table is left out.
Parameters are fastrelu's defaults. [The contract](edges.md) explains fastrelu's choices.
"""


def main() -> None:
    """Compute, write, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="FOLDER")
    file = parser.parse_args().output / "edge_values.md"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    packages = installed()
    versions = {each: str(version_of(PACKAGES[each][0])) for each in packages}
    versions = {"fastrelu": fr.__version__, "NumPy": np.__version__, **versions}
    head = report.table(["", ""], [[*each] for each in versions.items()])
    file.write_text("\n".join([INTRODUCTION, *head, *tables(packages)]) + "\n")
    print(file)


def installed() -> dict[str, Any]:
    """Return the packages that are installed, each with what calls it; print the others."""
    found = {}
    for name, (package, call) in PACKAGES.items():
        if version_of(package) is None:
            print(f"{name}: {package} is not installed")
        else:
            found[name] = call
    return found


def tables(packages: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of each function's tables."""
    for name in NAMES:
        yield f"## {name}\n"
        points = [*POINTS, *BOUNDS.get(name, ())]
        yield from _table("x", points, rows(name, 1.0, points, packages, is_gradient=False))
        for grad in (1.0, np.nan):
            heading = f"gradient of {grad:.3g}, x"
            yield from _table(heading, points, rows(name, grad, points, packages, is_gradient=True))


def _table(heading: str, points: list[float], found: dict[str, list[str]]) -> Iterator[str]:
    same: dict[tuple[str, ...], list[str]] = {}
    for who, values in found.items():
        same.setdefault(tuple(values), []).append(who)
    if set().union(*same) == {"nan"}:
        return
    yield from report.table(
        [heading, *(f"{np.float32(each):.3g}" for each in points)],
        [[", ".join(who), *values] for values, who in same.items()],
    )


@np.errstate(all="ignore")
def rows(
    name: str, grad: float, points: list[float], packages: dict[str, Any], *, is_gradient: bool
) -> dict[str, list[str]]:
    """Return what each package gives for each point."""
    ours = name + "_backward" * is_gradient
    function: Any = getattr(fr, ours)
    calls: dict[str, Call] = {"fastrelu": function if is_gradient else lambda g, x: function(x)}
    calls |= NUMPY.get(ours, {})
    names = dict(zip(PACKAGES, NAMES[name], strict=True))
    for package, call in packages.items():
        if theirs := names[package]:
            calls[package] = partial(call, theirs, OPTIONS.get((package, name), {}), is_gradient)
    x = np.tile(np.float32(points), COPIES + 1)[: COPIES * len(points) + TAIL]
    results = {who: call(np.full_like(x, grad), x) for who, call in calls.items()}
    return {who: shown(y, len(points)) for who, y in results.items() if y is not None}


def shown(result: Any, count: int) -> list[str]:
    """Return the values at each point as text, different ones joined by "or"."""
    values = np.asarray(result)
    return [
        " or ".join(dict.fromkeys(f"{each:.3g}" for each in values[k::count])) for k in range(count)
    ]


def _by_torch(name: str, options: dict[str, Any], is_gradient: bool, g: Array, x: Array) -> Any:
    torch = import_module("torch")
    leaf = torch.tensor(x, requires_grad=True)
    result = getattr(torch.nn.functional, name)(leaf, **options)
    result.backward(torch.tensor(g))
    return leaf.grad if is_gradient else result.detach()


def _by_jax(name: str, options: dict[str, Any], is_gradient: bool, g: Array, x: Array) -> Any:
    jax = import_module("jax")
    function = getattr(jax.nn, name)
    result, pull_back = jax.vjp(lambda each: function(each, **options), jax.numpy.array(x))
    return pull_back(jax.numpy.array(g))[0] if is_gradient else result


def _by_tensorflow(
    name: str, options: dict[str, Any], is_gradient: bool, g: Array, x: Array
) -> Any:
    tf = import_module("tensorflow")
    leaf = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(leaf)
        result = getattr(tf.nn, name)(leaf, **options)
    return tape.gradient(result, leaf, tf.constant(g)) if is_gradient else result


def _by_onnx(name: str, options: dict[str, Any], is_gradient: bool, g: Array, x: Array) -> Any:
    if is_gradient:
        return None
    onnx, runtime = import_module("onnx"), import_module("onnxruntime")
    helper = onnx.helper
    ends = (helper.make_tensor_value_info(each, onnx.TensorProto.FLOAT, [None]) for each in "xy")
    node = helper.make_node(name, ["x"], ["y"], **options)
    graph = helper.make_graph([node], name, *([each] for each in ends))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


PACKAGES: dict[str, tuple[str, Callable[..., Any]]] = {
    "PyTorch": ("torch", _by_torch),
    "JAX": ("jax", _by_jax),
    "TensorFlow": ("tensorflow|tensorflow-cpu", _by_tensorflow),
    "ONNX Runtime": ("onnxruntime", _by_onnx),
}

if __name__ == "__main__":
    main()
