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
                confident examples of class c; 0 where n_c = 0
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
- alpha is 4, and from epoch 150 on 0.75.
- Momentum goes on through the refinement.

Deviations: a batch without unconfident examples has no second loss, where the
original stops with an error; if no example is confident, all are, with a
warning.  A subset that is smaller than its part of a batch gives all that it
has.  Keras's Adam adds epsilon before the bias is corrected; so does this.
Where the last layer is the only one, it goes on to be trained.
"""

import keras
import tensorflow as tf

from tfnoisy import randomness, replicas
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mixup
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.pes import epochs

_TEMPERATURE = 0.5
# (alpha, from which epoch on).
_ALPHA, _LATE_ALPHA, _LATE_EPOCH = 4.0, 0.75, 150
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


def confident_loss(logits, targets, weights):
    """Returns the sum over c of w_c mean(-Y_c ln p_c), a scalar.

    Args:
        logits: [M, C].
        targets: Y, [M, C].
        weights: w, [C].
    """
    return tf.reduce_mean(losses_lib.cross_entropy(weights * targets, logits))


@keras.saving.register_keras_serializable("tfnoisy")
class PESSemi(epochs.RefiningMethod):
    """Trains a student by PES (semi)."""

    def plain_step(self, batch):
        """One update of plain training.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}.

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels).
        """
        images, labels = self.unpack(batch)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            loss = tf.reduce_mean(losses_lib.cross_entropy(labels, logits))
            loss += self.decay_loss()
        self.minimize(loss, tape)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }

    def refine_step(self, batch):
        """One update by Adam of the last layer alone, without decay.

        Args:
            batch: as for `plain_step`.

        Returns:
            Scalars: loss, accuracy (on the given labels).
        """
        images, labels = self.unpack(batch)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            loss = tf.reduce_mean(losses_lib.cross_entropy(labels, logits))
        self._adam(tape.gradient(loss, self.new_layer))
        self.step.assign_add(1)
        self.update_averages(tf.cast(self.step, tf.float32))
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }

    def _adam(self, gradients):
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(
                tf.distribute.ReduceOp.MEAN, gradients
            )
        made = tf.cast(self.step, tf.int64) - self.first_step + 1
        t = tf.cast(made, tf.float32)
        rate = self.refine_lr * tf.sqrt(1.0 - _BETA2**t) / (1.0 - _BETA1**t)
        changes = []
        for v, g, (mean, square) in zip(
            self.new_layer, gradients, self.moments, strict=True
        ):
            m = _BETA1 * mean + (1.0 - _BETA1) * g
            s = _BETA2 * square + (1.0 - _BETA2) * g**2
            changes += [
                (mean, m),
                (square, s),
                (v, v - rate * m / (tf.sqrt(s) + _EPSILON)),
            ]
        replicas.assign_alike(changes)

    def mixmatch_step(self, batch):
        """One update on confident and other examples.

        Args:
            batch: {labelled: {images [Bx, 2, H, W, C], labels [Bx]},
                unlabelled: {images [Bu, 2, H, W, C]}}; unlabelled may be
                absent.

        Returns:
            Scalars: loss (with decay), accuracy (of the guesses in training
            mode for the mixed confident images, on their targets),
            confident_loss, other_loss, lambda_u (at this step).
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
        trained = self.student.trainable_variables
        if not self.train_new_layers:
            new = {id(v) for v in self.new_layer}
            # A network of one layer would not be trained at all.
            trained = [v for v in trained if id(v) not in new] or trained
        factor = dividemix.ramp_up(self.epoch_now(), self.T1, self.lambda_u)
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
        late = tf.cast(self.epoch, tf.int64) >= _LATE_EPOCH
        alpha = tf.where(late, _LATE_ALPHA, _ALPHA)
        return mixup.beta(self.draw_seed("mix"), [], alpha)

    def draw_partners(self, num_rows):
        """Returns the partner of each row, a permutation, [M].

        Args:
            num_rows: M.
        """
        seed = self.draw_seed("partner")
        return tf.argsort(randomness.uniform(seed, [num_rows]))
