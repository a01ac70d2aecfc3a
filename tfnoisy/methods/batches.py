"""The parts of a training batch, whichever form it has."""

import tensorflow as tf

from tfnoisy import errors

_PLACES = {"images": 0, "labels": 1, "sample_weight": 2}


def sample_weights(batch, dtype):
    """Returns the weights of a batch's examples, [B], None if it has none.

    Args:
        batch: as for `part`.
        dtype: of the result.
    """
    weights = part(batch, "sample_weight")
    return (
        None if weights is None else tf.reshape(tf.cast(weights, dtype), [-1])
    )


def needed_ids(batch, method):
    """Returns the ids of a batch's examples, int64 [B].

    Args:
        batch: as for `part`.
        method: the name of the method that cannot do without.

    Raises:
        UserError: if the batch has no ids.
    """
    ids = part(batch, "ids")
    if ids is None:
        raise errors.UserError(
            f"{method} trains on batches with ids beside images and labels"
        )
    return ids


def part(batch, name):
    """Returns a part of a batch, None if it has none.

    Args:
        batch: {images, labels, ...}; (images, labels) or (images, labels,
            sample_weight); or images alone.
        name: `images`, `labels`, `sample_weight`, or another name of a
            dictionary.
    """
    if isinstance(batch, dict):
        return batch.get(name)
    if not isinstance(batch, (tuple, list)):
        batch = (batch,)
    place = _PLACES.get(name, len(batch))
    return batch[place] if place < len(batch) else None
