"""The given label of each example, for evidence that is held against it.

A method whose evidence says which class it takes for the right one must know
the label that it was given, also where `fit` has it from a data set.
"""

import numpy as np
import tensorflow as tf

from tfnoisy.methods import mean_weights


class GivenLabels(mean_weights.MeanWeights):
    """Remembers labels: the same at each visit, and so is the mean of them."""

    def __init__(self):
        """Makes no variable: `keep_ids` does."""
        super().__init__(None, ("given_label",), decay=1.0)

    def record_labels(self, batch, labels):
        """Takes the labels of a replica's batch, if they are kept.

        Args:
            batch: as for `record`.
            labels: [B, C], of which the largest counts.
        """
        self.record(batch, tf.cast(tf.argmax(labels, -1), tf.float32))

    def known(self):
        """Returns the labels of the examples visited so far, None before.

        Returns:
            (ids: int64 [N], ascending; labels: int64 [N]).
        """
        means = self.means()
        if means is None:
            return None
        return means["ids"], np.rint(means["given_label"]).astype(np.int64)
