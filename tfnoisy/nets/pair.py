"""Two networks that judge together, as one model.

DivideMix and Blind Knowledge Distillation train two networks and predict by
the sum of their logits.
"""

import keras


@keras.saving.register_keras_serializable("tfnoisy")
class Pair(keras.Model):
    """Images -> the sum of two networks' logits, [N, C].

    Attributes:
        networks: the two, built `keras.Model`s of the same inputs and outputs.
    """

    def __init__(self, first, second, **kwargs):
        """Joins two networks.

        Args:
            first: a built, functional `keras.Model`.
            second: the same, with other weights.
            **kwargs: as for `keras.Model`.
        """
        # A model's layers have names of their own.
        for number, network in enumerate((first, second), 1):
            network.name = f"{network.name}_{number}"
        images = keras.Input(first.input_shape[1:], dtype=first.inputs[0].dtype)
        outputs = keras.layers.Add(name="logits")(
            [first(images), second(images)]
        )
        super().__init__(images, outputs, **kwargs)
        self.networks = (first, second)
