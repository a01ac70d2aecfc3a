"""MentorMix: weight, sample, mix up, weight again.

Jiang, Huang, Liu, Yang, "Beyond Synthetic Noise: Deep Learning on Controlled
Noisy Labels", ICML 2020 (arXiv 1911.09781), algorithm 1.  The code followed is
google-research/mentormix, `cifar_train_mentormix.py` and `utils.py`.  One step,
in the paper's order:

    weight        v   = g(loss, loss - m, 0, e)            g is MentorNet
    sample        j_i ~ Categorical(softmax(v))            in the batch
    mix up        l   ~ Beta(alpha, alpha)
                  lam = max(l, 1 - l) where v >= 1/2, else min(l, 1 - l)
                  x'  = lam x + (1 - lam) x_j,  y' = lam y + (1 - lam) y_j
    weight again  v'   = g(loss', loss' - m', 0, e)        optional
                  loss = mean(v' loss')

What the code does that the paper does not say:

- lam switches at v = 1/2 (`utils.mentor_mix_up`).  The paper has
  lam = v max(l, 1 - l) + (1 - v) min(l, 1 - l): `soft_lambda`.  The two agree
  for weights of 0 and 1.
- The first pass normalises by the batch's moments and stores none of them;
  only the second pass moves batch normalisation's statistics.
- The second weighting has a moving percentile m' of its own.
- With the second weighting there is no weight decay at all; without it the
  loss is the unweighted mean plus weight_decay * |kernels|^2 / 2.
- The weights that are evaluated are a moving average, with the raw statistics
  of batch normalisation.  It takes the weights before each update, and its
  warm-up counts the updates made until then: the original runs both
  operations in no fixed order, and in nearly every step the average reads all
  weights first.
- The original's gradients are themselves inexact: an upper layer's update can
  land before the backward pass of the layers below has read its weights.
  Over four steps its weights were off by 8e-5 to 6e-2 (relative) for that
  reason; ours equal those of the exact gradient to 4e-6.

Deviations: the original shuffled in a buffer of 128 to 256 examples, here
every epoch is a full permutation.  Its summary thread ran the step's moving
percentiles on extra batches, ours does not.  With several replicas each takes
percentile, weights and partners from its own batch, and the moving percentiles
are the mean of theirs.
"""

import keras
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.mentor import network, weighting
from tfnoisy.methods import base, batches, mean_weights, mixup
from tfnoisy.methods import losses as losses_lib


def partner_logits(weights):
    """Returns the logits of the sampling distribution softmax(v), [B]."""
    return tf.nn.log_softmax(weights)


def sample_partners(weights, seed):
    """Draws partners from the batch by softmax(v), with replacement.

    The draws are those of `tf.random.stateless_categorical` on a CPU.  That
    function itself would draw others on a GPU and under XLA.

    Args:
        weights: v, [B] in [0, 1].
        seed: [2].

    Returns:
        int32 [B], values in 0..B-1; an example may be its own partner.
    """
    size = tf.shape(weights)[0]
    shares = tf.exp(tf.cast(partner_logits(weights), tf.float64))
    # As a product: a running sum need not be deterministic on a GPU.
    up_to = tf.linalg.band_part(tf.ones([size, size], tf.float64), -1, 0)
    mass = tf.linalg.matvec(up_to, shares)
    draws = randomness.uniform(seed, [size], tf.float64) * mass[-1]
    partners = tf.searchsorted(mass, draws, side="right")
    # NaN weights give B here; the loss is then NaN, and training stops.
    return tf.minimum(partners, size - 1)


def mixing_coefficients(draws, weights, soft=False):
    """Returns lam, at least 1/2 for a trusted example, at most 1/2 for others.

    Args:
        draws: l, [B], from Beta(alpha, alpha).
        weights: v, [B] in [0, 1].
        soft: the paper's form, v * max(l, 1 - l) + (1 - v) * min(l, 1 - l),
            in place of the code's switch at v = 0.5.

    Returns:
        [B] in [0, 1].
    """
    larger = tf.maximum(draws, 1.0 - draws)
    if soft:
        return weights * larger + (1.0 - weights) * (1.0 - larger)
    return tf.where(weights < 0.5, 1.0 - larger, larger)


