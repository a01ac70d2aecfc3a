"""How well wrong labels were found, where the truth is known.

Precision, recall and F1 of the flagged labels are those of BKD's
`detection.py`, the AUC of the score is what DivideMix prints.
"""

import numpy as np
from etils import epy

with epy.lazy_imports():
    from sklearn import metrics


def detection_scores(is_label_issue, is_wrong):
    """Judges a detection of wrong labels.

    Args:
        is_label_issue: bool [N], the labels that were flagged.
        is_wrong: bool [N], those that differ from the clean ones.

    Returns:
        {precision, recall, f1}, in [0, 1]; 0/0 counts as 0.
    """
    flagged, wrong = (
        np.asarray(mask, bool) for mask in (is_label_issue, is_wrong)
    )
    hits = np.sum(flagged & wrong)
    precision = float(hits / max(np.sum(flagged), 1))
    recall = float(hits / max(np.sum(wrong), 1))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


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
