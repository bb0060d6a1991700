"""Calls whose operands lie against unreadable pages: `python guarded.py NOTE [thorough]`.

An operand begins directly behind such a page or ends directly before one, so that a load or a store
of one byte too many ends the process. What is being called is kept in the file NOTE, which outlives
the process: test_guard_pages.py reads it.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product, repeat
from pathlib import Path
from typing import Any

import fastrelu as fr
import numpy as np
from fastrelu import _core
from fastrelu.testing import cases, supported_dtypes
from support import UFUNCS, data_count, gives_floats, legal, parameter_names

PAGE = mmap.PAGESIZE
DATA = 3 * PAGE
LONGEST = 300
"""More elements than an unrolled body and both of its ends have, of any size."""
EVERY_LENGTH = range(LONGEST + 1)
FEW_LENGTHS = (*range(20), *range(29, 36), *range(61, 68), 127, 128, 129, 191, 255, 256, 257, 300)
"""Those about whole vectors and blocks of them."""
VECTOR = 64
NOTE_BYTES = 512
BEGIN, END = 0, 1
SIDES = {BEGIN: "that begin behind a guard", END: "that end before a guard"}
STEPS = [(2, 1), (-1, 1), (-1, 2)]
"""Of the inputs and of the result."""
UINT8 = np.dtype(np.uint8)


@dataclass(frozen=True)
class Lengths:
    """How much is called."""

    dense: Sequence[int]
    others: Sequence[int]
    """Also those at which results are compared."""
    residues: Sequence[int]


THOROUGH = Lengths(EVERY_LENGTH, EVERY_LENGTH, EVERY_LENGTH)
USUAL = Lengths(EVERY_LENGTH, FEW_LENGTHS, (61, 140, 299))
BRIEF = Lengths(FEW_LENGTHS, FEW_LENGTHS, (61, 299))

_protect = ctypes.CDLL(None, use_errno=True).mprotect
_protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_NO_ACCESS = 0


class Arena:
    """Memory between two unreadable pages."""

    def __init__(self, size: int = DATA) -> None:
        self._map = mmap.mmap(-1, size + 2 * PAGE)
        self.bytes = np.frombuffer(self._map, np.uint8)[PAGE:-PAGE]
        first = self.bytes.ctypes.data
        for guard in (first - PAGE, first + size):
            if _protect(guard, PAGE, _NO_ACCESS):
                raise OSError(ctypes.get_errno(), "mprotect")
        self._views: dict[Any, list[np.ndarray]] = {}

    def views(self, dtype: np.dtype[Any], side: int, step: int = 1) -> list[np.ndarray]:
        """Return an array of each length that lies at that side."""
        key = dtype, side, step
        if key not in self._views:
            whole = self.bytes.view(dtype)
            self._views[key] = [whole[_at_side(whole.size, n, side, step)] for n in EVERY_LENGTH]
        return self._views[key]

    def shifted(self, dtype: np.dtype[Any], first: int) -> list[np.ndarray]:
        """Return an array of each length that begins so many elements behind a page's begin."""
        key = dtype, "shifted", first
        if key not in self._views:
            whole = self.bytes.view(dtype)
            self._views[key] = [whole[first : first + n] for n in EVERY_LENGTH]
        return self._views[key]


def _at_side(capacity: int, n: int, side: int, step: int) -> slice:
    """Choose `n` elements, of which one is the first or the last of all."""
    if not n:
        return slice(0, 0) if side == BEGIN else slice(capacity, capacity)
    span = (n - 1) * abs(step) + 1
    start = capacity - span if side == END else 0
    if step > 0:
        return slice(start, start + span, step)
    return slice(start + span - 1, start - 1 if start else None, step)


ARENAS = [Arena() for _ in range(5)]
OUT = ARENAS[4]


