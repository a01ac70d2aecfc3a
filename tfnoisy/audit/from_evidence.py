"""The judgement that a method left in its run folder, as an `LabelQuality`.

The arrays are those of `methods.base.Method.evidence`, which `evidence.npz`
keeps; which of them are there tells what kind of method it was.
"""

import dataclasses

import numpy as np

from tfnoisy import errors
from tfnoisy.audit import columns, label_quality

# By what else there is beside the mean weight: how labels were flagged, and
# what the score is.
_KINDS = {
    (): (
        "The mean weight that the mentor gives to the label is below one half.",
        "mean weight",
    ),
    ("positive_weight",): (
        "In most of its last visits the label's weight was 0: its gradient "
        "did not help on the trusted images.",
        "share of visits with a positive weight",
    ),
    ("positive_weight", "mean_lambda"): (
        "In its last visits the label's weight was 0, as its gradient did not "
        "help on the trusted images, or the pseudo label was chosen: the mean "
        "of both shares is below one half.",
        "mean of positive weight and lambda",
    ),
}
# What run folders of earlier versions call these arrays.
_FORMER_NAMES = {"helpful": "positive_weight", "kept_label": "mean_lambda"}
_RECENT = (
    "The score is of the last ten or so visits of each example in training, "
    "on training views."
)
_LOOK_AHEAD = (
    "Weights of single steps are a noisy sign of what is wrong. If the network "
    "has not memorised the wrong labels, its losses (--method=losses) can find "
    "more of them."
)


def of(arrays, **common):
    """Returns the `LabelQuality` of the arrays that a method left.

    Args:
        arrays: {name: [N]}, rows as in `common`.
        **common: ids, given_labels, predicted_labels, num_classes and
            clean_labels, as for the constructors of `LabelQuality`.

    Raises:
        UserError: for arrays of no method that is known, or that do not fit.
    """
    arrays = {_FORMER_NAMES.get(name, name): a for name, a in arrays.items()}
    if "group" in arrays:
        return label_quality.LabelQuality.from_groups(
            groups=arrays["group"], agreement=arrays["agreement"], **common
        )
    if "clean_probability" in arrays:
        return label_quality.LabelQuality.from_clean_probability(
            clean_probability=arrays["clean_probability"],
            method="DivideMix",
            **common,
        )
    if "label_score" in arrays:
        return from_mean_weights(arrays, **common)
    raise errors.UserError(
        f"the evidence has {', '.join(sorted(arrays))}, of which no method "
        "is known; --method=losses judges by the network's losses"
    )


def from_mean_weights(arrays, **common):
    """Judges by the weights that a method gave each example in training.

    Args:
        arrays: {label_score: [N] in [0, 1], flagged below one half; and by
            name what it was made of}, see `mean_weights.MeanWeights.evidence`.
        **common: as for `of`.

    Raises:
        UserError: for whatever does not fit.
    """
    names = ("positive_weight", "mean_lambda")
    criterion, score_name = _KINDS[
        tuple(name for name in names if name in arrays)
    ]
    score = columns.numbers(
        "label scores", arrays["label_score"], len(common["ids"]), 0, 1
    )
    # A score is no probability: labels are trusted, or they are not.
    trusted = np.where(score < 0.5, 0.0, 1.0)
    found = label_quality.LabelQuality.from_clean_probability(
        clean_probability=trusted, **common
    )
    return dataclasses.replace(
        found,
        label_score=score,
        clean_probability=None,
        criterion=criterion,
        score_name=score_name,
        notes=(_RECENT,) + (_LOOK_AHEAD,) * ("positive_weight" in arrays),
    )
