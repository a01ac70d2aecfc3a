"""Open-set noise: the image is replaced, the label stays.

Wang et al. 2018, "Iterative Learning with Open-set Noisy Labels": an example
chosen with probability R shows an image of another data set, none of whose
classes is right; its clean label is -1.
"""

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets.images import streamed

DEFAULT_SOURCES = {"cifar10": "cifar100"}
_IMAGES_AT_ONCE = 1024


def source_name(dataset_name, spec):
    """Returns the name of the data set that the images come from.

    Raises:
        UserError: if it is not named and has no default, or is the data set
            itself.
    """
    name = spec.source or DEFAULT_SOURCES.get(dataset_name)
    if name is None:
        raise errors.UserError(
            f"noise '{spec}': {dataset_name} has no default source of open-set "
            f"images; name one, e.g. openset:{spec.rate}:cifar100"
        )
    if name == dataset_name:
        raise errors.UserError(
            f"noise '{spec}': open-set images must come from another data set "
            f"than {dataset_name}"
        )
    return name


def choose(source, rate, uniforms):
    """Returns int64 [N], the source's example id, -1 where none is taken.

    Args:
        source: the ImageDataset that the images come from.
        rate: R in [0, 1].
        uniforms: [N, 2] in [0, 1): whether, and which image.
    """
    rows = np.floor(uniforms[:, 1] * len(source)).astype(np.int64)
    return np.where(uniforms[:, 0] < rate, np.sort(source.ids)[rows], -1)


def replace(images, source, source_ids):
    """Returns uint8 images [N, H, W, C], a copy with the chosen replaced.

    Args:
        images: uint8 [N, H, W, C].
        source: the ImageDataset that the images come from; of another size or
            number of channels (1 or 3) it is made to fit.
        source_ids: int64 [N], what `choose` returned.

    Raises:
        UserError: for numbers of channels that do not fit, or for images
            that are not in memory.
    """
    if isinstance(images, streamed.StreamedImages):
        raise errors.UserError(
            "open-set noise puts images in the place of others, and these are "
            "streamed: raise --cache_mib, or take smaller ones (--image_size)"
        )
    channels = (source.images.shape[-1], images.shape[-1])
    if channels[0] != channels[1] and set(channels) != {1, 3}:
        raise errors.UserError(
            f"open-set images of {source.name} have {channels[0]} channels "
            f"and cannot stand in for images of {channels[1]}"
        )
    order = np.argsort(source.ids)
    images = images.copy()
    targets = np.flatnonzero(source_ids >= 0)
    for start in range(0, len(targets), _IMAGES_AT_ONCE):
        part = targets[start : start + _IMAGES_AT_ONCE]
        rows = order[
            np.searchsorted(source.ids, source_ids[part], sorter=order)
        ]
        images[part] = _fitted(source.images[rows], *images.shape[1:])
    return images


def _fitted(images, height, width, channels):
    """Returns uint8 [N, height, width, channels]."""
    if images.shape[1:] == (height, width, channels):
        return images
    # Area averages do not alias where the picture shrinks.
    shrinks = images.shape[1] > height or images.shape[2] > width
    with tf.device("CPU:0"):
        resized = tf.image.resize(
            tf.cast(images, tf.float32),
            [height, width],
            method="area" if shrinks else "bilinear",
        )
        if images.shape[-1] < channels:
            resized = tf.image.grayscale_to_rgb(resized)
        elif images.shape[-1] > channels:
            resized = tf.image.rgb_to_grayscale(resized)
        rounded = tf.clip_by_value(tf.round(resized), 0, 255)
        return tf.cast(rounded, tf.uint8).numpy()
