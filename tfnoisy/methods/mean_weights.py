"""The mean weight of each example over its last visits: per-example evidence.

A method that weights examples says at every step how far it trusts the labels
of one batch.  One such weight is noisy (it depends on the view, on the rest of
the batch and on the step), and the first ones come from a network that has
learnt nothing yet.  The mean over the last visits tells much more:

    s_i <- d s_i + w_i,   n_i <- d n_i + 1,   mean_i = s_i / n_i

This is an exponential moving mean with d = 0.9, over some ten visits; with
d = 1 it is the mean of all.  After k visits n_i = (1 - d^k) / (1 - d), which
removes the bias of the start.

A visit adds w_i - (1 - d) s_i to the sum, whatever else is in the batch, and
replicas add up their visits.  So an example that comes twice in a step (a batch
may have the end of one epoch and the beginning of the next) has a weighted mean
of its weights as well.

None of the methods' papers has this: it is ours.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.methods import base, batches

DECAY = 0.9


class MeanWeights(keras.layers.Layer):
    """Moving means of the numbers that a method gives to each example.

    Attributes:
        decay: d, in (0, 1].
        sums: float32 [num_ids, 1 + K], by id: n_i, then s_i of each number;
            None if no means are kept.
    """

    def __init__(self, num_ids, names=("mean_weight",), decay=DECAY):
        """Makes the variable.

        Args:
            num_ids: the largest example id plus one; None to keep nothing.
            names: of the K numbers.
            decay: d; at 1 no visit is forgotten.
        """
        super().__init__(name="mean_weights")
        self.decay = decay
        self.names = tuple(names)
        self.sums = None
        self.built = True
        if num_ids is not None:
            self.keep_ids(num_ids)

    @property
    def num_ids(self):
        """The largest example id plus one, None if nothing is kept."""
        return None if self.sums is None else self.sums.shape[0]

    def keep_ids(self, num_ids):
        """Makes the variable, if nothing has been kept so far.

        Args:
            num_ids: the largest example id plus one.
        """
        self.sums = self.add_weight(
            shape=(num_ids, 1 + len(self.names)),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            aggregation="sum",
            name="weight_sums",
        )

    def record(self, batch, *values):
        """Adds a replica's batch, if it has ids and means are kept.

        Args:
            batch: as a method's `train_step` takes it; without ids, int64
                [B], nothing is recorded.
            *values: the K numbers of each example, each [B].
        """
        ids = batches.part(batch, "ids")
        if self.sums is None or ids is None:
            return
        visits = tf.stack([tf.ones_like(values[0]), *values], -1)
        # As long as the batch, not as the data: a step must not grow with it.
        faded = (1.0 - self.decay) * tf.gather(self.sums.value, ids)
        change = tf.cast(tf.stop_gradient(visits), faded.dtype) - faded
        self.sums.value.scatter_add(tf.IndexedSlices(change, ids))

    def evidence(self, *names):
        """Returns the judgement of the labels, None before the first visit.

        Args:
            *names: of numbers in [0, 1], high if a visit supports the given
                label.

        Returns:
            `means`, and {label_score: float32 [N] in [0, 1], the mean of
            those numbers; is_label_issue: bool [N], below one half}.
        """
        means = self.means()
        if means is None:
            return None
        score = np.mean([means[name] for name in names], axis=0)
        return {**means, "label_score": score, "is_label_issue": score < 0.5}

    def visits(self):
        """Returns n_i of the examples visited so far, float32 [N]."""
        count = base.value_of(self.sums)[:, 0]
        return count[count != 0]

    def means(self):
        """Returns the means of the examples visited so far, None if none was.

        Returns:
            {ids: int64 [N], ascending; and by each name: float32 [N]}.
        """
        if self.sums is None:
            return None
        count, *sums = np.moveaxis(base.value_of(self.sums), -1, 0)
        ids = np.flatnonzero(count)
        if not len(ids):
            return None
        return {
            "ids": ids,
            **{name: s[ids] / count[ids] for name, s in zip(self.names, sums)},
        }
