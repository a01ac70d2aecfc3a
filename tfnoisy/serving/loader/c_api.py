"""The part of TensorFlow's C API that answers requests, by ctypes.

The functions are those of `tensorflow/c/c_api.h`, `tf_tensor.h` and
`tf_tstring.h`, in the shared objects of the tensorflow wheel.  Of Python only
NumPy is needed: `tensorflow` itself is found but not imported.
"""

import ctypes
import functools
import importlib.util
import pathlib

import numpy as np

from tfnoisy import errors

# TF_DataType, which is tensorflow.DataType.
NUMPY_TYPES = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    6: np.dtype(np.int8),
    7: np.dtype(object),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    19: np.dtype(np.float16),
}
_STRING = 7
# sizeof(TF_TString), a part of the ABI.
_STRING_BYTES = 24


class Output(ctypes.Structure):
    """TF_Output: an operation, and which of its outputs."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Buffer(ctypes.Structure):
    """TF_Buffer: bytes, and how they are freed."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


_Pointer, _Int, _Size, _Text = (
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_size_t,
    ctypes.c_char_p,
)
_Outputs, _Pointers = ctypes.POINTER(Output), ctypes.POINTER(ctypes.c_void_p)
# name: (result, arguments)
_FUNCTIONS = {
    "TF_NewStatus": (_Pointer, []),
    "TF_DeleteStatus": (None, [_Pointer]),
    "TF_GetCode": (_Int, [_Pointer]),
    "TF_Message": (_Text, [_Pointer]),
    "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
    "TF_DeleteBuffer": (None, [ctypes.POINTER(Buffer)]),
    "TF_NewGraph": (_Pointer, []),
    "TF_DeleteGraph": (None, [_Pointer]),
    "TF_GraphOperationByName": (_Pointer, [_Pointer, _Text]),
    "TF_NewSessionOptions": (_Pointer, []),
    "TF_DeleteSessionOptions": (None, [_Pointer]),
    "TF_SetConfig": (None, [_Pointer, _Text, _Size, _Pointer]),
    "TF_LoadSessionFromSavedModel": (
        _Pointer,
        # Session and run options, folder, tags and their number, graph,
        # MetaGraphDef, status.
        [_Pointer, _Pointer, _Text, ctypes.POINTER(_Text), _Int]
        + [_Pointer, ctypes.POINTER(Buffer), _Pointer],
    ),
    "TF_SessionRun": (
        None,
        # Session and run options; fed outputs, values and their number;
        # likewise fetched; target operations; metadata, status.
        [_Pointer, _Pointer]
        + [_Outputs, _Pointers, _Int] * 2
        + [_Pointers, _Int, _Pointer, _Pointer],
    ),
    "TF_CloseSession": (None, [_Pointer, _Pointer]),
    "TF_DeleteSession": (None, [_Pointer, _Pointer]),
    "TF_AllocateTensor": (
        _Pointer,
        [_Int, ctypes.POINTER(ctypes.c_int64), _Int, _Size],
    ),
    "TF_DeleteTensor": (None, [_Pointer]),
    "TF_TensorType": (_Int, [_Pointer]),
    "TF_NumDims": (_Int, [_Pointer]),
    "TF_Dim": (ctypes.c_int64, [_Pointer, _Int]),
    "TF_TensorByteSize": (_Size, [_Pointer]),
    "TF_TensorData": (_Pointer, [_Pointer]),
    "TF_StringInit": (None, [_Pointer]),
    "TF_StringCopy": (None, [_Pointer, _Text, _Size]),
    "TF_StringGetSize": (_Size, [_Pointer]),
    "TF_StringGetDataPointer": (_Pointer, [_Pointer]),
    "TF_StringDealloc": (None, [_Pointer]),
}


@functools.cache
def library():
    """Returns an object whose attributes are the functions, typed.

    Raises:
        UserError: if the installed tensorflow has no such shared objects.
    """
    paths = [_shared_object(f"libtensorflow_{n}") for n in ("framework", "cc")]
    if None in paths:
        raise errors.UserError(
            "the installed tensorflow ships no libtensorflow_cc, whose C API "
            "loads a SavedModel as TensorFlow Serving does"
        )
    try:
        for path in paths:
            loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise errors.UserError(f"cannot load {path}: {error}") from error
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _shared_object(name):
    """Returns the path by which Python's tensorflow loads it, or None.

    That is the versioned one: NAME.so.2, or NAME.2.dylib.
    """
    package = importlib.util.find_spec("tensorflow")
    found = [
        path
        for root in (package.submodule_search_locations if package else [])
        for path in pathlib.Path(root).glob(f"{name}.*")
        if any(character.isdigit() for character in path.name)
    ]
    return min(found, default=None)


def check(status, beginning=""):
    """Raises what a TF_Status holds, unless it is OK.

    Args:
        status: a TF_Status.
        beginning: what is put before TensorFlow's words.

    Raises:
        UserError: with TensorFlow's words.
    """
    if library().TF_GetCode(status):
        words = library().TF_Message(status).decode(errors="replace")
        raise errors.UserError(beginning + words)


def new_tensor(array):
    """Returns a TF_Tensor with a copy of an array.

    Args:
        array: a NumPy array, of bytes for strings.

    Raises:
        UserError: for a type that no signature of ours has.
    """
    c = library()
    array = np.asarray(array, order="C")
    if array.dtype.kind in "SO":
        array = array.astype(object)
        if not all(isinstance(value, bytes) for value in array.flat):
            raise errors.UserError("strings for a tensor must be bytes")
    dtypes = [n for n, dtype in NUMPY_TYPES.items() if dtype == array.dtype]
    if not dtypes:
        raise errors.UserError(f"no tensors are made of {array.dtype}")
    is_string = dtypes[0] == _STRING
    size = array.size * _STRING_BYTES if is_string else array.nbytes
    tensor = c.TF_AllocateTensor(
        dtypes[0],
        (ctypes.c_int64 * array.ndim)(*array.shape),
        array.ndim,
        size,
    )
    data = c.TF_TensorData(tensor)
    if not is_string:
        ctypes.memmove(data, array.ctypes.data, size)
        return tensor
    for index, value in enumerate(array.flat):
        string = data + index * _STRING_BYTES
        c.TF_StringInit(string)
        c.TF_StringCopy(string, value, len(value))
    return tensor


def array_of(tensor):
    """Returns a copy of a TF_Tensor, of bytes objects for strings."""
    c = library()
    shape = tuple(
        c.TF_Dim(tensor, axis) for axis in range(c.TF_NumDims(tensor))
    )
    array = np.empty(shape, NUMPY_TYPES[c.TF_TensorType(tensor)])
    data = c.TF_TensorData(tensor)
    if array.dtype != object:
        ctypes.memmove(array.ctypes.data, data, array.nbytes)
        return array
    for index in range(array.size):
        string = data + index * _STRING_BYTES
        array.flat[index] = ctypes.string_at(
            c.TF_StringGetDataPointer(string), c.TF_StringGetSize(string)
        )
    return array


def delete_new_tensor(tensor):
    """Frees a TF_Tensor that `new_tensor` made.

    TensorFlow frees the contents of the strings that it made, not of these.
    """
    c = library()
    if c.TF_TensorType(tensor) == _STRING:
        data = c.TF_TensorData(tensor)
        for start in range(0, c.TF_TensorByteSize(tensor), _STRING_BYTES):
            c.TF_StringDealloc(data + start)
    c.TF_DeleteTensor(tensor)
