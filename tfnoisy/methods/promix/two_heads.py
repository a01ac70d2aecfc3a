"""A second linear layer on a network's features, beside its own.

Both see the same features of one pass.  The network itself stays as it is, so
that it is judged, saved and served as any other.
"""

import keras

from tfnoisy.methods import configuration, last_layer, students


class TwoHeads(keras.layers.Layer):
    """Images -> logits of a network's own last layer and of a second one.

    Attributes:
        pseudo: the second layer, of the same kind with weights of its own.
    """

    def __init__(self, network, number):
        """Makes the second layer; the network's are not tracked here.

        Args:
            network: as for `last_layer.split`.
            number: of the network; it is in the layer's name.

        Raises:
            ArgumentError: as for `last_layer.split`.
        """
        body, primary = last_layer.split(network)
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
