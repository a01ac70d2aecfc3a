"""Reads the tensors of a PyTorch checkpoint, without PyTorch.

A checkpoint is a pickle, and loading a pickle may run any code.  Here nothing
but tensors is admitted.  A pickle is refused before it is loaded if it uses an
operation that a dictionary of tensors does not need, and while it is loaded no
name is looked up: four names are known, and each stands for a function below.
Where a tensor lies in the file is checked after the pickle has been read, so
that nothing in it can change what was checked.

Both layouts of `torch.save` are read: the zip archive (since PyTorch 1.6) and
the stream of pickles before it.
"""

import collections
import io
import math
import pathlib
import pickle
import pickletools
import struct
import typing
import zipfile

import numpy as np

from tfnoisy import errors

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
# What pickles of numbers, strings, dictionaries and tensors consist of.
_OPCODE_NAMES = """
    PROTO STOP MARK POP EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2
    TUPLE3 APPEND APPENDS SETITEM SETITEMS NONE NEWTRUE NEWFALSE BININT BININT1
    BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINPUT LONG_BINPUT
    BINGET LONG_BINGET BINPERSID GLOBAL REDUCE BUILD
"""
_OPCODES = frozenset(_OPCODE_NAMES.split())


class _Storage(typing.NamedTuple):
    """A piece of memory by its key, `length` numbers of `dtype`."""

    key: str
    dtype: str
    length: int


class _Tensor(typing.NamedTuple):
    """A view of a storage; immutable, so that a pickle cannot alter it."""

    storage: _Storage
    offset: int
    shape: tuple
    stride: tuple


class _DType(typing.NamedTuple):
    """What a name such as `FloatStorage` stands for."""

    name: str


def read(path):
    """Returns the tensors of a checkpoint, {name: array}.

    Args:
        path: a file that `torch.save` wrote of a state dictionary.

    Raises:
        UserError: if the file holds anything else.
    """
    path = pathlib.Path(path)
    try:
        contents = path.read_bytes()
        if zipfile.is_zipfile(io.BytesIO(contents)):
            found, storages = _from_archive(contents)
        else:
            found, storages = _from_stream(contents)
        if not isinstance(found, dict):
            raise ValueError("it holds no dictionary")
        tensors = {
            str(name): _array(value, storages)
            for name, value in found.items()
            if isinstance(value, _Tensor)
        }
    except OSError as error:
        raise errors.UserError(f"{path}: {error.strerror}") from error
    except (
        ValueError,
        KeyError,
        EOFError,
        IndexError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
        struct.error,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
    ) as error:
        raise errors.UserError(
            f"{path} is not a PyTorch checkpoint of tensors alone "
            f"({str(error) or type(error).__name__})"
        ) from error
    if not tensors:
        raise errors.UserError(f"{path} holds no tensors")
    return tensors


def _from_archive(contents):
    """Returns what a zip archive holds, and its storages as a function."""
    archive = zipfile.ZipFile(io.BytesIO(contents))
    names = [n for n in archive.namelist() if n.endswith("/data.pkl")]
    if len(names) != 1:
        raise ValueError("it has no data.pkl")
    folder = names[0].removesuffix("data.pkl")

    def member(name):
        # `torch.save` stores and does not compress: no bomb can unfold.
        if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
            raise ValueError("it is compressed")
        return archive.read(name)

    if f"{folder}byteorder" in archive.namelist():
        order = member(f"{folder}byteorder")
        if order != b"little":
            raise ValueError("its byte order is not little-endian")
    found = _load(io.BytesIO(member(names[0])))
    return found, lambda storage: member(f"{folder}data/{storage.key}")


def _from_stream(contents):
    """Returns what the older layout holds, and its storages as a function."""
    file = io.BytesIO(contents)
    if _load(file) != _MAGIC or _load(file) != _PROTOCOL:
        raise ValueError("it does not begin as one")
    about = _load(file)
    if not isinstance(about, dict) or about.get("little_endian") is not True:
        raise ValueError("its byte order is not little-endian")
    found, keys = _load(file), _load(file)
    widths = {
        tensor.storage.key: np.dtype(tensor.storage.dtype).itemsize
        for tensor in found.values()
        if isinstance(tensor, _Tensor)
    }
    pieces = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        if count < 0:
            raise ValueError("a storage has a negative size")
        pieces[key] = file.read(count * widths[key])
    return found, lambda storage: pieces[storage.key]


def _array(tensor, storages):
    """Returns the numbers of a tensor, checked against its storage."""
    storage, offset, shape, stride = tensor
    dtype = np.dtype(storage.dtype)
    numbers = np.frombuffer(storages(storage), dtype)
    sizes = (offset, *shape, *stride)
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("a tensor has a shape that is not of whole numbers")
    if len(shape) != len(stride) or math.prod(shape) > len(numbers):
        raise ValueError("a tensor is larger than its storage")
    if not math.prod(shape):
        return np.zeros(shape, dtype)
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride))
    if last >= len(numbers):
        raise ValueError("a tensor reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(
        numbers[offset:],
        shape,
        [step * dtype.itemsize for step in stride],
        writeable=False,
    )
    return view.copy()


def _load(file):
    """Returns the object that the pickle at this point of a file holds."""
    start = file.tell()
    length = len(file.getbuffer())
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name not in _OPCODES:
            raise ValueError(f"its pickle uses {opcode.name}")
        # An index makes the unpickler reserve memory up to it.
        if opcode.name == "LONG_BINPUT" and argument > length:
            raise ValueError("its pickle has an index that is too large")
    end = file.tell()
    file.seek(start)
    part = io.BytesIO(file.read(end - start))
    return _TensorUnpickler(part).load()


class _TensorUnpickler(pickle.Unpickler):
    """Knows four kinds of names and imports none."""

    def find_class(self, module, name):
        """Returns what a name stands for, or refuses it."""
        if (module, name) == ("collections", "OrderedDict"):
            return _ordered_dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DType(name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid):
        """Returns the `_Storage` that an identifier means."""
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, _DType) or any(view):
            raise pickle.UnpicklingError("it refers to no plain storage")
        return _Storage(str(key), _DTYPES[dtype.name], int(count))


def _ordered_dict():
    return collections.OrderedDict()


def _rebuild_tensor(storage, offset, shape, stride, *_):
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor has no storage")
    return _Tensor(storage, offset, tuple(shape), tuple(stride))
