"""MentorNet: a small network weights each example by its loss.

Jiang, Zhou, Leung, Li, Fei-Fei, "MentorNet: Learning Data-Driven Curriculum for
Very Deep Neural Networks on Corrupted Labels", ICML 2018 (arXiv 1712.05055),
equation 1.  The code followed is google/mentornet, and
google-research/mentormix where the two agree.

    v  = g(loss, loss - m, label 0, e)        see `mentor.weighting`
    w  = argmin  sum(v loss) / B + weight_decay |kernels|^2 / 2 * sum(v) / B

What the code does that the paper does not say: all that `mentor.weighting` and
`mentor.network` list, and that the decay is scaled by sum(v) / B.

Deviation: the original shuffled in a buffer of 128 to 256 examples; here every
epoch is a full permutation.  With several replicas each weights its own batch
by its own percentile, and the moving percentile is the mean of theirs.
"""

import keras
import tensorflow as tf

from tfnoisy.mentor import network, weighting
from tfnoisy.methods import base, batches, mean_weights
from tfnoisy.methods import losses as losses_lib


@keras.saving.register_keras_serializable("tfnoisy")
class MentorNet(base.Method):
    """Trains the student on losses that MentorNet weights.

    Weights of examples that a user gives multiply the weighted losses; what
    MentorNet, the percentile and the decay see is as without them.
    """

    takes_sample_weights = True

    def __init__(
        self,
        student,
        mentor=None,
        *,
        num_steps=None,
        loss_p_percentile=0.7,
        burn_in_epoch=0,
        fixed_epoch_after_burn_in=False,
        loss_moving_average_decay=0.5,
        example_dropout_rates="0.5, 17, 0.05, 78, 1.0, 5",
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; arguments as in google/mentornet's flags.

        Args:
            student: a built `keras.Model`, images -> logits.
            mentor: see `weighting.Weighting`; None for our own MentorNet.
            num_steps: T, of which e is the percentage; None for those of
                `fit`.
            loss_p_percentile: p in [0, 1], of `weighting.loss_percentile`.
            burn_in_epoch: all weights are 1 until this percentage of the
                training, see `weighting.Weighting`.
            fixed_epoch_after_burn_in: whether e stays at burn_in_epoch after
                it, as the data-driven MentorNet needs.
            loss_moving_average_decay: of the moving percentile m.
            example_dropout_rates: see `weighting.dropout_schedule`.
            num_ids: the largest example id plus one, to keep each example's
                mean weight; None for the examples that `fit` sees.
            **kwargs: as for `base.Method`.
        """
        super().__init__(student, **kwargs)
        self.num_steps = num_steps
        self.mentor = mentor = mentor or network.default()
        self.weighting = weighting.Weighting(
            mentor,
            loss_p_percentile=loss_p_percentile,
            burn_in_epoch=burn_in_epoch,
            fixed_epoch_after_burn_in=fixed_epoch_after_burn_in,
            moving_average_decay=loss_moving_average_decay,
            example_dropout_rates=example_dropout_rates,
        )
        self.utilisation = weighting.Utilisation()
        self.mean_weights = mean_weights.MeanWeights(num_ids)

    def train_step(self, batch):
        """One update.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}, or the pair; the
                dictionary may have ids [B]; perhaps with sample_weight [B].

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels),
            data_util, percentile (q), moving_average (m), weight_sum.
        """
        images, labels = self.unpack(batch)
        weights = batches.sample_weights(batch, labels.dtype)
        epoch = weighting.training_percentage(self.step, self.num_steps)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            losses = losses_lib.cross_entropy(labels, logits)
            mentor_weights, q = self.weighting.ask_mentor(losses, epoch)
            v = self.weighting.burn_in_and_drop(
                mentor_weights, epoch, self.draw_seed("dropout")
            )
            share = tf.reduce_mean(v)
            if weights is not None:
                losses *= weights
            loss = tf.reduce_mean(v * losses) + self.decay_loss() * share
        self.mean_weights.record(batch, mentor_weights)
        data_util = self.utilisation.count(v, self.step)
        self.minimize(loss, tape)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
            "data_util": data_util,
            "percentile": q,
            "moving_average": tf.convert_to_tensor(
                self.weighting.moving_average
            ),
            "weight_sum": tf.reduce_sum(v),
        }

    def evidence(self):
        """Returns the mean weights that MentorNet gave each example.

        See `MeanWeights.evidence`.  They are in [0, 1], before burn-in and
        example dropout, which do not look at the label.
        """
        return self.mean_weights.evidence("mean_weight")
