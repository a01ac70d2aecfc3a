"""How often the network has contradicted each label in training.

Zhang, Chai, Xu, Zhang, Han, Yuan, Wang, Cao, "Handling Label Noise via
Instance-Level Difficulty Modeling and Dynamic Optimization", NeurIPS 2025
(arXiv 2505.00812): a *wrong event* is a visit of an example whose prediction,
in the forward pass of training and before the update, is not its given label.

A network that memorises a label gives it a small loss in the end, but the
visits before that stay counted.  So their number tells wrong labels from right
ones when the losses no longer do, and costs one number an example.

With W_i of n_i visits wrong and the mean loss l_i of all of them, the score is

    (n_i - W_i + exp(-l_i)) / (n_i + 1)

in [0, 1]: W orders the labels, and the loss those with equal W.  The paper has
W alone.
"""

import numpy as np
import tensorflow as tf

from tfnoisy.methods import batches, mean_weights
from tfnoisy.methods import losses as losses_lib


class WrongEvents(mean_weights.MeanWeights):
    """Counts the visits whose prediction is the given label, and losses."""

    def __init__(self, num_ids=None):
        """Makes the variable.

        Args:
            num_ids: the largest example id plus one; None to keep nothing.
        """
        super().__init__(num_ids, ("right_events", "mean_loss"), decay=1.0)

    def count(self, batch, labels, logits):
        """Adds a replica's batch, if it has ids and events are counted.

        Args:
            batch: as for `record`.
            labels: [B, C], the given labels.
            logits: [B, C], of the forward pass before the update.
        """
        self.record(
            batch,
            losses_lib.hits(labels, logits),
            losses_lib.cross_entropy(labels, logits),
        )

    def evidence(self):
        """Returns the judgement of the labels, None before the first visit.

        Returns:
            {ids: int64 [N], ascending; label_score: float32 [N] in [0, 1];
            is_label_issue: bool [N], below one half; wrong_events: int64 [N],
            W; visits: int64 [N]; mean_loss: float32 [N]}.
        """
        means = self.means()
        if means is None:
            return None
        visits = self.visits()
        right = means["right_events"]
        score = (visits * right + np.exp(-means["mean_loss"])) / (visits + 1)
        return {
            "ids": means["ids"],
            "label_score": np.clip(score, 0, 1).astype(np.float32),
            "is_label_issue": score < 0.5,
            "wrong_events": np.rint(visits * (1 - right)).astype(np.int64),
            "visits": np.rint(visits).astype(np.int64),
            "mean_loss": means["mean_loss"],
        }


def dominant_ids(batch, partners, coefficient):
    """Returns the batch under the ids of what dominates its mixed images.

    Where an image is lam x_i + (1 - lam) x_j, what the network predicts is
    held against the label of the larger part.

    Args:
        batch: as a method's `train_step` takes it.
        partners: int [B], a permutation.
        coefficient: lam, a scalar in [0, 1].
    """
    ids = batches.part(batch, "ids")
    if ids is None:
        return batch
    own = coefficient >= 0.5
    return {**batch, "ids": tf.where(own, ids, tf.gather(ids, partners))}
