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
            if not network.name.endswith(f"_{number}"):
                network.name = f"{network.name}_{number}"
        images = keras.Input(first.input_shape[1:], dtype=first.inputs[0].dtype)
        # Never in half precision, whatever the policy is.
        add = keras.layers.Add(name="logits", dtype=first.outputs[0].dtype)
        outputs = add([first(images), second(images)])
        super().__init__(images, outputs, **kwargs)
        self.networks = (first, second)

    def get_config(self):
        """Returns the constructor's arguments, for a file."""
        first, second = map(keras.saving.serialize_keras_object, self.networks)
        return {"first": first, "second": second, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Returns a pair as `get_config` describes it, with new weights."""
        networks = [
            keras.saving.deserialize_keras_object(config[name])
            for name in ("first", "second")
        ]
        return cls(*networks, name=config["name"])
