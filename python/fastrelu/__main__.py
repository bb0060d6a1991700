"""The command line: ``python -m fastrelu``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import fastrelu as fr

_EXAMPLES = """\
examples:
  python -m fastrelu info                 version, compiler, instruction sets, threads
  python -m fastrelu verify               every kernel against NumPy, bit for bit (a minute)
  python -m fastrelu verify --all         all cases (minutes)
  python -m fastrelu verify --isa avx2 --function relu --function leaky_relu
  python -m fastrelu demo                 train a network with NumPy and with fastrelu
  python -m fastrelu apply leaky_relu in.npy -o out.npy --negative-slope 0.2
  python -m fastrelu COMMAND --help       all options of one command

FASTRELU_ISA=NAME in the environment forces an instruction set for the whole process.

exit status: 0 success; 1 verify or demo found a difference, or apply cannot read or write a file;
2 wrong usage, or an optional package is missing; 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        options = _parser("".join(arguments[:1])).parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at exit
        return 141
    return status


def _parser(command: str) -> argparse.ArgumentParser:
    """Make the parser, with the options of `demo` and `apply` only if they are the command.

    The other commands do without their imports.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fastrelu",
        description="Activation functions for NumPy arrays: inspect, verify and try them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="print versions, instruction sets and threads")
    info.set_defaults(run=_info)
    verify = commands.add_parser(
        "verify",
        help="compare every kernel with the NumPy reference, bit for bit",
        description="Compare every function, dtype and instruction set with the reference in "
        "plain NumPy, bit for bit. The exit status is 1 if anything differs.",
    )
    _add_verify_arguments(verify)
    training = commands.add_parser("demo", help="train a network with NumPy and with fastrelu")
    if command == "demo":
        from fastrelu import demo  # noqa: PLC0415

        demo.add_arguments(training)
        training.set_defaults(run=demo.run)
    about = "apply a function to a .npy file, which may be larger than memory"
    application = commands.add_parser("apply", help=about, description=f"{about.capitalize()}.")
    if command == "apply":
        from fastrelu import _apply  # noqa: PLC0415

        _apply.add_arguments(application)
    return parser


def _info(options: argparse.Namespace) -> int:
    fr.show_config()
    return 0


def _add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    for name, example in (("function", "relu"), ("dtype", "float32"), ("isa", "avx2")):
        only = f"only this {name}, such as {example} (may be repeated)"
        parser.add_argument(f"--{name}", action="append", metavar="NAME", help=only)
    parser.add_argument("--all", action="store_true", help="run all cases (minutes)")
    exhaustive = "run all 2^32 float32 in relu, relu_backward, leaky_relu and the smooth functions"
    parser.add_argument("--exhaustive", action="store_true", help=f"{exhaustive} (minutes)")
    parser.add_argument("--quiet", action="store_true", help="print the result only")
    parser.set_defaults(run=_verify, parser=parser)


def _verify(options: argparse.Namespace) -> int:
    from fastrelu import testing  # noqa: PLC0415

    try:
        plan = testing.plan(options.function, options.dtype, options.isa)
    except (TypeError, ValueError) as error:
        options.parser.error(str(error).removeprefix("verify: "))
    result = testing.run(plan, options.all, options.exhaustive, progress=not options.quiet)
    if not options.quiet:
        result.print_table()
    print(result, *["--all runs these cases, too"] * bool(result.left_out), sep="\n")
    return 0 if result else 1


if __name__ == "__main__":
    sys.exit(main())
