"""Arrays from NumPy's files, which somebody else may have written.

Nothing is unpickled.  A file says how large its arrays are before they come:
one that promises more than it holds is refused before memory is taken for it.
What a file is, is read from it: its name does not count.
"""

import math
import os
import pathlib
import struct
import tokenize
import zipfile
import zlib

import numpy as np

# What these files give rise to when they are damaged, or something else.
ERRORS = (OSError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError)
# How NumPy stores the arrays of an archive.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Deflate makes no more than this of a byte (zlib's technical notes say 1032).
_DEFLATED = 1032
_NO_ARRAYS = "no NumPy file: an array (.npy) or an archive of some (.npz)"


def read(path):
    """Returns the array of a `.npy`, or {name: array} of an `.npz`.

    Args:
        path: the file.

    Raises:
        ValueError: if it is neither or damaged, holds Python objects, or
            promises more than it holds.
        OSError, EOFError, RuntimeError, zipfile.BadZipFile: if it is damaged.
    """
    with pathlib.Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return _array(file, size)
        try:
            with zipfile.ZipFile(file) as archive:
                return dict(
                    _member(archive, member, size)
                    for member in archive.infolist()
                )
        except (zlib.error, struct.error):
            raise ValueError("the archive is damaged") from None


def _member(archive, member, size):
    """Returns the name and the array of one member of an archive."""
    name = member.filename.removesuffix(".npy")
    if name == member.filename:
        raise ValueError(f"it holds {name}, which is no array")
    if member.compress_type not in _COMPRESSIONS:
        raise ValueError(f"{name} is compressed as NumPy does not compress")
    # What the archive says of its sizes may be wrong as well.
    held = min(member.file_size, _DEFLATED * min(member.compress_size, size))
    with archive.open(member) as contents:
        return name, _array(contents, held)


def _array(file, size):
    """Reads one array from a file of so many bytes."""
    try:
        version = np.lib.format.read_magic(file)
    except ValueError:
        raise ValueError(_NO_ARRAYS) from None
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    # Version 3 differs in the header's encoding, and only for field names.
    if version not in readers:
        raise ValueError(f"version {version} of NumPy's format")
    try:
        shape, _, dtype = readers[version](file)
    except (EOFError, SyntaxError, TypeError, ValueError, tokenize.TokenError):
        # NumPy parses the header as a literal of Python.
        raise ValueError("the header of an array is damaged") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if any(length < 0 for length in shape):
        raise ValueError(f"an array of shape {list(shape)}")
    promised = math.prod(shape) * dtype.itemsize
    held = size - file.tell()
    if promised > held:
        raise ValueError(
            f"an array of {promised:,} bytes is announced, {held:,} are there"
        )
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
