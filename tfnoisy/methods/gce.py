"""GCE: a loss between cross-entropy and mean absolute error.

Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
Networks with Noisy Labels", NeurIPS 2018 (arXiv 1805.07836), equation 6:

    L_q = (1 - p_y^q) / q,   q in (0, 1]

with p_y the probability of the given label: cross-entropy as q goes to 0, half
the mean absolute error at q = 1.  Its gradient is that of cross-entropy times
p_y^q, so that a label which the network contradicts hardly pulls.

The authors' code was not found.  p_y^q is computed of the logarithm of p_y,
whose gradient stays finite where p_y goes to 0.  The truncated loss of the
paper's section 3.3 is not here.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import base, batches, mean_weights
from tfnoisy.methods import losses as losses_lib


def trust(labels, logits, q):
    """Returns p_y^q, [B] in (0, 1].

    Args:
        labels: [B, C].
        logits: [B, C].
        q: in (0, 1].
    """
    return tf.exp(-q * losses_lib.cross_entropy(labels, logits))


def generalised_cross_entropy(labels, logits, q):
    """Returns L_q = (1 - p_y^q) / q, [B] in [0, 1 / q).

    Args:
        labels: [B, C].
        logits: [B, C].
        q: in (0, 1].
    """
    # Not 1 - exp, of which little is left where q is small.
    return -tf.math.expm1(-q * losses_lib.cross_entropy(labels, logits)) / q


@keras.saving.register_keras_serializable("tfnoisy")
class GCE(base.Method):
    """Trains the student on the generalised cross-entropy.

    Weights of examples that a user gives multiply their losses.
    """

    takes_sample_weights = True

    def __init__(self, student, *, q=0.7, num_ids=None, **kwargs):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            q: above 0, where it is cross-entropy, to 1; 0.7 in the paper.
            num_ids: the largest example id plus one, to keep each example's
                mean p^q; None for the examples that `fit` sees.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for a q that is out of range.
        """
        if not 0 < q <= 1:
            raise errors.UserError(f"--q={q}: it is above 0 and at most 1")
        super().__init__(student, **kwargs)
        self.q = q
        self.mean_weights = mean_weights.MeanWeights(num_ids)

    def train_step(self, batch):
        """One update.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}, or the pair; the
                dictionary may have ids [B]; perhaps with sample_weight [B].

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels), trust
            (the mean p^q).
        """
        images, labels = self.unpack(batch)
        weights = batches.sample_weights(batch, labels.dtype)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            losses = generalised_cross_entropy(labels, logits, self.q)
            if weights is not None:
                losses *= weights
            loss = tf.reduce_mean(losses) + self.decay_loss()
        self.minimize(loss, tape)
        trusted = trust(labels, logits, self.q)
        self.mean_weights.record(batch, trusted)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
            "trust": tf.reduce_mean(trusted),
        }

    def evidence(self):
        """Returns the mean p^q of each example, see `MeanWeights.evidence`."""
        return self.mean_weights.evidence("mean_weight")
