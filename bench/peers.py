"""How each package runs its rows of idioms.py; every result is checked before any clock starts.

All packages but NumPy are optional. One that is absent or broken is named with its reason, and
takes no row of any other with it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, lru_cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any, ClassVar

import fastrelu as fr
import idioms
import numpy as np
from idioms import BESIDE, IN_PLACE, LIMIT, NEW, NUMPY, OURS, OUT, Array, Cell, Row, names_of

STEADY = 1.0
"""The slope of timed calls in place: any other would wear the numbers out, call by call."""

_THREAD_VARIABLES = (  # which packages read when they are imported
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "FASTRELU_NUM_THREADS",
)


Bound = tuple[Callable[..., Any], Sequence[Any]]
"""A call and its arguments."""


class AbsentError(Exception):
    """A package takes no part; the message says why."""


class WrongResultError(Exception):
    """A row computes other numbers than fastrelu."""


def hold_to(threads: int) -> None:
    """Hold this process, and all packages that it imports from now on, to a number of threads."""
    os.environ |= dict.fromkeys(_THREAD_VARIABLES, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    fr.set_num_threads(threads)
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        if hasattr(os, "sched_setaffinity"):  # no setting of XLA holds for certain
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Plain:
    """fastrelu, NumPy and what takes NumPy arrays."""

    packages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, threads: int) -> None:
        """Import the package, and set its threads."""

    def bind(self, row: Row, cell: Cell, arrays: dict[str, Any]) -> Bound:
        """Give the row its arguments."""
        return row.how, [self.own(arrays[each]) for each in names_of(row.how)]

    def own(self, value: Any) -> Any:
        """Return what the package takes for an array or a number."""
        return value

    def to_numpy(self, value: Any) -> Array:
        """Return a result as a NumPy array."""
        return np.asarray(value)


class SciPy(Plain):
    """The ufuncs of scipy.special."""

    packages = ("scipy",)

    def __init__(self, threads: int) -> None:
        idioms.special = import_module("scipy.special")


class Numexpr(Plain):
    """Formulas in text, which numexpr compiles and keeps."""

    packages = ("numexpr",)

    def __init__(self, threads: int) -> None:
        self._numexpr = import_module("numexpr")
        self._numexpr.set_num_threads(threads)

    def bind(self, row: Row, cell: Cell, arrays: dict[str, Any]) -> Bound:
        """Name the arrays to numexpr."""
        names = {each: arrays[each] for each in names_of(row.how)}
        out = {} if cell.mode == NEW else {"out": target_of(cell, arrays)}
        return partial(self._numexpr.evaluate, row.how, names, **out), ()


class Numba(Plain):
    """Formulas of one element by `vectorize`, on several threads by `njit`; loops by `njit`."""

    packages = ("numba",)

    def __init__(self, threads: int) -> None:
        self._numba = import_module("numba")
        self._is_parallel = threads > 1
        idioms.prange = self._numba.prange
        self._vectorized = cache(self._vectorize)
        self._compiled = cache(self._numba.njit(parallel=self._is_parallel))

    def bind(self, row: Row, cell: Cell, arrays: dict[str, Any]) -> Bound:
        """Compile for the cell's dtype and mode."""
        args = [arrays[each] for each in names_of(row.how)]
        if row.how.__code__.co_varnames != ("t",):
            return self._compiled(row.how), args
        to = [] if cell.mode == NEW else [target_of(cell, arrays)]
        if not self._is_parallel or len(cell.shape) > 1 or cell.layout:
            return self._vectorized(row.how, cell.dtype), [*args, *to]
        loop = self._loop(row.how, cell.dtype)
        return (
            (loop, [*args, *to])
            if to
            else (
                lambda *each: loop(*each, np.empty_like(each[0])),
                args,
            )
        )

    def _vectorize(self, formula: Any, dtype: str) -> Any:
        kind = getattr(self._numba, dtype)
        element = formula(np.dtype(dtype).type)
        target = "parallel" if self._is_parallel else "cpu"
        signature = kind(*[kind] * len(names_of(formula)))
        return self._numba.vectorize([signature], target=target)(element)

    @lru_cache(64)  # noqa: B019 - there is one instance
    def _loop(self, formula: Any, dtype: str) -> Any:
        element = self._numba.njit(inline="always")(formula(np.dtype(dtype).type))
        prange = self._numba.prange

        def of_x(x: Array, out: Array) -> Array:
            for i in prange(out.size):
                out[i] = element(x[i])
            return out

        def of_x_and_slope(x: Array, s: Any, out: Array) -> Array:
            for i in prange(out.size):
                out[i] = element(x[i], s)
            return out

        def of_two(g: Array, x: Array, out: Array) -> Array:
            for i in prange(out.size):
                out[i] = element(g[i], x[i])
            return out

        def of_two_and_slope(g: Array, x: Array, s: Any, out: Array) -> Array:
            for i in prange(out.size):
                out[i] = element(g[i], x[i], s)
            return out

        names = names_of(formula)
        loops = {("x",): of_x, ("x", "s"): of_x_and_slope, ("g", "x", "s"): of_two_and_slope}
        return self._compiled(loops.get(names, of_two))


