"""PES (semi): early stopping by parts of the network, then MixMatch.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, "Understanding and Improving Early
Stopping for Learning with Noisy Labels", NeurIPS 2021 (arXiv 2106.15853).  The
code followed is tmllab/PES at 5466238, `PES_semi.py`:

    e < T1      plain training on all labels
    e = T1      refine: the last layer begins anew and is trained alone, T2
                passes over all labels by Adam, in training mode
    e >= T1     divide, then an epoch of MixMatch

    divide      p = mean softmax of two training views, in evaluation mode; an
                example is confident where argmax p is its given label
    weights     w_c = min(mean of the counts above 0 / n_c, 3), n_c the
                confident examples of class c; 0 where n_c = 0; see `division`
    MixMatch    targets of confident x: the given label; of the others u:
                sharpen(mean of both views, 1/2); (x1, x2, u1, u2) are mixed
                with one l ~ Beta(alpha, alpha)
    loss        sum_c w_c mean(-Y_c ln p_c) + lambda(e) mean (p - Y)^2

What the code does that one would not expect:

- The optimiser was made before the last layer was replaced: after the
  refinement *the new layer is never trained again*, only those before it.  The
  published numbers come from that; `train_new_layers` trains it.
- An epoch has floor(N / B) steps whatever is confident.  A batch has 64 + 64 of
  128 examples if fewer are confident than not, else as many of each as there
  are of the whole.
- The guesses are made in training mode, a pass for each view.
- alpha is 4, and in the second half of the epochs 0.75.
- Momentum goes on through the refinement.
- Short batches are left out, in plain epochs and in the refinement too.

Deviations: a batch without unconfident examples has no second loss, where the
original stops with an error; if no example is confident, all are, with a
warning.  A subset that is smaller than its part of a batch gives all that it
has.  Where the last layer is the only one, it goes on to be trained.
"""

import math

import keras
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import mixup, ranges
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.pes import epochs

_TEMPERATURE = 0.5
# In the first and in the second half of the epochs.
_ALPHA, _LATE_ALPHA = 4.0, 0.75
_LARGEST_WEIGHT = 3.0
# Of the last learning rate in the first.
_LAST_RATE = 0.01
# What random orders and views in an epoch are for; `epochs` has the others.
_CONFIDENT, _OTHERS = 3, 4


def batch_sizes(num_confident, num_others, batch_size):
    """Returns (B_x, B_u), of each kind in a batch.

    Args:
        num_confident: |X|, at least 1.
        num_others: |U|.
        batch_size: of both together.
    """
    if num_others > num_confident:
        others = batch_size // 2
    else:
        others = batch_size * num_others // (num_confident + num_others)
    return batch_size - others, others


def cosine_rate(learning_rate, epoch, num_epochs):
    """Returns an epoch's learning rate: half a cosine to a hundredth.

    Args:
        learning_rate: of the first epoch.
        epoch: from 0, an int.
        num_epochs: how many there are.
    """
    last = _LAST_RATE * learning_rate
    wave = 1.0 + math.cos(math.pi * epoch / max(num_epochs, 1))
    return last + (learning_rate - last) * wave / 2.0


def confident_loss(logits, targets, weights):
    """Returns the sum over c of w_c mean(-Y_c ln p_c), a scalar.

    Args:
        logits: [M, C].
        targets: Y, [M, C].
        weights: w, [C].
    """
    # Not TensorFlow's cross-entropy: its gradient is right only for rows whose
    # sum is 1.
    terms = weights * targets * tf.nn.log_softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(terms, -1))


