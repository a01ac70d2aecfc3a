"""NumPy arrays to `tensorflow.TensorProto` and back, without TensorFlow."""

import math

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


def array_of(proto, complete=False):
    """Returns the array of a TensorProto, of bytes objects for strings.

    Args:
        proto: the TensorProto.
        complete: whether all values must be there.  TensorFlow lets the last
            one stand for all that are left out (and zero for all, if none is
            there), so that a message of 30 bytes may take gigabytes.

    Raises:
        ValueError: if the proto has a type, a shape, values or a number of
            values that no array has.
    """
    if proto.dtype not in c_api.NUMPY_TYPES:
        raise ValueError(
            f"no array is made of tensorflow.DataType {proto.dtype}"
        )
    dtype = c_api.NUMPY_TYPES[proto.dtype]
    shape = shape_of(proto.tensor_shape)
    if shape is None or None in shape:
        raise ValueError("the shape of a tensor's values is not fully known")
    size = math.prod(shape)
    if proto.tensor_content and dtype.kind != "O":
        _check_count(len(proto.tensor_content) / dtype.itemsize, size, shape)
        # Not only 0 and 1 may be there in place of a truth value.
        flat = np.frombuffer(
            proto.tensor_content, np.uint8 if dtype.kind == "b" else dtype
        ).astype(dtype, copy=False)
        return flat.reshape(shape)
    values = getattr(proto, _VALUES[dtype.type])
    if complete or len(values) > size:
        _check_count(len(values), size, shape)
    flat = _array_of_values(values, dtype)
    if 0 < flat.size < size:
        flat = np.append(flat, np.repeat(flat[-1:], size - flat.size))
    elif not flat.size:
        flat = np.full(size, b"" if dtype.kind == "O" else 0, dtype)
    return flat.reshape(shape)


def _array_of_values(values, dtype):
    if dtype.kind not in "iu" and dtype != np.float16:
        return np.array(values, dtype)
    # A float16 is kept by its bits.
    stored = np.dtype(np.uint16) if dtype == np.float16 else dtype
    numbers = np.array(values, np.int64)
    limits = np.iinfo(stored)
    if numbers.size and not (
        limits.min <= numbers.min() and numbers.max() <= limits.max
    ):
        raise ValueError(f"a tensor of {dtype} does not hold all its values")
    return numbers.astype(stored).view(dtype)


def _check_count(count, size, shape):
    if count != size:
        raise ValueError(
            f"a tensor's shape {list(shape)} promises {size:,} values, and "
            f"there are {count:,g}"
        )
