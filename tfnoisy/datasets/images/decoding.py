"""From an image file's contents to pixels: the same wherever files are read.

In memory or streamed, for training or by a server: one function, so that a
network is served what it was trained on, bit for bit.
"""

import contextlib
import os
import sys
import tempfile

import tensorflow as tf

from tfnoisy.datasets.images import header_ops

# Rec. 601's luma in 16-bit fixed point, as Pillow's convert("L") rounds it.
_LUMA = (19595, 38470, 7471)

# What the operation below reads, by the names that Pillow has for it (MPO is
# JPEG with further pictures behind it), and how such files begin.
FORMATS = ("GIF", "JPEG", "MPO", "PNG")
_BEGINNINGS = (b"GIF8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
HEAD_BYTES = 8


def is_image(head):
    """Returns whether a file may be an image, by its first `HEAD_BYTES`."""
    return head.startswith(_BEGINNINGS)


def decode(contents, image_shape, crop=False):
    """Returns the pixels of an image file.

    It is turned as its EXIF orientation says.  Decoding and grey values are
    Pillow's, bit for bit, so images that have their size are too.  Others are
    resized as by `tf.image.resize` with anti-aliasing; Pillow rounds twice
    where this rounds once, which leaves some pixels one level of 255 apart.

    Args:
        contents: a scalar string: a PNG, JPEG or GIF file (its first frame).
        image_shape: (H, W, C), C 1 or 3.
        crop: cut off what does not fit and do not change the proportions.

    Returns:
        uint8 [H, W, C].
    """
    # This operation reads PNG and GIF too.  The default method of JPEG is the
    # fast one, up to 9 levels away from Pillow's.
    image = tf.io.decode_jpeg(
        contents, channels=3, dct_method="INTEGER_ACCURATE"
    )
    image = header_ops.upright(image, contents)
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
