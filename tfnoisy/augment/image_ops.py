"""Image operations with Pillow's meaning, on whole batches.

Every operation is a pure function of images uint8 [B, H, W, C] (C 1 or 3
where colour matters, any C elsewhere) and of one parameter per image, [B].
It returns what Pillow's operation of that name returns, bit for bit, also
under XLA; `tests/augment/test_image_ops.py` prints the comparison.

Three kernels carry nearly all of them: a look-up table of 256 entries per
image and channel (`apply_tables`), a nearest-neighbour affine map (`affine`)
and a blend with a degenerate image (`blend`).  A caller
that wants different operations for different images
(`tfnoisy.augment.strong`) selects tables, matrices and degenerate images, and
runs each kernel once.

Only `tf.` is used, and nothing that TensorFlow 2.15 lacks.
"""

import math

import numpy as np
import tensorflow as tf

_LEVELS = 256


def identity(images):
    """Returns the images."""
    return images


# Look-up tables.


def apply_tables(images, tables):
    """Replaces each value by its entry in a table.

    Args:
        images: uint8 [B, H, W, C].
        tables: [B, C, 256], or [B, 1, 256] for all channels alike.

    Returns:
        [B, H, W, C] of the tables' type.
    """
    shape = tf.shape(images)
    count, channels = shape[0], shape[3]
    per_channel = tables.shape[1] != 1
    offsets = _LEVELS * (
        tf.reshape(tf.range(count * channels), [count, 1, 1, channels])
        if per_channel
        else tf.reshape(tf.range(count), [count, 1, 1, 1])
    )
    index = tf.cast(images, tf.int32) + offsets
    return tf.gather(tf.reshape(tables, [-1]), index)


def posterize_tables(bits):
    """Returns tables uint8 [B, 1, 256] of `posterize`."""
    mask = tf.bitwise.left_shift(_LEVELS - 1, 8 - _per_table(bits))
    return tf.cast(tf.bitwise.bitwise_and(_values(), mask), tf.uint8)


def posterize(images, bits):
    """Keeps each value's `bits` (int [B], 0..8) most significant bits."""
    return apply_tables(images, posterize_tables(bits))


def solarize_tables(thresholds):
    """Returns tables uint8 [B, 1, 256] of `solarize`."""
    values = _values()
    return tf.cast(
        tf.where(values < _per_table(thresholds), values, 255 - values),
        tf.uint8,
    )


def solarize(images, thresholds):
    """Inverts the values from `thresholds` (int [B], 0..256) on."""
    return apply_tables(images, solarize_tables(thresholds))


def solarize_add_tables(additions, threshold=128):
    """Returns tables uint8 [B, 1, 256] of `solarize_add`."""
    values = _values()
    added = tf.clip_by_value(values + _per_table(additions), 0, 255)
    return tf.cast(tf.where(values < threshold, added, values), tf.uint8)


def solarize_add(images, additions, threshold=128):
    """Adds `additions` (int [B]) to the values below the threshold."""
    return apply_tables(images, solarize_add_tables(additions, threshold))


def invert(images):
    """Returns 255 minus each value."""
    return 255 - images


def autocontrast_tables(images):
    """Returns tables uint8 [B, C, 256] of `autocontrast`."""
    low = tf.cast(tf.reduce_min(images, axis=[1, 2]), tf.int32)[..., None]
    high = tf.cast(tf.reduce_max(images, axis=[1, 2]), tf.int32)[..., None]
    # Pillow truncates value * scale - low * scale, which often is an integer
    # less a rounding error.  The products come from a table, lest a compiler
    # contracts them with the difference and rounds otherwise.
    spans = np.maximum(np.arange(_LEVELS), 1)[:, None]
    products = tf.constant(np.arange(_LEVELS) * (255.0 / spans))
    scaled = tf.gather(products, (high - low)[..., 0])
    offset = tf.gather(scaled, low, batch_dims=2)
    stretched = tf.clip_by_value(scaled - offset, 0.0, 255.0)
    stretched = tf.cast(stretched, tf.int32)
    return tf.cast(tf.where(high > low, stretched, _values()), tf.uint8)


