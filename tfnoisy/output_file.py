"""A file that is written whole or not at all."""

import errno
import os
import pathlib

from tfnoisy import errors

# What says something of the disk, not of the path that the user chose.
_OF_THE_DISK = {
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENOSPC,
    errno.EROFS,
    errno.ESTALE,
}


def write(path, contents, make_folder=True):
    """Writes text (as UTF-8) or bytes to a path.

    The file is on the disk when this returns: what replaces it survives a
    power cut either as it was or as it is now.

    Args:
        path: the file.
        contents: a string, whose line ends are kept, or bytes.
        make_folder: whether to make the file's folder if it is missing.

    Raises:
        UserError: if the file cannot be written there.
        StorageError: if the disk is full, over quota, read-only or broken.
    """
    path = pathlib.Path(path).expanduser()
    if isinstance(contents, str):
        # Paths in a text may hold bytes that are no UTF-8.
        contents = contents.encode(errors="surrogateescape")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise failure(path, error) from error


def failure(path, error):
    """Returns the exception that says in one line why writing failed.

    Args:
        path: what was to be written.
        error: the `OSError`.

    Returns:
        A `StorageError` if it is the disk's fault, else a `UserError`.
    """
    kind = errors.UserError
    if error.errno in _OF_THE_DISK:
        kind = errors.StorageError
    return kind(f"cannot write {path}: {error.strerror or error}")
