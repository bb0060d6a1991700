"""scikit-learn's networks with fastrelu's activations."""

from __future__ import annotations

import subprocess
import sys

import fastrelu as fr
import numpy as np
import pytest

integration = pytest.importorskip("fastrelu.sklearn")
base = pytest.importorskip("sklearn.neural_network._base")
neural = pytest.importorskip("sklearn.neural_network")

NAMES = integration.activations()
SHORT = "ignore:.*(converge|reached).*"  # trainings too short to converge
VALUES = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, *np.linspace(-7, 7, 57)]


@pytest.fixture
def installed():
    with integration.installed():
        yield


def state():
    constraint = neural.MLPRegressor._parameter_constraints["activation"][0]
    return dict(base.ACTIVATIONS), dict(base.DERIVATIVES), set(constraint.options)


def digits():
    data = pytest.importorskip("sklearn.datasets").load_digits()
    return np.float32(data.data[:200] / 16), data.target[:200]


def trained(estimator, activation="relu", **options):
    x, y = digits()
    given = {"max_iter": 300, "random_state": 0, "tol": 1e-3} | options
    return estimator(hidden_layer_sizes=20, activation=activation, **given).fit(x, y)


def weights(network):
    return b"".join(each.tobytes() for each in network.coefs_ + network.intercepts_)


def test_names():
    assert {"relu", "gelu", "silu", "leaky_relu", "hardtanh", "sigmoid", "fastrelu_tanh"} < {*NAMES}
    assert not {"tanh", "logistic", "identity", "clipped_relu", "threshold", "add_relu"} & {*NAMES}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_those_of_the_functions(name, dtype, installed):
    """For functions whose gradient is taken from the output, too."""
    function = name.removeprefix("fastrelu_")
    x, grad = (each.copy() for each in np.meshgrid(np.array(VALUES, dtype), [1, -2.5, 0, np.inf]))
    grad = grad.astype(dtype)
    with np.errstate(all="ignore"):
        y = getattr(fr, function)(x)
        grad_x = getattr(fr, f"{function}_backward")(grad, x)
        base.ACTIVATIONS[name](x)
        base.DERIVATIVES[name](x, grad)
    assert x.tobytes() == y.tobytes()
    assert grad.tobytes() == grad_x.tobytes()


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("estimator", [neural.MLPClassifier, neural.MLPRegressor])
@pytest.mark.parametrize("name", ["relu", "tanh", "logistic"])
@pytest.mark.filterwarnings(SHORT)
def test_what_scikit_learn_has_keeps_its_bytes(name, estimator, solver):
    own = trained(estimator, name, solver=solver, max_iter=20)
    with integration.installed():
        ours = trained(estimator, name, solver=solver, max_iter=20)
    assert weights(own) == weights(ours)


@pytest.mark.parametrize("name", NAMES)
def test_networks_learn(name, installed):
    x, y = digits()
    options = {"learning_rate_init": 0.01}
    assert trained(neural.MLPClassifier, name, **options).score(x, y) > 0.9
    assert integration._inputs == {}  # nothing is kept beyond a training


@pytest.mark.filterwarnings(SHORT)
def test_sparse_input(installed):
    sparse = pytest.importorskip("scipy.sparse")
    x, y = digits()
    network = neural.MLPClassifier(20, activation="silu", max_iter=30, random_state=0)
    dense = network.fit(x, y).predict_proba(x)
    assert np.allclose(network.fit(sparse.csr_matrix(x), y).predict_proba(x), dense, atol=1e-3)


@pytest.mark.filterwarnings(SHORT)
def test_threads(installed):
    """Those of joblib; other processes would have to install the activations themselves."""
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    config = pytest.importorskip("joblib").parallel_config
    x, y = digits()
    network = neural.MLPClassifier(20, activation="mish", max_iter=30, random_state=0)
    parameters = {"activation": ["mish", "elu", "relu"]}
    with config("threading"):
        found = search(network, parameters, cv=2, n_jobs=4, error_score="raise").fit(x, y)
    alone = search(network, parameters, cv=2, error_score="raise").fit(x, y)
    for key in ("split0_test_score", "split1_test_score"):
        assert np.array_equal(found.cv_results_[key], alone.cv_results_[key])
    assert integration._inputs == {}


def test_install_and_uninstall():
    before = state()
    for _ in range(2):
        integration.install()
        assert state()[2] == before[2] | set(NAMES)
        assert base.ACTIVATIONS["relu"] is not before[0]["relu"]
    with integration.installed():
        pass
    assert "gelu" in base.ACTIVATIONS  # the block has left it as it was
    for _ in range(2):
        integration.uninstall()
        assert state() == before


def test_the_block_restores_after_an_error():
    before = state()
    with pytest.raises(ZeroDivisionError), integration.installed():
        raise ZeroDivisionError
    assert state() == before


def test_scikit_learn_names_the_activations_it_could_take(installed):
    with pytest.raises(ValueError, match=r"'activation' parameter.*'mish'.*Got 'gleu'"):
        trained(neural.MLPRegressor, "gleu")
    integration.uninstall()
    with pytest.raises(ValueError, match=r"'activation' parameter.*Got 'gelu'"):
        trained(neural.MLPRegressor, "gelu")


@pytest.mark.parametrize("version", ["1.4.2", "1.10.0", "2.0.dev0"])
def test_another_version_is_refused(version, monkeypatch):
    before = state()
    monkeypatch.setattr(integration, "_version", version)
    with pytest.raises(ImportError, match=rf"not with {version}; try: pip install 'scikit-learn=="):
        integration.install()
    assert state() == before


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None; import fastrelu.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("ModuleNotFoundError: try: pip install 'fastrelu[sklearn]'\n")


@pytest.mark.slow
def test_scikit_learn_passes_its_own_tests():
    code = "import fastrelu.sklearn, pytest; fastrelu.sklearn.install(); exit(pytest.main())"
    options = ["--pyargs", "sklearn.neural_network.tests.test_mlp", "-q", "-c", "/dev/null"]
    done = subprocess.run(
        [sys.executable, "-c", code, "-p", "no:cacheprovider", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
