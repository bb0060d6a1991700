"""The command line: ``python -m fastrelu``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fastrelu as fr
from fastrelu import _core, bench, demo
from fastrelu.testing import supported_dtypes, verified_names

_EXAMPLES = """\
examples:
  python -m fastrelu info                   version, compiler, instruction sets, threads
  python -m fastrelu verify                 every kernel against NumPy, bit for bit
  python -m fastrelu verify --isa avx2 --function relu --function leaky_relu
  python -m fastrelu verify --exhaustive    all 2^32 float32 patterns as well (minutes)
  python -m fastrelu demo                   train on real digits with NumPy and with fastrelu
  python -m fastrelu bench                  how much faster than NumPy's idioms, here
  python -m fastrelu COMMAND --help         all options of one command

FASTRELU_ISA=NAME in the environment forces an instruction set for the whole process.

exit status:
  0  all is well
  1  verify, demo or bench found a difference
  2  wrong usage, or an optional package is missing (the message says how to install it)
"""

_FAILURES_SHOWN = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        try:
            return _run(_parser().parse_args(argv))
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at exit
        return 141


def _run(args: argparse.Namespace) -> int:
    return {"verify": _verify, "demo": _demo, "bench": _bench, "info": _info}[args.command](args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fastrelu",
        description="ReLU and Leaky ReLU for NumPy arrays: check, watch and time them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _configure_verify(
        commands.add_parser(
            "verify",
            help="compare every kernel with the NumPy reference, bit for bit",
            description="Compare every function, dtype, instruction set and layout with the "
            "reference in plain NumPy, bit for bit; exit status 1 if anything differs.",
        )
    )
    demo.configure(
        commands.add_parser(
            "demo", help="train on real digits with NumPy's idioms and with fastrelu"
        )
    )
    bench.configure(
        commands.add_parser(
            "bench",
            help="time every function against NumPy's idioms and a copy",
            description="Time fastrelu, NumPy's idioms and a copy of the same bytes in interleaved "
            "rounds, after holding every idiom's result against fastrelu's.",
        )
    )
    commands.add_parser("info", help="print version, compiler, instruction sets, threads and NumPy")
    return parser


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--function",
        action="append",
        choices=verified_names(),
        metavar="NAME",
        help="only this function (may be repeated): %(choices)s",
    )
    parser.add_argument(
        "--dtype",
        action="append",
        type=_dtype,
        metavar="NAME",
        help="only this dtype, such as float32 (may be repeated)",
    )
    parser.add_argument(
        "--isa",
        action="append",
        choices=_core.available_isas(),
        metavar="NAME",
        help="only this instruction set (may be repeated); on this processor: %(choices)s",
    )
    parser.add_argument(
        "--exhaustive",
        action="store_true",
        help="also all 2^32 float32 patterns through relu, relu_backward and leaky_relu (minutes)",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="neither progress nor table, only the verdict"
    )


def _dtype(name: str) -> np.dtype[Any]:
    known = {dtype.name: dtype for dtype in supported_dtypes()}
    if name not in known:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
    return known[name]


def _verify(args: argparse.Namespace) -> int:
    result = fr.verify(
        functions=args.function,
        dtypes=args.dtype,
        isas=args.isa,
        exhaustive=args.exhaustive,
        progress=not args.quiet,
    )
    if not args.quiet:
        result.print_table()
    for failure in result.failures[:_FAILURES_SHOWN]:
        print(failure)
    verdict = "all bits agree" if result else f"{len(result.failures)} differences"
    print(f"{result.compared:,} results compared in {result.seconds:.1f} s: {verdict}")
    return 0 if result else 1


def _demo(args: argparse.Namespace) -> int:
    return _with_extras(demo.main, args)


def _bench(args: argparse.Namespace) -> int:
    return _with_extras(bench.main, args)


def _with_extras(command: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    try:
        return command(args)
    except ImportError as missing_extra:
        print(missing_extra, file=sys.stderr)
        return 2


def _info(args: argparse.Namespace) -> int:
    fr.show_config()
    return 0


if __name__ == "__main__":
    sys.exit(main())
