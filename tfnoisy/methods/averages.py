"""The moving average of a student's weights that a method is judged by."""

import tensorflow as tf


def average_decay(ema_decay, n):
    """Returns min(ema_decay, (1 + n) / (10 + n)), TF1's warm-up of an EMA.

    Args:
        ema_decay: the largest decay.
        n: a float scalar, the number of updates: those made before, or the
            one just made too; see `base.Method`.
    """
    return tf.minimum(ema_decay, (1.0 + n) / (10.0 + n))
