"""Losses and target transformations that several methods share."""

import tensorflow as tf


def one_hot(labels, num_classes):
    """Returns one-hot rows [B, C]; those of labels out of range are NaN.

    `tf.one_hot` would give zeros for them, with which the loss is zero.

    Args:
        labels: [B], integers in [0, C).
        num_classes: C.
    """
    labels = tf.cast(labels, tf.int32)
    rows = tf.one_hot(labels, num_classes)
    known = (labels >= 0) & (labels < num_classes)
    return tf.where(known[:, None], rows, float("nan"))


def cross_entropy(labels, logits):
    """Returns the cross-entropy [B] of (soft) labels [B, C] with logits."""
    return tf.nn.softmax_cross_entropy_with_logits(labels, logits)


def consistency(logits, strong_logits):
    """Returns the mean of KL(stop(softmax(z)) || softmax(a)), a scalar.

    Args:
        logits: z, of the standard view, [B, C]; a constant.
        strong_logits: a, of the strong view, [B, C].
    """
    target = tf.stop_gradient(tf.nn.log_softmax(logits))
    ratio = target - tf.nn.log_softmax(strong_logits)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(target) * ratio, -1))


def accuracy(labels, logits):
    """Returns the share of rows where both have their maximum together."""
    return tf.reduce_mean(hits(labels, logits))


def hits(labels, logits):
    """Returns 1.0 where both have their maximum together, else 0.0, [B]."""
    same = tf.equal(tf.argmax(labels, -1), tf.argmax(logits, -1))
    return tf.cast(same, tf.float32)
