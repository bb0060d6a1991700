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


@pytest.fixture(params=ISAS)
def isa(request):
    """Run the test once on every instruction set that this processor has."""
    with forced_isa(request.param):
        yield request.param
