"""Instance-dependent noise: the label flips depend on the image.

Xia et al. 2020, "Part-dependent Label Noise: Towards Instance-dependent Label
Noise", algorithm 2, as in the authors' `tools.get_instance_noisy_label`:

    q_i ~ N(R, 0.1^2) truncated to [0, 1]                the flip rate
    W_y ~ N(0, 1), [features, C], one for each class y
    p_i = x_i W_y with p_i[y] = -inf, y the clean label
    p_i = q_i softmax(p_i);  p_i[y] = 1 - q_i;  given label ~ p_i

What the code does and the paper does not say: x_i are the flattened pixels as
0..255, so that the softmax is close to one-hot and an example has nearly
always one class that it is flipped to.  Being truncated, q_i has a mean a
little off R near 0 and 1 (for R = 0 it is 0.08).

Deviations: the draws are TensorFlow's stateless ones, of (seed, id) and for
W_y of (seed, y); the arithmetic is float64, so that the grouping of the rows
cannot move a label.
"""

import numpy as np
import tensorflow as tf
from etils import epy

from tfnoisy import randomness

with epy.lazy_imports():
    from scipy import stats

FLIP_RATE_STD = 0.1
# Of a thousand small images, or as many large ones as take no more.
_ROWS_AT_ONCE = 1024
_VALUES_AT_ONCE = 2**25


def flip_rates(rate, uniforms):
    """Returns float64 [N], q_i as the truncated normal's quantiles.

    Args:
        rate: R in [0, 1].
        uniforms: [N] in [0, 1).
    """
    low, high = -rate / FLIP_RATE_STD, (1 - rate) / FLIP_RATE_STD
    return stats.truncnorm.ppf(
        uniforms, low, high, loc=rate, scale=FLIP_RATE_STD
    )


def flip_probabilities(images, clean_labels, num_classes, rates, seed):
    """Returns float64 [N, C], each example's distribution of given labels.

    Args:
        images: uint8 [N, H, W, channels], an array or `StreamedImages`.
        clean_labels: int64 [N] in [0, C), C >= 2.
        num_classes: C.
        rates: q_i, float64 [N].
        seed: the seed of the projections W.
    """
    features = int(np.prod(images.shape[1:]))
    probabilities = np.empty([len(images), num_classes])
    rows_at_once = max(1, min(_ROWS_AT_ONCE, _VALUES_AT_ONCE // features))
    for label in np.unique(clean_labels):
        projection = _projection(seed, int(label), features, num_classes)
        rows = np.flatnonzero(clean_labels == label)
        for start in range(0, len(rows), rows_at_once):
            part = rows[start : start + rows_at_once]
            pixels = images[part].reshape(len(part), -1).astype(np.float64)
            logits = pixels @ projection
            logits[:, label] = -np.inf
            logits -= logits.max(axis=1, keepdims=True)
            weights = np.exp(logits)
            weights /= weights.sum(axis=1, keepdims=True)
            probabilities[part] = rates[part, None] * weights
            probabilities[part, label] = 1 - rates[part]
    return probabilities


def draw(probabilities, uniforms):
    """Returns int64 [N], one class for each row of [N, C] by its uniform."""
    cumulative = np.cumsum(probabilities, axis=1)
    cumulative /= cumulative[:, -1:]
    return (uniforms[:, None] >= cumulative).sum(axis=1)


def given_labels(images, clean_labels, num_classes, rate, seed, uniforms):
    """Returns int64 [N], the labels after instance-dependent noise.

    Args:
        images: uint8 [N, H, W, channels], an array or `StreamedImages`.
        clean_labels: int64 [N] in [0, C), C >= 2.
        num_classes: C.
        rate: R in [0, 1].
        seed: the run's seed, for the projections.
        uniforms: [N, 2] in [0, 1), for the flip rate and for the label.
    """
    rates = flip_rates(rate, uniforms[:, 0])
    probabilities = flip_probabilities(
        images, clean_labels, num_classes, rates, seed
    )
    return draw(probabilities, uniforms[:, 1])


def _projection(seed, label, features, num_classes):
    """Returns W_y, float64 [features, C]."""
    with tf.device("CPU:0"):
        normal = tf.random.stateless_normal(
            [features, num_classes],
            randomness.stream_seed(seed, "noise", label),
        )
    return normal.numpy().astype(np.float64)
