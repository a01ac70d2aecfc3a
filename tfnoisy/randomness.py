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
            "buffer",
            "per_example",
            "new_layer",
        ]
    )
}

# The default of CPUs and GPUs, which XLA's own default agrees with for
# seeds below 2^32 alone.
_GENERATOR = "philox"


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
        key = _folded(key, tf.cast(counter, tf.int32))
    return key


# Some 30 operations, for every draw of every graph: traced once and called.
@tf.function(
    input_signature=[
        tf.TensorSpec([2], tf.int32),
        tf.TensorSpec([], tf.int32),
    ],
    autograph=False,
)
def _folded(key, counter):
    return tf.random.experimental.stateless_fold_in(
        _wide(key), counter, alg=_GENERATOR
    )


def _wide(seed):
    """Returns the seed in 64 bits; XLA would not extend its sign."""
    return tf.cast(seed, tf.int64)


def uniform(seed, shape, dtype=tf.float32):
    """Returns the numbers of `tf.random.stateless_uniform` in [0, 1).

    Made of the generator's bits, since XLA makes other numbers of the same
    bits than TensorFlow: a compiled step draws what any other draws.

    Args:
        seed: [2], an integer tensor.
        shape: of the result, a list or an integer tensor.
        dtype: tf.float32 or tf.float64.
    """
    if dtype == tf.float32:
        # The fraction of a number in [1, 2).
        bits = _bits(seed, shape) & tf.constant(0x7FFFFF, tf.uint32)
        one = tf.constant(0x3F800000, tf.uint32)
        return tf.bitcast(bits | one, tf.float32) - 1.0
    # Two words a number, the high one first; by its 20 + 32 bits.
    words = _bits(seed, tf.concat([tf.cast(shape, tf.int32), [2]], 0))
    high = tf.cast(words[..., 0] & tf.constant(0xFFFFF, tf.uint32), dtype)
    low = tf.cast(words[..., 1], dtype)
    return (high + low * 2.0**-32) * 2.0**-20


def integers(seed, shape, maxval):
    """Returns int32 in [0, maxval), those of `tf.random.stateless_uniform`.

    Args:
        seed: [2], an integer tensor.
        shape: of the result.
        maxval: an integer.
    """
    return tf.random.stateless_uniform(
        shape, _wide(seed), maxval=maxval, dtype=tf.int32, alg=_GENERATOR
    )


def _bits(seed, shape):
    return tf.random.stateless_uniform(
        shape, _wide(seed), None, None, tf.uint32, alg=_GENERATOR
    )


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


def permutation(seed, size):
    """Returns a random permutation, int32 [size], by the seed alone."""
    return tf.argsort(uniform(seed, [size]))
