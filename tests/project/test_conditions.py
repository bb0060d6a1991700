"""No test asserts something on some of its parameters alone: it would pass on the others, too."""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def asserts_nothing_unless(test: ast.FunctionDef) -> bool:
    """Whether all that the test does is under a condition, or behind a return that is."""
    body = test.body[1:] if ast.get_docstring(test) else test.body
    *before, last = body
    prepares = all(isinstance(each, ast.Assign) for each in before)
    is_under_condition = isinstance(last, ast.If) and not last.orelse and prepares
    returns = isinstance(body[0], ast.If) and isinstance(body[0].body[-1], ast.Return)
    return is_under_condition or (returns and not holds_assert(body[0]))


def holds_assert(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Assert) for each in ast.walk(node))


def functions_in(text: str):
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
            yield each


def test_what_a_test_asserts_is_asserted_for_all_its_parameters():
    found = [
        f"{path.name}:{test.lineno}: {test.name}: parametrize it over what it is about"
        for path in sorted(FOLDER.rglob("test_*.py"))
        for test in functions_in(path.read_text())
        if asserts_nothing_unless(test)
    ]
    assert found == []


def test_such_tests_are_found():
    texts = {
        "def test_it(x):\n  if x:\n    assert x == 1": True,
        "def test_it(x):\n  'Words.'\n  y = x + 1\n  if y:\n    assert x == 1": True,
        "def test_it(x):\n  if x:\n    return\n  assert x == 1": True,
        "def test_it(x):\n  if x:\n    assert x == 1\n  else:\n    assert x == 0": False,
        "def test_it(x):\n  assert x\n  if x > 1:\n    assert x == 2": False,
        "def test_it(x):\n  if x:\n    assert x == 1\n    return\n  assert x == 0": False,
    }
    for text, expected in texts.items():
        (test,) = functions_in(text)
        assert asserts_nothing_unless(test) == expected, text
