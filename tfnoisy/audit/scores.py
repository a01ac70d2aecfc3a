"""How well a given label fits the predicted probabilities: cleanlab's scores.

Pure functions of given labels [N] and predicted probabilities [N, K], equal
to those of `cleanlab.rank` under its names.  All lie in [0, 1]; the lower,
the more suspicious the label.  The probabilities should be out-of-sample: a
network that was trained on a wrong label may have memorised it.

References:
    Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in
    Dataset Labels, JAIR 2021 (thresholds: section 3.1; scores: section 3.4).
    Kuan, Mueller: Model-agnostic label quality scoring to detect real-world
    label errors, DataPerf 2022.
"""

import numpy as np
from scipy import special

from tfnoisy import errors

# cleanlab's bounds, so that the scores agree where they matter.
_LOWEST_THRESHOLD = 2e-6
_LOWEST_CONFIDENCE = 1e-6
_THRESHOLD_OF_MISSING_CLASS = 2.0


def self_confidence(given_labels, pred_probs, adjust_pred_probs=False):
    """Returns p(given label), [N].

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], rows that sum to 1.
        adjust_pred_probs: whether to allow for classes that the network finds
            harder or rarer than others, see `adjusted`.
    """
    if adjust_pred_probs:
        pred_probs = adjusted(given_labels, pred_probs)
    return pred_probs[np.arange(len(given_labels)), given_labels]


def normalized_margin(given_labels, pred_probs, adjust_pred_probs=False):
    """Returns (p(given label) - the largest p of another class + 1) / 2, [N].

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], rows that sum to 1; K is at least 2.
        adjust_pred_probs: as for `self_confidence`.
    """
    if adjust_pred_probs:
        pred_probs = adjusted(given_labels, pred_probs)
    rows = np.arange(len(given_labels))
    others = pred_probs.copy()
    others[rows, given_labels] = -np.inf
    return (pred_probs[rows, given_labels] - others.max(axis=1) + 1) / 2


def confidence_weighted_entropy(given_labels, pred_probs):
    """Returns ln(1 + e) / e, [N], where e = H(p) / (ln(K) p(given label)).

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], rows that sum to 1; K is at least 2.
    """
    confidence = self_confidence(given_labels, pred_probs)
    entropy = special.entr(pred_probs).sum(axis=1) / np.log(pred_probs.shape[1])
    weighted = entropy / np.maximum(confidence, _LOWEST_CONFIDENCE)
    return np.log(weighted + 1) / np.maximum(weighted, _LOWEST_CONFIDENCE)


_SCORES = {
    "self_confidence": self_confidence,
    "normalized_margin": normalized_margin,
    "confidence_weighted_entropy": confidence_weighted_entropy,
}
NAMES = tuple(_SCORES)


def label_quality(
    given_labels, pred_probs, name="self_confidence", adjust_pred_probs=False
):
    """Returns the score [N] of this name.

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], rows that sum to 1; K is at least 2.
        name: one of `NAMES`.
        adjust_pred_probs: as for `self_confidence`; the entropy has no such
            form, in cleanlab as here.

    Raises:
        UserError: if there is no such score.
    """
    if name not in _SCORES:
        raise errors.UserError(
            f"no label score is called {name!r}; there are {', '.join(NAMES)}"
        )
    if not adjust_pred_probs:
        return _SCORES[name](given_labels, pred_probs)
    if name == "confidence_weighted_entropy":
        raise errors.UserError(
            "confidence_weighted_entropy has no adjusted form; "
            "self_confidence and normalized_margin have one"
        )
    return _SCORES[name](given_labels, pred_probs, adjust_pred_probs=True)


def confident_thresholds(given_labels, pred_probs):
    """Returns [K], the mean p(k) over the examples that were given label k.

    A class that no label names gets a threshold that nothing reaches.

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K].
    """
    num_classes = pred_probs.shape[1]
    counts = np.bincount(given_labels, minlength=num_classes)
    confidence = pred_probs[np.arange(len(given_labels)), given_labels]
    sums = np.bincount(given_labels, confidence, minlength=num_classes)
    means = np.maximum(sums / np.maximum(counts, 1), _LOWEST_THRESHOLD)
    return np.where(counts > 0, means, _THRESHOLD_OF_MISSING_CLASS)


def adjusted(given_labels, pred_probs):
    """Returns pred_probs [N, K] less each class's threshold, renormalised.

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], rows that sum to 1.
    """
    thresholds = confident_thresholds(given_labels, pred_probs)
    shifted = pred_probs - thresholds + thresholds.max()
    return shifted / shifted.sum(axis=1, keepdims=True)
