"""Truncated GCE: the generalised cross-entropy of the examples it believes.

Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
Networks with Noisy Labels", NeurIPS 2018 (arXiv 1805.07836), section 3.3:

    L_trunc = L_q(p_y) where p_y > k, else the constant L_q(k)

with L_q as in `gce`.  Its gradient is zero where p_y <= k, for nearly all
examples at the start; so the paper alternates between the network and weights
v_i, 0 or 1 and at first 1:

    train   on mean v_i (L_q(p_y) - L_q(k))
    prune   v_i = 1 where p_y > k by the network as it is, else 0

An example that was pruned may return when it is pruned next.  The loss differs
from L_trunc by the constant L_q(k): it is negative after the first pruning.

The authors' code was not found.  When pruning happens follows a reading of
the widely used AlanChou/Truncated-Loss at fef5908, whose author takes the
settings for the paper's: before each epoch e, counted from 0, with e + 1 a
multiple of 10 and at least 40 (80 for CIFAR-100), of 120 (150).

Deviations from that code: it prunes by the network that was best on the test
set, here it is the one of the moment, with its averaged weights if there are
any; it looks at training views then, here it is the images as they are
evaluated.  After pruning it goes on with a network that it loads from a file
and that its optimiser does not know: such an epoch trains nothing; here it
trains as all do.  If no example would be left, all are kept, with a warning.
"""

import functools
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.methods import base, batches, gce
from tfnoisy.methods import losses as losses_lib


def largest_loss(q, k):
    """Returns L_q(k) = (1 - k^q) / q, a float."""
    return (1.0 - k**q) / q


def kept(probabilities, k):
    """Returns v, bool [N]: p_y > k.

    Args:
        probabilities: p_y, of the given labels, [N].
        k: in (0, 1).
    """
    return np.asarray(probabilities) > k


@keras.saving.register_keras_serializable("tfnoisy")
class TruncatedGCE(gce.GCE):
    """Trains the student on the truncated loss; see `gce.GCE`.

    Attributes:
        kept: bool [num_ids], v, by example id; None before they are known.
    """

    # Examples that cannot be told apart are refused: v decides.
    needs_ids = True
    trains_in_epochs = True
    takes_sample_weights = False

    def __init__(
        self,
        student,
        *,
        k=0.5,
        start_prune=40,
        prune_every=10,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            k: between 0 and 1, the probability up to which a label is not
                believed.
            start_prune: pruning happens before the epochs e, counted from 0,
                with e + 1 at least this
            prune_every: and a multiple of this.
            num_ids: the largest example id plus one; None for those of the
                examples that `fit` sees.
            **kwargs: as for `gce.GCE`.

        Raises:
            UserError: for values that are out of range.
        """
        super().__init__(student, **kwargs)
        if not 0 < k < 1:
            raise errors.UserError(f"--k={k}: it is between 0 and 1")
        counts = {"start_prune": start_prune, "prune_every": prune_every}
        for name, value in counts.items():
            if value < 1:
                raise errors.UserError(f"--{name}={value} must be at least 1")
        self.k = k
        self.start_prune = start_prune
        self.prune_every = prune_every
        self.kept = None
        self._judge = replicas.Pass(
            self.distribute_strategy, self._label_probabilities, "pruning"
        )
        if num_ids is not None:
            self.keep_ids(num_ids)

    def keep_ids(self, num_ids):
        """Makes v, ones.

        Args:
            num_ids: the largest example id plus one.
        """
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            self.kept = self.add_state("kept", True, (num_ids,), "bool")

    def example_losses(self, batch, labels, logits):
        """Returns v (L_q - L_q(k)), [B].

        Raises:
            UserError: if the batch has no ids.
        """
        v = tf.gather(self.kept, batches.needed_ids(batch, "TruncatedGCE"))
        losses = super().example_losses(batch, labels, logits)
        losses -= largest_loss(self.q, self.k)
        return tf.cast(v, losses.dtype) * losses

    def stage(self, step, data, num_steps):
        """Prunes before an epoch, if it is time; returns the epoch.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch, or None after the last.

        Raises:
            TrainingError: if a prediction is not finite.
        """
        if step >= num_steps:
            return None
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        steps = data.steps_of_pass(num_replicas)
        epoch, made = divmod(step, steps)
        due = epoch + 1 >= self.start_prune
        # A run that is resumed here prunes again, by the same network.
        if due and made == 0 and (epoch + 1) % self.prune_every == 0:
            self.prune(data)
        return base.Stage(0, step - made + steps, data.batches, self.train_step)

    def prune(self, data):
        """Sets v by the network as it is.

        Args:
            data: a `pipeline.TrainingData`.

        Raises:
            TrainingError: if a prediction is not finite.
        """
        evaluated = functools.partial(data.evaluation_batches, data.batch_size)
        p = self.agreed(
            self._judge(evaluated, len(data.dataset)), "predictions"
        )
        v = kept(p, self.k)
        if not v.any():
            warnings.warn(
                f"step {self.steps_made()}: no label has a probability above "
                f"k={self.k}, and so all are kept",
                stacklevel=3,
            )
            v = np.ones_like(v)
        by_id = base.value_of(self.kept)
        by_id[data.dataset.ids] = v
        self.kept.assign(by_id)

    def _label_probabilities(self, batch):
        labels = losses_lib.one_hot(batch["labels"], self.num_classes)
        logits = self.evaluation_logits(self.as_inputs(batch["images"]))
        return tf.reduce_sum(labels * tf.nn.softmax(logits), -1)

    def evidence(self):
        """Returns wrong events as `GCE`, and kept: bool [N], v."""
        found = super().evidence()
        if found is None:
            return None
        return {**found, "kept": base.value_of(self.kept)[found["ids"]]}
