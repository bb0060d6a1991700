"""What training needs: one function beside NumPy's best idiom and the packages that have it.

contests.py lists such contests. Where `cells` multiply six functions by dtypes, sizes, layouts and
modes, a contest says for itself what its arrays are, and what everybody calls.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from math import prod
from typing import Any, Protocol

import fastrelu as fr
import loops
import numpy as np
import peers
from cells import Array
from contenders import LIMIT, OURS
from fastrelu._idioms import WrongResultError
from fastrelu._race import Call, Times, call_of, race
from limits import Limits, repeats

NUMPY = "NumPy"
BESIDE = "beside"
"""Another call of fastrelu's, which ours is held against."""
PEERS = (peers.PyTorch, peers.Numba, peers.Jax)

ROUNDS = 11
SECONDS_PER_ROUND = 0.002
SECONDS_IF_ASKED = 0.03
"""Long enough that arrays far beyond the caches have their turn in every round."""


@dataclass(frozen=True)
class Way:
    """How somebody computes what a contest asks for.

    `code` is NumPy's with the arrays' names; PyTorch's with tensors, whose names begin with t; for
    Numba an element's formula, or a call of one of loops.py; for JAX what is compiled; for the
    limit the loop's name and the array that it reads.

    `differs` says why the result is not ours byte for byte; it may then differ by `tolerance` times
    its largest number, and lack what the package has not.
    """

    label: str
    code: str
    differs: str = ""
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        """The name in reports."""
        return f"{self.label}: {self.code}"


@dataclass(frozen=True)
class Asked:
    """A bound that was set before anything was measured.

    fastrelu is to be at least `bound` times as fast as `against`, or if `is_time`, to take at most
    `bound` times as long.
    """

    against: str
    bound: float
    is_time: bool = False

    def figure(self, ratio: float) -> float:
        """Turn somebody's time over ours into what the bound is about."""
        return 1 / ratio if self.is_time else ratio

    def met(self, ratio: float) -> bool:
        """Say whether somebody's time over ours is as it should be."""
        figure = self.figure(ratio)
        return figure <= self.bound if self.is_time else figure >= self.bound

    @property
    def words(self) -> str:
        """The bound in the report."""
        how = "at most {:g}x its time" if self.is_time else "at least {:g}x its speed"
        return how.format(self.bound)


