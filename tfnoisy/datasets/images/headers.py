"""The kind and size of an image file, from its header alone.

A file of 48 kB may promise 20,000 x 20,000 pixels, which take a minute and
gigabytes to decode.  So a file's header is read before its pixels are; no
TensorFlow is needed for that.  `header_ops` does the same inside a graph.
"""

import re
import struct
from typing import NamedTuple

# Pillow's own limit, at which it warns: a quarter of a gibibyte as RGB.
MAX_PIXELS = 89_478_485

# As many bytes as `kind_of` needs, and `is_plain` of all but a few files.
KIND_BYTES, PLAIN_BYTES = 32, 2048
# What files of these kinds are called.
SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "gif"),
        *("tif", "tiff", "ppm", "pgm", "pbm", "pnm", "avif"),
    )
)

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# Markers that begin a frame, whose header holds the size: SOF0 to SOF15 but
# DHT, JPG and DAC (ITU-T T.81, table B.1).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1 = 0xE1
_TIFF_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_TYPES = {3: "H", 4: "I"}
_PPM_KINDS = re.compile(rb"P[1-6][\s#]")
_PPM_SPACE = rb"(?:\s+|#[^\n]*\n)+"
_PPM = re.compile(
    rb"P[1-6]" + _PPM_SPACE + rb"(\d{1,9})" + _PPM_SPACE + rb"(\d{1,9})"
)
_AVIF_SIZE = re.compile(rb"ispe....(.{8})", re.DOTALL)


class Header(NamedTuple):
    """What a header says.

    Attributes:
        kind: Pillow's name of the format: PNG, JPEG, GIF, WEBP, BMP, TIFF, PPM
            or AVIF.
        width: in pixels.
        height: in pixels.
    """

    kind: str
    width: int
    height: int


class ImageFault(ValueError):
    """A file that is no sound image; the message is one line that says why."""


class HeaderError(ImageFault):
    """The file should not be decoded; the message is one line that says why."""


class TooManyPixelsError(HeaderError):
    """It is an image of more than `MAX_PIXELS`."""


def read(file):
    """Reads the header of an image file.

    Args:
        file: a binary file that can seek, at its beginning; of bytes in
            memory, `io.BytesIO(contents)`.  A few hundred bytes are read of
            most files, whatever their length.

    Returns:
        A `Header`.

    Raises:
        HeaderError: if it is no image of these formats, its header is
            damaged, or it has no pixel or more than `MAX_PIXELS`.
        OSError: if it cannot be read.
    """
    head = file.read(KIND_BYTES)
    for kind, begins, size in _KINDS:
        if begins(head):
            return _checked(kind, size, head, file)
    raise HeaderError(
        "it does not begin as an image does" if head else "it is empty"
    )


def kind_of(head):
    """Returns the kind of an image file, see `Header`, or None.

    Args:
        head: its first `KIND_BYTES` bytes.
    """
    return next((kind for kind, begins, _ in _KINDS if begins(head)), None)


def is_plain(head):
    """Returns whether `decoding.plain` reads a file, as far as is seen here.

    That is an opaque PNG or a JPEG file without EXIF of no more than
    `MAX_PIXELS`.

    Args:
        head: the first `PLAIN_BYTES` bytes of the file.
    """
    if head.startswith(_JPEG):
        return _is_plain_jpeg(head)
    # Bit 2 of the colour type is alpha.  Transparency of other types and EXIF
    # have chunks of their own before the pixels.
    if not head.startswith(_PNG) or head[37:41] != b"IDAT" or head[25] & 4:
        return False
    width, height = _png(head, None)
    return width * height <= MAX_PIXELS


def _is_plain_jpeg(head):
    position = 2
    while position + 9 <= len(head):
        start, marker, length = struct.unpack_from(">BBH", head, position)
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, position + 5)
            return width * height <= MAX_PIXELS
        if marker == _APP1 or start != 0xFF:
            return False
        position += 2 + length
    return False


