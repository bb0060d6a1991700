"""What the package offers: every public name, and nothing else."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from importlib import import_module

import fastrelu as fr
import pytest
from fastrelu import _core
from support import INTERNAL

LOADED = "import fastrelu, json, sys; print(json.dumps([dir(fastrelu), list(sys.modules)]))"
SUBMODULES = {"reference"}
"""Public modules that the package may have loaded, in part at least."""
OF_NOBODY_ELSE = {
    *("_bounds", "_core", "_float8", "_layout", "_system", "_verify", "_version"),
}
"""Modules without a public function of their own: what they define, the package itself names."""


def in_a_new_process():
    result = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True)
    return json.loads(result.stdout)


def test_the_package_has_no_other_public_names():
    names, _ = in_a_new_process()
    public = {name for name in names if not name.startswith("_")} | {"__version__"}
    assert public - SUBMODULES == set(fr.__all__)
    assert len(set(fr.__all__)) == len(fr.__all__)


def test_all_is_complete():
    """All functions and classes that a module defines without an underscore are public."""
    _, modules = in_a_new_process()
    names = {name.split(".")[1] for name in modules if name.startswith("fastrelu._")}
    assert len(names - OF_NOBODY_ELSE) > 5
    for name in names - OF_NOBODY_ELSE:
        module = import_module(f"fastrelu.{name}")
        defined = {
            key
            for key, value in vars(module).items()
            if not key.startswith("_") and getattr(value, "__module__", "") == module.__name__
        }
        assert defined <= set(module.__all__) <= set(fr.__all__), name
    assert {ufunc.__name__ for ufunc in _core.ufuncs} - INTERNAL <= set(fr.__all__)


@pytest.mark.parametrize("name", [name for name in fr.__all__ if callable(getattr(fr, name))])
def test_every_function_can_be_looked_up(name):
    function = getattr(fr, name)
    assert function.__name__ == name
    assert function.__module__.partition(".")[0] == "fastrelu"
    assert inspect.getdoc(function)
    assert all(not each.startswith("_") for each in inspect.signature(function).parameters)
    assert pickle.loads(pickle.dumps(function)) is function
