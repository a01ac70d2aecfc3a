"""Training views of images that come as arrays, in the range that they have."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.augment import crops, keras_view, standard
from tfnoisy.augment import strong as strong_lib

# IEG's own strong views, by the names of its flag.
_IEG = {"autoaug": "autoaugment_ieg", "randaug": "randaugment_ieg"}
_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


def crop_and_flip(padding=4, flip=True):
    """Returns the usual view, for the argument `augment` of `fit`.

    Args:
        padding: pixels of zeros on each side, before a window of the image's
            size is cut out at random.
        flip: whether half the images are flipped from left to right.

    Returns:
        A function of images [B, H, W, C] and a seed [2].
    """

    def view(images, seed):
        draws = randomness.uniform(seed, [tf.shape(images)[0], 3])
        return crops.crop_and_flip(images, draws, padding, flip)

    return view


def unchanged(image_shape):
    """Returns the view that leaves images as they are.

    Args:
        image_shape: of one image, with channels last.
    """
    return _view("unchanged", standard.unmoved, image_shape)


def training_view(augment, image_shape):
    """Returns a training view of arrays.

    Args:
        augment: None; a `standard.Augmentation`; a function of (images, seed
            int32 [2]) to images, such as `crop_and_flip()`, of which all
            random draws depend on the seed; or a Keras layer, whose draws are
            its own and do not resume.
        image_shape: of one image.

    Raises:
        ArgumentError: for anything else.
    """
    if augment is None:
        return unchanged(image_shape)
    if isinstance(augment, standard.Augmentation):
        return augment
    if isinstance(augment, keras.Layer):

        def layer(images, _):
            return augment(tf.cast(images, tf.float32), training=True)

        return _view("layer", layer, image_shape)
    if callable(augment):
        return _view("function", seeded(augment), image_shape)
    raise errors.ArgumentError(
        f"augment={augment!r}: a function of (images, seed), a Keras layer or "
        "a tfnoisy.augment.standard.Augmentation is wanted"
    )


def dataset_view(augment, dataset):
    """Returns the training view of one of our own data sets.

    Args:
        augment: a name of `standard.get`, or as for `training_view`; None
            for `standard`.
        dataset: an `ImageDataset`.
    """
    shape = dataset.images.shape[1:]
    if augment is None or isinstance(augment, str):
        return standard.get(augment or "standard", shape, dataset.mirror)
    return training_view(augment, shape)


def strong_view(strong, image_shape, flip=True, value_range=None):
    """Returns the strong view of images in some range, in the same range.

    If it comes first, see `standard.Augmentation`, it is of the images' type.

    Args:
        strong: a name, `autoaug` or `randaug` (IEG's), `keras_randaugment`
            or one of `augment.policies`; or a function of (images, seed).
        image_shape: (H, W, C), C 1 or 3.
        flip: whether a flipped image keeps its class.
        value_range: (low, high) of the images' values, 0..255 if None.

    Raises:
        ArgumentError: for images or names that there is no such view of.
    """
    if callable(strong):
        return _view("function", seeded(strong), image_shape)
    if len(image_shape) != 3 or image_shape[-1] not in (1, 3):
        raise errors.ArgumentError(
            f"strong={strong!r} is for images [H, W, C] of one or three "
            f"channels, not {tuple(image_shape)}; give a function of (images, "
            "seed)"
        )
    view = named_strong_view(strong, image_shape, flip)
    low, high = (0.0, 255.0) if value_range is None else value_range

    def finish(images, draws):
        share = (tf.cast(images, tf.float32) - low) / (high - low)
        pixels = tf.clip_by_value(tf.round(share * 255.0), 0.0, 255.0)
        seen = view.train(tf.cast(pixels, tf.uint8), draws)
        return (seen + 1.0) / 2.0 * (high - low) + low

    if not view.comes_first:
        return _view(view.name, finish, image_shape, view.num_draws)

    def move(images, draws):
        seen = finish(images, draws)
        if tf.as_dtype(images.dtype).is_integer:
            seen = tf.round(seen)
        return tf.cast(seen, images.dtype)

    return dataclasses.replace(
        _view(view.name, lambda x, _: x, image_shape, view.num_draws),
        move=move,
        comes_first=True,
    )


def named_strong_view(name, image_shape, flip):
    """Returns a strong view of uint8 images to -1..1, see `strong_view`."""
    if name.startswith("keras_"):
        return keras_view.get(name, image_shape)
    return strong_lib.get(_IEG.get(name, name), image_shape, flip)


def value_range(images):
    """Returns the range that images have by the look of their values.

    Args:
        images: an array.

    Raises:
        ArgumentError: if it cannot be told.
    """
    if images.dtype == np.uint8:
        return _RANGES[2]
    low, high = float(images.min()), float(images.max())
    if low >= 0 and 0.5 < high <= 1:
        return _RANGES[0]
    if -1 <= low < 0 and high <= 1:
        return _RANGES[1]
    if low >= 0 and 127 < high <= 255:
        return _RANGES[2]
    raise errors.ArgumentError(
        f"images have values from {low:.4g} to {high:.4g}: say with "
        "value_range=(low, high) which of them are black and white"
    )


def seeded(function):
    """Returns a function of (images, draws [B, 2]) of one of (images, seed)."""

    def finish(images, draws):
        # One seed for the batch, from its first example's draws.
        seed = tf.cast(draws[0, :2] * 2.0**24, tf.int32)
        return function(tf.cast(images, tf.float32), seed)

    return finish


def _view(name, finish, image_shape, num_draws=2):
    return standard.Augmentation(
        name,
        num_draws,
        standard.unmoved,
        finish,
        tf.identity,
        tuple(image_shape),
    )
