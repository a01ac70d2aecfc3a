"""What a PNG or JPEG file says of itself, read inside a graph.

`check_size` and the rest do in TensorFlow's operations, and so in a
SavedModel too, what `headers` and Pillow's `ImageOps.exif_transpose` do in
Python.  They are made of few operations: a small image decodes in 50 µs.
"""

import tensorflow as tf

from tfnoisy.datasets.images import headers

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JFIF = (0xFF, 0xD8, 0xFF, 0xE0, 0, 16)
_EXIF = (0xFF, 0xE1, 0x45, 0x78, 0x69, 0x66, 0, 0)
_CHUNK_EXIF, _CHUNK_PIXELS = tuple(b"eXIf"), tuple(b"IDAT")
_LITTLE_ENDIAN = (0x49, 0x49)
_APP0, _APP15 = 0xE0, 0xEF
_ORIENTATION = 0x0112
# Segments before the image that are looked at for EXIF: cameras write it
# first, editors second or third.
_MAX_SEGMENTS = 64


def is_png(contents):
    """Returns whether a scalar string begins as PNG files do, a tensor."""
    return tf.strings.substr(contents, 0, len(_PNG)) == _PNG


def is_jpeg(contents):
    """Returns whether a scalar string begins as JPEG files do, a tensor."""
    return tf.strings.substr(contents, 0, len(_JPEG)) == _JPEG


def check_size(contents):
    """Refuses files with more than `headers.MAX_PIXELS`, before decoding.

    Args:
        contents: a scalar string, a PNG or JPEG file.

    Returns:
        The contents, once they are checked.

    Raises:
        InvalidArgumentError: as the graph runs, if there are more pixels or
            the file is of another kind.
    """
    jpeg = is_jpeg(contents)
    size = tf.cond(
        jpeg, lambda: _jpeg_size(contents), lambda: _png_size(contents)
    )
    checks = [
        tf.debugging.Assert(
            jpeg | is_png(contents),
            ["Unknown image file format: neither PNG nor JPEG"],
        ),
        tf.debugging.Assert(
            tf.reduce_prod(size) <= headers.MAX_PIXELS,
            [
                "An image of more pixels is not decoded; most pixels, height "
                "and width:",
                headers.MAX_PIXELS,
                size,
            ],
        ),
    ]
    with tf.control_dependencies(
        [check for check in checks if check is not None]
    ):
        return tf.identity(contents)


def upright(image, contents):
    """Returns an image as the EXIF of its file says that it should be seen.

    Args:
        image: uint8 [H, W, C], as it was decoded.
        contents: a scalar string, the file.  Of all but JPEG files, and where
            there is no EXIF, the image stays as it is.

    Returns:
        [H, W, C], or [W, H, C] if it was turned by a quarter.
    """
    head = _bytes(contents, 0, 22)
    # Most JPEG files without EXIF have JFIF's segment of 16 bytes, and behind
    # it no other application's.
    may_have_exif = tf.where(
        _is(head[:6], _JFIF), _is_app(head[21]), _is_app(head[3])
    )
    return tf.cond(
        is_jpeg(contents) & may_have_exif,
        lambda: _turned(image, contents),
        lambda: image,
    )


