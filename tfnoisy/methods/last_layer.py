"""The last layer of a network, and what lies before it."""

import keras

from tfnoisy import errors


def of(network):
    """Returns the layer that gives a network's logits.

    Args:
        network: a built, functional or sequential `keras.Model`.

    Returns:
        A `keras.layers.Dense`, of the network itself.

    Raises:
        ArgumentError: if it is another layer, or cannot be found.
    """
    last, _, _ = _found(network)
    return last


def split(network):
    """Returns a network's body and its last layer.

    Args:
        network: as for `of`.

    Returns:
        (a `keras.Model` of images to features [B, D], which shares the
        network's layers; a `keras.layers.Dense`).

    Raises:
        ArgumentError: as for `of`.
    """
    last, features, around = _found(network)
    for inner, inputs in reversed(around):
        features = keras.Model(inner.inputs, features)(inputs)
    return keras.Model(network.inputs, features), last


def _found(network):
    """Returns the last layer, where it is and what it sees.

    Returns:
        (a `keras.layers.Dense`; the tensor that it is called on; the networks
        within the network that it lies in, from the outermost one on, each
        with the tensor that it is called on).

    Raises:
        ArgumentError: as for `of`.
    """
    last, inputs, around = network, None, []
    outputs = getattr(network, "outputs", None)
    while outputs:
        history = outputs[0]._keras_history
        last = history.operation
        node = last._inbound_nodes[history.node_index]
        inputs, outputs = node.input_tensors, None
        if type(last) is keras.layers.Identity:
            # The cast of a student in half precision.
            outputs = inputs
        elif isinstance(last, keras.Model):
            around.append((last, inputs[0]))
            outputs = getattr(last, "outputs", None)
    if not isinstance(last, keras.layers.Dense):
        raise errors.ArgumentError(
            f"{network.name} ends in {last.name!r}, a {type(last).__name__}: "
            "the method looks for the last layer, which must be a "
            "keras.layers.Dense of a functional or sequential model"
        )
    return last, inputs[0], around
