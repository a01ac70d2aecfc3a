"""What mixup and MixMatch share: mixing, sharpening, random coefficients."""

import tensorflow as tf


def mix(images, labels, partners, coefficients, num_rows=None):
    """Returns lam * (x, y) + (1 - lam) * (x, y)[partners].

    Args:
        images: [B, H, W, C].
        labels: [B, C].
        partners: int [B].
        coefficients: lam in [0, 1], [B] or one scalar for all.
        num_rows: mix only the first of the rows, with partners from all;
            all rows if None.

    Returns:
        Images and labels of `num_rows` or B rows.
    """

    def mixed(z):
        lam = coefficients
        if coefficients.shape.rank:
            lam = tf.reshape(lam, [-1] + [1] * (z.shape.rank - 1))
        return lam * z[:num_rows] + (1.0 - lam) * tf.gather(
            z, partners[:num_rows]
        )

    return mixed(images), mixed(labels)


def mix_weighted(mixing, labels, weights):
    """Mixes labels with weights of the examples, each part with its own.

    Args:
        mixing: a function of labels to (mixed images, mixed labels), linear
            in the labels.
        labels: [B, C], rows that sum to 1.
        weights: [B], or None for weights of 1.

    Returns:
        (images, labels, weights): rows of labels that sum to 1, or to 0 where
        the weight is 0, and the mixed weights [B]; None for None.
    """
    if weights is None:
        return *mixing(labels), None
    images, mixed = mixing(labels * weights[:, None])
    weights = tf.reduce_sum(mixed, -1)
    return images, tf.math.divide_no_nan(mixed, weights[:, None]), weights


def mixmatch(images, targets, partners, draw, num_rows=None):
    """Returns X', Y' of MixMatch: each row mostly itself, else its partner.

    Berthelot et al., NeurIPS 2019 (arXiv 1905.02249), section 3.3.

    Args:
        images: X, [M, H, W, C].
        targets: Y, [M, C].
        partners: pi, int [M].
        draw: a scalar in [0, 1]; l is the larger of it and its complement.
        num_rows: as for `mix`.
    """
    larger = tf.maximum(draw, 1.0 - draw)
    return mix(images, targets, partners, larger, num_rows)


def sharpen(probabilities, temperature=0.5):
    """Returns p^(1/T) / sum(p^(1/T)), [B, C].

    Args:
        probabilities: p, [B, C].
        temperature: T.
    """
    powers = probabilities ** (1.0 / temperature)
    return powers / tf.reduce_sum(powers, -1, keepdims=True)


def beta(seed, shape, alpha):
    """Returns draws from Beta(alpha, alpha), which depend on the seed alone.

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
