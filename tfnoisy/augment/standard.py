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
from tfnoisy.augment import crops
from tfnoisy.catalogue import views

# One column of the draws for each random decision, behind those of the crop.
_BRIGHTNESS, _SATURATION, _HUE, _CONTRAST, _ORDER = range(3, 8)


# The statistics of -1..1.
_UNIT_RANGE = ((0.5,) * 3, (0.5,) * 3)
# Means and standard deviations that views normalise by.
_STATISTICS = {
    "dividemix_cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "dividemix_cifar100": ((0.507, 0.487, 0.441), (0.267, 0.256, 0.276)),
    "dividemix_clothing1m": (
        (0.6959, 0.6537, 0.6371),
        (0.3113, 0.3192, 0.3214),
    ),
    "dividemix_webvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "ieg_webvision": _UNIT_RANGE,
    "bkd_cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "airbench": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "bkd_cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}

# Views of a square that is smaller than the image: its side by the image's
# short side, and how it is found.
_CROPPED = {
    "dividemix_clothing1m": (
        224 / 256,
        crops.RANDOM_CROP_DRAWS,
        crops.random_crop,
    ),
    "dividemix_webvision": (
        299 / 320,
        crops.RANDOM_RESIZED_CROP_DRAWS,
        crops.random_resized_crop,
    ),
    "ieg_webvision": (
        224 / 256,
        crops.RANDOM_RESIZED_CROP_DRAWS,
        crops.random_resized_crop,
    ),
}


def unmoved(images, _):
    """Moves nothing: the `move` of a view that has none."""
    return images


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A training view and the evaluation view that belongs to it.

    Attributes:
        name: how a user names it.
        num_draws: how many uniform draws each image takes.
        move: (uint8 [B, H, W, C], draws float32 [B, num_draws]) -> the same
            type, of the views' shape: what moves pixels.  A strong view starts
            from it.
        finish: (moved, draws) -> float32 of that shape.
        evaluate: uint8 [B, H, W, C] -> float32 of the views' shape.
        view_shape: (H, W, C) of the views.
        statistics: (means, deviations) of red, green and blue: a view's values
            are (pixel / 255 - mean) / deviation; None where they are not.
        alternating: columns of the draws that move by one half from one visit
            of an image to the next, see `datasets.drawing.Columns`.
        comes_first: whether, as a strong view, it takes the image itself, and
            the training view then moves and finishes what `move` returns.
    """

    name: str
    num_draws: int
    move: Callable
    finish: Callable
    evaluate: Callable
    view_shape: tuple[int, int, int]
    statistics: tuple | None = None
    alternating: tuple[int, ...] = ()
    comes_first: bool = False

    def train(self, images, draws):
        """Returns the training view, float32, of the views' shape."""
        return self.finish(self.move(images, draws), draws)


def names():
    """Returns the names that `get` knows."""
    return tuple(views.WEAK_VIEWS.names())


def get(
    name: str, image_shape: tuple[int, ...], mirror: bool = True
) -> "Augmentation":
    """Returns an augmentation by name.

    Sizes are in pixels of 32 and scale with the height.

    Args:
        name: one of
            `standard`: the field's usual one: zero-pad by 4, random crop,
            horizontal flip, [-1, 1];
            `mentormix`: pad by 2, crop, flip, colour jitter, [-1, 1]
            (MentorMix, original code; a grey image's saturation and hue do
            not change);
            `mentornet`: pad by 2, crop, flip, per-image standardisation
            (google/mentornet's ResNet);
            `mentornet_inception`: the same with 8 pixels;
            `ieg`: pad by 2, crop, flip, [-1, 1] (google-research/ieg);
            `dividemix_cifar10`, `dividemix_cifar100`: pad by 4, crop, flip,
            normalise each channel (DivideMix, `dataloader_cifar.py`);
            `dividemix_clothing1m`: a random crop of 7/8 of the short side (224
            of 256 pixels), flip, normalise; its middle for evaluation;
            `dividemix_webvision`: a random part of the image, resized to 299
            of 320 pixels, flip, normalise; the middle 299 for evaluation;
            `ieg_webvision`: a random part of the image, resized to 224 of 256
            pixels, flip, [-1, 1] (google-research/ieg); the middle 224 for
            evaluation;
            `bkd_cifar10`: flip, pad by 4 by reflection, crop, normalise (Blind
            Knowledge Distillation); `bkd_cifar100`: zero-pad, crop, flip,
            normalise (there the evaluation view takes CIFAR-100's own
            statistics, the original CIFAR-10's);
            `airbench`: pad by 2 by reflection, crop, flip, normalise, where
            every other epoch shows the mirror image (Jordan, "94% on CIFAR-10
            in 3.29 Seconds", 2024: alternating flip);
            `simclr`: a random part of the image, resized, flip, colour jitter,
            some grey, [-1, 1] (see `augment.simclr`);
            `none`: [-1, 1] only; or a plugin's, see `catalogue.views`.
        image_shape: (H, W, C) of the images.
        mirror: whether a flipped image keeps its class; if not, none is
            flipped (digits).

    Returns:
        An `Augmentation`.

    Raises:
        UserError: for a name that does not exist.
    """
    view = views.WEAK_VIEWS.load(name)
    return checked(view(name, tuple(image_shape), mirror), name)