# Without the attribute its operations would all be scheduled, if not run, for
# images that have no EXIF too.
@tf.function(
    input_signature=[
        tf.TensorSpec([None, None, None], tf.uint8),
        tf.TensorSpec([], tf.string),
    ],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _turned(image, contents):
    return turn(image, orientation(contents))


def turn(image, orientation):
    """Returns an image as it should be seen.

    Args:
        image: uint8 [H, W, C], as it was decoded.
        orientation: EXIF's, an int64 scalar from 1 to 8.

    Returns:
        [H, W, C], or [W, H, C] if it was turned by a quarter.
    """
    height, width, channels = tf.unstack(tf.shape(image))

    def places(count, reversed_by):
        is_reversed = tf.reduce_any(orientation == reversed_by)
        forwards = tf.range(count)
        return tf.where(is_reversed, count - 1 - forwards, forwards)

    # Not by tf.transpose: of integers, TensorFlow prints on many processors
    # that oneDNN does not transpose them there.
    rows = width * places(height, (3, 4, 6, 7))
    columns = places(width, (2, 3, 7, 8))
    pixels = tf.cond(
        orientation >= 5,
        lambda: rows + columns[:, tf.newaxis],
        lambda: rows[:, tf.newaxis] + columns,
    )
    return tf.gather(tf.reshape(image, [-1, channels]), pixels)


def orientation(contents):
    """Looks through a JPEG file for its EXIF orientation.

    Args:
        contents: a scalar string.

    Returns:
        An int64 scalar from 1 to 8; 1 ("as it is") where none is given.
    """

    def is_other(_, segment):
        return _is_app(segment[1]) & ~_has_exif(segment)

    def following(position, segment):
        position += 2 + _big_endian(segment[2:4])
        return position, _bytes(contents, position, 10)

    first = tf.constant(2, tf.int64)
    position, segment = tf.while_loop(
        is_other,
        following,
        (first, _bytes(contents, first, 10)),
        maximum_iterations=_MAX_SEGMENTS,
        parallel_iterations=1,
    )
    return tf.cond(
        _has_exif(segment),
        lambda: _tiff_orientation(contents, position + 10),
        lambda: tf.constant(1, tf.int64),
    )


def png_orientation(contents):
    """Looks through a PNG file for its EXIF orientation.

    Args:
        contents: a scalar string.

    Returns:
        An int64 scalar from 1 to 8; 1 ("as it is") where none is given before
        the pixels.
    """

    def is_other(_, chunk):
        return ~(_is(chunk[4:], _CHUNK_EXIF) | _is(chunk[4:], _CHUNK_PIXELS))

    def following(position, chunk):
        position += 12 + _big_endian(chunk[:4])
        return position, _bytes(contents, position, 8)

    first = tf.constant(8, tf.int64)
    position, chunk = tf.while_loop(
        is_other,
        following,
        (first, _bytes(contents, first, 8)),
        maximum_iterations=_MAX_SEGMENTS,
        parallel_iterations=1,
    )
    return tf.cond(
        _is(chunk[4:], _CHUNK_EXIF),
        lambda: _tiff_orientation(contents, position + 8),
        lambda: tf.constant(1, tf.int64),
    )


def _jpeg_size(contents):
    shape = tf.image.extract_jpeg_shape(contents)
    return tf.cast(shape[:2], tf.int64)


def _png_size(contents):
    """Returns [height, width]; zeros of what is no PNG file."""
    words = tf.io.decode_raw(
        tf.strings.substr(contents, 0, 24),
        tf.int32,
        little_endian=False,
        fixed_length=24,
    )
    # More than 31 bits, which are negative here, are refused by the decoder.
    return tf.cast(words[:3:-1], tf.int64)


def _has_exif(segment):
    return _is(tf.gather(segment, [0, 1, 4, 5, 6, 7, 8, 9]), _EXIF)


def _tiff_orientation(contents, position):
    """Returns the orientation in the first directory of EXIF's TIFF, or 1."""
    beginning = _bytes(contents, position, 8)
    little = _is(beginning[:2], _LITTLE_ENDIAN)

    def number(parts):
        return tf.where(
            little, _big_endian(parts[..., ::-1]), _big_endian(parts)
        )

    start = position + number(beginning[4:8])
    count = number(_bytes(contents, start, 2))
    # An entry is 12 bytes: tag, type, count and value.
    part = tf.strings.substr(contents, _inside(contents, start + 2), 12 * count)
    raw = tf.cast(tf.io.decode_raw(part, tf.uint8), tf.int64)
    entries = tf.reshape(raw[: 12 * (tf.size(raw) // 12)], [-1, 12])
    is_it = number(entries[:, :2]) == _ORIENTATION
    values = tf.boolean_mask(number(entries[:, 8:10]), is_it)
    value = tf.concat([values, [1]], 0)[0]
    return tf.where((value >= 1) & (value <= 8), value, tf.ones_like(value))


def _bytes(contents, start, count):
    """Returns some bytes of a string, int64 [count]; zeros after its end."""
    part = tf.strings.substr(contents, _inside(contents, start), count)
    raw = tf.io.decode_raw(part, tf.uint8, fixed_length=count)
    return tf.cast(raw, tf.int64)


def _inside(contents, position):
    """Returns the position, or the string's end if it is behind that."""
    if isinstance(position, int):  # The beginning, of an empty string too.
        return position
    length = tf.cast(tf.strings.length(contents), tf.int64)
    return tf.minimum(position, length)


def _is(found, expected):
    return tf.reduce_all(found == tf.constant(expected, tf.int64))


def _is_app(marker):
    return (marker >= _APP0) & (marker <= _APP15)


def _big_endian(parts):
    """Returns the numbers of bytes [..., n]."""
    powers = [256**k for k in reversed(range(parts.shape[-1]))]
    return tf.reduce_sum(parts * tf.constant(powers, tf.int64), -1)
