"""PES: early stopping by parts of the network.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, "Understanding and Improving Early
Stopping for Learning with Noisy Labels", NeurIPS 2021 (arXiv 2106.15853).  The
code followed is tmllab/PES at 5466238, `PES_cs.py`:

    e < T1      plain training on all labels
    e = T1      refine, in place of an epoch: the last stage and the final layer
                begin anew and are trained alone, T2 passes over all labels by
                Adam, in training mode; then the final layer again, T3 passes
    e > T1      divide, then an epoch on the confident examples

    divide      see `division`; all examples are divided in each epoch
    loss        sum_i w_(y_i) CE_i / sum_i w_(y_i) over a batch, with w_c the
                mean of the counts above 0 / n_c, n_c the confident examples of
                class c

Later layers learn wrong labels sooner than earlier ones: so each part of the
network stops early at a time of its own.

What the code does that one would not expect:

- The optimiser was made before layers were replaced: after the refinement *the
  new stage and the new final layer are never trained again*, only those before
  them.  The published numbers come from that; `train_new_layers` trains them.
- An epoch has floor(n / B) steps of the n confident examples: short batches are
  left out, in plain epochs and in the refinement too.
- Momentum goes on through the refinement.
- It divides before each refinement as well, and does not use it.
- The images that choose the best epoch are augmented.

Deviations: with fewer confident examples than a batch they are one batch, where
the original trains nothing; if no example is confident, all are, with a
warning.  A network that is all new goes on to be trained.  `refinement` says
what a stage is in networks that the original does not have.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import base, ranges
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.pes import epochs

_DROP = 0.1
# What random orders and views in an epoch are for; `epochs` has the others.
_CONFIDENT = 3


def weighted_loss(logits, labels, weights):
    """Returns sum_i w_(y_i) CE_i / sum_i w_(y_i), a scalar.

    Args:
        logits: [B, C].
        labels: [B, C], one-hot.
        weights: w, [C], not 0 for all labels.
    """
    of_each = tf.reduce_sum(labels * weights, -1)
    losses = of_each * losses_lib.cross_entropy(labels, logits)
    return tf.reduce_sum(losses) / tf.reduce_sum(of_each)


@keras.saving.register_keras_serializable("tfnoisy")
class PES(epochs.RefiningMethod):
    """Trains a student by PES."""

    usual_T1 = (25, 30)
    refining_epoch = True

    def __init__(
        self,
        student,
        *,
        T2=7,
        T3=5,
        num_epochs=200,
        lr_drop_epochs=(100, 150),
        weight_decay=1e-4,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are those of CIFAR-10.

        Args:
            student: as for `epochs.RefiningMethod`.
            T2: the passes in which the new last stage and final layer are
                trained alone; 0 for no new stage.
            T3: the passes in which a new final layer is trained alone then; 0
                for none.
            num_epochs: how many there are: T1, one for the refinement, and
                those after it.  0 for as many as the steps allow; `fit` may
                end before.
            lr_drop_epochs: with `lr`, the epochs, counted from 0, from which on
                the learning rate is a tenth of what it was before.
            weight_decay: the factor of sum(w^2) / 2 over all variables that
                are trained.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            **kwargs: as for `epochs.RefiningMethod`; T1 of 0 is 25, and 30
                for more than ten classes.

        Raises:
            UserError: for values that are out of range.
            ArgumentError: if the student does not end in a dense layer, or has
                layers that cannot begin anew.
        """
        ranges.non_negative(T2=T2, T3=T3)
        super().__init__(
            student,
            num_epochs=num_epochs,
            weight_decay=weight_decay,
            **kwargs,
        )
        if any(e < 0 for e in lr_drop_epochs):
            raise errors.UserError(
                f"--lr_drop_epochs={','.join(map(str, lr_drop_epochs))}: "
                "epochs are counted from 0"
            )
        self.T2, self.T3 = T2, T3
        self.lr_drop_epochs = tuple(lr_drop_epochs)
        if num_ids is not None:
            self.keep_ids(num_ids)

    @property
    def refinements(self):
        """(stages before the final layer, passes above 0), a list."""
        return [(n, t) for n, t in ((1, self.T2), (0, self.T3)) if t]

    def rate(self, epoch, num_epochs):
        """Returns the learning rate of an epoch, a float."""
        return base.dropped(self.lr, _DROP, self.lr_drop_epochs, epoch)

    def divided_steps(self, data, examples):
        """Returns the steps of an epoch of the confident examples."""
        return max(len(self.divided(data)[0]) // examples, 1)

    def divided_batches(self, data, epoch):
        """Returns `base.Stage.batches` of the confident examples.

        Args:
            data: a `pipeline.TrainingData`.
            epoch: the epoch, an int.
        """
        return data.full_batches((epoch, _CONFIDENT), self.divided(data)[0])

    def divided_step(self, batch):
        """One update on confident examples.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}.

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels).
        """
        images, labels = self.unpack(batch)
        trained = self.still_trained()
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            loss = weighted_loss(logits, labels, self.class_weights.value)
            loss += self.decay_loss(trained)
        self.minimize(loss, tape, trained)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }
