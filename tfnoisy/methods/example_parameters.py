"""Parameters of single examples, which are trained beside the network.

Row i belongs to example id i.  A step of plain gradient descent moves the rows
of its batch and no others: there is no momentum and no weight decay, which
would move the rest, and the rate is constant.
"""

import keras
import tensorflow as tf

from tfnoisy import randomness


class ExampleParameters(keras.layers.Layer):
    """A matrix of which each example trains a row.

    Attributes:
        rows: float32 [num_ids, width], by id.
        rate: the learning rate.
    """

    def __init__(self, num_ids, width, rate, *, std, seed, name):
        """Makes the variable: normal numbers by (seed, width, id), times std.

        Args:
            num_ids: the largest example id plus one.
            width: numbers of each example.
            rate: the learning rate.
            std: the standard deviation at first.
            seed: of the random numbers.
            name: the variable's name.
        """
        super().__init__(name=name)
        self.rate = rate
        self.rows = self.add_weight(
            shape=(num_ids, width),
            initializer="zeros",
            # Half precision would lose their small steps.
            dtype="float32",
            # Not by the network's optimiser.
            trainable=False,
            aggregation="sum",
            name=name,
        )
        draws = randomness.uniform_by_id(
            seed, "per_example", num_ids, width, width
        )
        # Multiples of 2^-23: half of one further, none is 0.
        self.rows.assign(std * tf.math.ndtri(draws + 2.0**-24))
        self.built = True

    def of(self, ids):
        """Returns the rows of a replica's batch, [B, width].

        Args:
            ids: int64 [B].
        """
        return tf.gather(self.rows.value, ids)

    def descend(self, ids, gradients):
        """Takes a step in the rows of a replica's batch.

        Replicas add up theirs, along the gradient of the mean of their losses.

        Args:
            ids: int64 [B]; the steps of an id that comes twice add up.
            gradients: of this replica's mean loss by `of(ids)`, [B, width].
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        change = -self.rate / replicas * gradients
        self.rows.value.scatter_add(tf.IndexedSlices(change, ids))
