# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Calls that type checkers reject: should they accept one, its comment is an error."""

from typing import Any

import fastrelu as fr
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def arguments(x: F32, c64: NDArray[np.complex64], text: NDArray[np.str_]) -> None:
    fr.relu()  # type: ignore[call-overload]
    fr.relu("text")  # type: ignore[call-overload]
    fr.relu(None)  # type: ignore[call-overload]
    fr.relu(1j)  # type: ignore[call-overload]
    fr.relu(c64)  # type: ignore[type-var]
    fr.relu(text)  # type: ignore[type-var]
    fr.relu(x, x, x)  # type: ignore[call-overload]
    fr.relu(x=x)  # type: ignore[call-overload]
    fr.relu(x, out=[1.0])  # type: ignore[call-overload]
    fr.relu(x, out=(x, x))  # type: ignore[arg-type]
    fr.relu(x, dtpe=np.float64)  # type: ignore[call-overload]
    fr.relu(x, order="B")  # type: ignore[call-overload]
    fr.relu(x, casting="never")  # type: ignore[call-overload]
    fr.relu_backward(x)  # type: ignore[call-overload]
    fr.relu_backward(x, "text")  # type: ignore[call-overload]
    fr.leaky_relu("text")  # type: ignore[call-overload]
    fr.leaky_relu(c64, 0.2)  # type: ignore[type-var]
    fr.leaky_relu(x, "0.2")  # type: ignore[call-overload]
    fr.leaky_relu(x, 1j)  # type: ignore[call-overload]
    fr.leaky_relu(x, slope=0.2)  # type: ignore[call-overload]
    fr.leaky_relu(x, 0.2, negative_slope=0.2)  # type: ignore[call-overload]
    fr.add_relu(x)  # type: ignore[call-overload]
    fr.add_relu(x, None)  # type: ignore[call-overload]
    fr.scale_shift_relu(x, 2.0)  # type: ignore[call-overload]
    fr.clipped_relu(x)  # type: ignore[call-overload]
    fr.threshold(x, 1.0)  # type: ignore[call-overload]
    fr.hardtanh(x, max_value=1)  # type: ignore[call-overload]
    fr.hardtanh_backward(x)  # type: ignore[call-overload]
    fr.hardswish("text")  # type: ignore[call-overload]
    fr.sigmoid(x, 0.5)  # type: ignore[call-overload]
    fr.tanh(c64)  # type: ignore[type-var]
    fr.gelu(x, approximate="tanh")  # type: ignore[call-overload]
    fr.elu(x, "0.5")  # type: ignore[call-overload]
    fr.elu(x, beta=0.5)  # type: ignore[call-overload]
    fr.celu_backward(x)  # type: ignore[call-overload]
    fr.tanh_backward_from_output(x)  # type: ignore[call-overload]


def methods(x: F32) -> None:
    fr.relu.__name__ = "f"  # type: ignore[misc]
    wrong: NDArray[np.float64] = fr.relu(x, out=x)  # type: ignore[arg-type]
    print(wrong)


def reduction(x: F32) -> None:
    fr.relu.reduce(x)  # type: ignore[arg-type]


def outer_product(x: F32) -> None:
    fr.hardtanh.outer(x, x)  # type: ignore[arg-type]


def in_place(x: F32) -> None:
    fr.relu_([1.0])  # type: ignore[type-var]
    fr.relu_(1.0)  # type: ignore[type-var]
    fr.leaky_relu_(x, "0.2")  # type: ignore[arg-type]
    fr.relu_backward_(x)  # type: ignore[call-arg]


def beside_ufuncs(x: F32, anything: Any) -> None:
    fr.clip_grad_norm_([1.0], 1)  # type: ignore[list-item]
    fr.prelu("text", 0.2)  # type: ignore[call-overload]
    fr.sparsity(x, 0.5)  # type: ignore[call-overload]
    fr.set_num_threads("two")  # type: ignore[arg-type]
    fr.verify(functions=anything, dtype="int8")  # type: ignore[call-arg]
    fr.no_such_function(x)  # type: ignore[attr-defined]
