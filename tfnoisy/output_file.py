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

    What a link leads to is written, and a device is written to, not replaced.

    Args:
        path: the file.
        contents: a string, whose line ends are kept, or bytes.
        make_folder: whether to make the file's folder if it is missing.

    Raises:
        UserError: if the file cannot be written there.
        StorageError: if the disk is full, over quota, read-only or broken.
    """
    named = path
    path = pathlib.Path(path).expanduser()
    if isinstance(contents, str):
        # Paths in a text may hold bytes that are no UTF-8.
        contents = contents.encode(errors="surrogateescape")
    try:
        path = path.resolve()
        if path.exists() and not (path.is_file() or path.is_dir()):
            path.write_bytes(contents)
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}")
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
        raise failure(named, error) from error


def check_folder(path, option):
    """Refuses what can be no folder to write to; makes none.

    Args:
        path: the folder, which need not be there.
        option: how messages call the path, such as `--output_dir`.

    Raises:
        UserError: if it is, or is below, something else than a folder.
    """
    path = pathlib.Path(path).expanduser()
    for place in (path, *path.parents):
        if place.is_dir():
            return
        if place.exists():
            raise errors.UserError(f"{option}={path}: {place} is no folder")


def check_file(path, option):
    """Refuses what can be no file to write; makes nothing.

    Args:
        path: the file, which need not be there.
        option: how messages call the path, such as `--output`.

    Raises:
        UserError: if it is a folder, or below something else than a folder.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        raise errors.UserError(f"{option}={path} is a folder, not a file")
    check_folder(path.parent, option)


def check_png(path, option):
    """Refuses a file for a PNG that has another kind's name.

    What is written there is lost: a word that was meant for another flag must
    not cost a file that is no picture.

    Args:
        path: the file.
        option: how messages call the path, such as `--plot`.

    Raises:
        UserError: if its name does not end in .png, or as `check_file`.
    """
    if pathlib.Path(path).suffix.lower() != ".png":
        raise errors.UserError(
            f"{option}={path} is no name of a PNG file (.png)"
        )
    check_file(path, option)


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
