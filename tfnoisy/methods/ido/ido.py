"""IDO: two stages of training, weighed by how often a label was contradicted.

Zhang, Chai, Xu, Zhang, Han, Yuan, Wang, Cao, "Handling Label Noise via
Instance-Level Difficulty Modeling and Dynamic Optimization", NeurIPS 2025
(arXiv 2505.00812).  The code followed is zzzbitz/IDO at 2a64617.  The *wrong
events* W_i are the visits of example i whose prediction, in the forward pass of
training and before the update, is not its given label (`wrong_events`).

    stage 1   plain training for some epochs; W counts one view each
    between   two beta distributions are fitted to W, see `beta_mixture`; the
              weights go back to those that `label_wave` has kept (`stages`)
    stage 2   weak and strong view, z_w and z_s; both count in W, then

        L = mean P1 (CE_w + CE_s) + mean omega mean_c (z_s - z_w)^2
            + mean (1 - P1) H((p_w + p_s) / 2)
        omega = P1 F1 + (1 - P2) (1 - F2)

with P and F of W as it is after this step's visit, constants in the loss.
After each epoch of stage 2 the mixture is fitted further.

What the code does that one would not expect:

- The squared difference is of logits, not of probabilities.
- omega is no weight in [0, 1]: it comes up to 1.8.
- Within an epoch W grows beyond the largest W of the fit; then P = 0 and F = 1,
  so that only the entropy is left of the loss.
- p is held to [1e-4, 1 - 1e-4] in the entropy, and nothing pulls outside.
- Weight decay is of all trainable variables.

Released logs and results are those of a mixture for each given class,
`mixture="class"`; the other is `global`.

Deviations: the guards of `beta_mixture`, of which `monotone` can be switched
off.  Each view is a pass of its own.  The strong view is RandAugment with two
operations at level 10; the code's is that of FixMatch, with random levels and
cutout.  The optimiser is the user's, and so is its learning rate (the code: its
own for each backbone, constant in stage 1 and falling along half a cosine in
stage 2), but stage 2 begins with its moments at 0.  The code begins with
ImageNet's weights and stage 2 after five epochs: a network without them needs
more.  With several replicas the last step of an epoch may see examples again,
which count again.
"""

import keras
import tensorflow as tf

from tfnoisy.methods import batches
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.ido import beta_mixture, stages

_SMALLEST = 1e-4


def similarity_weights(p, f):
    """Returns omega = P1 F1 + (1 - P2) (1 - F2), [B] in [0, 2].

    Args:
        p: P, [B, 2], of the clean and the wrong component.
        f: F, [B, 2].
    """
    return p[:, 0] * f[:, 0] + (1.0 - p[:, 1]) * (1.0 - f[:, 1])


def supervised_loss(clean, labels, weak, strong):
    """Returns the mean of P1 (CE_w + CE_s), a scalar.

    Args:
        clean: P1, [B].
        labels: [B, C].
        weak: z_w, [B, C].
        strong: z_s, [B, C].
    """
    both = sum(losses_lib.cross_entropy(labels, z) for z in (weak, strong))
    return tf.reduce_mean(clean * both)


def similarity_loss(omega, weak, strong):
    """Returns the mean of omega mean_c (z_s - z_w)^2, a scalar.

    Args:
        omega: [B].
        weak: z_w, [B, C].
        strong: z_s, [B, C].
    """
    squares = tf.math.squared_difference(strong, weak)
    return tf.reduce_mean(omega * tf.reduce_mean(squares, -1))


def entropy_loss(clean, weak, strong):
    """Returns the mean of (1 - P1) H((p_w + p_s) / 2), a scalar.

    Args:
        clean: P1, [B].
        weak: z_w, [B, C].
        strong: z_s, [B, C].
    """
    held = [
        tf.clip_by_value(tf.nn.softmax(z), _SMALLEST, 1 - _SMALLEST)
        for z in (weak, strong)
    ]
    mean = tf.add_n(held) / 2.0
    entropy = -tf.reduce_sum(mean * tf.math.log(mean), -1)
    return tf.reduce_mean((1.0 - clean) * entropy)


@keras.saving.register_keras_serializable("tfnoisy")
class IDO(stages.StagedMethod):
    """Trains the student in the two stages of IDO."""

    uses_strong_view = True

    def __init__(
        self,
        student,
        *,
        monotone=True,
        strong="randaugment:2:10",
        flip=True,
        value_range=None,
        **kwargs,
    ):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            monotone: whether an example with fewer wrong events is never
                trusted less; without it those with the fewest may be.
            strong: the strong view, see `fitting.views.strong_view`.
            flip: whether a flipped image keeps its class, for `fit`.
            value_range: (low, high) of the images' values, which the strong
                view of `fit` needs; None for 0..255 of uint8, and for what it
                sees of arrays.
            **kwargs: as for `stages.StagedMethod`.
        """
        super().__init__(student, **kwargs)
        self.monotone = monotone
        self.strong = strong
        self.flip = flip
        self.value_range = value_range

    def stage1_step(self, batch):
        """One update of plain training, which counts wrong events.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C], ids [B]}.

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels).
        """
        images, labels = self.unpack(batch)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            losses = losses_lib.cross_entropy(labels, logits)
            loss = tf.reduce_mean(losses) + self.decay_loss()
        self.minimize(loss, tape)
        self.mean_weights.count(batch, labels, logits)
        self.label_wave.record(batches.needed_ids(batch, "IDO"), logits)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }

    def judge(self, ids, labels, new_events):
        """Returns P and F of examples after this step's visit, [B, 2] each.

        Args:
            ids: int64 [B].
            labels: [B, C], the given labels.
            new_events: [B], the wrong events of this step.
        """
        seen = tf.gather(self.mean_weights.sums.value, ids)
        events = tf.cast(seen[:, 0] - seen[:, 1] + new_events, tf.float64)
        rows = self.mixture_of(tf.argmax(labels, -1))
        mixture = beta_mixture.unpacked(tf.gather(self.mixtures.value, rows))
        p, f = beta_mixture.predict(mixture, events, self.monotone)
        return tf.cast(p, labels.dtype), tf.cast(f, labels.dtype)

    def stage2_step(self, batch):
        """One update on both views, weighed by wrong events.

        Args:
            batch: {images [B, H, W, C], images_strong [B, H, W, C], labels
                [B] or [B, C], ids [B]}.

        Returns:
            Scalars: loss (with decay), accuracy (of the weak view, on the
            given labels), trust (the mean P1), supervised_loss,
            similarity_loss, entropy_loss.
        """
        ids = batches.needed_ids(batch, "IDO")
        images, labels = self.unpack(batch)
        views = (images, self.as_inputs(batch["images_strong"]))
        with tf.GradientTape() as tape:
            weak, strong = (self.student(v, training=True) for v in views)
            hits = [losses_lib.hits(labels, z) for z in (weak, strong)]
            p, f = self.judge(ids, labels, 2.0 - tf.add_n(hits))
            clean = p[:, 0]
            supervised = supervised_loss(clean, labels, weak, strong)
            similarity = similarity_loss(similarity_weights(p, f), weak, strong)
            entropy = entropy_loss(clean, weak, strong)
            loss = supervised + similarity + entropy + self.decay_loss()
        self.minimize(loss, tape)
        for logits in (weak, strong):
            self.mean_weights.count(batch, labels, logits)
        self.label_wave.record(ids, weak)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, weak),
            "trust": tf.reduce_mean(clean),
            "supervised_loss": supervised,
            "similarity_loss": similarity,
            "entropy_loss": entropy,
        }
