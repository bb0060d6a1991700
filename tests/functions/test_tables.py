"""Tables of 256 entries: apply_table moves bytes, make_table computes them."""

from __future__ import annotations

import importlib

import fastrelu as fr
import numpy as np
import pytest
from fastrelu import reference, testing
from fastrelu.testing import cases
from fastrelu.testing.cases import LAYOUTS
from support import asks_too_much

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.integers(0, 256, 256, dtype=np.uint8)
BYTE_DTYPES = [each for each in testing.supported_dtypes() if each.itemsize == 1]
TABLE_DTYPES = [each for each in testing.supported_dtypes() if each.itemsize <= 8]
LENGTHS = (*range(150), 191, 192, 193, 255, 256, 257, 320, 511, 512, 513, 1000)

every_byte_dtype = pytest.mark.parametrize("dtype", BYTE_DTYPES, ids=lambda d: d.type.__name__)
every_table_dtype = pytest.mark.parametrize("dtype", TABLE_DTYPES, ids=lambda d: d.type.__name__)


def codes(n, seed=1):
    """Every byte, in no order that an index could be mistaken for."""
    return np.random.default_rng(seed).permutation(np.resize(np.arange(256, dtype=np.uint8), n))


def looked_up(x, table=TABLE):
    """One by one, by the number that each byte is."""
    entries = [table[byte] for byte in np.ravel(x).tobytes()]
    return np.array(entries, table.dtype).reshape(x.shape)


def wide_table(dtype):
    random = np.random.default_rng(2).integers(0, 256, 256 * dtype.itemsize, dtype=np.uint8)
    return random.view(dtype)


def assert_bytes(actual, expected):
    __tracebackhide__ = True
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert actual.tobytes() == expected.tobytes()


def test_every_length(isa):
    for n in LENGTHS:
        x = LAYOUTS["offset"].place(codes(n))
        out = LAYOUTS["offset"].empty(n, TABLE.dtype)
        assert fr.apply_table(x, TABLE, out=out) is out
        assert_bytes(out, looked_up(x))
        assert cases.guards_intact(out), n
        assert_bytes(fr.apply_table(x, TABLE), looked_up(x))


def test_every_byte_in_every_lane(isa):
    for shift in range(257):
        x = np.roll(np.arange(256 + 64, dtype=np.uint8), shift)
        assert_bytes(fr.apply_table(x, TABLE), looked_up(x))


def test_every_entry_is_of_its_own_place(isa):
    x = np.arange(256, dtype=np.uint8)
    for place in range(256):
        table = np.zeros(256, np.uint8)
        table[place] = 255
        assert fr.apply_table(x, table).tobytes() == table.tobytes()


@every_byte_dtype
def test_dtypes_of_x(dtype, isa):
    x = codes(333).view(dtype)
    assert_bytes(fr.apply_table(x, TABLE), looked_up(x))
    assert_bytes(np.asarray(reference.apply_table(x, TABLE)), looked_up(x))


@every_table_dtype
def test_dtypes_of_the_table(dtype, isa):
    table = wide_table(dtype)
    for n in (0, 1, 5, 64, 333):
        x = codes(n)
        expected = table[x]
        assert_bytes(fr.apply_table(x, table), expected)
        out = LAYOUTS["offset"].empty(n, dtype)
        assert fr.apply_table(x.view(np.int8), table, out=out) is out
        assert_bytes(out, expected)
        assert cases.guards_intact(out)


@pytest.mark.parametrize("char", ["?", "F"])
def test_other_numbers_in_the_table(char):
    table = np.arange(256).astype(char)
    x = codes(100)
    assert_bytes(fr.apply_table(x, table), table[x])


def test_entries_of_negative_numbers_lie_at_their_bytes():
    x = np.array([-128, -1, 0, 127], np.int8)
    assert fr.apply_table(x, np.arange(256)).tolist() == [128, 255, 0, 127]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(layout, isa):
    x = layout.place(codes(330))
    for table in (TABLE, wide_table(np.dtype(np.float32))):
        expected = looked_up(x, table)
        result = fr.apply_table(x, table)
        assert_bytes(np.asarray(result), expected)
        for of_out in LAYOUTS.values():
            out = of_out.empty(330, table.dtype)
            if out.shape == x.shape:
                assert fr.apply_table(x, table, out=out) is out
                assert_bytes(out, expected)
                assert cases.guards_intact(out)


