"""What methods that are a loss share: one update, and wrong events."""

import tensorflow as tf

from tfnoisy.methods import base, batches, wrong_events


class LossMethod(base.Method):
    """Trains the student on a loss of each example: one line is its paper.

    loss = mean of `example_losses` + weight decay

    Weights of examples that a user gives multiply their losses.  How often
    each label was contradicted is counted, see `wrong_events`.
    """

    takes_sample_weights = True

    def __init__(self, student, *, num_ids=None, **kwargs):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            num_ids: the largest example id plus one, to count each example's
                wrong events; None for the examples that `fit` sees.
            **kwargs: as for `base.Method`.
        """
        super().__init__(student, **kwargs)
        self.mean_weights = wrong_events.WrongEvents(num_ids)

    def example_losses(self, batch, labels, logits):
        """Returns the loss of each example, [B].

        Args:
            batch: as for `train_step`.
            labels: [B, C], the given labels.
            logits: [B, C].
        """
        raise NotImplementedError

    def train_step(self, batch):
        """One update.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}, or the pair; the
                dictionary may have ids [B]; perhaps with sample_weight [B].

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels), trust
            (the mean probability of the given labels).
        """
        images, labels = self.unpack(batch)
        weights = batches.sample_weights(batch, labels.dtype)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            losses = self.example_losses(batch, labels, logits)
            if weights is not None:
                losses *= weights
            loss = tf.reduce_mean(losses) + self.decay_loss()
        self.minimize(loss, tape)
        self.count_events(batch, labels, logits)
        probabilities = tf.reduce_sum(labels * tf.nn.softmax(logits), -1)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
            "trust": tf.reduce_mean(probabilities),
        }

    def count_events(self, batch, labels, logits):
        """Remembers the visits of a batch, see `WrongEvents.count`."""
        self.mean_weights.count(batch, labels, logits)

    def evidence(self):
        """Returns how often the network agreed, see `WrongEvents.evidence`."""
        return self.mean_weights.evidence()
