"""Which files are meant: images, and folders of images."""

import collections
import dataclasses
import functools
import io
import mimetypes
import os
import pathlib

from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets.images import headers, pillow_images
from tfnoisy.serving.client import client

# What a served model reads by itself.
_SERVED = ("PNG", "JPEG")
# Images by their first bytes, whatever the file is called: text may begin like
# BMP or PPM.
_CERTAIN = {"PNG", "JPEG", "GIF", "WEBP"}


@dataclasses.dataclass
class Found:
    """What files and folders hold.

    Attributes:
        items: a `client.Item` for each image, unread.
        others: how many files of the folders are not read, by kind.
        faults: a line for each folder that cannot be read.
    """

    items: list[client.Item] = dataclasses.field(default_factory=list)
    others: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    faults: list[str] = dataclasses.field(default_factory=list)

    @property
    def unread_images(self):
        """How many of the others are images, of kinds that are not read."""
        return sum(
            count
            for kind, count in self.others.items()
            if (mimetypes.guess_type(f"a{kind}")[0] or "").startswith("image/")
        )


def find(paths):
    """Looks for images.

    Args:
        paths: files, whatever their names are, and folders, of which all
            images below are taken, sorted by path, as training takes them.

    Returns:
        A `Found`.

    Raises:
        UserError: if a folder has none.
    """
    found = Found()
    for path in map(pathlib.Path, paths):
        path = path.expanduser()
        files = [path]
        if path.is_dir():
            files = _files_below(path, found)
            if not files:
                listed = describe_others(found.others)
                raise errors.UserError(
                    "; ".join(
                        [f"{path} has no images", *found.faults]
                        + ([listed] if listed else [])
                    )
                )
        found.items += [
            client.Item(str(file), functools.partial(read, file))
            for file in files
        ]
    return found


def items(paths):
    """Returns the items alone, see `find`."""
    return find(paths).items


def read(path):
    """Returns what to send of an image file.

    Args:
        path: the file's.

    Returns:
        The file's contents if it is a PNG or JPEG file, or none that is known
        (which the model refuses in its own words).  Another kind is sent as
        PNG, with the pixels that training sees.

    Raises:
        OSError: if it cannot be read.
        headers.ImageFault: if it is damaged, or has too many pixels.
    """
    contents = pathlib.Path(path).read_bytes()
    try:
        kind = headers.read(io.BytesIO(contents)).kind
    except headers.TooManyPixelsError:
        raise
    except headers.HeaderError:
        return contents
    if kind in _SERVED:
        return contents
    png = io.BytesIO()
    image = Image.fromarray(pillow_images.pixels(contents))
    image.save(png, "PNG", compress_level=1)
    return png.getvalue()


def describe_others(others):
    """Returns `7 files are not images: 3 .txt, 2 .DS_Store`, or nothing.

    Args:
        others: a `collections.Counter` by kind.
    """
    if not others:
        return ""
    total = sum(others.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common())
    if total == 1:
        return f"1 file is not an image and is left out: {kinds}"
    return f"{total} files are not images and are left out: {kinds}"


def _files_below(directory, found):
    """Returns the images of a folder, sorted by path; notes the rest."""
    files = []

    def note(error):
        found.faults.append(f"{error.filename}: {error.strerror}")

    for folder, folders, names in os.walk(directory, onerror=note):
        # Neither hidden folders nor those that macOS puts into archives.
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name != "__MACOSX"
        ]
        for name in names:
            path = pathlib.Path(folder, name)
            if _is_image(path):
                files.append(path)
            else:
                found.others[_kind_of_other(name)] += 1
    return sorted(files)


def _is_image(path):
    """Whether a file of a folder is meant to be an image."""
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in headers.SUFFIXES:
        return True
    try:
        if not path.is_file():  # A pipe would be waited for.
            return False
        with open(path, "rb", buffering=0) as file:
            return headers.kind_of(file.read(headers.KIND_BYTES)) in _CERTAIN
    except OSError:
        return False


def _kind_of_other(name):
    if name.startswith("._"):
        # macOS keeps there what other file systems have no place for.
        return "._*"
    if name.startswith("."):
        return name
    return os.path.splitext(name)[1].lower() or "without a suffix"
