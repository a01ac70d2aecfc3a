"""NumPy arrays to `tensorflow.TensorProto` and back, without TensorFlow."""

import numpy as np

from tfnoisy.serving.loader import c_api, messages

# Where a TensorProto keeps what is not in tensor_content (tensor.proto).
_VALUES = {
    np.float32: "float_val",
    np.float64: "double_val",
    np.int32: "int_val",
    np.uint8: "int_val",
    np.int8: "int_val",
    np.int64: "int64_val",
    np.bool_: "bool_val",
    np.float16: "half_val",
    np.object_: "string_val",
}


def proto_of(array):
    """Returns the TensorProto of an array.

    Args:
        array: of a type in `c_api.NUMPY_TYPES`; of bytes objects for strings.
    """
    [number] = [
        number
        for number, dtype in c_api.NUMPY_TYPES.items()
        if dtype == array.dtype
    ]
    proto = messages.tensor_pb2.TensorProto(dtype=number)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        proto.string_val.extend(array.flat)
    else:
        proto.tensor_content = array.tobytes()
    return proto


def shape_of(proto):
    """Returns the shape that a TensorShapeProto promises.

    Returns:
        A tuple of an int, or None for any, for each axis; None if unknown.
    """
    if proto.unknown_rank:
        return None
    sizes = [axis.size for axis in proto.dim]
    return tuple(None if size < 0 else size for size in sizes)


def array_of(proto):
    """Returns the array of a TensorProto, of bytes objects for strings.

    Raises:
        ValueError: if the proto has a type, or a number of values, that no
            array has.
    """
    if proto.dtype not in c_api.NUMPY_TYPES:
        raise ValueError(
            f"no array is made of tensorflow.DataType {proto.dtype}"
        )
    dtype = c_api.NUMPY_TYPES[proto.dtype]
    shape = [axis.size for axis in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values = list(getattr(proto, _VALUES[dtype.type]))
    if dtype == np.float16:
        # Kept by their bits.
        flat = np.array(values, np.uint16).view(np.float16)
    else:
        flat = np.array(values, dtype)
    # The last value stands for all that are left out.
    size = int(np.prod(shape))
    if 0 < flat.size < size:
        flat = np.append(flat, np.repeat(flat[-1:], size - flat.size))
    elif not flat.size:
        flat = np.full(size, b"" if dtype.kind == "O" else 0, dtype)
    return flat.reshape(shape)
