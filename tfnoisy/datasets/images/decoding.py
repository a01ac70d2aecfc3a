"""From an image file's contents to pixels: the same wherever files are read.

In memory or streamed, for training or by a server: one function, so that a
network is served what it was trained on, bit for bit.
"""

import contextlib
import os
import sys
import tempfile

import tensorflow as tf

from tfnoisy.datasets.images import header_ops, pillow_images

# Rec. 601's luma in 16-bit fixed point, as Pillow's convert("L") rounds it.
_LUMA = (19595, 38470, 7471)


def decode(contents, image_shape, crop=False, decoder=None):
    """Returns the pixels of an image file.

    The first picture is taken where there are several, turned upright as EXIF
    says.  Transparent pixels are laid over white, and of 16 bits a channel
    the upper 8 are kept.  Decoding and grey values are Pillow's, bit for bit,
    so images that have their size are too.  Others are resized as by
    `tf.image.resize` with anti-aliasing; Pillow rounds twice where this
    rounds once, which leaves some pixels one level of 255 apart.

    Args:
        contents: a scalar string: the file.
        image_shape: (H, W, C), C 1 or 3.
        crop: cut off what does not fit and do not change the proportions.
        decoder: one of `png_jpeg` (the default), `all_kinds` and `plain`.

    Returns:
        uint8 [H, W, C].

    Raises:
        tf.errors.OpError: for broken files, and before they are decoded for
            those of more than `headers.MAX_PIXELS` pixels.
    """
    image = (decoder or png_jpeg)(contents)
    if image_shape[-1] == 1:
        luma = tf.reduce_sum(
            tf.cast(image, tf.int32) * _LUMA, axis=-1, keepdims=True
        )
        image = tf.cast((luma + 2**15) // 2**16, tf.uint8)
    found = tf.shape(image)[:2]
    image = tf.cond(
        tf.reduce_all(found == image_shape[:2]),
        lambda: image,
        lambda: _resized(image, found, image_shape[:2], crop),
    )
    return tf.ensure_shape(image, image_shape)


def plain(contents):
    """Decodes an upright, opaque PNG or JPEG file that is not too large.

    It does not look for anything else, and so takes less time.

    Args:
        contents: a scalar string, see `headers.is_plain`.

    Returns:
        uint8 [h, w, 3].
    """
    # This operation reads PNG too.  Its default method for JPEG is the fast
    # one, up to 9 levels away from Pillow's.
    return tf.io.decode_jpeg(
        contents, channels=3, dct_method="INTEGER_ACCURATE"
    )


def png_jpeg(contents):
    """Decodes a PNG or JPEG file, in any graph.

    Args:
        contents: a scalar string.

    Returns:
        uint8 [h, w, 3].
    """
    contents = header_ops.check_size(contents)
    return tf.cond(
        header_ops.is_png(contents),
        lambda: _png(contents),
        lambda: header_ops.upright(plain(contents), contents),
    )


def all_kinds(contents):
    """Decodes a file of any kind of `headers`, in graphs of this process.

    Args:
        contents: a scalar string.

    Returns:
        uint8 [h, w, 3].
    """
    image = tf.cond(
        header_ops.is_png(contents) | header_ops.is_jpeg(contents),
        lambda: png_jpeg(contents),
        lambda: _by_pillow(contents),
    )
    return tf.ensure_shape(image, [None, None, 3])


def _png(contents):
    # Bit 2 of the colour type is alpha.  Transparency of other types and EXIF
    # have chunks of their own; most files have none before the pixels.
    colour = tf.io.decode_raw(tf.strings.substr(contents, 25, 1), tf.uint8)
    without = (colour[0] & 4 == 0) & (
        tf.strings.substr(contents, 37, 4) == b"IDAT"
    )
    return tf.cond(
        without,
        lambda: tf.io.decode_png(contents, channels=3),
        lambda: _png_with_more(contents),
    )


# A call, where it would otherwise become a part of the graph that it is called
# in: a branch that is not taken costs nothing then.
@tf.function(
    input_signature=[tf.TensorSpec([], tf.string)],
    autograph=False,
    experimental_attributes={"_noinline": True},
)
def _png_with_more(contents):
    image = _over_white(tf.io.decode_png(contents, channels=4))
    return header_ops.turn(image, header_ops.png_orientation(contents))


def _over_white(rgba):
    """As `pillow_images.over_white`."""
    # The largest sum is 255 * 255 + 127.
    rgba = tf.cast(rgba, tf.uint16)
    alpha = rgba[..., 3:]
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return tf.cast((mixed + 127) // 255, tf.uint8)


def _by_pillow(contents):
    def pixels(contents):
        # Run by itself, and not in a graph, the operation hands over an array.
        if not isinstance(contents, bytes):
            contents = contents.item()
        return pillow_images.pixels(contents)

    return tf.numpy_function(pixels, [contents], tf.uint8, stateful=False)


def _resized(image, found, size, crop):
    found = tf.cast(found, tf.float32)
    scale, translation = tf.constant(size, tf.float32) / found, tf.zeros([2])
    if crop:
        scale = tf.repeat(tf.reduce_max(scale), 2)
        translation = (tf.constant(size, tf.float32) - found * scale) / 2
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=size,
        scale=scale,
        translation=translation,
        kernel_type="triangle",
        antialias=True,
    )
    return tf.cast(tf.round(resized[0]), tf.uint8)


@contextlib.contextmanager
def without_messages():
    """Keeps back what TensorFlow prints of a JPEG file that ends too early.

    It is raised as an error as well, whose message a user reads.  Whatever
    else the body has printed is printed after it.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            sink.seek(0)
            for line in sink:
                if b"jpeg_mem.cc" not in line:
                    os.write(2, line)
