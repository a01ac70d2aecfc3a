"""Which files are meant: images, and folders of images."""

import pathlib

from tfnoisy import errors
from tfnoisy.serving.client import client

SUFFIXES = {".png", ".jpg", ".jpeg"}


def items(paths):
    """Returns a `client.Item` for each image, unread.

    Args:
        paths: files, whatever their names are, and folders, of which the
            images below are taken, sorted by path.

    Raises:
        UserError: if a folder has none.
    """
    found = []
    for path in map(pathlib.Path, paths):
        path = path.expanduser()
        files = [path]
        if path.is_dir():
            files = sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SUFFIXES and file.is_file()
            )
            if not files:
                raise errors.UserError(
                    f"{path} has no images (*.png, *.jpg, *.jpeg)"
                )
        found += [client.Item(str(file), file.read_bytes) for file in files]
    return found