class Note:
    """What is being called, in a file."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOTE_BYTES)
        self.length = memoryview(self._map)[:4].cast("i")
        """Its one item is set before each call, so that has to be quick."""

    def begin(self, text: str) -> None:
        self.length[0] = -1
        self._map[4:] = text.encode()[: NOTE_BYTES - 4].ljust(NOTE_BYTES - 4, b"\0")


def read_note(path: Path) -> str:
    stored = path.read_bytes()
    length = int.from_bytes(stored[:4], sys.byteorder, signed=True)
    return f"{stored[4:].rstrip(bytes(1)).decode()}; length {length}"


class WrongResultError(Exception):
    """A result differs from the one in ordinary memory."""


def plain_values(dtype: np.dtype[Any], n: int, seed: int) -> np.ndarray:
    """Finite values, whose results do not depend on the instruction that computes them."""
    values = cases.sample(dtype, n, seed).copy()
    if cases.is_float(dtype):
        values[~np.isfinite(values)] = 1
    return values


def content(result: Any) -> Any:
    """The bytes of an array, or of each in a tuple."""
    if isinstance(result, tuple):
        return [content(each) for each in result]
    if isinstance(result, fr.Mask):
        return content(result.bits)
    if type(result) is not np.ndarray:
        return np.asarray(result).tobytes()
    return cases.bits(result).tobytes() if result.dtype.char == "g" else result.tobytes()


@dataclass(frozen=True)
class Placement:
    """Where the operands lie: the inputs at one side, the result in `outs`, by length."""

    side: int
    outs: list[np.ndarray]
    text: str
    step: int = 1
    in_place: bool = False
    single: int | None = None
    """The input that is one element, for all of the others' elements."""


