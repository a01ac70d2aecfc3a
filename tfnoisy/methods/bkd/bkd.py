"""Blind Knowledge Distillation: a student that does not see the label.

Kaiser, Ehmann, Reinders, Rosenhahn, "Blind Knowledge Distillation for Robust
Image Classification", 2022 (arXiv 2211.11355).  The code followed is
TimoK93/blind_knowledge_distillation, `blind_knowledge_dist_training.py`.  Two
networks, teacher and student, see the same views and labels y (one-hot Y):

    loss = mean CE(t, z_T) + sum_{c != y} (z_T - z_S)^2 / (B C - 1)

    phase 1  t = Y.  Recorded in epoch e: q_i = softmax(z_T + z_S)_y, how much
             both agree with a label, and m_e = mean max_c p_S, the student's
             confidence, which falls when the teacher begins to memorise
    e*       the first peak of m; its q puts labels into four groups of trust
    phase 2  t = r^(1 + a) / sum_c r^(1 + a),  r = (1 - a) Y + a p_S, with the
             a of the label's group

What the code does that one would not expect (its lines):

- Nothing is detached: the complementary loss pulls at the teacher too (59 to
  63), and in phase 2 the targets pull at the student (85), which is no longer
  blind then.  `detached` stops both.
- The divisor is B C - 1, not B (C - 1) (63).
- Phase 2 is the rest of the same run; the weights do not return to e*, which
  is known two epochs later at the earliest (324 to 333).
- Training takes its groups from q as recorded, in training mode and before
  each update (333).  The labels judged wrong are group 4 of another q, from a
  pass over all examples in evaluation mode, but with training views (335).

Deviations: q is kept by example id, not by position in the split.  The pass in
evaluation mode sees the training examples, not those held out as well.  m is
recorded to the end, for the plot.  If q has no two classes, the original
crashes, and if m has no peak, it ends without a detection; here both give a
warning, and `fallback` judges the labels by the epoch of the largest m.  With
several replicas, agreements and confidence are summed over them.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.methods import base, batches, pairs
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.bkd import tipping, trust
from tfnoisy.nets import weight_decay as decay


def agreement(teacher_logits, student_logits):
    """Returns p_T p_S / sum_c p_T p_S, [B, C], as a softmax of logits.

    Args:
        teacher_logits: z_T, [B, C].
        student_logits: z_S, [B, C].
    """
    return tf.nn.softmax(teacher_logits + student_logits)


def complementary_loss(teacher_logits, student_logits, labels):
    """Returns sum_{c != y} (z_T - z_S)^2 / (B C - 1), a scalar.

    Args:
        teacher_logits: z_T, [B, C].
        student_logits: z_S, [B, C].
        labels: one-hot [B, C].
    """
    error = (1.0 - labels) * tf.square(teacher_logits - student_logits)
    size = tf.cast(tf.size(labels), error.dtype)
    return tf.reduce_sum(error) / (size - 1.0)


def robust_targets(labels, student_probs, alphas):
    """Returns r^(1 + a) / sum_c r^(1 + a) of r = (1 - a) Y + a p_S, [B, C].

    Args:
        labels: Y, one-hot [B, C].
        student_probs: p_S, [B, C].
        alphas: a, [B] in [0, 1]; 0 gives the label and no gradient.
    """
    alphas = alphas[:, None]
    blended = (1.0 - alphas) * labels + alphas * student_probs
    sharper = tf.pow(blended, 1.0 + alphas)
    return sharper / tf.reduce_sum(sharper, -1, keepdims=True)


@keras.saving.register_keras_serializable("tfnoisy")
class BKD(base.Method):
    """Trains a pair of networks, (teacher, student), epoch by epoch."""

    trains_in_epochs = True
    remembers = True

    def __init__(
        self,
        student,
        *,
        num_ids=None,
        lr=0.02,
        n_epoch=300,
        lr_drop_epochs=(150,),
        lr_drop_factor=0.1,
        alpha1=0.30,
        alpha2=0.45,
        alpha3=0.55,
        alpha4=0.70,
        otsu="released",
        detached=False,
        fallback=True,
        tipping_every=1,
        clean_test_freq=10,
        weight_decay=5e-4,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's.

        Args:
            student: a `nets.pair.Pair` of teacher and student, or what
                `pairs.of` makes one from.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            lr: the learning rate, in place of the optimiser's own; `fit` takes
                that one unless this is given.
            n_epoch: passes over the data.
            lr_drop_epochs: the epochs, counted from 0, from which on the
                learning rate is multiplied once more by `lr_drop_factor`.
            lr_drop_factor: 0.1 in the original.
            alpha1: a of group 1, the most trusted labels, in [0, 1].
            alpha2: a of group 2.
            alpha3: a of group 3.
            alpha4: a of group 4, the least trusted.
            otsu: `released` or `textbook`, see `trust.otsu_split`.
            detached: whether no gradient flows into z_T of the complementary
                loss nor into p_S of the targets.
            fallback: whether labels are judged without a tipping point too.
            tipping_every: passes over the data that make one epoch of the
                tipping curve; 1 in the original, of 352 steps.  The mean
                of fewer steps may have a peak by chance.
            clean_test_freq: epochs between evaluations; the first and the last
                epoch are evaluated too.
            weight_decay: the factor of sum(w^2) / 2 over all trainables.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for values out of range.
        """
        super().__init__(
            pairs.of(student),
            weight_decay=weight_decay,
            decayed=decay.all_trainable,
            **kwargs,
        )
        alphas = [alpha1, alpha2, alpha3, alpha4]
        for group, alpha in enumerate(alphas, 1):
            if not 0.0 <= alpha <= 1.0:
                raise errors.UserError(
                    f"--alpha{group}={alpha} must be between 0 and 1"
                )
        counts = {
            "n_epoch": n_epoch,
            "tipping_every": tipping_every,
            "clean_test_freq": clean_test_freq,
        }
        for name, value in counts.items():
            if value < 1:
                raise errors.UserError(f"--{name}={value} must be at least 1")
        trust.check_criterion(otsu)
        self.lr = lr
        self.n_epoch = n_epoch
        self.lr_drop_epochs = tuple(lr_drop_epochs)
        self.lr_drop_factor = lr_drop_factor
        self.alphas = tuple(alphas)
        self.detached = detached
        self.clean_test_freq = clean_test_freq
        self.tipping_every = tipping_every
        self.otsu = otsu
        self.fallback = fallback
        self.tipping_point = None
        if num_ids is not None:
            self.keep_ids(num_ids)
        self._judge = replicas.Pass(
            self.distribute_strategy, self._judged_agreements, "judging"
        )

    @property
    def num_ids(self):
        """The largest id that is remembered plus one, None while none is."""
        if self.tipping_point is None:
            return None
        return self.tipping_point.groups.shape[0]

    def keep_ids(self, num_ids):
        """Creates what watches for the tipping point.

        Args:
            num_ids: the largest example id plus one.
        """
        with self.distribute_strategy.scope():
            self.tipping_point = tipping.TippingPoint(
                num_ids,
                max(1, self.n_epoch // self.tipping_every),
                otsu=self.otsu,
                fallback=self.fallback,
            )

    def stage(self, step, data, num_steps):
        """Ends the epoch before this step if need be; returns the next one.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch, or None after the last.

        Raises:
            TrainingError: if the networks' predictions are not finite.
            UserError: if the number of steps in an epoch has changed.
        """
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        steps = data.steps_of_pass(num_replicas)
        epoch = step // steps
        ended = epoch // self.tipping_every
        if ended - base.value_of(self.tipping_point.epochs) > 1:
            raise errors.UserError(
                f"BKD cannot go on at step {step}: with the data and the batch "
                f"size that it began with, it has not come to epoch {epoch}"
            )
        if base.value_of(self.tipping_point.epochs) < ended:
            self.tipping_point.end_epoch(
                data.dataset.ids, lambda: self._judge_all(data, epoch - 1)
            )
        if step >= num_steps or epoch >= self.n_epoch:
            self.tipping_point.end_training()
            return None
        if not self.leaves_learning_rate:
            self.optimizer.learning_rate = base.dropped(
                self.lr, self.lr_drop_factor, self.lr_drop_epochs, epoch
            )

        return base.Stage(
            epoch * steps,
            (epoch + 1) * steps,
            data.whole_pass((epoch, 0), num_replicas),
            self.train_step,
            evaluate=epoch % self.clean_test_freq == 0
            or epoch == self.n_epoch - 1,
        )

    def train_step(self, batch):
        """One step of either phase.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C], ids [B]}.

        Returns:
            Scalars: loss (with decay), naive_loss (the cross-entropy),
            complementary_loss, accuracy (of the pair, on the given labels),
            confidence (mean max_c p_S), agreement (mean q).

        Raises:
            UserError: if the batch has no ids.
        """
        ids = batches.needed_ids(batch, "BKD")
        images, labels = self.unpack(batch)
        # All are in group 0 in phase 1, in which the target is the label.
        groups = tf.gather(self.tipping_point.groups, ids)
        alphas = tf.gather([0.0, *self.alphas], groups)
        passed = tf.stop_gradient if self.detached else tf.identity

        with tf.GradientTape() as tape:
            z_t, z_s = (
                network(images, training=True)
                for network in self.student.networks
            )
            p_s = tf.nn.softmax(z_s)
            targets = robust_targets(labels, passed(p_s), alphas)
            naive = tf.reduce_mean(losses_lib.cross_entropy(targets, z_t))
            complementary = complementary_loss(passed(z_t), z_s, labels)
            loss = naive + complementary + self.decay_loss()
        self.minimize(loss, tape)

        q = tf.reduce_sum(labels * agreement(z_t, z_s), -1)
        confidences = tf.reduce_max(p_s, -1)
        self.tipping_point.record(ids, q, confidences)
        return {
            "loss": loss,
            "naive_loss": naive,
            "complementary_loss": complementary,
            "accuracy": self.training_accuracy(labels, z_t + z_s),
            "confidence": tf.reduce_mean(confidences),
            "agreement": tf.reduce_mean(q),
        }

    def method_metrics(self):
        """Returns the tipping curve, see `tipping.TippingPoint`.

        Returns:
            {tipping: {...; every: the passes over the data in each value}}.
        """
        metrics = self.tipping_point.method_metrics()
        metrics["tipping"]["every"] = self.tipping_every
        return metrics

    def evidence(self):
        """Returns the judgement of the labels, see `tipping.TippingPoint`."""
        if self.tipping_point is None:
            return None
        return self.tipping_point.evidence()

    def _judge_all(self, data, epoch):
        """Returns q in evaluation mode, a training view each, by row [N]."""
        batches = functools.partial(
            data.training_view_batches, data.batch_size, (epoch, 1)
        )
        q = self._judge(batches, len(data.dataset))
        if not np.all(np.isfinite(q)):
            raise errors.TrainingError(
                f"after epoch {epoch} the networks' predictions are not "
                "finite; a smaller --lr, with --overwrite, usually helps"
            )
        return q

    def _judged_agreements(self, batch):
        z_t, z_s = (
            network(batch["images"], training=False)
            for network in self.student.networks
        )
        return tf.gather(agreement(z_t, z_s), batch["labels"], batch_dims=1)
