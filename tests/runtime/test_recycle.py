"""Large results come from recycled memory, and are arrays like any other."""

from __future__ import annotations

import copy
import ctypes
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _system
from numpy._core.multiarray import get_handler_name
from support import assert_as_promised, assert_same_bytes, run_python

MIB = 1024 * 1024
OURS, NUMPYS = "fastrelu_recycle", "default_allocator"
SOURCE = Path(__file__).resolve().parents[2]
COMPILER = shlex.split(os.environ.get("CXX", "c++"))
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
not_emulated = pytest.mark.skipif(
    "QEMU_CPU" in os.environ, reason="the emulator keeps what is said of memory to itself"
)


@pytest.fixture(autouse=True)
def recycling():
    """Nothing put aside yet, and room for 64 MiB."""
    before = fr.recycle_info().limit
    fr.trim()
    fr.set_recycle_limit(64 * MIB)
    yield
    fr.set_recycle_limit(before)
    fr.trim()


def numbers(mib=1.0, dtype=np.float32):
    size = int(mib * MIB) // np.dtype(dtype).itemsize
    return np.random.default_rng(0).integers(-100, 100, size).astype(dtype)


def address(array):
    return array.__array_interface__["data"][0]


# What a result is


@pytest.mark.parametrize("mib", [1, 3.3, 4, 9])
def test_a_large_result_owns_recycled_memory(mib):
    x = numbers(mib)
    for _ in range(2):  # mapped, reused
        y = fr.relu(x)
        assert_as_promised(fr.relu, y, x)
        assert get_handler_name(y) == OURS
        assert y.base is None
        assert y.flags.num == np.empty_like(x).flags.num
        assert address(y) % 64 == 0
        del y


@pytest.mark.parametrize("call", [fr.relu_backward, fr.leaky_relu, fr.leaky_relu_backward])
def test_every_function_with_a_short_way(call):
    x = numbers()
    y = call(*[x] * (2 if "backward" in call.__name__ else 1))
    assert get_handler_name(y) == OURS
    assert_as_promised(call, y, *[x] * (2 if "backward" in call.__name__ else 1))


def test_fortran_order_and_other_dtypes():
    x = np.asfortranarray(numbers(2, np.int8).reshape(2, 1024, 1024))
    y = fr.relu(x)
    assert get_handler_name(y) == OURS
    assert y.flags.num == np.empty_like(x).flags.num
    assert y.strides == x.strides
    assert_as_promised(fr.relu, y, x)


def test_small_results_are_numpys():
    assert get_handler_name(fr.relu(numbers()[1:])) == NUMPYS
    assert fr.recycle_info().blocks == 0


def test_numpys_own_allocations_stay_its_own():
    y = fr.relu(numbers())
    assert get_handler_name() == NUMPYS
    for each in (
        np.empty_like(y),
        y.copy(),
        y + y,
        copy.deepcopy(y),
        pickle.loads(pickle.dumps(y)),
    ):
        assert get_handler_name(each) in (NUMPYS, None)
    assert_same_bytes(pickle.loads(pickle.dumps(y)), y)
    assert_same_bytes(copy.deepcopy(y), y)


def test_an_error_leaves_nothing_behind():
    x = np.full(MIB, 3e38, np.float32)
    before = fr.recycle_info()
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        fr.leaky_relu(-x, 2.0)
    assert get_handler_name() == NUMPYS
    after = fr.recycle_info()
    assert (after.mapped, after.blocks) == (before.mapped + 1, 1)


# resize


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("mib", [1, 5])
@pytest.mark.parametrize("factor", [1.1, 2.0, 9.0])
def test_resize_larger_keeps_the_data_and_fills_with_zeros(mib, factor, reused):
    x = numbers(mib)
    if reused:
        dirty = fr.relu(np.full_like(x, 7))
        larger = fr.relu(np.full(int(x.size * factor), 7, x.dtype))
        del dirty, larger
    y = fr.relu(x)
    y.resize(int(x.size * factor))
    assert y.flags.owndata
    assert get_handler_name(y) == OURS
    assert_same_bytes(y[: x.size], np.maximum(x, 0))
    assert not y[x.size :].any()


