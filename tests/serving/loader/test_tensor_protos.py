import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.serving.loader import tensor_protos

ARRAYS = [
    np.arange(6, dtype=dtype).reshape(2, 3)
    for dtype in ("f4", "f8", "f2", "i4", "i8", "u1", "i1")
] + [
    np.array([[True], [False]]),
    np.array(["é".encode(), b"ends in zeros\0\0"], object),
    np.array(2.5, np.float32),
    np.zeros([0, 4], np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_tensorflow_reads_what_is_written(array):
    found = tf.make_ndarray(tensor_protos.proto_of(array))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_what_tensorflow_writes_is_read(array):
    found = tensor_protos.array_of(tf.make_tensor_proto(array))
    assert found.dtype == array.dtype and found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "value, dtype",
    [(1.5, "f4"), (1.5, "f8"), (1.5, "f2"), (7, "i4"), (7, "i8"), (7, "u1")],
)
def test_one_value_stands_for_all(value, dtype):
    """As a server's answer, and our warm-up, may hold it."""
    proto = tf.make_tensor_proto(value, np.dtype(dtype), [2, 3])
    assert not proto.tensor_content
    found = tensor_protos.array_of(proto)
    np.testing.assert_array_equal(found, np.full([2, 3], value, dtype))
    assert found.dtype == dtype


@pytest.mark.parametrize("values", [[7], [], [0] * 5, [0] * 7])
def test_all_values_must_be_there_where_that_is_asked(values):
    proto = tf.make_tensor_proto(np.zeros([2, 3], np.int32))
    proto.ClearField("tensor_content")
    proto.int_val.extend(values)
    with pytest.raises(ValueError, match="promises 6 values, and there are"):
        tensor_protos.array_of(proto, complete=True)


@pytest.mark.parametrize("dtype, value", [("u1", 300), ("u1", -1), ("i1", 128)])
def test_values_that_the_type_does_not_hold(dtype, value):
    proto = tf.make_tensor_proto(np.zeros([1], dtype))
    proto.ClearField("tensor_content")
    proto.int_val[:] = [value]
    with pytest.raises(ValueError, match="does not hold all its values"):
        tensor_protos.array_of(proto)


def test_no_value_is_zero():
    proto = tf.make_tensor_proto(0.0, tf.float32, [2])
    proto.ClearField("float_val")
    np.testing.assert_array_equal(tensor_protos.array_of(proto), [0, 0])


def test_a_type_that_no_signature_has():
    with pytest.raises(ValueError, match="DataType 8"):
        tensor_protos.array_of(tf.make_tensor_proto([1j], tf.complex64))


@pytest.mark.parametrize("shape", [(None, 8, 8), (), None])
def test_shapes(shape):
    proto = tf.TensorShape(shape).as_proto()
    assert tensor_protos.shape_of(proto) == shape
