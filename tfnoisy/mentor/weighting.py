"""Example weights by MentorNet: what MentorNet and MentorMix share.

Jiang et al., MentorNet (arXiv 1712.05055), as in google/mentornet and
google-research/mentormix (`utils.mentornet`), where the two agree:

    q   = the p-percentile of the batch's losses
    m  <- decay m + (1 - decay) q            zero at first, not debiased
    v   = g(loss, loss - m, label 0, e)      in [0, 1], g is MentorNet

What the code does that the paper does not say: the "epoch" e is the percentage
of the training done, 0..99; the label feature is always 0; v is 1 during
burn-in, which is e < burn_in_epoch - 1; then an example dropout keeps a fixed
share of the batch and sets the other weights to 0.
"""

import keras
import tensorflow as tf

from tfnoisy import errors, randomness


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
    order = randomness.permutation(seed, size)
    first = tf.cast(tf.range(size) < kept, weights.dtype)
    return weights * tf.scatter_nd(order[:, None], first, [size])


class Weighting(keras.layers.Layer):
    """Example weights, with the moving percentile m that belongs to them.

    MentorMix has two of these, `individual` and `mixed`, which must not
    share m.
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
            moving_average_decay: of m.
            example_dropout_rates: see `dropout_schedule`.
            name: of the layer.

        Raises:
            UserError: for an invalid percentile or schedule.
        """
        super().__init__(name=name)
        if not 0.0 <= loss_p_percentile <= 1.0:
            raise errors.UserError(
                "loss_p_percentile is a share in [0, 1], not "
                f"{loss_p_percentile}"
            )
        # Hidden from Keras's tracking: it belongs to the method.
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
        """Updates the moving percentile and weights the batch.

        Args:
            losses: float32 [B].
            epoch: e, int32 scalar in 0..99.
            seed: [2], for the example dropout.

        Returns:
            (v, q): weights [B] and the batch's percentile; no gradient
            flows through either.
        """
        v, q = self.ask_mentor(losses, epoch)
        return self.burn_in_and_drop(v, epoch, seed), q

    def ask_mentor(self, losses, epoch):
        """Updates the moving percentile and returns MentorNet's weights.

        The first half of `weigh`: what depends on the losses.

        Args:
            losses: float32 [B].
            epoch: e, int32 scalar in 0..99.

        Returns:
            (v, q): the weights [B] and the batch's percentile, constants.
        """
        losses = tf.stop_gradient(losses)
        epoch = self._epoch_seen(epoch)
        q = loss_percentile(losses, self.loss_p_percentile)
        decay = self.moving_average_decay
        m = decay * self.moving_average + (1.0 - decay) * q
        self.moving_average.assign(m)
        epochs = tf.fill(tf.shape(losses), epoch)
        labels = tf.zeros_like(epochs)
        v = self._mentor[0](losses, losses - m, labels, epochs)
        return tf.stop_gradient(v), q

    def burn_in_and_drop(self, weights, epoch, seed):
        """Returns the weights to train with, [B].

        The second half of `weigh`, in the original's order: burn-in, then
        example dropout, which can set the weights of burn-in to 0.

        Args:
            weights: v of `ask_mentor`, [B].
            epoch: e, int32 scalar in 0..99.
            seed: [2], for the example dropout.
        """
        epoch = self._epoch_seen(epoch)
        v = tf.where(
            epoch < self.burn_in_epoch - 1, tf.ones_like(weights), weights
        )
        if any(self.dropout_rates):
            rate = tf.gather(tf.constant(self.dropout_rates, tf.float64), epoch)
            v = drop_examples(v, rate, seed)
        return v

    def _epoch_seen(self, epoch):
        if self.fixed_epoch_after_burn_in:
            return tf.minimum(epoch, self.burn_in_epoch)
        return epoch


class Utilisation(keras.layers.Layer):
    """The share of the examples seen so far whose weight was not zero."""

    def __init__(self):
        super().__init__(name="utilisation")
        self.used = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="float64",
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
        # In float64: a float32 sum stops growing within a long training.
        share = tf.reduce_mean(tf.cast(weights > 0.001, tf.float64))
        used = self.used + share
        self.used.assign(used)
        steps = tf.cast(step, tf.float64) + 2.0
        share = tf.minimum(tf.ones([], tf.float64), used / steps)
        return tf.cast(share, tf.float32)
