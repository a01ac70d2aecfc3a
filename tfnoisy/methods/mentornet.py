"""MentorNet: a small network weighs each example by its loss.

Jiang et al., "MentorNet: Learning Data-Driven Curriculum for Very Deep Neural
Networks on Corrupted Labels", ICML 2018 (arXiv 1712.05055); the code followed
is google/mentornet, and google-research/mentormix where the two agree.

    q   = the p-percentile of the batch's losses
    m  <- decay * m + (1 - decay) * q        (zero at first, not debiased)
    v   = g(loss, loss - m, label 0, e)      in [0, 1], g the MentorNet
    w   = argmin  sum(v * loss) / B + weight_decay * |kernels|^2 / 2 * sum(v)/B

What the code does that the paper does not say: the "epoch" e is the
percentage of the training done, 0..99; the label feature is always 0; the
reference of the loss difference is a moving average; v is 1 during burn-in
(e < burn_in_epoch - 1); then an example dropout keeps a fixed share of the
batch and sets the other weights to 0; the decay term is scaled by sum(v) / B.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import base


def training_percentage(step, num_steps):
    """Returns e = floor(100 * step / num_steps), int32 in 0..99.

    In float64, as the original: 0.29 * 100 gives 28.
    """
    share = tf.cast(step, tf.float64) / tf.cast(num_steps, tf.float64)
    return tf.minimum(tf.cast(tf.floor(share * 100.0), tf.int32), 99)


def loss_percentile(losses, p):
    """Returns the p-percentile of the losses, the nearest one of them.

    TF1's tfp.stats.percentile: index round_half_even((B - 1) * (1 - p)) of
    the losses in descending order (which at B = 128, p = 0.5 is not what
    today's libraries return).

    Args:
        losses: float [B].
        p: in [0, 1], a float or a scalar tensor.

    Returns:
        A scalar.
    """
    # The percentage is rounded to float32 first, the index found in float64.
    percent = tf.cast(tf.cast(p, tf.float32) * 100.0, tf.float64)
    last = tf.size(losses) - 1
    index = tf.round(tf.cast(last, tf.float64) * (1.0 - percent / 100.0))
    index = tf.clip_by_value(tf.cast(index, tf.int32), 0, last)
    return tf.gather(tf.sort(losses, direction="DESCENDING"), index)


def threshold_weights(losses, p=0.75):
    """The simplest MentorNet: 1 where the loss is below its percentile.

    Args:
        losses: float [B].
        p: in [0, 1]; int(100 * p) is the percentage, truncated.

    Returns:
        float [B] of zeros and ones.
    """
    return tf.cast(
        losses < loss_percentile(losses, int(100 * p) / 100), losses.dtype
    )


def dropout_schedule(text):
    """Expands "rate, count, rate, count, ..." to one rate for each percent.

    Args:
        text: a string such as "0.5, 17, 0.05, 78, 1.0, 5", or the list of
            its words.

    Returns:
        A list of 100 floats in [0, 1].

    Raises:
        UserError: unless rates are in [0, 1] and the counts sum to 100.
    """
    words = text.split(",") if isinstance(text, str) else list(text)
    complaint = (
        "example_dropout_rates wants 'rate, count, rate, count, ...' with "
        f"rates in [0, 1] and counts that sum to 100; got {text!r}"
    )
    try:
        rates = [float(word) for word in words[0::2]]
        counts = [int(word) for word in words[1::2]]
    except ValueError:
        raise errors.UserError(complaint) from None
    if (
        len(rates) != len(counts)
        or sum(counts) != 100
        or min(counts) < 0
        or not all(0.0 <= rate <= 1.0 for rate in rates)
    ):
        raise errors.UserError(complaint)
    return [rate for rate, n in zip(rates, counts) for _ in range(n)]


def drop_examples(weights, rate, seed):
    """Keeps int(B * (1 - rate)) weights and sets the others to 0.

    Args:
        weights: [B].
        rate: in [0, 1], a scalar tensor (float64 for Python's rounding).
        seed: [2].

    Returns:
        [B]; kept weights are not rescaled.
    """
    size = tf.shape(weights)[0]
    rate = tf.cast(rate, tf.float64)
    kept = tf.cast(tf.cast(size, tf.float64) * (1.0 - rate), tf.int32)
    order = tf.argsort(tf.random.stateless_uniform([size], seed))
    keep = tf.scatter_nd(
        order[:kept, None], tf.ones([kept], weights.dtype), [size]
    )
    return weights * keep


class Weighting(keras.layers.Layer):
    """Example weights with the moving average that belongs to them.

    MentorMix has two of these, `individual` and `mixed`, which must not
    share their average.
    """

    def __init__(
        self,
        mentor,
        *,
        loss_p_percentile=0.7,
        burn_in_epoch=0,
        fixed_epoch_after_burn_in=False,
        moving_average_decay=0.5,
        example_dropout_rates="0.0, 100",
        name="cumulative",
    ):
        """Makes the weighting.

        Args:
            mentor: (losses, loss differences, labels, epochs), each [B] ->
                weights [B] in [0, 1]; never trained here.
            loss_p_percentile: p in [0, 1].
            burn_in_epoch: weights are 1 while e < burn_in_epoch - 1.
            fixed_epoch_after_burn_in: replace e by min(e, burn_in_epoch).
            moving_average_decay: of the percentile.
            example_dropout_rates: see `dropout_schedule`.
            name: of the moving average.
        """
        super().__init__(name=name)
        # A trainable mentor would be trained with the student: hidden from
        # Keras, it is a constant.
        self._mentor = [lambda *features: mentor(*features)]
        self.loss_p_percentile = loss_p_percentile
        self.burn_in_epoch = burn_in_epoch
        self.fixed_epoch_after_burn_in = fixed_epoch_after_burn_in
        self.moving_average_decay = moving_average_decay
        self.dropout_rates = dropout_schedule(example_dropout_rates)
        self.moving_average = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            aggregation="mean",
            name="loss_moving_average",
        )
        self.built = True

    def weigh(self, losses, epoch, seed):
        """Updates the moving average and weighs the batch.

        Args:
            losses: float32 [B].
            epoch: e, int32 scalar in 0..99.
            seed: [2], for the example dropout.

        Returns:
            (v, q): weights [B] and the batch's percentile; no gradient
            flows through either.
        """
        losses = tf.stop_gradient(losses)
        if self.fixed_epoch_after_burn_in:
            epoch = tf.minimum(epoch, self.burn_in_epoch)
        q = loss_percentile(losses, self.loss_p_percentile)
        decay = self.moving_average_decay
        m = decay * self.moving_average + (1.0 - decay) * q
        self.moving_average.assign(m)
        epochs = tf.fill(tf.shape(losses), epoch)
        labels = tf.zeros_like(epochs)
        v = self._mentor[0](losses, losses - m, labels, epochs)
        # The last tests of the order in the original: burn-in, then dropout.
        v = tf.where(epoch < self.burn_in_epoch - 1, tf.ones_like(v), v)
        if any(self.dropout_rates):
            rate = tf.gather(tf.constant(self.dropout_rates, tf.float64), epoch)
            v = drop_examples(v, rate, seed)
        return tf.stop_gradient(v), q


class MentorNet(base.Method):
    """Trains the student on the losses that its mentor weighs."""

    def __init__(
        self,
        student,
        mentor,
        *,
        num_steps,
        loss_p_percentile=0.7,
        burn_in_epoch=0,
        fixed_epoch_after_burn_in=False,
        loss_moving_average_decay=0.5,
        example_dropout_rates="0.5, 17, 0.05, 78, 1.0, 5",
        **kwargs,
    ):
        """Makes the method; arguments as in google/mentornet's flags.

        Args:
            student: a built `keras.Model`, images -> logits.
            mentor: see `Weighting`.
            num_steps: T, of which e is the percentage.
            loss_p_percentile: p.
            burn_in_epoch: in percent of the training.
            fixed_epoch_after_burn_in: for the data-driven mentor.
            loss_moving_average_decay: of the percentile.
            example_dropout_rates: see `dropout_schedule`.
            **kwargs: as for `base.Method`.
        """
        super().__init__(student, **kwargs)
        self.num_steps = num_steps
        self.weighting = Weighting(
            mentor,
            loss_p_percentile=loss_p_percentile,
            burn_in_epoch=burn_in_epoch,
            fixed_epoch_after_burn_in=fixed_epoch_after_burn_in,
            moving_average_decay=loss_moving_average_decay,
            example_dropout_rates=example_dropout_rates,
        )
        self.utilisation = Utilisation()

    def train_step(self, batch):
        """One update.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}, or the pair.

        Returns:
            Scalars: loss, accuracy, data_util, percentile, moving_average,
            weight_sum.
        """
        images, labels = self.unpack(batch)
        epoch = training_percentage(self.step, self.num_steps)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            losses = base.cross_entropy(labels, logits)
            v, q = self.weighting.weigh(
                losses, epoch, self.draw_seed("dropout")
            )
            share = tf.reduce_mean(v)
            loss = tf.reduce_mean(v * losses) + self.decay_loss() * share
        data_util = self.utilisation.count(v, self.step)
        self.minimize(loss, tape)
        return {
            "loss": loss,
            "accuracy": base.accuracy(labels, logits),
            "data_util": data_util,
            "percentile": q,
            "moving_average": tf.convert_to_tensor(
                self.weighting.moving_average
            ),
            "weight_sum": tf.reduce_sum(v),
        }


class Utilisation(keras.layers.Layer):
    """The share of the examples seen so far whose weight was not zero."""

    def __init__(self):
        super().__init__(name="utilisation")
        self.used = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            aggregation="mean",
            name="used_batches",
        )
        self.built = True

    def count(self, weights, step):
        """Counts weights above 0.001 and returns min(1, used / (t + 2)).

        Args:
            weights: [B], the last ones that the step computed.
            step: t, before the update.

        Returns:
            A scalar in [0, 1].  The original divides by t + 2, not t + 1.
        """
        share = tf.reduce_mean(tf.cast(weights > 0.001, tf.float32))
        used = self.used + share
        self.used.assign(used)
        return tf.minimum(1.0, used / (tf.cast(step, tf.float32) + 2.0))
