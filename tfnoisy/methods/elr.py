"""ELR: early-learning regularisation, which holds on to early predictions.

Liu, Niles-Weed, Razavian, Fernandez-Granda, "Early-Learning Regularization
Prevents Memorization of Noisy Labels", NeurIPS 2020 (arXiv 2007.00151),
equations 6 and 9.  The code followed is shengliu66/ELR at 934af53:

    t_i <- beta t_i + (1 - beta) p_i
    L = CE + lambda mean ln(1 - <t_i, p_i>)

with t_i a running mean of the predictions for example i, which is a constant
in the loss and the one after this step's update.  The second term falls as the
network agrees with what it used to say, whatever the label is.

What that code does that the paper does not say:

- p is held to [1e-4, 1 - 1e-4] in the product, without being made to sum to
  one again; in t it is.  So nothing pulls at probabilities outside.
- t starts at zero and is not corrected for that: the first epochs are
  regularised weakly.
- The loss becomes negative, down to CE + lambda ln(2e-4) or so.
- Weight decay is of all trainable variables, biases and normalisation too.

lambda 3 and beta 0.7 are its values for CIFAR-10; 1 and 0.9 for asymmetric
noise there, 7 and 0.9 for CIFAR-100.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.methods import base, batches, given_labels, loss_method, ranges
from tfnoisy.methods import losses as losses_lib
from tfnoisy.nets import weight_decay as decay

_SMALLEST = 1e-4


def held(logits):
    """Returns probabilities held to [1e-4, 1 - 1e-4], [B, C]."""
    return tf.clip_by_value(tf.nn.softmax(logits), _SMALLEST, 1 - _SMALLEST)


def moved_targets(targets, logits, beta):
    """Returns beta t + (1 - beta) p / sum(p), [B, C], a constant.

    Args:
        targets: t before this step, [B, C].
        logits: [B, C].
        beta: in [0, 1].
    """
    p = tf.stop_gradient(held(logits))
    p /= tf.reduce_sum(p, -1, keepdims=True)
    return beta * targets + (1.0 - beta) * p


def regulariser(targets, logits):
    """Returns ln(1 - <t, p>), [B], at most 0.

    Args:
        targets: t after this step's update, [B, C].
        logits: [B, C].
    """
    return tf.math.log1p(-tf.reduce_sum(targets * held(logits), -1))


def judged(ids, given, *targets):
    """Returns the label's share of t, and the labels that t contradicts.

    Args:
        ids: int64 [N], ascending.
        given: int64 [N], the given labels.
        *targets: t of these examples, float32 [N, C]; of several networks the
            mean of their shares counts.

    Returns:
        {ids: int64 [N], ascending; label_score: float32 [N] in [0, 1],
        t_y / sum(t); is_label_issue: bool [N], another class has more of
        t; target_class: int64 [N], the one with most}.
    """
    tiny = np.finfo(np.float32).tiny
    shares = np.mean(
        [t / np.maximum(t.sum(1, keepdims=True), tiny) for t in targets], 0
    )
    score = np.take_along_axis(shares, given[:, None], 1)[:, 0]
    most = shares.argmax(1)
    return {
        "ids": ids,
        "label_score": np.clip(score, 0, 1),
        "is_label_issue": most != given,
        "target_class": most,
    }


@keras.saving.register_keras_serializable("tfnoisy")
class ELR(loss_method.LossMethod):
    """Trains the student by ELR; see `loss_method.LossMethod`.

    Attributes:
        targets: float32 [num_ids, C], t, by example id; None before they are
            known.
    """

    # Examples that cannot be told apart are refused: t decides.
    needs_ids = True

    def __init__(self, student, *, beta=0.7, lamb=3.0, num_ids=None, **kwargs):
        """Makes the method; names and defaults are the original's.

        Args:
            student: a built `keras.Model`, images -> logits.
            beta: how much of t each visit keeps, in [0, 1].
            lamb: lambda, the factor of the regulariser, 0 or more.
            num_ids: the largest example id plus one; None for those of the
                examples that `fit` sees.
            **kwargs: as for `base.Method`; all trainable variables decay unless
                `decayed` says which.

        Raises:
            UserError: for values that are out of range.
        """
        ranges.shares(beta=beta)
        ranges.non_negative(lamb=lamb)
        super().__init__(student, **{"decayed": decay.all_trainable, **kwargs})
        self.beta = beta
        self.lamb = lamb
        self.targets = None
        self.mean_weights = given_labels.GivenLabels()
        if num_ids is not None:
            self.keep_ids(num_ids)

    def keep_ids(self, num_ids):
        """Makes t, zeros.

        Args:
            num_ids: the largest example id plus one.
        """
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            self.targets = self.add_weight(
                shape=(num_ids, self.num_classes),
                initializer="zeros",
                dtype="float32",
                trainable=False,
                aggregation="sum",
                name="targets",
            )

    def example_losses(self, batch, labels, logits):
        """Returns CE + lambda ln(1 - <t, p>), [B], and moves t.

        Raises:
            UserError: if the batch has no ids.
        """
        ids = batches.needed_ids(batch, "ELR")
        before = tf.gather(self.targets.value, ids)
        after = moved_targets(before, tf.cast(logits, before.dtype), self.beta)
        self.targets.value.scatter_add(tf.IndexedSlices(after - before, ids))
        return losses_lib.cross_entropy(
            labels, logits
        ) + self.lamb * regulariser(tf.cast(after, logits.dtype), logits)

    def count_events(self, batch, labels, logits):
        """Remembers the labels, which evidence is held against."""
        self.mean_weights.record_labels(batch, labels)

    def evidence(self):
        """Returns what t says of the labels, None before the first visit."""
        known = self.mean_weights.known()
        if known is None:
            return None
        ids, given = known
        return judged(ids, given, base.value_of(self.targets)[ids])
