"""softmax, log_softmax, their gradients and the cross entropy."""

from __future__ import annotations

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import _core, reference, testing
from fastrelu.testing import cases, forced_isa
from fastrelu.testing.cases import LAYOUTS
from support import ISAS, assert_same_bytes, reported, signalling_nan

INF, NAN = np.inf, np.nan
AXIS_ERROR = np.exceptions.AxisError
FLOATS = [each for each in testing.supported_dtypes() if cases.is_float(each)]
SIGNED = [each for each in FLOATS if "e8m0" not in each.name]
"""Floats that have a sign and a zero."""
OF_DOUBLES = [each for each in SIGNED if each.itemsize <= np.dtype(np.float32).itemsize]
FORWARD = (fr.softmax, fr.log_softmax)
BACKWARD = (fr.softmax_backward, fr.log_softmax_backward)
LENGTHS = (1, 2, 3, 10, 15, 16, 17, 31, 32, 33, 100, 511, 512, 513, 1000)


def name_of(dtype):
    return dtype.type.__name__ if dtype.isbuiltin == 1 else dtype.name


every_float = pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
every_signed_float = pytest.mark.parametrize("dtype", SIGNED, ids=name_of)
every_forward = pytest.mark.parametrize("function", FORWARD, ids=lambda each: each.__name__)