def checked(augmentation, name):
    """Returns what a view's function returned.

    Raises:
        UserError: if it is no `Augmentation`.
    """
    if not isinstance(augmentation, Augmentation):
        raise errors.UserError(
            f"the view {name!r} should be a standard.Augmentation, not "
            f"{type(augmentation).__name__}"
        )
    return augmentation


def standard(name, image_shape, mirror):
    """The field's usual view, see `get`."""
    move = _crop(image_shape, mirror, 4)
    return _in_unit_range(name, image_shape, 3, move, _to_unit_range)


def ieg(name, image_shape, mirror):
    """The view of google-research/ieg, see `get`."""
    move = _crop(image_shape, mirror, 2)
    return _in_unit_range(name, image_shape, 3, move, _to_unit_range)


def unmoved_view(name, image_shape, mirror):
    """The view `none`, see `get`."""
    del mirror
    return _in_unit_range(name, image_shape, 1, unmoved)


def mentormix(name, image_shape, mirror):
    """The view of google-research/mentormix, see `get`."""

    def jitter(images, draws):
        return 2.0 * colour_jitter(images, draws) - 1.0

    move = _crop(image_shape, mirror, 2)
    return _in_unit_range(name, image_shape, 8, move, jitter)


def mentornet(name, image_shape, mirror, pixels_of_32=2):
    """The view of google/mentornet, see `get`."""

    def standardise(images, _=None):
        return tf.image.per_image_standardization(images)

    move = _crop(image_shape, mirror, pixels_of_32)
    return Augmentation(name, 3, move, standardise, standardise, image_shape)


def normalised(
    name,
    image_shape,
    mirror,
    pixels_of_32=4,
    mode="CONSTANT",
    alternating_flip=False,
):
    """The padded views of DivideMix, BKD and airbench, see `get`."""
    finish = _normalise_as(name)
    return Augmentation(
        name,
        3,
        _crop(image_shape, mirror, pixels_of_32, mode),
        finish,
        finish,
        image_shape,
        statistics=_STATISTICS[name],
        alternating=(crops.FLIP,) if alternating_flip else (),
    )


def cropped(name, image_shape, mirror):
    """The views that are smaller than the image, see `get`."""
    share, num_draws, crop = _CROPPED[name]
    side = round(share * min(image_shape[:2]))
    finish = _normalise_as(name)
    return Augmentation(
        name,
        num_draws,
        lambda images, draws: crop(images, draws, side, mirror),
        finish,
        lambda images: finish(crops.central_crop(images, side)),
        (side, side, image_shape[2]),
        statistics=_STATISTICS[name],
    )


def _normalise_as(name):
    mean, deviation = _STATISTICS[name]

    def finish(images, _=None):
        return normalise(images, mean, deviation)

    return finish


def _crop(image_shape, mirror, pixels_of_32, mode="CONSTANT"):
    """Returns the `move` that pads by so many pixels of 32, crops and flips."""
    padding = max(1, round(pixels_of_32 * image_shape[0] / 32))

    def move(images, draws):
        return crops.crop_and_flip(images, draws, padding, mirror, mode)

    return move


def _in_unit_range(name, image_shape, num_draws, move, finish=None):
    """Returns a view in -1..1."""

    def to_range(images, _=None):
        return to_unit_range(images)

    return Augmentation(
        name,
        num_draws,
        move,
        finish or to_range,
        to_unit_range,
        image_shape,
        statistics=_UNIT_RANGE,
    )


def to_unit_range(images):
    """Maps uint8 0..255 to float32 -1..1, as (x - 127.5) / 127.5."""
    return (tf.cast(images, tf.float32) - 127.5) / _divisor(127.5)


@tf.function(jit_compile=True, autograph=False)
def _to_unit_range(images, _=None):
    """Is `to_unit_range`, bit for bit, in one go.

    XLA would divide by way of the reciprocal, which rounds otherwise; that of
    doubles gives for all 256 values what the division of floats gives.
    """
    values = (tf.cast(images, tf.float64) - 127.5) * (1.0 / 127.5)
    return tf.cast(values, tf.float32)


def normalise(images, mean, deviation):
    """Maps uint8 to (x / 255 - mean) / deviation, float32.

    Args:
        images: uint8 [B, H, W, C].
        mean: of red, green and blue, in [0, 1]; of a grey image all three
            are averaged.
        deviation: likewise.
    """
    return normalise_shares(to_shares(images), mean, deviation)


def normalise_shares(shares, mean, deviation):
    """Maps values in [0, 1] to (x - mean) / deviation, see `normalise`."""
    if shares.shape[-1] == 1:
        mean, deviation = (sum(values) / 3 for values in (mean, deviation))
    return (shares - mean) / _divisor(deviation)


def to_shares(images):
    """Maps uint8 0..255 to float32 0..1."""
    return tf.cast(images, tf.float32) / _divisor(255.0)


def _divisor(value):
    """Returns a constant as a tensor to divide by, and to round alike.

    Within a training step TensorFlow would multiply by the reciprocal of
    what it knows for a constant, but not so in the input pipeline.
    """
    value = tf.constant(value, tf.float32)
    return tf.raw_ops.PlaceholderWithDefault(input=value, shape=value.shape)


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

    x = tf.cast(images, tf.float32) / _divisor(255.0)
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
