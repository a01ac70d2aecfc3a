"""L2R: weight each example by how much it helps on trusted images.

Ren, Zeng, Yang, Urtasun, "Learning to Reweight Examples for Robust Deep
Learning", ICML 2018 (arXiv 1803.09050), algorithm 1.  The code followed is
google-research/ieg, `models/l2rmodel.py` (`--method=l2r`).  With c_i the
cross-entropy of example i:

    theta^  = theta - s d(sum_i w_i c_i + R)/dtheta   at w = 0
    M       = mean cross-entropy(probe batch; theta^) + R_meta(theta^)
    w*_i    = u_i / (sum(u) + 1e-5),  u_i = max(-dM/dw_i, 0)
    loss    = sum_i w*_i c_i + R

What that code does that the paper does not say: the look-ahead has no
momentum and a constant step s, and, as w = 0, moves by the weight decay alone;
the probe batch is as large as the noisy one; the paper divides by sum(u), or by
1 where that is 0.  What is evaluated is a moving average of the weights.  It
takes them before each update, and its warm-up counts the updates made until
then: the original runs both operations in no fixed order, and in nearly every
step the average reads all weights first.

Deviations: none in the mathematics.  The original drops the last, partial
batch of test images; ours are all evaluated.  Each replica looks ahead with a
probe batch of its own.
"""

import keras
import tensorflow as tf

from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mean_weights
from tfnoisy.methods.look_ahead import look_ahead


@keras.saving.register_keras_serializable("tfnoisy")
class L2R(look_ahead.LookAheadMethod):
    """Trains the student on losses that are weighed anew at every step."""

    def __init__(self, student, *, meta_momentum=0.0, num_ids=None, **kwargs):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            meta_momentum: mu'; the original's look-ahead has none.
            num_ids: the largest example id plus one, to keep each example's
                mean weight; None for the examples that `fit` sees.
            **kwargs: as for `look_ahead.LookAheadMethod`.
        """
        super().__init__(
            student,
            meta_momentum=meta_momentum,
            ema_before_update=True,
            **kwargs,
        )
        self.mean_weights = mean_weights.MeanWeights(
            num_ids, ("mean_weight", "positive_weight")
        )

    def train_step(self, batch):
        """One step, in the order of the paper's algorithm 1.

        Args:
            batch: {images [B, H, W, C], labels [B], probe_images
                [B', H, W, C], probe_labels [B']}, and perhaps ids [B].

        Returns:
            Scalars: loss, accuracy (on the given labels), meta_loss (M),
            meta_accuracy (of the look-ahead network, on the probe batch),
            zero_weights (the share of them), weight_sum.
        """
        images, labels = self.unpack(batch)
        probe = self.unpack_probe(batch)

        def weighted_loss(logits, weights):
            losses = losses_lib.cross_entropy(labels, logits[0])
            return tf.reduce_sum(weights * losses)

        passes = self.record_passes(images)
        no_weights = tf.zeros_like(labels[:, 0])
        meta = self.meta_gradients(
            passes, weighted_loss, [no_weights], probe, at_zero=True
        )
        weights = look_ahead.example_weights(meta.gradients[0])
        with self.recorded_update(passes) as logits:
            loss = weighted_loss(logits, weights)
            loss += tf.cast(self.decay_loss(), loss.dtype)
        self.minimize(loss, passes.tape)

        size = tf.cast(tf.size(weights), weights.dtype)
        positive = tf.sign(weights)
        self.mean_weights.record(batch, size * weights, positive)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, passes.logits[0]),
            "meta_loss": meta.loss,
            "meta_accuracy": losses_lib.accuracy(probe[1], meta.logits),
            "zero_weights": 1.0 - tf.reduce_mean(positive),
            "weight_sum": tf.reduce_sum(weights),
        }

    def evidence(self):
        """Returns the means of the weights, see `MeanWeights.evidence`.

        The score is `positive_weight`, the share of recent visits in which the
        weight was positive: a step along the example's gradient would have
        lowered the loss on the trusted images.  The size of the weight says
        less, as examples that are fitted have small gradients: `mean_weight`
        is that of B w*, whose mean over a batch is 1.
        """
        return self.mean_weights.evidence("positive_weight")
