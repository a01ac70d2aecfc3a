"""Which examples ProMix chooses: the smallest losses, and what both agree on.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, IJCAI 2023 (arXiv 2207.10276); the code
followed is Justherozen/ProMix at 40d8378, `eval_train` and `label_guessing` of
`Train_promix.py`.  See `promix`.
"""

import math

import numpy as np
import tensorflow as tf


def small_losses(losses, labels, num_classes, rho, ids=None):
    """Returns m of the class-wise small-loss selection (CSS), bool [N].

    Of each given class the max(min(ceil(rho N / C), n_c), 1) smallest losses:
    the quota is the same for all classes.

    Args:
        losses: [N].
        labels: the given labels, int [N].
        num_classes: C.
        rho: in [0, 1].
        ids: int [N], by which equal losses are ordered; by row if None.
    """
    labels = np.asarray(labels)
    ids = np.arange(len(labels)) if ids is None else ids
    quota = max(math.ceil(len(labels) * (1.0 / num_classes) * rho), 1)
    order = np.lexsort((ids, losses, labels))
    counts = np.bincount(labels, minlength=num_classes)
    first = (np.cumsum(counts) - counts)[labels[order]]
    chosen = np.zeros(len(labels), bool)
    chosen[order[np.arange(len(labels)) - first < quota]] = True
    return chosen


def expanded(chosen, scores, agree, tau, threshold):
    """Returns S after label guessing by agreement (LGA), bool [B].

    Args:
        chosen: m, bool [B].
        scores: max p of both networks, two [B].
        agree: whether they predict the same, bool [B].
        tau: what both scores must be above.
        threshold: S grows to int(threshold B), the highest mean scores first.
    """
    size = tf.cast(tf.size(chosen), tf.float64)
    wanted = tf.cast(size * threshold, tf.int32)
    room = wanted - tf.reduce_sum(tf.cast(chosen, tf.int32))
    free = ~chosen & agree & (scores[0] > tau) & (scores[1] > tau)
    order = tf.argsort(
        tf.where(free, scores[0] + scores[1], -1.0),
        direction="DESCENDING",
        stable=True,
    )
    return chosen | (free & (tf.argsort(order) < room))
