"""Other packages that can do the same work, one class each; all are optional.

Each class names its `packages`, all of which it needs, and says which code it runs for a function
and a mode, as the package's own users write it: on native data ("native"), from and to NumPy
arrays, into a given result or in place where the package has that. What a package has no way to say
is left out, and a dtype that it lacks is absent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, TypeVar

import numpy as np
from cells import CONTIGUOUS, Array, Cell, dtype_called
from contenders import Contender, Peer, Task, contender
from fastrelu._idioms import FRESH, IN_PLACE, OUT, takes_gradient, takes_slope, tolerance_of
from fastrelu._race import call_of

FLOATS = ("float32", "float64")
_NARROW = ("float16", "bfloat16")
Made = TypeVar("Made")

# Read when the packages are imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "FASTRELU_NUM_THREADS",
)


def environment(threads: int) -> dict[str, str]:
    """Return the variables that hold every package of a new process to a number of threads."""
    variables = {name: str(threads) for name in THREAD_VARIABLES} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return dict(os.environ) | variables


def pin_to_one_core() -> None:
    """Keep this process on one core, for XLA has no setting that holds for certain."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Numba:
    """Ufuncs by ``vectorize``, and loops by ``njit``, sequential and parallel."""

    name = "Numba"
    packages = ("numba",)

    _ELEMENTS: ClassVar = {
        "relu": "x if x > zero else zero",
        "relu_derivative": "one if x > zero else zero",
        "relu_backward": "g if x > zero else zero",
        "leaky_relu": "x if x > zero else x * s",
        "leaky_relu_derivative": "one if x > zero else s",
        "leaky_relu_backward": "g if x > zero else g * s",
    }

    def __init__(self, threads: int) -> None:
        self._numba = import_module("numba")
        self._numba.set_num_threads(min(threads, self._numba.config.NUMBA_NUM_THREADS))
        self._kernels = cache(self._compile)

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield the ufunc, and for plain vectors and matrices both loops."""
        cell = task.cell
        if cell.function not in self._ELEMENTS or cell.dtype in _NARROW:
            return
        kernels = self._kernels(cell.function, cell.dtype, task.operands.x.ndim)
        names = task.names | kernels
        inputs = _inputs(cell.function)
        target = {OUT: "out", IN_PLACE: inputs[0], FRESH: "np.empty_like(x)"}[cell.mode]
        vectorized = [*inputs, *[target] * (cell.mode != FRESH)]
        yield contender(self.name, task, f"vectorized({', '.join(vectorized)})", names)
        if isinstance(task.operands.slope, np.ndarray):
            return
        for loop in ("njit", "njit_parallel"):
            if loop in kernels:
                code = f"{loop}({', '.join([*inputs, target])})"
                yield contender(self.name, task, code, names)

    def _compile(self, function: str, dtype_name: str, ndim: int) -> dict[str, Any]:
        dtype = np.dtype(dtype_name)
        inputs = ", ".join(_inputs(function))
        scope = {
            "numba": self._numba,
            "prange": self._numba.prange,
            "zero": dtype.type(0),
            "one": dtype.type(1),
        }
        exec(f"def element({inputs}): return {self._ELEMENTS[function]}", scope)
        one_type = getattr(self._numba, dtype_name)
        signature = one_type(*[one_type] * len(_inputs(function)))
        kernels = {"vectorized": self._numba.vectorize([signature])(scope["element"])}
        if ndim > 2:  # noqa: PLR2004
            return kernels
        index = ", ".join("ij"[:ndim])
        arrays = [each for each in _inputs(function) if each != "s"]
        values = ", ".join(f"{each}[{index}]" for each in arrays)
        slope = ", s" * takes_slope(function)
        inner = "    for j in range(out.shape[1]):\n    " if ndim > 1 else ""
        scope["element"] = self._numba.njit(inline="always")(scope["element"])
        exec(
            f"def loop({inputs}, out):\n"
            f"  for i in prange(out.shape[0]):\n{inner}"
            f"    out[{index}] = element({values}{slope})\n"
            "  return out",
            scope,
        )
        kernels["njit"] = self._numba.njit(scope["loop"])
        kernels["njit_parallel"] = self._numba.njit(parallel=True)(scope["loop"])
        return kernels


class Numexpr:
    """Expressions in text."""

    name = "numexpr"
    packages = ("numexpr",)

    _EXPRESSIONS: ClassVar = {
        "relu": "where(x > 0, x, 0)",
        "relu_backward": "where(x > 0, g, 0)",
        "leaky_relu": "where(x > 0, x, s * x)",
        "leaky_relu_backward": "where(x > 0, g, s * g)",
    }

    def __init__(self, threads: int) -> None:
        self._numexpr = import_module("numexpr")
        self._numexpr.set_num_threads(threads)

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield one expression; its zero is an array of the dtype, lest that change."""
        cell = task.cell
        if cell.function not in self._EXPRESSIONS or cell.dtype not in (*FLOATS, "int32"):
            return
        target = {OUT: ", out=out", IN_PLACE: f", out={_inputs(cell.function)[0]}", FRESH: ""}
        code = f'ne.evaluate("{self._EXPRESSIONS[cell.function]}"{target[cell.mode]})'
        yield contender(self.name, task, code, task.names | {"ne": self._numexpr})


