"""The view of SimCLR: a part of the image, other colours, sometimes grey.

Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning
of Visual Representations", ICML 2020 (arXiv 2002.05709), appendix A.  In this
order:

    a part of the image, resized to the view; a flip
    with probability 0.8 colour jitter: brightness, contrast and saturation by
    factors of 1 +- 0.8 s, the hue by +- 0.2 s of the circle, in a random order
    with probability 0.2 grey

s = 1/2, the paper's for CIFAR-10 (appendix B.9), which blurs nothing there.
The least part is 0.2 of the area, that of HobbitLong/SupContrast; the paper's
is 0.08.

Deviation: numbers are not rounded to grey levels between two changes, as those
of PyTorch's images of bytes are.
"""

import dataclasses

import tensorflow as tf

from tfnoisy.augment import crops, standard

LEAST_AREA = 0.2
STRENGTH = 0.5
_JITTERED, _GREY = 0.8, 0.2
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)
# Behind those of the crop: whether to jitter, four amounts, four that are
# sorted for the order, whether to be grey.
_JITTER_DRAWS = 10
# ITU-R 601-2, as Pillow has it.
_LUMA = (0.299, 0.587, 0.114)


def view(name, image_shape, mirror):
    """Returns the view with values in -1..1, see `standard.get`."""
    base = standard.get("none", image_shape, mirror)
    return dataclasses.replace(over(base, mirror), name=name)


def over(base, mirror, least_area=LEAST_AREA):
    """Returns SimCLR's training view in the place of another.

    Args:
        base: an `Augmentation` with statistics; its evaluation view, its shape
            and what its values mean stay.
        mirror: whether a flipped image keeps its class.
        least_area: the least share of the image's area that a view shows.
    """
    crop_draws = crops.RANDOM_RESIZED_CROP_DRAWS

    def move(images, draws):
        return crops.random_resized_crop(
            images,
            draws[:, :crop_draws],
            base.view_shape[:2],
            mirror,
            least_area,
        )

    def finish(moved, draws):
        shares = recoloured(standard.to_shares(moved), draws[:, crop_draws:])
        return standard.normalise_shares(shares, *base.statistics)

    return dataclasses.replace(
        base, num_draws=crop_draws + _JITTER_DRAWS, move=move, finish=finish
    )


def recoloured(images, draws):
    """Jitters the colours of some images, and makes some grey.

    Args:
        images: float32 [B, H, W, C] in [0, 1], C 1 or 3.
        draws: float32 [B, 10] in [0, 1).

    Returns:
        float32 [B, H, W, C] in [0, 1].
    """
    jittered = colour_jitter(images, draws[:, 1:5], tf.argsort(draws[:, 5:9]))
    images = tf.where(_of_each(draws[:, 0]) < _JITTERED, jittered, images)
    return tf.where(_of_each(draws[:, 9]) < _GREY, _grey(images), images)


def colour_jitter(images, draws, order, strength=STRENGTH):
    """Is torchvision's `ColorJitter`, each image in an order of its own.

    Args:
        images: float32 [B, H, W, C] in [0, 1], C 1 or 3.
        draws: float32 [B, 4] in [0, 1): how much brightness, contrast,
            saturation and hue change.
        order: int32 [B, 4], permutations of 0 to 3: the four by their places
            above, the first one first.
        strength: s.

    Returns:
        float32 [B, H, W, C], clipped to [0, 1] after each change.
    """
    span = 0.8 * strength
    factors = 1 - span + 2 * span * draws[:, :_HUE]
    # The hue is no mixture: there, nothing is mixed.
    factors = tf.concat([factors, tf.ones_like(factors[:, :1])], 1)
    turns = 0.2 * strength * (2 * draws[:, _HUE] - 1)
    for place in range(4):
        change = order[:, place]
        images = _mixed(
            images, change, tf.gather(factors, change, axis=1, batch_dims=1)
        )
        if images.shape[-1] == 3:
            rows = tf.where(change == _HUE)
            turned = _turned(
                tf.gather_nd(images, rows), tf.gather_nd(turns, rows)
            )
            images = tf.tensor_scatter_nd_update(images, rows, turned)
    return images


def _mixed(images, change, factor):
    """Returns f x + (1 - f) m, m black, the mean grey or the grey image."""
    grey = _grey(images)
    mean = tf.reduce_mean(grey, [1, 2, 3], keepdims=True)
    other = tf.where(_of_each(change) == _CONTRAST, mean, grey)
    other = tf.where(_of_each(change) == _BRIGHTNESS, 0.0, other)
    factor = _of_each(factor)
    return tf.clip_by_value(factor * images + (1 - factor) * other, 0.0, 1.0)


def _turned(images, turns):
    """Turns the hue by shares of the circle."""
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(images), axis=-1)
    hue += turns[:, None, None]
    hsv = tf.stack([hue - tf.floor(hue), saturation, value], -1)
    return tf.image.hsv_to_rgb(hsv)


def _grey(images):
    """Returns the images without colour, in as many channels."""
    if images.shape[-1] == 1:
        return images
    grey = tf.reduce_sum(images * tf.constant(_LUMA), -1, keepdims=True)
    return tf.repeat(grey, 3, -1)


def _of_each(values):
    return values[:, None, None, None]
