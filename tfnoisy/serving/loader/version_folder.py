"""A model's versions: MODEL/1, MODEL/2, ..., each whole from its first moment.

A server polls the folder and loads the largest integer that it sees, so a
version is written beside the others under a name that is no integer, and
renamed when it is complete.
"""

import contextlib
import os
import pathlib
import re
import shutil

from tfnoisy import errors

MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
# A version is an int64 for TensorFlow Serving.
MAX_VERSION = 2**63 - 1


def number_of(name):
    """Returns the version that a folder's name says, or None."""
    if not re.fullmatch("[0-9]{1,19}", name):
        return None
    number = int(name)
    return number if number <= MAX_VERSION else None


def versions(model_dir):
    """Returns the versions in a model's folder, ascending integers.

    What has a version's name counts, whether or not it is one.
    """
    return sorted(number for number, _ in _entries(model_dir))


def loadable(model_dir):
    """Returns [(version, path)] of what looks like a model, newest first.

    Files, and folders without a SavedModel, are left out: a version that is
    being copied, or was deleted in part.
    """
    return sorted(
        (
            (number, path)
            for number, path in _entries(model_dir)
            if any((path / name).is_file() for name in MODEL_FILES)
        ),
        reverse=True,
    )


def _entries(model_dir):
    path = pathlib.Path(model_dir)
    try:
        entries = list(path.iterdir())
    except OSError:
        return []
    numbered = ((number_of(entry.name), entry) for entry in entries)
    return [(number, entry) for number, entry in numbered if number is not None]


@contextlib.contextmanager
def beside(model_dir):
    """Makes an empty folder in the model's, for the time of a `with`.

    Unless it was published by then it goes, with the folders that were made
    for it.

    Args:
        model_dir: the model's folder; it is made if need be.

    Yields:
        The path of the empty folder.

    Raises:
        UserError: if it cannot be made.
    """
    model_dir = pathlib.Path(model_dir)
    made = [
        folder
        for folder in (model_dir, *model_dir.parents)
        if not folder.exists()
    ]
    path = model_dir / f".export-{os.getpid()}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        _remove_empty(made)
        raise errors.UserError(
            f"cannot write to {model_dir}: {error.strerror}"
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _remove_empty(made)


def publish(path):
    """Renames a folder of `beside` to the next free version.

    Returns:
        The version's path.

    Raises:
        UserError: if no number is free.
    """
    number = max(versions(path.parent), default=0) + 1
    while True:
        if number > MAX_VERSION:
            raise errors.UserError(
                f"{path.parent} has version {MAX_VERSION}, after which there "
                "is none"
            )
        target = path.parent / str(number)
        try:
            return path.rename(target)
        except OSError:
            # Unless another export was faster, it is no matter of the name.
            if not target.exists():
                raise
        number += 1


def _remove_empty(folders):
    """Removes those of the folders, from the innermost, that are empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
