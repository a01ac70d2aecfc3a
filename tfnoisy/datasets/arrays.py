"""From single images and tf.data batches to arrays in memory."""

import numpy as np
import tensorflow as tf

# Rows per batch on the way into memory: large enough that Python costs
# nothing, small enough that batches of 224 x 224 photographs fit.
BATCH = 256


def resize(images, size):
    """Resizes to `size` x `size`, bilinear with anti-aliasing.

    Args:
        images: uint8 [H, W, C] or [N, H, W, C].
        size: the new height and width in pixels; None keeps the images.

    Returns:
        A uint8 tensor [size, size, C] or [N, size, size, C], or `images`
        itself where there is nothing to do.
    """
    if size is None or tuple(images.shape[-3:-1]) == (size, size):
        return images
    resized = tf.image.resize(images, [size, size], antialias=True)
    # Rounding does not leave [0, 255]: bilinear weights are never negative.
    return tf.cast(tf.round(resized), tf.uint8)


def collect(examples, count):
    """Reads a data set of dicts into arrays, holding the data only once.

    Args:
        examples: a `tf.data.Dataset` of {name: tensor}, all of one shape.
        count: how many examples it has.

    Returns:
        {name: array [count, ...]}.

    Raises:
        ValueError: if there are fewer or more examples than `count`.
    """
    arrays, filled = {}, 0
    for batch in examples.batch(BATCH).prefetch(2).as_numpy_iterator():
        rows = len(next(iter(batch.values())))
        if filled + rows > count:
            raise ValueError(f"more than the {count} examples expected")
        for name, values in batch.items():
            if name not in arrays:
                shape = (count, *values.shape[1:])
                arrays[name] = np.empty(shape, values.dtype)
            arrays[name][filled : filled + rows] = values
        filled += rows
    if filled < count:
        raise ValueError(f"{filled} examples where {count} were expected")
    return arrays