@dataclass(frozen=True)
class Contest:
    """One function on arrays of one kind."""

    title: str
    dtype: str
    shape: tuple[int, ...]
    arrays: Callable[[], dict[str, Array]]
    ours: Way
    others: tuple[Way, ...]
    asked: tuple[Asked, ...] = ()

    @property
    def name(self) -> str:
        """Give the contest's name: readable, and unique."""
        return f"{self.title.replace(' ', '_')}-{self.dtype}-{self.elements}"

    @property
    def elements(self) -> int:
        """How many numbers the input has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Entrant:
    """A way, ready to be called; each call does the work `repeats` times. A limit has no result."""

    way: Way
    call: Call
    to_numpy: Callable[[Any], Array] | None
    repeats: int = 1


class Package(Protocol):
    """Makes calls of the ways that carry its label."""

    def entrants(self, way: Way, arrays: Mapping[str, Array]) -> Iterator[Entrant]:
        """Yield the calls: one, except for the limit."""


class InNumPy:
    """fastrelu and NumPy: the code as it stands."""

    def entrants(self, way: Way, arrays: Mapping[str, Array]) -> Iterator[Entrant]:
        """Yield the call."""
        names = {"np": np, "fr": fr, "loops": loops}
        yield Entrant(way, call_of(way.code, names | dict(arrays)), np.asarray)


class InPyTorch:
    """Native tensors, which share the memory of the arrays."""

    def __init__(self) -> None:
        self._torch = import_module("torch")

    def entrants(self, way: Way, arrays: Mapping[str, Array]) -> Iterator[Entrant]:
        """Yield the call."""
        torch = self._torch
        tensors = {f"t{name}": torch.from_numpy(array) for name, array in arrays.items()}
        names = {"torch": torch, "F": torch.nn.functional, "aten": torch.ops.aten, **tensors}
        yield Entrant(way, call_of(way.code, names), np.asarray)


class InNumba:
    """Elements by ``vectorize``, whole functions by ``njit``; both parallel on several threads."""

    def __init__(self, threads: int) -> None:
        self._numba = import_module("numba")
        loops.prange = self._numba.prange
        self._is_parallel = threads > 1
        self._vectorized = cache(self._vectorize)
        self._compiled = cache(self._numba.njit(parallel=self._is_parallel))

    def entrants(self, way: Way, arrays: Mapping[str, Array]) -> Iterator[Entrant]:
        """Yield the call."""
        name, is_loop, arguments = way.code.removeprefix("loops.").partition("(")
        if is_loop and way.code.startswith("loops."):
            kernel = self._compiled(getattr(loops, name))
        else:
            used = names_in(way.code, arrays)
            arguments = f"{', '.join(used)})"
            kernel = self._vectorized(way.code, used, arrays[used[0]].dtype)
        yield Entrant(
            way, call_of(f"kernel({arguments}", {"kernel": kernel} | dict(arrays)), np.asarray
        )

    def _vectorize(self, formula: str, inputs: tuple[str, ...], dtype: np.dtype[Any]) -> Any:
        typed = _TypedNumbers(dtype)
        body = ast.unparse(typed.visit(ast.parse(formula, mode="eval")))
        scope = dict(typed.numbers)
        exec(f"def element({', '.join(inputs)}): return {body}", scope)
        kind = getattr(self._numba, dtype.name)
        target = "parallel" if self._is_parallel else "cpu"
        return self._numba.vectorize([kind(*[kind] * len(inputs))], target=target)(scope["element"])


class _TypedNumbers(ast.NodeTransformer):
    """Replaces numbers by names of numbers of the dtype, for Numba's own are of 64 bits."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.numbers: dict[str, Any] = {}
        self._dtype = dtype

    def visit_Constant(self, node: ast.Constant) -> ast.Name:
        name = f"number_{len(self.numbers)}"
        self.numbers[name] = self._dtype.type(node.value)
        return ast.Name(name, ast.Load())


class InJax:
    """Compiled functions on device arrays, awaited."""

    def __init__(self) -> None:
        self._jax = import_module("jax")
        self._compiled = cache(self._compile)

    def entrants(self, way: Way, arrays: Mapping[str, Array]) -> Iterator[Entrant]:
        """Yield the call."""
        used = names_in(way.code, arrays)
        given = {each: self._jax.numpy.array(arrays[each]) for each in used}
        names = given | {"wait": self._jax.block_until_ready, "f": self._compiled(way.code, used)}
        yield Entrant(way, call_of(f"wait(f({', '.join(used)}))", names), np.asarray)

    def _compile(self, code: str, inputs: tuple[str, ...]) -> Any:
        names = {"jax": self._jax, "jnp": self._jax.numpy, "np": np}
        return self._jax.jit(eval(f"lambda {', '.join(inputs)}: {code}", names))


