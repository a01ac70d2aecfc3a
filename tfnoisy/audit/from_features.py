"""The judgement of labels by the features of a frozen network."""

import numpy as np

from tfnoisy.audit import label_errors, label_quality
from tfnoisy.audit.features import compute

# With fewer held-out labels predicted right, relative to guessing the most
# frequent class, the features do not tell the classes apart.
_LEAST_ABOVE_CHANCE = 0.2


def judge(dataset, features, cache_dir=None):
    """Returns the `LabelQuality` of a data set, by features.

    Exact copies of an image do not confirm each other's labels.

    Args:
        dataset: an `ImageDataset`.
        features: a name or a file, see `features.compute.of`.
        cache_dir: the folder that keeps computed features; None for the
            user's cache.

    Raises:
        UserError: one line, for whatever the user can put right.
    """
    found = compute.of(dataset, features, cache_dir=cache_dir)
    errors = label_errors.find_label_errors(
        dataset.given_labels,
        found.values,
        num_classes=dataset.num_classes,
        groups=copies(found.values),
    )
    return quality_of(errors, dataset, found.name, found.note)


def copies(features):
    """Returns int64 [N], equal for rows that are equal.

    Args:
        features: floats [N, D].
    """
    first = {}
    rows = np.ascontiguousarray(features)
    return np.array(
        [first.setdefault(row.tobytes(), k) for k, row in enumerate(rows)]
    )


def quality_of(errors, dataset, name, note=""):
    """Returns the `LabelQuality` that the rule's result amounts to.

    Args:
        errors: a `label_errors.LabelErrors`, rows as in the data set.
        dataset: an `ImageDataset`.
        name: where the features are from.
        note: a sentence for the report, or empty.
    """
    return label_quality.LabelQuality(
        ids=np.asarray(dataset.ids),
        given_labels=errors.given_labels,
        predicted_labels=errors.suggested_labels,
        label_score=errors.label_score,
        is_label_issue=errors.is_label_issue,
        noise_rate=errors.noise_rate,
        transition_matrix=errors.transition_matrix,
        criterion=(
            f"Features of {name}: votes of neighbours and a leave-one-out "
            "ridge, a few steps of EM, flags of the largest expected F1."
        ),
        score_name="probability that the label is right",
        notes=(*trust(errors), *filter(None, [note])),
        pred_probs=errors.posterior,
        clean_labels=dataset.clean_labels,
    )


def trust(errors):
    """Returns sentences that say how far the judgement can be trusted.

    Args:
        errors: a `label_errors.LabelErrors`.
    """
    counts = np.bincount(errors.given_labels, minlength=errors.num_classes)
    chance = counts.max() / counts.sum()
    agreement = errors.held_out_agreement
    low, high = errors.noise_bracket
    sentences = []
    if agreement - chance < _LEAST_ABOVE_CHANCE * (1 - chance):
        sentences.append(
            "These features cannot judge these labels: held-out labels are "
            f"predicted right for {agreement:.0%}, guessing the most frequent "
            f"class gives {chance:.0%}. Take the flags for what they are: "
            "guesses."
        )
    sentences.append(
        f"Of the given labels {agreement:.0%} are what the other images "
        f"predict. Between {low:.1%} and {high:.1%} of the labels are wrong: "
        "a bracket, not a confidence interval, which needs labels that "
        "somebody has checked."
    )
    if errors.expected_precision is not None:
        sentences.append(
            f"Of the flagged labels {errors.expected_precision:.0%} are "
            "expected to be wrong."
        )
    return tuple(sentences)
