"""The command line, as a user runs it."""

from __future__ import annotations

import signal
import subprocess
import sys

import fastrelu as fr
import pytest
from support import ISAS

FEW = ["--function", "relu", "--function", "prelu", "--dtype", "int8", "--dtype", "float32"]
WITHOUT_RICH = """
import sys
sys.modules["rich"] = None
from fastrelu.__main__ import main
sys.exit(main())
"""


def run(*arguments, without_rich=False):
    start = ["-c", WITHOUT_RICH] if without_rich else ["-m", "fastrelu"]
    command = [sys.executable, *start, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_info():
    result = run("info")
    assert (result.returncode, result.stderr) == (0, "")
    facts = dict(line.split(None, 1) for line in result.stdout.splitlines())
    assert facts["fastrelu"] == fr.__version__
    assert facts["available"] == " ".join(ISAS)


def test_verify():
    result = run("verify", *FEW)
    assert result.returncode == 0
    relu, prelu, verdict, left_out, hint = result.stdout.splitlines()
    for name, line in (("relu", relu), ("prelu", prelu)):
        assert line.split()[:3] == [name, "2", "dtypes"]
        assert line.endswith("ok")
    assert verdict.endswith("all bits agree")
    assert all(isa in verdict for isa in ISAS)
    assert left_out.startswith("left out: ")
    assert hint == "--all runs these cases, too"
    assert "verify" in result.stderr


def compared(result):
    """The number of results in the line with the verdict."""
    verdict = next(line for line in result.stdout.splitlines() if "results compared" in line)
    return int(verdict.split()[0].replace(",", ""))


def test_verify_all():
    few, every = run("verify", *FEW, "--quiet"), run("verify", *FEW, "--quiet", "--all")
    assert few.returncode == every.returncode == 0
    assert few.stderr == every.stderr == ""
    assert "left out" in few.stdout
    assert len(every.stdout.splitlines()) == 1
    assert compared(every) > 5 * compared(few)


def test_verify_without_rich():
    result = run("verify", *FEW, without_rich=True)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [f"verify: {done} of 4" for done in range(4)]
    assert result.stdout.endswith("too\n")
    assert len(result.stdout.splitlines()) == 5


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "the following arguments are required: COMMAND"),
        (["veryfy"], "invalid choice: 'veryfy' (choose from"),
        (["verify", "--fast"], "unrecognized arguments: --fast"),
        (["verify", "--function", "rleu"], "unknown function 'rleu'; did you mean 'relu'? choose"),
        (["verify", "--function", "cosine"], "choose from relu, relu_derivative, "),
        (["verify", "--dtype", "foo"], "unknown dtype 'foo'; choose from int8, uint8, "),
        (["verify", "--dtype", "bool"], "none of these functions takes bool"),
        (["verify", "--isa", "scaler"], "unknown instruction set 'scaler'; did you mean 'scalar'?"),
    ],
)
def test_wrong_usage(arguments, words):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    usage, *_, error = result.stderr.splitlines()
    assert usage.startswith("usage: python -m fastrelu")
    assert words in error
    assert "crelu_gradient" not in error
    assert "negated_relu" not in error


def test_control_c():
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # if ignored
    command = [sys.executable, "-c", heard + WITHOUT_RICH, "verify", "--all"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        assert it.stderr.readline().startswith("verify: 0 of ")
        it.send_signal(signal.SIGINT)
        output, errors = it.communicate(timeout=60)
    assert (it.returncode, output) == (130, "")
    assert errors.splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
