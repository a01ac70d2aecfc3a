"""The last layer of a network."""

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
    last = _last(network.outputs[0]) if hasattr(network, "outputs") else network
    if not isinstance(last, keras.layers.Dense):
        raise errors.ArgumentError(
            f"{network.name} ends in {last.name!r}, a {type(last).__name__}: "
            "the method begins the last layer anew, which must be a "
            "keras.layers.Dense of a functional or sequential model"
        )
    return last


def _last(tensor):
    history = tensor._keras_history
    layer = history.operation
    if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
        return _last(layer.outputs[0])
    if type(layer) is keras.layers.Identity:
        # The cast of a student in half precision.
        node = layer._inbound_nodes[history.node_index]
        return _last(node.input_tensors[0])
    return layer
