"""How much of its training labels a method has memorised."""

import numpy as np

from tfnoisy.runs import data as run_data
from tfnoisy.training import evaluation

_MOST = 1000


def wrong_labels(experiment, data):
    """Returns a random sample of the wrongly labelled training images.

    At most 1,000: the loop asks at each evaluation how many of them are
    predicted as they are labelled.  None where no label is known to be wrong.

    Args:
        experiment: an `experiment.Experiment`.
        data: its `runs.data.Data`.
    """
    train = data.train
    chosen = run_data.by_lot(train, "evaluation", experiment.seed)
    wrong = chosen[_is_wrong(train)[chosen]]
    if not len(wrong):
        return None
    return train.take(np.sort(wrong[: min(_MOST, max(100, len(data.test)))]))


def _is_wrong(dataset):
    """Returns which given labels are known to be wrong, bool [N]."""
    if dataset.clean_labels is None:
        return np.zeros(len(dataset), bool)
    return dataset.given_labels != dataset.clean_labels


def measure(experiment, method, data, strategy):
    """Returns how well the training labels, and the wrong ones, are fitted.

    By the evaluated weights, on a random sample that is not much more work
    than the test set.

    Args:
        experiment: an `experiment.Experiment`.
        method: its trained `methods.base.Method`.
        data: its `runs.data.Data`.
        strategy: the `tf.distribute.Strategy` whose replicas share the work.

    Returns:
        {examples: how many were looked at; given_label_accuracy: in [0, 1];
        wrong_labels_fitted: the share of the wrongly labelled examples for
        which the wrong label is predicted, None if none is known}.
    """
    chosen = run_data.by_lot(data.train, "evaluation", experiment.seed)
    count = min(5000, max(1000, len(data.test)))
    sample = data.train.take(np.sort(chosen[:count]))
    logits = evaluation.predict_logits(
        method,
        sample,
        data.augmentation,
        experiment.eval_batch_size,
        strategy,
    )
    fitted = logits.argmax(axis=1) == sample.given_labels
    wrong = _is_wrong(sample)
    return {
        "examples": len(sample),
        "given_label_accuracy": float(fitted.mean()),
        "wrong_labels_fitted": (
            float(fitted[wrong].mean()) if wrong.any() else None
        ),
    }