class PyTorch:
    """Native tensors, which here share the memory of the NumPy arrays, and from/to NumPy."""

    name = "PyTorch"
    packages = ("torch",)

    _CODES: ClassVar = {
        "relu": {
            FRESH: "torch.relu(tx)",
            OUT: "torch.clamp_min(tx, 0, out=tout)",
            IN_PLACE: "torch.relu_(tx)",
        },
        "relu_backward": {
            FRESH: "aten.threshold_backward(tg, tx, 0)",
            OUT: "aten.threshold_backward.grad_input(tg, tx, 0, grad_input=tout)",
            IN_PLACE: "aten.threshold_backward.grad_input(tg, tx, 0, grad_input=tg)",
        },
        "leaky_relu": {
            FRESH: "F.leaky_relu(tx, slope)",
            OUT: "aten.leaky_relu.out(tx, slope, out=tout)",
            IN_PLACE: "F.leaky_relu_(tx, slope)",
        },
        "leaky_relu_backward": {
            FRESH: "aten.leaky_relu_backward(tg, tx, slope, False)",
            OUT: "aten.leaky_relu_backward.grad_input(tg, tx, slope, False, grad_input=tout)",
            IN_PLACE: "aten.leaky_relu_backward.grad_input(tg, tx, slope, False, grad_input=tg)",
        },
    }
    _WITH_SLOPES: ClassVar = {
        "leaky_relu": "torch.where(tx > 0, tx, tx * ts)",
        "leaky_relu_backward": "torch.where(tx > 0, tg, tg * ts)",
    }

    def __init__(self, threads: int) -> None:
        self._torch = import_module("torch")
        self._torch.set_num_threads(threads)
        self._torch.set_grad_enabled(False)

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield native calls, and for fresh results the way from and to NumPy."""
        cell, given = task.cell, task.operands
        codes = self._CODES.get(cell.function, {})
        if cell.mode not in codes or min(given.x.strides) < 0:
            return  # tensors have no negative strides
        code = codes[cell.mode]
        names = task.names | {
            "torch": self._torch,
            "F": self._torch.nn.functional,
            "aten": self._torch.ops.aten,
            "slope": given.slope,
            "tx": self._tensor(given.x),
            "tg": None if given.g is None else self._tensor(given.g),
            "tout": self._tensor(given.out),
        }
        if isinstance(given.slope, np.ndarray):
            names["ts"] = self._tensor(given.slope)
            code = self._WITH_SLOPES[cell.function]
            code = code if cell.mode == FRESH else f"{code[:-1]}, out=tout)"
        more = {"result": self._array} if cell.mode == FRESH else {}
        yield contender(self.name, task, code, names, **more)
        if cell.mode == FRESH and cell.dtype != "bfloat16":
            around = code.replace("tx", "from_numpy(x)").replace("tg", "from_numpy(g)")
            names["from_numpy"] = self._torch.from_numpy
            yield contender(self.name, task, f"{around}.numpy()", names)

    def _tensor(self, array: Array) -> Any:
        if array.dtype.name == "bfloat16":
            return self._torch.from_numpy(array.view(np.int16)).view(self._torch.bfloat16)
        return self._torch.from_numpy(array)

    def _array(self, tensor: Any) -> Array:
        if tensor.dtype == self._torch.bfloat16:
            bits: Array = tensor.view(self._torch.int16).numpy()
            return bits.view(dtype_called("bfloat16"))
        return tensor.numpy()  # type: ignore[no-any-return]


class Jax:
    """Compiled functions, awaited; in place by donating the argument."""

    name = "JAX"
    packages = ("jax", "jaxlib")

    def __init__(self, threads: int) -> None:
        self._jax = import_module("jax")
        self._jax.config.update("jax_enable_x64", True)
        where = self._jax.numpy.where
        maximum = self._jax.numpy.maximum
        self._functions: dict[str, Callable[..., Any]] = {
            "relu": lambda x: maximum(x, x.dtype.type(0)),
            "relu_backward": lambda g, x: where(x > 0, g, g.dtype.type(0)),
            "leaky_relu": lambda x, s: where(x > 0, x, x * s),
            "leaky_relu_backward": lambda g, x, s: where(x > 0, g, g * s),
        }
        self._compiled = cache(
            lambda name, donated: self._jax.jit(self._functions[name], donate_argnums=donated)
        )

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield the compiled function on device arrays, and from/to NumPy."""
        cell = task.cell
        if cell.function not in self._functions:
            return
        tolerance = tolerance_of(cell.function, task.operands.x.dtype)
        inputs = _inputs(cell.function)
        is_native = cell.layout == CONTIGUOUS
        if is_native and cell.mode == FRESH:
            code = f"f({', '.join(inputs)}).block_until_ready()"
            yield contender(self.name, task, code, self._names(task, ()), tolerance=tolerance)
        if is_native and cell.mode == IN_PLACE:
            names = self._names(task, 0)
            code = f"state[0] = f({', '.join(['state[0]', *inputs[1:]])}).block_until_ready()"
            state = names["state"] = [names.pop(inputs[0])]
            call = call_of(code, names)
            last = lambda _: np.asarray(state[0])  # noqa: E731
            yield Contender(self.name, code, call, last, tolerance)
        if cell.mode == FRESH or (cell.mode == OUT and not is_native):
            code = _delivered(cell.mode, f"np.asarray(f({', '.join(inputs)}))")
            names = task.names | {"f": self._compiled(cell.function, ())}
            yield contender(self.name, task, code, names, tolerance=tolerance)

    def _names(self, task: Task, donated: Any) -> dict[str, Any]:
        copies = {
            name: self._jax.numpy.array(task.names[name]) for name in _inputs(task.cell.function)
        }
        return copies | {"f": self._compiled(task.cell.function, donated)}


