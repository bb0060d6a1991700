"""`python -m fastrelu apply`: a file in, a file out, and never half of one."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _apply
from fastrelu.__main__ import main

MIB = 1 << 20
COMMAND = [sys.executable, "-m", "fastrelu", "apply"]
DTYPES = ["int8", "int16", ">i4", "float16", "float32", ">f4", "float64", "longdouble"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with numbers in a file, and small blocks, so that the file has several."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_apply, "_BLOCK", 1000)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of this process
    np.save("in.npy", np.arange(-500, 500, dtype=np.float32).reshape(20, 50))
    return tmp_path


def apply(*arguments):
    """Run in this process; return the exit status and, if there is one, the message."""
    try:
        return main(["apply", *map(str, arguments), "--quiet"]), ""
    except SystemExit as stopped:
        return (stopped.code, "") if isinstance(stopped.code, int) else (1, stopped.code)


def refused(capsys, before, *arguments):
    """Run what must fail; return the message, one line, after seeing that no file has changed."""
    status, message = apply(*arguments)
    if not message:
        *_, message = capsys.readouterr().err.splitlines()
    assert status == (2 if message.startswith("python -m fastrelu apply: error: ") else 1)
    assert "\n" not in message
    assert {path.name: path.read_bytes() for path in before[0].iterdir()} == before[1]
    return message


@pytest.fixture
def before(folder):
    (folder / "old.npy").write_bytes(b"what was there")
    return folder, {path.name: path.read_bytes() for path in folder.iterdir()}


def saved(array):
    np.save("expected.npy", array)
    with open("expected.npy", "rb") as file:
        return file.read()


@pytest.mark.parametrize("shape", [(1000,), (), (0, 3), (7, 11, 13)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_file_is_that_of_numpy(dtype, order, shape, folder):
    x = np.random.default_rng(0).integers(-99, 99, shape).astype(dtype).copy(order)
    np.save("in.npy", x)
    for arguments, function in (
        (["relu"], fr.relu),
        (["leaky_relu"], fr.leaky_relu),
        (["leaky_relu", "--negative-slope", "0.25"], lambda x: fr.leaky_relu(x, 0.25)),
        (["hardtanh", "--max-val", "5"], lambda x: fr.hardtanh(x, max_val=5)),
        (["threshold", "--value", "3", "--threshold=-2"], lambda x: fr.threshold(x, -2, 3)),
    ):
        assert apply(*arguments, "in.npy", "-o", "out.npy") == (0, "")
        expected = function(np.load("in.npy"))
        if dtype == "longdouble":  # its padding is any bytes
            assert np.array_equal(np.load("out.npy"), expected)
        else:
            assert (folder / "out.npy").read_bytes() == saved(expected)
    assert {path.name for path in folder.iterdir()} <= {"in.npy", "out.npy", "expected.npy"}


def test_a_file_is_replaced_and_a_link_stays(folder):
    (folder / "file.npy").write_bytes(b"old")
    (folder / "link.npy").symlink_to("file.npy")
    assert apply("relu", "in.npy", "-o", "link.npy") == (0, "")
    assert (folder / "link.npy").is_symlink()
    assert np.array_equal(np.load("file.npy"), fr.relu(np.load("in.npy")))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rleu"], "argument FUNCTION: invalid choice: 'rleu' (choose from "),
        (["add_relu"], "argument FUNCTION: invalid choice"),
        (["relu", "--negative-slope", "1"], "relu has no --negative-slope"),
        (["clipped_relu"], "clipped_relu needs --max-val"),
        (["elu", "--alpha", "one"], "argument --alpha: one is not a number"),
        (["relu", "-o", "in.npy"], "in.npy is the input; name another file"),
        (["relu", "-o", "."], ". is not a file; name a new file, or one to replace"),
        (["relu", "-o", "/dev/null"], "/dev/null is not a file"),
        (["relu", "-o", "no/such/out.npy"], "no/such/out.npy: No such file or directory; nothing"),
        (["softshrink", "--lambd", "-1"], "lambd"),
        (["relu_quantized", "--zero-point", "1"], "does not take float32"),
    ],
)
def test_wrong_usage(arguments, words, before, capsys):
    name, *rest = arguments
    output = [] if "-o" in rest else ["-o", "old.npy"]
    assert words in refused(capsys, before, name, "in.npy", *rest, *output)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([1, None]), "it holds Python objects; save array.astype(float) instead"),
        (np.ones(3, complex), "relu with these parameters does not take complex128"),
        (np.array(["a"]), "does not take <U1"),
        (np.zeros(2, "V0"), "does not take |V0"),
        (np.zeros(2, [("a", int)]), "does not take [('a', '<i8')]"),
        (np.ones(2, bool), "does not take bool"),
    ],
)
def test_wrong_array(array, words, folder, capsys):
    np.save("in.npy", array, allow_pickle=True)
    before = folder, {"in.npy": (folder / "in.npy").read_bytes()}
    message = refused(capsys, before, "relu", "in.npy", "-o", "out.npy")
    assert message.startswith("apply: in.npy: ")
    assert words in message


def test_a_parameter_out_of_range(folder, capsys):
    np.save("in.npy", np.ones(3, np.int8))
    before = folder, {"in.npy": (folder / "in.npy").read_bytes()}
    message = refused(capsys, before, "clipped_relu", "in.npy", "-o", "o.npy", "--max-val", "300")
    assert "300 out of bounds for int8" in message


def test_files_that_are_not_whole(before, capsys):
    folder, files = before
    whole = files["in.npy"]
    for size in range(0, len(whole), 29):
        files["in.npy"] = whole[:size]
        (folder / "in.npy").write_bytes(whole[:size])
        message = refused(capsys, before, "relu", "in.npy", "-o", "old.npy")
        assert re.search(r"truncated: it has [\d,]+ of 4,128 bytes|not a .npy file", message)


def test_files_of_another_kind(before, capsys):
    folder, files = before
    for content in (b"", b"text", b"PK\3\4" + bytes(100), b"\x93NUMPY\x09\0" + bytes(100)):
        (folder / "in.npy").write_bytes(content)
        files["in.npy"] = content
        message = refused(capsys, before, "relu", "in.npy", "-o", "old.npy")
        assert "not a .npy file of numbers, as numpy.save writes it" in message
    assert "missing.npy: No such file" in refused(
        capsys, before, "relu", "missing.npy", "-o", "old.npy"
    )


def test_an_input_that_is_truncated_meanwhile(before, capsys, monkeypatch):
    def shown(what, items, show):
        yield items[0]
        os.truncate("in.npy", 2000)
        before[1]["in.npy"] = before[1]["in.npy"][:2000]
        yield from items[1:]

    monkeypatch.setattr(_apply, "shown", shown)
    message = refused(capsys, before, "relu", "in.npy", "-o", "old.npy")
    assert "truncated while it was read; nothing has been written" in message


def test_no_room_for_the_output(before):
    """A limit on the size of files, which the system reports as it reports a full disk."""
    done = subprocess.run(
        [*COMMAND, "relu", "in.npy", "-o", "old.npy"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("apply: old.npy: File too large; nothing has been written\n")
    assert {path.name: path.read_bytes() for path in before[0].iterdir()} == before[1]


def slow_command(code):
    """A process that says when it is in the middle, and waits there."""
    text = f"""