class InLimit:
    """The compiled loops, on one thread and on all."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def entrants(self, way: Way, arrays: Mapping[str, Array]) -> Iterator[Entrant]:
        """Yield the calls."""
        kind, _, name = way.code.rpartition(" of ")
        array = arrays[name]
        for shown, call in self._limits.calls(kind, array, array, array):
            yield Entrant(Way(LIMIT, shown), call, None, repeats(array))


def packages(threads: int, limits: Limits | None) -> dict[str, Package]:
    """Return who takes part, by label; other packages must have been set to `threads` before."""
    found: dict[str, Package] = dict.fromkeys((OURS, BESIDE, NUMPY), InNumPy())
    makers: dict[str, Callable[[], Package]] = {
        peers.PyTorch.name: InPyTorch,
        peers.Numba.name: lambda: InNumba(threads),
        peers.Jax.name: InJax,
    }
    for each in PEERS:
        package = peers.made(each, makers[each.name])
        if package is not None:
            found[each.name] = package
    if limits is not None:
        found[LIMIT] = InLimit(limits)
    return found


def prepared(contest: Contest, packages: Mapping[str, Package]) -> list[Entrant]:
    """Make all entrants of a contest, every result checked."""
    arrays = contest.arrays()
    originals = {name: array.copy() for name, array in arrays.items()}
    ways = [each for each in (contest.ours, *contest.others) if each.label in packages]
    entrants = []
    expected: tuple[Array, ...] = ()
    for way in ways:
        for entrant in packages[way.label].entrants(way, arrays):
            results = _results(entrant)
            if way is contest.ours:
                expected = results
            elif entrant.to_numpy is not None:
                require_same(f"{contest.name}: {way.name}", way, results, expected)
            for name, array in arrays.items():
                array[...] = originals[name]
            entrants.append(entrant)
    return entrants


def times_of(
    contest: Contest, packages: Mapping[str, Package], rounds: int = ROUNDS, **how: Any
) -> dict[str, Times]:
    """Race all entrants of a contest."""
    entrants = {each.way.name: each for each in prepared(contest, packages)}
    seconds = SECONDS_IF_ASKED if contest.asked else SECONDS_PER_ROUND
    calls = {name: each.call for name, each in entrants.items()}
    raced = race(calls, rounds=rounds, seconds=seconds, **how)
    return {
        name: Times(tuple(each / entrants[name].repeats for each in times.rounds))
        for name, times in raced.items()
    }


def record(contest: Contest) -> dict[str, Any]:
    """Return what the report needs to know of a contest, as JSON has it."""
    return {
        "title": contest.title,
        "dtype": contest.dtype,
        "shape": contest.shape,
        "asked": [asdict(each) for each in contest.asked],
        "differs": {each.name: each.differs for each in contest.others if each.differs},
    }


def require_same(
    what: str, way: Way, actual: tuple[Array, ...], expected: tuple[Array, ...]
) -> None:
    """Raise `WrongResultError` unless the results are as the way promises."""
    if len(actual) != len(expected) and not way.differs:
        raise WrongResultError(f"{what} gives {len(actual)} results, fastrelu {len(expected)}")
    for theirs, ours in zip(actual, expected, strict=False):
        if theirs.ndim and (theirs.dtype, theirs.shape) != (ours.dtype, ours.shape):
            raise WrongResultError(
                f"{what} gives {theirs.dtype}{theirs.shape}, fastrelu {ours.dtype}{ours.shape}"
            )
        if theirs.tobytes() != ours.tobytes() and not _is_allowed(way, theirs, ours):
            raise WrongResultError(f"{what} gives {theirs}, fastrelu {ours}")


def names_in(code: str, arrays: Mapping[str, Array]) -> tuple[str, ...]:
    """Return the names of the arrays that an expression uses, in the order of `arrays`."""
    used = {each.id for each in ast.walk(ast.parse(code)) if isinstance(each, ast.Name)}
    return tuple(name for name in arrays if name in used)


def _results(entrant: Entrant) -> tuple[Array, ...]:
    """Call once, and keep what came out: it may lie in an array that the next one writes to."""
    returned = entrant.call()
    if entrant.to_numpy is None:
        return ()
    several = returned if isinstance(returned, tuple | list) else (returned,)
    return tuple(entrant.to_numpy(each).copy() for each in several)


def _is_allowed(way: Way, theirs: Array, ours: Array) -> bool:
    if not theirs.ndim and not ours.ndim and theirs == ours:
        return True  # numbers of Python and of NumPy have no dtype in common
    left, right = theirs.astype(np.float64), ours.astype(np.float64)
    return bool(way.differs) and bool(
        np.abs(left - right).max() <= way.tolerance * np.abs(right).max()
    )