def test_a_result_lies_in_memory_as_x_does():
    x = codes(60).reshape(3, 4, 5)
    for axes in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)):
        turned = x.transpose(axes)
        assert fr.apply_table(turned, TABLE).strides == turned.strides


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_in_place(layout, isa):
    for n in (5, 64, 65, 200, 333):
        x = layout.place(codes(n))
        before = x.copy()
        assert fr.apply_table(x, TABLE, out=x) is x
        assert_bytes(x, looked_up(before))
        assert cases.guards_intact(x)


def test_overlap_acts_as_if_x_was_copied(isa):
    n = 300
    for shift in (1, 2, 15, 63, 64, 65, 128, 299):
        for of_x, of_out in ((0, shift), (shift, 0)):
            buffer = codes(2 * n)
            x, out = buffer[of_x:][:n], buffer[of_out:][:n]
            before = x.copy()
            fr.apply_table(x, TABLE, out=out)
            assert_bytes(out, looked_up(before))
    buffer = codes(n)
    before = buffer.copy()
    fr.apply_table(buffer[::-1], TABLE, out=buffer)
    assert_bytes(buffer, looked_up(before[::-1]))


def test_a_wide_result_that_overlaps_x():
    table = wide_table(np.dtype(np.int32))
    for start in (0, 3, 396):
        buffer = codes(400)
        x = buffer[start:][:4] if start else buffer[:100]
        before = x.copy()
        out = buffer.view(np.int32)[: x.size]
        fr.apply_table(x, table, out=out)
        assert_bytes(out, table[before])


def test_a_result_that_overlaps_the_table():
    for shift in (0, 1, 128):
        buffer = codes(512)
        table = buffer[shift:][:256]
        before = table.copy()
        x = codes(256, seed=7)
        fr.apply_table(x, table, out=buffer[:256])
        assert_bytes(buffer[:256], looked_up(x, before))
    table = codes(256)
    before = table.copy()
    fr.apply_table(table, table, out=table)
    assert_bytes(table, looked_up(before, before))


@pytest.mark.parametrize("size", [1, 4])
def test_threads_give_the_same_bytes(size, isa):
    x = codes((1 << 20) + 77)
    table = wide_table(np.dtype(f"u{size}"))
    expected = table[x]
    for threads in (1, 2, 3, 8):
        with fr.num_threads(threads):
            for _ in range(3):  # workers help from the second of a series on
                assert_bytes(fr.apply_table(x, table), expected)
                out = np.empty(x.shape, table.dtype)
                fr.apply_table(x, table, out=out)
                assert_bytes(out, expected)
                if size == 1:
                    in_place = x.copy()
                    fr.apply_table(in_place, table, out=in_place)
                    assert_bytes(in_place, expected)


def test_empty_and_no_dimensions():
    for shape in ((0,), (3, 0), (0, 2)):
        assert_bytes(fr.apply_table(np.empty(shape, np.int8), TABLE), np.empty(shape, np.uint8))
    for x in (np.uint8(7), np.array(7, np.uint8)):
        result = fr.apply_table(x, TABLE)
        assert isinstance(result, np.uint8)
        assert result == TABLE[7]
        out = np.empty((), np.uint8)
        assert fr.apply_table(x, TABLE, out=out) is out
        assert out == TABLE[7]


def test_array_likes_and_byte_order():
    assert fr.apply_table(np.array([1, 2], np.uint8), list(range(256))).tolist() == [1, 2]
    foreign = np.arange(256).astype(np.dtype(np.int32).newbyteorder())
    x = codes(70)
    result = fr.apply_table(x, foreign)
    assert result.dtype.isnative
    assert (result == x).all()
    out = np.empty(70, foreign.dtype)
    assert fr.apply_table(x, foreign, out=out) is out
    assert (out == x).all()
    described = TABLE.view(np.dtype(np.uint8, metadata={"scale": 2}))
    assert_bytes(fr.apply_table(x, described), looked_up(x))


def read_only(array):
    array.flags.writeable = False
    return array


