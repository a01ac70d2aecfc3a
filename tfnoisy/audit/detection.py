"""How well an audit found the wrong labels, where the truth is known."""

import numpy as np

from tfnoisy import metrics


def measure(quality):
    """Returns how well the wrong labels of a `LabelQuality` were found.

    Args:
        quality: a `LabelQuality`.

    Returns:
        {noise_rate, precision, recall, f1, auc, correction_accuracy},
        numbers in [0, 1]; the last two may be None.  None where the clean
        labels are unknown.
    """
    wrong = quality.is_wrong
    if wrong is None:
        return None
    return {
        "noise_rate": float(np.mean(wrong)),
        **metrics.detection_scores(quality.is_label_issue, wrong),
        "auc": metrics.auc(quality.label_score, wrong),
        "correction_accuracy": metrics.correction_accuracy(
            quality.predicted_labels,
            quality.clean_labels,
            quality.is_label_issue,
        ),
    }
