"""The evidence that a method left in its run folder, as a `LabelQuality`."""

import dataclasses

import numpy as np

from tfnoisy.audit import columns, label_quality


def of(evidence, **common):
    """Returns the `LabelQuality` of what a method said of the labels.

    The labels that the method flagged are flagged here, whatever its
    threshold was.

    Args:
        evidence: a `runs.evidence.Evidence`, rows as in `common`.
        **common: ids, given_labels, predicted_labels, num_classes and
            clean_labels, as for the constructors of `LabelQuality`.

    Raises:
        UserError: for whatever does not fit.
    """
    arrays = evidence.arrays
    flagged = arrays["is_label_issue"]
    score = columns.numbers(
        f"{evidence.score_name}s", arrays[evidence.score], len(flagged), 0, 1
    )
    is_probability = evidence.score == "clean_probability"
    if "group" in arrays:
        found = label_quality.LabelQuality.from_groups(
            groups=arrays["group"], agreement=score, **common
        )
    else:
        # Another score is no probability: labels are trusted, or they are not.
        found = label_quality.LabelQuality.from_clean_probability(
            clean_probability=score if is_probability else ~flagged * 1.0,
            **common,
        )
    threshold = evidence.threshold
    return dataclasses.replace(
        found,
        label_score=score,
        is_label_issue=np.asarray(flagged, bool),
        clean_probability=score if is_probability else None,
        criterion=evidence.criterion,
        score_name=evidence.score_name,
        cuts={} if threshold is None else {"threshold": threshold},
        notes=evidence.notes + found.notes,
    )
