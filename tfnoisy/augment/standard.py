"""The weak ("standard") views of each original code, vectorised.

An augmentation is a pure function of a batch of uint8 images and of uniform
draws, one row per image; where the draws come from is the pipeline's business
(`tfnoisy.datasets.pipeline`).  Everything works on whole batches, in
TensorFlow operations only.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfnoisy import errors

# One column of the draws for each random decision.
_OFFSET_Y, _OFFSET_X, _FLIP = range(3)
_BRIGHTNESS, _SATURATION, _HUE, _CONTRAST, _ORDER = range(3, 8)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A training view and the evaluation view that belongs to it.

    Attributes:
        name: how a user names it.
        num_draws: how many uniform draws each image takes.
        train: (uint8 [B, H, W, C], draws float32 [B, num_draws]) ->
            float32 [B, H, W, C].
        evaluate: uint8 [B, H, W, C] -> float32 [B, H, W, C].
    """

    name: str
    num_draws: int
    train: Callable
    evaluate: Callable


def get(name, image_shape, mirror=True):
    """Returns an augmentation by name.

    Args:
        name: one of
            `standard`: the field's usual one: zero-pad by an eighth of the
            height (4 pixels at 32), random crop, horizontal flip, [-1, 1];
            `mentormix`: pad 2 of 32, crop, flip, colour jitter, [-1, 1]
            (MentorMix, original code; a grey image's saturation and hue do
            not change);
            `mentornet`: pad 2 of 32, crop, flip, per-image standardisation
            (google/mentornet's ResNet);
            `mentornet_inception`: the same with 8 pixels of 32;
            `none`: [-1, 1] only.
        image_shape: (H, W, C) of the images.
        mirror: whether a flipped image keeps its class; if not, none is
            flipped (digits).

    Returns:
        An `Augmentation`.

    Raises:
        UserError: for a name that does not exist.
    """
    height = image_shape[0]

    def scaled(pixels_of_32):
        return max(1, round(pixels_of_32 * height / 32))

    def crop_then(finish, padding):
        def train(images, draws):
            return finish(crop_and_flip(images, draws, padding, mirror), draws)

        return train

    def to_range(images, _=None):
        return to_unit_range(images)

    def standardise(images, _=None):
        return tf.image.per_image_standardization(images)

    def jitter(images, draws):
        return 2.0 * colour_jitter(images, draws) - 1.0

    views = {
        "standard": (3, crop_then(to_range, scaled(4)), to_unit_range),
        "mentormix": (8, crop_then(jitter, scaled(2)), to_unit_range),
        "mentornet": (3, crop_then(standardise, scaled(2)), standardise),
        "mentornet_inception": (
            3,
            crop_then(standardise, scaled(8)),
            standardise,
        ),
        "none": (1, to_range, to_unit_range),
    }
    if name not in views:
        raise errors.UserError(
            f"no augmentation {name!r}; there are {', '.join(views)}"
        )
    return Augmentation(name, *views[name])


def to_unit_range(images):
    """Maps uint8 0..255 to float32 -1..1, as (x - 127.5) / 127.5."""
    return (tf.cast(images, tf.float32) - 127.5) / 127.5


def crop_and_flip(images, draws, padding, mirror=True):
    """Zero-pads, crops back at a random offset, and flips half the images.

    Args:
        images: [B, H, W, C] of any type.
        draws: float [B, >= 3] in [0, 1): vertical offset, horizontal offset,
            flip.
        padding: pixels of black on each side; offsets are uniform in
            0..2 * padding.
        mirror: whether to flip where the third draw is below one half.

    Returns:
        A tensor like `images`.
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    padded = tf.pad(
        images, [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    )
    offsets = tf.cast(draws[:, : _OFFSET_X + 1] * (2 * padding + 1), tf.int32)
    rows = offsets[:, _OFFSET_Y, None] + tf.range(height)
    columns = tf.range(width)[None]
    if mirror:
        columns = tf.where(
            draws[:, _FLIP, None] < 0.5, width - 1 - columns, columns
        )
    columns = offsets[:, _OFFSET_X, None] + columns
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    cropped = tf.gather(cropped, columns, axis=2, batch_dims=1)
    return tf.ensure_shape(cropped, images.shape)


def colour_jitter(images, draws):
    """Jitters brightness, saturation, hue and contrast (MentorMix).

    Each image takes one of two orders with probability one half: brightness,
    saturation, hue, contrast; or brightness, contrast, saturation, hue.  The
    ranges are +-32/255, 0.5..1.5, +-0.2 of the colour circle, and 0.5..1.5.
    Saturation and hue are neighbours in both orders, so that one trip to HSV
    and back serves them.

    Args:
        images: uint8 [B, H, W, C], C 1 or 3.
        draws: float [B, 8] in [0, 1); columns 3 to 7 are used.

    Returns:
        float32 [B, H, W, C], clipped to [0, 1].
    """

    def column(index, low, high):
        return (low + (high - low) * draws[:, index])[:, None, None, None]

    x = tf.cast(images, tf.float32) / 255.0
    x += column(_BRIGHTNESS, -32.0 / 255.0, 32.0 / 255.0)
    contrast = column(_CONTRAST, 0.5, 1.5)
    contrast_last = draws[:, _ORDER, None, None, None] < 0.5
    if images.shape[-1] == 3:
        x = _adjust_contrast(x, tf.where(contrast_last, 1.0, contrast))
        hsv = tf.image.rgb_to_hsv(x)
        hue = hsv[..., 0] + column(_HUE, -0.2, 0.2)[..., 0]
        saturation = hsv[..., 1] * column(_SATURATION, 0.5, 1.5)[..., 0]
        x = tf.image.hsv_to_rgb(
            tf.stack(
                [
                    hue - tf.floor(hue),
                    tf.clip_by_value(saturation, 0.0, 1.0),
                    hsv[..., 2],
                ],
                axis=-1,
            )
        )
        contrast = tf.where(contrast_last, contrast, 1.0)
    return tf.clip_by_value(_adjust_contrast(x, contrast), 0.0, 1.0)


def _adjust_contrast(x, factor):
    mean = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    return (x - mean) * factor + mean