@keras.saving.register_keras_serializable("tfnoisy")
class PESSemi(epochs.RefiningMethod):
    """Trains a student by PES (semi)."""

    sees_one_view = False
    largest_weight = _LARGEST_WEIGHT

    def __init__(self, student, *, T2=5, lambda_u=5.0, num_ids=None, **kwargs):
        """Makes the method; names and defaults are those of CIFAR-10N.

        Args:
            student: as for `epochs.RefiningMethod`.
            T2: the passes in which the new last layer is trained alone; 0 for
                no new layer.
            lambda_u: the final weight of the second loss, which comes in over
                16 epochs; 75 for CIFAR-100N, 15 for 40 % instance noise.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            **kwargs: as for `epochs.RefiningMethod`; T1 of 0 is 20, and 35
                for more than ten classes; with `lr` the learning rate falls
                along half a cosine to a hundredth.

        Raises:
            UserError: for values that are out of range.
            ArgumentError: if the student does not end in a dense layer.
        """
        ranges.non_negative(T2=T2, lambda_u=lambda_u)
        super().__init__(student, **kwargs)
        self.T2 = T2
        self.lambda_u = lambda_u
        if num_ids is not None:
            self.keep_ids(num_ids)

    @property
    def refinements(self):
        """(stages before the final layer, passes above 0), a list."""
        return [(0, self.T2)] if self.T2 else []

    def keep_ids(self, num_ids):
        """Makes the state of `epochs.RefiningMethod`, and alpha.

        Args:
            num_ids: the largest example id plus one.
        """
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            self.alpha = self.add_state("alpha", _ALPHA, dtype="float32")

    def rate(self, epoch, num_epochs):
        """Returns `cosine_rate` of an epoch."""
        return cosine_rate(self.lr, epoch, num_epochs)

    def begin_epoch(self, epoch, num_epochs):
        """Sets what an epoch has of its own, alpha too.

        Args:
            epoch: from 0, an int.
            num_epochs: how many there are.
        """
        super().begin_epoch(epoch, num_epochs)
        self.alpha.assign(_LATE_ALPHA if 2 * epoch >= num_epochs else _ALPHA)

    def divided_steps(self, data, examples):
        """Returns the steps of an epoch of MixMatch, floor(N / B)."""
        return max(len(data.dataset) // examples, 1)

    def divided_batches(self, data, epoch):
        """Returns `base.Stage.batches` of two views of both subsets.

        Args:
            data: a `pipeline.TrainingData`.
            epoch: the epoch, an int.
        """
        subsets = self.divided(data)
        sizes = batch_sizes(*map(len, subsets), data.batch_size)
        parts = zip(
            ("labelled", "unlabelled"),
            (_CONFIDENT, _OTHERS),
            subsets,
            sizes,
            strict=True,
        )
        used = [part for part in parts if part[-1]]

        def batches(first_batch=0, input_context=None):
            return tf.data.Dataset.zip(
                {
                    name: data.epoch_batches(
                        (epoch, number),
                        rows,
                        batch_size=min(size, len(rows)),
                        num_views=2,
                        repeat=True,
                        full=True,
                        first_batch=first_batch,
                        input_context=input_context,
                    )
                    for name, number, rows, size in used
                }
            )

        return batches

    def divided_step(self, batch):
        """One update on confident and other examples.

        Args:
            batch: {labelled: {images [Bx, 2, H, W, C], labels [Bx]},
                unlabelled: {images [Bu, 2, H, W, C]}}; unlabelled may be
                absent.

        Returns:
            Scalars: loss (with decay), accuracy (of the mixed confident
            images, on their targets), confident_loss, other_loss, lambda_u (at
            this step).
        """
        x, labels = self.unpack(batch["labelled"])
        x, u = tf.unstack(x, axis=1), []
        targets = [labels, labels]
        if "unlabelled" in batch:
            u = tf.unstack(
                self.as_inputs(batch["unlabelled"]["images"]), axis=1
            )
            guesses = dividemix.predictions(self.student, u, training=True)
            targets += 2 * [dividemix.co_guess(guesses, _TEMPERATURE)]
        num_x = 2 * tf.shape(labels)[0]
        images, targets = tf.concat(x + u, 0), tf.concat(targets, 0)
        images, targets = mixup.mixmatch(
            images,
            targets,
            self.draw_partners(tf.shape(images)[0]),
            self.beta_draws(batch),
        )
        trained = self.still_trained()
        factor = dividemix.ramp_up(
            self.epoch_now(), self.plain_epochs, self.lambda_u
        )
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            of_x = confident_loss(
                logits[:num_x], targets[:num_x], self.class_weights.value
            )
            of_u = dividemix.unlabelled_loss(logits[num_x:], targets[num_x:])
            loss = of_x + factor * of_u + self.decay_loss(trained)
        self.minimize(loss, tape, trained)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(targets[:num_x], logits[:num_x]),
            "confident_loss": of_x,
            "other_loss": of_u,
            "lambda_u": factor,
        }

    def draw_beta(self, batch):
        """Returns l ~ Beta(alpha, alpha), one for the batch; None before T1."""
        if "labelled" not in batch:
            return None
        return mixup.beta(self.draw_seed("mix"), [], self.alpha.value)

    def draw_partners(self, num_rows):
        """Returns pi, a random permutation of the rows, int [num_rows]."""
        return randomness.permutation(self.draw_seed("partner"), num_rows)
