"""The steps of PES that need no division: plain ones, and of the refinement.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, NeurIPS 2021 (arXiv 2106.15853); the
code followed is tmllab/PES at 5466238.  See `epochs`.
"""

import tensorflow as tf

from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.pes import refinement


class Steps:
    """What `epochs.RefiningMethod` has for plain training and refinement."""

    @property
    def new_variables(self):
        """The trainable variables that begin anew at some time, a list."""
        most = [n for n, _ in self.refinements]
        if not most:
            return []
        layers = refinement.last_stages(self.student, max(most))
        return refinement.trained(layers)

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

    def refine_step(self, num_stages, batch):
        """One update by Adam of the last layers alone, without decay.

        Args:
            num_stages: how many before the final layer.
            batch: as for `plain_step`.

        Returns:
            Scalars: loss, accuracy (on the given labels).
        """
        layers = refinement.last_stages(self.student, num_stages)
        variables = refinement.trained(layers)
        images, labels = self.unpack(batch)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            loss = tf.reduce_mean(losses_lib.cross_entropy(labels, logits))
        made = tf.cast(self.step, tf.int64) - self.first_step + 1
        self._adam.apply(
            tape.gradient(loss, variables),
            variables,
            tf.cast(made, tf.float32),
        )
        self.step.assign_add(1)
        self.update_averages(tf.cast(self.step, tf.float32))
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }

    def still_trained(self):
        """Returns the variables that are trained after the refinement."""
        all_of_them = self.student.trainable_variables
        if self.train_new_layers:
            return all_of_them
        new = {id(v) for v in self.new_variables}
        # A network of new layers alone would not be trained at all.
        return [v for v in all_of_them if id(v) not in new] or all_of_them

    def _begin_anew(self, num_stages):
        """Draws the last layers anew; Adam begins at zero."""
        layers = refinement.last_stages(self.student, num_stages)
        refinement.begin_anew(layers, self.seed, num_stages)
        new = refinement.trained(layers)
        refinement.averages_follow(self, new)
        self._adam.begin()
        if self.train_new_layers:
            refinement.forget(self.optimizer, new)