class OnnxRuntime:
    """Sessions of one-node models (relu, leaky relu) or of a few nodes (backward)."""

    name = "ONNX Runtime"
    packages = ("onnxruntime", "onnx")

    _NODES: ClassVar = {
        "relu": [("Relu", "x", "y")],
        "leaky_relu": [("LeakyRelu", "x", "y")],
        "relu_backward": [("Greater", "x zero", "m"), ("Where", "m g zero", "y")],
        "leaky_relu_backward": [
            ("Greater", "x zero", "m"),
            ("Mul", "g s", "p"),
            ("Where", "m g p", "y"),
        ],
    }

    def __init__(self, threads: int) -> None:
        self._runtime = import_module("onnxruntime")
        self._onnx = import_module("onnx")
        self._threads = threads

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield ``run`` for fresh results, bound arrays for given ones."""
        cell, given = task.cell, task.operands
        slope = given.slope
        by_channel = isinstance(slope, np.ndarray)
        if cell.function not in self._NODES or cell.dtype == "bfloat16" or cell.mode == IN_PLACE:
            return
        # A session keeps as much memory as it ever needed: a new one for each task.
        session = self._session(
            cell.function, given.x.dtype, None if by_channel else slope, by_channel
        )
        if session is None:
            return
        inputs = [each for each in _inputs(cell.function) if each != "s" or by_channel]
        tolerance = tolerance_of(cell.function, task.operands.x.dtype) or _float32_attribute(cell)
        names = task.names | {"session": session}
        feeds = ", ".join(f'"{each}": {each}' for each in inputs)
        if cell.mode == FRESH or not task.is_dense:
            code = _delivered(cell.mode, f"session.run(None, {{{feeds}}})[0]")
            yield contender(self.name, task, code, names, tolerance=tolerance)
            return
        bound = session.io_binding()
        for each in inputs:
            bound.bind_ortvalue_input(each, self._value(task.names[each]))
        bound.bind_ortvalue_output("y", self._value(given.out))
        names["bound"] = bound
        code = "session.run_with_iobinding(bound)"
        yield contender(self.name, task, code, names, tolerance=tolerance)

    def _value(self, array: Array) -> Any:
        return self._runtime.OrtValue.ortvalue_from_numpy(array)

    def _session(
        self, function: str, dtype: np.dtype[Any], slope: float | None, by_channel: bool
    ) -> Any:
        """Return a session, or None if the runtime has no kernel for the dtype."""
        helper = self._onnx.helper
        nodes = self._NODES[function]
        if by_channel and function == "leaky_relu":
            nodes = [("PRelu", "x s", "y")]
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        made = [
            helper.make_node(
                operator,
                inputs.split(),
                [output],
                **({"alpha": slope} if operator == "LeakyRelu" else {}),
            )
            for operator, inputs, output in nodes
        ]
        constants = {"zero": np.zeros((), dtype)}
        if slope is not None:
            constants["s"] = np.asarray(slope, dtype)
        used = {each for _, inputs, _ in nodes for each in inputs.split()}
        graph = helper.make_graph(
            made,
            function,
            [
                helper.make_tensor_value_info(each, kind, None)
                for each in ("x", "g", "s")
                if each in used and each not in constants
            ],
            [helper.make_tensor_value_info("y", kind, None)],
            [
                self._onnx.numpy_helper.from_array(value, name)
                for name, value in constants.items()
                if name in used
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            return self._runtime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except self._runtime.capi.onnxruntime_pybind11_state.NotImplemented:
            return None


class OpenVino:
    """Compiled models, inputs and outputs shared with the caller."""

    name = "OpenVINO"
    packages = ("openvino",)

    def __init__(self, threads: int) -> None:
        self._openvino = import_module("openvino")
        self._core = self._openvino.Core()
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield one inference; the plugin computes in float32 alone."""
        cell, given = task.cell, task.operands
        functions = ("relu", "leaky_relu", "relu_backward", "leaky_relu_backward")
        if cell.function not in functions or cell.dtype != "float32" or cell.mode == IN_PLACE:
            return
        request = self._compile(task).create_infer_request()
        names = task.names | {"request": request}
        inputs = ", ".join(each for each in _inputs(cell.function) if each != "s")
        if cell.mode == OUT and task.is_dense:
            tensor = self._openvino.Tensor
            arrays = (given.x,) if given.g is None else (given.g, given.x)
            for index, each in enumerate(arrays):
                request.set_input_tensor(index, tensor(each, shared_memory=True))
            request.set_output_tensor(tensor(given.out, shared_memory=True))
            yield contender(self.name, task, "request.infer()", names)
            return
        code = f"request.infer([{inputs}], share_inputs=True, share_outputs=True)[0]"
        yield contender(self.name, task, _delivered(cell.mode, code), names)

    def _compile(self, task: Task) -> Any:
        ops = import_module("openvino.opset13")
        given = task.operands
        x, g = (ops.parameter(list(given.x.shape), np.float32) for _ in range(2))
        zero = ops.constant(np.float32(0))
        slope = None
        if given.slope is not None:
            slope = ops.constant(np.asarray(given.slope, np.float32))
        positive = ops.greater(x, zero)
        function = task.cell.function
        if function == "relu":
            result = ops.relu(x)
        elif function == "leaky_relu":
            by_channel = isinstance(given.slope, np.ndarray)
            product = ops.multiply(x, slope)
            result = ops.select(positive, x, product) if by_channel else ops.prelu(x, slope)
        elif function == "relu_backward":
            result = ops.select(positive, g, zero)
        else:
            result = ops.select(positive, g, ops.multiply(g, slope))
        parameters = [g, x] if takes_gradient(function) else [x]
        model = self._openvino.Model([result], parameters)
        return self._core.compile_model(model, "CPU", self._settings)


