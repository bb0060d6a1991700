"""fastrelu's functions in HIPS autograd: the same values, and derivatives that numbers confirm."""

from __future__ import annotations

import inspect
import subprocess
import sys

import fastrelu as fr
import numpy as np
import pytest

autograd = pytest.importorskip("autograd")
traced = pytest.importorskip("fastrelu.autograd")
test_util = pytest.importorskip("autograd.test_util")

UFUNCS = [name for name in traced.__all__ if isinstance(getattr(fr, name), np.ufunc)]
PARAMETERS = {
    "alpha": 0.7,
    "lambd": 0.6,
    "max_val": 1.3,
    "min_val": -1.1,
    "negative_slope": 0.3,
    "threshold": 0.2,
    "value": -0.4,
}
ORDERS = [1, 2, 3]

pytestmark = pytest.mark.filterwarnings("ignore:Output seems independent of input")


def numbers(*shape):
    """The same each time; none is so near to a kink that `check_grads` would step over it."""
    return np.random.default_rng(0).uniform(-2.7, 2.7, shape)


def check_grads(function, order, *args, modes=("fwd", "rev")):
    """Hold the derivatives with respect to all arguments against differences."""
    every = tuple(range(len(args)))
    test_util.check_grads(function, every, modes=modes, order=order)(*args)


def inputs(name):
    names = [each for each in inspect.signature(getattr(traced, name)).parameters]
    rng = np.random.default_rng(0)
    return [PARAMETERS.get(each) or rng.uniform(-2.7, 2.7, (3, 4)) for each in names]


def test_all_functions_with_a_gradient_are_there():
    expected = {name for name in fr.__all__ if f"{name}_backward" in fr.__all__}
    from_output = {"sigmoid_backward", "tanh_backward", "leaky_relu_backward"}
    assert expected - {*traced.__all__} - from_output == {"maxout"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UFUNCS)
def test_values_and_gradients_are_those_of_fastrelu(name, dtype):
    function, own = getattr(fr, name), getattr(traced, name)
    args = [each.astype(dtype) if isinstance(each, np.ndarray) else each for each in inputs(name)]
    assert own(*args).tobytes() == function(*args).tobytes()
    if f"{name}_backward" in traced.__all__ and function.nin <= 2:
        vjp, y = autograd.make_vjp(own, 0)(*args)
        expected = getattr(fr, f"{name}_backward")(np.ones_like(y), *args[: function.nin])
        grad_x = vjp(np.ones_like(y))
        assert (grad_x.dtype, grad_x.tobytes()) == (np.dtype(dtype), expected.tobytes())


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", UFUNCS)
def test_derivatives_of_ufuncs(name, order):
    """In reverse and forward, with respect to all inputs, parameters among them."""
    check_grads(getattr(traced, name), order, *inputs(name))


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_with_broadcasting(order):
    x, bias, slopes = numbers(3, 4), numbers(4) / 3, numbers(3, 1)
    check_grads(traced.add_relu, order, x, bias)
    check_grads(traced.leaky_relu, order, x, slopes)
    check_grads(traced.leaky_relu, order, 1.5, slopes)
    check_grads(traced.scale_shift_relu, order, x, slopes, bias)
    check_grads(traced.hardtanh, order, x, -1.5, abs(slopes) + 1)


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_of_what_is_composed(order):
    x = numbers(3, 4, 2)
    check_grads(traced.prelu, order, x, numbers(4))
    check_grads(lambda x, w: traced.prelu(x, w, axis=-1), order, x, numbers(2))
    check_grads(traced.prelu, order, x, 0.3)
    check_grads(traced.crelu, order, x)
    check_grads(lambda x: traced.rrelu(x, rng=np.random.default_rng(0)), order, x)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axis", [-1, 0, None, (0, 1)])
def test_derivatives_of_softmax(axis, order):
    for function in (traced.softmax, traced.log_softmax):
        check_grads(lambda x, f=function: f(x, axis=axis), order, numbers(3, 4, 2), modes=["rev"])


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_of_the_cross_entropy(order):
    labels = np.arange(6).reshape(3, 2) % 4
    loss = lambda x: traced.cross_entropy(x, labels, axis=1)  # noqa: E731
    check_grads(loss, order, numbers(3, 4, 2), modes=["rev"])


def test_composed_functions_have_the_values_of_fastrelu():
    x, weight = numbers(3, 4, 2), numbers(4)
    assert np.array_equal(traced.prelu(x, weight), fr.prelu(x, weight))
    assert np.array_equal(traced.prelu(x, weight[:2], axis=-1), fr.prelu(x, weight[:2], axis=-1))
    assert np.array_equal(traced.prelu(x, x, axis=None), fr.prelu(x, x, axis=None))
    assert np.array_equal(traced.crelu(x), fr.crelu(x))
    assert np.array_equal(traced.softmax(x, 0), fr.softmax(x, 0))
    assert np.array_equal(traced.log_softmax(x), fr.log_softmax(x))
    labels = np.zeros((3, 4), int)
    assert np.array_equal(traced.cross_entropy(x, labels), fr.cross_entropy(x, labels)[0])
    rng = np.random.default_rng
    assert np.array_equal(traced.rrelu(x, rng=rng(1)), fr.rrelu(x, rng=rng(1)))


def test_keywords_and_defaults():
    x = numbers(5)
    assert np.array_equal(traced.leaky_relu(x), fr.leaky_relu(x))
    assert np.array_equal(traced.hardtanh(x, max_val=0.5), fr.hardtanh(x, max_val=0.5))
    slope = autograd.grad(lambda s: traced.leaky_relu(x, negative_slope=s).sum())(0.1)
    assert slope == pytest.approx(x[x < 0].sum())
    with pytest.raises(TypeError, match="unexpected keyword argument 'out'"):
        traced.relu(x, out=x)


def test_a_nan_gradient_under_a_dead_unit_is_dropped():
    vjp, _ = autograd.make_vjp(traced.relu)(np.array([-1.0, 2.0]))
    assert np.array_equal(vjp(np.array([np.nan, 3.0])), [0.0, 3.0])


def test_without_autograd():
    code = "import sys; sys.modules['autograd'] = None; import fastrelu.autograd"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("ModuleNotFoundError: try: pip install 'fastrelu[autograd]'\n")
