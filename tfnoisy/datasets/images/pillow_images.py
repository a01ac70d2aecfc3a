"""Image files read by Pillow, whatever their kind.

`decoding` reads PNG and JPEG by TensorFlow, which gives the same pixels; this
is for all other kinds, and for those who have no TensorFlow at hand.
"""

import contextlib
import dataclasses
import io
import struct

import numpy as np
from PIL import Image, UnidentifiedImageError

from tfnoisy.datasets.images import headers

_ORIENTATION = 0x0112
_GREY_MODES = {"1", "L", "LA", "I;16", "I;16B", "I;16L", "I;16N"}
_DEEP_MODES = {"I;16", "I;16B", "I;16L", "I;16N"}
_TOO_DEEP_MODES = {"I", "F"}
# By EXIF's orientation, as `PIL.ImageOps.exif_transpose` has them.
_UPRIGHT = [
    None,
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
]
# What Pillow raises for damaged files: each of its decoders has its own.
_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)


@dataclasses.dataclass(frozen=True)
class Look:
    """What is known of an image without its pixels.

    Attributes:
        kind: as in `headers.Header`.
        width: in pixels, after the image is turned upright.
        height: likewise.
        orientation: EXIF's, 1 (upright) to 8.
        grey: whether it has no colours.
        transparent: whether pixels may be transparent.
        deep: whether a channel has 16 bits.
        mode: Pillow's name for how pixels are stored, e.g. `CMYK`.
    """

    kind: str
    width: int
    height: int
    orientation: int = 1
    grey: bool = False
    transparent: bool = False
    deep: bool = False
    mode: str = "RGB"

    @property
    def size(self):
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def is_plain(self):
        """Whether `decoding.plain` reads it."""
        upright = self.orientation == 1 and not self.transparent
        return upright and self.kind in ("PNG", "JPEG")


def look(contents):
    """Looks at an image file without decoding it.

    Args:
        contents: the bytes of the file.

    Returns:
        A `Look`.

    Raises:
        headers.ImageFault: if it is no image, has too many pixels, or more
            than 16 bits a channel.
    """
    with _opened(contents) as (image, kind):
        return _look(image, kind)


def pixels(contents):
    """Returns the pixels of an image file, as `decoding.decode` has them.

    The first picture is taken where there are several, turned upright as
    EXIF says.  Transparent pixels are laid over white, and of 16 bits a
    channel the upper 8 are kept.

    Args:
        contents: the bytes of the file.

    Returns:
        uint8 [H, W, 3].

    Raises:
        headers.ImageFault: for whatever cannot be read.
    """
    with _opened(contents) as (image, kind):
        return _decoded(image, _look(image, kind))


def thumbnail(contents, side):
    """Returns a small upright RGB picture of an image file.

    JPEG files are decoded at a fraction of their size where that is enough.

    Args:
        contents: the bytes of the file.
        side: the longest side in pixels.

    Returns:
        Pillow's image, mode RGB.

    Raises:
        headers.ImageFault: for whatever cannot be read.
    """
    with _opened(contents) as (image, kind):
        image.draft("RGB", (2 * side, 2 * side))
        shown = Image.fromarray(_decoded(image, _look(image, kind)))
    scale = side / max(shown.size)
    # Pillow's `contain` lets a very thin picture vanish.
    size = tuple(max(1, round(length * scale)) for length in shown.size)
    return shown.resize(size, Image.Resampling.BILINEAR)


def over_white(rgba):
    """Lays pixels over white.

    Args:
        rgba: uint8 [..., 4], not premultiplied.

    Returns:
        uint8 [..., 3], rounded to the nearest.
    """
    alpha = rgba[..., 3:].astype(np.int32)
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


@contextlib.contextmanager
def _opened(contents):
    """Yields Pillow's image of a file, and its kind; errors become faults."""
    kind = headers.read(io.BytesIO(contents)).kind
    # MPO is JPEG with further pictures behind the first one.
    formats = ["JPEG", "MPO"] if kind == "JPEG" else [kind]
    try:
        with Image.open(io.BytesIO(contents), formats=formats) as image:
            yield image, kind
    except headers.ImageFault:
        raise
    except _ERRORS as error:
        raise headers.ImageFault(_fault(error)) from None


def _fault(error):
    """Returns what is wrong with a file, by what Pillow says."""
    text = " ".join(str(error).split())[:80]
    if isinstance(error, UnidentifiedImageError) or not text:
        return "its header is damaged"
    if "truncated" in text or "unexpected end" in text.lower():
        return "it is truncated"
    return f"it is damaged ({text})"


def _look(image, kind):
    if image.mode in _TOO_DEEP_MODES:
        raise headers.ImageFault("it has 32 bits a channel; save it with 8")
    orientation = _orientation_of(image)
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    return Look(
        kind,
        width,
        height,
        orientation,
        image.mode in _GREY_MODES,
        "A" in image.getbands() or "transparency" in image.info,
        image.mode in _DEEP_MODES,
        image.mode,
    )


def _orientation_of(image):
    # Pillow turns TIFF by itself.  XMP, which `Image.getexif` looks at too, is
    # not asked: a graph could not.
    exif = image.info.get("exif")
    if not exif or image.format == "TIFF":
        return 1
    directory = Image.Exif()
    try:
        directory.load(exif)
        orientation = directory.get(_ORIENTATION, 1)
    except _ERRORS:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _decoded(image, found):
    image.load()
    if _UPRIGHT[found.orientation] is not None:
        image = image.transpose(_UPRIGHT[found.orientation])
    if found.deep:
        # Pillow's own conversion clips at 255.
        grey = np.asarray(image).astype(np.uint16) >> 8
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    if found.transparent:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))