def _checked(kind, size, head, file):
    """Returns the `Header` that a function of `_KINDS` reads."""
    try:
        header = Header(kind, *size(head, file))
    except (struct.error, IndexError) as error:
        raise HeaderError(f"its {kind} header is damaged") from error
    if header.width < 1 or header.height < 1:
        raise HeaderError(f"its {header.kind} header says that it has no pixel")
    if header.width * header.height > MAX_PIXELS:
        raise TooManyPixelsError(
            f"it has {header.width:,} x {header.height:,} pixels, more than "
            f"the {MAX_PIXELS:,} that are decoded"
        )
    return header


def _png(head, _):
    if head[12:16] != b"IHDR":
        raise IndexError("the first chunk is another")
    return struct.unpack(">II", head[16:24])


def _jpeg(_, file):
    position = 2
    while True:
        file.seek(position)
        segment = file.read(9)
        if segment[0] != 0xFF:
            raise IndexError("no marker")
        if segment[1] == 0xFF:  # A fill byte.
            position += 1
            continue
        if segment[1] in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", segment[5:9])
            return width, height
        (length,) = struct.unpack(">H", segment[2:4])
        position += 2 + length


def _gif(head, _):
    return struct.unpack("<HH", head[6:10])


def _bmp(head, _):
    (length,) = struct.unpack("<I", head[14:18])
    if length == 12:
        return struct.unpack("<HH", head[18:22])
    width, height = struct.unpack("<ii", head[18:26])
    # A negative height means that the rows go from top to bottom.
    return width, abs(height)


def _webp(head, _):
    chunk = head[12:16]
    if chunk == b"VP8X":
        sizes = (int.from_bytes(head[k : k + 3], "little") for k in (24, 27))
        return tuple(size + 1 for size in sizes)
    if chunk == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        sizes = struct.unpack("<HH", head[26:30])
        return tuple(size & 0x3FFF for size in sizes)
    raise IndexError("an unknown chunk")


def _tiff(head, file):
    order = _TIFF_BYTE_ORDERS[head[:4]]
    (start,) = struct.unpack(order + "I", head[4:8])
    file.seek(start)
    (count,) = struct.unpack(order + "H", file.read(2))
    sizes = {}
    for _ in range(count):
        entry = file.read(12)
        tag, kind = struct.unpack(order + "HH", entry[:4])
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and kind in _TIFF_TYPES:
            (sizes[tag],) = struct.unpack_from(
                order + _TIFF_TYPES[kind], entry, 8
            )
    if len(sizes) < 2:
        raise IndexError("a size is missing")
    return sizes[_TIFF_WIDTH], sizes[_TIFF_HEIGHT]


def _ppm(_, file):
    file.seek(0)
    # Comments may be long, but hardly so long.
    match = _PPM.match(file.read(4096))
    if match is None:
        raise IndexError("no size")
    return int(match[1]), int(match[2])


def _avif(_, file):
    file.seek(0)
    # Boxes of the picture, of its transparency, and of its tiles.
    sizes = _AVIF_SIZE.findall(file.read(8192))
    if not sizes:
        raise IndexError("no box has a size")
    return max(struct.unpack(">II", size) for size in sizes)


# (kind, whether a file that begins so is of it, function of (head, file) to
# (width, height)).
_KINDS = (
    ("PNG", lambda head: head.startswith(_PNG), _png),
    ("JPEG", lambda head: head.startswith(_JPEG), _jpeg),
    ("GIF", lambda head: head.startswith((b"GIF87a", b"GIF89a")), _gif),
    (
        "WEBP",
        lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
        _webp,
    ),
    ("BMP", lambda head: head.startswith(b"BM"), _bmp),
    ("TIFF", lambda head: head[:4] in _TIFF_BYTE_ORDERS, _tiff),
    ("PPM", lambda head: _PPM_KINDS.match(head) is not None, _ppm),
    ("AVIF", lambda head: head[4:12] in (b"ftypavif", b"ftypavis"), _avif),
)