class PyTorch(Plain):
    """Tensors that share the memory of the arrays."""

    packages = ("torch",)

    def __init__(self, threads: int) -> None:
        torch = idioms.torch = import_module("torch")
        idioms.F, idioms.aten = torch.nn.functional, torch.ops.aten
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def own(self, value: Any) -> Any:
        """Return a tensor; bfloat16 goes by its bits."""
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype.name == "bfloat16":
            return idioms.torch.from_numpy(value.view(np.int16)).view(idioms.torch.bfloat16)
        return idioms.torch.from_numpy(value)

    def to_numpy(self, value: Any) -> Array:
        """Return a NumPy array; bfloat16 comes by its bits."""
        if getattr(value, "dtype", None) == idioms.torch.bfloat16:
            bits: Array = value.view(idioms.torch.int16).numpy()
            return bits.view(idioms.dtype_called("bfloat16"))
        return np.asarray(value)


class Jax(Plain):
    """Compiled functions on device arrays, awaited."""

    packages = ("jax", "jaxlib")

    def __init__(self, threads: int) -> None:
        self._jax = import_module("jax")
        self._jax.config.update("jax_enable_x64", True)
        idioms.jax, idioms.jnp, idioms.jax_nn = self._jax, self._jax.numpy, self._jax.nn
        self._compiled = cache(self._jax.jit)

    def bind(self, row: Row, cell: Cell, arrays: dict[str, Any]) -> Bound:
        """Compile the lambda; a call ends when its result is there."""
        compiled, wait = self._compiled(row.how), self._jax.block_until_ready
        args = [self._jax.numpy.array(arrays[each]) for each in names_of(row.how)]
        return lambda *each: wait(compiled(*each)), args


class TensorFlow(Plain):
    """Eager tensors."""

    packages = ("tensorflow|tensorflow-cpu",)

    def __init__(self, threads: int) -> None:
        idioms.tf = import_module("tensorflow")
        idioms.tf.config.threading.set_intra_op_parallelism_threads(threads)
        idioms.tf.config.threading.set_inter_op_parallelism_threads(1)

    def own(self, value: Any) -> Any:
        """Return a tensor."""
        return idioms.tf.constant(value) if isinstance(value, np.ndarray) else value


