"""What methods that look at all of the data keep of it, alike everywhere."""

import keras
import numpy as np

from tfnoisy import errors, replicas


class State:
    """What `base.Method` has for decisions between epochs."""

    def add_state(self, name, value, shape=(), dtype="int64", **kwargs):
        """Returns a new variable, the same on all replicas.

        Args:
            name: its name.
            value: what it is filled with.
            shape: its shape.
            dtype: its type.
            **kwargs: as for Keras.
        """
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            initializer=keras.initializers.Constant(value),
            trainable=False,
            name=name,
            **{"aggregation": "only_first_replica", **kwargs},
        )

    def agreed(self, found, what, remedy="--learning_rate"):
        """Returns the chief's values: by them all workers decide alike.

        Args:
            found: an array, what a `replicas.Pass` found.
            what: what it is, a plural word, for a message.
            remedy: of what a smaller value usually helps, for a message.

        Raises:
            TrainingError: if a value is not finite.
        """
        if not np.isfinite(found).all():
            raise errors.TrainingError(
                f"{what} are not finite at step {self.steps_made()}; a smaller "
                f"{remedy}, with --overwrite, usually helps"
            )
        return replicas.of_chief(self.distribute_strategy, found)
