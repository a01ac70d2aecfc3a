"""Plain cross-entropy on the given labels, and plain mixup.

The baseline of every comparison: google/mentornet's `cifar_train_baseline.py`
with mixup_alpha = 0, and google-research/ieg's `models/basemodel.py`
(`--method=supervised`), which smooths labels if asked to.

mixup: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk
Minimization", ICLR 2018 (arXiv 1710.09412), equation 1:

    x' = lam x_i + (1 - lam) x_j,  y' = lam y_i + (1 - lam) y_j,
    lam ~ Beta(alpha, alpha)

What its code (facebookresearch/mixup-cifar10, `train.py`) does that the paper
does not say: lam is one for the whole batch, and the partners are a random
permutation of it.

Deviation: the originals shuffle in a small buffer, here every epoch is a full
permutation.
"""

import keras
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import base, batches, mixup, wrong_events
from tfnoisy.methods import losses as losses_lib


@keras.saving.register_keras_serializable("tfnoisy")
class Baseline(base.Method):
    """Cross-entropy, optionally on mixed images and labels.

    loss = mean cross-entropy + weight_decay * |kernels|^2 / 2

    Weights of examples that a user gives multiply their cross-entropies, of
    mixed examples each part's own.  How often each label was contradicted is
    counted, see `wrong_events`; of mixed images, that of the larger part.
    """

    takes_sample_weights = True

    def __init__(
        self,
        student,
        *,
        mixup_alpha=0.0,
        label_smoothing=0.0,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            mixup_alpha: alpha of the mixing coefficient; 0 for no mixing.
            label_smoothing: share of each label, in [0, 1], that is spread
                over all classes.
            num_ids: the largest example id plus one, to count each example's
                wrong events; None for the examples that `fit` sees.
            **kwargs: as for `base.Method`.
        """
        super().__init__(student, **kwargs)
        self.mixup_alpha = mixup_alpha
        self.label_smoothing = label_smoothing
        self.mean_weights = wrong_events.WrongEvents(num_ids)

    def train_step(self, batch):
        """One update.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}, or the pair;
                the dictionary may have ids [B]; perhaps with sample_weight
                [B].

        Returns:
            Scalars: loss, accuracy (against the given labels; with mixup
            against the larger share of the mixed ones).
        """
        images, labels = self.unpack(batch)
        weights = batches.sample_weights(batch, labels.dtype)
        if self.mixup_alpha > 0:
            partners = randomness.permutation(
                self.draw_seed("partner"), tf.shape(images)[0]
            )
            coefficient = self.beta_draws(batch)
            images, labels, weights = mixup.mix_weighted(
                lambda y: mixup.mix(images, y, partners, coefficient),
                labels,
                weights,
            )
            batch = wrong_events.dominant_ids(batch, partners, coefficient)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            targets = self._smoothed(labels)
            losses = losses_lib.cross_entropy(targets, logits)
            if weights is not None:
                losses *= weights
            loss = tf.reduce_mean(losses) + self.decay_loss()
        self.minimize(loss, tape)
        self.mean_weights.count(batch, labels, logits)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }

    def evidence(self):
        """Returns how often the network agreed, see `WrongEvents.evidence`."""
        return self.mean_weights.evidence()

    def _smoothed(self, labels):
        """Returns (1 - s) y + s / C, s the label smoothing, [B, C]."""
        if not self.label_smoothing:
            return labels
        spread = self.label_smoothing / self.num_classes
        return (1.0 - self.label_smoothing) * labels + spread

    def draw_beta(self, batch):
        """Returns lam ~ Beta(alpha, alpha), one for the batch."""
        if self.mixup_alpha <= 0:
            return None
        return mixup.beta(self.draw_seed("mix"), [], self.mixup_alpha)
