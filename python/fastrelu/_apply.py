"""The command ``apply``: a function of one array over a file of NumPy's, block by block.

Blocks are read and written, not mapped into memory: a mapped file that somebody truncates, or whose
disk is full, would end the process by a signal, without a message.
"""

from __future__ import annotations

import argparse
import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from inspect import Parameter
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from fastrelu import _ufuncs
from fastrelu.testing._results import shown

_BLOCK = 1 << 23  # bytes read at a time: far more than a call costs, far less than memory
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_Header = tuple[tuple[int, ...], bool, "np.dtype[Any]"]  # shape, whether in Fortran order, dtype


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` takes, all parameters of functions among them."""
    parser.add_argument("function", metavar="FUNCTION", choices=_functions(), help="such as relu")
    parser.add_argument("input", metavar="IN.npy", type=Path, help="a file of numpy.save")
    parser.add_argument("-o", "--output", metavar="OUT.npy", type=Path, required=True)
    parameters = [(name, each) for each in _functions() for name in _parameters(each)]
    for name in sorted({name for name, _ in parameters}):
        takers = ", ".join(each for parameter, each in parameters if parameter == name)
        parser.add_argument(_option(name), metavar="NUMBER", type=_number, help=f"of {takers}")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Write the file that ``numpy.save(OUT, function(numpy.load(IN)))`` would; return 0.

    It exits with 2 if the options are wrong, with 1 if a file cannot be read or written. What was
    at OUT stays there until the new file is whole.
    """
    try:
        function = _call(options)
        _check_output(options.input, options.output)
    except ValueError as error:
        options.parser.error(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by way of `finally`
    try:
        with open(options.input, "rb") as source:
            header = _read_header(source)
            dtype = _result_dtype(options.function, function, header[2])
            with _replacing(options.output) as target:
                _write_header(target, (*header[:2], dtype))
                sizes = _block_sizes(prod(header[0]), header[2].itemsize)
                for size in shown(options.function, sizes, not options.quiet):
                    block = np.fromfile(source, header[2], size)
                    if block.size < size:
                        raise ValueError("the file was truncated while it was read")
                    target.write(function(block).data)
    except OSError as error:
        name = options.input if error.filename == str(options.input) else options.output
        sys.exit(f"apply: {name}: {error.strerror}; nothing has been written")
    except (TypeError, ValueError) as error:
        sys.exit(f"apply: {options.input}: {error}; nothing has been written")
    return 0


def _functions() -> list[str]:
    """Name the ufuncs of one array."""
    return [name for name in _ufuncs.__all__ if len(_inputs(name)) == 1]


def _inputs(name: str) -> list[str]:
    """Name the inputs of a ufunc that cannot be given by keyword: those that are arrays."""
    every = inspect.signature(getattr(_ufuncs, name)).parameters.values()
    return [each.name for each in every if each.kind is Parameter.POSITIONAL_ONLY]


def _parameters(name: str) -> dict[str, Any]:
    """Map the parameters of a ufunc to their defaults."""
    ufunc = getattr(_ufuncs, name)
    every = list(inspect.signature(ufunc).parameters.values())[: ufunc.nin]
    return {each.name: each.default for each in every if each.name not in _inputs(name)}


def _option(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


def _call(options: argparse.Namespace) -> Callable[[Any], Any]:
    """Return the function with the parameters that the options give it."""
    name = options.function
    known = {each for function in _functions() for each in _parameters(function)}
    given = {each: vars(options)[each] for each in known if vars(options)[each] is not None}
    for each in sorted(given.keys() - _parameters(name)):
        raise ValueError(f"{name} has no {_option(each)}")
    for each, default in _parameters(name).items():
        if default is Parameter.empty and each not in given:
            raise ValueError(f"{name} needs {_option(each)}")
    function = getattr(_ufuncs, name)
    return lambda x: function(x, **given)


def _check_output(source: Path, target: Path) -> None:
    """Refuse to replace what is no file, and the input."""
    if target.exists() and not target.is_file():
        raise ValueError(f"{target} is not a file; name a new file, or one to replace")
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target} is the input; name another file")


def _read_header(source: IO[bytes]) -> _Header:
    """Read the header of a file of numpy.save, and hold the file to be whole."""
    try:
        shape, fortran_order, dtype = _READERS[npy.read_magic(source)](source)
    except (KeyError, ValueError):
        raise ValueError("this is not a .npy file of numbers, as numpy.save writes it") from None
    if dtype.hasobject:
        raise TypeError("it holds Python objects; save array.astype(float) instead")
    needed = source.tell() + prod(shape) * dtype.itemsize
    if (found := os.fstat(source.fileno()).st_size) < needed:
        raise ValueError(f"the file is truncated: it has {found:,} of {needed:,} bytes")
    return shape, fortran_order, dtype


def _write_header(target: IO[bytes], header: _Header) -> None:
    shape, fortran_order, dtype = header
    descr = npy.dtype_to_descr(dtype)
    described = {"descr": descr, "fortran_order": fortran_order, "shape": shape}
    npy.write_array_header_1_0(target, described)


def _result_dtype(name: str, function: Callable[[Any], Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    try:
        result: np.dtype[Any] = function(np.ones(1, dtype)).dtype
    except OverflowError as error:
        raise ValueError(f"{name}: {error}") from None
    except TypeError:
        raise TypeError(f"{name} with these parameters does not take {dtype}") from None
    return result


def _block_sizes(size: int, itemsize: int) -> list[int]:
    whole, rest = divmod(size, _BLOCK // itemsize)
    return [_BLOCK // itemsize] * whole + [rest] * (rest > 0)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file, which takes the place of `path` in the end, or is removed after an error."""
    path = path.resolve()  # a link stays a link
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with open(part, "xb") as target:
        try:
            yield target
            target.flush()
            os.fsync(target.fileno())  # some disks only now say that they are full
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _number(text: str) -> float:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number")
