"""The instruction set is chosen once, by the processor or by FASTRELU_ISA."""

from __future__ import annotations

import platform

import fastrelu as fr
import pytest
from fastrelu import _core
from fastrelu.testing import forced_isa
from support import ISAS, run_python

KNOWN = ["avx512", "avx2", "sse2", "neon", "scalar"]
ALWAYS = {"x86_64": ["sse2"], "AMD64": ["sse2"], "aarch64": ["neon"], "arm64": ["neon"]}


def imported_with(isa):
    return run_python("import fastrelu as fr; print(fr.isa())", FASTRELU_ISA=isa)


def test_names_are_those_of_the_design_best_first():
    for names in (_core.compiled_isas(), ISAS):
        assert list(names) == [each for each in KNOWN if each in names]
    assert set(ISAS) <= set(_core.compiled_isas())
    assert set(ALWAYS.get(platform.machine(), [])) <= set(ISAS)
    assert ISAS[-1] == "scalar"


def test_the_best_is_chosen():
    assert run_python("import fastrelu as fr; print(fr.isa())").stdout.split() == [ISAS[0]]


def test_an_empty_variable_chooses_nothing():
    assert imported_with("").stdout.split() == [ISAS[0]]


@pytest.mark.parametrize("name", ISAS)
def test_forced(name):
    result = run_python(
        "import numpy as np, fastrelu as fr; print(fr.isa(), *fr.relu(np.arange(-2, 3.0)))",
        FASTRELU_ISA=name,
    )
    assert result.stdout.split() == [name, "0.0", "0.0", "0.0", "1.0", "2.0"], result.stderr


MISSING = [name for name in KNOWN if name not in ISAS]


@pytest.mark.parametrize("name", ["nonsense", "AVX2", *MISSING[:1]])
def test_what_does_not_run_here_is_refused_naming_what_does(name):
    result = imported_with(name)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert message.startswith("ImportError")
    assert "FASTRELU_ISA" in message
    for each in (name, *ISAS):
        assert each in message


def test_import_works_after_a_refusal():
    result = run_python(
        """
import os
try:
    import fastrelu
except ImportError:
    del os.environ["FASTRELU_ISA"]
import fastrelu
print(fastrelu.relu(-1.0))
""",
        FASTRELU_ISA="nonsense",
    )
    assert result.stdout == "0.0\n", result.stderr


def test_switching():
    before = fr.isa()
    for name in ISAS:
        with forced_isa(name):
            assert fr.isa() == name
            assert _core.use_isa(name) == name
    assert fr.isa() == before
    with pytest.raises(ValueError, match=ISAS[0]):
        _core.use_isa("nonsense")
    assert fr.isa() == before


def test_show_config(capsys):
    assert fr.show_config() is None
    text = capsys.readouterr().out
    for each in (fr.__version__, fr.isa(), *_core.compiled_isas(), _core.compiler):
        assert each in text