class TensorFlow:
    """Eager tensors, and from/to NumPy."""

    name = "TensorFlow"
    packages = ("tensorflow|tensorflow-cpu",)

    _CODES: ClassVar = {
        "relu": "tf.nn.relu(tx)",
        "leaky_relu": "tf.nn.leaky_relu(tx, slope)",
        "relu_backward": "tf.raw_ops.ReluGrad(gradients=tg, features=tx)",
        "leaky_relu_backward": "tf.raw_ops.LeakyReluGrad(gradients=tg, features=tx, alpha=slope)",
    }
    _WITH_SLOPES: ClassVar = {
        "leaky_relu": "tf.where(tx > 0, tx, tx * s)",
        "leaky_relu_backward": "tf.where(tx > 0, tg, tg * s)",
    }

    def __init__(self, threads: int) -> None:
        self._tensorflow = import_module("tensorflow")
        self._tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        self._tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    def contenders(self, task: Task) -> Iterator[Contender]:
        """Yield the eager operation; it has neither ``out=`` nor a way to work in place."""
        cell, given = task.cell, task.operands
        if cell.function not in self._CODES or cell.mode == IN_PLACE:
            return
        codes = self._WITH_SLOPES if isinstance(given.slope, np.ndarray) else self._CODES
        names = task.names | {"tf": self._tensorflow, "slope": given.slope}
        tolerance = tolerance_of(cell.function, task.operands.x.dtype) or _float32_attribute(cell)
        code = codes[cell.function]
        around = code.replace("tx", "tf.constant(x)").replace("tg", "tf.constant(g)")
        if cell.mode == FRESH or cell.layout != CONTIGUOUS:
            delivered = _delivered(cell.mode, f"{around}.numpy()")
            yield contender(self.name, task, delivered, names, tolerance=tolerance)
        if cell.mode == FRESH and cell.layout == CONTIGUOUS:
            names["tx"] = self._tensorflow.constant(given.x)
            names["tg"] = None if given.g is None else self._tensorflow.constant(given.g)
            yield contender(
                self.name, task, code, names, tolerance=tolerance, result=lambda each: each.numpy()
            )


