"""Call fastrelu in functions that Numba compiles: by the interpreter, or by the address of a loop.

* In an ``objmode`` block everything works as it does outside: threads, broadcasting, all dtypes. A
  call takes about 1 us more, as it asks for the interpreter: little from 100,000 elements on.
* The ufunc's own loop, the one that NumPy calls, asks for nothing and needs no GIL, so that small
  arrays have the speed of outside. It takes contiguous arrays of its dtype, and runs on one thread.

Needs ``pip install numba``.
"""

import ctypes
from timeit import repeat

import fastrelu as fr
import numpy as np
from numba import njit, objmode


def loop_of(ufunc, types):
    """Return the C function for arrays of these types: "f->f" is float32 to float32."""
    address = id(ufunc) + object.__basicsize__ + 16  # of the loops in NumPy's struct PyUFuncObject
    loops = ctypes.POINTER(ctypes.c_void_p).from_address(address)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(loops[ufunc.types.index(types)])


LOOP = loop_of(fr.relu, "f->f")


@njit
def by_interpreter(x, out, calls):
    """Write relu of any array into another, several times."""
    for _ in range(calls):
        with objmode():
            fr.relu(x, out=out)


@njit(nogil=True)
def by_loop(x, out, calls):
    """Write relu of a contiguous float32 array into another of its size, several times."""
    arrays = np.array([x.ctypes.data, out.ctypes.data])
    size_and_steps = np.array([x.size, x.itemsize, out.itemsize])
    for _ in range(calls):
        LOOP(arrays.ctypes, size_and_steps.ctypes, size_and_steps[1:].ctypes, 0)
    arrays[0] = size_and_steps[0] = 0  # Numba frees an array after its last use: not before here


if __name__ == "__main__":
    for size in (100, 10_000, 1_000_000):
        x, calls = np.random.default_rng(0).standard_normal(size, np.float32), 1_000_000 // size
        expected, out = fr.relu(x), np.empty_like(x)
        seconds = repeat("fr.relu(x, out=out)", globals=vars() | globals(), number=calls, repeat=9)
        print(f"{size:9,} elements, outside: {1e6 * min(seconds) / calls:.2f} us")
        for function in (by_interpreter, by_loop):
            out.fill(-1)
            seconds = repeat(lambda f=function: f(x, out, calls), number=1, repeat=9)  # noqa: B023
            same = out.tobytes() == expected.tobytes()
            print(f"  {function.__name__}: {1e6 * min(seconds) / calls:.2f} us, same bytes: {same}")
