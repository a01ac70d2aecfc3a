"""What a method found out about the labels, kept in its run folder.

`evidence.npz` has the arrays of `Method.evidence`, by example id, for the
audit; results.json says how well the wrong labels were found, where the clean
ones are known.
"""

import io

import numpy as np

from tfnoisy import metrics

# What ranks the labels, high where one is trusted.
_SCORES = ("clean_probability", "agreement", "label_score")


def to_bytes(evidence):
    """Returns the bytes of an npz file.

    Args:
        evidence: {name: array}, see `Method.evidence`.
    """
    file = io.BytesIO()
    np.savez_compressed(file, **evidence)
    return file.getvalue()


def judge(evidence, manifest):
    """Returns how well wrong labels were found; None if the truth is unknown.

    Args:
        evidence: {ids, is_label_issue, and a score}, see `Method.evidence`.
        manifest: the run's `NoiseManifest`.

    Returns:
        {examples, wrong_labels, flagged, precision, recall, f1, auc}: three
        counts, then numbers in [0, 1]; the AUC of the method's score, None
        if all labels are right or all wrong.
    """
    if manifest.clean_labels is None:
        return None
    rows = np.searchsorted(manifest.ids, evidence["ids"])
    wrong = (manifest.given_labels != manifest.clean_labels)[rows]
    flagged = evidence["is_label_issue"]
    [score] = [evidence[name] for name in _SCORES if name in evidence]
    return {
        "examples": len(rows),
        "wrong_labels": int(wrong.sum()),
        "flagged": int(flagged.sum()),
        **metrics.detection_scores(flagged, wrong),
        "auc": metrics.auc(score, wrong),
    }
