"""The judgement of labels by the features of a frozen network."""

import dataclasses

import numpy as np

from tfnoisy.audit import geometry, health, label_errors, label_quality
from tfnoisy.audit import trust as trust_lib
from tfnoisy.audit.features import compute


def judge(dataset, features, cache_dir=None, *, test=None, with_health=False):
    """Returns the `LabelQuality` of a data set, by features.

    Near duplicates of an image do not confirm each other's labels.

    Args:
        dataset: an `ImageDataset`.
        features: a name or a file, see `features.compute.of`.
        cache_dir: the folder that keeps computed features; None for the
            user's cache.
        test: where the health is examined, the test images: as for
            `health.examine`.
        with_health: whether to examine the health of the data set too.

    Raises:
        UserError: one line, for whatever the user can put right.
    """
    found = compute.of(dataset, features, cache_dir=cache_dir)
    errors, measured, pairs = _find(dataset, found.values)
    quality = quality_of(errors, dataset, found.name, found.note)
    examined = None
    if with_health:
        examined = health.examine(
            dataset,
            measured,
            pairs,
            test=test,
            features=features,
            cache_dir=cache_dir,
        )
    return dataclasses.replace(
        quality, neighbours=measured.neighbours, health=examined
    )


def find(dataset, values):
    """Finds wrong labels by features, near duplicates apart.

    Args:
        dataset: an `ImageDataset`.
        values: floats [N, D], its images' features.

    Returns:
        A `label_errors.LabelErrors`, and the `geometry.Geometry`.
    """
    return _find(dataset, values)[:2]


def _find(dataset, values):
    """Does so, and returns the near duplicates as well."""
    measured = geometry.measure(values)
    pairs = health.duplicates(dataset, measured)
    # Equal features confirm each other, whatever the images look like.
    same = copies(values)
    groups = pairs.groups(len(dataset), also=(np.arange(len(same)), same))
    measured = measured.with_groups(groups)
    errors = label_errors.find_label_errors(
        dataset.given_labels,
        values,
        num_classes=dataset.num_classes,
        measured=measured,
    )
    return errors, measured, pairs


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
        doubt=doubt(errors),
        pred_probs=errors.posterior,
        clean_labels=dataset.clean_labels,
    )


def doubt(errors):
    """Returns a sentence if the features cannot judge the labels, else ""."""
    return trust_lib.doubt(
        errors.held_out_agreement,
        errors.given_labels,
        errors.num_classes,
        "These features",
        "the features do not tell the classes apart",
    )


def trust(errors):
    """Returns sentences that say how far the judgement can be trusted.

    Args:
        errors: a `label_errors.LabelErrors`.
    """
    agreement = errors.held_out_agreement
    low, high = errors.noise_bracket
    sentences = list(filter(None, [doubt(errors)]))
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