class UfuncCalls:
    """The calls of a ufunc with inputs of these dtypes and numbers behind them."""

    def __init__(
        self,
        ufunc: np.ufunc,
        dtypes: Sequence[np.dtype[Any]],
        numbers: tuple[Any, ...],
        note: Note,
        lengths: Lengths,
    ) -> None:
        self.ufunc, self.dtypes, self.numbers = ufunc, dtypes, numbers
        self.note, self.lengths = note, lengths
        self.text = f"{ufunc.__name__}({', '.join(map(str, (*dtypes, *numbers)))})"
        values = [
            plain_values(dtype, DATA // dtype.itemsize, seed) for seed, dtype in enumerate(dtypes)
        ]
        if len(set(dtypes)) == 1 or "min_val" not in parameter_names(ufunc):
            values = legal(ufunc, values)
        for arena, each in zip(ARENAS, values, strict=False):
            arena.bytes.view(each.dtype)[...] = each
        self.out: np.dtype[Any] = ufunc(*(each[:1] for each in values), *numbers).dtype

    def inputs(self, side: int, step: int = 1) -> list[list[np.ndarray]]:
        pairs = zip(ARENAS, self.dtypes, strict=False)
        return [arena.views(dtype, side, step) for arena, dtype in pairs]

    def run(self) -> None:
        dense, few = self.lengths.dense, self.lengths.others
        for side, out_side in product(SIDES, SIDES):
            outs = OUT.views(self.out, out_side)
            lengths = dense if side == out_side else few
            self._run(Placement(side, outs, f"out {SIDES[out_side]}"), lengths)
        for first in range(1, VECTOR // self.out.itemsize):
            outs = OUT.shifted(self.out, first)
            text = f"out {first} elements behind a page"
            self._run(Placement(END, outs, text), self.lengths.residues)
        for (step, out_step), side in product(STEPS, SIDES):
            outs = OUT.views(self.out, side, out_step)
            text = f"out[::{out_step}] {SIDES[side]}"
            self._run(Placement(side, outs, text, step=step), few)
        for k, side in product(range(len(self.dtypes)), SIDES):
            if self.dtypes[k] == self.out:
                outs, text = self.inputs(side)[k], f"out is operand {k}"
                self._run(Placement(side, outs, text, in_place=True), few)
            if len(self.dtypes) > 1:
                outs, text = OUT.views(self.out, side), f"operand {k} is one element"
                self._run(Placement(side, outs, text, single=k), few)

    def _run(self, place: Placement, lengths: Sequence[int]) -> None:
        """Call it at these lengths."""
        side, outs = place.side, place.outs
        inputs = self.inputs(side, place.step)
        if place.single is not None:
            inputs[place.single] = [inputs[place.single][1]] * len(outs)
        self.note.begin(f"{self.text}, inputs[::{place.step}] {SIDES[side]}, {place.text}")
        try:
            expected = self.ufunc(*(each[LONGEST].copy() for each in inputs), *self.numbers)
        except ValueError:
            return  # bounds that contradict each other, now that one is a single element
        ufunc, numbers, length = self.ufunc, self.numbers, self.note.length
        if lengths is not self.lengths.others and lengths is EVERY_LENGTH:
            for n, operands in enumerate(zip(*inputs, *map(repeat, numbers), outs, strict=False)):
                length[0] = n
                ufunc(*operands)
            lengths = self.lengths.others
        from_the_end = (side == END) == (place.step > 0)
        for n in lengths:
            operands = [each[n] for each in inputs]
            out = outs[n]
            before = out.copy() if place.in_place else None
            length[0] = n
            ufunc(*operands, *numbers, out)
            wanted = expected[LONGEST - n :] if from_the_end else expected[:n]
            if content(out) != content(wanted):
                raise WrongResultError
            if place.in_place:
                out[...] = before


class Guarded:
    """Operands of the functions beside the ufuncs, all at one side."""

    def __init__(self, dtype: np.dtype[Any], side: int) -> None:
        self.dtype, self.side = dtype, side

    def _take(self, arena: int, n: int, dtype: np.dtype[Any] | None = None) -> np.ndarray:
        return ARENAS[arena].views(dtype or self.dtype, self.side)[n]

    def x(self, n: int) -> np.ndarray:
        return self._take(0, n)

    def grad(self, n: int) -> np.ndarray:
        return self._take(1, n)

    def mask(self, n: int) -> np.ndarray:
        """Return the mask of `n` elements."""
        return self._take(2, (n + 7) // 8, UINT8)

    def weight(self, n: int) -> np.ndarray:
        return self._take(3, n, cases.slope_dtype(self.dtype))

    def table(self) -> np.ndarray:
        return self._take(3, 256)

    def out(self, n: int) -> np.ndarray:
        return self._take(4, n)


class Ordinary(Guarded):
    """The same values, not at a page's end."""

    def _take(self, arena: int, n: int, dtype: np.dtype[Any] | None = None) -> np.ndarray:
        return super()._take(arena, n, dtype).copy()


def _rows(array: np.ndarray, channels: int = 2) -> np.ndarray:
    return array.reshape(-1, channels)


def _lines(array: np.ndarray, channels: int = 2) -> np.ndarray:
    return array.reshape(channels, -1)


def _masked(bits: np.ndarray, shape: Any, kind: str = "relu") -> fr.Mask:
    """Wrap bits without a look at those that are not used."""
    shape = shape if isinstance(shape, tuple) else (shape,)
    return _core.Mask.__new__(fr.Mask, bits, shape, kind)


FUNCTIONS: dict[str, Callable[[Guarded, int], Any]] = {
    "relu_with_mask": lambda at, n: fr.relu_with_mask(at.x(n), out=at.out(n), mask=at.mask(n)),
    "relu_with_mask in place": lambda at, n: fr.relu_with_mask(
        out := at.out(n), out=out, mask=at.mask(n)
    ),
    "leaky_relu_with_mask": lambda at, n: fr.leaky_relu_with_mask(
        at.x(n), 0.1, out=at.out(n), mask=at.mask(n)
    ),
    "relu_with_mask, new results": lambda at, n: fr.relu_with_mask(at.x(n)),
    "relu_backward_from_mask": lambda at, n: fr.relu_backward_from_mask(
        at.grad(n), _masked(at.mask(n), n), out=at.out(n)
    ),
    "leaky_relu_backward_from_mask": lambda at, n: fr.leaky_relu_backward_from_mask(
        at.grad(n), _masked(at.mask(n), n, "leaky_relu"), 0.1, out=at.out(n)
    ),
    "leaky_relu_backward_from_output": lambda at, n: fr.leaky_relu_backward_from_output(
        at.grad(n), at.x(n), 0.1, out=at.out(n)
    ),
    "active_count": lambda at, n: fr.active_count(at.x(n)),
    "sparsity": lambda at, n: fr.sparsity(at.x(n)),
    "sparsity of rows": lambda at, n: fr.sparsity(_rows(at.x(2 * (n // 2))), axis=0),
    "sparsity of lines": lambda at, n: fr.sparsity(_lines(at.x(2 * (n // 2))), axis=1),
    "active_count of lines": lambda at, n: fr.active_count(_lines(at.x(2 * (n // 2))), axis=0),
    "dead_units": lambda at, n: fr.dead_units(at.x(n)),
    "dead_units of rows": lambda at, n: fr.dead_units(_rows(at.x(2 * (n // 2))), axis=0),
    "dead_units of lines": lambda at, n: fr.dead_units(_lines(at.x(2 * (n // 2))), axis=0),
    "add_relu_with_mask": lambda at, n: fr.add_relu_with_mask(
        at.x(n), at.grad(n), out=at.out(n), mask=at.mask(n)
    ),
    "add_leaky_relu_with_mask of rows": lambda at, n: fr.add_leaky_relu_with_mask(
        _rows(at.x(2 * (n // 2))),
        at.grad(2),
        0.1,
        out=_rows(at.out(2 * (n // 2))),
        mask=at.mask(2 * (n // 2)),
    ),
    "Mask.active_count": lambda at, n: _masked(at.mask(n), n).active_count(),
    "Mask.sparsity": lambda at, n: _masked(at.mask(n), n).sparsity(),
    "Mask.dead_units": lambda at, n: _masked(at.mask(2 * (n // 2)), (n // 2, 2)).dead_units(),
    "Mask.dead_units of lines": lambda at, n: _masked(
        at.mask(2 * (n // 2)), (2, n // 2)
    ).dead_units(),
    "relu_backward_with_bias": lambda at, n: fr.relu_backward_with_bias(
        _rows(at.grad(2 * (n // 2))),
        _rows(at.x(2 * (n // 2))),
        axis=0,
        out=_rows(at.out(2 * (n // 2))),
    ),
    "relu_backward_with_bias of lines": lambda at, n: fr.relu_backward_with_bias(
        _lines(at.grad(2 * (n // 2))),
        _lines(at.x(2 * (n // 2))),
        axis=0,
        out=_lines(at.out(2 * (n // 2))),
    ),
    "relu_backward_with_bias of all": lambda at, n: fr.relu_backward_with_bias(
        at.grad(n), at.x(n), axis=0, out=at.out(n)
    ),
    "prelu": lambda at, n: fr.prelu(
        _rows(at.x(2 * (n // 2))), at.weight(2), axis=1, out=_rows(at.out(2 * (n // 2)))
    ),
    "prelu of units": lambda at, n: fr.prelu(at.x(n), at.weight(n), axis=0, out=at.out(n)),
    "prelu_backward": lambda at, n: fr.prelu_backward(
        _rows(at.grad(2 * (n // 2))),
        _rows(at.x(2 * (n // 2))),
        at.weight(2),
        axis=1,
        out=_rows(at.out(2 * (n // 2))),
    ),
    "prelu_backward of lines": lambda at, n: fr.prelu_backward(
        _lines(at.grad(2 * (n // 2))),
        _lines(at.x(2 * (n // 2))),
        at.weight(n // 2),
        axis=1,
        out=_lines(at.out(2 * (n // 2))),
    ),
    "maxout": lambda at, n: fr.maxout(
        _lines(at.x(4 * (n // 4)), 4), 2, axis=0, out=_lines(at.out(2 * (n // 4)))
    ),
    "maxout of rows": lambda at, n: fr.maxout(
        _rows(at.x(3 * (n // 3)), 3), 3, axis=1, out=_rows(at.out(n // 3), 1)
    ),
    "maxout_backward": lambda at, n: fr.maxout_backward(
        _lines(at.grad(2 * (n // 4))),
        _lines(at.x(4 * (n // 4)), 4),
        2,
        axis=0,
        out=_lines(at.out(4 * (n // 4)), 4),
    ),
    "maxout_backward of rows": lambda at, n: fr.maxout_backward(
        _rows(at.grad(n // 3), 1),
        _rows(at.x(3 * (n // 3)), 3),
        3,
        axis=1,
        out=_rows(at.out(3 * (n // 3)), 3),
    ),
    "crelu": lambda at, n: fr.crelu(
        _lines(at.x(n // 2), 1), axis=1, out=_lines(at.out(2 * (n // 2)), 1)
    ),
    "crelu_backward": lambda at, n: fr.crelu_backward(
        _lines(at.grad(2 * (n // 2)), 1),
        _lines(at.x(n // 2), 1),
        axis=1,
        out=_lines(at.out(n // 2), 1),
    ),
    "softmax": lambda at, n: fr.softmax(at.x(max(n, 1)), out=at.out(max(n, 1))),
    "softmax of short rows": lambda at, n: fr.softmax(
        _rows(at.x(3 * (n // 3)), 3), axis=1, out=_rows(at.out(3 * (n // 3)), 3)
    ),
    "log_softmax of lines": lambda at, n: fr.log_softmax(
        _lines(at.x(2 * (n // 2))), axis=0, out=_lines(at.out(2 * (n // 2)))
    ),
    "softmax_backward": lambda at, n: fr.softmax_backward(
        at.grad(max(n, 1)), at.x(max(n, 1)), axis=0, out=at.out(max(n, 1))
    ),
    "log_softmax_backward of lines": lambda at, n: fr.log_softmax_backward(
        _lines(at.grad(2 * (n // 2))),
        _lines(at.x(2 * (n // 2))),
        axis=0,
        out=_lines(at.out(2 * (n // 2))),
    ),
    "apply_table": lambda at, n: fr.apply_table(at._take(2, n, UINT8), at.table(), out=at.out(n)),
}
"""By name, and what they are called with; `n` elements, or as many as make whole rows."""


def run_function(name: str, dtype: np.dtype[Any], note: Note, lengths: Lengths) -> bool:
    """Call it at all lengths; return whether it takes the dtype."""
    call, length = FUNCTIONS[name], note.length
    try:
        call(Ordinary(dtype, BEGIN), 12)
    except TypeError:
        return False
    for side, where in SIDES.items():
        note.begin(f"{name}, {dtype} {where}")
        guarded, ordinary = Guarded(dtype, side), Ordinary(dtype, side)
        for n in lengths.dense if side == END else lengths.others:
            is_compared = n % 16 == 5 or lengths is THOROUGH
            expected = call(ordinary, n) if is_compared else None
            length[0] = n
            found = call(guarded, n)
            if is_compared and content(found) != content(expected):
                raise WrongResultError
    return True


def run_ufunc(ufunc: np.ufunc, dtype: np.dtype[Any], note: Note, lengths: Lengths) -> bool:
    """Call it with nothing but arrays, and with numbers for its parameters."""
    names = parameter_names(ufunc)
    data = [dtype] * data_count(ufunc)
    wide = cases.slope_dtype(dtype) if gives_floats(ufunc) else dtype
    try:
        calls = UfuncCalls(ufunc, [*data, *[wide] * len(names)], (), note, lengths)
    except TypeError:
        return False
    calls.run()
    if names:
        UfuncCalls(
            ufunc, data, cases.settings(names, dtype, ufunc.__name__)[0], note, lengths
        ).run()
    return True


def fill(dtype: np.dtype[Any]) -> None:
    """Give all arenas plain values of a dtype, except those of masks."""
    for seed, arena in enumerate(ARENAS):
        arena.bytes.view(dtype)[...] = plain_values(dtype, DATA // dtype.itemsize, seed)
    weights = cases.slope_dtype(dtype)
    ARENAS[2].bytes[...] = np.random.default_rng(0).integers(256, size=DATA)
    if weights != dtype:
        ARENAS[3].bytes.view(weights)[...] = plain_values(weights, DATA // weights.itemsize, 3)


@np.errstate(all="ignore")
def main(path: str, thorough: bool) -> None:
    note = Note(path)
    called: set[str] = set()
    seen: set[Any] = set()
    for dtype in dict.fromkeys(supported_dtypes()):
        kind = "float8" if dtype.isbuiltin == 2 and dtype.itemsize == 1 else dtype
        lengths = THOROUGH if thorough else BRIEF if kind in seen else USUAL
        seen.add(kind)
        for ufunc in UFUNCS:
            if run_ufunc(ufunc, dtype, note, lengths):
                called.add(ufunc.__name__)
        fill(dtype)
        called |= {name for name in FUNCTIONS if run_function(name, dtype, note, lengths)}
    missing = {ufunc.__name__ for ufunc in UFUNCS}.union(FUNCTIONS) - called
    note.begin(f"never called: {missing}")
    if missing:
        raise WrongResultError


if __name__ == "__main__":
    main(sys.argv[1], "thorough" in sys.argv[2:])
