"""SOP: sparse over-parametrisation, which learns how wrong each label is.

Liu, Zhu, Qu, You, "Robust Training under Label Noise by
Over-parameterization", ICML 2022 (arXiv 2202.14026), algorithm 1.  The code
followed is shengliu66/SOP at 4d991ce.  Each example i has numbers u_i and v_i
[C] of its own, which are trained beside the network:

    U = clip(u^2 Y, 0, 1)           at the given label alone
    V = clip(v^2 (1 - Y), 0, 1)     at all other classes
    p~ = softmax(z) + U - V, held to at least 1e-4, over its sum
    L = mean(-ln p~_y) + mean |h + U - V - Y|^2

with h the one-hot prediction, a constant.  Where the network contradicts a
label, U - V comes to explain the label, and the network need not fit it.  SOP+
adds the agreement of two views of an image, and the balance of the classes:

    + ratio_consistency mean KL(softmax(z) || softmax(z')),  z a constant
    + ratio_balance (-1/C) sum_c ln(mean p~_c)

with z' the logits of a strong view; one batch of both passes the network.  u
and v are not used at test time.

What that code does that the paper does not say:

- u is trained by all terms, the paper's by the cross-entropy; v by the squared
  error alone, since V is a constant in p~.
- u and v begin at a random 1e-8 and grow in proportion to themselves: v of a
  class that is always predicted is 1 after some 70 visits (lr_v 10, batches
  of 128).  Half the batch takes half the rates, as the loss is a mean.

Deviations: the strong view is of the image that the usual view has cropped and
flipped.  An example that is in a batch twice, as where an epoch ends within it,
moves by both.  On several replicas u and v follow the mean over all of them;
the balance is that of each one's batch.

lr_u and lr_v are 1 and 10 for CIFAR-100 with 50 % symmetric noise, 0.1 and 100
with 40 % asymmetric noise, 10 and 10 for CIFAR-10N, 1 and 10 for CIFAR-100N.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.methods import (
    base,
    batches,
    example_parameters,
    given_labels,
    ranges,
)
from tfnoisy.methods import losses as losses_lib
from tfnoisy.nets import weight_decay as decay

_SMALLEST = 1e-4


def corrections(u, v, labels):
    """Returns U and V, each [B, C] in [0, 1], of u [B, 1], v and Y [B, C]."""
    return (
        tf.clip_by_value(u**2 * labels, 0.0, 1.0),
        tf.clip_by_value(v**2 * (1.0 - labels), 0.0, 1.0),
    )


def corrected(logits, U, V):
    """Returns p~, of z, U and V, which is a constant here; all [B, C]."""
    r = tf.nn.softmax(logits) + U - tf.stop_gradient(V)
    r = tf.maximum(r, _SMALLEST)
    r /= tf.reduce_sum(r, -1, keepdims=True)
    return tf.clip_by_value(r, _SMALLEST, 1.0)


def squared_error(logits, U, V, labels):
    """Returns |h + U - V - Y|^2, [B], of z, U, V and Y, all [B, C]."""
    h = tf.one_hot(tf.argmax(logits, -1), labels.shape[-1], dtype=labels.dtype)
    return tf.reduce_sum((h + U - V - labels) ** 2, -1)


def balance_loss(probabilities):
    """Returns -(1/C) sum_c ln(mean p~_c), at least ln C, of p~ [B, C]."""
    means = tf.maximum(tf.reduce_mean(probabilities, 0), _SMALLEST)
    return -tf.reduce_mean(tf.math.log(means))


@keras.saving.register_keras_serializable("tfnoisy")
class SOP(base.Method):
    """Trains the student by SOP, or by SOP+.

    Attributes:
        u, v: `ExampleParameters` [num_ids, 1] and [num_ids, C]; None before
            the ids are known.
    """

    # Examples that cannot be told apart are refused: u and v decide.
    needs_ids = True
    takes_sample_weights = True

    def __init__(
        self,
        student,
        *,
        lr_u=1.0,
        lr_v=10.0,
        ratio_consistency=0.0,
        ratio_balance=0.0,
        std=1e-8,
        num_ids=None,
        strong="autoaugment_cifar10",
        flip=True,
        value_range=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's.

        Args:
            student: a built `keras.Model`, images -> logits.
            lr_u: the learning rate of u, constant; for batches of 128.
            lr_v: the learning rate of v, constant; for batches of 128.
            ratio_consistency: the factor of the agreement of two views; 0 for
                one view alone, 0.9 in SOP+.
            ratio_balance: the factor of the balance of classes; 0.1 in SOP+.
            std: the standard deviation of u and v at first.
            num_ids: the largest example id plus one; None for those of the
                examples that `fit` sees.
            strong: the strong view, if two are compared, see
                `fitting.views.strong_view`.
            flip: whether a flipped image keeps its class.
            value_range: as for `fitting.views.strong_view`; None for 0..255
                of uint8, and for what `fit` sees of arrays.
            **kwargs: as for `base.Method`; all trainable variables decay
                unless `decayed` says which.

        Raises:
            UserError: for values that are out of range.
        """
        super().__init__(student, **{"decayed": decay.all_trainable, **kwargs})
        self.lr_u = lr_u
        self.lr_v = lr_v
        self.std = std
        self.ratio_consistency = ratio_consistency
        self.ratio_balance = ratio_balance
        ranges.non_negative(
            lr_u=lr_u,
            lr_v=lr_v,
            std=std,
            ratio_consistency=ratio_consistency,
            ratio_balance=ratio_balance,
        )
        self.strong = strong
        self.flip = flip
        self.value_range = value_range
        self.uses_strong_view = ratio_consistency > 0
        self.sees_one_view = not self.uses_strong_view
        self.u = self.v = None
        self.mean_weights = given_labels.GivenLabels()
        if num_ids is not None:
            self.keep_ids(num_ids)

    def keep_ids(self, num_ids):
        """Makes u and v for ids below `num_ids`."""
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            make = example_parameters.ExampleParameters
            start = {"std": self.std, "seed": self.seed}
            self.u = make(num_ids, 1, self.lr_u, name="u", **start)
            self.v = make(
                num_ids, self.num_classes, self.lr_v, name="v", **start
            )

    def train_step(self, batch):
        """One step of the network, of u and of v.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C], ids [B]}, for
                two views with images_strong [B, H, W, C]; perhaps with
                sample_weight [B], for the two terms that look at labels.

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels),
            squared_error; where they are used balance and consistency.

        Raises:
            UserError: if the batch has no ids.
        """
        images, labels = self.unpack(batch)
        ids = batches.needed_ids(batch, "SOP")
        weights = batches.sample_weights(batch, labels.dtype)
        views = [images]
        if self.uses_strong_view:
            views.append(self.as_inputs(batch["images_strong"]))
        u, v = self.u.of(ids), self.v.of(ids)
        logs = {}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([u, v])
            logits = self.student(tf.concat(views, 0), training=True)
            z, *z_strong = tf.split(tf.cast(logits, u.dtype), len(views))
            U, V = corrections(u, v, labels)
            p = corrected(z, U, V)
            error = squared_error(z, U, V, labels)
            losses = error - tf.reduce_sum(labels * tf.math.log(p), -1)
            if weights is not None:
                losses *= weights
            loss = tf.reduce_mean(losses)
            if self.ratio_balance > 0:
                logs["balance"] = balance_loss(p)
                loss += self.ratio_balance * logs["balance"]
            if self.uses_strong_view:
                logs["consistency"] = losses_lib.consistency(z, *z_strong)
                loss += self.ratio_consistency * logs["consistency"]
            loss += self.decay_loss()
        # Not scaled, as the student's are in float16.
        of_u, of_v = tape.gradient(loss, [u, v])
        self.minimize(loss, tape)
        self.u.descend(ids, of_u)
        self.v.descend(ids, of_v)
        # Which evidence is held against.
        self.mean_weights.record_labels(batch, labels)
        logs["loss"] = loss
        logs["squared_error"] = tf.reduce_mean(error)
        logs["accuracy"] = self.training_accuracy(labels, z)
        return logs

    def evidence(self):
        """Returns how far u and v are from explaining each label.

        They grow in proportion to themselves: of the way from std^2 to 1 that
        the larger of u^2 and max_c v_c^2 has to go, the score is the share
        that is left, on a logarithmic scale.

        Returns:
            {ids: int64 [N], ascending; label_score: float32 [N] in [0, 1];
            is_label_issue: bool [N], more than half of the way is gone;
            target_class: int64 [N], of an issue the class with the largest
            v^2, else the label; u_squared: float32 [N] in [0, 1]}.  None
            before the first visit.
        """
        known = self.mean_weights.known()
        if known is None:
            return None
        ids, given = known
        u, v = (base.value_of(x.rows)[ids] ** 2 for x in (self.u, self.v))
        np.put_along_axis(v, given[:, None], 0, 1)
        tiny = np.finfo(np.float32).tiny
        largest = np.clip(np.hstack([u, v]).max(1), tiny, 1)
        score = np.log(largest) / np.log(np.clip(self.std**2, tiny, 0.5))
        issue = score < 0.5
        return {
            "ids": ids,
            "label_score": np.clip(score, 0, 1).astype(np.float32),
            "is_label_issue": issue,
            "target_class": np.where(issue, v.argmax(1), given),
            "u_squared": np.minimum(u[:, 0], 1),
        }
