"""Two beta distributions fitted to counts of wrong events.

Zhang, Chai, Xu, Zhang, Han, Yuan, Wang, Cao, NeurIPS 2025 (arXiv 2505.00812);
the code followed is zzzbitz/IDO at 2a64617.  A count W of a class, scaled,

    x = (W - min W) / (max W - min W) (1 - 2 eps) + eps,   eps = 1e-6

is of one of two components, clean (1) and wrong (2), with

    P_k = w_k Beta(x; a_k, b_k) / sum_j w_j Beta(x; a_j, b_j)
    F_k = the share of component k that lies below x

EM fits them by weighted moments.  Each further fit goes on from the last one,
but with the new min W and max W.  A mixture stands for K classes at once:
counts have few values, so EM looks at a histogram of each class.

What the code does that one would not expect:

- After each iteration b_1 < 1.02 becomes 1.1, and so does a_2: the clean
  component stays away from x = 1, the wrong one from x = 0.
- A count above the max W of the fit has x > 1, hence P_1 = P_2 = 0, F = 1.

Deviations: where all counts of a class are equal, the original divides by
zero or fits two spikes; here such a class keeps its parameters and has
P_1 = P_2 = F_1 = F_2 = 1/2.  A count below the likeliest clean one is judged
as that, see `predict`.  All of it is in float64.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

_EPSILON = 1e-6
_TOO_FLAT, _BENT = 1.02, 1.1


class Mixture(NamedTuple):
    """The mixtures of K classes, float64 tensors.

    Attributes:
        weight: w, [K, 2], of the clean and of the wrong component.
        alpha: a, [K, 2].
        beta: b, [K, 2].
        low: min W of the fit, [K].
        high: max W of the fit, [K].
        peak: the count with the largest P_1, [K].
    """

    weight: tf.Tensor
    alpha: tf.Tensor
    beta: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    peak: tf.Tensor


def start(num_mixtures):
    """Returns the `Mixture` that the first fit begins with.

    Args:
        num_mixtures: K.
    """
    pairs = tf.ones([num_mixtures, 1], tf.float64)
    zero = tf.zeros([num_mixtures], tf.float64)
    return Mixture(
        pairs * [0.5, 0.5], pairs * [1.0, 2.0], pairs * [2.0, 1.0], *3 * [zero]
    )


def packed(mixture):
    """Returns a `Mixture` as one array, float64 [K, 9]."""
    columns = [tf.reshape(part, [len(part), -1]) for part in mixture]
    return tf.concat(columns, 1)


def unpacked(rows):
    """Returns the `Mixture` that `packed` gave, or some rows of it.

    Args:
        rows: float64 [..., 9].
    """
    pairs = [rows[..., k : k + 2] for k in (0, 2, 4)]
    return Mixture(*pairs, *tf.unstack(rows[..., 6:], axis=-1))


def scaled(counts, low, high):
    """Returns x, float64, of the shape of the counts; 1/2 where low = high.

    Args:
        counts: W, float64.
        low: min W, likewise.
        high: max W, likewise.
    """
    spread = high - low
    share = tf.math.divide_no_nan(counts - low, spread)
    share = tf.where(spread > 0, share, 0.5)
    return share * (1 - 2 * _EPSILON) + _EPSILON


def density(x, alpha, beta):
    """Returns Beta(x; alpha, beta), float64; 0 outside of (0, 1).

    Args:
        x: float64, of any shape that goes with the parameters.
        alpha: above 0.
        beta: above 0.
    """
    inside = (x > 0) & (x < 1)
    safe = tf.where(inside, x, 0.5)
    log_beta = (tf.math.lgamma(alpha) + tf.math.lgamma(beta)) - tf.math.lgamma(
        alpha + beta
    )
    log_density = (
        (alpha - 1) * tf.math.log(safe)
        + (beta - 1) * tf.math.log1p(-safe)
        - log_beta
    )
    return tf.where(inside, tf.exp(log_density), 0.0)


def fit(mixture, histogram, iterations):
    """Goes on fitting to the counts as they are now.

    Args:
        mixture: the last `Mixture`, or `start`.
        histogram: int [K, L]: how many examples of each class have the counts
            0, 1, ..., L - 1.
        iterations: of EM; 20 before the second stage of IDO.

    Returns:
        A `Mixture`.
    """
    histogram = tf.constant(histogram, tf.float64)
    levels = tf.range(histogram.shape[1], dtype=tf.float64)
    there = histogram > 0
    low = tf.reduce_min(tf.where(there, levels, np.inf), 1)
    high = tf.reduce_max(tf.where(there, levels, -np.inf), 1)
    # A class without examples, or with equal counts, has nothing to tell.
    told = high > low
    low, high = (tf.where(told, bound, 0.0) for bound in (low, high))
    x = scaled(levels, low[:, None], high[:, None])
    parameters = mixture[:3]
    for _ in range(iterations):
        moved = _iteration(x, histogram, *parameters)
        parameters = [
            tf.where(told[:, None], new, old)
            for new, old in zip(moved, parameters)
        ]
    fitted = Mixture(*parameters, low, high, low)
    # For predictions at the counts that there are, without the guard.
    p, _ = predict(_of_levels(fitted, levels), levels + tf.zeros_like(x))
    peak = tf.argmax(tf.where(there, p[..., 0], -1.0), 1)
    return fitted._replace(peak=tf.where(told, tf.gather(levels, peak), 0.0))


def _iteration(x, histogram, weight, alpha, beta):
    """Returns (weight, alpha, beta) after an iteration of EM.

    Args:
        x: [K, L].
        histogram: [K, L].
        weight: [K, 2], as the others.
        alpha: likewise.
        beta: likewise.
    """
    of_levels = [part[:, None] for part in (alpha, beta)]
    likelihood = weight[:, None] * density(x[..., None], *of_levels)
    likelihood = tf.maximum(likelihood, _EPSILON)
    total = tf.reduce_sum(likelihood, -1, keepdims=True)
    share = likelihood / (total + _EPSILON) * histogram[..., None]

    size = tf.reduce_sum(share, 1)
    mean = tf.einsum("klc,kl->kc", share, x) / (size + _EPSILON)
    gaps = tf.square(x[..., None] - mean[:, None])
    variance = tf.reduce_sum(share * gaps, 1) / (size + _EPSILON)
    variance = tf.maximum(variance, _EPSILON)
    alpha = tf.maximum(mean * (mean * (1 - mean) / variance - 1), _EPSILON)
    beta = tf.maximum(alpha * (1 - mean) / mean, _EPSILON)

    def bent(part, component):
        flat = (part < _TOO_FLAT) & (tf.range(2) == component)
        return tf.where(flat, _BENT, part)

    weight = size / tf.reduce_sum(size, 1, keepdims=True)
    return weight, bent(alpha, 1), bent(beta, 0)


def _of_levels(mixture, levels):
    """Returns the `Mixture` [K, L] of classes at all of these counts."""
    rows = packed(mixture)[:, None] + tf.zeros_like(levels)[:, None]
    return unpacked(rows)


def predict(mixture, counts, monotone=False):
    """Returns P and F at some counts.

    Args:
        mixture: a `Mixture` of which each row belongs to a count.
        counts: W, float64 [...].
        monotone: whether a count below the one with the largest P_1 is taken
            for that.  The original's P_1 falls to 0 there too if a_1 > 1: the
            labels that the network contradicts least would be thought wrong.

    Returns:
        (P, F), each float64 [..., 2], of the clean and the wrong component.
    """
    if monotone:
        counts = tf.maximum(counts, mixture.peak)
    x = scaled(counts, mixture.low, mixture.high)[..., None]
    x += tf.zeros_like(mixture.alpha)
    likelihood = mixture.weight * density(x, mixture.alpha, mixture.beta)
    total = tf.reduce_sum(likelihood, -1, keepdims=True) + _EPSILON
    p = likelihood / total
    f = tf.math.betainc(
        mixture.alpha, mixture.beta, tf.clip_by_value(x, 0.0, 1.0)
    )
    known = (mixture.high > mixture.low)[..., None]
    return tf.where(known, p, 0.5), tf.where(known, f, 0.5)