CLASSES = (Numba, Numexpr, PyTorch, Jax, OnnxRuntime, OpenVino, TensorFlow)


absences: dict[str, str] = {}
"""Why a peer takes no part in this process, by its name."""


def installed(threads: int, classes: Sequence[Any] = CLASSES) -> Iterator[Peer]:
    """Yield an adaptor per peer that works here, held to a number of threads."""
    for each in classes:
        adaptor = made(each, lambda peer=each: peer(threads))
        if adaptor is not None:
            yield adaptor


def made(peer: Any, make: Callable[[], Made]) -> Made | None:
    """Return what `make` returns, or None if the peer's packages are absent or do not work.

    The reason is printed and kept in `absences`; nobody else's race ends with it.
    """
    absences.pop(peer.name, None)
    missing = missing_of(peer.packages)
    if missing:
        absences[peer.name] = f"{', '.join(missing)} not installed"
        return None
    try:
        return make()
    except Exception as error:  # whatever a broken installation raises
        absences[peer.name] = f"it does not work: {type(error).__name__}: {error}"
        print(f"{peer.name} takes no part: {absences[peer.name]}", file=sys.stderr)
        return None


def missing_of(packages: tuple[str, ...]) -> list[str]:
    """Return those of a peer's packages that are not installed."""
    return [each.replace("|", " or ") for each in packages if _version(each) is None]


def version_of(packages: tuple[str, ...]) -> str | None:
    """Return the version of the first package if all of them are installed, else None."""
    return None if missing_of(packages) else _version(packages[0])


def _version(package: str) -> str | None:
    """Return the version of a package, of which there may be several builds: "this|that"."""
    for name in package.split("|"):
        with suppress(PackageNotFoundError):
            return version(name)
    return None


def _delivered(mode: str, code: str) -> str:
    """Copy to where the result is wanted, for packages that have no other way."""
    return f"np.copyto(out, {code})" if mode == OUT else code


def _float32_attribute(cell: Cell) -> float:
    """Return the tolerance for packages that store the slope of a float64 operation in float32."""
    return 2.0**-23 if takes_slope(cell.function) and cell.dtype == "float64" else 0.0


def _inputs(function: str) -> list[str]:
    return ["g"] * takes_gradient(function) + ["x"] + ["s"] * takes_slope(function)
