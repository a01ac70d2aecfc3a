"""What a method's weight decay is taken of, and its size."""

import tensorflow as tf


def kernels(model):
    """Returns the kernels of the convolutions and of the dense layers.

    MentorMix, MentorNet and IEG's `resnet29` decay these; biases and
    normalisation are left out.
    """
    return [v for v in model.trainable_variables if len(v.shape) > 1]


def all_trainable(model):
    """Returns all trainable variables (IEG's other networks, DivideMix)."""
    return list(model.trainable_variables)


def l2(variables):
    """Returns half the sum of squares, a scalar of at least float32.

    Args:
        variables: variables or tensors of any shape; none at all give 0.
    """
    halves = []
    for variable in variables:
        value = tf.convert_to_tensor(variable)
        if value.dtype != tf.float64:
            value = tf.cast(value, tf.float32)
        halves.append(tf.nn.l2_loss(value))
    return tf.add_n(halves) if halves else tf.constant(0.0)