import sys, time
from fastrelu import _apply
from fastrelu.__main__ import main

def shown(what, items, show):
    yield items[0]
    print("begun", flush=True)
    {code}

_apply.shown = shown
_apply._BLOCK = 1000
sys.exit(main())
"""
    return [sys.executable, "-c", text, "apply", "relu", "in.npy", "-o", "old.npy"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_end_in_the_middle(number, status, before):
    command = slow_command("time.sleep(60)")
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # if ignored
    command[2] = heard + command[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as it:
        assert it.stdout.readline() == b"begun\n"
        assert len(list(before[0].iterdir())) == 3  # what it writes is a file of another name
        it.send_signal(number)
        it.communicate(timeout=60)
    assert it.returncode == status
    assert {path.name: path.read_bytes() for path in before[0].iterdir()} == before[1]


def test_progress(tmp_path, monkeypatch):
    np.save(tmp_path / "in.npy", np.ones(5 * MIB))
    code = "import sys; sys.modules['rich'] = None; from fastrelu.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "apply", "relu", "in.npy", "-o", "out.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines() == [f"relu: {done} of 5" for done in range(5)]
    assert done.stdout == ""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    """The file is a hole of 256 MiB; Python and NumPy alone take some 30 MiB.

    `ru_maxrss` would count what the process had before it became another program.
    """
    code = "from fastrelu.__main__ import main; main(); print(open('/proc/self/status').read())"
    np.lib.format.open_memmap(tmp_path / "in.npy", "w+", np.int8, (256 * MIB,))
    done = subprocess.run(
        [sys.executable, "-c", code, "apply", "relu", "in.npy", "-o", "out.npy", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "out.npy").stat().st_size == (tmp_path / "in.npy").stat().st_size
    (tmp_path / "out.npy").unlink()
    (largest,) = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stdout, re.M)
    assert int(largest) * 1024 < 128 * MIB