X = codes(8)
REFUSED = {
    "bool": (X.astype(bool), TABLE, None, TypeError, "bool"),
    "int16": (X.astype(np.int16), TABLE, None, TypeError, "int16"),
    "list": ([1, 2], TABLE, None, TypeError, "int64"),
    "str": (X.view("S1"), TABLE, None, TypeError, r"\|S1"),
    "object": (X.astype(object), TABLE, None, TypeError, "object"),
    "short table": (X, TABLE[:255], None, ValueError, r"\(256,\), not \(255,\)"),
    "long table": (X, np.resize(TABLE, 257), None, ValueError, r"not \(257,\)"),
    "table of rows": (X, TABLE.reshape(16, 16), None, ValueError, r"not \(16, 16\)"),
    "wide table": (X, TABLE.astype(complex), None, TypeError, "complex128"),
    "table of objects": (X, TABLE.astype(object), None, TypeError, "object"),
    "table of dates": (X, TABLE.astype("M8[s]"), None, TypeError, "datetime64"),
    "out of another dtype": (X, TABLE, np.ones(8, np.int8), TypeError, "int8.*uint8"),
    "out of another shape": (X, TABLE, np.ones(9, np.uint8), ValueError, r"\(9,\).*\(8,\)"),
    "read-only out": (X, TABLE, read_only(np.ones(8, np.uint8)), ValueError, "read-only"),
    "list as out": (X, TABLE, [0] * 8, TypeError, "list"),
}