class OnnxRuntime(Plain):
    """Sessions of models of a few nodes."""

    packages = ("onnxruntime", "onnx")

    def __init__(self, threads: int) -> None:
        self._runtime, self._onnx = import_module("onnxruntime"), import_module("onnx")
        self._options = self._runtime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 4

    def bind(self, row: Row, cell: Cell, arrays: dict[str, Any]) -> Bound:
        """Run with NumPy arrays for a new result, with bound ones for out."""
        names: list[str] = [each for each in ("g", "x") if each in arrays]
        session = self._session(row.how, cell, arrays, names)
        if cell.mode == NEW:
            feeds = {each: arrays[each] for each in names}
            return lambda: session.run(None, feeds)[0], ()
        bound = session.io_binding()
        value = self._runtime.OrtValue.ortvalue_from_numpy
        for each in names:
            bound.bind_ortvalue_input(each, value(arrays[each]))
        bound.bind_ortvalue_output("y", value(arrays["out"]))
        return session.run_with_iobinding, [bound]

    def _session(self, nodes: Any, cell: Cell, arrays: dict[str, Any], names: list[str]) -> Any:
        helper = self._onnx.helper
        dtype = idioms.dtype_called(cell.dtype)
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        used = set(chain.from_iterable(inputs.split() for _, inputs, *_ in nodes))
        constants = {"zero": np.zeros((), dtype), "s": np.asarray(arrays.get("s", 0), dtype)}
        graph = helper.make_graph(
            [
                helper.make_node(
                    operator,
                    inputs.split(),
                    [output],
                    **({"alpha": arrays["slope"]} if operator == "LeakyRelu" else {}),
                    **dict(*attributes),
                )
                for operator, inputs, output, *attributes in nodes
            ],
            cell.function,
            [helper.make_tensor_value_info(each, kind, None) for each in names],
            [helper.make_tensor_value_info("y", kind, None)],
            [
                self._onnx.numpy_helper.from_array(value, name)
                for name, value in constants.items()
                if name in used
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        return self._runtime.InferenceSession(
            model.SerializeToString(), self._options, providers=["CPUExecutionProvider"]
        )


class OpenVino(Plain):
    """Compiled models, whose inputs and outputs are the caller's arrays."""

    packages = ("openvino",)

    def __init__(self, threads: int) -> None:
        self._openvino, self._ops = import_module("openvino"), import_module("openvino.opset13")
        self._core = self._openvino.Core()
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }

    def bind(self, row: Row, cell: Cell, arrays: dict[str, Any]) -> Bound:
        """Compile the lambda's model for the cell's shape."""
        names = names_of(row.how)
        inputs = [each for each in names if each in ("g", "x")]
        nodes = {
            each: self._ops.parameter(list(cell.shape), np.float32)
            if each in inputs
            else self._ops.constant(arrays[each])
            for each in names
        }
        result = row.how(self._ops, *nodes.values())
        model = self._openvino.Model([result], [nodes[each] for each in inputs])
        request = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        values = [arrays[each] for each in inputs]
        if cell.mode == NEW:
            how = {"share_inputs": True, "share_outputs": True}
            return lambda: request.infer(values, **how)[0], ()
        for index, each in enumerate(values):
            request.set_input_tensor(index, self._openvino.Tensor(each, shared_memory=True))
        request.set_output_tensor(self._openvino.Tensor(arrays["out"], shared_memory=True))
        return request.infer, ()


PEERS: dict[str, type[Plain]] = {
    **dict.fromkeys((OURS, BESIDE, NUMPY, LIMIT), Plain),
    **{"SciPy": SciPy, "Numba": Numba, "numexpr": Numexpr, "PyTorch": PyTorch, "JAX": Jax},
    **{"ONNX Runtime": OnnxRuntime, "OpenVINO": OpenVino, "TensorFlow": TensorFlow},
}


def missing_of(packages: tuple[str, ...]) -> list[str]:
    """Return those of a peer's packages that are not installed."""
    return [each.replace("|", " or ") for each in packages if version_of(each) is None]


def version_of(package: str) -> str | None:
    """Return the version of a package, of which there may be several builds: "this|that"."""
    for name in package.split("|"):
        with suppress(PackageNotFoundError):
            return version(name)
    return None


class Peers:
    """All peers on a number of threads; each is imported when its first row is prepared."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._found: dict[str, Plain | AbsentError] = {}
        self._prepared: tuple[Cell, dict[str, Any], tuple[Array, ...]] | None = None

    def prepared(self, cell: Cell, row: Row) -> Bound:
        """Return the row with its arguments, after one call whose result was compared with ours.

        Raises
        ------
        AbsentError
            If the row's package is not installed, or does not work.
        WrongResultError
            If the result is not ours.
        """
        arrays, expected = self._arrays(cell)
        if cell.mode != NEW:  # the row before has written to it
            target_of(cell, arrays)[...] = idioms.MAKERS[target_name(cell)](cell)
        bound, results = self.computed(cell, row, arrays)
        if row.peer not in (LIMIT, BESIDE):
            require_same(f"{cell.group}: {row.name}", row, results, expected)
        if cell.mode == IN_PLACE and "slope" in arrays:
            steady = {"slope": STEADY, "s": type(arrays["s"])(STEADY)}
            bound = self._peer(row.peer).bind(row, cell, arrays | steady)
        return bound

    def computed(
        self, cell: Cell, row: Row, arrays: dict[str, Any]
    ) -> tuple[Bound, tuple[Array, ...]]:
        """Return the row with its arguments, and the unchecked results of one call.

        Raises
        ------
        AbsentError
            If the row's package is not installed, or does not work.
        """
        peer = self._peer(row.peer)
        try:
            bound = peer.bind(row, cell, arrays)
            return bound, _results(peer, bound, cell, arrays)
        except Exception as error:
            if row.peer in (OURS, BESIDE, NUMPY):
                raise
            raise AbsentError(f"{row.peer}: {type(error).__name__}: {error}") from error

    def _peer(self, name: str) -> Plain:
        if name not in self._found:
            self._found[name] = self._load(name)
        found = self._found[name]
        if isinstance(found, AbsentError):
            raise found
        return found

    def _load(self, name: str) -> Plain | AbsentError:
        missing = missing_of(PEERS[name].packages)
        if missing:
            return AbsentError(f"{name}: {', '.join(missing)} not installed")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # other packages' own, while they are imported
                return PEERS[name](self._threads)
        except Exception as error:  # whatever a broken installation raises
            return AbsentError(f"{name}: does not work: {type(error).__name__}: {error}")

    def _arrays(self, cell: Cell) -> tuple[dict[str, Any], tuple[Array, ...]]:
        """Make a cell's arrays and our result, or keep those of the row before."""
        if self._prepared is None or self._prepared[0] is not cell:
            try:
                arrays = cell.arrays()
            except ModuleNotFoundError as error:  # ml_dtypes
                raise AbsentError(f"{cell.dtype}: {error}") from error
            ours = Plain(self._threads)
            results = _results(ours, ours.bind(cell.rows[0], cell, arrays), cell, arrays)
            self._prepared = cell, arrays, results
        return self._prepared[1:]


def target_of(cell: Cell, arrays: dict[str, Any]) -> Array:
    """Return the array that a result is written to: out, or in place the first of our row."""
    target: Array = arrays[target_name(cell)]
    return target


def target_name(cell: Cell) -> str:
    """Name that array."""
    return OUT if cell.mode == OUT else names_of(cell.rows[0].how)[0]


def require_same(what: str, row: Row, actual: Any, expected: Any) -> None:
    """Raise `WrongResultError` unless the results are ours, within the row's tolerance.

    Narrow floats may differ by two units, for fastrelu alone rounds once; with a tolerance, by two
    units of the largest number. A peer without some of our results has given those that it has.
    """
    if len(actual) > len(expected):
        raise WrongResultError(f"{what} gives {len(actual)} results, fastrelu {len(expected)}")
    for theirs, mine in zip(actual, expected, strict=False):
        if mine.ndim and (theirs.dtype, theirs.shape) != (mine.dtype, mine.shape):
            raise WrongResultError(
                f"{what} gives {theirs.dtype}{theirs.shape}, fastrelu {mine.dtype}{mine.shape}"
            )
        if np.array_equal(theirs, mine):
            continue
        left, right = theirs.astype(np.float64), mine.astype(np.float64)
        sizes = np.abs(right)
        largest = sizes.max()
        scale = largest if row.tolerance else sizes
        allowed = row.tolerance * largest + _rounding(row, mine) * scale
        if not (np.abs(left - right) <= allowed).all():
            at = int(np.argmax(np.abs(left - right)))
            raise WrongResultError(f"{what} gives {left.flat[at]}, fastrelu {right.flat[at]}")


def _rounding(row: Row, mine: Array) -> float:
    if mine.dtype.name in ("float16", "bfloat16"):
        return 2.0**-9 if mine.dtype.name == "float16" else 2.0**-6
    keeps_float32 = row.peer in ("ONNX Runtime", "TensorFlow")  # the slope of a float64 function
    return 2.0**-23 if keeps_float32 and mine.dtype == np.float64 else 0.0


def _results(peer: Plain, bound: Bound, cell: Cell, arrays: dict[str, Any]) -> tuple[Array, ...]:
    """Call once, and copy what came out; a mask is its bits."""
    call, args = bound
    returned = call(*args)
    if cell.mode != NEW:
        return (target_of(cell, arrays).copy(),)
    several = returned if isinstance(returned, tuple | list) else (returned,)
    return tuple(peer.to_numpy(getattr(each, "bits", each)).copy() for each in several)
