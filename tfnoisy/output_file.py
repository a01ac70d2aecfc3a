"""A file that is written whole or not at all."""

import os
import pathlib

from tfnoisy import errors


def write(path, contents):
    """Writes text (as UTF-8) or bytes to a path, making its folder.

    Args:
        path: the file.
        contents: a string, of which line ends are kept, or bytes.

    Raises:
        UserError: if the file cannot be written.
    """
    path = pathlib.Path(path).expanduser()
    if isinstance(contents, str):
        # Paths in a text may hold bytes that are no UTF-8.
        contents = contents.encode(errors="surrogateescape")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(contents)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise errors.UserError(
            f"cannot write {path}: {error.strerror}"
        ) from error