@pytest.mark.parametrize(("x", "table", "out", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(x, table, out, kind, words):
    out = np.ones(8, np.uint8) if out is None else out
    before = np.array(out)
    with pytest.raises(kind, match=rf"apply_table.*{words}"):
        fr.apply_table(x, table, out=out)
    assert np.array(out).tobytes() == before.tobytes()


# make_table

FUNCTIONS = {
    "leaky_relu": fr.leaky_relu,
    "relu": fr.relu,
    "tanh": np.tanh,
    "exp": np.exp,
    "python": lambda x: [float(each) ** 3 for each in x],
    "integers": lambda x: np.arange(256) - 128,
}
QUANTISATIONS = [(0.5, 0), (1 / 64, 5), (0.1, -7), (3.7, 120), (1e-3, -128), (5e-324, 1)]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_tables_are_the_formula(function, dtype):
    shift = 0 if dtype is np.int8 else 128
    quantisations = [(scale, zero_point + shift) for scale, zero_point in QUANTISATIONS]
    for before in quantisations:
        for behind in quantisations:
            table = fr.make_table(function, before, behind, dtype)
            assert_bytes(table, reference.make_table(function, before, behind, dtype))


def test_leaky_relu_by_hand():
    table = fr.make_table(lambda x: fr.leaky_relu(x, 0.25), input=(0.5, -3), output=(0.25, 10))
    for q in range(-128, 128):
        real = (q + 3) * 0.5
        real = real if real > 0 else real * 0.25
        expected = min(max(round(real / 0.25) + 10, -128), 127)  # halves to even
        assert table[q % 256] == expected


def test_relu_between_equal_scales_is_a_maximum():
    for dtype, zero_points in ((np.int8, (-128, -3, 0, 127)), (np.uint8, (0, 128, 255))):
        x = codes(1000).view(dtype)
        for zero_point in zero_points:
            for scale in (0.1, 0.5, 3.0):
                table = fr.make_table(fr.relu, (scale, zero_point), (scale, zero_point), dtype)
                assert_bytes(fr.apply_table(x, table), np.maximum(x, dtype(zero_point)))


def test_halves_are_rounded_to_even():
    table = fr.make_table(lambda x: x / 2, input=(1, 0), output=(1, 0))
    assert table[[1, 3, 5, 255, 253, 251]].tolist() == [0, 2, 2, 0, -2, -2]


@np.errstate(all="raise")
def test_beyond_the_range_is_its_end():
    for wide in (np.inf, 1e308, 1000.0):
        table = fr.make_table(lambda x, w=wide: np.where(x < 0, -w, w), (1, 0), (0.5, 0))
        assert table[:128].tolist() == [127] * 128
        assert table[128:].tolist() == [-128] * 128


def test_the_function_may_overwrite_its_argument():
    expected = fr.make_table(np.negative, (1, 0), (2, 0))
    assert_bytes(fr.make_table(lambda x: np.negative(x, out=x), (1, 0), (2, 0)), expected)


def raises(kind, words, function=np.abs, before=(1, 0), behind=(1, 0), **dtype):
    with pytest.raises(kind, match=rf"make_table.*{words}"):
        fr.make_table(function, before, behind, **dtype)


def test_nan_is_refused_with_its_input():
    raises(
        ValueError,
        r"NaN for -64\.0 \(q = -128\)",
        lambda x: np.where(x == -64, np.nan, x),
        (0.5, 0),
    )
    raises(ValueError, r"NaN for 1\.5 \(q = 3\)", lambda x: np.where(x == 1.5, np.nan, 0), (0.5, 0))


@pytest.mark.parametrize("scale", [0, -1.0, np.inf, -np.inf, np.nan])
def test_scales_out_of_range(scale):
    raises(ValueError, "input's scale", before=(scale, 0))
    raises(ValueError, "output's scale", behind=(scale, 0))


@pytest.mark.parametrize("zero_point", [-129, 128])
def test_zero_points_out_of_range(zero_point):
    raises(ValueError, f"input's zero point.*-128 to 127, not {zero_point}", before=(1, zero_point))
    raises(ValueError, "output's zero point", behind=(1, zero_point))


@pytest.mark.parametrize("zero_point", [0.5, 1.0, None, "0", True])
def test_zero_points_that_are_not_integers(zero_point):
    words = f"input's zero point must be an int, not {type(zero_point).__name__}"
    raises(TypeError, words, before=(1, zero_point))
    raises(TypeError, "output's zero point", behind=(1, zero_point))


def test_zero_points_of_uint8():
    fr.make_table(np.abs, (1, 255), (1, np.uint8(0)), np.uint8)
    raises(ValueError, "input's zero point.*0 to 255, not -1", before=(1, -1), dtype=np.uint8)


def test_other_arguments_of_make_table():
    raises(ValueError, "input must be", before=(1,))
    raises(ValueError, "output must be", behind=0.5)
    raises(TypeError, "int16", dtype=np.int16)
    raises(TypeError, "bool", dtype=bool)
    raises(ValueError, r"\(255,\).*\(256,\)", lambda x: x[1:])
    raises(ValueError, r"\(\)", np.sum)
    raises(TypeError, "complex128", lambda x: x * 1j)
    raises(TypeError, "U", lambda x: x.astype(str))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("slope", [0.25, 0.5])
def test_pytorch_gives_the_same(slope):
    torch = pytest.importorskip("torch")
    q = np.arange(256, dtype=np.uint8)
    for scale, zero_point in ((0.5, 128), (0.125, 3), (2.0, 255)):
        made = torch._make_per_tensor_quantized_tensor(torch.from_numpy(q), scale, zero_point)
        expected = torch.nn.functional.leaky_relu(made, slope).int_repr().numpy()
        pair = scale, zero_point
        table = fr.make_table(lambda x: fr.leaky_relu(x, slope), pair, pair, np.uint8)
        assert_bytes(fr.apply_table(q, table), expected)


def test_onnx_runtime_gives_the_same():
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper, numpy_helper = (
        importlib.import_module("onnx.helper"),
        importlib.import_module("onnx.numpy_helper"),
    )
    pairs = {"x": (0.5, -3), "y": (0.25, 10)}
    constants = [
        numpy_helper.from_array(np.array(value, dtype), f"{name}_{what}")
        for name, pair in pairs.items()
        for value, dtype, what in zip(pair, (np.float32, np.int8), ("scale", "zero"), strict=True)
    ]
    inputs = ["x", *(each.name for each in constants)]
    node = helper.make_node("QLinearLeakyRelu", inputs, ["y"], domain="com.microsoft", alpha=0.25)
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.INT8, [256]) for n in "xy"]
    graph = helper.make_graph([node], "leaky", values[:1], values[1:], constants)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.arange(-128, 128).astype(np.int8)
    table = fr.make_table(lambda r: fr.leaky_relu(r, 0.25), pairs["x"], pairs["y"])
    assert_bytes(fr.apply_table(x, table), session.run(None, {"x": x})[0])


@pytest.mark.parametrize("ndim", [33, 64])
def test_as_many_axes_as_numpy_has(ndim):
    plain = codes(48).reshape(6, 8)
    for x in (plain, plain[:, ::2], plain[::-1]):
        deep = x.reshape(x.shape + (1,) * (ndim - 2))
        for out in (None, np.empty(deep.shape, TABLE.dtype)):
            result = fr.apply_table(deep, TABLE, out=out)
            assert result.shape == deep.shape
            assert_bytes(result.reshape(x.shape), looked_up(x))


@asks_too_much
@pytest.mark.parametrize("shape", [(0, 2**58), (2**58, 0), (2**29, 0, 2**28)], ids=str)
def test_arrays_without_elements_of_any_shape(shape):
    x = np.empty(shape, np.uint8)
    for each in (x, x.T, x.view(np.recarray)):
        assert fr.apply_table(each, TABLE).shape == each.shape
    largest = np.empty((0, 2**62), np.uint8)
    with pytest.raises(ValueError, match="too big"):
        fr.apply_table(largest, np.arange(256.0))
    with pytest.raises(MemoryError):
        fr.apply_table(np.broadcast_to(np.uint8(1), 2**58), TABLE)
