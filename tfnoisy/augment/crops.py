"""Parts of images: which one a view shows, and its pixels.

Everything works on whole batches, each image with a window of its own.
"""

import math

import tensorflow as tf

# torchvision's `RandomResizedCrop`: shares of the area, width by height, and
# how often a window that does not fit is drawn anew.
_AREAS = (0.08, 1.0)
_ASPECTS = (3 / 4, 4 / 3)
_ATTEMPTS = 10

RANDOM_CROP_DRAWS = 3
# The column of the draws of `crop_and_flip` that flips.
FLIP = 2
RANDOM_RESIZED_CROP_DRAWS = 2 * _ATTEMPTS + 3


@tf.function(jit_compile=True, autograph=False)
def cut(images, top, left, size, flipped=None, padding=0, mode="CONSTANT"):
    """Cuts a window out of each image, padded before.

    XLA compiles it: there is no arithmetic that rounds, hence it gives the
    same pixels as without.  (Not `tf.slice`: XLA takes where it begins for a
    constant, and would compile it anew for each batch.)  One gather of pixels
    serves all images, which a GPU does at once.

    Args:
        images: [B, H, W, C] of any type.
        top: int32 [B], the first row.
        left: int32 [B], the first column.
        size: (h, w), of every window.
        flipped: bool [B], which windows to mirror; None for none.
        padding: pixels on each side.
        mode: CONSTANT (black) or REFLECT, as for `tf.pad`.

    Returns:
        [B, h, w, C] of the same type.
    """
    channels = images.shape[3]
    rows = top[:, None] + tf.range(size[0]) - padding
    columns = tf.range(size[1])[None]
    if flipped is not None:
        columns = tf.where(flipped[:, None], size[1] - 1 - columns, columns)
    columns = left[:, None] + columns - padding
    rows, rows_inside = _at(rows, images.shape[1], mode)
    columns, columns_inside = _at(columns, images.shape[2], mode)
    first = tf.range(tf.shape(images)[0])[:, None] * images.shape[1] + rows
    at = first[:, :, None] * images.shape[2] + columns[:, None]
    inside = rows_inside[:, :, None] & columns_inside[:, None]
    if images.dtype != tf.uint8 or channels != 3:
        found = tf.gather(tf.reshape(images, [-1, channels]), at)
        return tf.where(inside[..., None], found, tf.zeros([], images.dtype))
    # A pixel of three bytes and an empty one is moved in one piece.
    pixels = tf.bitcast(
        tf.pad(images, [[0, 0], [0, 0], [0, 0], [0, 1]]), tf.int32
    )
    found = tf.where(inside, tf.gather(tf.reshape(pixels, [-1]), at), 0)
    return tf.bitcast(found, tf.uint8)[..., :3]


def _at(index, length, mode):
    """Returns where the pixels of padded images are.

    Args:
        index: int32, from 0 on without the padding; negative within it.
        length: of the images, without it.
        mode: see `cut`.

    Returns:
        The places in [0, length), and which of them are in the images.
    """
    if mode == "REFLECT":
        index = length - 1 - tf.abs(length - 1 - tf.abs(index))
        return index, tf.ones_like(index, tf.bool)
    inside = (index >= 0) & (index < length)
    return tf.clip_by_value(index, 0, length - 1), inside


def crop_and_flip(images, draws, padding, mirror=True, mode="CONSTANT"):
    """Pads, crops back at a random offset, and flips half the images.

    Args:
        images: [B, H, W, C] of any type.
        draws: float [B, >= 3] in [0, 1): vertical offset, horizontal offset,
            flip.
        padding: pixels on each side; offsets are uniform in
            0..2 * padding.
        mirror: whether to flip where the third draw is below one half.
        mode: CONSTANT (black) or REFLECT, as for `tf.pad`.  Offsets being
            symmetric, it does not matter that the flip comes after the crop.

    Returns:
        A tensor like `images`.
    """
    return cut(
        images,
        _offset(draws[:, 0], 2 * padding),
        _offset(draws[:, 1], 2 * padding),
        tuple(images.shape[1:3]),
        draws[:, FLIP] < 0.5 if mirror else None,
        padding,
        mode,
    )


def central_crop(images, side):
    """Returns the middle square of that side, [B, side, side, C]."""
    top, left = (round((n - side) / 2) for n in images.shape[1:3])
    return images[:, top : top + side, left : left + side]


