"""Which classes a choice of examples prefers, and how that is taken out again.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, IJCAI 2023 (arXiv 2207.10276); the code
followed is Justherozen/ProMix at 40d8378.  pi is the moving mean of the
probabilities of the chosen examples.
"""

import tensorflow as tf


def debiased(logits, prior, strength):
    """Returns z + a ln pi, [B, C], what the losses are of.

    Args:
        logits: z, [B, C].
        prior: pi, [C], positive.
        strength: a.
    """
    return logits + strength * tf.math.log(prior)


def guess(logits, prior, strength):
    """Returns softmax(z - b ln pi), [B, C]; arguments as of `debiased`."""
    return tf.nn.softmax(logits - strength * tf.math.log(prior))


def moved_prior(prior, probabilities, chosen, keep):
    """Returns keep pi + (1 - keep) mean p over some rows; pi if of none.

    Args:
        prior: pi, [C].
        probabilities: p, [B, C].
        chosen: bool [B].
        keep: in [0, 1].
    """
    mean = mean_over(chosen, probabilities)
    moved = keep * prior + (1.0 - keep) * mean
    return tf.where(tf.reduce_any(chosen), moved, prior)


def mean_over(chosen, values):
    """Returns the mean over some rows, 0 of none.

    Args:
        chosen: bool [B].
        values: [B, ...].
    """
    share = tf.cast(chosen, values.dtype)
    total = tf.tensordot(share, values, 1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(share))
