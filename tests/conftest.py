from __future__ import annotations

import fastrelu as fr
import pytest
from fastrelu._verification import forced_isa
from support import ISAS


def pytest_configure(config):
    meaning = "large arrays and optimised compiles: seconds, not milliseconds"
    config.addinivalue_line("markers", f"slow: {meaning}")


def pytest_report_header():
    return f"fastrelu {fr.__version__}: instruction sets tested here: {', '.join(ISAS)}"


def pytest_generate_tests(metafunc):
    """Choose what `isa` runs on: a module may say that fewer instruction sets show all."""
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", getattr(metafunc.module, "TESTED_ISAS", ISAS), indirect=True)


@pytest.fixture
def isa(request):
    """Run the test on an instruction set, once on each that this processor has."""
    with forced_isa(request.param):
        yield request.param
