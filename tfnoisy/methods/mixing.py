"""Draws and sums that the mixup family shares."""

import tensorflow as tf

from tfnoisy import randomness


def mix(images, labels, partners, coefficients):
    """Returns lam * (x, y) + (1 - lam) * (x, y)[partners].

    Args:
        images: [B, H, W, C].
        labels: [B, C].
        partners: int [B].
        coefficients: lam in [0, 1], [B] or one scalar for all.
    """

    def mixed(z):
        lam = coefficients
        if coefficients.shape.rank:
            lam = tf.reshape(lam, [-1] + [1] * (z.shape.rank - 1))
        return lam * z + (1.0 - lam) * tf.gather(z, partners)

    return mixed(images), mixed(labels)


def beta(seed, shape, alpha):
    """Draws from Beta(alpha, alpha), a function of the seed alone.

    Args:
        seed: [2], from `Method.draw_seed`.
        shape: of the draws.
        alpha: a positive float.

    Returns:
        float32 of that shape, in [0, 1].
    """
    gammas = tf.random.stateless_gamma([2, *shape], seed, alpha)
    # Both underflow once in some ten million draws of a small alpha.
    return tf.math.divide_no_nan(gammas[0], gammas[0] + gammas[1])


def prepared(batch, draw):
    """Returns what `draw` returned when a batch was prepared, or does now.

    See `base.Method.prepare`.

    Args:
        batch: as a `train_step` takes it.
        draw: a function without arguments.
    """
    if isinstance(batch, dict) and "mixing" in batch:
        return batch["mixing"]
    return draw()


def permutation(seed, size):
    """Returns a random permutation, int32 [size], by the seed alone."""
    return tf.argsort(randomness.uniform(seed, [size]))
