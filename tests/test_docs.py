"""What the docs state is so."""

from __future__ import annotations

from pathlib import Path

import fastrelu as fr
import numpy as np
import pytest

TABLE = Path(__file__).parents[1] / "docs" / "dtypes.md"
PYTHON_NUMBERS = {"Python int": 2, "Python float": 0.5}


def rows():
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    (_, *slopes), *body = ([cell.strip() for cell in line.strip("| ").split("|")] for line in lines)
    for x, *results in body:
        yield from ((x, slope, result) for slope, result in zip(slopes, results, strict=True))


def dtype_called(name):
    if name.startswith(("bfloat", "float8")):
        return np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))
    return np.dtype(name)


@pytest.mark.parametrize(("x", "slope", "result"), list(rows()))
def test_promotion_table(x, slope, result):
    array = np.ones(2, dtype_called(x))
    slopes = [PYTHON_NUMBERS[slope]] if slope in PYTHON_NUMBERS else []
    if not slopes:
        dtype = dtype_called(slope)
        slopes = [dtype.type(1), np.ones(2, dtype), np.ones((), dtype)]
    for each in slopes:
        assert fr.leaky_relu(array, each).dtype == dtype_called(result)
        assert fr.leaky_relu_derivative(array, each).dtype == dtype_called(result)
        assert fr.leaky_relu_backward(array, array, each).dtype == dtype_called(result)
