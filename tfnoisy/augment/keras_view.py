"""Keras's own RandAugment layer as a strong view.

Its draws come from the pipeline as every other's, so that a run resumes with
the same views.  What differs from `augment.strong`: the operations are chosen
for a whole batch, only their magnitudes for each image, and there is no crop,
flip or cutout afterwards.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import standard

_NUM_DRAWS = 2


class DrawnSeeds(keras.random.SeedGenerator):
    """Seeds of one batch, counted up from its first image's draws."""

    def __init__(self, draws):
        # Not the parent's: it would make a variable in every graph.
        self._key = tf.cast(draws * 2.0**24, tf.uint32)
        self._count = 0

    def next(self, ordered=True):
        """Returns the next seed, uint32 [2]."""
        self._count += 1
        return self._key + tf.constant([0, self._count], tf.uint32)


def get(name, image_shape, mirror=True):
    """Returns `keras.layers.RandAugment` as an `Augmentation`.

    Args:
        name: `keras_randaugment[:N[:FACTOR]]`: N operations (2) of a strength
            in [0, 1] (0.5).
        image_shape: (H, W, C), C 1 or 3.
        mirror: without effect: the layer flips nothing.

    Returns:
        A `standard.Augmentation` to float32 in -1..1.

    Raises:
        UserError: for a malformed name.
    """
    del mirror
    word, *numbers = name.split(":")
    try:
        if word != "keras_randaugment" or len(numbers) > 2:
            raise ValueError
        num_ops = int(numbers[0]) if numbers else 2
        factor = float(numbers[1]) if len(numbers) > 1 else 0.5
        if num_ops < 1 or not 0.0 <= factor <= 1.0:
            raise ValueError
    except ValueError:
        raise errors.UserError(
            f"no augmentation {name!r}; write keras_randaugment[:N[:FACTOR]] "
            "with N from 1 on and FACTOR in [0, 1], such as "
            "keras_randaugment:2:0.5"
        ) from None
    layer = keras.layers.RandAugment(
        value_range=(0, 255), num_ops=num_ops, factor=factor
    )
    layer.build((None, *image_shape[:2], 3))

    def finish(images, draws):
        colours = tf.repeat(images, 3 // images.shape[-1], axis=-1)
        generator = DrawnSeeds(draws[0])
        # The layer asks itself, not its caller, for seeds.
        layer._get_seed_generator = lambda backend=None: generator
        transformation = layer.get_random_transformation(colours, training=True)
        moved = layer.transform_images(colours, transformation, training=True)
        moved = tf.clip_by_value(moved[..., : images.shape[-1]], 0.0, 255.0)
        view = standard.to_unit_range(moved)
        return tf.ensure_shape(view, images.shape)

    return standard.Augmentation(
        name,
        _NUM_DRAWS,
        standard.unmoved,
        finish,
        standard.to_unit_range,
        tuple(image_shape),
    )
