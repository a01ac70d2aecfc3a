"""Which files are meant: images, and folders of images."""

import collections
import dataclasses
import functools
import io
import mimetypes
import pathlib

from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets.images import headers, pillow_images
from tfnoisy.datasets.sources import class_folders
from tfnoisy.serving.client import client

# What a served model reads by itself.
_SERVED = ("PNG", "JPEG")


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
            below = class_folders.contents_of(path)
            found.others += below.others
            found.faults += below.faults
            files = [path / name for name in below.images]
            if not files:
                listed = class_folders.describe_others(found.others)
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
