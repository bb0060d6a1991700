from __future__ import annotations

import gc
import os
import re
from collections import defaultdict

import fastrelu as fr
import pytest
from fastrelu import reference
from fastrelu.testing import _ufuncs, forced_isa
from support import ISAS, UFUNCS


def pytest_configure(config):
    meaning = "large arrays and optimised compiles: seconds, not milliseconds"
    config.addinivalue_line("markers", f"slow: {meaning}")
    meaning = "nearly every test that is not slow, with each value of a parameter once: two minutes"
    config.addinivalue_line("markers", f"quick: {meaning}")
    if config.option.markexpr == "quick":
        os.environ.setdefault("FASTRELU_FUZZ", "short")


NEVER_QUICK = {
    f"test_{name}.py" for name in ("failures", "guard_pages", "line", "parallel", "simd")
}
"""Modules that compile C++, or have every request for memory fail in turn: half of all the time."""

SMOOTH = {each.__name__ for each in UFUNCS if reference.arithmetic(each.__name__) == "smooth"}
ALIKE = SMOOTH - {*_ufuncs.SMOOTH_KINDS}
"""What holds for every ufunc is quickly tested with two smooth ones: all have the same loop."""


@pytest.hookimpl(tryfirst=True)  # before pytest selects by markers
def pytest_collection_modifyitems(items):
    """Mark as quick: of each test that is not slow, the cases whose ids have a word that is new.

    A test meets each function and each dtype once, not all of them each other: it does not need
    ``threshold-float32`` after ``relu-float32`` and ``threshold-int8``. Of the instruction sets it
    meets the best, and numbers are not words.
    """
    met = defaultdict(lambda: set(ISAS[1:]))
    for item in items:
        test, _, case = item.nodeid.partition("[")
        if item.path.parent.name == "ufuncs":
            met[test] |= ALIKE
        words = {"", *(word for word in case.rstrip("]").split("-") if not word.isdigit())}
        may_be_quick = item.path.name not in NEVER_QUICK and not item.get_closest_marker("slow")
        if may_be_quick and not words <= met[test]:
            item.add_marker("quick")
            met[test] |= words


def pytest_collection_finish():
    gc.freeze()  # the tests themselves, which every collection of garbage would look through


def pytest_addoption(parser):
    meaning = "a test fails, and is not skipped, if a package is missing that it compares with"
    parser.addoption("--all-packages", action="store_true", help=meaning)


def fail_if_a_package_is_missing(report, config):
    """Make a failure of what `pytest.importorskip` skipped, if --all-packages says so.

    Modules of Python's own tests, whose names begin with an underscore, cannot be installed.
    """
    if isinstance(report.longrepr, tuple) and config.getoption("all_packages"):
        _, _, reason = report.longrepr
        if report.skipped and re.search("could not import '[^_]", reason):
            report.outcome, report.longrepr = "failed", reason
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return fail_if_a_package_is_missing((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return fail_if_a_package_is_missing((yield), collector.config)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the options
def pytest_cmdline_main(config):
    """Run the whole suite on all cores, if pytest-xdist is there.

    Whoever names files or tests, debugs or wants to see what is printed gets one process.
    """
    option = config.option
    wants_one = option.keyword or option.usepdb or option.trace or option.capture == "no"
    is_whole = config.args_source is config.ArgsSource.TESTPATHS
    is_worker = hasattr(config, "workerinput")
    if is_whole and not wants_one and not is_worker and getattr(option, "numprocesses", 0) is None:
        option.numprocesses = "auto"
        option.dist = "worksteal"  # neighbours stay together: they share compiled programs


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