def numbers(dtype, shape, seed=0, scale=3.0):
    """Finite numbers, of which many rows have several that matter."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def assert_bits(actual, expected):
    __tracebackhide__ = True
    assert_same_bytes(np.ascontiguousarray(actual), np.ascontiguousarray(expected))


def ulps(actual, exact):
    """The largest distance from longdouble results, in the last place of the dtype."""
    limits = np.finfo(actual.dtype)
    exponent = np.frexp(np.abs(exact))[1] - 1
    last_place = np.ldexp(np.longdouble(1), np.maximum(exponent, limits.minexp) - limits.nmant)
    return float(np.max(np.abs(actual.astype(np.longdouble) - exact) / last_place))


def of_function(function, dtype, shape, axis, seed=0):
    """Arguments of one of the four functions: gradients get a result of the forward function."""
    x = numbers(dtype, shape, seed)
    if function in FORWARD:
        return (x,)
    return numbers(dtype, shape, seed + 1, 1.0), FORWARD[BACKWARD.index(function)](x, axis)


# Accuracy


@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0])
@pytest.mark.parametrize(("dtype", "softmax", "logarithm"), [("f4", 0.51, 0.51), ("f8", 2.5, 3.0)])
def test_accuracy(dtype, softmax, logarithm, scale, isa):
    for size in (*LENGTHS, 9000):
        x = numbers(dtype, (20, size), size, scale)
        wide = x.astype(np.longdouble)
        assert ulps(fr.softmax(x), reference.softmax(wide)) <= softmax
        assert ulps(fr.log_softmax(x), reference.log_softmax(wide)) <= logarithm


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_accuracy_of_small_results(dtype, isa):
    """Differences at which results are subnormal, and shares of nearly 1."""
    lowest = -103 if dtype == "f4" else -744
    x = np.zeros((400, 2), dtype)
    x[:, 0] = np.linspace(lowest, 0, 400)
    wide = x.astype(np.longdouble)
    assert ulps(fr.softmax(x), reference.softmax(wide)) <= (0.51 if dtype == "f4" else 2.5)
    assert ulps(fr.log_softmax(x), reference.log_softmax(wide)) <= (0.51 if dtype == "f4" else 2.5)


def test_exact_results():
    mpmath = pytest.importorskip("mpmath")
    x = numbers(np.float32, (4, 50), 5)
    with mpmath.workdps(40):
        for row, y in zip(x, fr.softmax(x), strict=True):
            powers = [mpmath.exp(mpmath.mpf(float(each))) for each in row]
            total = mpmath.fsum(powers)
            for power, each in zip(powers, y, strict=True):
                error = abs(mpmath.mpf(float(each)) - power / total)
                assert error <= 0.51 * float(np.spacing(each))


@pytest.mark.parametrize("dtype", OF_DOUBLES, ids=name_of)
def test_narrow_results_are_rounded_once(dtype, isa):
    """All but a few are the exact ones in that dtype, and the others their neighbours."""
    for size in LENGTHS:
        x = numbers(dtype, (5, size), size)
        for function in FORWARD:
            actual, expected = function(x), getattr(reference, function.__name__)(x)
            assert actual.dtype == dtype
            wide, exact = actual.astype(np.float64), expected.astype(np.float64)
            same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
            assert same.mean() > 0.98
            if not same.all():
                codes = [each.view(f"i{dtype.itemsize}") for each in (actual, expected)]
                assert np.abs(codes[0].astype(np.int64) - codes[1])[~same].max() == 1


@pytest.mark.parametrize("function", [*FORWARD, *BACKWARD], ids=lambda each: each.__name__)
def test_longdouble(function):
    for size in LENGTHS:
        arguments = of_function(function, np.longdouble, (3, size), -1)
        expected = getattr(reference, function.__name__)(*arguments)
        assert np.allclose(function(*arguments), expected, rtol=1e-17, atol=1e-17)
        turned = [np.ascontiguousarray(each.T) for each in arguments]
        assert_bits(function(*turned, axis=0).T, function(*arguments))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_integers_give_float64(dtype):
    x = np.arange(24, dtype=dtype).reshape(2, 12) % 7
    for function in FORWARD:
        assert_bits(function(x), function(x.astype(np.float64)))
    for function in BACKWARD:
        assert_bits(function(x, x), function(x.astype(np.float64), x.astype(np.float64)))
    labels = np.array([0, 11])
    for one, other in zip(
        fr.cross_entropy(x, labels), fr.cross_entropy(x.astype(float), labels), strict=True
    ):
        assert_bits(one, other)


# The same bits everywhere


def assert_bits_of_every_layout(function, arguments, expected):
    assert_bits(function(*arguments), expected)
    one_by_one = [function(*each) for each in zip(*arguments, strict=True)]
    assert_bits(np.stack(one_by_one), expected)
    turned = [np.ascontiguousarray(each.T) for each in arguments]
    assert_bits(function(*turned, axis=0).T, expected)


@every_float
@pytest.mark.parametrize("function", [*FORWARD, *BACKWARD], ids=lambda each: each.__name__)
def test_bits_are_those_of_every_isa_and_layout(function, dtype):
    for size in LENGTHS:
        arguments = of_function(function, dtype, (19, size), -1, seed=size)
        with forced_isa("scalar"):
            expected = function(*arguments)
        for isa in ISAS:
            with forced_isa(isa):
                assert_bits_of_every_layout(function, arguments, expected)
                few = [np.ascontiguousarray(each.reshape(1, 19, size)[:, :3]) for each in arguments]
                few = [np.ascontiguousarray(each.transpose(0, 2, 1)) for each in few]
                assert_bits(function(*few, axis=1).transpose(0, 2, 1)[0], expected[:3])


def rows_of_all_kinds(dtype, size):
    """Rows around 300, beyond which the largest is subtracted first; some with an infinity."""
    x = numbers(dtype, (19, size), size)
    x[::3] *= 100
    x[1::6, 0] = -INF
    x[2, 0], x[5, 0], x[8, 0], x[11, 0] = 300, -300, 300.5, -300.5
    return x


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("function", [*FORWARD, *BACKWARD], ids=lambda each: each.__name__)
def test_rows_of_all_kinds_have_the_bits_of_every_isa_and_layout(function, dtype):
    """A row is computed in the same way beside rows of any other kind."""
    for size in (2, 16, 17, 40, 95, 96, 100, 513):
        arguments = (x := rows_of_all_kinds(dtype, size),)
        if function in BACKWARD:
            y = FORWARD[BACKWARD.index(function)](x)
            arguments = numbers(dtype, x.shape, 1, 1.0), y
        with forced_isa("scalar"):
            expected = function(*arguments)
        for isa in ISAS:
            with forced_isa(isa):
                assert_bits_of_every_layout(function, arguments, expected)


def test_accuracy_of_rows_of_all_kinds(isa):
    for size in (2, 40, 100, 1000):
        x = rows_of_all_kinds("f4", size)
        wide = x.astype(np.longdouble)
        for function in FORWARD:
            actual, exact = function(x), getattr(reference, function.__name__)(wide)
            is_finite = np.isfinite(exact)
            assert (np.isfinite(actual) == is_finite).all()
            assert ulps(actual[is_finite], exact[is_finite]) <= 0.51


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_long_rows_have_the_bits_of_short_buffers(dtype):
    """Exponentials that do not fit the buffer are computed again."""
    for size in (32_768, 32_769, 70_000):
        x = numbers(dtype, (2, size), 1)
        with forced_isa("scalar"):
            expected = [function(x) for function in FORWARD]
        for isa in ISAS:
            with forced_isa(isa):
                for function, each in zip(FORWARD, expected, strict=True):
                    assert_bits(function(x), each)
                    columns = np.ascontiguousarray(np.repeat(x, 8, 0).T)
                    assert_bits(function(columns, axis=0).T[::8], each)


@pytest.mark.parametrize("shape", [(3000, 1000), (300_000, 10), (40, 500, 100)])
def test_threads_give_the_same_bytes(shape):
    axis = 1
    x = numbers(np.float32, shape, 2)
    grad = numbers(np.float32, shape, 3)
    labels = np.random.default_rng(4).integers(shape[1], size=(shape[0], *shape[2:]))

    def results():
        y, logarithm = fr.softmax(x, axis), fr.log_softmax(x, axis)
        gradients = fr.softmax_backward(grad, y, axis), fr.log_softmax_backward(grad, y, axis)
        return [y, logarithm, *gradients, *fr.cross_entropy(x, labels, axis)]

    with fr.num_threads(1):
        expected = results()
    for threads in (2, 3, 8):
        with fr.num_threads(threads):
            for _ in range(2):  # workers help from the second of a series on
                for actual, each in zip(results(), expected, strict=True):
                    assert_bits(actual, each)


# Axes, layouts, places


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3, (0, 1), (1, 2), (2, 0), (0, 1, 2), (), None])
def test_every_axis(axis, isa):
    for dtype in (np.float32, np.float64, np.float16, np.longdouble):
        for shape in ((3, 4, 5), (20, 33, 17), (1, 4, 1)):
            arguments = numbers(dtype, shape, 6)
            y = fr.softmax(arguments, axis)
            flat = by_rows(arguments, axis)
            assert_bits(by_rows(y, axis), fr.softmax(flat))
            assert_bits(by_rows(fr.log_softmax(arguments, axis), axis), fr.log_softmax(flat))
            grad = numbers(dtype, shape, 7)
            for function in BACKWARD:
                expected = function(by_rows(grad, axis), by_rows(y, axis))
                assert_bits(by_rows(function(grad, y, axis), axis), expected)


def by_rows(array, axis):
    """The array as rows of what shares a sum."""
    axes = range(array.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    last = sorted(each % array.ndim for each in axes)
    first = [each for each in range(array.ndim) if each not in last]
    size = int(np.prod([array.shape[each] for each in last]))
    return np.ascontiguousarray(array.transpose(*first, *last)).reshape(-1, size)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "0-d"])
def test_layouts(name, isa):
    layout = LAYOUTS[name]
    for dtype in (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16)):
        x = layout.place(numbers(dtype, 120, 8))
        plain = np.ascontiguousarray(x)
        grad = numbers(dtype, x.shape, 9)
        for axis in range(x.ndim):
            y = fr.softmax(plain, axis)
            assert_bits(fr.softmax(x, axis), y)
            backward = fr.softmax_backward(grad, y, axis)
            placed = layout.place(y.ravel()).reshape(y.shape)
            assert_bits(fr.softmax_backward(grad, placed, axis), backward)
            for function, arguments, expected in (
                (fr.softmax, (x,), y),
                (fr.softmax_backward, (grad, y), backward),
            ):
                out = layout.empty(120, dtype)
                assert function(*arguments, axis, out=out) is out
                assert_bits(out, expected)
                assert cases.guards_intact(out)


@every_float
@pytest.mark.parametrize("function", [*FORWARD, *BACKWARD], ids=lambda each: each.__name__)
def test_in_place(function, dtype, isa):
    for shape, axis in (((5, 100), 1), ((100, 5), 0), ((40, 10), 1), ((2, 9000), 1)):
        arguments = of_function(function, dtype, shape, axis)
        expected = function(*arguments, axis)
        for place in range(len(arguments)):
            copies = [each.copy() for each in arguments]
            assert function(*copies, axis, out=copies[place]) is copies[place]
            assert_bits(copies[place], expected)


def test_overlap_acts_as_if_inputs_were_copied():
    for start_of_x, start_of_out in ((0, 1), (1, 0), (0, 40), (40, 0)):
        buffer = numbers(np.float32, 1000, 10)
        x = buffer[start_of_x:][:400].reshape(10, 40)
        out = buffer[start_of_out:][:400].reshape(10, 40)
        expected = fr.softmax(x.copy())
        fr.softmax(x, out=out)
        assert_bits(out, expected)


# Edges

EDGES = [
    [-INF, -INF],
    [INF, 1.0],
    [INF, INF],
    [INF, -INF, 0.0],
    [-INF, 0.0],
    [NAN, 1.0],
    [NAN, INF],
    [NAN, -INF],
    [-0.0, 0.0],
    [-0.0],
    [5.0],
    [-INF],
    [0.0, -1000.0],
    [1e30, -1e30, 1e30],
    [0.0, -INF, 1.0, -INF],
]


@every_forward
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("row", EDGES, ids=str)
def test_edges_are_those_of_scipy(function, row, dtype, isa):
    special = pytest.importorskip("scipy.special")
    theirs = getattr(special, function.__name__)
    with np.errstate(all="ignore"):
        x = np.array(row, dtype)
        expected = theirs(x, -1)
        np.testing.assert_allclose(function(x), expected, rtol=2e-3, atol=1e-30)
        for repeat in (7, 40):  # rows among others, long ones, and side by side
            among = np.zeros((repeat, x.size), dtype)
            among[3] = x
            np.testing.assert_allclose(function(among)[3], expected, rtol=2e-3, atol=1e-30)
            turned = function(np.ascontiguousarray(among.T), 0)
            assert_bits(turned[:, 3], function(among)[3])
            others = np.delete(turned, 3, 1)
            assert_bits(others, np.repeat(function(among[:1]).T, repeat - 1, 1))
            long = np.full(x.size + repeat, -INF, dtype)
            long[repeat:] = x
            np.testing.assert_allclose(function(long)[repeat:], expected, rtol=2e-3, atol=1e-30)
    ours, of_scipy = reported(lambda: function(x)), reported(lambda: theirs(x, -1))
    assert ours - {"underflow"} == of_scipy - {"underflow"}


@every_forward
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nothing_is_reported_for_what_is_exact(function, dtype, isa):
    for size in LENGTHS[:10]:  # shares of more elements are subnormal in float16
        x = numbers(dtype, (3, size), 11, 1.0)
        x[:, 1:][:, ::3] = -INF
        assert reported(lambda x=x: function(x)) == set()
        x[1, 0] = NAN
        assert reported(lambda x=x: function(x)) == set()
        assert reported(lambda x=x: function(np.ascontiguousarray(x.T), 0)) == set()


def test_underflow_is_that_of_results(isa):
    for dtype, small in ((np.float32, -100.0), (np.float64, -740.0)):
        assert reported(lambda d=dtype, s=small: fr.softmax(np.array([0, s], d))) == {"underflow"}
        assert reported(lambda d=dtype: fr.softmax(np.array([0, -2000], d))) == {"underflow"}
        assert reported(lambda d=dtype, s=small: fr.softmax(np.array([0, s / 2], d))) == set()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nans_are_one_nan(dtype, isa):
    for value in (NAN, -NAN, INF):
        for function in FORWARD:
            with np.errstate(invalid="ignore"):
                y = function(np.array([value, value, value], dtype))
            assert_bits(y, np.full(3, NAN, dtype))
    with np.errstate(invalid="ignore"):
        assert np.isnan(fr.softmax(signalling_nan(dtype))).all()


def test_gradients_pass_what_is_no_number(isa):
    for function in BACKWARD:
        for size in (3, 40):
            y = np.full((2, size), 0.25, np.float32)
            grad = np.ones_like(y)
            grad[0, 1] = NAN
            assert reported(lambda f=function, g=grad, y=y: f(g, y)) == set()
            result = function(grad, y)
            assert np.isnan(result[0]).all()
            assert np.isfinite(result[1]).all()
    assert fr.log_softmax_backward([1.0, 1.0], [0.0, -INF]).tolist() == [-1.0, 1.0]


# Gradients


def test_gradients_are_those_of_finite_differences():
    x, grad = numbers(np.float64, (3, 7), 12), numbers(np.float64, (3, 7), 13)
    step = 1e-6
    for function, backward in zip(FORWARD, BACKWARD, strict=True):
        expected = np.empty_like(x)
        for place in np.ndindex(x.shape):
            change = np.zeros_like(x)
            change[place] = step
            expected[place] = ((function(x + change) - function(x - change)) * grad).sum()
        actual = backward(grad, function(x))
        np.testing.assert_allclose(actual, expected / (2 * step), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_are_those_of_the_reference(dtype, isa):
    """What cancels keeps the errors of its parts, which are those of doubles or of exponentials."""
    precision, error = float(np.finfo(dtype).eps), 2e-14 if dtype == np.float64 else 1e-9
    for size in LENGTHS:
        for function in BACKWARD:
            arguments = of_function(function, dtype, (6, size), -1)
            expected = getattr(reference, function.__name__)(*arguments)
            actual = function(*arguments)
            assert actual.dtype == dtype
            np.testing.assert_allclose(actual, expected, rtol=precision, atol=error)


# Cross entropy


@pytest.mark.parametrize("dtype", [*SIGNED[:5], np.dtype(np.longdouble)], ids=name_of)
@pytest.mark.parametrize(("shape", "axis"), [((8, 10), -1), ((8, 1000), 1), ((3, 10, 40), 1)])
def test_cross_entropy(shape, axis, dtype, isa):
    logits = numbers(dtype, shape, 14)
    kept = tuple(np.delete(shape, axis))
    labels = np.random.default_rng(15).integers(shape[axis], size=kept)
    loss, grad = fr.cross_entropy(logits, labels, axis)
    expected_loss, expected_grad = reference.cross_entropy(logits, labels, axis)
    assert (loss.dtype, loss.shape, grad.dtype, grad.shape) == (dtype, kept, dtype, shape)
    precision = max(float(np.ldexp(1.0, -cases.format_of(dtype).quiet.bit_length())), 1e-15)
    wide = [np.asarray(e, np.longdouble) for e in (loss, expected_loss, grad, expected_grad)]
    np.testing.assert_allclose(wide[0], wide[1], rtol=precision)
    np.testing.assert_allclose(wide[2], wide[3], rtol=precision, atol=1e-30)
    at = np.expand_dims(labels, axis)
    logarithm = np.take_along_axis(fr.log_softmax(logits, axis), at, axis).squeeze(axis)
    assert_bits(np.abs(loss), np.abs(logarithm))
    others = np.ones(shape, bool)
    np.put_along_axis(others, at, False, axis)
    assert_bits(grad[others], fr.softmax(logits, axis)[others])


@every_signed_float
def test_cross_entropy_has_the_bits_of_every_isa_and_layout(dtype):
    for size in (1, 2, 10, 33, 513):
        logits = numbers(dtype, (19, size), 16)
        labels = np.random.default_rng(17).integers(size, size=19)
        with forced_isa("scalar"):
            expected = fr.cross_entropy(logits, labels)
        for isa in ISAS:
            with forced_isa(isa):
                turned = fr.cross_entropy(np.ascontiguousarray(logits.T), labels, 0)
                strided = fr.cross_entropy(np.repeat(logits, 2, 1)[:, ::2], labels.astype(np.int16))
                for both in (fr.cross_entropy(logits, labels), turned, strided):
                    assert_bits(both[0], expected[0])
                assert_bits(turned[1].T, expected[1])
                assert_bits(strided[1], expected[1])


def test_cross_entropy_keeps_small_losses(isa):
    for dtype, gap in ((np.float32, 80.0), (np.float64, 300.0)):
        for repeat in (1, 20):
            logits = np.tile(np.array([[gap, 0.0, -INF]], dtype), (repeat, 1))
            loss, grad = fr.cross_entropy(logits, np.zeros(repeat, int))
            np.testing.assert_allclose(loss, np.exp(-gap), rtol=1e-6)
            np.testing.assert_allclose(grad[:, 0], -np.exp(-gap), rtol=1e-6)
            np.testing.assert_allclose(grad[:, 1], np.exp(-gap), rtol=1e-6)
            assert (grad[:, 2] == 0).all()


def test_cross_entropy_beside_infinities(isa):
    for row, label, expected in (
        ([0.0, -INF], 1, INF),
        ([INF, 0.0], 1, INF),
        ([INF, 0.0], 0, NAN),
        ([-INF, -INF], 0, NAN),
        ([NAN, 0.0], 1, NAN),
    ):
        with np.errstate(invalid="ignore"):
            loss, grad = fr.cross_entropy(np.array(row, np.float32), label)
        np.testing.assert_equal(loss, np.float32(expected))
        if row[0] == 0:
            assert grad.tolist() == [1.0, -1.0]
        else:
            assert np.isnan(grad).all()


def test_cross_entropy_of_one_sample():
    loss, grad = fr.cross_entropy([0.0, 0.0], 1)
    assert isinstance(loss, np.float64)
    assert loss == np.log(2)
    assert grad.tolist() == [0.5, -0.5]


LOGITS = np.zeros((2, 3))
LABELS = {
    "too large": ([0, 3], ValueError, r"label 3 at 1 is out of range for 3 classes; .* 0 to 2"),
    "negative": ([-100, 0], ValueError, r"label -100 at 0 is out of range"),
    "beyond int64": (np.array([0, 2**63], np.uint64), ValueError, "label 9223372036854775808 at 1"),
    "floats": ([0.0, 1.0], TypeError, r"labels must hold integers, not float64; .*np\.asarray"),
    "bool": ([True, False], TypeError, "labels must hold integers, not bool"),
    "one-hot": (np.eye(3, dtype=int)[:2], ValueError, r"labels have shape \(2, 3\).*need \(2,\)"),
    "too few": ([0], ValueError, r"labels have shape \(1,\).*need \(2,\)"),
    "masked": (np.ma.array([0, 1]), TypeError, "labels is a .*MaskedArray"),
}


@pytest.mark.parametrize(("labels", "kind", "words"), LABELS.values(), ids=LABELS)
def test_labels_refused(labels, kind, words):
    with pytest.raises(kind, match=f"^cross_entropy: {words}"):
        fr.cross_entropy(LOGITS, labels)


def test_label_of_several_axes_is_named():
    labels = np.zeros((2, 3), int)
    labels[1, 2] = 9
    with pytest.raises(ValueError, match=r"label 9 at \(1, 2\) is out of range for 4 classes"):
        fr.cross_entropy(np.zeros((2, 4, 3)), labels, 1)


# Refused

ARGUMENTS = {
    "axis too large": (LOGITS, 2, AXIS_ERROR, "axis 2"),
    "axis too small": (LOGITS, -3, AXIS_ERROR, "axis -3"),
    "no dimension": (np.array(1.0), -1, AXIS_ERROR, "axis -1.*that has axes"),
    "float axis": (LOGITS, 1.0, TypeError, "axis must be an int, .*not float"),
    "list of axes": (LOGITS, [0], TypeError, "axis must be an int, .*not list"),
    "axis twice": (LOGITS, (0, -2), ValueError, "names an axis twice"),
    "bool": (LOGITS > 0, 1, TypeError, "bool"),
    "complex": (LOGITS * 1j, 1, TypeError, "complex128"),
    "object": (LOGITS.astype(object), 1, TypeError, "object"),
    "masked": (np.ma.array(LOGITS), 1, TypeError, "MaskedArray"),
    "no elements": (np.empty((3, 0)), 1, ValueError, "no elements along axis 1 of shape"),
}


@pytest.mark.parametrize(("x", "axis", "kind", "words"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_refused(x, axis, kind, words):
    for function in FORWARD:
        with pytest.raises(kind, match=f"^{function.__name__}: .*{words}"):
            function(x, axis)
    for function in BACKWARD:
        with pytest.raises(kind, match=f"^{function.__name__}: .*{words}"):
            function(x, x, axis)


def test_shapes_that_differ_are_refused():
    for function in BACKWARD:
        out = np.ones((2, 3))
        with pytest.raises(ValueError, match=r"grad_output has shape \(3,\), but y has \(2, 3\)"):
            function(np.ones(3), LOGITS, out=out)
        assert (out == 1).all()


def read_only(array):
    array.flags.writeable = False
    return array


OUTS = {
    "shape": (lambda: np.ones((3, 2)), ValueError, "shape"),
    "dtype": (lambda: np.ones((2, 3), np.float32), TypeError, "float32.*float64"),
    "read-only": (lambda: read_only(np.ones((2, 3))), ValueError, "read-only"),
    "list": (lambda: [1.0], TypeError, "list"),
}


@pytest.mark.parametrize(("make", "kind", "words"), OUTS.values(), ids=OUTS)
def test_outs_refused(make, kind, words):
    for function in (*FORWARD, *BACKWARD):
        out = make()
        arguments = (LOGITS,) if function in FORWARD else (LOGITS, LOGITS)
        with pytest.raises(kind, match=f"{function.__name__}: .*{words}"):
            function(*arguments, out=out)
        assert (np.array(out) == 1).all()


def test_empty():
    for dtype in (np.float32, np.int8):
        x = np.empty((0, 3), dtype)
        expected = np.float64 if dtype == np.int8 else dtype
        for function in FORWARD:
            assert (function(x).dtype, function(x).shape) == (expected, (0, 3))
        for function in BACKWARD:
            assert (function(x, x).dtype, function(x, x).shape) == (expected, (0, 3))
        loss, grad = fr.cross_entropy(x, np.empty(0, int))
        assert (loss.shape, grad.shape) == ((0,), (0, 3))


def test_array_likes_and_foreign_byte_order():
    x = np.array([[1.0, 3.0, 2.0]])
    foreign = x.astype(x.dtype.newbyteorder())
    assert_bits(fr.softmax(foreign), fr.softmax(x))
    assert_bits(fr.softmax([[1, 3, 2]], np.int64(1)), fr.softmax(x))
    out = np.empty((1, 3), foreign.dtype)
    assert fr.softmax(foreign, out=out) is out
    assert out.tolist() == fr.softmax(x).tolist()
    assert fr.softmax(3.0, None) == 1


def test_direct_calls_serve_dense_arrays():
    """What is dense takes the short way, which is no other result but time."""
    x = numbers(np.float32, (4, 8, 16), 18)
    for axis in (0, 1, 2, -1, None, (1, 2)):
        assert _core.softmax(x, axis, None) is not NotImplemented
    assert _core.softmax(x, (0, 2), None) is NotImplemented