@keras.saving.register_keras_serializable("tfnoisy")
class MentorMix(base.Method):
    """Trains the student by MentorMix.

    Weights of examples that a user gives multiply the losses of the update, of
    mixed examples each part's own; the weighting, the sampling of partners
    and the percentiles are as without them.
    """

    takes_sample_weights = True

    def __init__(
        self,
        student,
        mentor=None,
        *,
        num_steps=None,
        loss_p_percentile=0.7,
        mixup_alpha=8.0,
        second_reweight=True,
        burn_in_epoch=0,
        example_dropout_rates="0.0, 100",
        soft_lambda=False,
        weight_decay=0.0002,
        ema_decay=0.9999,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's flags.

        Args:
            student: a built `keras.Model`, images -> logits.
            mentor: the MentorNet, see `weighting.Weighting`; None for our own.
            num_steps: T, of which e is the percentage; None for those of
                `fit`.
            loss_p_percentile: p in [0, 1], of `weighting.loss_percentile`.
            mixup_alpha: alpha; 0 or less for no mixing.
            second_reweight: whether the mixed losses are weighted too.
            burn_in_epoch: all weights are 1 until this percentage of the
                training, see `weighting.Weighting`.
            example_dropout_rates: see `weighting.dropout_schedule`.
            soft_lambda: whether lam is the paper's.
            weight_decay: the factor of sum(w^2) / 2 over the kernels; used
                only without the second weighting.
            ema_decay: the largest decay of the moving average of the weights;
                0 for none.
            num_ids: the largest example id plus one, to keep each example's
                mean weight; None for the examples that `fit` sees.
            **kwargs: as for `base.Method`.
        """
        super().__init__(
            student,
            weight_decay=0.0 if second_reweight else weight_decay,
            ema_decay=ema_decay,
            ema_before_update=True,
            **kwargs,
        )
        self.mentor = mentor = mentor or network.default()
        self.num_steps = num_steps
        self.mixup_alpha = mixup_alpha
        self.second_reweight = second_reweight
        self.soft_lambda = soft_lambda
        self.weigh_individual, self.weigh_mixed = (
            weighting.Weighting(
                mentor,
                loss_p_percentile=loss_p_percentile,
                burn_in_epoch=burn_in_epoch,
                example_dropout_rates=example_dropout_rates,
                name=name,
            )
            for name in ("individual", "mixed")
        )
        self.utilisation = weighting.Utilisation()
        self.mean_weights = mean_weights.MeanWeights(num_ids)

    def train_step(self, batch):
        """One step, in the order of the paper's algorithm 1.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}, or the pair; the
                dictionary may have ids [B]; perhaps with sample_weight [B].

        Returns:
            Scalars: loss (with decay), mixed_loss (without), accuracy (of the
            first pass, on the given labels), data_util, percentile and
            percentile_mixed (q of both weightings), moving_average_individual
            and moving_average_mixed (m and m'), weight_sum.
        """
        images, labels = self.unpack(batch)
        weights = batches.sample_weights(batch, labels.dtype)
        epoch = weighting.training_percentage(self.step, self.num_steps)

        # Weight.  Nothing but v is used of this pass.
        logits = self.forward_untracked(images)
        losses = losses_lib.cross_entropy(labels, logits)
        mentor_weights, q = self.weigh_individual.ask_mentor(losses, epoch)
        v = self.weigh_individual.burn_in_and_drop(
            mentor_weights, epoch, self.draw_seed("dropout")
        )
        self.mean_weights.record(batch, mentor_weights)

        # Sample and mix up.
        draws = self.beta_draws(batch)
        mixed_images, mixed_labels, weights = mixup.mix_weighted(
            lambda y: self.sample_and_mix(images, y, v, draws), labels, weights
        )

        # Weight again.
        with tf.GradientTape() as tape:
            mixed_logits = self.student(mixed_images, training=True)
            mixed_losses = losses_lib.cross_entropy(mixed_labels, mixed_logits)
            mixed_q, counted = 0.0, mixed_losses
            if self.second_reweight:
                v, mixed_q = self.weigh_mixed.weigh(
                    mixed_losses, epoch, self.draw_seed("dropout_mixed")
                )
                counted = v * mixed_losses
            if weights is not None:
                counted *= weights
            mixed_loss = tf.reduce_mean(counted)
            loss = mixed_loss + self.decay_loss()
        data_util = self.utilisation.count(v, self.step)
        self.minimize(loss, tape)
        return {
            "loss": loss,
            "mixed_loss": mixed_loss,
            "accuracy": self.training_accuracy(labels, logits),
            "data_util": data_util,
            "percentile": q,
            "percentile_mixed": tf.convert_to_tensor(mixed_q),
            "moving_average_individual": tf.convert_to_tensor(
                self.weigh_individual.moving_average
            ),
            "moving_average_mixed": tf.convert_to_tensor(
                self.weigh_mixed.moving_average
            ),
            "weight_sum": tf.reduce_sum(v),
        }

    def evidence(self):
        """Returns the mean weights that MentorNet gave each example.

        See `MeanWeights.evidence`.  They are in [0, 1], before burn-in and
        example dropout, which do not look at the label.
        """
        return self.mean_weights.evidence("mean_weight")

    def draw_beta(self, batch):
        """Returns l ~ Beta(alpha, alpha), [B]; None if nothing is mixed."""
        if self.mixup_alpha <= 0:
            return None
        images, _ = self.unpack(batch)
        size = tf.shape(images)[0]
        return mixup.beta(self.draw_seed("mix"), [size], self.mixup_alpha)

    def sample_and_mix(self, images, labels, weights, draws):
        """Returns the mixed batch, a constant; with alpha <= 0 the batch.

        Args:
            images: [B, H, W, C].
            labels: [B, C].
            weights: v, [B].
            draws: l, [B], from Beta(alpha, alpha).
        """
        if self.mixup_alpha <= 0:
            return images, labels
        return mixup.mix(
            images,
            labels,
            sample_partners(weights, self.draw_seed("partner")),
            mixing_coefficients(draws, weights, self.soft_lambda),
        )
