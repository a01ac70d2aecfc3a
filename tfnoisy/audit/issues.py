"""Which labels are wrong, how many, and what they are taken for.

Joint distributions are [K, K], P(clean, given): a row for each clean class, a
column for each given label, as in a noise manifest.  (cleanlab's have them
the other way round.)

From predicted probabilities all of it is confident learning (Northcutt,
Jiang, Chuang, JAIR 2021), which cleanlab does; the rest of the audit works
without cleanlab.
"""

import numpy as np

from tfnoisy import errors


def find(given_labels, pred_probs):
    """Returns a bool mask [N] of the labels that confident learning rejects.

    cleanlab's default, `prune_by_noise_rate`: of each pair of classes, as
    many examples as the confident joint counts, those with the largest margin
    first, but none whose given label is the predicted one.

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], out-of-sample, rows that sum to 1.

    Raises:
        UserError: if all labels are the same.
    """
    _check_classes(given_labels)
    return _cleanlab().filter.find_label_issues(
        np.asarray(given_labels), np.asarray(pred_probs), n_jobs=1
    )


def confident_joint(given_labels, pred_probs):
    """Returns the joint [K, K] that the confident joint estimates.

    Its columns sum to the shares of the given labels.

    Args:
        given_labels: int [N], in [0, K).
        pred_probs: float [N, K], out-of-sample, rows that sum to 1.

    Raises:
        UserError: if all labels are the same.
    """
    _check_classes(given_labels)
    return (
        _cleanlab()
        .count.estimate_joint(np.asarray(given_labels), np.asarray(pred_probs))
        .T
    )


def joint_of_corrections(
    given_labels, predicted_labels, clean_probability, num_classes
):
    """Returns the joint [K, K] if suspicious labels give way to predictions.

    Each example counts with its clean probability for its given label, and
    with the rest for the predicted one.

    Args:
        given_labels: int [N], in [0, K).
        predicted_labels: int [N], in [0, K).
        clean_probability: [N], in [0, 1]; a mask of trusted labels will do.
        num_classes: K.
    """
    kept = np.asarray(clean_probability, float)
    joint = np.zeros([num_classes, num_classes])
    np.add.at(joint, (given_labels, given_labels), kept)
    np.add.at(joint, (predicted_labels, given_labels), 1 - kept)
    return joint / len(kept)


def noise_rate(joint):
    """Returns the share of wrong labels in [0, 1] of a joint [K, K]."""
    return float(np.clip(1 - np.trace(joint) / np.sum(joint), 0, 1))


def transition_matrix(joint):
    """Returns P(given | clean) [K, K] of a joint.

    Row c is the distribution of the given labels of clean class c, zeros for
    a class that nothing is taken for.
    """
    totals = joint.sum(axis=1, keepdims=True)
    return np.divide(joint, totals, out=np.zeros_like(joint), where=totals > 0)


def confused_pairs(given_labels, predicted_labels, is_label_issue, num_classes):
    """Returns the pairs among the flagged labels, the commonest first.

    Args:
        given_labels: int [N], in [0, K).
        predicted_labels: int [N], in [0, K).
        is_label_issue: bool [N].
        num_classes: K.

    Returns:
        [(given, predicted, count), ...] of counts above 0, given and
        predicted differing; equal counts in the order of the classes.
    """
    flagged = is_label_issue & (given_labels != predicted_labels)
    cells = given_labels[flagged] * num_classes + predicted_labels[flagged]
    pairs, counts = np.unique(cells, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        (*map(int, divmod(pair, num_classes)), int(count))
        for pair, count in zip(pairs[order], counts[order])
    ]


def _check_classes(given_labels):
    if len(np.unique(given_labels)) < 2:
        raise errors.UserError(
            "confident learning compares classes, and all given labels are "
            "the same"
        )


def _cleanlab():
    """Imports cleanlab, which takes a second or two, only when it is used."""
    try:
        import cleanlab.count
        import cleanlab.filter
    except ImportError as error:
        raise errors.UserError(
            "finding wrong labels from predicted probabilities needs "
            f"cleanlab ({error}): pip install 'cleanlab>=2.9'"
        ) from error
    return cleanlab
