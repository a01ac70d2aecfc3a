"""How well wrong labels were found, where the truth is known.

Precision, recall and F1 of the flagged labels are BKD's
(`tfnoisy.methods.trust`), the AUC of the score is what DivideMix prints.
"""

import numpy as np
from sklearn import metrics

from tfnoisy.methods import trust


def auc(label_score, is_wrong):
    """Returns the share of (wrong, right) pairs that the score ranks so.

    Args:
        label_score: [N], low where a label is suspicious.
        is_wrong: bool [N].

    Returns:
        A float in [0, 1], ties counted by half; None unless there are both
        wrong and right labels.
    """
    if is_wrong.all() or not is_wrong.any():
        return None
    return float(metrics.roc_auc_score(is_wrong, -np.asarray(label_score)))


def correction_accuracy(predicted_labels, clean_labels, is_label_issue):
    """Returns the share of the flagged that predictions put right, in [0, 1].

    Args:
        predicted_labels: int [N].
        clean_labels: int [N], -1 where no class is right.
        is_label_issue: bool [N].

    Returns:
        A float, or None if no label is flagged.
    """
    if not is_label_issue.any():
        return None
    right = predicted_labels == clean_labels
    return float(np.mean(right[is_label_issue]))


def measure(evidence):
    """Returns how well the wrong labels of an `Evidence` were found.

    Args:
        evidence: an `Evidence`.

    Returns:
        {noise_rate, precision, recall, f1, auc, correction_accuracy},
        numbers in [0, 1]; the last two may be None.  None where the clean
        labels are unknown.
    """
    wrong = evidence.is_wrong
    if wrong is None:
        return None
    return {
        "noise_rate": float(np.mean(wrong)),
        **trust.detection_scores(evidence.is_label_issue, wrong),
        "auc": auc(evidence.label_score, wrong),
        "correction_accuracy": correction_accuracy(
            evidence.predicted_labels,
            evidence.clean_labels,
            evidence.is_label_issue,
        ),
    }
