"""Which labels a person checks first, and what the answers say.

The first are a random sample in strata, which gives the share of wrong labels
an interval (`noise_rate`); then come the likeliest wrong ones, or those whose
class is least known.  Decisions are kept in the form of `datasets.corrections`:
the list that is written here is one that a person fills in.
"""

import dataclasses

import numpy as np
from scipy import special

from tfnoisy import choices, errors
from tfnoisy.audit import noise_rate
from tfnoisy.datasets import corrections

_LEAST_ANSWERS = 5


def rows(quality, budget, order="wrongness", seed=0, done=()):
    """Returns the rows to check, the first ones first.

    Args:
        quality: a `label_quality.LabelQuality` whose label score is 1 minus
            the probability that a label is wrong.
        budget: how many, at least 1.
        order: `wrongness`: the likeliest wrong ones first, of which nearly all
            are; `entropy`: those whose class is least known, of which a model
            learns more.
        seed: of the sample.
        done: rows that have been checked and are left out.

    Returns:
        int64 [n], n at most the budget.

    Raises:
        UserError: for `entropy` where no probabilities are known.
    """
    if order not in choices.CHECK_ORDERS:
        raise ValueError(f"order {order!r}")
    wrongness = _wrongness(quality)
    if order == "entropy":
        if quality.pred_probs is None:
            raise errors.UserError(
                "--order=entropy needs the probability of each class: judge "
                "by --method=features"
            )
        urgency = special.entr(quality.pred_probs).sum(axis=1)
    else:
        urgency = wrongness
    first = sample(quality, seed).rows
    others = np.argsort(-urgency, kind="stable")
    chosen = np.concatenate([first, others[~np.isin(others, first)]])
    return chosen[~np.isin(chosen, done)][:budget]


def sample(quality, seed=0):
    """Returns the `noise_rate.Checks` that give the estimate."""
    count = min(noise_rate.DEFAULT_CHECKS, len(quality))
    return noise_rate.choose_checks(
        _wrongness(quality), max(count, _LEAST_ANSWERS), seed
    )


def _wrongness(quality):
    return 1 - np.asarray(quality.label_score, np.float64)


def to_csv(chosen, quality, dataset):
    """Returns the text of a list to fill in, which `answers` reads.

    Args:
        chosen: int [n], rows.
        quality: a `label_quality.LabelQuality`.
        dataset: its `ImageDataset`, rows in the same order.
    """
    keys, names = dataset.example_keys, dataset.class_names
    decisions = [
        corrections.Correction(
            keys[row],
            names[quality.given_labels[row]],
            sha256=""
            if dataset.digests is None
            else dataset.digests[row].tobytes().hex(),
            note=f"suggested {names[quality.predicted_labels[row]]}, wrong "
            f"with probability {1 - quality.label_score[row]:.2f}",
        )
        for row in chosen
    ]
    return corrections.to_csv(decisions)


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What a person decided.

    Attributes:
        rows: int64 [n], of the data set.
        is_wrong: bool [n], whether the given label is wrong.
        undecided: how many were left open.
    """

    rows: np.ndarray
    is_wrong: np.ndarray
    undecided: int


def answers(decided, dataset):
    """Joins decisions to a data set.

    A label is right if it is kept, and wrong if it is changed or its image
    removed.

    Args:
        decided: `corrections.Corrections`.
        dataset: the `ImageDataset` with the labels that people saw.

    Returns:
        `Answers`.

    Raises:
        DataError: for decisions that do not fit.
    """
    found = corrections.find(decided, dataset)
    judged = {
        row: decision.action != corrections.KEEP
        for row, decision in sorted(found.items())
        if decision.action != corrections.UNDECIDED
    }
    return Answers(
        np.array(list(judged), np.int64),
        np.array(list(judged.values()), bool),
        len(found) - len(judged),
    )


def revise(quality, dataset, answered, seed=0):
    """Judges anew with what people answered.

    Args:
        quality: a `label_quality.LabelQuality`.
        dataset: its `ImageDataset`.
        answered: `Answers`.
        seed: of the sample, as it was for `rows`.

    Returns:
        The `LabelQuality`, its scores and flags corrected and with sentences
        on the answers among its notes; and the `noise_rate.Estimate`.

    Raises:
        UserError: if fewer than 5 of the sample were answered.
    """
    drawn, wrongness = sample(quality, seed), _wrongness(quality)
    verdicts = dict(zip(answered.rows.tolist(), answered.is_wrong.tolist()))
    in_sample = [verdicts.get(row) for row in drawn.rows.tolist()]
    others = ~np.isin(answered.rows, drawn.rows)
    estimate = noise_rate.estimate_noise_rate(
        wrongness,
        drawn,
        in_sample,
        answered.rows[others],
        answered.is_wrong[others],
    )
    classes = noise_rate.class_rates(
        wrongness,
        quality.given_labels,
        dataset.num_classes,
        answered.rows,
        answered.is_wrong,
        seed,
    )
    revised = dataclasses.replace(
        quality,
        label_score=1 - estimate.wrongness,
        is_label_issue=estimate.is_label_issue,
        noise_rate=estimate.rate,
        notes=(*describe(estimate, classes, dataset, answered), *quality.notes),
    )
    return revised, estimate


def describe(estimate, classes, dataset, answered):
    """Returns sentences on the answers, a tuple.

    Args:
        estimate: a `noise_rate.Estimate`.
        classes: `noise_rate.class_rates`.
        dataset: the `ImageDataset`.
        answered: `Answers`.
    """
    low, high = estimate.interval
    half = estimate.width / 2
    more = noise_rate.checks_for_width(estimate, half) - estimate.checked
    open_ = f" {answered.undecided:,} are undecided." * bool(answered.undecided)
    sentences = [
        f"{estimate.rate:.1%} of the labels are wrong; 95 % interval "
        f"{low:.1%} to {high:.1%}, from {estimate.checked:,} checked labels of "
        f"the random sample, {estimate.wrong:,} of them wrong.{open_}",
        f"About {more:,} more of the sample would halve the interval.",
    ]
    known = sorted(filter(None, classes), key=lambda one: -one.rate)
    if known:
        shown = ", ".join(
            f"{dataset.class_names[one.label]} {one.rate:.0%} "
            f"({one.interval[0]:.0%} to {one.interval[1]:.0%})"
            for one in known[:10]
        )
        sentences.append(f"By given class, model-based: {shown}.")
    return tuple(sentences)
