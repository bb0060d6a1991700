"""What the docs state is so."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import reference
from support import INTERNAL, data_count, every_public_ufunc, parameter_names, takes_floats

ROOT = Path(__file__).parents[2]
STUBS = Path(fr.__file__).parent / "_ufuncs"
TABLE = ROOT / "docs" / "dtypes.md"
FUNCTIONS = ROOT / "docs" / "functions.md"
REFERENCE = ROOT / "docs" / "reference" / "index.rst"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    if BLOCK.search(page.read_text())
]
PYTHON_NUMBERS = {"Python int": 2, "Python float": 0.5}


def rows():
    text = TABLE.read_text()
    lines = [line for line in text[text.index("| x |") :].splitlines() if line.startswith("| ")]
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
        assert fr.add_leaky_relu(array, array, each).dtype == dtype_called(result)
        assert fr.elu(array, each).dtype == dtype_called(result)
        assert fr.celu_derivative(array, each).dtype == dtype_called(result)
        assert fr.elu_backward(array, array, each).dtype == dtype_called(result)


def test_table_of_what_functions_do():
    rows = re.findall(r"^\| (select|add|multiply|smooth) \| (.*?) \|", TABLE.read_text(), re.M)
    said = {name: kind for kind, names in rows for name in re.findall(r"`(\w+)`", names)}
    done = {"select": "selects", "add": "adds", "multiply": "multiplies", "smooth": "smooth"}
    for name in {ufunc.__name__ for ufunc in fr._core.ufuncs} - INTERNAL:
        forward = re.sub("_(derivative|backward|backward_from_output)$", "", name)
        assert done[said[forward]] == reference.arithmetic(name), name


def test_the_page_of_functions_has_every_public_name():
    named = set(re.findall(r"`(?:with )?(\w+)", FUNCTIONS.read_text()))
    for name in set(fr.__all__) - {"__version__"}:
        forward = re.sub("_(derivative|backward|backward_from_output)$", "", name)
        assert {name, forward} & named, name


def listed_ufuncs():
    """Yield the name of each ufunc in the table, and its parameters."""
    table, _, _ = FUNCTIONS.read_text().partition("## In place")
    for cell in re.findall(r"^\| (.*?) \|", table, re.M):
        yield from re.findall(r"`(\w+)\((.*?)\)`", cell)


@pytest.mark.parametrize(("name", "parameters"), [*listed_ufuncs()])
def test_the_page_of_functions_names_the_parameters(name, parameters):
    names = [*inspect.signature(getattr(fr, name)).parameters]
    assert names[: names.index("out")] == parameters.split(", ")


def classes_of_stubs():
    tree = ast.parse((STUBS / "_types.pyi").read_text())
    return {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}


def stub_of(name):
    """The class that a stub gives to the ufunc of that name."""
    for path in STUBS.glob("*.pyi"):
        for each in ast.parse(path.read_text()).body:
            if isinstance(each, ast.AnnAssign) and each.target.id == name:
                return classes_of_stubs()[each.annotation.id]
    raise AssertionError(f"{name} has no stub")


@every_public_ufunc
def test_stubs_have_the_signature(ufunc):
    parameters = list(inspect.signature(ufunc).parameters.values())
    calls = [each for each in stub_of(ufunc.__name__).body if each.name == "__call__"]
    (last,) = (each.args for each in calls if "out: New" in ast.unparse(each))
    assert [each.arg for each in last.posonlyargs[1:]] == [
        each.name for each in parameters if each.kind is each.POSITIONAL_ONLY
    ]
    by_name = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert [each.arg for each in last.args] == [each.name for each in by_name]
    assert [ast.literal_eval(each) for each in last.defaults] == [
        each.default for each in by_name if each.default is not each.empty
    ]
    keywords = {each.target.id for each in classes_of_stubs()["K"].body if hasattr(each, "target")}
    assert keywords == {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_the_stub_of_the_extension_names_ufuncs_that_it_has():
    text = (STUBS.parent / "_core.pyi").read_text()
    named = re.findall(r"^(\w+): np.ufunc$", text, re.M)
    assert named
    assert set(named) <= {ufunc.__name__ for ufunc in fr._core.ufuncs}


SECTIONS = ["Parameters", "Returns", "Raises", "See Also", "Notes", "Examples"]


@every_public_ufunc
def test_docstrings_are_whole(ufunc):
    """Sections in the order of numpydoc; every parameter described; the shared ones, too."""
    found = re.findall(r"^(\w[\w ]+)\n-+$", ufunc.__doc__, re.M)
    assert found == [each for each in SECTIONS if each in found]
    assert {"Parameters", "Returns", "Raises", "Examples"} <= set(found)
    parameters = ufunc.__doc__.split("Parameters\n----------\n")[1].split("\nReturns\n")[0]
    described = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", parameters, re.M)
    assert [name for each in described for name in each.split(", ")] == [
        *inspect.signature(ufunc).parameters
    ]
    assert ufunc.__doc__.splitlines()[2].endswith(".")


@every_public_ufunc
def test_docstrings_say_of_what_dtype_the_result_is(ufunc):
    said = ufunc.__doc__.split("\nReturns\n-------\n")[1].split("\nRaises\n")[0]
    of_integers = ufunc(*np.ones((ufunc.nin, 3), np.int8))
    assert ("Integers give float64" in said) == (of_integers.dtype == np.float64)
    parameters = parameter_names(ufunc)
    if takes_floats(ufunc) and parameters:
        data = np.ones((data_count(ufunc), 3), np.float16)
        result = ufunc(*data, *np.ones((len(parameters), 3), np.float32))
        assert (f"keep their dtype if float32 can hold `{parameters[-1]}`" in said) == (
            result.dtype == np.float16
        )


def test_the_reference_lists_every_public_name_once():
    listed = re.findall(r"^   (\w+)$", REFERENCE.read_text(), re.M)
    public = [name for name in fr.__all__ if name != "__version__"]
    modules = ["autograd", "reference", "sklearn", "testing", "threadpoolctl"]
    assert sorted(listed) == sorted([*public, *modules])


def words(lines):
    return [each.split() for each in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_on_pages(page, tmp_path):
    """Blocks run from the top to the bottom, and print what comments beside print say."""
    code = "\n".join(BLOCK.findall(page.read_text()))
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # with more, small products take longer
        capture_output=True,
        text=True,
        check=False,
    )
    if missing := re.search(r"^ModuleNotFoundError: No module named '(.*)'$", done.stderr, re.M):
        pytest.importorskip(missing[1])
    assert done.returncode == 0, done.stderr
    printed = iter(words(done.stdout.splitlines()))
    for expected in words(re.findall(r"^ *print\(.*\)  # (.+)$", code, re.M)):
        assert expected in printed, f"not printed, or not in this order: {' '.join(expected)}"