def autocontrast(images):
    """Stretches each channel's range to 0..255."""
    return apply_tables(images, autocontrast_tables(images))


def equalize_tables(images):
    """Returns tables uint8 [B, C, 256] of `equalize`."""
    shape = tf.shape(images)
    count, channels = shape[0], shape[3]
    bins = tf.cast(images, tf.int32) + _LEVELS * tf.reshape(
        tf.range(count * channels), [count, 1, 1, channels]
    )
    histograms = tf.reshape(
        tf.math.unsorted_segment_sum(
            tf.ones_like(bins), bins, count * channels * _LEVELS
        ),
        [count, -1, _LEVELS],
    )
    histograms = tf.ensure_shape(histograms, [None, images.shape[3], _LEVELS])
    values = _values()
    brightest = tf.reduce_max(
        tf.where(histograms > 0, values, 0), axis=-1, keepdims=True
    )
    last = tf.reduce_sum(
        tf.where(values == brightest, histograms, 0), axis=-1, keepdims=True
    )
    step = (shape[1] * shape[2] - last) // 255
    below = tf.cumsum(histograms, axis=-1, exclusive=True)
    # Integer division by way of floats, which is faster; the half keeps the
    # quotients away from integers.
    quotients = (tf.cast(step // 2 + below, tf.float32) + 0.5) / tf.cast(
        tf.maximum(step, 1), tf.float32
    )
    equal = tf.cast(tf.minimum(quotients, 255.0), tf.int32)
    return tf.cast(tf.where(step > 0, equal, values), tf.uint8)


def equalize(images):
    """Makes each channel's histogram as flat as a table can."""
    return apply_tables(images, equalize_tables(images))


def _values():
    return tf.range(_LEVELS)


def _per_table(parameters):
    return tf.cast(parameters, tf.int32)[:, None, None]


# Nearest-neighbour affine maps.


def affine(images, matrices, fill=0):
    """Maps each image as Pillow's `transform(size, AFFINE, matrix)` does.

    Args:
        images: uint8 [B, H, W, C].
        matrices: float64 [B, 6] of (a, b, c, d, e, f): the output's (x, y)
            shows the input's (a x + b y + c, d x + e y + f), where a pixel's
            centre is at its index plus one half.
        fill: a value for what lies outside, or one per channel, [C].

    Returns:
        uint8 [B, H, W, C].
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    a, b, c, d, e, f = tf.unstack(tf.cast(matrices, tf.float64), axis=1)
    x = _source(a, b, c, height, width)
    y = _source(d, e, f, height, width)
    return pick(images, y, x, fill)


def pick(images, rows, columns, fill=0):
    """Gathers pixels.

    Args:
        images: [B, H, W, C] of any type.
        rows: int32 [B, H, W], the source of each pixel, in the image or not;
            or [B, H] for whole rows.
        columns: int32 [B, H, W]; or [B, W].
        fill: a value for what lies outside, or one per channel, [C].

    Returns:
        A tensor like `images`.
    """
    shape = tf.shape(images)
    count, height, width = shape[0], shape[1], shape[2]
    y = rows[..., None] if rows.shape.rank == 2 else rows
    x = columns[:, None] if columns.shape.rank == 2 else columns
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = (tf.range(count)[:, None, None] * height + y) * width + x
    pixels = tf.gather(
        tf.reshape(images, [-1, images.shape[3]]), tf.where(inside, index, 0)
    )
    picked = tf.where(inside[..., None], pixels, tf.cast(fill, images.dtype))
    return tf.ensure_shape(picked, images.shape)


def _source(along_x, along_y, constant, height, width):
    """Returns the source index [B, H, W], in Pillow's 16.16 fixed point."""

    def fixed(value):
        return tf.cast(tf.floor(value * 65536.0 + 0.5), tf.int32)[:, None, None]

    start = fixed(constant + along_x * 0.5 + along_y * 0.5)
    index = (
        start
        + fixed(along_y) * tf.range(height)[:, None]
        + fixed(along_x) * tf.range(width)
    )
    return tf.bitwise.right_shift(index, 16)


def rotation_matrices(degrees, height, width):
    """Returns float64 [B, 6]: counter-clockwise about the image's centre."""
    angle = -tf.cast(degrees, tf.float64) * (math.pi / 180.0)
    cos, sin = tf.cos(angle), tf.sin(angle)
    x = tf.cast(width, tf.float64) / 2.0
    y = tf.cast(height, tf.float64) / 2.0
    return tf.stack(
        [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y],
        axis=1,
    )


def rotate(images, degrees, fill=0):
    """Rotates by `degrees` [B], counter-clockwise."""
    shape = tf.shape(images)
    return affine(images, rotation_matrices(degrees, shape[1], shape[2]), fill)


def linear_matrices(shear_x=0.0, shear_y=0.0, translate_x=0.0, translate_y=0.0):
    """Returns float64 [B, 6] of (1, shear_x, translate_x, shear_y, 1, ...).

    Args:
        shear_x: [B] or a number; so are the others.
        shear_y: likewise.
        translate_x: pixels; positive moves the content to the left.
        translate_y: pixels; positive moves the content up.
    """
    shears = [tf.cast(value, tf.float64) for value in (shear_x, shear_y)]
    moves = [tf.cast(value, tf.float64) for value in (translate_x, translate_y)]
    one = tf.ones_like(sum(shears) + sum(moves))
    return tf.stack(
        [
            one,
            one * shears[0],
            one * moves[0],
            one * shears[1],
            one,
            one * moves[1],
        ],
        axis=1,
    )


def shear_x(images, factors, fill=0):
    """Moves row y to the left by `factors` [B] times y."""
    return affine(images, linear_matrices(shear_x=factors), fill)


def shear_y(images, factors, fill=0):
    """Moves column x up by `factors` [B] times x."""
    return affine(images, linear_matrices(shear_y=factors), fill)


def translate_x(images, pixels, fill=0):
    """Moves the images to the left by `pixels` [B]."""
    return affine(images, linear_matrices(translate_x=pixels), fill)


def translate_y(images, pixels, fill=0):
    """Moves the images up by `pixels` [B]."""
    return affine(images, linear_matrices(translate_y=pixels), fill)


# Blends with a degenerate image.


def blend(degenerate, images, factors):
    """Returns degenerate + factor * (images - degenerate), as Pillow does.

    Args:
        degenerate: integer [B, H, W, C], or of a shape that broadcasts to it.
        images: uint8 [B, H, W, C].
        factors: float [B]; 0 gives `degenerate`, 1 gives `images`.

    Returns:
        uint8 [B, H, W, C], truncated and clipped.
    """
    start = tf.cast(degenerate, tf.int32)
    # Pillow rounds the product to float32 before it adds.  Compilers may fuse
    # the two, which rounds otherwise; a product of doubles, which is exact,
    # leaves them nothing to fuse.
    product = tf.cast(tf.cast(factors, tf.float32), tf.float64)[
        :, None, None, None
    ] * tf.cast(tf.cast(images, tf.int32) - start, tf.float64)
    blended = tf.cast(start, tf.float32) + tf.cast(product, tf.float32)
    return tf.cast(tf.clip_by_value(blended, 0.0, 255.0), tf.uint8)


def luminance(images):
    """Returns int32 [B, H, W, 1]: Pillow's conversion to mode L."""
    if images.shape[3] == 1:
        return tf.cast(images, tf.int32)
    weighted = sum(
        tf.cast(images[..., channel : channel + 1], tf.int32) * weight
        for channel, weight in enumerate((19595, 38470, 7471))
    )
    return tf.bitwise.right_shift(weighted + 32768, 16)


def mean_luminance(images):
    """Returns int32 [B, 1, 1, 1]: the rounded mean of `luminance`."""
    shape = tf.shape(images)
    pixels = shape[1] * shape[2]
    total = tf.reduce_sum(luminance(images), axis=[1, 2, 3], keepdims=True)
    return (2 * total + pixels) // (2 * pixels)


def brightness(images, factors):
    """Blends with black."""
    return blend(tf.zeros_like(images), images, factors)


def contrast(images, factors):
    """Blends with the mean of the grey image."""
    return blend(mean_luminance(images), images, factors)


def color(images, factors):
    """Blends with the grey image."""
    return blend(luminance(images), images, factors)


def sharpness(images, factors):
    """Blends with the smoothed image."""
    return blend(smooth(images), images, factors)


# Filters and the rest.


def smooth(images):
    """Averages over 3 x 3 pixels, the middle one five times; borders stay."""
    values = tf.cast(images, tf.int32)
    total = _box_sum(values, 3) + 4 * values[:, 1:-1, 1:-1]
    return _inside(images, (2 * total + 13) // 26, 1)


def blur(images):
    """Averages over the border of 5 x 5 pixels; two rows of border stay."""
    values = tf.cast(images, tf.int32)
    ring = _box_sum(values, 5) - _box_sum(values[:, 1:-1, 1:-1], 3)
    return _inside(images, (ring + 8) // 16, 2)


def _box_sum(values, side):
    height, width = tf.shape(values)[1], tf.shape(values)[2]
    rows = sum(values[:, i : height - side + 1 + i] for i in range(side))
    return sum(rows[:, :, i : width - side + 1 + i] for i in range(side))


def _inside(images, filtered, margin):
    """Puts the filtered pixels inside a margin that stays as it is."""
    shape = tf.shape(images)
    rows, columns = tf.range(shape[1])[:, None], tf.range(shape[2])
    border = (
        (rows < margin)
        | (rows >= shape[1] - margin)
        | (columns < margin)
        | (columns >= shape[2] - margin)
    )
    sides = [margin, margin]
    padded = tf.pad(tf.cast(filtered, tf.uint8), [[0, 0], sides, sides, [0, 0]])
    return tf.where(border[..., None], images, padded)


def square(images, rows, columns, sides, fill=0):
    """Fills a square of any size, to the pixel that its far corner is in.

    As Pillow draws a rectangle of numbers that are no integers: from the pixel
    of the near corner to that of the far one, both included.

    Args:
        images: [B, H, W, C] of any type.
        rows: float64 [B], the square's centre, in pixels from the top.
        columns: float64 [B], likewise, from the left.
        sides: float64 [B], in pixels; 0 fills nothing.
        fill: a value, or one per channel, [C].

    Returns:
        A tensor like `images`.
    """

    def covered(centres, length):
        # The near corner is rounded before the side is added to it.
        first = tf.floor(tf.maximum(centres - sides / 2.0, 0.0))
        last = tf.floor(first + sides)
        pixels = tf.range(length)
        return (pixels >= tf.cast(first, tf.int32)[:, None]) & (
            pixels <= tf.cast(last, tf.int32)[:, None]
        )

    shape = tf.shape(images)
    inside = (
        covered(rows, shape[1])[:, :, None]
        & covered(columns, shape[2])[:, None, :]
        & (sides > 0.0)[:, None, None]
    )
    return tf.where(inside[..., None], tf.cast(fill, images.dtype), images)


def cutout(images, rows, columns, sides, fill=0):
    """Fills a square, as far as it lies in the image.

    Args:
        images: [B, H, W, C] of any type.
        rows: int [B], the square's centre.
        columns: int [B], likewise.
        sides: int [B] or a number, in pixels: from half a side (rounded down)
            before the centre up to half a side after it, exclusive.
        fill: a value, or one per channel, [C].

    Returns:
        A tensor like `images`.
    """
    shape = tf.shape(images)
    half = tf.broadcast_to(tf.cast(sides, tf.int32) // 2, shape[:1])[:, None]

    def covered(centres, length):
        distance = tf.range(length) - tf.cast(centres, tf.int32)[:, None]
        return (distance >= -half) & (distance < half)

    square = (
        covered(rows, shape[1])[:, :, None]
        & covered(columns, shape[2])[:, None, :]
    )
    return tf.where(square[..., None], tf.cast(fill, images.dtype), images)