def random_crop(images, draws, side, mirror=True):
    """Returns a square from anywhere in each image, half of them flipped.

    Args:
        images: [B, H, W, C] of any type.
        draws: float [B, 3] in [0, 1): vertical offset, horizontal offset,
            flip.
        side: of the square, at most H and W.
        mirror: whether to flip where the last draw is below one half.

    Returns:
        [B, side, side, C] of the same type.
    """
    height, width = images.shape[1:3]
    return cut(
        images,
        _offset(draws[:, 0], height - side),
        _offset(draws[:, 1], width - side),
        (side, side),
        draws[:, 2] < 0.5 if mirror else None,
    )


def random_resized_crop(images, draws, side, mirror=True, least_area=_AREAS[0]):
    """Returns a part of each image, resized, half of them flipped.

    torchvision's `RandomResizedCrop`: the part has 8 % to 100 % of the area
    and is between 3:4 and 4:3; the first of ten that fits is taken, or else
    the largest one in the middle.  Bilinear without anti-aliasing, as no part
    is much larger than the result.

    Args:
        images: uint8 [B, H, W, C].
        draws: float [B, 23] in [0, 1): ten areas, ten aspects, vertical
            offset, horizontal offset, flip.
        side: of the result, or its (h, w).
        mirror: whether to flip where the last draw is below one half.
        least_area: the least share of the area, in (0, 1].

    Returns:
        uint8 [B, h, w, C].
    """
    rows, columns = (side, side) if isinstance(side, int) else side
    flipped = draws[:, -1] < 0.5 if mirror else None
    top, left, height, width = windows(draws, images.shape[1:3], least_area)
    resized = _resampled(images, top, height, rows, axis=1)
    resized = _resampled(resized, left, width, columns, axis=2, flipped=flipped)
    return tf.cast(tf.round(resized), tf.uint8)


def windows(draws, size, least_area=_AREAS[0]):
    """Returns the windows of `random_resized_crop`.

    Args:
        draws: float [B, 23].
        size: (H, W).
        least_area: the least share of the area, in (0, 1].

    Returns:
        (first row, first column, height, width), int32 [B] each.
    """
    height, width = size
    shares = _between(least_area, _AREAS[1], draws[:, :_ATTEMPTS])
    area = height * width * shares
    logarithms = map(math.log, _ASPECTS)
    aspect = tf.exp(_between(*logarithms, draws[:, _ATTEMPTS : 2 * _ATTEMPTS]))
    heights, widths = (
        tf.cast(tf.round(tf.sqrt(x)), tf.int32)
        for x in (area / aspect, area * aspect)
    )
    fits = (heights <= height) & (widths <= width)
    fits &= (heights > 0) & (widths > 0)
    # Behind the ten the one that always fits.
    last = (
        min(height, round(width / _ASPECTS[0])),
        min(width, round(height * _ASPECTS[1])),
    )
    first = tf.argmax(tf.pad(fits, [[0, 0], [0, 1]], constant_values=True), 1)
    heights, widths = (
        tf.gather(
            tf.pad(drawn, [[0, 0], [0, 1]], constant_values=most),
            first,
            batch_dims=1,
        )
        for drawn, most in zip((heights, widths), last)
    )
    none_fits = first == _ATTEMPTS
    top, left = (
        tf.where(none_fits, free // 2, _offset(draw, free))
        for free, draw in (
            (height - heights, draws[:, -3]),
            (width - widths, draws[:, -2]),
        )
    )
    return top, left, heights, widths


def _between(low, high, draws):
    return low + (high - low) * draws


def _offset(draw, most):
    """Maps a draw in [0, 1) to 0..most, int32."""
    return tf.cast(draw * tf.cast(most + 1, tf.float32), tf.int32)


def _resampled(images, first, length, side, axis, flipped=None):
    """Resizes a stretch of rows or columns, float32.

    Args:
        images: [B, H, W, C].
        first: int32 [B], where the stretch begins.
        length: int32 [B], how long it is.
        side: how long it becomes.
        axis: 1 for rows, 2 for columns.
        flipped: bool [B], which ones to reverse; None for none.
    """
    last = tf.cast(length - 1, tf.float32)[:, None]
    steps = (tf.range(side, dtype=tf.float32) + 0.5) / side
    position = tf.clip_by_value(steps * (last + 1) - 0.5, 0.0, last)
    if flipped is not None:
        position = tf.where(flipped[:, None], last - position, position)
    below = tf.cast(position, tf.int32)
    above = tf.minimum(below + 1, length[:, None] - 1)
    share = (position - tf.floor(position))[..., None]
    share = share[..., None] if axis == 1 else share[:, None]

    def at(index):
        index = first[:, None] + index
        pixels = tf.gather(images, index, axis=axis, batch_dims=1)
        return tf.cast(pixels, tf.float32)

    return (1.0 - share) * at(below) + share * at(above)
