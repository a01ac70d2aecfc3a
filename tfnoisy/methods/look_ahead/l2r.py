"""L2R: weigh each example by how far its gradient helps on trusted images.

Ren, Zeng, Yang, Urtasun, "Learning to Reweight Examples for Robust Deep
Learning", ICML 2018 (arXiv 1803.09050), algorithm 1, as google-research/ieg
has it (`--method=l2r`).  With c_i the cross-entropy of example i:

    theta^  = theta - s d(sum_i w_i c_i + R)/dtheta   at w = 0
    M       = mean cross-entropy(probe batch; theta^) + R_meta(theta^)
    w*_i    = u_i / (sum(u) + 1e-5),  u_i = max(-dM/dw_i, 0)
    loss    = sum_i w*_i c_i + R

What that code does that the paper does not say: the look-ahead has no
momentum, a constant step and, as w = 0, moves by the weight decay alone; the
probe batch is as large as the noisy one; moving averages of the weights are
evaluated.  Deviations: none in the mathematics.
"""

import tensorflow as tf

from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mean_weights
from tfnoisy.methods.look_ahead import look_ahead
from tfnoisy.nets import precision


class L2R(look_ahead.LookAheadMethod):
    """Trains the student on losses that are weighed anew at every step."""

    def __init__(self, student, *, meta_momentum=0.0, num_ids=None, **kwargs):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            meta_momentum: mu'; the original's look-ahead has none.
            num_ids: the largest example id plus one, to keep each example's
                mean weight; None to keep none.
            **kwargs: as for `look_ahead.LookAheadMethod`.
        """
        super().__init__(
            student,
            meta_momentum=meta_momentum,
            ema_before_update=True,
            **kwargs,
        )
        self.mean_weights = mean_weights.MeanWeights(
            num_ids, ("mean_weight", "helpful")
        )

    def train_step(self, batch):
        """One step.

        Args:
            batch: {images [B, H, W, C], labels [B], probe_images
                [B', H, W, C], probe_labels [B']}, and perhaps ids [B].

        Returns:
            Scalars: loss, accuracy (on the given labels), meta_loss,
            meta_accuracy (of the probe, looking ahead), zero_weights (the
            share of them), weight_sum.
        """
        images, labels = self.unpack(batch)
        probe = self.unpack_probe(batch)

        def weighted_loss(logits, weights):
            losses = losses_lib.cross_entropy(labels, logits[0])
            return tf.reduce_sum(weights * losses)

        with (
            tf.GradientTape(persistent=True) as tape,
            precision.in_float32(),
        ):
            logits = self.student(images, training=True)
        (gradient,), meta_loss, probe_logits = self.meta_gradients(
            tape,
            [images],
            [logits],
            weighted_loss,
            [tf.zeros_like(labels[:, 0])],
            probe,
            at_zero=True,
        )
        weights = look_ahead.example_weights(gradient)
        size = tf.cast(tf.size(weights), weights.dtype)
        self.mean_weights.record(batch, size * weights, tf.sign(weights))
        with tape:
            update_logits = self.update_logits([images], [logits])
            loss = weighted_loss(update_logits, weights)
            loss += tf.cast(self.decay_loss(), loss.dtype)
        self.minimize(loss, tape)
        return {
            "loss": loss,
            "accuracy": losses_lib.accuracy(labels, logits),
            "meta_loss": meta_loss,
            "meta_accuracy": losses_lib.accuracy(probe[1], probe_logits),
            "zero_weights": 1.0 - tf.reduce_mean(tf.sign(weights)),
            "weight_sum": tf.reduce_sum(weights),
        }

    def evidence(self):
        """Returns the means of the weights, see `MeanWeights.evidence`.

        A visit speaks for a label if the weight is positive, `helpful`: a step
        along its gradient lowers the loss on the trusted images.  How large
        the weight is says less, as examples that are fitted have small ones:
        `mean_weight` is that of B w*, of which the mean over a batch is 1.
        """
        return self.mean_weights.evidence("helpful")
