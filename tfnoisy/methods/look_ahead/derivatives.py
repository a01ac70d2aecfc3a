"""Derivatives that a look-ahead takes of passes which a tape has recorded."""

import tensorflow as tf


def gradients(tape, outputs, weights, cotangents=None):
    """Returns `tape.gradient`, with zeros where a weight plays no part.

    Args:
        tape: a `tf.GradientTape`.
        outputs: a tensor, or a list of tensors.
        weights: the variables to differentiate for, a list.
        cotangents: tensors of the outputs' shapes; ones if None.
    """
    found = tape.gradient(outputs, weights, output_gradients=cotangents)
    return [
        tf.zeros_like(w) if g is None else g for w, g in zip(weights, found)
    ]


def vjp_and_jvp(tape, outputs, cotangents, weights):
    """Returns a gradient, and the JVP that is the transpose of it.

    u -> J^T u, the backward pass, is linear in u; the derivative of
    <J^T u, v> with respect to u is J v.

    Args:
        tape: the persistent `tf.GradientTape` that recorded the outputs.
        outputs: a list of tensors.
        cotangents: u, a list of tensors of their shapes.
        weights: the variables to differentiate for.

    Returns:
        (J^T u, function): the gradients, one for each variable, and a
        function from a direction v (tensors of the variables' shapes) to J v
        (tensors of the outputs' shapes).
    """
    cotangents = [tf.identity(u) for u in cotangents]
    with tf.GradientTape(watch_accessed_variables=False) as transpose:
        transpose.watch(cotangents)
        vjp = gradients(tape, outputs, weights, cotangents)

    def jvp(direction):
        return transpose.gradient(
            vjp,
            cotangents,
            output_gradients=direction,
            unconnected_gradients="zero",
        )

    return vjp, jvp


def after(tensors, value):
    """Returns the value, which is computed only once the tensors have been.

    Where the tensors are gradients, the activations that they were computed
    from are freed before anything is computed from the value.

    Args:
        tensors: a list of tensors.
        value: a tensor.
    """
    with tf.control_dependencies(tensors):
        return tf.identity(value)
