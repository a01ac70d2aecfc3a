"""When to leave the first stage of IDO: the wave of changed predictions.

While a network learns what the labels have in common, fewer of its predictions
change from epoch to epoch; when it begins to fit wrong labels, more do.  The
weights kept are those at the end of the first epoch e >= 2 with

    changes_e >= changes_(e - 1)

where changes_e counts the examples whose prediction, in training and before
each update, is not that of epoch e - 1.  That is the rule in zzzbitz/IDO at
2a64617, whose authors call it label wave.  The code means to keep the epoch
before, but keeps references to weights that go on changing; so what it keeps
is the epoch in which the rise shows.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.methods import base


class LabelWave(keras.layers.Layer):
    """Counts changed predictions, and keeps the weights of one epoch."""

    def __init__(self, num_ids, num_epochs, weights):
        """Makes the variables.

        Args:
            num_ids: the largest example id plus one.
            num_epochs: the epochs of the first stage.
            weights: the student's, a list of `keras.Variable`; empty to keep
                none.
        """
        super().__init__(name="label_wave")

        def state(name, shape, dtype="float32", value=0.0, aggregation="sum"):
            return self.add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer=keras.initializers.Constant(value),
                trainable=False,
                aggregation=aggregation,
            )

        # -1 before the first visit.
        self.predicted = state("predicted", [num_ids], value=-1.0)
        self.changed = state("changed", [])
        alike = {"aggregation": "only_first_replica"}
        self.changes = state("changes", [num_epochs], **alike)
        self.epoch = state("epoch", [], "int64", -1, **alike)
        self.kept = [
            state(f"kept_{index}", w.shape, w.dtype, **alike)
            for index, w in enumerate(weights)
        ]
        self.built = True

    def record(self, ids, logits):
        """Takes the predictions of a replica's batch.

        Args:
            ids: int64 [B].
            logits: [B, C].
        """
        now = tf.cast(tf.argmax(logits, -1), tf.float32)
        before = tf.gather(self.predicted.value, ids)
        self.predicted.value.scatter_add(tf.IndexedSlices(now - before, ids))
        changed = (before >= 0) & (before != now)
        self.changed.value.assign_add(
            tf.reduce_sum(tf.cast(changed, tf.float32))
        )

    def end_epoch(self, epoch, weights):
        """Notes the changes of an epoch; keeps the weights if they rise.

        Args:
            epoch: e, an int from 0 on.
            weights: as for the constructor.
        """
        changes = base.value_of(self.changes)
        changes[epoch] = base.value_of(self.changed)
        found = wave_epoch(changes[: epoch + 1])
        if found == epoch:
            for kept, weight in zip(self.kept, weights):
                kept.assign(base.value_of(weight))
            self.epoch.assign(epoch)
        self.changes.assign(changes)
        self.changed.assign(0.0)

    def restore(self, weights):
        """Gives the weights their kept values, if there are any.

        Args:
            weights: as for the constructor.

        Returns:
            Whether there are.
        """
        if not self.kept or base.value_of(self.epoch) < 0:
            return False
        for kept, weight in zip(self.kept, weights):
            weight.assign(base.value_of(kept))
        return True

    def method_metrics(self, num_epochs):
        """Returns the counts and the epoch, for results.json.

        Args:
            num_epochs: the epochs that have ended.

        Returns:
            {label_wave: {changes: [int], of the first stage; epoch: the one
            in which they rose, or None}}.
        """
        changes = base.value_of(self.changes)[:num_epochs]
        epoch = int(base.value_of(self.epoch))
        return {
            "label_wave": {
                "changes": np.rint(changes).astype(int).tolist(),
                "epoch": epoch if epoch >= 0 else None,
            }
        }


def wave_epoch(changes):
    """Returns the first epoch e >= 2 with changes_e >= changes_(e - 1).

    Args:
        changes: of the epochs 0, 1, ...; the first one has none.

    Returns:
        e, or None if they fall to the end.
    """
    for epoch in range(2, len(changes)):
        if changes[epoch] >= changes[epoch - 1]:
            return epoch
    return None
