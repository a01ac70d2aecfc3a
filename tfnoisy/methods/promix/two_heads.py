"""A second linear layer on a network's features, beside its own.

Both see the same features of one pass.  The network itself stays as it is, so
that it is judged, saved and served as any other.
"""

import keras

from tfnoisy import errors
from tfnoisy.methods import configuration, students


def split(network):
    """Returns a network's body and its last layer.

    Args:
        network: a built, functional `keras.Model`.

    Returns:
        (a `keras.Model` of images to features [B, D], which shares the
        network's layers; a `keras.layers.Dense`).

    Raises:
        ArgumentError: if the network does not end in a dense layer.
    """
    output = network.outputs[0]
    history = output._keras_history
    inputs = history.operation._inbound_nodes[history.node_index].input_tensors
    last = history.operation
    if isinstance(last, keras.Model) and getattr(last, "outputs", None):
        body, last = split(last)
        return keras.Model(network.inputs, body(inputs[0])), last
    body = keras.Model(network.inputs, inputs[0])
    if type(last) is keras.layers.Identity:
        # The cast of a student in half precision.
        return split(body)
    if not isinstance(last, keras.layers.Dense):
        raise errors.ArgumentError(
            f"{network.name} ends in {last.name!r}, a {type(last).__name__}: "
            "ProMix puts a second classifier beside the last layer, which "
            "must be a keras.layers.Dense of a functional or sequential model"
        )
    return body, last


class TwoHeads(keras.layers.Layer):
    """Images -> logits of a network's own last layer and of a second one.

    Attributes:
        pseudo: the second layer, of the same kind with weights of its own.
    """

    def __init__(self, network, number):
        """Makes the second layer; the network's are not tracked here.

        Args:
            network: as for `split`.
            number: of the network; it is in the layer's name.

        Raises:
            ArgumentError: as for `split`.
        """
        body, primary = split(network)
        super().__init__(name=f"two_heads_{number}", dtype=primary.dtype_policy)
        self._shared = configuration.Hidden((body, primary))
        self.pseudo = students.reinitialised(primary, number + 1)
        # Also where the network is frozen.
        self.pseudo.trainable = True
        self.pseudo.name = f"pseudo_head_{number}"
        if not self.pseudo.built:
            self.pseudo.build(body.output_shape)
        self.built = True

    def logits(self, images, training=True):
        """Returns both logits, float32 [B, C] each.

        Args:
            images: [B, H, W, C].
            training: as for Keras.
        """
        body, primary = self._shared.value
        features = body(images, training=training)
        return [
            keras.ops.cast(head(features), "float32")
            for head in (primary, self.pseudo)
        ]