@pytest.mark.parametrize("size", [0, 1, 1000, MIB // 4, MIB - 1])
def test_resize_smaller_keeps_the_data(size):
    x = numbers(4)
    y = fr.relu(x)
    y.resize(size)
    assert_same_bytes(y, np.maximum(x[:size], 0))
    y.resize(x.size)
    assert_same_bytes(y[:size], np.maximum(x[:size], 0))
    assert not y[size:].any()


def test_resize_to_little_gives_the_rest_back():
    y = fr.relu(numbers(8))
    y.resize(10)
    assert fr.recycle_info().held >= 8 * MIB


def test_resize_still_checks_references():
    y = fr.relu(numbers())
    view = y[1:]
    with pytest.raises(ValueError, match="resize"):
        y.resize(2 * y.size)
    assert view.base is y


# Reuse


def test_steady_state_reuses_one_block():
    x = numbers(4)
    first = address(fr.relu(x))
    before = fr.recycle_info()
    for _ in range(5):
        assert address(fr.relu(x)) == first
    after = fr.recycle_info()
    assert (after.reused, after.mapped) == (before.reused + 5, before.mapped)
    assert (after.blocks, after.held) == (before.blocks, before.held) != (0, 0)


def test_memory_in_use_is_not_reused():
    x = numbers()
    view = fr.relu(x)[10:]
    expected = view.copy()
    others = [fr.relu(np.full_like(x, value)) for value in (1, 2, 3)]
    assert len({address(each) for each in (view.base, *others)}) == 4
    assert_same_bytes(view, expected)


def test_the_smallest_block_that_fits_is_taken():
    sizes = 2.4, 2.0, 2.2
    blocks = [fr.relu(numbers(mib)) for mib in sizes]
    places = dict(zip(sizes, map(address, blocks), strict=True))
    blocks.clear()
    for wanted, expected in [(1.98, 2.0), (1.98, 2.2), (1.98, 2.4)]:
        blocks.append(fr.relu(numbers(wanted)))
        assert address(blocks[-1]) == places[expected]


def test_blocks_too_large_or_too_small_are_left():
    large = address(fr.relu(numbers(3)))
    before = fr.recycle_info()
    fr.relu(numbers(2.3))  # 3 is more than 1.25 times that
    fr.relu(numbers(3.1))
    after = fr.recycle_info()
    assert (after.reused, after.mapped) == (before.reused, before.mapped + 2)
    assert address(fr.relu(numbers(2.9))) == large


def test_of_equal_blocks_the_last_freed_is_taken():
    x = numbers()
    blocks = [fr.relu(x) for _ in range(3)]
    places = [address(each) for each in blocks]
    for k in (1, 2, 0):
        blocks[k] = None
    taken = [fr.relu(x) for _ in range(3)]
    assert [address(each) for each in taken] == [places[k] for k in (0, 2, 1)]


# The limit


def test_oldest_out_first():
    x = numbers()
    fr.set_recycle_limit(3 * MIB + MIB // 2)
    blocks = [fr.relu(x) for _ in range(5)]
    places = [address(each) for each in blocks]
    for k in range(5):
        blocks[k] = None
        info = fr.recycle_info()
        assert info.held <= info.limit
        assert info.blocks == min(k + 1, 3)
    taken = [fr.relu(x) for _ in range(3)]
    assert [address(each) for each in taken] == places[:1:-1]
    assert fr.recycle_info().blocks == 0


def test_lowering_the_limit_gives_back_the_oldest():
    x = numbers()
    blocks = [fr.relu(x) for _ in range(3)]
    last = address(blocks[-1])
    while blocks:
        del blocks[0]
    fr.set_recycle_limit(MIB + MIB // 2)
    assert fr.recycle_info().blocks == 1
    assert address(fr.relu(x)) == last


def test_never_more_than_256_blocks():
    x = numbers()
    fr.set_recycle_limit(1 << 40)
    blocks = [fr.relu(x) for _ in range(260)]
    blocks.clear()
    assert fr.recycle_info().blocks == 256


def test_limit_0_turns_recycling_off():
    x = numbers()
    y = fr.relu(x)
    del x
    fr.relu(y)
    fr.set_recycle_limit(0)
    assert fr.recycle_info()[:3] == (0, 0, 0)
    assert get_handler_name(fr.relu(y)) == NUMPYS
    del y  # made while it was on
    assert fr.recycle_info().held == 0


def test_what_may_not_be_kept_is_numpys():
    fr.set_recycle_limit(2 * MIB)
    assert get_handler_name(fr.relu(numbers(3))) == NUMPYS
    assert get_handler_name(fr.relu(numbers(1))) == OURS


@pytest.mark.parametrize(
    ("limit", "error", "words"),
    [
        (-1, ValueError, "must not be negative, but is -1"),
        (1.5, TypeError, "must be an int or text such as '512M', not float"),
        (None, TypeError, "not NoneType"),
        (True, TypeError, "not bool"),
        (b"1M", TypeError, "not bytes"),
        *(
            (text, ValueError, f"is '{text}', not a number of bytes, such as 536870912 or 512M")
            for text in ("", "-1", "lots", "1.5G", "5T", "1e9", "M", "1 M", "512MB")
        ),
    ],
)
def test_no_limit(limit, error, words):
    before = fr.recycle_info()
    with pytest.raises(error, match=f"^set_recycle_limit: limit .*{words}$"):
        fr.set_recycle_limit(limit)
    assert fr.recycle_info() == before


@pytest.mark.parametrize(
    ("text", "limit"),
    [("0", 0), ("1048577", 1048577), (" 64K\n", 2**16), ("512M", 2**29), ("3g", 3 * 2**30)],
)
def test_text_is_a_limit(text, limit):
    fr.set_recycle_limit(text)
    assert fr.recycle_info().limit == limit


def test_any_integer_is_a_limit():
    fr.set_recycle_limit(np.int16(5))
    assert fr.recycle_info().limit == 5
    fr.set_recycle_limit(10**30)
    assert fr.recycle_info().limit >= 2**31 - 1


def test_trim():
    blocks = [fr.relu(numbers(mib)) for mib in (1, 2, 4)]
    assert fr.trim() == 0
    blocks.clear()
    held = fr.recycle_info().held
    assert 7 * MIB <= held <= 7.1 * MIB
    assert fr.trim() == held
    assert fr.recycle_info()[1:3] == (0, 0)
    assert fr.trim() == 0


# The environment

LIMIT = "import fastrelu as fr; print(fr.recycle_info().limit)"


@pytest.mark.parametrize(
    ("text", "limit"),
    [("0", 0), ("1048577", 1048577), ("64K", 65536), ("512M", 2**29), ("3g", 3 * 2**30)],
)
def test_limit_from_the_environment(text, limit):
    result = run_python(LIMIT, FASTRELU_RECYCLE_LIMIT=text)
    assert (result.stdout.strip(), result.stderr) == (str(limit), "")


@pytest.mark.parametrize("text", ["-1", "lots", "1.5G", "5T", "1e9", "M"])
def test_a_senseless_limit_warns_once_and_is_ignored(text):
    result = run_python(LIMIT + "; import fastrelu._runtime", FASTRELU_RECYCLE_LIMIT=text)
    assert result.stdout == run_python(LIMIT, FASTRELU_RECYCLE_LIMIT="").stdout
    assert result.stderr.count("RuntimeWarning") == 1
    assert f"FASTRELU_RECYCLE_LIMIT={text} is ignored" in result.stderr
    assert result.stderr.startswith("<string>:1:")


def test_default_limit_is_a_sixteenth_of_the_memory():
    _, memory = _system.limits()
    assert run_python(LIMIT, FASTRELU_RECYCLE_LIMIT="").stdout == f"{memory // 16}\n"


def test_show_config_says_what_is_held(capsys):
    fr.set_recycle_limit(3 * 512 * MIB)
    fr.show_config()
    fr.relu(numbers(4))
    fr.show_config()
    fr.set_recycle_limit(0)
    fr.show_config()
    lines = re.findall(r"^recycling +(.*)$", capsys.readouterr().out, re.MULTILINE)
    assert lines == ["0 of 1.5 GiB held", "4 MiB of 1.5 GiB held", "off"]


# A handler of the user's own, tracemalloc, huge pages


class Handler(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", ctypes.c_void_p * 5),
    )


@contextmanager
def own_handler(name):
    """NumPy's default handler under another name, set through NumPy's C API."""
    capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    capsule_pointer.restype, capsule_pointer.argtypes = (
        ctypes.c_void_p,
        [ctypes.py_object, ctypes.c_char_p],
    )
    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype = ctypes.py_object
    new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    api = ctypes.cast(
        capsule_pointer(np._core.multiarray._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p)
    )
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(api[304])
    default = ctypes.cast(api[306], ctypes.POINTER(ctypes.py_object))[0]

    handler = Handler.from_buffer_copy(
        ctypes.string_at(capsule_pointer(default, b"mem_handler"), ctypes.sizeof(Handler))
    )
    handler.name = name
    previous = set_handler(new_capsule(ctypes.addressof(handler), b"mem_handler", None))
    try:
        yield
    finally:
        set_handler(previous)


def test_a_users_own_handler_is_respected():
    x = numbers()
    fr.relu(x)
    before = fr.recycle_info()
    with own_handler(b"mine"):
        y = fr.relu(x)
        assert get_handler_name(y) == "mine"
        assert get_handler_name() == "mine"
        assert fr.recycle_info() == before
        assert_as_promised(fr.relu, y, x)
        del y
    assert get_handler_name(fr.relu(x)) == OURS


def test_freeing_under_a_users_own_handler():
    y = fr.relu(numbers())
    with own_handler(b"mine"):
        del y
    assert fr.recycle_info().blocks == 1


@pytest.fixture
def tracing():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def traced():
    only_data = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    snapshot = tracemalloc.take_snapshot().filter_traces([only_data])
    return sum(trace.size for trace in snapshot.traces)


@pytest.mark.usefixtures("tracing")
def test_tracemalloc_sees_arrays_but_not_what_is_put_aside():
    x = numbers(4)
    before = traced()
    for _ in range(2):
        y = fr.relu(x)
        assert traced() - before == x.nbytes
        y.resize(3 * x.size)
        assert traced() - before == 3 * x.nbytes
        y.resize(x.size // 5)
        assert traced() - before == x.size // 5 * 4
        del y
        assert traced() == before
        assert fr.recycle_info().held > 0


def test_tracing_that_starts_or_stops_in_between():
    x = numbers()
    y = fr.relu(x)
    tracemalloc.start()
    try:
        del y
        z = fr.relu(x)
    finally:
        tracemalloc.stop()
    del z
    assert_as_promised(fr.relu, fr.relu(x), x)


SMAPS_FLAGS = """
import re
import numpy as np, fastrelu as fr
fr.set_recycle_limit(1 << 28)

def flags_of(array):
    address = array.__array_interface__["data"][0] + array.nbytes // 2
    inside = False
    for line in open("/proc/self/smaps"):
        if match := re.match("([0-9a-f]+)-([0-9a-f]+) ", line):
            inside = int(match[1], 16) <= address < int(match[2], 16)
        elif inside and line.startswith("VmFlags"):
            return line.split()[1:]

for mib in (3.9, 4, 33):
    print("hg" in flags_of(fr.relu(np.ones(int(mib * 2**18), np.float32))))
"""


def huge_pages_exist():
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return enabled.exists() and "[never]" not in enabled.read_text()


@on_linux
@not_emulated
@pytest.mark.skipif(not huge_pages_exist(), reason="no huge pages here")
@pytest.mark.parametrize(("variable", "advised"), [(None, True), ("1", True), ("0", False)])
def test_huge_pages_are_asked_for_as_numpy_does(monkeypatch, variable, advised):
    monkeypatch.delenv("NUMPY_MADVISE_HUGEPAGE", raising=False)
    variables = {"NUMPY_MADVISE_HUGEPAGE": variable} if variable else {}
    result = run_python(SMAPS_FLAGS, **variables)
    assert result.stdout.split() == ["False", str(advised), str(advised)], result.stderr


@on_linux
def test_a_large_block_lies_on_huge_pages():
    """All of the result but the part on the page of the block's own."""
    if os.sysconf("SC_PAGESIZE") != 4096 or not huge_pages_exist():
        pytest.skip("no huge pages of 2 MiB here")
    if os.environ.get("NUMPY_MADVISE_HUGEPAGE") == "0":
        pytest.skip("not asked for")
    for mib in (4, 6.3, 16):
        y = fr.relu(numbers(mib))
        assert -address(y) % (2 * MIB) < 4096
        del y
        overhead = fr.trim() - mib * MIB
        assert 0 <= overhead < 2 * MIB
    y = fr.relu(numbers(16))
    del y
    assert fr.trim() == 16 * MIB + 4096


# Threads, forks, the end


def test_freed_by_another_thread():
    box = [fr.relu(numbers())]
    place = address(box[0])
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert fr.recycle_info().blocks == 1
    assert address(fr.relu(numbers())) == place


def test_many_threads_allocate_and_free_at_once():
    sources = [numbers(mib) for mib in (1, 1.1, 1.3, 2)]
    expected = [np.maximum(each, 0) for each in sources]
    fr.set_recycle_limit(6 * MIB)  # so that blocks are given back, too
    ready = threading.Barrier(8)

    def work(seed):
        rng = np.random.default_rng(seed)
        ready.wait()
        kept = []
        for _ in range(60):
            k = int(rng.integers(len(sources)))
            kept.append((k, fr.relu(sources[k])))
            if len(kept) > 3:
                k, y = kept.pop(int(rng.integers(len(kept))))
                if y.tobytes() != expected[k].tobytes():
                    return False
            if rng.integers(20) == 0:
                fr.trim()
        return all(y.tobytes() == expected[k].tobytes() for k, y in kept)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    info = fr.recycle_info()
    assert info.held <= info.limit


FORK = """
import os, re, sys, threading, warnings
import numpy as np, fastrelu as fr
warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's libraries may have threads
fr.set_recycle_limit(1 << 28)
MIB = 1 << 20
x = np.arange(-MIB // 2, MIB // 2, dtype=np.float32)
expected = np.maximum(x, 0)

def address(array):
    return array.__array_interface__["data"][0]

def is_mapped(address):
    ranges = (re.match("([0-9a-f]+)-([0-9a-f]+) ", line) for line in open("/proc/self/maps"))
    return any(int(each[1], 16) <= address < int(each[2], 16) for each in ranges)

def in_child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def run_forking(code):
    result = run_python(FORK + code)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


@on_linux
@not_emulated
@needs_fork
def test_a_child_starts_without_what_was_put_aside():
    run_forking(
        """
aside = address(fr.relu(x))
assert is_mapped(aside)

def child():
    assert fr.recycle_info()[1:3] == (0, 0)
    assert not is_mapped(aside)
    assert fr.trim() == 0
    for _ in range(3):
        assert (fr.relu(x) == expected).all()
    assert fr.recycle_info().blocks == 1

for _ in range(2):
    in_child(child)
    assert fr.recycle_info()[1:3] == (0, 0)  # the parent has given it back, too
    aside = address(fr.relu(x))
    assert is_mapped(aside)
"""
    )


@on_linux
@needs_fork
def test_a_subprocess_leaves_what_was_put_aside():
    """Python starts it by vfork, after which nothing has to be copied."""
    run_forking(
        """
import subprocess
aside = address(fr.relu(x))
subprocess.run([sys.executable, "-c", ""], check=True)
assert fr.recycle_info().blocks == 1
assert address(fr.relu(x)) == aside
"""
    )


@on_linux
@needs_fork
def test_blocks_in_use_over_a_fork_are_not_reused():
    """They are shared with the child, and writing to them would copy."""
    run_forking(
        """
y = fr.relu(x)
place = address(y)

def child():
    global y
    assert (y == expected).all()
    y[:] = 3
    y.resize(2 * x.size, refcheck=False)
    assert (y[: x.size] == 3).all() and not y[x.size :].any()
    del y
    assert fr.recycle_info().blocks == 1  # that of the resized array, made here
    assert not is_mapped(place)

in_child(child)
assert (y == expected).all()
del y
assert fr.recycle_info().blocks == 0
assert not is_mapped(place)
fr.relu(x)
assert fr.recycle_info().blocks == 1
"""
    )


@needs_fork
def test_forks_while_another_thread_allocates():
    run_forking(
        """
stop = threading.Event()

def allocate():
    while not stop.is_set():
        kept = [fr.relu(x[: MIB // 2]) for _ in range(3)]

thread = threading.Thread(target=allocate, daemon=True)
thread.start()

def child():
    for _ in range(3):
        assert (fr.relu(x) == expected).all()
    fr.trim()

for _ in range(30):
    in_child(child)
stop.set()
thread.join()
"""
    )


def test_freed_while_the_interpreter_ends_or_never():
    result = run_python(
        """
import atexit, ctypes, sys, threading
import numpy as np, fastrelu as fr
x = np.ones(1 << 20, np.float32)
kept = fr.relu(x)
sys.kept_by_sys = fr.relu(x)

class Late:
    def __init__(self):
        self.y = fr.relu(x)
        self.relu = fr.relu
    def __del__(self):
        del self.y
        print("late", self.relu(kept_for_late).sum() == 2**20)

kept_for_late = x
late = Late()
late.itself = late
never = fr.relu(x)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(never))
atexit.register(lambda y: print("atexit", y.sum() == 2**20), fr.relu(x))
local = threading.local()
local.y = fr.relu(x)
"""
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["atexit True", "late True"]


LITTLE_MEMORY = """
import re, resource, sys
import numpy as np, fastrelu as fr
from numpy._core.multiarray import get_handler_name
MIB = 1 << 20
fr.set_recycle_limit(1 << 40)

def leave(mib):
    used = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + mib * MIB, resource.RLIM_INFINITY))
    try:
        np.empty(2 * mib * MIB, np.int8)
    except MemoryError:
        return
    sys.exit(5)  # an emulator that ignores the limit
"""


def run_with_little_memory(code):
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("the sanitizer ends a process that has no memory")
    result = run_python(LITTLE_MEMORY + code)
    if result.returncode == 5:
        pytest.skip("memory cannot be limited under this emulator")
    return result


@on_linux
def test_no_memory_is_numpys_memory_error():
    result = run_with_little_memory(
        """
x = np.zeros(512 * MIB, np.int8)
leave(100)
try:
    fr.relu(x)
except MemoryError as error:
    print(error)
print(get_handler_name(), fr.recycle_info().held)
print(get_handler_name(fr.relu(x[:MIB])))
"""
    )
    error, state, after = result.stdout.splitlines()
    assert "Unable to allocate 512. MiB" in error
    assert (state, after) == (f"{NUMPYS} 0", OURS)
    assert result.returncode == 0


@on_linux
def test_what_is_put_aside_makes_room_for_what_is_needed():
    result = run_with_little_memory(
        """
x = np.zeros(512 * MIB, np.int8)
del_me = [fr.relu(x[: 100 * MIB]) for _ in range(3)]
del_me.clear()
assert fr.recycle_info().held >= 300 * MIB
leave(300)
y = fr.relu(x)
print(get_handler_name(y), fr.recycle_info().held)
"""
    )
    assert result.stdout.split() == [OURS, "0"], result.stderr


# What can be seen from C++ alone

PROGRAM = r"""
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <unistd.h>
#include "pages.h"
#include "recycle.h"
#include "system_info.h"

using namespace fastrelu;

static long now = 1000;

// Before the C library's, so that time passes as the test wants it.
extern "C" int clock_gettime(clockid_t, timespec* time) {
  *time = {now, 0};
  return 0;
}

static void expect(bool ok, int line) {
  if (ok) return;
  std::printf("line %d\n", line);
  std::exit(1);
}

int main() {
  system_info.huge_pages = sysconf(_SC_PAGESIZE) == page_bytes;
  prepare_recycling();
  constexpr std::size_t mib = 1 << 20;
  set_recycle_limit(100 * mib);

  void* a = recycled_malloc(mib);
  expect(reinterpret_cast<std::uintptr_t>(a) % 64 == 0, __LINE__);
  expect(!is_warm(a), __LINE__);
  std::memset(a, 7, mib);
  recycled_free(a);
  void* b = recycled_malloc(mib);
  expect(b == a && is_warm(b), __LINE__);
  recycled_free(b);

  auto* zeroed = static_cast<unsigned char*>(recycled_calloc(mib / 8, 8));
  expect(zeroed == a, __LINE__);
  for (std::size_t i = 0; i < mib; ++i) expect(zeroed[i] == 0, __LINE__);

  expect(!recycled_calloc(SIZE_MAX / 2, 3), __LINE__);
  for (std::size_t bytes : {SIZE_MAX, SIZE_MAX - 8192, SIZE_MAX / 2}) {
    expect(!recycled_malloc(bytes), __LINE__);
  }
  expect(!recycled_realloc(zeroed, SIZE_MAX), __LINE__);
  zeroed[0] = 5;  // still there
  recycled_free(zeroed);
  recycled_free(nullptr);
  void* none = recycled_realloc(nullptr, 0);
  expect(none, __LINE__);
  recycled_free(none);
  expect(recycle_info().blocks == 2, __LINE__);
  expect(!recycled_malloc(SIZE_MAX / 2), __LINE__);
  expect(recycle_info().blocks == 0, __LINE__);  // given back before a request fails

  // Idle blocks go at the next call, be it an allocation or a free, and they alone.
  recycled_free(recycled_malloc(mib));
  now += 6;
  void* c = recycled_malloc(3 * mib);
  recycled_free(recycled_malloc(9 * mib));
  expect(recycle_info().blocks == 2, __LINE__);
  now += 5;
  recycled_free(c);
  expect(recycle_info().blocks == 2 && recycle_info().held >= 12 * mib, __LINE__);
  now += 6;
  void* d = recycled_malloc(mib);
  expect(recycle_info().blocks == 1 && recycle_info().held < 4 * mib, __LINE__);
  recycled_free(d);
  now += 100;
  expect(recycle_info().blocks == 2, __LINE__);  // no timer, and asking is no use
  void* e = recycled_malloc(3 * mib);
  expect(is_warm(e) && recycle_info().blocks == 0, __LINE__);  // what is wanted is not too old
  recycled_free(e);
  std::puts("done");
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    runtime = SOURCE / "csrc" / "runtime"
    if not runtime.is_dir() or not shutil.which(COMPILER[0]):
        pytest.skip("no source or no compiler here")
    folder = tmp_path_factory.mktemp("recycle")
    (folder / "program.cpp").write_text(PROGRAM)
    units = [runtime / f"{name}.cpp" for name in ("recycle", "pages")]
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{runtime}"]
    command = [*COMPILER, *options, folder / "program.cpp", *units, "-o", folder / "program"]
    subprocess.run(command, check=True)
    return folder / "program"


@on_linux
@not_emulated
def test_the_cache_without_python(program):
    result = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "done\n")
