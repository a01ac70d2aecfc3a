"""Randomness as a function of (seed, epoch or step, example id, replica).

Every draw in tfnoisy comes from here and thus from TensorFlow's stateless
generators: a killed and resumed run sees the numbers that an uninterrupted
one sees, and the number of parallel calls changes nothing.

Each purpose has a stream of its own (`STREAMS`), so that a new draw added to
one place never moves the numbers of another.
"""

import tensorflow as tf

STREAMS = {
    name: index
    for index, name in enumerate(
        [
            "noise",
            "shuffle",
            "augment",
            "augment_strong",
            "mix",
            "partner",
            "dropout",
            "holdout",
            "probe",
            "mentornet",
            "evaluation",
            "dropout_mixed",
            "augment_probe",
        ]
    )
}


def stream_seed(seed, stream, *counters):
    """Returns an int32 seed [2] for TensorFlow's stateless generators.

    Args:
        seed: the run's seed, a Python int or an integer tensor.
        stream: a name in `STREAMS`, the purpose of the draw.
        *counters: integers (Python or tensors) such as the epoch, the step or
            the replica, folded in one after the other.

    Returns:
        An int32 tensor of shape [2].
    """
    key = tf.stack([tf.cast(seed, tf.int32), STREAMS[stream]])
    for counter in counters:
        key = tf.random.experimental.stateless_fold_in(
            key, tf.cast(counter, tf.int32)
        )
    return key


def uniform_by_id(seed, stream, num_ids, num_draws, *counters):
    """Returns uniform draws of which row i belongs to example id i.

    The row of an id does not depend on `num_ids`: a slice of a data set sees
    the numbers that the whole of it sees.

    Args:
        seed: the run's seed.
        stream: a name in `STREAMS`.
        num_ids: the largest id plus one.
        num_draws: how many numbers each example gets.
        *counters: as in `stream_seed`, usually the epoch.

    Returns:
        A float32 tensor [num_ids, num_draws] of values in [0, 1).
    """
    return tf.random.stateless_uniform(
        [num_ids, num_draws], stream_seed(seed, stream, *counters)
    )
