"""A model's versions: MODEL/1, MODEL/2, ..., each whole from its first moment.

A server polls the folder and loads the largest integer that it sees, so a
version is written beside the others under a name that is no integer, and
renamed when it is complete.
"""

import contextlib
import os
import pathlib
import shutil

from tfnoisy import errors


def versions(model_dir):
    """Returns the versions in a model's folder, ascending integers."""
    path = pathlib.Path(model_dir)
    if not path.is_dir():
        return []
    return sorted(
        int(entry.name) for entry in path.iterdir() if entry.name.isdecimal()
    )


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
    """
    number = max(versions(path.parent), default=0) + 1
    while True:
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
