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


def accuracy(labels, logits):
    """Returns the share of rows where both have their maximum together."""
    return tf.reduce_mean(hits(labels, logits))


def hits(labels, logits):
    """Returns 1.0 where both have their maximum together, else 0.0, [B]."""
    same = tf.equal(tf.argmax(labels, -1), tf.argmax(logits, -1))
    return tf.cast(same, tf.float32)
